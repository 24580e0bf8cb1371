//! `pca`: the principal components of the vectors of many rows.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, StringArray, StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, required};
use crate::support::function::{Aggregate, Function};
use crate::support::linear_model::{numbers, numbers_type};
use crate::support::principal_components::{Components, MAX_COLUMNS, check_columns, components};
use crate::support::products::{Products, pairs};
use crate::support::sums::{list, list_of};
use crate::support::vector_sums::VectorSums;
use crate::support::vectors::{Vectors, numbers_of};

/// The SQL function `pca`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The k principal components of the vectors of many rows, the directions in which they vary most, as an aggregate: over a table or \
each group of a GROUP BY. The result is a struct: mean, a list in the order of the vector; components, a list of k lists of length 1 in the sense of \
geometry, at right angles to each other; explained_variance, how much the vectors vary along each, by n - 1; explained_variance_ratio, which part of \
all variance that is; n, the rows used; left_out, those whose vector is or holds NULL; note, why there are fewer than k components, else NULL. \
`pca_projection` applies it. Vectors are centred, and not scaled: where places are of different units, take `standard_scores` first. The largest number \
of each component is positive. There are no more components than directions in which the vectors vary (an eigenvalue of the covariance above 2.2e-16 \
times the length of the vector of the largest counts), so fewer than rows: then note says so. Of one row there are none: the lists but mean are NULL; \
without a row the result is NULL. Vectors of several lengths or of more than 4096 numbers, NaN, infinite numbers and those above 1e140 in size are \
an error. Each group takes 16 bytes in each partition for each two numbers of a vector, 13 MB for 1280. Sums are kept to 32 digits, \
so that order and partitions don't show in the result; in its last digits they may where values lie a million times farther from 0 than from each \
other, and so may another kind of processor. DISTINCT and window frames whose start moves are refused.",
    syntax_example = "pca(x, k)",
    sql_example = r#"```sql
> SELECT pca(vector(x, y), 2) AS model FROM (VALUES (0, 0), (3, 4), (6, 8)) AS t(x, y);
+----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------+
| model                                                                                                                                                                                              |
+----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------+
| {mean: [3.0, 4.0], components: [[0.6, 0.8]], explained_variance: [25.0], explained_variance_ratio: [1.0], n: 3, left_out: 0, note: k lowered from 2 to 1: 3 rows of 2 numbers vary in 1 direction} |
+----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------+
```"#,
    argument(name = "x", description = "A list of up to 4096 numbers; `vector` makes one of columns."),
    argument(name = "k", description = "How many components, 1 to 4096, the same for all rows.")
)]
#[derive(Debug, Default)]
pub(crate) struct Pca;

impl Function for Pca {
    const NAME: &'static str = "pca";
    const PARAMETERS: &'static [Parameter] = &[required("x", Kind::Vector), required("k", Kind::Integer)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Aggregate for Pca {
    fn data_type() -> DataType {
        DataType::Struct(fields())
    }

    fn state() -> Vec<(&'static str, DataType)> {
        let mut state = VectorSums::state_fields();
        state.extend([("k", DataType::Int64), ("products", numbers_type())]);
        state
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Vary { k: None, sums: VectorSums::new(Self::NAME), products: Products::default() }))
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("mean", numbers_type(), true),
        Field::new("components", DataType::new_list(numbers_type(), true), true),
        Field::new("explained_variance", numbers_type(), true),
        Field::new("explained_variance_ratio", numbers_type(), true),
        Field::new("n", DataType::Int64, true),
        Field::new("left_out", DataType::Int64, true),
        Field::new("note", DataType::Utf8, true),
    ])
}

/// The vectors of a group, or of a part of it.
#[derive(Debug)]
struct Vary {
    k: Option<i64>,
    sums: VectorSums,
    products: Products,
}

impl Vary {
    /// Takes k, which is to be the same in all rows.
    fn set_k(&mut self, given: &ArrayRef) -> Result<()> {
        for k in given.as_primitive::<Int64Type>() {
            match (k, self.k) {
                (Some(k), Some(known)) if k == known => {}
                (Some(k), None) if (1..=MAX_COLUMNS as i64).contains(&k) => self.k = Some(k),
                (Some(k), Some(known)) => {
                    return exec_err!(
                        "pca: k must be the same for all rows, got {} and {}",
                        k.min(known),
                        k.max(known)
                    );
                }
                (Some(k), None) => return exec_err!("pca: k must be 1 to {MAX_COLUMNS}, got {k}"),
                (None, _) => return exec_err!("pca: k must be 1 to {MAX_COLUMNS}, got NULL"),
            }
        }
        Ok(())
    }

    fn add(&mut self, vector: &[f64]) -> Result<()> {
        check_columns(Pca::NAME, vector)?;
        self.sums.add(vector)?;
        if self.sums.rows() == 1 {
            self.products = Products::new(vector.len());
        }
        self.products.add(vector);
        Ok(())
    }

    fn model(&mut self, k: i64) -> Result<StructArray> {
        let (rows, columns) = (self.sums.rows(), self.sums.columns());
        let list = |values: Vec<f64>| -> ArrayRef { Arc::new(numbers(Float64Array::from(values))) };
        let integer = |number: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![number])) };
        let mean = list(self.sums.means().collect());
        let (lists, note) = if rows == 1 {
            let null = |field: usize| ScalarValue::try_from(fields()[field].data_type())?.to_array();
            ([null(1)?, null(2)?, null(3)?], Some("1 row has no components".to_string()))
        } else {
            let found = components(Pca::NAME, &self.sums, &mut self.products, k as usize)?;
            let ratios = found.variances.iter().map(|variance| variance / found.total_variance).collect();
            let note = (k > found.rank as i64).then(|| note(k, found.rank, rows, columns));
            ([list_of_lists(&found, columns)?, list(found.variances), list(ratios)], note)
        };
        let [components, variances, ratios] = lists;
        let (left_out, note) = (integer(self.sums.left_out()), Arc::new(StringArray::from(vec![note])));
        let columns = vec![mean, components, variances, ratios, integer(rows), left_out, note];
        Ok(StructArray::try_new(fields(), columns, None)?)
    }
}

fn note(k: i64, rank: usize, rows: i64, columns: usize) -> String {
    let directions = if rank == 1 { "direction" } else { "directions" };
    format!("k lowered from {k} to {rank}: {rows} rows of {} vary in {rank} {directions}", numbers_of(columns))
}

/// The one value of a list array: a list of each component.
fn list_of_lists(found: &Components, columns: usize) -> Result<ArrayRef> {
    let values = Arc::new(Float64Array::from(found.directions.clone()));
    let item = Arc::new(Field::new_list_field(DataType::Float64, true));
    let offsets = OffsetBuffer::from_repeated_length(columns, found.variances.len());
    let components = ListArray::try_new(item, offsets, values, None)?;
    Ok(Arc::new(SingleRowListArrayBuilder::new(Arc::new(components)).build_list_array()))
}

impl Accumulator for Vary {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [x, k] = values else { return internal_err!("pca: 2 arguments, got {}", values.len()) };
        self.set_k(k)?;
        let vectors = Vectors::try_new(x)?;
        for row in 0..x.len() {
            match vectors.get(row) {
                Some(vector) => self.add(vector)?,
                None => self.sums.leave_out(),
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.k {
            Some(k) if self.sums.rows() > 0 => Ok(ScalarValue::Struct(Arc::new(self.model(k)?))),
            _ => ScalarValue::try_from(&Pca::data_type()),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.heap_bytes() + self.products.heap_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = self.sums.state();
        state.extend([ScalarValue::Int64(self.k), list(self.products.sums().iter().copied())]);
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums @ .., ks, products] = states else {
            return internal_err!("pca: a state has 6 columns, got {}", states.len());
        };
        let is_first = self.sums.rows() == 0;
        self.sums.merge(sums)?;
        if is_first {
            self.products = Products::new(self.sums.columns());
        }
        for row in 0..ks.len() {
            if ks.is_valid(row) {
                self.set_k(&ks.slice(row, 1))?;
            }
            let products = list_of(products, row)?;
            if products.len() == 2 * pairs(self.sums.columns()) {
                self.products.merge(products.values());
            } else if !products.is_empty() {
                return internal_err!("pca: a state can't have {} products", products.len());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Float64Type;
    use datafusion::logical_expr::ColumnarValue;
    use proptest::prelude::*;

    use super::*;
    use crate::standard_scaler::StandardScaler;
    use crate::standard_scores::StandardScores;
    use crate::support::testing::{aggregate, assert_close, call, field, flat, six_numbers, vectors};

    fn pca(parts: &[Vec<Vec<f64>>], k: i64) -> Result<ScalarValue> {
        let part = |rows: &Vec<Vec<f64>>| -> Vec<ArrayRef> {
            vec![vectors(rows), Arc::new(Int64Array::from(vec![k; rows.len()]))]
        };
        aggregate::<Pca>(&parts.iter().map(part).collect::<Vec<_>>())
    }

    fn error(parts: &[Vec<Vec<f64>>], k: i64) -> String {
        pca(parts, k).expect_err("refused").strip_backtrace()
    }

    fn note(model: &ScalarValue) -> Option<String> {
        let note = field(model, "note");
        note.is_valid(0).then(|| note.as_string::<i32>().value(0).to_string())
    }

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn components_are_those_of_scikit_learn() {
        let model = pca(&[six_numbers()], 3).expect("a model");
        let components = [
            [
                -0.0010298382575745486,
                -0.00023543098459306345,
                0.9999985535152098,
                -0.00033188751798925165,
                0.0,
                0.0012910552191395196,
            ],
            [
                0.024212843836425663,
                0.9746103139440361,
                0.00017236620729607134,
                -0.22250469021764005,
                0.0,
                0.006333029946449152,
            ],
            [
                0.6368766363885995,
                0.13443345607353613,
                0.0014152550324161356,
                0.6468376933415736,
                0.0,
                -0.39738494112914524,
            ],
        ];
        assert_close(&flat(&field(&model, "components")), components.as_flattened(), 1e-9);
        let variances = [857.2007156918238, 2.2754810557012157, 0.14901979417418224];
        assert_close(&flat(&field(&model, "explained_variance")), &variances, 1e-9);
        let ratios = [0.9970349277281441, 0.0026466777831453256, 0.00017332922965959658];
        assert_close(&flat(&field(&model, "explained_variance_ratio")), &ratios, 1e-9);
        assert_eq!(note(&model), None);
    }

    #[test]
    fn components_of_scaled_vectors_are_those_of_scikit_learn() {
        let x = vectors(&six_numbers());
        let scaler = aggregate::<StandardScaler>(&[vec![Arc::clone(&x)]]).expect("a scaler");
        let args = vec![ColumnarValue::Scalar(scaler), x.into()];
        let scores = call::<StandardScores>(args).and_then(|scores| scores.into_array(40)).expect("scores");
        let model = aggregate::<Pca>(&[vec![scores, Arc::new(Int64Array::from(vec![3; 40]))]]).expect("a model");
        let components = [
            [
                0.2190860209736686,
                -0.6336373898788916,
                -0.08797805065211788,
                0.6988876327867252,
                0.0,
                -0.2330684725624883,
            ],
            [
                0.6379440330204081,
                0.3530818804020209,
                -0.31691734782814407,
                -0.11816454715558634,
                0.0,
                -0.5949463260719576,
            ],
            [
                0.29125828732701514,
                0.08366108358924716,
                0.9397335278596204,
                0.05309853075828045,
                0.0,
                -0.14916727457398699,
            ],
        ];
        assert_close(&flat(&field(&model, "components")), components.as_flattened(), 1e-9);
        let variances = [1.7290044936257682, 1.4442768047597458, 0.9463533241780845];
        assert_close(&flat(&field(&model, "explained_variance")), &variances, 1e-9);
    }

    /// Numbers of very different sizes, and those of a column far from 0.
    fn rows() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let number = (-1.0..1.0_f64, -20..20_i32).prop_map(|(value, exponent)| value * f64::from(exponent).exp2());
        let row = (prop::collection::vec(number, 4), -1.0..1.0_f64);
        let row = row.prop_map(|(mut row, far)| {
            row.push(far + 300.0);
            row
        });
        prop::collection::vec(row, 8..80)
    }

    proptest! {
        #[test]
        fn one_two_and_seven_parts_give_the_same_bits(rows in rows()) {
            let whole = pca(std::slice::from_ref(&rows), 5).expect("a model");
            for parts in [2, 7] {
                let parts: Vec<_> = rows.chunks(rows.len().div_ceil(parts)).rev().map(<[_]>::to_vec).collect();
                prop_assert_eq!(&pca(&parts, 5).expect("a model"), &whole);
            }
        }
    }

    #[test]
    fn values_far_from_0_cost_no_digits() {
        let near = six_numbers();
        let far: Vec<Vec<f64>> =
            near.iter().map(|row| row.iter().map(|x| (x * 1024.0).round() + 1.7e12).collect()).collect();
        let near: Vec<Vec<f64>> = near.iter().map(|row| row.iter().map(|x| (x * 1024.0).round()).collect()).collect();
        let [near, far] = [near, far].map(|rows| pca(&[rows], 5).expect("a model"));
        for name in ["components", "explained_variance"] {
            assert_close(&flat(&field(&far, name)), &flat(&field(&near, name)), 1e-11);
        }
    }

    #[test]
    fn neither_tiny_nor_huge_numbers_leave_the_range() {
        let expected = flat(&field(&pca(&[six_numbers()], 3).expect("a model"), "components"));
        for scale in [1e-100, 1e100] {
            let rows = six_numbers().iter().map(|row| row.iter().map(|x| x * scale).collect()).collect();
            let model = pca(&[rows], 3).expect("a model");
            assert_close(&flat(&field(&model, "components")), &expected, 1e-9);
        }
    }

    #[test]
    fn there_are_no_more_components_than_directions() {
        let model = pca(&[vec![vec![1.0, 2.0, 5.0], vec![2.0, 4.0, 5.0], vec![3.0, 6.0, 5.0]]], 3).expect("a model");
        let (fifth, two_fifths) = (0.2_f64.sqrt(), 0.8_f64.sqrt());
        assert_close(&flat(&field(&model, "components")), &[fifth, two_fifths, 0.0], 1e-15);
        assert_close(&flat(&field(&model, "explained_variance")), &[5.0], 1e-15);
        assert_eq!(note(&model).as_deref(), Some("k lowered from 3 to 1: 3 rows of 3 numbers vary in 1 direction"));
    }

    #[test]
    fn fewer_rows_than_numbers_give_fewer_components_than_rows() {
        let rows: Vec<Vec<f64>> = six_numbers().into_iter().take(4).collect();
        let model = pca(&[rows], 5).expect("a model");
        assert_eq!(flat(&field(&model, "explained_variance")).len(), 3);
        assert_eq!(note(&model).as_deref(), Some("k lowered from 5 to 3: 4 rows of 6 numbers vary in 3 directions"));
    }

    #[test]
    fn one_row_has_no_components_and_neither_have_equal_ones() {
        let model = pca(&[vec![vec![1.0, 2.0]]], 1).expect("a model");
        let expected = "{mean:[1.0, 2.0],components:,explained_variance:,explained_variance_ratio:,n:1,left_out:0,note:1 row has no components}";
        assert_eq!(model.to_string(), expected);
        let model = pca(&[vec![vec![0.1, 0.7]; 10]], 1).expect("a model");
        let expected = "{mean:[0.1, 0.7],components:[],explained_variance:[],explained_variance_ratio:[],n:10,left_out:0,note:k lowered \
                        from 1 to 0: 10 rows of 2 numbers vary in 0 directions}";
        assert_eq!(model.to_string(), expected);
        let one_number = pca(&[vec![vec![1.0], vec![3.0]]], 1).expect("a model");
        assert_eq!(
            (flat(&field(&one_number, "components")), flat(&field(&one_number, "explained_variance"))),
            (vec![1.0], vec![2.0])
        );
    }

    #[test]
    fn rows_with_null_are_left_out_and_without_a_row_there_is_nothing() {
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([
            None,
            Some(vec![Some(1.0), None]),
            Some(vec![Some(1.0), Some(2.0)]),
            Some(vec![Some(2.0), Some(2.0)]),
        ]));
        let k: ArrayRef = Arc::new(Int64Array::from(vec![1; 4]));
        let part = |start, length| vec![lists.slice(start, length), k.slice(start, length)];
        let model = aggregate::<Pca>(&[part(0, 1), part(1, 2), part(3, 1)]).expect("a model");
        assert_eq!(flat(&field(&model, "components")), [1.0, 0.0]);
        let counts = ["n", "left_out"].map(|name| field(&model, name).as_primitive::<Int64Type>().value(0));
        assert_eq!(counts, [2, 2]);
        let null = ScalarValue::try_from(&Pca::data_type()).expect("NULL");
        assert_eq!(aggregate::<Pca>(&[part(0, 0)]).expect("NULL"), null);
        assert_eq!(aggregate::<Pca>(&[part(0, 2)]).expect("NULL"), null);
    }

    #[test]
    fn what_cant_be_taken_is_told() {
        let rows = vec![vec![1.0, 2.0], vec![1.0]];
        let lengths =
            "Execution error: pca: the vectors of all rows must have the same length, got one of 1 number and one of 2";
        assert_eq!(error(std::slice::from_ref(&rows), 1), lengths);
        assert_eq!(error(&[rows[1..].to_vec(), rows[..1].to_vec()], 1), lengths);
        assert_eq!(
            error(&[vec![vec![0.0; 5000]]], 1),
            "Execution error: pca: x must have at most 4096 numbers, got 5000, for whose products each partition would need 190 MiB; \
             leave some out, or take means of several"
        );
        assert!(
            error(&[vec![vec![1.0, f64::INFINITY]]], 1)
                .contains("pca: x[2] must be finite, got inf of the vector [1, inf]")
        );
        assert_eq!(error(&[vec![vec![1.0]]], 0), "Execution error: pca: k must be 1 to 4096, got 0");
        let parts = [2, 1].map(|k| vec![vectors(&[vec![1.0]]), Arc::new(Int64Array::from(vec![k])) as ArrayRef]);
        let error = aggregate::<Pca>(&parts).expect_err("two ks").strip_backtrace();
        assert_eq!(error, "Execution error: pca: k must be the same for all rows, got 1 and 2");
    }
}
