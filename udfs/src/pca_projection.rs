//! `pca_projection`: a vector along principal components.

use datafusion::arrow::array::{Array, AsArray, ListArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Parameter, columnar};
use crate::support::function::{Function, Scalar};
use crate::support::linear_model::numbers_type;
use crate::support::rows::row_count;
use crate::support::vector_model::{MODEL_AND_X, Models, check_lengths, check_model};
use crate::support::vectors::{VectorBuilder, Vectors, dot, numbers_of};

/// The SQL function `pca_projection`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "Applies a model of `pca`: how far x less the mean reaches along each component, a list of Float64 with a number for each. NULL if the \
model or x is or holds NULL. Any struct with a list mean and a list of lists components is a model.",
    syntax_example = "pca_projection(model, x)",
    sql_example = r#"```sql
> WITH t AS (SELECT vector(x, y, z) AS v FROM (VALUES (1, 2, 0), (2, 4, 1), (3, 6, 0), (4, 8, 1)) AS t(x, y, z)) SELECT v, pca_projection((SELECT pca(v, 2) FROM t), v) AS projection FROM t;
+-----------------+-------------------------------------------+
| v               | projection                                |
+-----------------+-------------------------------------------+
| [1.0, 2.0, 0.0] | [-3.385873985490349, -0.1893603822865088] |
| [2.0, 4.0, 1.0] | [-1.0673027509786261, 0.6007202658088505] |
| [3.0, 6.0, 0.0] | [1.0673027509786261, -0.6007202658088505] |
| [4.0, 8.0, 1.0] | [3.385873985490349, 0.1893603822865088]   |
+-----------------+-------------------------------------------+
```"#,
    argument(name = "model", description = "A struct, from `pca`."),
    argument(name = "x", description = "A list of as many numbers as the model's vectors have.")
)]
#[derive(Debug, Default)]
pub(crate) struct PcaProjection;

impl Function for PcaProjection {
    const NAME: &'static str = "pca_projection";
    const PARAMETERS: &'static [Parameter] = MODEL_AND_X;

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Scalar for PcaProjection {
    fn data_type(args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        check_model(Self::NAME, "pca", args, ["mean", "components"])?;
        Ok(numbers_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(args);
        let models = Models::try_new(&args.args[0])?;
        let means = models.vectors(Self::NAME, "mean")?;
        let components = models.field(Self::NAME, "components", &DataType::new_list(numbers_type(), true))?;
        let components = components.as_ref().map(|lists| ComponentLists::try_new(lists.as_list())).transpose()?;
        let vectors = Vectors::try_new(&args.args[1].to_array(rows)?)?;
        let mut projections = VectorBuilder::default();
        let mut centred: Vec<f64> = Vec::new();
        for row in 0..rows {
            let model = models.vector(&means, row).zip(components.as_ref().zip(models.place(row)));
            let (Some((mean, (components, place))), Some(x)) = (model, vectors.get(row)) else {
                projections.append(None::<std::iter::Empty<f64>>);
                continue;
            };
            check_lengths(Self::NAME, mean.len(), x.len())?;
            centred.clear();
            centred.extend(x.iter().zip(mean).map(|(x, mean)| x - mean));
            projections.append(components.projected(place, &centred)?.map(Vec::into_iter));
        }
        columnar(&args.args, projections.finish(Self::NAME)?)
    }
}

/// The components of the models of a batch.
struct ComponentLists<'a> {
    models: &'a ListArray,
    components: Vectors,
}

impl<'a> ComponentLists<'a> {
    fn try_new(models: &'a ListArray) -> Result<Self> {
        Ok(Self { models, components: Vectors::try_new(models.values())? })
    }

    /// A vector along each component of a model; `None` if one of them is NULL.
    fn projected(&self, model: usize, vector: &[f64]) -> Result<Option<Vec<f64>>> {
        if self.models.is_null(model) {
            return Ok(None);
        }
        let start = self.models.value_offsets()[model] as usize;
        let mut projection = Vec::with_capacity(self.models.value_length(model) as usize);
        for index in start..start + self.models.value_length(model) as usize {
            let Some(component) = self.components.get(index) else { return Ok(None) };
            if component.len() != vector.len() {
                let (place, mean) = (index - start + 1, numbers_of(vector.len()));
                return exec_err!(
                    "pca_projection: the model's mean has {mean}, its component {place} has {}",
                    component.len()
                );
            }
            projection.push(dot(component, vector));
        }
        Ok(Some(projection))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::pca::Pca;
    use crate::support::testing::{aggregate, assert_close, call, flat, six_numbers, vectors};

    fn model(rows: &[Vec<f64>], k: i64) -> ScalarValue {
        let part = vec![vectors(rows), Arc::new(Int64Array::from(vec![k; rows.len()])) as ArrayRef];
        aggregate::<Pca>(&[part]).expect("a model")
    }

    fn projections(model: ColumnarValue, x: ArrayRef) -> Result<ArrayRef> {
        call::<PcaProjection>(vec![model, ColumnarValue::Array(x)])?.into_array(1)
    }

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn projections_are_those_of_scikit_learn() {
        let model = ColumnarValue::Scalar(model(&six_numbers(), 3));
        let first = projections(model, vectors(&six_numbers()[..1])).expect("a projection");
        assert_close(&flat(&first), &[-49.25200738632707, -2.3696635137887982, -0.6025371641346737], 1e-9);
    }

    #[test]
    fn each_row_may_have_its_model_and_null_is_null() {
        let line = model(&[vec![0.0, 1.0], vec![4.0, 1.0]], 1);
        let single = model(&[vec![0.0, 1.0]], 1);
        let null = ScalarValue::try_from(&line.data_type()).expect("NULL");
        let models = ScalarValue::iter_to_array([null, single, line.clone(), line]).expect("models");
        let x = vectors(&[vec![3.0, 7.0], vec![3.0, 7.0], vec![3.0, 7.0], vec![1.0, 7.0]]);
        let projections = projections(ColumnarValue::Array(models.slice(1, 3)), x.slice(1, 3)).expect("projections");
        assert!(projections.is_null(0));
        assert_eq!(flat(&projections), [1.0, -1.0]);
    }

    #[test]
    fn a_model_without_components_gives_empty_lists() {
        let model = ColumnarValue::Scalar(model(&[vec![2.0], vec![2.0]], 1));
        let projections = projections(model, vectors(&[vec![5.0]])).expect("a projection");
        assert_eq!((projections.is_valid(0), flat(&projections)), (true, vec![]));
    }

    #[test]
    fn only_models_and_vectors_of_their_length_are_taken() {
        let model = ColumnarValue::Scalar(model(&[vec![0.0, 1.0], vec![4.0, 1.0]], 1));
        let error = projections(model, vectors(&[vec![1.0; 3]])).expect_err("too long").strip_backtrace();
        assert_eq!(error, "Execution error: pca_projection: the model is of vectors of 2 numbers, got one of 3");
        let number = ColumnarValue::Scalar(ScalarValue::from(1.0));
        let error = projections(number, vectors(&[vec![1.0]])).expect_err("no model").strip_backtrace();
        assert!(
            error.contains("model must be a struct with the lists mean and components, as pca gives, got Float64"),
            "{error}"
        );
    }
}
