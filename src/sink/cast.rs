//! Casts of columns to the types that formats write.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

/// A cast that fails where a value has no place in the other type, instead of making it NULL.
pub(super) fn cast(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    match column.data_type() == data_type {
        true => Ok(Arc::clone(column)),
        false => cast_with_options(column, data_type, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}
