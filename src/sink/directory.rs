//! The directories of `PARTITIONED BY`, named as Hive does.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::Target;

impl Target {
    /// The directory of each row, `split=train/…`, where the dataset has directories.
    pub(super) fn directories(&self, batch: &RecordBatch) -> Result<Option<Vec<String>>> {
        if self.partition_by.is_empty() {
            return Ok(None);
        }
        let mut directories = vec![String::new(); batch.num_rows()];
        for name in &self.partition_by {
            let column = batch.column(batch.schema_ref().index_of(name)?);
            let values = cast(column, &DataType::Utf8)?;
            let values = values.as_string::<i32>();
            for (row, directory) in directories.iter_mut().enumerate() {
                if !directory.is_empty() {
                    directory.push('/');
                }
                directory.push_str(name);
                directory.push('=');
                match values.is_valid(row) {
                    true => push_escaped(directory, values.value(row)),
                    false => directory.push_str("__HIVE_DEFAULT_PARTITION__"),
                }
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

/// Appends a directory's value; what a file name can't hold is percent-encoded, as Hive does.
fn push_escaped(directory: &mut String, value: &str) {
    for character in value.chars() {
        if character.is_control() || "\"#%'*/:=?\\{}[]^".contains(character) {
            for byte in character.to_string().bytes() {
                directory.push_str(&format!("%{byte:02X}"));
            }
        } else {
            directory.push(character);
        }
    }
}
