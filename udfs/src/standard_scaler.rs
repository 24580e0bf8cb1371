//! `standard_scaler`: mean and standard deviation of each place in the vectors of many rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, required};
use crate::support::function::{Aggregate, Function};
use crate::support::linear_model::{numbers, numbers_type};
use crate::support::vector_sums::VectorSums;
use crate::support::vectors::Vectors;

/// The SQL function `standard_scaler`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The mean and the standard deviation of each place in the vectors of many rows, as an aggregate: over a table or each group of a \
GROUP BY. The result is a struct: mean and std, lists in the order of the vector; n, the rows used; left_out, those whose vector is or holds NULL. \
`standard_scores` applies it. std is that of a sample, divided by n - 1 as `stddev_samp`'s, 0 for a place that is constant and NULL if there is only \
one row; without a row the result is NULL. Vectors of several lengths, NaN, infinite numbers and those above 1e140 in size are an error. Sums are exact: the result \
is the same whatever the order and the partitions are. DISTINCT is refused beside other aggregates, and so are window frames whose start moves.",
    syntax_example = "standard_scaler(x)",
    sql_example = r#"```sql
> SELECT standard_scaler(vector(width, height)) AS scaler FROM (VALUES (640, 480), (800, 480), (960, 480)) AS t(width, height);
+--------------------------------------------------------------+
| scaler                                                       |
+--------------------------------------------------------------+
| {mean: [800.0, 480.0], std: [160.0, 0.0], n: 3, left_out: 0} |
+--------------------------------------------------------------+
```"#,
    argument(name = "x", description = "A list of numbers; `vector` makes one of columns.")
)]
#[derive(Debug, Default)]
pub(crate) struct StandardScaler;

impl Function for StandardScaler {
    const NAME: &'static str = "standard_scaler";
    const PARAMETERS: &'static [Parameter] = &[required("x", Kind::Vector)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Aggregate for StandardScaler {
    fn data_type() -> DataType {
        DataType::Struct(fields())
    }

    fn state() -> Vec<(&'static str, DataType)> {
        VectorSums::state_fields()
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Scaler { sums: VectorSums::new(Self::NAME) }))
    }
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("mean", numbers_type(), true),
        Field::new("std", numbers_type(), true),
        Field::new("n", DataType::Int64, true),
        Field::new("left_out", DataType::Int64, true),
    ])
}

/// The vectors of a group, or of a part of it.
#[derive(Debug)]
struct Scaler {
    sums: VectorSums,
}

impl Accumulator for Scaler {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [x] = values else { return internal_err!("standard_scaler: 1 argument, got {}", values.len()) };
        let vectors = Vectors::try_new(x)?;
        for row in 0..x.len() {
            match vectors.get(row) {
                Some(vector) => self.sums.add(vector)?,
                None => self.sums.leave_out(),
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let rows = self.sums.rows();
        if rows == 0 {
            return ScalarValue::try_from(&StandardScaler::data_type());
        }
        let list = |values: Vec<f64>| -> ArrayRef { Arc::new(numbers(Float64Array::from(values))) };
        let integer = |number: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![number])) };
        let std = match rows {
            1 => ScalarValue::try_from(&numbers_type())?.to_array()?,
            _ => list(self.sums.variances().map(f64::sqrt).collect()),
        };
        let columns = vec![list(self.sums.means().collect()), std, integer(rows), integer(self.sums.left_out())];
        Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields(), columns, None)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.heap_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.sums.state())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.sums.merge(states)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, ListArray};
    use datafusion::arrow::datatypes::Float64Type;

    use super::*;
    use crate::support::testing::{aggregate, assert_close, field, flat, six_numbers, vectors};

    fn scaler(parts: &[Vec<Vec<f64>>]) -> Result<ScalarValue> {
        let parts: Vec<Vec<ArrayRef>> = parts.iter().map(|rows| vec![vectors(rows)]).collect();
        aggregate::<StandardScaler>(&parts)
    }

    fn error(parts: &[Vec<Vec<f64>>]) -> String {
        scaler(parts).expect_err("refused").strip_backtrace()
    }

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn means_and_deviations_are_those_of_scikit_learn() {
        let scaler = scaler(&[six_numbers()]).expect("a scaler");
        let mean =
            [0.4935643564356436, 0.4367977528089887, 49.25257731958763, 0.6293303128311086, 7.25, 1000.4850467289723];
        let std =
            [0.2956687956963568, 1.4718060567880435, 29.27794795194462, 0.4603184699391935, 0.0, 0.2935539351613839];
        assert_close(&flat(&field(&scaler, "mean")), &mean, 1e-15);
        assert_close(&flat(&field(&scaler, "std")), &std, 1e-13);
        assert_eq!(flat(&field(&scaler, "std"))[4], 0.0);
    }

    #[test]
    fn parts_in_any_order_give_the_same_bits() {
        let rows: Vec<Vec<f64>> =
            six_numbers().iter().map(|row| row.iter().map(|x| x * 1.1 + 1.7e9).collect()).collect();
        let whole = scaler(std::slice::from_ref(&rows)).expect("a scaler");
        for size in [20, 6, 1] {
            let parts: Vec<Vec<Vec<f64>>> = rows.chunks(size).rev().map(<[_]>::to_vec).collect();
            assert_eq!(scaler(&parts).expect("a scaler"), whole, "parts of {size} rows");
        }
    }

    #[test]
    fn rows_with_null_are_left_out_and_counted() {
        let lists = [Some(vec![Some(1.0)]), None, Some(vec![None]), Some(vec![Some(3.0)])];
        let column = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
        let column: ArrayRef = Arc::new(column);
        let scaler = aggregate::<StandardScaler>(&[vec![column.slice(0, 2)], vec![column.slice(2, 2)]]);
        assert_eq!(scaler.expect("a scaler").to_string(), "{mean:[2.0],std:[1.4142135623730951],n:2,left_out:2}");
        let nothing = aggregate::<StandardScaler>(&[vec![column.slice(1, 2)]]).expect("NULL");
        assert_eq!(nothing, ScalarValue::try_from(&StandardScaler::data_type()).expect("NULL"));
    }

    #[test]
    fn of_one_row_there_is_no_deviation() {
        let scaler = scaler(&[vec![vec![1.0, 2.0]]]).expect("a scaler");
        assert_eq!(flat(&field(&scaler, "mean")), [1.0, 2.0]);
        assert!(field(&scaler, "std").as_list::<i32>().is_null(0));
    }

    #[test]
    fn constants_have_no_deviation_whatever_they_are() {
        let rows = vec![vec![0.1, 1e140, -1e-200]; 1000];
        let many = scaler(&[rows.clone(), rows]).expect("a scaler");
        assert_eq!(flat(&field(&many, "std")), [0.0; 3]);
        assert_eq!(flat(&field(&many, "mean")), [0.1, 1e140, -1e-200]);
        // Their squares have few digits left, or none.
        for small in [6.850990432257567e-162, 3.594941767707665e-162, 1.1e-155, 3.3e-150, 7.7e-147] {
            for rows in 2..10 {
                let few = scaler(&[vec![vec![small]; rows]]).expect("a scaler");
                assert_eq!(flat(&field(&few, "std")), [0.0], "{rows} rows of {small:e}");
            }
        }
    }

    #[test]
    fn vectors_of_several_lengths_are_told_in_whichever_part_they_are() {
        let expected = "Execution error: standard_scaler: the vectors of all rows must have the same length, got one of 1 number and one of 2";
        assert_eq!(error(&[vec![vec![1.0], vec![1.0, 2.0]]]), expected);
        assert_eq!(error(&[vec![vec![1.0, 2.0]], vec![vec![1.0]]]), expected);
        assert_eq!(
            error(&[vec![vec![]]]),
            "Execution error: standard_scaler: x must have 1 number or more, got an empty list"
        );
    }

    #[test]
    fn what_sums_cant_hold_is_told_with_its_place() {
        assert_eq!(
            error(&[vec![vec![1.0, 2.5, f64::NAN, 4.0, 5.0]]]),
            "Execution error: standard_scaler: x[3] must be finite, got NaN of the vector [1, 2.5, NaN, 4, ...]; leave such rows out (NULL is)"
        );
        assert_eq!(
            error(&[vec![vec![f64::NEG_INFINITY]]]),
            "Execution error: standard_scaler: x[1] must be finite, got -inf of the vector [-inf]; leave such rows out (NULL is)"
        );
        let error = error(&[vec![vec![1.0, 1e141]]]);
        assert!(
            error.contains("standard_scaler: x[2] must be at most 1e140 in size, got 1e141 of the vector [1, "),
            "{error}"
        );
    }

    #[test]
    fn only_lists_of_numbers_are_taken() {
        let list = DataType::new_list(DataType::Float32, true);
        assert_eq!(StandardScaler::coerce(&[list]).expect("coerced"), [numbers_type()]);
        let error = StandardScaler::coerce(&[DataType::Float64]).expect_err("refused").strip_backtrace();
        assert!(
            error.contains("x must be a list of numbers; make one with vector(x1, x2, ...), got Float64"),
            "{error}"
        );
    }
}
