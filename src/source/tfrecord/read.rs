//! Reading: records of one partition's work items, as batches.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use datafusion::arrow::compute::filter;
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::common::{Result, exec_err, internal_datafusion_err, internal_err};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

use super::columns::{Column, ColumnBuilder, Misfit, cast, offset};
use super::items::Item;
use super::options::{OnCorrupt, RecordType, SKIP_ADVICE};
use crate::format::tfrecord::{FramingError, MessageType, RecordFile, RecordReader, read_record};
use crate::source::batch::cut_by_decoded_size;
use crate::storage;

/// Rows of a batch without images.
const MOST_ROWS: usize = 8192;
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
pub(super) type Verdicts = Arc<Mutex<HashMap<String, Arc<OnceLock<bool>>>>>;

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
    reader: RecordReader<RecordFile>,
    /// The number of the next record in its file.
    record: u64,
    faults: u64,
    /// Bytes of the item that progress has been told of.
    told: u64,
    is_at_end: bool,
}

impl PartitionReader {
    pub(super) fn new(
        reading: Arc<Reading>,
        bounds: Bounds,
        metrics: ReadMetrics,
        verdicts: Verdicts,
        items: Vec<Item>,
        fetch: Option<usize>,
    ) -> Self {
        let left = fetch.unwrap_or(usize::MAX);
        Self { reading, bounds, metrics, items: items.into(), verdicts, current: None, left }
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
            Err(fault) if self.reading.on_corrupt == OnCorrupt::Error => {
                exec_err!("{}: {fault}; {SKIP_ADVICE}", item.path)
            }
            Err(fault) => {
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
        Ok(*verdict.get_or_init(|| match self.check_file(item) {
            Ok(()) => true,
            Err(fault) => {
                self.leave_out(item, &fault);
                false
            }
        }))
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

    fn start(&self, item: Item) -> std::result::Result<Cursor, String> {
        let path = storage::local_path(&item.path).ok_or("not a local path")?;
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let file = match item.place.offset {
            0 => RecordFile::open(&path).map_err(unreadable)?,
            offset => RecordFile::open_at(&path, offset).map_err(unreadable)?,
        };
        if path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            return Err("empty file (0 bytes)".to_string());
        }
        let reader = RecordReader::at(file, item.place.offset);
        let mut reader = match self.reading.is_of_frames() {
            true => reader.for_frames(),
            false => reader.for_bytes(item.bytes),
        };
        for passed in 0..item.place.skip {
            let skipped =
                reader.skip().map_err(|error| format!("record {}: {error}", item.first - item.place.skip + passed))?;
            if skipped.is_none() {
                return Err(format!("it ends before record {}; it has changed since it was listed", item.first));
            }
        }
        Ok(Cursor { record: item.first, item, reader, faults: 0, told: 0, is_at_end: false })
    }

    /// Reads a whole file and gives nothing but its first fault.
    fn check_file(&self, item: &Item) -> std::result::Result<(), String> {
        let whole = Item { place: Default::default(), first: 0, records: None, reads_on: true, ..item.clone() };
        let mut cursor = self.start(whole)?;
        while !cursor.is_at_end {
            self.read_strictly(&mut cursor).map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }

    /// Reads the next batch of an item; the first fault ends it.
    fn read_strictly(&self, cursor: &mut Cursor) -> std::result::Result<(), Fault> {
        let mut rows = Rows::new(&self.reading);
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
        let mut rows = Rows::new(reading);
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
        let mut rows = Rows::new(&self.reading);
        while rows.len() < MOST_ROWS.min(self.left) && !cursor.has_all() {
            let offset = cursor.reader.offset();
            match cursor.reader.skip() {
                Ok(Some(_)) => {
                    rows.places.push((cursor.record, offset));
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
struct Fault {
    record: u64,
    /// Where the record starts, unless the reason says it.
    offset: Option<u64>,
    reason: String,
    /// No further record can be found.
    ends_the_file: bool,
}

impl Fault {
    fn of_frame(record: u64, error: FramingError) -> Self {
        Self { record, offset: None, ends_the_file: !error.is_in_data(), reason: error.to_string() }
    }

    fn of_record(record: u64, offset: Option<u64>, reason: String) -> Self {
        Self { record, offset, reason, ends_the_file: false }
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
    fn step(&mut self, rows: &mut Rows) -> std::result::Result<bool, Fault> {
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

/// Rows being built.
struct Rows {
    message_type: Option<MessageType>,
    builders: Vec<ColumnBuilder>,
    by_name: HashMap<String, usize>,
    /// The records themselves, where they are a column.
    records: Option<BinaryBuilder>,
    record_bytes: usize,
    /// The number and the offset of each row's record.
    places: Vec<(u64, u64)>,
}

impl Rows {
    fn new(reading: &Reading) -> Self {
        let features = reading.columns.iter().filter_map(|column| match column {
            Column::Feature(feature) => Some(ColumnBuilder::new(feature.clone())),
            _ => None,
        });
        let builders: Vec<ColumnBuilder> = features.collect();
        let by_name = builders.iter().enumerate().map(|(index, builder)| (builder.name().to_string(), index)).collect();
        Self {
            message_type: match reading.record_type {
                RecordType::Bytes => None,
                // Where bad records are left out, they are whatever columns are asked for.
                _ if builders.is_empty() && reading.on_corrupt == OnCorrupt::Error => None,
                RecordType::Example => Some(MessageType::Example),
                RecordType::SequenceExample => Some(MessageType::SequenceExample),
            },
            builders,
            by_name,
            records: reading.columns.contains(&Column::Record).then(BinaryBuilder::new),
            record_bytes: 0,
            places: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// The most rows of a batch: fewer where they may be images.
    fn most(&self, bounds: Bounds) -> usize {
        let holds_bytes = self.records.is_some() || self.builders.iter().any(ColumnBuilder::holds_bytes);
        if holds_bytes { bounds.rows } else { MOST_ROWS.max(bounds.rows) }
    }

    fn bytes(&self) -> usize {
        self.record_bytes + self.builders.iter().map(ColumnBuilder::bytes).sum::<usize>()
    }

    fn push(&mut self, data: &[u8], place: (u64, u64)) -> std::result::Result<(), Misfit> {
        let fits = self.set(data);
        if fits.is_err() {
            self.builders.iter_mut().for_each(ColumnBuilder::roll_back);
            return fits;
        }
        self.builders.iter_mut().for_each(ColumnBuilder::end_row);
        if let Some(records) = &mut self.records {
            records.append_value(data);
            self.record_bytes += data.len();
        }
        self.places.push(place);
        Ok(())
    }

    fn set(&mut self, data: &[u8]) -> std::result::Result<(), Misfit> {
        if self.records.is_some() {
            offset(self.record_bytes + data.len())?;
        }
        let Some(message_type) = self.message_type else { return Ok(()) };
        read_record(data, message_type, |name, entry| match self.by_name.get(name) {
            Some(index) => self.builders[*index].set(&entry),
            None => Ok(()),
        })
    }

    /// The rows, and the faults of those that don't fit into the columns' types, which are left out.
    fn finish(mut self, item: &Item, reading: &Reading) -> Result<(RecordBatch, Vec<Fault>)> {
        let mut own = self.own_columns(item, reading)?;
        let (mut faults, mut keeps) = (Vec::new(), vec![true; self.len()]);
        for (column, field) in own.iter().zip(reading.schema.fields()) {
            for (row, reason) in misfits(column, field) {
                if std::mem::replace(&mut keeps[row], false) {
                    let (record, offset) = self.places[row];
                    faults.push(Fault::of_record(record, Some(offset), reason));
                }
            }
        }
        let rows = self.len() - faults.len();
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.record);
            let keeps = BooleanArray::from(keeps);
            own = own.iter().map(|column| filter(column, &keeps)).collect::<std::result::Result<_, _>>()?;
        }
        let columns: std::result::Result<Vec<ArrayRef>, _> =
            own.iter().zip(reading.schema.fields()).map(|(column, field)| cast(column, field.data_type())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok((RecordBatch::try_new_with_options(Arc::clone(&reading.schema), columns?, &options)?, faults))
    }

    /// The columns before they are cast.
    fn own_columns(&mut self, item: &Item, reading: &Reading) -> Result<Vec<ArrayRef>> {
        let mut builders = std::mem::take(&mut self.builders).into_iter();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(reading.columns.len());
        for (column, field) in reading.columns.iter().zip(reading.schema.fields()) {
            columns.push(match column {
                Column::Feature(_) => match builders.next() {
                    Some(builder) => builder.finish()?,
                    None => return internal_err!("no builder for '{}'", field.name()),
                },
                Column::Record => Arc::new(self.records.take().unwrap_or_default().finish()),
                Column::Place => {
                    let shown = self.places.iter().map(|(record, _)| format!("{} record {record}", item.path));
                    Arc::new(StringArray::from_iter_values(shown))
                }
                Column::Nothing => new_null_array(field.data_type(), self.len()),
                Column::Directory(name) => {
                    let index = reading.directory_columns.iter().position(|column| column == name);
                    let value = index.and_then(|index| item.directories.get(index)?.as_deref());
                    Arc::new(std::iter::repeat_n(value, self.len()).collect::<StringArray>())
                }
            });
        }
        Ok(columns)
    }
}

/// The rows whose value the column's type has no place for, and why.
fn misfits(column: &ArrayRef, field: &Field) -> Vec<(usize, String)> {
    let mut misfits = Vec::new();
    if !field.is_nullable() && column.null_count() > 0 {
        let nulls = (0..column.len()).filter(|row| column.is_null(*row));
        misfits.extend(nulls.map(|row| (row, format!("column '{}' is NOT NULL, and it has no value", field.name()))));
    }
    if cast(column, field.data_type()).is_err() {
        for row in 0..column.len() {
            if let Err(error) = cast(&column.slice(row, 1), field.data_type()) {
                misfits.push((row, format!("column '{}': {error}", field.name())));
            }
        }
    }
    misfits
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datafusion::arrow::array::ListArray;
    use datafusion::arrow::datatypes::{Float32Type, Int64Type, Schema};
    use proptest::prelude::*;
    use prost::Message;

    use super::super::columns::{FeatureColumn, Shape};
    use super::*;
    use crate::format::tfrecord::{BytesList, Example, Feature, Features, FloatList, Int64List, Kind, Values};

    fn reading() -> Reading {
        let columns = [
            ("integers", Kind::Int64, Shape::List),
            ("float", Kind::Float, Shape::Scalar),
            ("texts", Kind::Bytes, Shape::List),
            ("bytes", Kind::Bytes, Shape::Scalar),
        ];
        let columns = columns.map(|(name, kind, shape)| FeatureColumn {
            name: name.to_string(),
            kind,
            shape,
            is_text: name == "texts",
            cast: None,
        });
        let fields: Vec<Field> = columns.iter().map(|c| Field::new(&c.name, c.data_type(), true)).collect();
        Reading {
            columns: columns.into_iter().map(Column::Feature).collect(),
            schema: Arc::new(Schema::new(fields)),
            record_type: RecordType::Example,
            on_corrupt: OnCorrupt::Error,
            directory_columns: Vec::new(),
            classes: None,
        }
    }

    fn item() -> Item {
        Item {
            path: "f".to_string(),
            bytes: 0,
            place: Default::default(),
            first: 0,
            records: None,
            reads_on: true,
            directories: Vec::new(),
        }
    }

    /// A record that may lack any of its features, or have them empty.
    #[derive(Debug, Clone)]
    struct Ragged {
        integers: Option<Vec<i64>>,
        float: Option<f32>,
        texts: Option<Vec<String>>,
        bytes: Option<Vec<u8>>,
        /// More values than the column has a place for: the record fits none.
        is_unfit: bool,
    }

    impl Ragged {
        fn record(&self) -> Vec<u8> {
            let mut feature = BTreeMap::new();
            let mut add = |name: &str, values: Values| {
                feature.insert(name.to_string(), Feature { values: Some(values) });
            };
            if let Some(value) = self.integers.clone() {
                add("integers", Values::Int64(Int64List { value }));
            }
            if let Some(value) = self.float {
                add("float", Values::Float(FloatList { value: vec![value] }));
            }
            if let Some(texts) = &self.texts {
                let value = texts.iter().map(|text| text.clone().into_bytes().into()).collect();
                add("texts", Values::Bytes(BytesList { value }));
            }
            if let Some(bytes) = &self.bytes {
                let value = vec![bytes.clone().into(); if self.is_unfit { 2 } else { 1 }];
                add("bytes", Values::Bytes(BytesList { value }));
            }
            Example { features: Some(Features { feature }) }.encode_to_vec()
        }
    }

    fn ragged() -> impl Strategy<Value = Ragged> {
        (
            prop::option::of(prop::collection::vec(any::<i64>(), 0..3)),
            prop::option::of(-1e9_f32..1e9),
            prop::option::of(prop::collection::vec("[a-zä]{0,3}", 0..3)),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..4)),
            prop::bool::weighted(0.2),
        )
            .prop_map(|(integers, float, texts, bytes, is_unfit)| Ragged {
                is_unfit: is_unfit && bytes.is_some(),
                integers,
                float,
                texts,
                bytes,
            })
    }

    proptest! {
        #[test]
        fn no_value_leaks_from_one_row_to_the_next(records in prop::collection::vec(ragged(), 0..12)) {
            let reading = reading();
            let mut rows = Rows::new(&reading);
            for (number, record) in records.iter().enumerate() {
                let fits = rows.push(&record.record(), (number as u64, 0));
                prop_assert_eq!(fits.is_err(), record.is_unfit);
            }
            let (batch, misfits) = rows.finish(&item(), &reading).expect("rows");
            prop_assert!(misfits.is_empty());
            let expected: Vec<&Ragged> = records.iter().filter(|record| !record.is_unfit).collect();
            prop_assert_eq!(batch.num_rows(), expected.len());
            let list = |lists: &ListArray, row: usize| lists.is_valid(row).then(|| lists.value(row));
            for (row, expected) in expected.into_iter().enumerate() {
                let integers = list(batch.column(0).as_list(), row);
                let integers = integers.map(|values| values.as_primitive::<Int64Type>().values().to_vec());
                prop_assert_eq!(&integers, &expected.integers);
                let float = batch.column(1).as_primitive::<Float32Type>();
                prop_assert_eq!(float.is_valid(row).then(|| float.value(row)), expected.float);
                let texts = list(batch.column(2).as_list(), row);
                let texts = texts.map(|values| values.as_string::<i32>().iter().flatten().map(str::to_string).collect());
                prop_assert_eq!(&texts, &expected.texts);
                let bytes = batch.column(3).as_binary::<i32>();
                prop_assert_eq!(bytes.is_valid(row).then(|| bytes.value(row).to_vec()), expected.bytes.clone());
            }
        }
    }
}
