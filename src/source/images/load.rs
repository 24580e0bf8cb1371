//! Loading: the bytes of the files that are left after planning, read ahead of whoever decodes them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::file_list::{ListLoader, Tools};
use super::list::{items_schema, lengths, paths};
use super::{CONTENT, Extent, READ_ERROR, READ_FROM, schema};
use crate::config::PixmillOptions;
use crate::exec::{Task, io_runtime};
use crate::source::batch::cut_by_decoded_size;
use crate::source::list::ReaderMessage;
use crate::source::node::{Items, Reader};
use crate::storage::{
    AllowList, Content, Failures, Stores, Unread, Wanted, empty_buffer, is_object_url, read_beginning, read_file,
    read_objects, shared_bytes, shown,
};

/// Reads the content of each file where the query looks at it.
#[derive(Debug)]
pub(in crate::source) struct ImageReader {
    schema: SchemaRef,
    /// The labels in the order of their class numbers, where the query looks at those.
    classes: Option<Arc<[String]>>,
    /// How much of each file is read.
    extent: Extent,
    /// What loads the images of a list.
    list: Option<Arc<ListLoader>>,
    /// The bytes that all partitions together may read ahead, in permits.
    bytes_ahead: OnceLock<Arc<Semaphore>>,
}

/// An [`ImageReader`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageReaderMessage {
    columns: Vec<String>,
    classes: Option<Arc<[String]>>,
    extent: Extent,
    #[serde(default)]
    list: Option<Arc<ListLoader>>,
}

impl ImageReader {
    /// Reads rows of `schema`.
    pub(super) fn new(schema: SchemaRef, classes: Option<Arc<[String]>>, extent: Extent) -> Self {
        Self { schema, classes, extent, list: None, bytes_ahead: OnceLock::new() }
    }

    /// Reads rows of `schema` from a list.
    pub(super) fn of_list(schema: SchemaRef, list: Arc<ListLoader>) -> Self {
        Self { list: Some(list), ..Self::new(schema, None, Extent::Whole) }
    }

    /// The reader of a message.
    ///
    /// # Errors
    /// Columns that images don't have.
    pub(in crate::source) fn from_message(message: ImageReaderMessage) -> Result<Self> {
        let all = match &message.list {
            Some(list) => list.columns().table_schema(true),
            None => schema(true),
        };
        let fields: Result<Vec<_>, _> = message.columns.iter().map(|name| all.field_with_name(name).cloned()).collect();
        let reader = Self::new(Arc::new(Schema::new(fields?)), message.classes, message.extent);
        Ok(Self { list: message.list, ..reader })
    }
}

impl Reader for ImageReader {
    fn name(&self) -> &'static str {
        "LoadContentExec"
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn items_schema(&self) -> SchemaRef {
        self.list.as_ref().map_or_else(items_schema, |list| Arc::clone(list.items_schema()))
    }

    fn describe(&self, items: &Items, f: &mut fmt::Formatter) -> fmt::Result {
        let (files, bytes) = self.totals(items);
        let reads = if self.reads_content() { self.extent.word() } else { "nothing" };
        match (&self.list, bytes) {
            // The list tells no lengths.
            (Some(_), 0) => write!(f, "files={files}, bytes=unknown, reads={reads}"),
            _ => write!(f, "files={files}, bytes={bytes}, reads={reads}"),
        }
    }

    fn totals(&self, items: &Items) -> (usize, u64) {
        items.iter().flatten().fold((0, 0), |(files, bytes), batch| {
            let known = match &self.list {
                Some(list) => list.known_bytes(batch),
                None => expected(batch, self.extent).sum(),
            };
            (files + batch.num_rows(), bytes + known)
        })
    }

    fn rows_within(&self, items: &Items, bytes: u64, most: usize) -> usize {
        // The lengths of a list's images may not be known before they are read, in batches of their own.
        if self.list.is_some() || !self.reads_content() {
            return most;
        }
        let mut largest = BinaryHeap::new();
        for length in items.iter().flatten().flat_map(|batch| expected(batch, self.extent)) {
            largest.push(Reverse(length));
            if largest.len() > most {
                largest.pop();
            }
        }
        let largest: Vec<u64> = largest.into_sorted_vec().into_iter().map(|Reverse(length)| length).collect();
        let bytes = bytes.max(largest.first().map_or(0, |first| 2 * first));
        let mut sum = 0_u64;
        let fits = |length: &&u64| {
            sum = sum.saturating_add(**length);
            sum <= bytes
        };
        match largest.iter().take_while(fits).count() {
            rows if rows == largest.len() => most,
            rows => rows.max(1),
        }
    }

    fn done_metric(&self) -> &'static str {
        "files_read"
    }

    fn counts_rows(&self) -> bool {
        true
    }

    fn reads_content(&self) -> bool {
        self.schema.index_of(CONTENT).is_ok() || self.schema.index_of(READ_ERROR).is_ok()
    }

    fn rows(&self, items: &Items) -> Option<Vec<usize>> {
        Some(items.iter().map(|items| items.iter().map(RecordBatch::num_rows).sum()).collect())
    }

    fn rows_are_exact(&self) -> bool {
        false
    }

    fn classes(&self) -> Option<(&'static str, &[String])> {
        self.classes.as_deref().map(|classes| ("class", classes))
    }

    fn places(&self, items: &RecordBatch) -> Result<Option<StringArray>> {
        self.list.as_ref().map_or_else(|| Ok(paths(items).clone()), |list| list.places(items)).map(Some)
    }

    fn read(
        &self,
        items: SendableRecordBatchStream,
        fetch: usize,
        (metrics, partition): (&ExecutionPlanMetricsSet, usize),
        context: &TaskContext,
    ) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(&self.schema);
        let mut left = fetch;
        // The rows of a partition are cut here, before anything is read.
        let items = items.try_filter_map(move |batch: RecordBatch| {
            let rows = batch.num_rows().min(left);
            left -= rows;
            std::future::ready(Ok((rows > 0).then(|| batch.slice(0, rows))))
        });
        if !self.reads_content() {
            let projected = Arc::clone(&schema);
            let rows = items.map(move |batch| project(&batch?, None, &projected));
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)));
        }
        let options = PixmillOptions::of(context.session_config().options());
        let bytes_ahead = self.bytes_ahead.get_or_init(|| {
            let bytes = options.prefetch_bytes().min(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(bytes))
        });
        let loader = Arc::new(Loader {
            schema: Arc::clone(&schema),
            batch_rows: context.session_config().batch_size(),
            batches_ahead: options.prefetch_batches(),
            bytes_ahead: Arc::clone(bytes_ahead),
            runtime: io_runtime(context.session_config()),
            metrics: LoadMetrics::new(metrics, partition),
            task: Task::of(context.session_config()),
            extent: self.extent,
            list: self.list.clone(),
            allow: AllowList::of(context.session_config()),
            stores: Stores::of(context.session_config()),
            failures: Arc::default(),
            options,
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, loader.load(items))))
    }

    fn to_message(&self) -> ReaderMessage {
        let columns = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        ImageReaderMessage { columns, classes: self.classes.clone(), extent: self.extent, list: self.list.clone() }
            .into()
    }
}

#[derive(Clone)]
struct LoadMetrics {
    files_read: Count,
    bytes_read: Count,
    unreadable_files: Count,
    read_time: Time,
    wait_time: Time,
}

impl LoadMetrics {
    fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(set).counter(name, partition);
        let time = |name| MetricBuilder::new(set).subset_time(name, partition);
        Self {
            files_read: counter("files_read"),
            bytes_read: counter("bytes_read"),
            unreadable_files: counter("unreadable_files"),
            read_time: time("read_time"),
            wait_time: time("wait_time"),
        }
    }
}

/// Work items of a partition that nobody reads yet.
struct Waiting {
    items: BoxStream<'static, Result<RecordBatch>>,
    /// Those that are read together, each; the last of them may go on.
    cut: VecDeque<RecordBatch>,
}

/// What one partition loads with.
struct Loader {
    schema: SchemaRef,
    batch_rows: usize,
    batches_ahead: usize,
    bytes_ahead: Arc<Semaphore>,
    runtime: tokio::runtime::Handle,
    metrics: LoadMetrics,
    task: Arc<Task>,
    extent: Extent,
    list: Option<Arc<ListLoader>>,
    allow: Arc<AllowList>,
    stores: Option<Arc<Stores>>,
    /// Objects in a row that couldn't be read.
    failures: Arc<Failures>,
    options: PixmillOptions,
}

/// Rows of a list that are read together, whatever a batch has: some of their hosts answer late.
const LIST_ROWS: usize = 1024;

/// A batch being read, and the right to hold its bytes ahead of need.
struct Ahead {
    read: JoinHandle<Result<Vec<RecordBatch>>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Loader {
    /// How many bytes of each image are read, as far as that is known before.
    fn expected(&self, items: &RecordBatch) -> Vec<u64> {
        match &self.list {
            Some(list) => list.expected(items),
            None => expected(items, self.extent).collect(),
        }
    }

    /// The rows of these work items, in their order, in batches bounded by rows and bytes.
    fn load(
        self: Arc<Self>,
        items: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    ) -> impl Stream<Item = Result<RecordBatch>> {
        let waiting = Waiting { items: items.fuse().boxed(), cut: VecDeque::new() };
        let batches = stream::try_unfold((waiting, VecDeque::new()), move |(mut waiting, mut ahead)| {
            let loader = Arc::clone(&self);
            async move {
                loader.task.check()?;
                loader.read_ahead(&mut waiting, &mut ahead).await?;
                let Some(Ahead { read, permit }) = ahead.pop_front() else {
                    return Ok(None);
                };
                let timer = loader.metrics.wait_time.timer();
                let batches = read.await.map_err(|error| exec_datafusion_err!("reading stopped: {error}"))??;
                timer.done();
                drop(permit);
                // The next reads begin before this batch is decoded.
                loader.read_ahead(&mut waiting, &mut ahead).await?;
                let batches = stream::iter(batches.into_iter().map(Ok));
                Ok::<_, DataFusionError>(Some((batches, (waiting, ahead))))
            }
        });
        batches.try_flatten()
    }

    /// The next work items that are read together.
    async fn next<'a>(&self, waiting: &'a mut Waiting) -> Result<Option<&'a RecordBatch>> {
        while waiting.cut.len() < 2 {
            let Some(items) = waiting.items.try_next().await? else { break };
            // DataFusion hands work items out in pieces: what was last goes on in the next.
            let items = match waiting.cut.pop_back() {
                Some(last) => concat_batches(&items.schema(), [&last, &items])?,
                None => items,
            };
            waiting.cut = self.cut(&items);
        }
        Ok(waiting.cut.front())
    }

    /// Cuts work items into batches by their listed lengths.
    fn cut(&self, items: &RecordBatch) -> VecDeque<RecordBatch> {
        let most_bytes = self.options.batch_bytes() as u64;
        let most_rows = if self.list.is_some() { self.batch_rows.max(LIST_ROWS) } else { self.batch_rows };
        let mut batches = VecDeque::new();
        let (mut start, mut bytes) = (0, 0);
        for (row, length) in self.expected(items).into_iter().enumerate() {
            let is_full = row - start == most_rows || bytes + length > most_bytes;
            if row > start && is_full {
                batches.push_back(items.slice(start, row - start));
                (start, bytes) = (row, 0);
            }
            bytes += length;
        }
        batches.push_back(items.slice(start, items.num_rows() - start));
        batches
    }

    /// Starts reads until enough are under way. The first needs no permit, so that every partition gets on.
    async fn read_ahead(&self, waiting: &mut Waiting, ahead: &mut VecDeque<Ahead>) -> Result<()> {
        while ahead.len() < self.batches_ahead {
            let Some(items) = self.next(waiting).await? else { break };
            let bytes: u64 = self.expected(items).into_iter().sum();
            let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.bytes_ahead).try_acquire_many_owned(permits).ok();
            if permit.is_none() && !ahead.is_empty() {
                break;
            }
            let Some(items) = waiting.cut.pop_front() else { break };
            let (schema, metrics, allow) = (Arc::clone(&self.schema), self.metrics.clone(), Arc::clone(&self.allow));
            let (stores, failures) = (self.stores.clone(), Arc::clone(&self.failures));
            let (most_decoded, extent) = (self.options.decoded_batch_bytes(), self.extent);
            let (list, most_bytes, batch_rows) = (self.list.clone(), self.options.batch_bytes(), self.batch_rows);
            let most_of_file = self.options.max_file_bytes().min(MOST_BYTES);
            let read = self.runtime.spawn_blocking(move || {
                let timer = metrics.read_time.timer();
                let mut batches = Vec::new();
                let mut items = items;
                while items.num_rows() > 0 {
                    let is_of_store = list.is_none() && paths(&items).iter().flatten().any(is_object_url);
                    let loaded = match (&list, &stores) {
                        (Some(list), stores) => {
                            let (stores, failures) = (stores.as_deref(), failures.as_ref());
                            let tools = Tools { allow: &allow, stores, failures, most_of_file, most_bytes };
                            Loaded::of_list(list, &items, &metrics, &tools)?
                        }
                        (None, Some(stores)) if is_of_store => {
                            Loaded::fetch(&items, (extent, most_of_file), &metrics, &allow, (stores, &failures))?
                        }
                        _ => {
                            let most = (MOST_BYTES, most_of_file);
                            Loaded::read(&items, extent, &metrics, (&allow, &failures), most)?
                        }
                    };
                    let rows = loaded.content.len();
                    let batch = project(&items.slice(0, rows), Some(&loaded), &schema)?;
                    for start in (0..rows).step_by(batch_rows) {
                        let length = batch_rows.min(rows - start);
                        let content = loaded.content.slice(start, length);
                        let batch = batch.slice(start, length);
                        batches.extend(cut_by_decoded_size(&batch, &[&content], most_decoded));
                    }
                    items = items.slice(rows, items.num_rows() - rows);
                }
                timer.done();
                Ok(batches)
            });
            ahead.push_back(Ahead { read, permit });
        }
        Ok(())
    }
}

/// Most bytes of a batch: Arrow's offsets in a binary column are 32-bit.
pub(super) const MOST_BYTES: usize = i32::MAX as usize;

/// The contents of some files, in one buffer, and the reasons where there is none.
struct Loaded {
    content: BinaryArray,
    errors: StringArray,
    /// Where the images of a list are, as lists of rows name it.
    places: Option<StringArray>,
}

impl Loaded {
    /// Reads the files of some items, of one at least: files may have grown, and all of them have `most` bytes at most, and each
    /// `most_of_file`.
    fn read(
        items: &RecordBatch,
        extent: Extent,
        metrics: &LoadMetrics,
        (allow, failures): (&AllowList, &Failures),
        (most, most_of_file): (usize, usize),
    ) -> Result<Self> {
        let fitting = expected(items, extent).filter(|length| *length <= most as u64);
        // One more, by which the end of the last file is found.
        let mut bytes = empty_buffer(usize::try_from(fitting.sum::<u64>()).unwrap_or(0).min(most) + 1);
        let mut ends = Vec::with_capacity(items.num_rows());
        let mut errors = Vec::with_capacity(items.num_rows());
        for (path, length) in paths(items).iter().flatten().zip(lengths(items).values()) {
            allow.check(path)?;
            let start = bytes.len();
            let room = (most - start).min(most_of_file);
            let read = match extent.beginning(path, length.unsigned_abs()) {
                Some(beginning) => read_header(path, &mut bytes, room, (extent, beginning)),
                None => read_file(path, &mut bytes, room),
            };
            if start > 0 && read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::FileTooLarge) {
                // It is the first of the next batch, where there is room for all that has room anywhere.
                break;
            }
            failures.of_file(path, &read)?;
            let unread = read.err().map(|error| Unread::of_file(&error));
            if let Some(unread) = &unread {
                metrics.unreadable_files.add(1);
                tracing::warn!("cannot read '{path}': {}", unread.reason);
            }
            ends.push(bytes.len() - start);
            errors.push(unread.map(|unread| unread.to_string()));
        }
        Self::of(bytes, ends, errors, metrics)
    }

    /// Reads the objects of some items, many at a time; of one at least, as [`Loaded::read`] does.
    fn fetch(
        items: &RecordBatch,
        (extent, most): (Extent, usize),
        metrics: &LoadMetrics,
        allow: &AllowList,
        (stores, failures): (&Stores, &Failures),
    ) -> Result<Self> {
        let listed = paths(items).iter().flatten().zip(lengths(items).values());
        let beginnings = listed.map(|(url, length)| {
            let length = length.unsigned_abs();
            Wanted { url, listed: Some(length), beginning: extent.beginning(url, length), most }
        });
        let beginnings: Vec<Wanted<'_>> = beginnings.collect();
        let mut contents = read_objects(stores, allow, &beginnings, failures)?;
        if extent != Extent::Whole {
            let is_short = |row: &usize| {
                beginnings[*row].beginning.is_some()
                    && contents[*row].as_ref().is_ok_and(|bytes| !extent.is_enough(bytes))
            };
            let short: Vec<usize> = (0..contents.len()).filter(is_short).collect();
            let whole = short.iter().map(|row| Wanted { beginning: None, ..beginnings[*row] });
            let whole: Vec<Wanted<'_>> = whole.collect();
            for (row, content) in short.into_iter().zip(read_objects(stores, allow, &whole, failures)?) {
                contents[row] = content;
            }
        }
        Self::of_contents(&contents, beginnings.iter().map(|object| Some(object.url)), metrics)
    }

    /// Reads the images of a list's rows, of one at least.
    fn of_list(list: &ListLoader, items: &RecordBatch, metrics: &LoadMetrics, tools: &Tools<'_>) -> Result<Self> {
        let images = list.load(items, tools)?;
        let loaded = Self::of_contents(&images.contents, images.places.iter(), metrics)?;
        let rows = loaded.content.len();
        Ok(Self { places: Some(images.places.slice(0, rows)), ..loaded })
    }

    /// Puts contents into one buffer, as many as have room: one at least.
    fn of_contents<'a>(
        contents: &[Content],
        places: impl Iterator<Item = Option<&'a str>>,
        metrics: &LoadMetrics,
    ) -> Result<Self> {
        let all: usize = contents.iter().flatten().map(|content| content.len()).sum();
        let (mut bytes, mut ends, mut errors) = (empty_buffer(all.min(MOST_BYTES)), Vec::new(), Vec::new());
        for (content, place) in contents.iter().zip(places) {
            let content = content.as_ref();
            let length = content.map_or(0, |content| content.len());
            if !ends.is_empty() && bytes.len() + length > MOST_BYTES {
                break;
            }
            bytes.extend_from_slice(content.map_or(&[][..], AsRef::as_ref));
            ends.push(length);
            if let Err(Unread { reason, .. }) = content {
                metrics.unreadable_files.add(1);
                tracing::warn!("cannot read '{}': {reason}", shown(place.unwrap_or("a row without a place")));
            }
            errors.push(content.err().map(Unread::to_string));
        }
        Self::of(bytes, ends, errors, metrics)
    }

    fn of(bytes: Vec<u8>, ends: Vec<usize>, errors: Vec<Option<String>>, metrics: &LoadMetrics) -> Result<Self> {
        metrics.files_read.add(ends.len());
        metrics.bytes_read.add(bytes.len());
        let offsets = OffsetBuffer::<i32>::from_lengths(ends);
        let nulls = NullBuffer::from_iter(errors.iter().map(Option::is_none));
        let content = BinaryArray::try_new(offsets, Buffer::from(shared_bytes(bytes)), Some(nulls))?;
        Ok(Self { content, errors: StringArray::from(errors), places: None })
    }
}

/// How many bytes of each file are read, if it is as long as it was when listed.
fn expected(items: &RecordBatch, extent: Extent) -> impl Iterator<Item = u64> {
    paths(items).iter().zip(lengths(items).values()).map(move |(path, length)| {
        let length = length.unsigned_abs();
        extent.beginning(path.unwrap_or_default(), length).map_or(length, |most| length.min(most))
    })
}

/// Appends the beginning of a file, or all of it where that isn't enough.
fn read_header(path: &str, bytes: &mut Vec<u8>, most: usize, (extent, beginning): (Extent, u64)) -> io::Result<()> {
    let start = bytes.len();
    let beginning = beginning.min(most as u64);
    let read = read_beginning(path, bytes, beginning)?;
    if read < beginning || extent.is_enough(&bytes[start..]) {
        return Ok(());
    }
    bytes.truncate(start);
    read_file(path, bytes, most)
}

/// The columns of `schema`, from the work items and what was loaded for them.
fn project(items: &RecordBatch, loaded: Option<&Loaded>, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column: ArrayRef = match (field.name().as_str(), loaded) {
            (CONTENT, Some(loaded)) => Arc::new(loaded.content.clone()),
            (READ_ERROR, Some(loaded)) => Arc::new(loaded.errors.clone()),
            (READ_FROM, Some(Loaded { places: Some(places), .. })) => Arc::new(places.clone()),
            (name, _) => Arc::clone(items.column(items.schema_ref().index_of(name)?)),
        };
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(items.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use datafusion::arrow::array::{Int64Array, TimestampMicrosecondArray, new_null_array};
    use datafusion::prelude::SessionConfig;

    use super::*;

    /// Work items of files in a directory, with the lengths that they had when they were listed.
    fn items(directory: &std::path::Path, files: &[(&str, i64)]) -> RecordBatch {
        let path = |name: &str| directory.join(name).to_str().expect("UTF-8").to_string();
        let schema = items_schema();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "path" => Arc::new(files.iter().map(|(name, _)| Some(path(name))).collect::<StringArray>()),
                "length" => Arc::new(files.iter().map(|(_, length)| Some(*length)).collect::<Int64Array>()),
                "modification_time" => {
                    Arc::new(TimestampMicrosecondArray::from(vec![None; files.len()]).with_timezone("UTC"))
                }
                _ => new_null_array(field.data_type(), files.len()),
            }
        });
        let columns = columns.collect();
        RecordBatch::try_new(schema, columns).expect("work items")
    }

    #[test]
    fn batches_are_read_ahead_across_the_pieces_in_which_work_items_come() {
        let directory = tempfile::tempdir().expect("a directory");
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        names.iter().for_each(|name| fs::write(directory.path().join(name), name).expect("a file"));
        let all = items(directory.path(), &names.map(|name| (name, 1)));
        let pieces: Vec<_> = [(0, 1), (1, 3), (4, 1), (5, 4)].map(|(start, rows)| Ok(all.slice(start, rows))).into();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let loader = Loader {
            schema: schema(true),
            batch_rows: 2,
            batches_ahead: 3,
            bytes_ahead: Arc::new(Semaphore::new(100)),
            runtime: runtime.handle().clone(),
            metrics: LoadMetrics::new(&ExecutionPlanMetricsSet::new(), 0),
            task: Task::of(&SessionConfig::new()),
            extent: Extent::Whole,
            list: None,
            allow: Arc::default(),
            stores: None,
            failures: Arc::default(),
            options: PixmillOptions::of(SessionConfig::new().options()),
        };
        let metrics = loader.metrics.clone();
        let mut rows = Box::pin(Arc::new(loader).load(stream::iter(pieces)));
        let mut lengths = vec![runtime.block_on(rows.try_next()).expect("read").expect("rows").num_rows()];
        while metrics.files_read.value() < 8 {
            std::thread::yield_now();
        }
        let left: Vec<RecordBatch> = runtime.block_on(rows.try_collect()).expect("read");
        lengths.extend(left.iter().map(RecordBatch::num_rows));
        assert_eq!((lengths, metrics.files_read.value()), (vec![2, 2, 2, 2, 1], 9));
    }

    #[test]
    fn files_that_have_grown_begin_a_batch_of_their_own_and_only_those_without_room_anywhere_are_rejected() {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, length) in [("a", 6), ("b", 6), ("c", 11), ("d", 10), ("e", 0)] {
            fs::write(directory.path().join(name), vec![b'x'; length]).expect("a file");
        }
        let metrics = LoadMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let mut left = items(directory.path(), &[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]);
        let mut batches = Vec::new();
        while left.num_rows() > 0 {
            let within = (&AllowList::default(), &Failures::default());
            let loaded = Loaded::read(&left, Extent::Whole, &metrics, within, (10, MOST_BYTES)).expect("read");
            let rows = loaded.content.len();
            let reasons = loaded.errors.iter().map(|reason| reason.map(str::to_string));
            let lengths = loaded.content.iter().map(|content| content.map(<[u8]>::len));
            batches.push(lengths.zip(reasons).collect::<Vec<_>>());
            left = left.slice(rows, left.num_rows() - rows);
        }
        let reason = Some("too_large: it has 11 bytes, and at most 10 have a place".to_string());
        let expected =
            [vec![(Some(6), None)], vec![(Some(6), None)], vec![(None, reason), (Some(10), None), (Some(0), None)]];
        assert_eq!(batches, expected);
        assert_eq!(metrics.files_read.value(), 5);
    }
}
