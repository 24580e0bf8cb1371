//! What the tests of the sink share.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::SessionConfig;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Mutex, mpsc};

use super::{CommitExec, Format, ShardSinkExec, SinkOptions, Target};
use crate::exec::Task;
use crate::format::manifest::MANIFEST;
use crate::storage::{Directory, token};

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

/// A partition whose rows come one after the other, when the test sends them.
#[derive(Debug)]
struct Slow(SchemaRef, Arc<Mutex<mpsc::Receiver<RecordBatch>>>);

impl PartitionStream for Slow {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = stream::unfold(Arc::clone(&self.1), |rows| async {
            let batch = rows.lock().await.recv().await;
            batch.map(|batch| (Ok(batch), rows))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema(), rows.boxed()))
    }
}

/// A plan of one such partition, and where its rows are sent to; the second is taken when the first was read.
pub(super) fn slow_input() -> (Arc<dyn ExecutionPlan>, mpsc::Sender<RecordBatch>) {
    let (sender, receiver) = mpsc::channel(1);
    let slow = Slow(schema(), Arc::new(Mutex::new(receiver)));
    let plan = StreamingTableExec::try_new(schema(), vec![Arc::new(slow)], None, vec![], false, None);
    (Arc::new(plan.expect("a plan")), sender)
}

/// Runs one partition of a plan as a task does.
pub(super) async fn run(plan: Arc<dyn ExecutionPlan>, partition: usize, task: Arc<Task>) -> Result<RecordBatch> {
    let config = SessionConfig::new().with_extension(task);
    let context = Arc::new(TaskContext::default().with_session_config(config));
    let mut batches: Vec<RecordBatch> = plan.execute(partition, context)?.try_collect().await?;
    Ok(batches.pop().expect("a batch"))
}

/// One attempt to write a partition.
pub(super) async fn write(
    target: &Arc<Target>,
    input: Arc<dyn ExecutionPlan>,
    partition: usize,
) -> Result<RecordBatch> {
    run(Arc::new(ShardSinkExec::new(input, Arc::clone(target), 2, None)), partition, Arc::default()).await
}

/// Commits reports as an executor does, where there is no sink below.
pub(super) async fn commit(target: &Arc<Target>, partitions: usize, reports: &[&RecordBatch]) -> Result<RecordBatch> {
    let rows: Vec<RecordBatch> = reports.iter().map(|report| (*report).clone()).collect();
    let schema = rows.first().map_or_else(schema, RecordBatch::schema);
    let rows = MemorySourceConfig::try_new_exec(&[rows], schema, None).expect("a plan");
    run(Arc::new(CommitExec::new(rows, Arc::clone(target), Some(partitions), Arc::default())), 0, Arc::default()).await
}

/// A new run of one statement.
pub(super) fn target(directory: &Path) -> Target {
    Target {
        directory: Directory::Local(directory.to_path_buf()),
        options: SinkOptions::new(Format::TfRecord),
        partition_by: Vec::new(),
        visible: vec!["number".to_string()],
        reject_columns: None,
        schema: schema(),
        classes: None,
        class_column: None,
        carried: std::collections::BTreeMap::new(),
        shuffle_seed: None,
        run: token().expect("a token"),
        statement: "one".to_string(),
        resume: false,
        retry: None,
        replaces: Directory::Local(directory.to_path_buf()).stamp(MANIFEST).expect("a look"),
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
