//! Columns of samples: what they are made of, and rows being built.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryBuilder, Int64Builder, RecordBatch, RecordBatchOptions, StringArray, StringBuilder,
    new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::{Result, exec_err, plan_err};
use serde::{Deserialize, Serialize};

use super::options::WebDatasetReadOptions;
use crate::format::webdataset::{Sample, each_sample};
use crate::source::shards::{ShardPath, Shards};
use crate::storage::is_of_store;

/// The column of the samples' keys.
pub(super) const KEY: &str = "__key__";
/// Hidden columns: where a row comes from, and what there is to say of it.
pub(super) const HIDDEN: [&str; 3] = ["__sample_place", "__sample_content", "__sample_error"];

/// Extensions that the readers of WebDatasets take for whole numbers.
const NUMBERS: [&str; 7] = ["cls", "cls2", "class", "count", "index", "inx", "id"];
/// Extensions that the readers of WebDatasets take for text, JSON among it.
const TEXTS: [&str; 5] = ["txt", "text", "transcript", "json", "jsn"];

/// What a column is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Column {
    /// The key.
    Key,
    /// The members with an extension.
    Member { extension: String, value: Value },
    /// The value of a directory `name=value`.
    Directory(String),
    /// Hidden: the file and the key.
    Place,
    /// Hidden: NULL.
    Nothing,
}

/// What a member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Value {
    Bytes,
    Text,
    Number,
}

impl Value {
    /// The type that it is read as.
    fn data_type(self) -> DataType {
        match self {
            Self::Bytes => DataType::Binary,
            Self::Text => DataType::Utf8,
            Self::Number => DataType::Int64,
        }
    }

    /// What is read into a column of this type.
    fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Some(Self::Bytes)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => Some(Self::Text),
            DataType::Int64 => Some(Self::Number),
            data_type if data_type.is_numeric() || data_type.is_temporal() => Some(Self::Text),
            _ => None,
        }
    }
}

impl Column {
    /// Its field where nobody declares one.
    pub(super) fn field(&self) -> Field {
        match self {
            Self::Key => Field::new(KEY, DataType::Utf8, false),
            Self::Member { extension, value } => Field::new(extension, value.data_type(), true),
            Self::Directory(name) => Field::new(name, DataType::Utf8, true),
            Self::Place => Field::new(HIDDEN[0], DataType::Utf8, true),
            Self::Nothing => Field::new(HIDDEN[1], DataType::Binary, true),
        }
    }

    /// The column that is declared so.
    ///
    /// # Errors
    /// A type that no member can be read as.
    pub(super) fn declared(field: &Field) -> Result<Self> {
        match Value::of(field.data_type()) {
            Some(Value::Text) if field.name() == KEY => Ok(Self::Key),
            _ if field.name() == KEY => {
                plan_err!("column '{KEY}' holds the keys of samples, which are VARCHAR, got {}", field.data_type())
            }
            Some(value) => Ok(Self::Member { extension: field.name().to_ascii_lowercase(), value }),
            None => plan_err!(
                "column '{}' of type {}: a member holds bytes or text; declare it BYTEA, VARCHAR, BIGINT or another type that a text is \
                 cast to",
                field.name(),
                field.data_type()
            ),
        }
    }
}

/// Finds out from some samples which members there are, and what they hold.
///
/// # Errors
/// A file that can't be read, or samples without a member.
pub(super) fn infer(location: &str, shards: &Shards, options: &WebDatasetReadOptions) -> Result<Vec<Column>> {
    let step = shards.files.len().div_ceil(options.sample_files).max(1);
    // Whether all that was seen of an extension are whole numbers.
    let mut seen: BTreeMap<String, bool> = BTreeMap::new();
    for (shard, opened) in shards.begun(shards.files.iter().step_by(step)) {
        let mut left = options.sample_records;
        let end = opened.and_then(|file| {
            each_sample(
                file,
                |_| true,
                |sample| {
                    for (extension, content) in sample.members {
                        let is_number = number(&content).is_some();
                        seen.entry(extension).and_modify(|all| *all &= is_number).or_insert(is_number);
                    }
                    left -= 1;
                    if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                },
            )
        });
        match end {
            Err(error) if seen.is_empty() || is_of_store(&error) => {
                return exec_err!("{}: cannot be read: {error}", shard.shown);
            }
            // Reading meets the fault again, and reports it.
            _ => {}
        }
    }
    if seen.is_empty() {
        return plan_err!(
            "no samples in '{location}': a sample is made of neighbouring members with one key, as in 0001.jpg and 0001.cls"
        );
    }
    let is_text = |extension: &str, last: &str| {
        let is_listed = |name: &str| options.text.contains(name);
        TEXTS.contains(&last) || is_listed("*") || is_listed(extension) || is_listed(last)
    };
    let member = |(extension, are_numbers): (String, bool)| {
        let last = extension.rsplit('.').next().unwrap_or_default();
        let stated = shards.kinds.get(&extension).map(String::as_str);
        let value = match stated {
            _ if NUMBERS.contains(&last) && are_numbers => Value::Number,
            Some("bytes") => Value::Bytes,
            Some(_) => Value::Text,
            None if NUMBERS.contains(&last) || is_text(&extension, last) => Value::Text,
            None => Value::Bytes,
        };
        Column::Member { extension, value }
    };
    Ok(std::iter::once(Column::Key).chain(seen.into_iter().map(member)).collect())
}

/// The whole number that a member holds as text.
fn number(content: &[u8]) -> Option<i64> {
    std::str::from_utf8(content).ok()?.trim().parse().ok()
}

/// Rows being built.
pub(super) struct SampleRows<'a> {
    columns: &'a [Column],
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    pub(super) bytes: usize,
}

enum Builder {
    Bytes(BinaryBuilder),
    Text(StringBuilder),
    Number(Int64Builder),
    /// Its values are known without the samples.
    Nothing,
}

impl<'a> SampleRows<'a> {
    pub(super) fn new(columns: &'a [Column], schema: &SchemaRef) -> Self {
        let builder = |column: &Column| match column {
            Column::Key | Column::Place | Column::Member { value: Value::Text, .. } => {
                Builder::Text(StringBuilder::new())
            }
            Column::Member { value: Value::Bytes, .. } => Builder::Bytes(BinaryBuilder::new()),
            Column::Member { value: Value::Number, .. } => Builder::Number(Int64Builder::new()),
            Column::Directory(_) | Column::Nothing => Builder::Nothing,
        };
        let builders = columns.iter().map(builder).collect();
        Self { columns, schema: Arc::clone(schema), builders, rows: 0, bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// A member that its column has no place for, in words; then nothing is added.
    pub(super) fn push(&mut self, shard: &str, sample: &Sample) -> Result<(), String> {
        let mut extensions = BTreeSet::new();
        if let Some((twice, _)) = sample.members.iter().find(|(extension, _)| !extensions.insert(extension)) {
            return Err(format!("the member '{twice}' is there twice"));
        }
        let content = |wanted: &str| {
            let member = sample.members.iter().find(|(extension, _)| extension == wanted);
            member.map(|(_, content)| content.as_slice())
        };
        for column in self.columns {
            let Column::Member { extension, value } = column else { continue };
            let Some(content) = content(extension) else { continue };
            match value {
                Value::Text if std::str::from_utf8(content).is_err() => {
                    return Err(format!("the member '{extension}' is no text; declare the column as BYTEA"));
                }
                Value::Number if number(content).is_none() => {
                    let shown: String = String::from_utf8_lossy(content).chars().take(40).collect();
                    return Err(format!(
                        "the member '{extension}' is no whole number, got '{}'; declare the column as VARCHAR",
                        shown.trim()
                    ));
                }
                _ => {}
            }
        }
        for (column, builder) in self.columns.iter().zip(&mut self.builders) {
            let value = match column {
                Column::Key => Some(sample.key.as_bytes()),
                Column::Member { extension, .. } => content(extension),
                Column::Place => None,
                Column::Directory(_) | Column::Nothing => continue,
            };
            self.bytes += value.map_or(0, <[u8]>::len);
            let text = || value.and_then(|value| std::str::from_utf8(value).ok());
            match builder {
                Builder::Text(texts) if *column == Column::Place => {
                    texts.append_value(format!("{shard}/{}", sample.key));
                }
                Builder::Text(texts) => texts.append_option(text()),
                Builder::Bytes(bytes) => bytes.append_option(value),
                Builder::Number(numbers) => numbers.append_option(value.and_then(number)),
                Builder::Nothing => {}
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows, of which all are of one file.
    ///
    /// # Errors
    /// A text that can't be cast to its column's type.
    pub(super) fn finish(self, shard: &ShardPath) -> Result<RecordBatch> {
        let rows = self.rows;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for ((column, builder), field) in self.columns.iter().zip(self.builders).zip(self.schema.fields()) {
            let array: ArrayRef = match (builder, column) {
                (Builder::Text(mut texts), _) => Arc::new(texts.finish()),
                (Builder::Bytes(mut bytes), _) => Arc::new(bytes.finish()),
                (Builder::Number(mut numbers), _) => Arc::new(numbers.finish()),
                (Builder::Nothing, Column::Directory(name)) => {
                    let value = shard.directories.get(name).cloned().flatten();
                    Arc::new(std::iter::repeat_n(value, rows).collect::<StringArray>())
                }
                (Builder::Nothing, _) => new_null_array(field.data_type(), rows),
            };
            let options = CastOptions { safe: false, ..CastOptions::default() };
            match array.data_type() == field.data_type() {
                true => arrays.push(array),
                false => match cast_with_options(&array, field.data_type(), &options) {
                    Ok(array) => arrays.push(array),
                    Err(error) => return exec_err!("{}: column '{}': {error}", shard.shown, field.name()),
                },
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema, arrays, &options)?)
    }
}
