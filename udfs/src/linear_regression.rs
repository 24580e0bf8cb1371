//! `linear_regression`: a line, a plane or a polynomial through the rows of a table.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;
use pixmill_learn::least_squares::{LeastSquares, Part, triangle_len};

use crate::support::arguments::Parameter;
use crate::support::function::{Aggregate, Function};
use crate::support::linear_model::{check_predictors, coerce_numbers, model, model_type, numbers, numbers_type};

/// The SQL function `linear_regression`.
///
/// The accuracy is measured with NIST's Statistical Reference Datasets, as the number of digits that agree with the certified ones
/// (the log relative error), the least of all coefficients and errors: 13.7 for Longley and 7.3 for Filip, whose powers of x, rounded to
/// Float64, allow for 7.9; cut into parts of any size, 13.3 and 6.7.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "Fits y = intercept + coefficient1 * x1 + ... by ordinary least squares, as an aggregate: over a table, over each group \
of a GROUP BY, over a window's partition. The result is a struct: intercept; coefficients, a list in the order of the predictors; r2; \
intercept_standard_error; standard_errors, of the coefficients; residual_standard_error; n, the rows used. `linear_prediction` applies it. \
Rows with NULL in any argument are left out; without a row the result is NULL, and with NaN or an infinite value its numbers are NaN. \
A predictor that is constant or a linear combination of the ones before it has NULL for coefficient and standard error, and the others \
are fitted without it, as R's `lm` does; so has one for which there are too few rows. Constant or combined means that no more is left of it \
than 1e-11 of its length, the root of its sum of squares. r2 is NULL if y is constant; standard errors are NULL if there are no more rows \
than intercept and coefficients. Rows are rotated into the triangular factor of a QR decomposition (TSQR, Demmel et al. 2012), in each \
partition by itself. Of NIST's certified results 13 digits are right for Longley, 7 for Filip (6.7 at worst if its rows are cut into parts). DISTINCT and window frames whose start moves are refused.",
    syntax_example = "linear_regression(y, x1, x2, ...)",
    sql_example = r#"```sql
> SELECT linear_regression(y, x) AS model FROM (VALUES (1, 0), (2, 0), (3, 0), (5, 2), (6, 2), (7, 2)) AS t(y, x);
+----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------+
| model                                                                                                                                                                                                                |
+----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------+
| {intercept: 1.9999999999999996, coefficients: [2.0000000000000004], r2: 0.8571428571428573, intercept_standard_error: 0.5773502691896258, standard_errors: [0.4082482904638631], residual_standard_error: 1.0, n: 6} |
+----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------+
```"#,
    argument(name = "y", description = "The number to explain."),
    argument(
        name = "x1, x2, ...",
        description = "1 to 64 predictors, numbers: columns or expressions, such as `x` and `x * x`."
    )
)]
#[derive(Debug, Default)]
pub(crate) struct LinearRegression;

impl Function for LinearRegression {
    const NAME: &'static str = "linear_regression";
    const PARAMETERS: &'static [Parameter] = &[];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        check_predictors(Self::NAME, "y", types.len())?;
        coerce_numbers(Self::NAME, 0, types)
    }
}

impl Aggregate for LinearRegression {
    fn data_type() -> DataType {
        model_type()
    }

    fn state() -> Vec<(&'static str, DataType)> {
        vec![("n", DataType::Int64), ("means", numbers_type()), ("triangle", numbers_type())]
    }

    fn accumulator(arguments: usize) -> Result<Box<dyn Accumulator>> {
        check_predictors(Self::NAME, "y", arguments)?;
        Ok(Box::new(Regression { squares: LeastSquares::new(arguments - 1) }))
    }
}

/// The rows of a group, of a partition, or of parts of it.
#[derive(Debug)]
struct Regression {
    squares: LeastSquares,
}

impl Accumulator for Regression {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns: Vec<&Float64Array> = values.iter().filter_map(|column| column.as_primitive_opt()).collect();
        let [y, predictors @ ..] = columns.as_slice() else { return internal_err!("linear_regression: no arguments") };
        if predictors.len() != self.squares.predictors() {
            return internal_err!("linear_regression: the arguments must be Float64");
        }
        let nulls = columns.iter().fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.nulls()));
        for row in 0..y.len() {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                let values = predictors.iter().map(|column| column.value(row));
                self.squares.add(values.chain([y.value(row)]));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        model(self.squares.fit())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.squares.heap_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let part = self.squares.part();
        let list = |values: &[f64]| ScalarValue::List(Arc::new(numbers(Float64Array::from(values.to_vec()))));
        Ok(vec![ScalarValue::Int64(Some(part.rows)), list(part.means), list(part.triangle)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [rows, means, triangles] = states else {
            return internal_err!("linear_regression: a state has 3 columns, got {}", states.len());
        };
        let rows = rows.as_primitive::<Int64Type>();
        let (means, triangles) = (means.as_list::<i32>(), triangles.as_list::<i32>());
        let columns = self.squares.predictors() + 1;
        for (index, rows) in rows.iter().enumerate() {
            let (means, triangle) = (means.value(index), triangles.value(index));
            let part = Part {
                rows: rows.unwrap_or_default(),
                means: means.as_primitive::<Float64Type>().values(),
                triangle: triangle.as_primitive::<Float64Type>().values(),
            };
            if (part.means.len(), part.triangle.len()) != (2 * columns, triangle_len(columns)) {
                return internal_err!(
                    "linear_regression: a state of {columns} columns can't have {} means",
                    part.means.len()
                );
            }
            self.squares.merge(part);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regression(predictors: usize) -> Regression {
        Regression { squares: LeastSquares::new(predictors) }
    }

    fn column(values: &[Option<f64>]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    /// y = 2 + 3 x, and rows that are left out.
    fn line() -> [ArrayRef; 2] {
        [
            column(&[Some(2.0), None, Some(5.0), Some(8.0), Some(99.0)]),
            column(&[Some(0.0), Some(7.0), Some(1.0), Some(2.0), None]),
        ]
    }

    fn field(model: &ScalarValue, name: &str) -> ScalarValue {
        let ScalarValue::Struct(model) = model else { panic!("a struct") };
        ScalarValue::try_from_array(model.column_by_name(name).expect("a field"), 0).expect("a value")
    }

    #[test]
    fn rows_with_null_are_left_out() {
        let mut regression = regression(1);
        regression.update_batch(&line()).expect("updated");
        let model = regression.evaluate().expect("a model");
        assert_eq!(field(&model, "n"), ScalarValue::from(3_i64));
        let ScalarValue::Float64(Some(intercept)) = field(&model, "intercept") else { panic!("a number") };
        assert!((intercept - 2.0).abs() < 1e-12, "{intercept}");
    }

    #[test]
    fn a_slice_gives_its_own_rows() {
        let mut regression = regression(1);
        regression.update_batch(&line().map(|column| column.slice(1, 2))).expect("updated");
        let model = regression.evaluate().expect("a model");
        assert_eq!((field(&model, "n"), field(&model, "intercept")), (1_i64.into(), 5.0.into()));
    }

    #[test]
    fn no_rows_are_null() {
        let mut regression = regression(1);
        regression.update_batch(&line().map(|column| column.slice(1, 1))).expect("updated");
        assert_eq!(regression.evaluate().expect("NULL"), ScalarValue::try_from(&model_type()).expect("NULL"));
    }

    #[test]
    fn states_give_what_their_rows_give() {
        let states = [(0, 2), (2, 0), (2, 3)].map(|(start, len)| {
            let mut part = regression(1);
            part.update_batch(&line().map(|column| column.slice(start, len))).expect("updated");
            part.state().expect("a state")
        });
        let columns: Vec<ArrayRef> = (0..3)
            .map(|index| ScalarValue::iter_to_array(states.iter().map(|state| state[index].clone())).expect("a column"))
            .collect();
        let mut merged = regression(1);
        merged.merge_batch(&columns).expect("merged");
        let mut whole = regression(1);
        whole.update_batch(&line()).expect("updated");
        assert_eq!(merged.evaluate().expect("a model"), whole.evaluate().expect("a model"));
    }

    #[test]
    fn a_state_of_another_size_is_an_error() {
        let state = regression(2).state().expect("a state");
        let columns: Vec<ArrayRef> = state.iter().map(|value| value.to_array().expect("a column")).collect();
        let error = regression(1).merge_batch(&columns).expect_err("too many columns").strip_backtrace();
        assert!(error.contains("linear_regression: a state of 2 columns can't have 6 means"), "{error}");
    }

    #[test]
    fn only_numbers_are_taken() {
        let types = [DataType::Decimal128(10, 2), DataType::UInt64, DataType::Null];
        assert_eq!(LinearRegression::coerce(&types).expect("coerced"), vec![DataType::Float64; 3]);
        let error = |types: &[DataType]| LinearRegression::coerce(types).expect_err("refused").strip_backtrace();
        assert_eq!(
            error(&[DataType::Int8, DataType::Float32, DataType::Utf8]),
            "Error during planning: linear_regression: x2 must be a number, got Utf8"
        );
        assert_eq!(
            error(&[DataType::Int8]),
            "Error during planning: linear_regression takes y and 1 to 64 predictors, got 0 predictors"
        );
    }
}
