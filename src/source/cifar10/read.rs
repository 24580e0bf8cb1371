//! Reading records: a label, and 32x32 pixels plane by plane.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray};
use datafusion::arrow::buffer::{Buffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};

use super::label_names::{FILE, MOST_LABELS};
use super::{IMAGE, LABEL, LABEL_NAME};
use crate::storage::Version;

/// Pixels of a side.
const SIDE: i32 = 32;
/// Values of a colour's plane.
const PLANE: usize = (SIDE * SIDE) as usize;
/// Values of an image.
const VALUES: usize = 3 * PLANE;
/// A label and an image.
pub(super) const RECORD_BYTES: u64 = VALUES as u64 + 1;

/// What a query looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// How many records there are.
    Nothing,
    /// Labels, one byte of each record.
    Labels,
    /// Images and perhaps labels: whole records.
    Images,
}

impl Reads {
    pub(super) fn of(schema: &Schema) -> Self {
        match (schema.fields().is_empty(), schema.index_of(IMAGE)) {
            (true, _) => Self::Nothing,
            (false, Ok(_)) => Self::Images,
            (false, Err(_)) => Self::Labels,
        }
    }

    /// Whether labels are read.
    pub(super) fn labels(self) -> bool {
        self != Self::Nothing
    }

    /// Bytes that are read of each record.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Labels => 1,
            Self::Images => RECORD_BYTES,
        }
    }
}

/// A part of a batch: some of its records, by their numbers from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) path: String,
    /// The file as it was listed.
    pub(super) version: Version,
    pub(super) records: std::ops::Range<u64>,
    pub(super) label_names: Option<Vec<String>>,
}

/// Reads the records of a range in their order.
pub(super) struct RecordReader<F> {
    file: F,
    range: Range,
}

/// Some records: labels, and the values of their images, row-major with interleaved channels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Records {
    labels: Vec<u8>,
    values: Vec<u8>,
}

impl<F: Read + Seek> RecordReader<F> {
    pub(super) fn new(file: F, range: Range) -> Self {
        Self { file, range }
    }

    /// The next records, at most `most`, as columns of `schema`; `None` behind the last.
    pub(super) fn next_batch(&mut self, most: usize, reads: Reads, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        let records = self.next(most, reads)?;
        records.map(|records| self.batch(records, schema)).transpose()
    }

    /// The next records, at most `most`; `None` behind the last.
    fn next(&mut self, most: usize, reads: Reads) -> Result<Option<Records>> {
        let left = self.range.records.end.saturating_sub(self.range.records.start);
        let count = left.min(most as u64);
        if count == 0 {
            return Ok(None);
        }
        let records = match reads {
            Reads::Images => self.whole(count)?,
            Reads::Labels | Reads::Nothing => Records { labels: self.labels(count)?, values: Vec::new() },
        };
        self.check(&records.labels)?;
        self.range.records.start += count;
        Ok(Some(records))
    }

    fn whole(&mut self, count: u64) -> Result<Records> {
        let first = self.range.records.start;
        self.seek(first)?;
        let mut bytes = Vec::new();
        // Only what is there is read: a count beyond the file's end allocates nothing.
        let read = self.file.by_ref().take(count.saturating_mul(RECORD_BYTES)).read_to_end(&mut bytes);
        read.map_err(|error| self.unreadable(first, &error))?;
        let (read, rest) = (bytes.len() as u64 / RECORD_BYTES, bytes.len() as u64 % RECORD_BYTES);
        if read < count {
            return self.cut_short(first + read, rest);
        }
        let mut labels = Vec::new();
        let mut values = vec![0; bytes.len() - bytes.len() / RECORD_BYTES as usize];
        for (record, values) in bytes.chunks_exact(VALUES + 1).zip(values.chunks_exact_mut(VALUES)) {
            labels.push(record[0]);
            interleave(&record[1..], values);
        }
        Ok(Records { labels, values })
    }

    fn labels(&mut self, count: u64) -> Result<Vec<u8>> {
        let first = self.range.records.start;
        let mut labels = Vec::new();
        for record in first..first.saturating_add(count) {
            self.seek(record)?;
            let mut label = [0];
            match self.file.read_exact(&mut label) {
                Ok(()) => labels.push(label[0]),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return self.cut_short(record, 0),
                Err(error) => return Err(self.unreadable(record, &error)),
            }
        }
        Ok(labels)
    }

    fn seek(&mut self, record: u64) -> Result<()> {
        let place = SeekFrom::Start(offset(record));
        self.file.seek(place).map(|_| ()).map_err(|error| self.unreadable(record, &error))
    }

    fn unreadable(&self, record: u64, error: &io::Error) -> datafusion::error::DataFusionError {
        exec_datafusion_err!("cannot read '{}' at record {record} (byte {}): {error}", self.range.path, offset(record))
    }

    fn cut_short<T>(&self, record: u64, bytes: u64) -> Result<T> {
        exec_err!(
            "'{}': record {record} (byte {}) must have {RECORD_BYTES} bytes, got {bytes}; the file was longer when it was listed: \
             is it still being written?",
            self.range.path,
            offset(record)
        )
    }

    /// Labels beyond the last one tell that the file isn't what it seems to be.
    fn check(&self, labels: &[u8]) -> Result<()> {
        let names = self.range.label_names.as_ref();
        let count = names.map_or(MOST_LABELS, Vec::len);
        let Some(index) = labels.iter().position(|label| usize::from(*label) >= count) else {
            return Ok(());
        };
        let record = self.range.records.start + index as u64;
        let advice = match names {
            Some(_) if usize::from(labels[index]) < MOST_LABELS => {
                format!("{FILE} beside it names {count}: name the others there, or move it away")
            }
            _ => "this is no batch of CIFAR-10, or it is damaged: download it again".to_string(),
        };
        exec_err!(
            "'{}': record {record} (byte {}) must have a label from 0 to {}, got {}; {advice}",
            self.range.path,
            offset(record),
            count - 1,
            labels[index]
        )
    }

    /// The columns of `schema` for some records.
    fn batch(&self, records: Records, schema: &SchemaRef) -> Result<RecordBatch> {
        let Records { labels, values } = records;
        let count = labels.len();
        let mut values = Some(values);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            columns.push(match field.name().as_str() {
                LABEL => Arc::new(Int64Array::from_iter_values(labels.iter().map(|label| i64::from(*label)))),
                LABEL_NAME => {
                    let names = self.range.label_names.as_ref();
                    let name = |label: &u8| names.and_then(|names| names.get(usize::from(*label)));
                    Arc::new(labels.iter().map(name).collect::<StringArray>())
                }
                IMAGE => images(values.take().unwrap_or_default(), count)?,
                other => return internal_err!("CIFAR-10 has no column '{other}'"),
            });
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

fn offset(record: u64) -> u64 {
    record.saturating_mul(RECORD_BYTES)
}

/// From planes of red, green and blue to pixels.
fn interleave(planes: &[u8], pixels: &mut [u8]) {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    for (pixel, ((red, green), blue)) in pixels.chunks_exact_mut(3).zip(red.iter().zip(green).zip(blue)) {
        pixel.copy_from_slice(&[*red, *green, *blue]);
    }
}

fn images(values: Vec<u8>, count: usize) -> Result<ArrayRef> {
    let DataType::Struct(fields) = pixmill_udfs::image_type() else {
        return internal_err!("an image is a struct");
    };
    let offsets = OffsetBuffer::<i32>::from_lengths(std::iter::repeat_n(VALUES, count));
    let data = BinaryArray::try_new(offsets, Buffer::from_vec(values), None)?;
    let same = |value| Arc::new(Int32Array::from_value(value, count)) as ArrayRef;
    Ok(Arc::new(StructArray::try_new(fields, vec![same(SIDE), same(SIDE), same(3), Arc::new(data)], None)?))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn range(records: std::ops::Range<u64>, label_names: Option<Vec<String>>) -> Range {
        let (path, version) = ("data_batch_1.bin".to_string(), Version::default());
        Range { path, version, records, label_names }
    }

    /// A record whose planes are filled with one value each.
    fn record(label: u8, [red, green, blue]: [u8; 3]) -> Vec<u8> {
        let mut bytes = vec![label];
        for value in [red, green, blue] {
            bytes.extend([value; PLANE]);
        }
        bytes
    }

    fn error(bytes: Vec<u8>, range: Range, reads: Reads) -> String {
        RecordReader::new(Cursor::new(bytes), range).next(100, reads).expect_err("bad records").strip_backtrace()
    }

    #[test]
    fn planes_become_pixels() {
        let mut planes = vec![0; VALUES];
        planes[1] = 10;
        planes[PLANE + 1] = 20;
        planes[2 * PLANE + 32] = 30;
        let mut pixels = vec![0; VALUES];
        interleave(&planes, &mut pixels);
        assert_eq!(pixels[3..6], [10, 20, 0]);
        assert_eq!(pixels[3 * 32..3 * 32 + 3], [0, 0, 30]);
    }

    #[test]
    fn a_range_is_read_in_steps() {
        let bytes: Vec<u8> = (0..5).flat_map(|label| record(label, [label, 7, 9])).collect();
        let mut reader = RecordReader::new(Cursor::new(bytes), range(1..4, None));
        let first = reader.next(2, Reads::Images).expect("records").expect("two");
        assert_eq!(first.labels, [1, 2]);
        assert_eq!(first.values[VALUES..VALUES + 6], [2, 7, 9, 2, 7, 9]);
        let second = reader.next(2, Reads::Labels).expect("records").expect("one");
        assert_eq!(second, Records { labels: vec![3], values: Vec::new() });
        assert_eq!(reader.next(2, Reads::Images).expect("the end"), None);
    }

    #[test]
    fn bad_labels_are_named_by_record_and_byte() {
        let bytes: Vec<u8> = [3, 12].into_iter().flat_map(|label| record(label, [0; 3])).collect();
        for reads in [Reads::Images, Reads::Labels] {
            assert_eq!(
                error(bytes.clone(), range(0..2, None), reads),
                "Execution error: 'data_batch_1.bin': record 1 (byte 3073) must have a label from 0 to 9, got 12; this is no batch of \
                 CIFAR-10, or it is damaged: download it again"
            );
        }
        let names = Some(["airplane", "automobile"].map(str::to_string).to_vec());
        assert_eq!(
            error(bytes, range(0..2, names), Reads::Images),
            "Execution error: 'data_batch_1.bin': record 0 (byte 0) must have a label from 0 to 1, got 3; batches.meta.txt beside it \
             names 2: name the others there, or move it away"
        );
    }

    #[test]
    fn a_file_that_has_become_shorter_is_told() {
        let mut bytes = record(3, [0; 3]);
        bytes.extend([4; 10]);
        let expected = |bytes| {
            format!(
                "Execution error: 'data_batch_1.bin': record 1 (byte 3073) must have 3073 bytes, got {bytes}; the file was longer when \
                 it was listed: is it still being written?"
            )
        };
        assert_eq!(error(bytes.clone(), range(0..2, None), Reads::Images), expected(10));
        bytes.truncate(3073);
        assert_eq!(error(bytes, range(0..2, None), Reads::Labels), expected(0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_records_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..7000), first in 0..4_u64, count in any::<u64>(), most in 1..100_usize,
        ) {
            for reads in [Reads::Images, Reads::Labels] {
                let range = range(first..first.saturating_add(count), None);
                let mut reader = RecordReader::new(Cursor::new(&bytes), range);
                while let Ok(Some(records)) = reader.next(most, reads) {
                    prop_assert!(records.labels.len() as u64 <= bytes.len() as u64 / RECORD_BYTES + 1);
                }
            }
        }

        #[test]
        fn pixels_and_labels_are_the_files(
            records in prop::collection::vec((0..10_u8, prop::collection::vec(any::<u8>(), VALUES)), 1..4), most in 1..5_usize,
        ) {
            let bytes: Vec<u8> = records.iter().flat_map(|(label, planes)| [&[*label], planes.as_slice()].concat()).collect();
            let mut reader = RecordReader::new(Cursor::new(&bytes), range(0..records.len() as u64, None));
            let mut read = Vec::new();
            while let Some(Records { labels, values }) = reader.next(most, Reads::Images).expect("records") {
                read.extend(labels.into_iter().zip(values.chunks(VALUES).map(<[u8]>::to_vec).collect::<Vec<_>>()));
            }
            let expected: Vec<(u8, Vec<u8>)> = records.into_iter().map(|(label, planes)| {
                let value = |index: usize| planes[index % 3 * PLANE + index / 3];
                (label, (0..VALUES).map(value).collect())
            }).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
