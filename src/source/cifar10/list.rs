//! The listing: which batches there are and how many records they hold, cut into partitions. Sizes tell; no batch is opened.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::physical_plan::ExecutionPlan;

use super::label_names;
use super::read::{RECORD_BYTES, Range, Reads};
use crate::format::looks::{self, LOOK_BYTES};
use crate::source::Partitions;
use crate::source::work::{Load, cut};
use crate::storage::{FoundFile, Ranges, Reach, Version};

/// The extension of binary batches.
const EXTENSION: &str = "bin";

/// What there is.
pub(super) struct Listing {
    /// The leaf of the scan: one batch of work items for each partition.
    pub(super) leaf: Arc<dyn ExecutionPlan>,
    /// The names of the labels, where the query looks at labels and all batches have the same names.
    pub(super) classes: Option<Arc<[String]>>,
}

/// What a scan wants listed.
pub(super) struct Request {
    pub(super) location: String,
    pub(super) reach: Reach,
    pub(super) partitions: Partitions,
    pub(super) limit: Option<usize>,
    pub(super) cores: usize,
    pub(super) reads: Reads,
}

/// A batch, or as much of it as is wanted.
struct Batch {
    path: String,
    version: Version,
    records: usize,
    /// The names of its labels, one in each line.
    label_names: Option<String>,
}

impl Request {
    /// Lists the batches.
    pub(super) fn list(self) -> Result<Listing> {
        let batches = self.batches()?;
        let rows = batches.iter().map(|batch| batch.records).sum();
        let load = Load {
            rows,
            bytes: rows as u64 * RECORD_BYTES,
            cores: self.cores,
            // Its images are small, wherever they are read.
            is_local: false,
            reads_content: self.reads == Reads::Images,
        };
        let mut partitions = Vec::new();
        for (start, length) in cut(rows, load.partitions(self.partitions)) {
            partitions.push(vec![items(&batches, start, length)?]);
        }
        Ok(Listing {
            leaf: MemorySourceConfig::try_new_exec(&partitions, items_schema(), None)?,
            classes: classes(&batches).filter(|_| self.reads.labels()),
        })
    }

    fn batches(&self) -> Result<Vec<Batch>> {
        let mut names: HashMap<String, Option<String>> = HashMap::new();
        let mut batches = Vec::new();
        let mut left = self.limit.unwrap_or(usize::MAX);
        for file in self.files()? {
            // Every size is checked, also of batches that a limit leaves out.
            let records = records(&file, &self.reach)?.min(left);
            left -= records;
            let label_names = match self.reads {
                Reads::Images | Reads::Labels if records > 0 => {
                    let place = label_names::place(&file.path);
                    match names.get(&place) {
                        Some(known) => known.clone(),
                        None => {
                            let read = label_names::read(&place, &self.reach)?.map(|names| names.join("\n"));
                            names.insert(place, read.clone());
                            read
                        }
                    }
                }
                _ => None,
            };
            batches.push(Batch { path: file.path, version: file.version, records, label_names });
        }
        if batches.is_empty() {
            return plan_err!(
                "no CIFAR-10 batches match '{}': no file there ends in .{EXTENSION}; take the binary version of CIFAR-10, unpacked, \
                 with data_batch_1.bin and others, or name the files themselves",
                self.location
            );
        }
        Ok(batches)
    }

    /// The files that are taken for batches, sorted by path.
    fn files(&self) -> Result<Vec<File>> {
        let mut files = Vec::new();
        for FoundFile { path, shown, version, is_named, is_there } in self.reach.files(&self.location)? {
            let extension = path.extension().and_then(|extension| extension.to_str());
            if !is_named && !extension.is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION)) {
                continue;
            }
            match shown {
                Some(path) => files.push(File { path, version, is_there }),
                None => tracing::warn!("left out '{}': its name is not valid UTF-8", path.display()),
            }
        }
        Ok(files)
    }
}

/// A file that is taken for a batch.
struct File {
    path: String,
    version: Version,
    is_there: bool,
}

/// How many records a batch holds, by its size.
fn records(file: &File, reach: &Reach) -> Result<usize> {
    let (shown, bytes) = (&file.path, file.version.bytes);
    if !file.is_there {
        return exec_err!("cannot read '{shown}': the link leads nowhere");
    }
    let (records, rest) = (bytes / RECORD_BYTES, bytes % RECORD_BYTES);
    if bytes == 0 {
        return exec_err!("'{shown}': must hold records of {RECORD_BYTES} bytes, got an empty file; download it again");
    }
    if rest > 0 {
        let looks = looks_like(file, reach).map_or_else(
            || "it may be cut short: download it again".to_string(),
            |looks| format!("it looks like {looks}"),
        );
        return exec_err!(
            "'{shown}': must hold records of {RECORD_BYTES} bytes, got {records} of them and {rest} bytes left over from byte {} on; \
             {looks}",
            records * RECORD_BYTES
        );
    }
    match usize::try_from(records) {
        Ok(records) => Ok(records),
        Err(error) => exec_err!("'{shown}': too many records: {error}"),
    }
}

/// What a file that holds no whole records looks like, and what to do about it.
fn looks_like(file: &File, reach: &Reach) -> Option<&'static str> {
    const CIFAR100: u64 = RECORD_BYTES + 1;
    let mut start = Vec::new();
    let opened = reach.open(&file.path, &file.version, Ranges::PLACES).ok()?;
    opened.take(LOOK_BYTES as u64).read_to_end(&mut start).ok()?;
    match start.as_slice() {
        [0x80, 2..=5, ..] => Some("a Python pickle; take the binary version of CIFAR-10"),
        start => looks::looks_like(start),
    }
    .or_else(|| {
        let is_cifar100 = file.version.bytes.is_multiple_of(CIFAR100);
        is_cifar100.then_some("CIFAR-100, whose records have two labels and 3074 bytes; take CIFAR-10")
    })
}

/// The columns of a work item: a part of a batch.
pub(super) fn items_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("bytes", DataType::Int64, false),
        Field::new("etag", DataType::Utf8, true),
        Field::new("first_record", DataType::Int64, false),
        Field::new("records", DataType::Int64, false),
        Field::new("label_names", DataType::Utf8, true),
    ]))
}

/// The parts of the batches that hold the records from `start` on.
fn items(batches: &[Batch], start: usize, length: usize) -> Result<RecordBatch> {
    let (mut paths, mut versions) = (Vec::new(), Vec::new());
    let (mut firsts, mut counts, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = 0;
    for batch in batches {
        let first = start.max(before);
        let end = (start + length).min(before + batch.records);
        if first < end {
            paths.push(batch.path.as_str());
            versions.push(&batch.version);
            firsts.push((first - before) as i64);
            counts.push((end - first) as i64);
            names.push(batch.label_names.as_deref());
        }
        before += batch.records;
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(paths)),
        Arc::new(versions.iter().map(|version| i64::try_from(version.bytes).ok()).collect::<Int64Array>()),
        Arc::new(versions.iter().map(|version| version.etag.as_deref()).collect::<StringArray>()),
        Arc::new(Int64Array::from(firsts)),
        Arc::new(Int64Array::from(counts)),
        Arc::new(StringArray::from(names)),
    ];
    Ok(RecordBatch::try_new(items_schema(), columns)?)
}

/// How many records there are in some work items.
pub(super) fn count(items: &RecordBatch) -> usize {
    let counts = items.column(4).as_primitive::<Int64Type>();
    counts.values().iter().map(|count| usize::try_from(*count).unwrap_or(0)).sum()
}

/// The parts of batches that work items stand for.
pub(super) fn ranges(items: &RecordBatch) -> Vec<Range> {
    let paths = items.column(0).as_string::<i32>();
    let number = |column: usize, row| items.column(column).as_primitive::<Int64Type>().value(row);
    let text = |column: usize, row| items.column(column).as_string::<i32>().iter().nth(row).flatten();
    (0..items.num_rows())
        .map(|row| Range {
            path: paths.value(row).to_string(),
            version: Version { bytes: number(1, row).unsigned_abs(), etag: text(2, row).map(str::to_string) },
            records: number(3, row).unsigned_abs()..number(3, row).saturating_add(number(4, row)).unsigned_abs(),
            label_names: text(5, row).map(|names| names.lines().map(str::to_string).collect()),
        })
        .collect()
}

fn classes(batches: &[Batch]) -> Option<Arc<[String]>> {
    let (first, others) = batches.split_first()?;
    let is_same = |batch: &Batch| batch.records == 0 || batch.label_names == first.label_names;
    let names = first.label_names.as_deref().filter(|_| others.iter().all(is_same))?;
    Some(names.lines().map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_go_across_batches() {
        let batch = |path: &str, records| {
            let (path, version) = (path.to_string(), Version::default());
            Batch { path, version, records, label_names: None }
        };
        let batches = [batch("a", 3), batch("b", 1), batch("c", 4)];
        let parts = |start, length| {
            let items = items(&batches, start, length).expect("work items");
            assert_eq!(count(&items), length);
            ranges(&items).into_iter().map(|range| (range.path, range.records)).collect::<Vec<_>>()
        };
        let part = |path: &str, records| (path.to_string(), records);
        assert_eq!(parts(0, 3), [part("a", 0..3)]);
        assert_eq!(parts(2, 4), [part("a", 2..3), part("b", 0..1), part("c", 0..2)]);
        assert_eq!(parts(6, 2), [part("c", 2..4)]);
        assert_eq!(parts(8, 0), []);
    }
}
