//! The directories of `PARTITIONED BY`, named as Hive does.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use percent_encoding::percent_encode_byte;

use super::Target;
use super::cast::cast;
use super::failure::refused;
use crate::format::{HIVE_NULL, check_value};

impl Target {
    /// The directory of each row, `split=train/…`, where the dataset has directories.
    pub(super) fn directories(&self, batch: &RecordBatch) -> Result<Option<Vec<String>>> {
        if self.partition_by.is_empty() {
            return Ok(None);
        }
        let mut directories = vec![String::new(); batch.num_rows()];
        for name in &self.partition_by {
            let column = batch.column(batch.schema_ref().index_of(name)?);
            let values = cast(name, column, &DataType::Utf8)?;
            let values = values.as_string::<i32>();
            for (row, directory) in directories.iter_mut().enumerate() {
                if !directory.is_empty() {
                    directory.push('/');
                }
                let start = directory.len();
                push_escaped(directory, name);
                directory.push('=');
                let value = values.is_valid(row).then(|| values.value(row));
                match value {
                    Some(value) => push_escaped(directory, value),
                    None => directory.push_str(HIVE_NULL),
                }
                check_value(name, value, directory.len() - start).map_err(refused)?;
            }
        }
        Ok(Some(directories))
    }
}

/// A path's directory and file name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A file's path in a directory, which may be the dataset's own.
pub(super) fn join(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_string(),
        directory => format!("{directory}/{name}"),
    }
}

/// A column's name as it stands in the names of directories.
pub(super) fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    push_escaped(&mut escaped, name);
    escaped
}

/// Appends a directory's value; what a file name can't hold is percent-encoded, as Hive does.
fn push_escaped(directory: &mut String, value: &str) {
    for character in value.chars() {
        if character.is_control() || "\"#%'*/:=?\\{}[]^".contains(character) {
            character.to_string().bytes().for_each(|byte| directory.push_str(percent_encode_byte(byte)));
        } else {
            directory.push(character);
        }
    }
}
