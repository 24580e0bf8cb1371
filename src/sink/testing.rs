//! What the tests of the sink share.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::physical_plan::ExecutionPlan;

use super::{Format, SinkOptions, Stamp, Target, token};
use crate::format::manifest::MANIFEST;

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("number", DataType::Int64, true)]))
}

pub(super) fn batch(numbers: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
    RecordBatch::try_new(schema(), vec![column]).expect("a batch")
}

/// A plan with so many partitions of numbers.
pub(super) fn input(partitions: &[&[i64]]) -> Arc<dyn ExecutionPlan> {
    let partitions: Vec<_> = partitions.iter().map(|numbers| vec![batch(numbers)]).collect();
    MemorySourceConfig::try_new_exec(&partitions, schema(), None).expect("a plan")
}

/// A new run of one statement.
pub(super) fn target(directory: &Path) -> Target {
    Target {
        directory: directory.to_path_buf(),
        options: SinkOptions::new(Format::TfRecord),
        partition_by: Vec::new(),
        visible: vec!["number".to_string()],
        reject_columns: None,
        schema: schema(),
        classes: None,
        class_column: None,
        shuffle_seed: None,
        run: token().expect("a token"),
        statement: "one".to_string(),
        resume: false,
        replaces: Stamp::of(&directory.join(MANIFEST)),
    }
}

/// Names of the files in a directory, sorted.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
