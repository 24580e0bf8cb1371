//! Tests of many shards that are open at a time: what they hold of threads and memory, and of many rows without a place in them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::testing::{batch, commit, input, names, slow_input, target, write};
use super::{FormatOptions, ShardSinkExec, Target};
use crate::format::manifest::{MANIFEST, Manifest, OLD_MANIFEST, REJECTS};
use crate::sink::Compression;
use crate::sink::tfrecord::TfRecordOptions;
use crate::storage::log;

/// Only what never ends takes as long.
const NEVER: Duration = Duration::from_secs(20);

/// A runtime with so many threads for reading and writing.
fn runtime(blocking: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(blocking).enable_all().build().expect("a runtime")
}

/// A run with a directory for each number.
fn directories(directory: &std::path::Path) -> Target {
    Target { partition_by: vec!["number".to_string()], schema: Arc::new(Schema::empty()), ..target(directory) }
}

#[test]
fn an_open_shard_holds_no_thread() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = Arc::new(directories(directory.path()));
    runtime(1).block_on(async {
        let (slow, sender) = slow_input();
        let running = tokio::spawn({
            let target = Arc::clone(&target);
            async move { write(&target, slow, 0).await }
        });
        for number in 0..5 {
            sender.send(batch(&[number])).await.expect("sent");
        }
        // As loaders read.
        let loader = tokio::task::spawn_blocking(|| "read");
        assert_eq!(timeout(NEVER, loader).await.expect("a thread is free").expect("read"), "read");
        drop(sender);
        let report = timeout(NEVER, running).await.expect("an end").expect("a task").expect("written");
        commit(&target, 1, &[&report]).await.expect("committed");
    });
    let expected: Vec<String> = (0..5).map(|number| format!("number={number}")).collect();
    assert_eq!(names(directory.path())[1..], expected);
}

#[test]
fn more_shards_are_open_than_there_are_threads_to_write() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zlib] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut target = directories(directory.path());
        target.options.format = FormatOptions::TfRecord(TfRecordOptions { compression, ..TfRecordOptions::default() });
        let target = Arc::new(target);
        // The last directory comes first.
        let numbers: Vec<i64> = (0..40).rev().collect();
        runtime(2).block_on(async {
            let sink = Arc::new(ShardSinkExec::new(input(&[numbers.as_slice(); 4]), Arc::clone(&target), 4, None));
            let partitions = (0..4).map(|partition| {
                let sink: Arc<dyn ExecutionPlan> = Arc::clone(&sink) as _;
                tokio::spawn(super::testing::run(sink, partition, Arc::default()))
            });
            let partitions = futures::future::try_join_all(partitions);
            let reports = timeout(NEVER, partitions).await.expect("an end").expect("tasks");
            let reports: Result<Vec<RecordBatch>> = reports.into_iter().collect();
            let reports = reports.expect("written");
            commit(&target, 4, &reports.iter().collect::<Vec<_>>()).await.expect("committed");
        });
        let manifest = Manifest::read(directory.path()).expect("a manifest").expect("there");
        assert_eq!((manifest.shards.len(), manifest.records), (160, 160));
    }
}

/// Rows of `(number, image)`, with an image of so many bytes for each number, or none.
fn images(numbers: impl Iterator<Item = i64>, bytes: Option<usize>) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(numbers);
    let image = bytes.map(|bytes| vec![7; bytes]);
    let images = BinaryArray::from_iter((0..numbers.len()).map(|_| image.as_deref()));
    RecordBatch::try_from_iter_with_nullable([
        ("number", Arc::new(numbers) as ArrayRef, true),
        ("image", Arc::new(images) as ArrayRef, true),
    ])
    .expect("a batch")
}

fn image_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("image", DataType::Binary, true)]))
}

/// A run that writes images to a directory for each number.
fn image_directories(directory: &std::path::Path) -> Target {
    let visible = vec!["number".to_string(), "image".to_string()];
    Target { visible, schema: image_schema(), ..directories(directory) }
}

/// The names of files that begin in this way.
fn names_of(directory: &std::path::Path, beginning: &str) -> Vec<String> {
    names(directory).into_iter().filter(|name| name.starts_with(beginning)).collect()
}

/// Writes one partition within so much memory.
async fn write_within(target: &Arc<Target>, rows: RecordBatch, bytes: usize) -> Result<RecordBatch> {
    write_pieces_within(target, vec![rows], bytes).await
}

async fn write_pieces_within(target: &Arc<Target>, rows: Vec<RecordBatch>, bytes: usize) -> Result<RecordBatch> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(bytes, 1.0).build_arc().expect("a runtime");
    let schema = rows[0].schema();
    let rows = MemorySourceConfig::try_new_exec(&[rows], schema, None).expect("a plan");
    let sink = ShardSinkExec::new(rows, Arc::clone(target), 1, None);
    let context = Arc::new(TaskContext::default().with_runtime(Arc::clone(&runtime)));
    let written: Vec<RecordBatch> = sink.execute(0, context)?.try_collect().await?;
    assert_eq!(runtime.memory_pool.reserved(), 0);
    Ok(written.into_iter().next().expect("a report"))
}

#[test]
fn what_open_shards_hold_counts_against_the_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = Arc::new(image_directories(directory.path()));
    runtime(4).block_on(async {
        let failed = write_within(&target, images(0..30, Some(10_000)), 100_000).await.expect_err("too much");
        let message = failed.strip_backtrace();
        assert!(message.contains("30 shards are open at a time"), "{message}");
        assert!(message.contains("no room in a pixmill.memory_limit of 2G"), "{message}");
        write_within(&target, images(0..30, Some(10_000)), 2_000_000).await.expect("written");
    });
}

#[test]
fn many_open_shards_share_what_one_may_hold() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = Arc::new(image_directories(directory.path()));
    // 200 shards of 60 kB each, and 12 MB in all.
    let rows = images((0..200).flat_map(|number| [number; 6]), Some(10_000));
    runtime(4).block_on(async { write_within(&target, rows, 8 << 20).await.expect("written") });
}

#[test]
fn a_partition_of_many_rejects_is_counted_to_the_last_and_its_report_stays_small() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut target = image_directories(directory.path());
    target.partition_by = Vec::new();
    target.schema = images(0..0, None).schema();
    let target = Arc::new(target);
    let rejects = 100_000;
    let rows = runtime(4).block_on(async {
        let broken = images(0..rejects, None);
        let rows = [vec![broken.clone(), images(0..1, Some(3)), broken]];
        let plan = MemorySourceConfig::try_new_exec(&rows, rows[0][0].schema(), None).expect("a plan");
        let report = write(&target, plan, 0).await.expect("written");
        let text = report.column(1).as_string::<i32>().value(0);
        assert!(text.len() < 2000, "{} bytes", text.len());
        commit(&target, 1, &[&report]).await.expect("committed")
    });
    assert_eq!(rows.column(3).as_primitive::<Int64Type>().values(), &[2 * rejects]);
    let manifest = Manifest::read(directory.path()).expect("a manifest").expect("there");
    assert_eq!((manifest.records, manifest.rejected), (1, 2 * rejects as u64));
    let listed = std::fs::read_to_string(directory.path().join(REJECTS)).expect("a list");
    assert_eq!(listed.lines().count(), 2 * rejects as usize + 1);
    assert!(listed.ends_with(",column 'image' is NULL\n"));
}

#[test]
fn many_rejects_take_little_memory_and_are_listed_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut target = image_directories(directory.path());
    target.partition_by = Vec::new();
    target.reject_columns = Some([2, 3, 4]);
    target.schema = images(0..0, None).schema();
    let target = Arc::new(target);
    let rejects = 100_000_i64;
    let broken = images(0..rejects, None);
    let one = |text: &str| Arc::new(StringArray::from(vec![text; broken.num_rows()])) as ArrayRef;
    let path = |number: i64| format!("a/folder/of/photos/{:06}.jpg", (number * 7919) % rejects);
    let paths = Arc::new(StringArray::from_iter_values((0..rejects).map(path))) as ArrayRef;
    let content = Arc::new(BinaryArray::from_iter((0..rejects).map(|_| None::<&[u8]>))) as ArrayRef;
    let columns = [broken.column(0), broken.column(1), &paths, &content, &one("missing: it is gone")].map(Arc::clone);
    let names = ["number", "image", "__path", "__content", "__read_error"];
    let fields = names.iter().zip(&columns).map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns.to_vec());
    let rows = rows.expect("a batch");
    runtime(4).block_on(async {
        let pieces = (0..rejects as usize).step_by(1000).map(|start| rows.slice(start, 1000)).collect::<Vec<_>>();
        let report = write_pieces_within(&target, pieces, 2_000_000).await.expect("written");
        let lists = names_of(directory.path(), ".rejects-").len();
        assert!(lists > 5, "{lists} lists");
        // Nothing but rejects is no dataset, and they are listed.
        let failed = commit(&target, 1, &[&report]).await.expect_err("no record").strip_backtrace();
        assert!(
            failed.contains("all 100000 rows are rejected, the first of them 'a/folder/of/photos/000000.jpg'"),
            "{failed}"
        );
    });
    let listed = std::fs::read_to_string(directory.path().join(REJECTS)).expect("a list");
    assert_eq!(listed.lines().count(), rejects as usize + 1);
    assert!(listed.starts_with(
        "path,stage,class,reason\na/folder/of/photos/000000.jpg,read,missing,cannot be read: it is gone\n"
    ));
    assert!(listed.lines().skip(1).is_sorted());
}

#[test]
fn all_that_a_manifest_promises_is_on_the_disk_before_it_and_it_is_before_the_end() {
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().join("made/out");
    let mut target = image_directories(&directory);
    target.options.format = FormatOptions::TfRecord(TfRecordOptions { index: true, ..TfRecordOptions::default() });
    let target = Arc::new(target);
    runtime(4).block_on(async {
        let rows = [vec![images(0..2, Some(3)), images(2..3, None)]];
        let plan = MemorySourceConfig::try_new_exec(&rows, rows[0][0].schema(), None).expect("a plan");
        let report = write(&target, plan, 0).await.expect("written");
        commit(&target, 1, &[&report]).await.expect("committed");
    });
    let log = log::below(root.path());
    let at = |is_it: &dyn Fn(&str, &[String]) -> bool| {
        let is_it = |(path, names): &(PathBuf, Vec<String>)| {
            is_it(path.strip_prefix(root.path()).expect("below").to_str().expect("UTF-8"), names)
        };
        log.iter().rposition(is_it)
    };
    let is_named = |part: &'static str| at(&|path, _| path.starts_with(&format!("made/out/{part}"))).expect(part);
    let manifest = is_named(".unfinished-_manifest.json");
    for before in [".index-00000-0", ".index-00000-1", ".unfinished-_rejects.csv", "number=0", "number=1"] {
        assert!(is_named(before) < manifest, "{before}: {log:?}");
    }
    for (directory, name) in [("", "made"), ("made", "out"), ("made/out", "number=0"), ("made/out", REJECTS)] {
        let synced = at(&|path, names| path == directory && names.iter().any(|other| other == name));
        let first = log
            .iter()
            .position(|(path, names)| *path == root.path().join(directory) && names.iter().any(|other| other == name));
        assert!(synced.is_some() && first.expect("synced") < manifest, "{directory}/{name}: {log:?}");
    }
    for name in ["shard00-1.tfrec", "shard00-1.tfrec.idx"] {
        let synced = at(&|path, names| path == "made/out/number=0" && names.iter().any(|other| other == name));
        assert!(synced.expect(name) < manifest, "{name}: {log:?}");
    }
    let end = at(&|path, names| path == "made/out" && names.iter().any(|name| name == MANIFEST));
    assert!(end.expect("synced") > manifest, "{log:?}");
}

#[test]
fn a_dataset_that_is_replaced_is_known_as_unfinished_on_the_disk_before_its_shards_go() {
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().to_path_buf();
    let first = Arc::new(target(&directory));
    runtime(4).block_on(async {
        let report = write(&first, input(&[&[1]]), 0).await.expect("written");
        commit(&first, 1, &[&report]).await.expect("committed");
        let mut second = target(&directory);
        second.options.overwrite = true;
        let second = Arc::new(second);
        let report = write(&second, input(&[&[2, 3]]), 0).await.expect("written");
        let before = log::below(&directory).len();
        commit(&second, 1, &[&report]).await.expect("committed");
        let log = log::below(&directory);
        let (path, names) = &log[before];
        let has = |name: &str| names.iter().any(|other| other == name);
        assert!(*path == directory && !has(MANIFEST) && has(OLD_MANIFEST) && !has("shard00-2.tfrec"), "{log:?}");
    });
}
