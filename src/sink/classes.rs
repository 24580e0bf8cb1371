//! Columns of class numbers, for formats that write the names of classes beside them.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, exec_err};

use super::Target;

impl Target {
    /// The classes of the column that holds their numbers.
    pub(super) fn classes_of(&self, field: &Field) -> Option<&[String]> {
        let is_it = field.data_type().is_integer() && self.class_column.as_ref() == Some(field.name());
        self.classes.as_deref().filter(|_| is_it)
    }

    /// Checks that numbers which readers take for those of classes are.
    ///
    /// # Errors
    /// A number without a class.
    pub(super) fn check_classes(&self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        for index in self.feature_columns() {
            let field = schema.field(index);
            let Some(classes) = self.classes_of(field) else { continue };
            if !self.options.own().names_classes(self, field.name()) {
                continue;
            }
            let numbers = cast(batch.column(index), &DataType::Int64)?;
            let mut numbers = numbers.as_primitive::<Int64Type>().iter().flatten();
            if let Some(number) = numbers.find(|number| !(0..classes.len() as i64).contains(number)) {
                return exec_err!(
                    "column '{}' would be read as the number of a class, and there are {} of them, counted from 0, got \
                     {number}; give it another name: AS number",
                    schema.field(index).name(),
                    classes.len()
                );
            }
        }
        Ok(())
    }
}
