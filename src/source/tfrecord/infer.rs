//! Columns found out from a sample of records of several files.

use std::collections::BTreeMap;
use std::io;

use datafusion::common::{Result, exec_err, plan_err};

use super::columns::{Column, FeatureColumn, Shape};
use super::options::{OnCorrupt, RecordType, SKIP_ADVICE, TfRecordReadOptions, is_listed};
use super::read::Unread;
use crate::format::tfrecord::{
    Entry, FeatureKind, MessageType, RawFeature, RecordFile, RecordReader, WireError, is_message, read_record,
};
use crate::source::shards::{ShardPath, Shards};
use crate::storage::Input;

/// Bytes of records that are looked at of each file, the first record whatever its size.
const MOST_BYTES: usize = 4 << 20;

/// What the records of a sample are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inferred {
    pub(super) record_type: RecordType,
    pub(super) columns: Vec<Column>,
}

/// Reads a sample of the files and tells what columns they have.
pub(super) fn infer(location: &str, files: &Shards, options: &TfRecordReadOptions) -> Result<Inferred> {
    let mut sample = Sample::default();
    for (file, input) in files.begun(spread(&files.files, options.sample_files)) {
        match sample.read(file, input, options) {
            Ok(()) => {}
            Err(Unread::Unreachable(reason)) => return exec_err!("{}: {reason}", file.shown),
            Err(Unread::Fault(fault)) if options.on_corrupt == OnCorrupt::Error => {
                return exec_err!("{}: {fault}; {SKIP_ADVICE}", file.shown);
            }
            Err(Unread::Fault(fault)) => tracing::debug!("the sample goes on without {}: {fault}", file.shown),
        }
    }
    if sample.records == 0 {
        return plan_err!(
            "no record of '{location}' can be read, so its columns aren't known; give the table columns: CREATE EXTERNAL TABLE t (image \
             BYTEA, class BIGINT) STORED AS TFRECORD LOCATION '...'"
        );
    }
    let record_type = options.record_type.unwrap_or_else(|| sample.record_type());
    let seen = match record_type {
        RecordType::Bytes => {
            options.refuse_names("records of bytes have no features, only the column 'record'")?;
            return Ok(Inferred { record_type, columns: vec![Column::Record] });
        }
        RecordType::Example => sample.example,
        RecordType::SequenceExample => sample.sequence,
    };
    for (option, names) in options.lists_of_names() {
        if let Some(unknown) = names.iter().find(|name| *name != "*" && !seen.contains_key(*name)) {
            let known: Vec<&str> = seen.keys().map(String::as_str).collect();
            return plan_err!(
                "{option}: no sampled record has a feature '{unknown}'; the features are {}",
                known.join(", ")
            );
        }
    }
    let mut columns = Vec::new();
    for (name, seen) in seen {
        columns.extend(seen.column(name, options)?.map(Column::Feature));
    }
    if columns.is_empty() {
        return plan_err!(
            "no sampled record of '{location}' has a feature; use record_type => 'bytes' to see the records"
        );
    }
    Ok(Inferred { record_type, columns })
}

/// Which of the columns that a table declares are feature lists, as far as a sample tells.
///
/// # Errors
/// A store that doesn't answer.
pub(super) fn are_feature_lists(files: &Shards, options: &TfRecordReadOptions) -> Result<BTreeMap<String, bool>> {
    let mut sample = Sample::default();
    for (file, input) in files.begun(spread(&files.files, options.sample_files)) {
        // Reading meets a fault again, and knows what was asked for.
        if let Err(Unread::Unreachable(reason)) = sample.read(file, input, options) {
            return exec_err!("{}: {reason}", file.shown);
        }
    }
    Ok(sample.sequence.into_iter().filter_map(|(name, seen)| Some((name, seen.is_list?))).collect())
}

/// At most `most` files, evenly spread, the first and the last among them.
fn spread(files: &[ShardPath], most: usize) -> impl Iterator<Item = &ShardPath> {
    let count = files.len().min(most);
    (0..count).filter_map(move |index| match count {
        1 => files.first(),
        _ => files.get(index * (files.len() - 1) / (count - 1)),
    })
}

/// What was seen of the features, the records taken for examples and for sequence examples.
#[derive(Default)]
struct Sample {
    records: usize,
    /// A record of no bytes is a message of every kind.
    are_empty: usize,
    are_examples: usize,
    are_sequences: usize,
    example: BTreeMap<String, Seen>,
    sequence: BTreeMap<String, Seen>,
}

/// What was seen of a feature: for each kind how many values, and where first.
#[derive(Default)]
struct Seen {
    kinds: BTreeMap<FeatureKind, Counts>,
    /// It is a feature list.
    is_list: Option<bool>,
    is_both: bool,
}

struct Counts {
    least: usize,
    most: usize,
    place: String,
}

impl Sample {
    fn read(
        &mut self,
        file: &ShardPath,
        input: io::Result<Input>,
        options: &TfRecordReadOptions,
    ) -> std::result::Result<(), Unread> {
        if file.version.bytes == 0 {
            return Err(Unread::Fault("empty file (0 bytes)".to_string()));
        }
        let opened = input.and_then(RecordFile::new);
        let mut reader = RecordReader::new(opened.map_err(Unread::of_opening)?);
        let mut bytes = 0;
        for record in 0..options.sample_records {
            if bytes > MOST_BYTES {
                break;
            }
            match reader.next() {
                Ok(None) => break,
                Ok(Some(data)) => {
                    bytes += data.len();
                    self.add(data, &format!("record {record} of {}", file.shown));
                }
                Err(error) if error.is_in_data() && options.on_corrupt == OnCorrupt::SkipRecord => {}
                Err(error) => return Err(Unread::of_record(record as u64, &error)),
            }
        }
        Ok(())
    }

    fn add(&mut self, record: &[u8], place: &str) {
        self.records += 1;
        if record.is_empty() {
            self.are_empty += 1;
            return;
        }
        if is_message(record, MessageType::Example) {
            self.are_examples += 1;
            see(&mut self.example, record, MessageType::Example, place);
        }
        if is_message(record, MessageType::SequenceExample) {
            self.are_sequences += 1;
            see(&mut self.sequence, record, MessageType::SequenceExample, place);
        }
    }

    /// What most of the records are; every example is a sequence example of no lists, too.
    fn record_type(&self) -> RecordType {
        let most = self.are_examples.max(self.are_sequences);
        if 2 * most < self.records - self.are_empty {
            return RecordType::Bytes;
        }
        if self.are_examples == most { RecordType::Example } else { RecordType::SequenceExample }
    }
}

fn see(features: &mut BTreeMap<String, Seen>, record: &[u8], message_type: MessageType, place: &str) {
    // The record has been read to its end before.
    let _ = read_record(record, message_type, |name, entry| -> std::result::Result<(), WireError> {
        let seen = features.entry(name.to_string()).or_default();
        match entry {
            Entry::Feature(feature) => {
                seen.set_list(false);
                seen.count(&feature, place)
            }
            Entry::List(list) => {
                seen.set_list(true);
                list.each(|step| seen.count(&step, place))
            }
        }
    });
}

impl Seen {
    fn set_list(&mut self, is_list: bool) {
        self.is_both |= self.is_list == Some(!is_list);
        self.is_list = Some(is_list);
    }

    fn count(&mut self, feature: &RawFeature<'_>, place: &str) -> std::result::Result<(), WireError> {
        let Some(kind) = feature.kind() else { return Ok(()) };
        let count = feature.count()?;
        let counts = self.kinds.entry(kind);
        let counts = counts.or_insert_with(|| Counts { least: count, most: count, place: place.to_string() });
        counts.least = counts.least.min(count);
        if count > 0 && counts.most == 0 {
            counts.place = place.to_string();
        }
        counts.most = counts.most.max(count);
        Ok(())
    }

    /// The column; `None` for a feature that never had a kind.
    fn column(self, name: String, options: &TfRecordReadOptions) -> Result<Option<FeatureColumn>> {
        if self.is_both {
            return plan_err!(
                "'{name}' is a feature of the context and a feature list, and a column has one name; use record_type => 'bytes'"
            );
        }
        // Lists without a value go with any kind.
        let with_values = self.kinds.iter().filter(|(_, counts)| counts.most > 0);
        let with_values: Vec<(&FeatureKind, &Counts)> = with_values.collect();
        if let [(first, here), (second, there), ..] = with_values.as_slice() {
            return plan_err!(
                "feature '{name}' is {} in {} and {} in {}; read the files apart, or give the table columns and use on_corrupt \
                 'skip_record'",
                first.name(),
                here.place,
                second.name(),
                there.place
            );
        }
        let kind = with_values.first().map(|(kind, _)| **kind).or_else(|| self.kinds.keys().next().copied());
        let Some(kind) = kind else { return Ok(None) };
        let has_one = self.kinds.len() == 1 && self.kinds.values().all(|counts| counts.least == 1 && counts.most == 1);
        let is_scalar = has_one && !is_listed(&options.lists, &name);
        let shape = match (self.is_list, is_scalar) {
            (Some(true), true) => Shape::Steps,
            (Some(true), false) => Shape::StepLists,
            (_, true) => Shape::Scalar,
            (_, false) => Shape::List,
        };
        let is_text = kind == FeatureKind::Bytes && is_listed(&options.text, &name);
        Ok(Some(FeatureColumn { name, kind, shape, is_text, cast: None }))
    }
}
