//! Rows of a query by the names of their columns.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// All rows of a query.
pub(super) struct QueryRows(RecordBatch);

impl QueryRows {
    /// Runs a query.
    ///
    /// # Errors
    /// What stops the query.
    pub(super) async fn of(engine: &Engine, sql: &str) -> Result<Self> {
        let Some(statement) = engine.parse(sql)?.pop() else {
            return Err(Error::Usage("there is no statement to run".to_string()));
        };
        let running = engine.start(statement).await?;
        let schema = running.schema();
        let batches = running.collect().await?;
        Ok(Self(concat_batches(&schema, &batches).map_err(arrow)?))
    }

    pub(super) fn len(&self) -> usize {
        self.0.num_rows()
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        let column = self.column(name, &DataType::Utf8)?;
        Ok(column.as_string::<i32>().iter().map(|text| text.map(str::to_string)).collect())
    }

    pub(super) fn integers(&self, name: &str) -> Result<Vec<Option<i64>>> {
        Ok(self.column(name, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect())
    }

    pub(super) fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>> {
        Ok(self.column(name, &DataType::Float64)?.as_primitive::<Float64Type>().iter().collect())
    }

    pub(super) fn truths(&self, name: &str) -> Result<Vec<Option<bool>>> {
        Ok(self.column(name, &DataType::Boolean)?.as_boolean().iter().collect())
    }

    /// A column of lists of numbers; a missing list is an empty one.
    pub(super) fn lists(&self, name: &str) -> Result<Vec<Vec<Option<f64>>>> {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
        let column = self.column(name, &list)?;
        let lists = column.as_list::<i32>().iter();
        let numbers = |values: ArrayRef| values.as_primitive::<Float64Type>().iter().collect();
        Ok(lists.map(|values| values.map(numbers).unwrap_or_default()).collect())
    }

    fn column(&self, name: &str, data_type: &DataType) -> Result<ArrayRef> {
        let column = self.0.column_by_name(name);
        let column =
            column.ok_or_else(|| Error::Failed(format!("internal error: the query has no column '{name}'")))?;
        cast(column, data_type).map_err(arrow)
    }
}

pub(super) fn arrow(error: ArrowError) -> Error {
    Error::Query(DataFusionError::from(error))
}

/// The first of a column that has one value.
pub(super) fn only<T: Copy>(values: &[Option<T>]) -> Option<T> {
    values.first().copied().flatten()
}
