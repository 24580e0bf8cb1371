//! Reading: records of one partition's work items, as batches.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Result, exec_err, internal_datafusion_err};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

use super::columns::{Column, Misfit};
use super::items::Item;
use super::options::{OnCorrupt, RecordType, SKIP_ADVICE};
use super::rows::{MOST_ROWS, RecordRows};
use crate::format::tfrecord::{FramingError, RecordFile, RecordReader};
use crate::source::batch::cut_by_decoded_size;
use crate::storage::{Input, Ranges, Reach, is_of_store};

/// How far behind its expected end a part of a file may be asked for ahead.
const END_MARGIN: u64 = 1 << 20;
/// Faults of one file that are named; the others are counted.
const MOST_NAMED: u64 = 20;

/// What is read, and how.
#[derive(Debug)]
pub(super) struct Reading {
    /// The columns that the query looks at, and their types.
    pub(super) columns: Vec<Column>,
    pub(super) schema: SchemaRef,
    pub(super) record_type: RecordType,
    pub(super) on_corrupt: OnCorrupt,
    /// The columns of the items behind the fixed ones.
    pub(super) directory_columns: Vec<String>,
    /// The labels in the order of their class numbers, where the files' manifest has them.
    pub(super) classes: Option<Vec<String>>,
}

impl Reading {
    /// Whether nothing that is in a record is looked at, so that frames tell all.
    pub(super) fn is_of_frames(&self) -> bool {
        let is_outside = |column: &Column| matches!(column, Column::Directory(_) | Column::Nothing);
        self.on_corrupt == OnCorrupt::Error && self.columns.iter().all(is_outside)
    }
}

/// What was found of files that are left out as a whole if anything in them is wrong.
pub(super) type Verdicts = Arc<Mutex<HashMap<String, Arc<Verdict>>>>;

/// Whether a file is sound, or why its store doesn't tell.
type Verdict = OnceLock<std::result::Result<bool, String>>;

/// How large batches are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Rows of a batch that holds images.
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) decoded_bytes: usize,
}

#[derive(Debug, Clone)]
pub(super) struct ReadMetrics {
    records_read: Count,
    bytes_read: Count,
    files_read: Count,
    corrupt_records: Count,
    corrupt_files: Count,
    read_time: Time,
}

impl ReadMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(set).counter(name, partition);
        Self {
            records_read: counter("records_read"),
            bytes_read: counter("bytes_read"),
            files_read: counter("files_read"),
            corrupt_records: counter("corrupt_records"),
            corrupt_files: counter("corrupt_files"),
            read_time: MetricBuilder::new(set).subset_time("read_time", partition),
        }
    }
}

/// Reads the items of a partition one after the other.
pub(super) struct PartitionReader {
    reading: Arc<Reading>,
    reach: Reach,
    bounds: Bounds,
    metrics: ReadMetrics,
    items: VecDeque<Item>,
    verdicts: Verdicts,
    current: Option<Cursor>,
    /// Rows that may still be given.
    left: usize,
}

/// Where reading stands in an item.
struct Cursor {
    item: Item,
    reader: RecordReader<RecordFile<Input>>,
    /// The number of the next record in its file.
    record: u64,
    faults: u64,
    /// Bytes of the item that progress has been told of.
    told: u64,
    is_at_end: bool,
}

impl PartitionReader {
    pub(super) fn new(
        (reading, reach): (Arc<Reading>, Reach),
        bounds: Bounds,
        metrics: ReadMetrics,
        verdicts: Verdicts,
        items: Vec<Item>,
        left: usize,
    ) -> Self {
        Self { reading, reach, bounds, metrics, items: items.into(), verdicts, current: None, left }
    }

    /// The next rows; `None` when there are no more.
    pub(super) fn next(&mut self) -> Result<Option<Vec<RecordBatch>>> {
        let read_time = self.metrics.read_time.clone();
        let timer = read_time.timer();
        while self.left > 0 {
            let Some(mut cursor) = self.cursor()? else { break };
            let batch = self.read(&mut cursor)?;
            let told = cursor.told;
            cursor.told = if cursor.is_at_end { cursor.item.bytes } else { cursor.passed().min(cursor.item.bytes) };
            self.metrics.bytes_read.add(usize::try_from(cursor.told.saturating_sub(told)).unwrap_or(0));
            if cursor.is_at_end {
                self.metrics.files_read.add(1);
            } else {
                self.current = Some(cursor);
            }
            if batch.num_rows() > 0 {
                self.metrics.records_read.add(batch.num_rows());
                self.left -= batch.num_rows();
                timer.done();
                return Ok(Some(self.bounded(&batch)));
            }
        }
        Ok(None)
    }

    /// Cuts a batch so that its images fit into memory when decoded.
    fn bounded(&self, batch: &RecordBatch) -> Vec<RecordBatch> {
        let contents: Vec<_> = batch.columns().iter().filter_map(|column| column.as_binary_opt::<i32>()).collect();
        match contents.is_empty() {
            true => vec![batch.clone()],
            false => cut_by_decoded_size(batch, &contents, self.bounds.decoded_bytes),
        }
    }

    /// The item that is being read, or the next one.
    fn cursor(&mut self) -> Result<Option<Cursor>> {
        if let Some(cursor) = self.current.take() {
            return Ok(Some(cursor));
        }
        while let Some(item) = self.items.pop_front() {
            if let Some(cursor) = self.open(item)? {
                return Ok(Some(cursor));
            }
        }
        Ok(None)
    }

    /// Opens an item; `None` for a file that is left out.
    fn open(&self, item: Item) -> Result<Option<Cursor>> {
        if self.reading.on_corrupt == OnCorrupt::SkipFile && !self.is_sound(&item)? {
            self.pass(&item);
            return Ok(None);
        }
        match self.start(item.clone()) {
            Ok(cursor) => Ok(Some(cursor)),
            Err(Unread::Unreachable(reason)) => exec_err!("{}: {reason}", item.path),
            Err(Unread::Fault(fault)) if self.reading.on_corrupt == OnCorrupt::Error => {
                exec_err!("{}: {fault}; {SKIP_ADVICE}", item.path)
            }
            Err(Unread::Fault(fault)) => {
                self.leave_out(&item, &fault);
                self.pass(&item);
                Ok(None)
            }
        }
    }

    /// Whether a whole file can be read. It is looked through once, whoever asks.
    fn is_sound(&self, item: &Item) -> Result<bool> {
        let verdict = {
            let mut verdicts = self.verdicts.lock().map_err(|error| internal_datafusion_err!("{error}"))?;
            Arc::clone(verdicts.entry(item.path.clone()).or_default())
        };
        let verdict = verdict.get_or_init(|| match self.check_file(item) {
            Ok(()) => Ok(true),
            Err(Unread::Unreachable(reason)) => Err(reason),
            Err(Unread::Fault(fault)) => {
                self.leave_out(item, &fault);
                Ok(false)
            }
        });
        match verdict {
            Ok(is_sound) => Ok(*is_sound),
            Err(reason) => exec_err!("{}: {reason}", item.path),
        }
    }

    fn leave_out(&self, item: &Item, fault: &str) {
        tracing::warn!("left out {}: {fault}", item.path);
        self.metrics.corrupt_files.add(1);
    }

    /// Counts an item as done.
    fn pass(&self, item: &Item) {
        self.metrics.files_read.add(1);
        self.metrics.bytes_read.add(usize::try_from(item.bytes).unwrap_or(0));
    }

    fn start(&self, item: Item) -> std::result::Result<Cursor, Unread> {
        let mut input = self.reach.open(&item.path, &item.version, Ranges::WHOLE).map_err(Unread::of_opening)?;
        if input.bytes().is_ok_and(|bytes| bytes == 0) {
            return Err(Unread::Fault("empty file (0 bytes)".to_string()));
        }
        if !item.reads_on {
            input.expect_end(item.place.offset.saturating_add(item.bytes).saturating_add(END_MARGIN));
        }
        let file = match item.place.offset {
            0 => RecordFile::new(input),
            offset => RecordFile::at(input, offset),
        };
        let file = file.map_err(Unread::of_opening)?;
        let reader = RecordReader::at(file, item.place.offset);
        let mut reader = match self.reading.is_of_frames() {
            true => reader.for_frames(),
            false => reader.for_bytes(item.bytes),
        };
        for passed in 0..item.place.skip {
            let skipped = reader.skip();
            let record = item.first - item.place.skip + passed;
            if skipped.map_err(|error| Unread::of_record(record, &error))?.is_none() {
                let first = item.first;
                return Err(Unread::Fault(format!(
                    "it ends before record {first}; it has changed since it was listed"
                )));
            }
        }
        Ok(Cursor { record: item.first, item, reader, faults: 0, told: 0, is_at_end: false })
    }

    /// Reads a whole file and gives nothing but its first fault.
    fn check_file(&self, item: &Item) -> std::result::Result<(), Unread> {
        let whole = Item { place: Default::default(), first: 0, records: None, reads_on: true, ..item.clone() };
        let mut cursor = self.start(whole)?;
        while !cursor.is_at_end {
            self.read_strictly(&mut cursor).map_err(|fault| match fault.is_of_store {
                true => Unread::Unreachable(fault.to_string()),
                false => Unread::Fault(fault.to_string()),
            })?;
        }
        Ok(())
    }

    /// Reads the next batch of an item; the first fault ends it.
    fn read_strictly(&self, cursor: &mut Cursor) -> std::result::Result<(), Fault> {
        let mut rows = RecordRows::new(&self.reading);
        let most = rows.most(self.bounds);
        while rows.len() < most && rows.bytes() < self.bounds.bytes {
            if !cursor.step(&mut rows)? {
                break;
            }
        }
        match rows.finish(&cursor.item, &self.reading) {
            Ok((_, misfits)) => misfits.into_iter().next().map_or(Ok(()), Err),
            Err(error) => Err(Fault::of_record(cursor.record, None, error.strip_backtrace())),
        }
    }

    /// Reads the next batch of an item.
    fn read(&self, cursor: &mut Cursor) -> Result<RecordBatch> {
        let reading = &self.reading;
        if reading.is_of_frames() {
            return self.count(cursor);
        }
        let mut rows = RecordRows::new(reading);
        let most = rows.most(self.bounds).min(self.left);
        while rows.len() < most && rows.bytes() < self.bounds.bytes {
            match cursor.step(&mut rows) {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => self.meet(cursor, fault)?,
            }
        }
        let (batch, misfits) = rows.finish(&cursor.item, reading)?;
        for misfit in misfits {
            self.meet(cursor, misfit)?;
        }
        Ok(batch)
    }

    /// Passes over records, of which there is nothing to be read.
    fn count(&self, cursor: &mut Cursor) -> Result<RecordBatch> {
        let mut rows = RecordRows::new(&self.reading);
        while rows.len() < MOST_ROWS.min(self.left) && !cursor.has_all() {
            let offset = cursor.reader.offset();
            match cursor.reader.skip() {
                Ok(Some(_)) => {
                    rows.pass((cursor.record, offset));
                    cursor.record += 1;
                }
                Ok(None) => {
                    cursor.is_at_end = true;
                    break;
                }
                Err(error) => self.meet(cursor, Fault::of_frame(cursor.record, error))?,
            }
        }
        cursor.is_at_end |= cursor.has_all();
        Ok(rows.finish(&cursor.item, &self.reading)?.0)
    }

    /// Fails or goes on, as was asked.
    fn meet(&self, cursor: &mut Cursor, fault: Fault) -> Result<()> {
        if fault.is_of_store {
            return exec_err!("{}: {fault}", cursor.item.path);
        }
        if self.reading.on_corrupt == OnCorrupt::Error {
            return exec_err!("{}: {fault}; {SKIP_ADVICE}", cursor.item.path);
        }
        cursor.faults += 1;
        if fault.ends_the_file {
            tracing::warn!("left out the rest of {}: {fault}", cursor.item.path);
            self.metrics.corrupt_files.add(1);
            cursor.is_at_end = true;
            return Ok(());
        }
        match cursor.faults {
            faults if faults < MOST_NAMED => tracing::warn!("left out {}: {fault}", cursor.item.path),
            MOST_NAMED => {
                tracing::warn!("left out {}: {fault}; further ones of this file are counted", cursor.item.path);
            }
            _ => {}
        }
        self.metrics.corrupt_records.add(1);
        Ok(())
    }
}

/// What is wrong with a record.
pub(super) struct Fault {
    pub(super) record: u64,
    /// Where the record starts, unless the reason says it.
    offset: Option<u64>,
    reason: String,
    /// No further record can be found.
    ends_the_file: bool,
    /// It says nothing of what is in the file.
    is_of_store: bool,
}

/// Why a file isn't read.
#[derive(Debug)]
pub(super) enum Unread {
    /// What is wrong with it.
    Fault(String),
    /// Its store doesn't give it, whatever is in it.
    Unreachable(String),
}

impl Unread {
    /// Of a file that can't be opened.
    pub(super) fn of_opening(error: std::io::Error) -> Self {
        match is_of_store(&error) {
            true => Self::Unreachable(format!("cannot be read: {error}")),
            false => Self::Fault(format!("cannot be read: {error}")),
        }
    }

    /// Of a record.
    pub(super) fn of_record(record: u64, error: &FramingError) -> Self {
        match is_unreachable(error) {
            true => Self::Unreachable(format!("record {record}: {error}")),
            false => Self::Fault(format!("record {record}: {error}")),
        }
    }
}

fn is_unreachable(error: &FramingError) -> bool {
    matches!(error, FramingError::Unreadable { source, .. } if is_of_store(source))
}

impl Fault {
    fn of_frame(record: u64, error: FramingError) -> Self {
        let (ends_the_file, is_of_store) = (!error.is_in_data(), is_unreachable(&error));
        Self { record, offset: None, ends_the_file, is_of_store, reason: error.to_string() }
    }

    pub(super) fn of_record(record: u64, offset: Option<u64>, reason: String) -> Self {
        Self { record, offset, reason, ends_the_file: false, is_of_store: false }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "record {}", self.record)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl Cursor {
    /// Bytes of the item that have been read.
    fn passed(&self) -> u64 {
        self.reader.offset().saturating_sub(self.item.place.offset)
    }

    fn has_all(&self) -> bool {
        let end = self.item.records.filter(|_| !self.item.reads_on).map(|records| self.item.first + records);
        end.is_some_and(|end| self.record >= end)
    }

    /// Reads one record into `rows`; `false` at the end.
    fn step(&mut self, rows: &mut RecordRows) -> std::result::Result<bool, Fault> {
        if self.is_at_end || self.has_all() {
            self.is_at_end = true;
            return Ok(false);
        }
        let (record, offset) = (self.record, self.reader.offset());
        let data = match self.reader.next() {
            Ok(Some(data)) => data,
            Ok(None) => {
                self.is_at_end = true;
                return Ok(false);
            }
            Err(error) => {
                self.record += 1;
                return Err(Fault::of_frame(record, error));
            }
        };
        self.record += 1;
        let pushed = rows.push(data, (record, offset));
        pushed.map_err(|Misfit(reason)| Fault::of_record(record, Some(offset), reason))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use pixmill_object_server::{Options, Server};
    use tokio::runtime::Runtime;

    use super::*;
    use crate::format::tfrecord::append_record;
    use crate::storage::{StoreSettings, Stores, Version};

    #[test]
    fn records_come_whole_wherever_the_ranges_of_an_object_end() {
        let records: Vec<Vec<u8>> = (0..120).map(|record| vec![record as u8; record * 7 % 131]).collect();
        let mut plain = Vec::new();
        for record in &records {
            append_record(&mut plain, |out| out.extend_from_slice(record));
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("compressed");
        let server = Server::start(Options::default());
        server.make_bucket("records");
        let io = Runtime::new().expect("a runtime");
        let rule = format!("s3://records,endpoint={},anonymous=true", server.endpoint());
        let settings = StoreSettings::new(vec![rule.parse().expect("a rule")]);
        let reach = Reach::new(Arc::default(), Some(Arc::new(Stores::new(settings, io.handle().clone()))));
        for (key, file) in [("plain", plain.clone()), ("gzip", gzip.finish().expect("compressed"))] {
            let version = Version { bytes: file.len() as u64, etag: None };
            server.put("records", key, file);
            for (bytes, ahead) in [(11, 3), (64, 0), (1000, 2), (1 << 20, 3)] {
                let input = reach.open(&format!("s3://records/{key}"), &version, Ranges { bytes, ahead });
                let file = input.and_then(RecordFile::new).expect("opened");
                let mut reader = RecordReader::new(file);
                for record in &records {
                    assert_eq!(reader.next().expect("a record"), Some(&record[..]), "{key}, {bytes}, {ahead}");
                }
                assert_eq!(reader.next().expect("the end"), None);
            }
        }
    }
}
