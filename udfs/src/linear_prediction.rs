//! `linear_prediction`: what a linear model says of a row.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Float64Array, Float64Builder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Parameter, columnar};
use crate::support::function::{Function, Scalar};
use crate::support::linear_model::{Models, check_predictors, coerce_numbers, is_model, model_type, predictors};
use crate::support::rows::row_count;

/// The SQL function `linear_prediction`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "Applies a model of `linear_regression`: intercept + coefficient1 * x1 + ..., Float64. A NULL coefficient counts as 0, as \
in R's `predict`. NULL if the model or any predictor is NULL. Any struct with a number `intercept` and a list `coefficients` is a model.",
    syntax_example = "linear_prediction(model, x1, x2, ...)",
    sql_example = r#"```sql
> WITH fit AS (SELECT linear_regression(y, x) AS model FROM (VALUES (1, 0), (3, 0), (5, 2), (7, 2)) AS t(y, x)) SELECT x, linear_prediction(model, x) AS y FROM fit, (VALUES (3), (4)) AS new(x);
+---+------+
| x | y    |
+---+------+
| 3 | 8.0  |
| 4 | 10.0 |
+---+------+
```"#,
    argument(name = "model", description = "A struct, from `linear_regression`."),
    argument(name = "x1, x2, ...", description = "As many numbers as the model has coefficients, in their order.")
)]
#[derive(Debug, Default)]
pub(crate) struct LinearPrediction;

impl Function for LinearPrediction {
    const NAME: &'static str = "linear_prediction";
    const PARAMETERS: &'static [Parameter] = &[];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        check_predictors(Self::NAME, "a model", types.len())?;
        let model = match &types[0] {
            DataType::Null => model_type(),
            given if is_model(given) => given.clone(),
            given => {
                return plan_err!(
                    "linear_prediction: model must be a struct with intercept and coefficients, as linear_regression gives, got {given}"
                );
            }
        };
        let numbers = coerce_numbers(Self::NAME, 1, &types[1..])?;
        Ok(std::iter::once(model).chain(numbers).collect())
    }
}

impl Scalar for LinearPrediction {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(args);
        // One model for all rows is read once.
        let (models, step) = match &args.args[0] {
            ColumnarValue::Scalar(model) => (model.to_array()?, 0),
            ColumnarValue::Array(models) => (Arc::clone(models), 1),
        };
        let models = Models::try_new(Self::NAME, models)?;
        let mut columns: Vec<Float64Array> = Vec::with_capacity(args.args.len() - 1);
        for predictor in &args.args[1..] {
            let column = cast(&predictor.to_array(rows)?, &DataType::Float64)?;
            columns.push(column.as_primitive::<Float64Type>().clone());
        }
        let mut predictions = Float64Builder::with_capacity(rows);
        for row in 0..rows {
            let Some(model) = models.get(row * step) else {
                predictions.append_null();
                continue;
            };
            if model.len != columns.len() {
                let (has, got) = (coefficients(model.len), predictors(columns.len()));
                return exec_err!("linear_prediction: the model has {has}, got {got}");
            }
            let values = columns.iter().map(|column| column.is_valid(row).then(|| column.value(row)));
            predictions.append_option(model.predict(values));
        }
        columnar(&args.args, Arc::new(predictions.finish()))
    }
}

fn coefficients(count: usize) -> String {
    if count == 1 { "1 coefficient".to_string() } else { format!("{count} coefficients") }
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;
    use pixmill_learn::least_squares::Fit;

    use super::*;
    use crate::support::linear_model::model;
    use crate::support::testing::call;

    fn scalar(intercept: f64, coefficients: &[Option<f64>]) -> ScalarValue {
        let fit = Fit {
            intercept,
            coefficients: coefficients.to_vec(),
            r2: None,
            intercept_standard_error: None,
            standard_errors: vec![None; coefficients.len()],
            residual_standard_error: None,
            rows: 3,
        };
        model(Some(fit)).expect("a model")
    }

    fn null() -> ScalarValue {
        model(None).expect("NULL")
    }

    fn models(models: &[ScalarValue]) -> ColumnarValue {
        ColumnarValue::Array(ScalarValue::iter_to_array(models.iter().cloned()).expect("models"))
    }

    fn numbers(values: &[Option<f64>]) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(Float64Array::from(values.to_vec())))
    }

    fn predictions(args: Vec<ColumnarValue>) -> Vec<Option<f64>> {
        let array =
            call::<LinearPrediction>(args).and_then(|predictions| predictions.into_array(1)).expect("predictions");
        array.as_primitive::<Float64Type>().iter().collect()
    }

    #[test]
    fn null_in_is_null_out_also_where_the_coefficient_is_null() {
        let models = models(&[scalar(1.0, &[Some(2.0), None]), null(), scalar(1.0, &[None, Some(2.0)])]);
        let x1 = numbers(&[Some(5.0), Some(5.0), None]);
        let x2 = numbers(&[Some(9.0), Some(9.0), Some(9.0)]);
        assert_eq!(predictions(vec![models, x1, x2]), [Some(11.0), None, None]);
    }

    #[test]
    fn a_scalar_gives_what_an_array_does() {
        let model = scalar(1.0, &[Some(2.0)]);
        let array = predictions(vec![models(std::slice::from_ref(&model)), numbers(&[Some(5.0)])]);
        let mixed = predictions(vec![ColumnarValue::Scalar(model.clone()), numbers(&[Some(5.0)])]);
        let five = ColumnarValue::Scalar(ScalarValue::from(5.0));
        let ColumnarValue::Scalar(scalar) =
            call::<LinearPrediction>(vec![ColumnarValue::Scalar(model), five]).expect("a number")
        else {
            panic!("a scalar stays one");
        };
        assert_eq!((array, mixed, scalar), (vec![Some(11.0)], vec![Some(11.0)], ScalarValue::from(11.0)));
    }

    #[test]
    fn a_slice_gives_its_own_rows() {
        let ColumnarValue::Array(models) =
            models(&[scalar(9.0, &[Some(9.0)]), scalar(1.0, &[Some(2.0)]), null(), scalar(0.0, &[Some(1.0)])])
        else {
            panic!("an array");
        };
        let x = Float64Array::from(vec![0.0, 5.0, 6.0, 7.0]).slice(1, 3);
        let args = vec![ColumnarValue::Array(models.slice(1, 3)), ColumnarValue::Array(Arc::new(x))];
        assert_eq!(predictions(args), [Some(11.0), None, Some(7.0)]);
    }

    #[test]
    fn an_empty_batch_gives_one() {
        let one = ColumnarValue::Scalar(scalar(1.0, &[Some(2.0)]));
        assert_eq!(predictions(vec![one, numbers(&[])]), []);
    }

    #[test]
    fn another_number_of_predictors_is_an_error() {
        let error = |coefficients: &[Option<f64>], count: usize| {
            let mut args = vec![models(&[null(), scalar(1.0, coefficients)])];
            args.resize_with(count + 1, || numbers(&[None, None]));
            call::<LinearPrediction>(args).expect_err("a wrong number").strip_backtrace()
        };
        assert_eq!(
            error(&[Some(1.0), None], 1),
            "Execution error: linear_prediction: the model has 2 coefficients, got 1 predictor"
        );
        assert_eq!(
            error(&[Some(1.0)], 3),
            "Execution error: linear_prediction: the model has 1 coefficient, got 3 predictors"
        );
    }

    #[test]
    fn only_models_and_numbers_are_taken() {
        let types = [DataType::Null, DataType::Decimal128(10, 2)];
        assert_eq!(LinearPrediction::coerce(&types).expect("coerced"), [model_type(), DataType::Float64]);
        let error = |types: &[DataType]| LinearPrediction::coerce(types).expect_err("refused").strip_backtrace();
        assert_eq!(
            error(&[DataType::Utf8, DataType::Int8]),
            "Error during planning: linear_prediction: model must be a struct with intercept and coefficients, as linear_regression gives, got Utf8"
        );
        assert_eq!(
            error(&[model_type(), DataType::Utf8]),
            "Error during planning: linear_prediction: x1 must be a number, got Utf8"
        );
        assert_eq!(
            error(&[model_type()]),
            "Error during planning: linear_prediction takes a model and 1 to 64 predictors, got 0 predictors"
        );
    }
}
