//! What aggregates of vectors find, as SQL has it: structs of lists, and how a row's function reads them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs};

use super::arguments::{Kind, Parameter, required};
use super::linear_model::numbers_type;
use super::vectors::{Vectors, numbers_of};

/// What a function that applies a model takes.
pub(crate) const MODEL_AND_X: &[Parameter] = &[required("model", Kind::Any), required("x", Kind::Vector)];

/// Checks, while a call is planned, that its first argument is a struct with lists of these names.
pub(crate) fn check_model(function: &str, aggregate: &str, args: &ReturnFieldArgs<'_>, lists: [&str; 2]) -> Result<()> {
    let Some(given) = args.arg_fields.first().map(|field| field.data_type()) else { return Ok(()) };
    let is_list = |data_type: &DataType| {
        matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Null)
    };
    let is_model = match given {
        DataType::Null => true,
        DataType::Struct(fields) => {
            lists.iter().all(|list| fields.find(list).is_some_and(|(_, field)| is_list(field.data_type())))
        }
        _ => false,
    };
    if is_model {
        return Ok(());
    }
    let [first, second] = lists;
    plan_err!(
        "{function}: model must be a struct with the lists {first} and {second}, as {aggregate} gives, got {given}"
    )
}

/// The models of a call.
pub(crate) struct Models {
    models: ArrayRef,
    /// 0 where one model stands for all rows.
    step: usize,
}

impl Models {
    /// Reads the first argument of a call; a constant model is read once.
    pub(crate) fn try_new(argument: &ColumnarValue) -> Result<Self> {
        Ok(match argument {
            ColumnarValue::Scalar(model) => Self { models: model.to_array()?, step: 0 },
            ColumnarValue::Array(models) => Self { models: Arc::clone(models), step: 1 },
        })
    }

    /// A field of all models, of this type; `None` where all models are NULL.
    pub(crate) fn field(&self, function: &str, name: &str, data_type: &DataType) -> Result<Option<ArrayRef>> {
        if self.models.data_type().is_null() {
            return Ok(None);
        }
        let field = self.models.as_struct_opt().and_then(|models| models.column_by_name(name));
        let field = field.ok_or_else(|| exec_datafusion_err!("{function}: the model has no list {name}"))?;
        Ok(Some(cast(field, data_type)?))
    }

    /// A list of numbers of all models; `None` where all models are NULL.
    pub(crate) fn vectors(&self, function: &str, name: &str) -> Result<Option<Vectors>> {
        self.field(function, name, &numbers_type())?.as_ref().map(Vectors::try_new).transpose()
    }

    /// The vector of a row's model; `None` if one of them is NULL.
    pub(crate) fn vector<'a>(&self, vectors: &'a Option<Vectors>, row: usize) -> Option<&'a [f64]> {
        vectors.as_ref()?.get(self.place(row)?)
    }

    /// Where the model of a row is; `None` if it is NULL.
    pub(crate) fn place(&self, row: usize) -> Option<usize> {
        let place = row * self.step;
        self.models.is_valid(place).then_some(place)
    }
}

/// Checks that a vector is as long as those that the model is of.
pub(crate) fn check_lengths(function: &str, model: usize, x: usize) -> Result<()> {
    if model == x {
        return Ok(());
    }
    exec_err!("{function}: the model is of vectors of {}, got one of {x}", numbers_of(model))
}
