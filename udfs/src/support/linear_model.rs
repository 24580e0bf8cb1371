//! Linear models as SQL has them: their struct, what is made of a fit, and what a prediction reads.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use pixmill_learn::least_squares::Fit;

/// The most predictors of a model.
pub(crate) const MAX_PREDICTORS: usize = 64;

/// The field of the constant term, Float64.
pub(crate) const INTERCEPT: &str = "intercept";
/// The field of the predictors' coefficients, a list of Float64.
pub(crate) const COEFFICIENTS: &str = "coefficients";

/// The type of a model.
pub(crate) fn model_type() -> DataType {
    DataType::Struct(fields())
}

/// A list of numbers that may be NULL.
pub(crate) fn numbers_type() -> DataType {
    DataType::new_list(DataType::Float64, true)
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new(INTERCEPT, DataType::Float64, true),
        Field::new(COEFFICIENTS, numbers_type(), true),
        Field::new("r2", DataType::Float64, true),
        Field::new("intercept_standard_error", DataType::Float64, true),
        Field::new("standard_errors", numbers_type(), true),
        Field::new("residual_standard_error", DataType::Float64, true),
        Field::new("n", DataType::Int64, true),
    ])
}

/// A fit as a model; NULL where there is none.
pub(crate) fn model(fit: Option<Fit>) -> Result<ScalarValue> {
    let Some(fit) = fit else { return ScalarValue::try_from(&model_type()) };
    let number = |value: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
    let columns: Vec<ArrayRef> = vec![
        number(Some(fit.intercept)),
        Arc::new(numbers(Float64Array::from(fit.coefficients))),
        number(fit.r2),
        number(fit.intercept_standard_error),
        Arc::new(numbers(Float64Array::from(fit.standard_errors))),
        number(fit.residual_standard_error),
        Arc::new(Int64Array::from(vec![fit.rows])),
    ];
    Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields(), columns, None)?)))
}

/// Numbers as the one value of a list array.
pub(crate) fn numbers(values: Float64Array) -> ListArray {
    SingleRowListArrayBuilder::new(Arc::new(values)).build_list_array()
}

/// The types that a model's arguments are cast to: `given` if they are numbers, called `y`, `x1`, `x2`, ... from `first` on.
pub(crate) fn coerce_numbers(function: &str, first: usize, given: &[DataType]) -> Result<Vec<DataType>> {
    for (index, given) in (first..).zip(given) {
        if !given.is_numeric() && !given.is_null() {
            let name = if index == 0 { "y".to_string() } else { format!("x{index}") };
            return plan_err!("{function}: {name} must be a number, got {given}");
        }
    }
    Ok(vec![DataType::Float64; given.len()])
}

/// Checks how many predictors a call has.
pub(crate) fn check_predictors(function: &str, first: &str, arguments: usize) -> Result<()> {
    match arguments.checked_sub(1) {
        Some(1..=MAX_PREDICTORS) => Ok(()),
        Some(count) => {
            plan_err!("{function} takes {first} and 1 to {MAX_PREDICTORS} predictors, got {}", predictors(count))
        }
        None => plan_err!("{function} takes {first} and 1 to {MAX_PREDICTORS} predictors, got nothing"),
    }
}

/// A number of predictors in words.
pub(crate) fn predictors(count: usize) -> String {
    if count == 1 { "1 predictor".to_string() } else { format!("{count} predictors") }
}

/// Whether a type has what a prediction reads: a model, also one that was stored or written by hand.
pub(crate) fn is_model(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return false };
    let is_number = |field: &FieldRef| field.data_type().is_numeric() || field.data_type().is_null();
    let is_list = |field: &FieldRef| match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => is_number(item),
        _ => false,
    };
    let intercept = fields.find(INTERCEPT).is_some_and(|(_, field)| is_number(field));
    intercept && fields.find(COEFFICIENTS).is_some_and(|(_, field)| is_list(field))
}

/// The models of a batch.
pub(crate) struct Models {
    models: ArrayRef,
    intercepts: Float64Array,
    coefficients: ListArray,
    values: Float64Array,
}

/// One model.
pub(crate) struct Model<'a> {
    models: &'a Models,
    intercept: f64,
    start: usize,
    /// How many coefficients there are.
    pub(crate) len: usize,
}

impl Models {
    /// Reads an array whose type `is_model`.
    pub(crate) fn try_new(function: &str, models: ArrayRef) -> Result<Self> {
        let found = models.as_struct_opt().and_then(|models| {
            Some((models.column_by_name(INTERCEPT)?.clone(), models.column_by_name(COEFFICIENTS)?.clone()))
        });
        let (intercepts, coefficients) = found.ok_or_else(|| {
            exec_datafusion_err!(
                "{function}: model must be a struct with intercept and coefficients, got {}",
                models.data_type()
            )
        })?;
        let intercepts = cast(&intercepts, &DataType::Float64)?.as_primitive::<Float64Type>().clone();
        let coefficients = cast(&coefficients, &numbers_type())?.as_list::<i32>().clone();
        let values = coefficients.values().as_primitive::<Float64Type>().clone();
        Ok(Self { models, intercepts, coefficients, values })
    }

    /// A row's model; `None` if it is NULL, or its intercept or its list is.
    pub(crate) fn get(&self, row: usize) -> Option<Model<'_>> {
        let is_valid = self.models.is_valid(row) && self.intercepts.is_valid(row) && self.coefficients.is_valid(row);
        is_valid.then(|| Model {
            models: self,
            intercept: self.intercepts.value(row),
            start: self.coefficients.value_offsets()[row] as usize,
            len: self.coefficients.value_length(row) as usize,
        })
    }
}

impl Model<'_> {
    /// The prediction for as many predictors as there are coefficients; `None` if one of them is NULL.
    pub(crate) fn predict(&self, predictors: impl Iterator<Item = Option<f64>>) -> Option<f64> {
        let mut sum = self.intercept;
        for (index, predictor) in (self.start..self.start + self.len).zip(predictors) {
            let predictor = predictor?;
            if self.models.values.is_valid(index) {
                sum += self.models.values.value(index) * predictor;
            }
        }
        Some(sum)
    }
}
