//! `silhouette`: how much nearer a vector is to its own cluster than to the next one.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, check_count, columnar, required};
use crate::support::function::{Function, Scalar};
use crate::support::linear_model::numbers_type;
use crate::support::rows::row_count;
use crate::support::vectors::{Vectors, numbers_of, square_of_distance};

/// The SQL function `silhouette`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "How much nearer a vector is to the vectors of its own cluster than to those of the next one (P. J. Rousseeuw 1987), -1 to 1, a \
Float64: (b - a) / max(a, b), where a is the mean of the squared distances to the others of its cluster and b the least such mean of another cluster; 0 \
for the only vector of a cluster. The means follow from each cluster's mean and standard deviations, without looking at pairs. NULL if an argument is \
NULL, holds NULL, or if the cluster isn't among the clusters; NULL where there is one cluster only. Its mean says how well a table is clustered: \
`EVALUATE MODEL` gives it.",
    syntax_example = "silhouette(x, cluster, clusters)",
    sql_example = r#"```sql
> WITH t AS (SELECT * FROM (VALUES ([0.0], 0), ([1.0], 0), ([10.0], 1), ([12.0], 1)) AS t(x, cluster)), c AS (SELECT cluster, standard_scaler(x) AS s FROM t GROUP BY cluster) SELECT x, cluster, silhouette(x, cluster, (SELECT array_agg({cluster: cluster, n: s['n'], mean: s['mean'], std: s['std']}) FROM c)) AS silhouette FROM t;
+--------+---------+--------------------+
| x      | cluster | silhouette         |
+--------+---------+--------------------+
| [0.0]  | 0       | 0.9918032786885246 |
| [1.0]  | 0       | 0.9900990099009901 |
| [10.0] | 1       | 0.9558011049723757 |
| [12.0] | 1       | 0.969811320754717  |
+--------+---------+--------------------+
```"#,
    argument(name = "x", description = "A list of numbers."),
    argument(name = "cluster", description = "The number of its cluster."),
    argument(
        name = "clusters",
        description = "A list with a struct for each cluster: cluster, its number; n, how many vectors it has; mean and std, as `standard_scaler` gives them."
    )
)]
#[derive(Debug, Default)]
pub(crate) struct Silhouette;

impl Function for Silhouette {
    const NAME: &'static str = "silhouette";
    const PARAMETERS: &'static [Parameter] =
        &[required("x", Kind::Vector), required("cluster", Kind::Integer), required("clusters", Kind::Any)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        check_count(Self::NAME, Self::PARAMETERS, types)?;
        let is_cluster = types[1].is_integer() || types[1].is_null();
        let fields = match &types[2] {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                match item.data_type() {
                    DataType::Struct(fields) => fields.clone(),
                    _ => Fields::empty(),
                }
            }
            DataType::Null => cluster_fields(),
            _ => Fields::empty(),
        };
        let has_all = cluster_fields().iter().all(|field| fields.find(field.name()).is_some());
        if !is_cluster || !has_all {
            return plan_err!(
                "silhouette takes a vector, the number of its cluster, and a list of structs with cluster, n, mean and std, got {}, {} and {}",
                types[0],
                types[1],
                types[2]
            );
        }
        Ok(vec![numbers_type(), DataType::Int64, DataType::new_list(DataType::Struct(cluster_fields()), true)])
    }
}

fn cluster_fields() -> Fields {
    Fields::from(vec![
        Field::new("cluster", DataType::Int64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("mean", numbers_type(), true),
        Field::new("std", numbers_type(), true),
    ])
}

impl Scalar for Silhouette {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(args);
        let [x, cluster, clusters] = args.args.as_slice() else { return exec_err!("silhouette takes 3 arguments") };
        let vectors = Vectors::try_new(&x.to_array(rows)?)?;
        let numbers = cast(&cluster.to_array(rows)?, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        // Those of a subquery are the same for all rows.
        let (lists, step) = match clusters {
            ColumnarValue::Scalar(list) => (list.to_array()?, 0),
            ColumnarValue::Array(lists) => (lists.clone(), 1),
        };
        let mut known = HashMap::new();
        let mut found = Vec::with_capacity(rows);
        for row in 0..rows {
            let place = row * step;
            if !known.contains_key(&place) {
                if step == 1 {
                    known.clear();
                }
                known.insert(place, clusters_of(&lists, place)?);
            }
            let clusters = known.get(&place).and_then(Option::as_ref);
            let value = match (vectors.get(row), numbers.is_valid(row).then(|| numbers.value(row)), clusters) {
                (Some(x), Some(cluster), Some(clusters)) => of_vector(x, cluster, clusters)?,
                _ => None,
            };
            found.push(value);
        }
        columnar(&args.args, std::sync::Arc::new(Float64Array::from(found)))
    }
}

/// What is known of a cluster.
struct Cluster {
    number: i64,
    rows: f64,
    mean: Vec<f64>,
    /// The mean of the squared distances to the mean.
    spread: f64,
}

/// The clusters of a list; `None` if it is NULL.
fn clusters_of(lists: &ArrayRef, place: usize) -> Result<Option<Vec<Cluster>>> {
    let Some(lists) = lists.as_list_opt::<i32>().filter(|lists| lists.is_valid(place)) else { return Ok(None) };
    let structs = lists.value(place);
    let Some(structs) = structs.as_struct_opt() else { return Ok(None) };
    let column = |name: &str| {
        let column = structs.column_by_name(name);
        column.ok_or_else(|| exec_datafusion_err!("silhouette: the clusters have no {name}"))
    };
    let integers =
        |name: &str| cast(column(name)?, &DataType::Int64).map_err(datafusion::common::DataFusionError::from);
    let (numbers, counts) = (integers("cluster")?, integers("n")?);
    let (numbers, counts) = (numbers.as_primitive::<Int64Type>(), counts.as_primitive::<Int64Type>());
    let (means, deviations) = (Vectors::try_new(column("mean")?)?, Vectors::try_new(column("std")?)?);
    Ok(Some(
        (0..StructArray::len(structs))
            .filter_map(|cluster| {
                let rows = counts.is_valid(cluster).then(|| counts.value(cluster) as f64)?;
                let squares = deviations.get(cluster).unwrap_or_default().iter().map(|std| std * std).sum::<f64>();
                Some(Cluster {
                    number: numbers.is_valid(cluster).then(|| numbers.value(cluster))?,
                    rows,
                    mean: means.get(cluster)?.to_vec(),
                    // Deviations are those of a sample.
                    spread: squares * (rows - 1.0) / rows,
                })
            })
            .collect(),
    ))
}

fn of_vector(x: &[f64], cluster: i64, clusters: &[Cluster]) -> Result<Option<f64>> {
    let (mut own, mut next) = (None, None::<f64>);
    for other in clusters {
        if other.mean.len() != x.len() {
            return exec_err!(
                "silhouette: the clusters are of vectors of {}, got one of {}",
                numbers_of(other.mean.len()),
                x.len()
            );
        }
        let mean = square_of_distance(x, &other.mean) + other.spread;
        match other.number == cluster {
            // The distance to itself, 0, is none of the mean.
            true => own = Some((other.rows, mean * other.rows / (other.rows - 1.0))),
            false => next = Some(next.map_or(mean, |next| next.min(mean))),
        }
    }
    Ok(match (own, next) {
        (Some((rows, _)), Some(_)) if rows < 2.0 => Some(0.0),
        (Some((_, own)), Some(next)) => {
            let larger = own.max(next);
            Some(if larger == 0.0 { 0.0 } else { (next - own) / larger })
        }
        _ => None,
    })
}
