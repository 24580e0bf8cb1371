//! TFRecord shards: framing, checksums, messages, and the index beside the file.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};
use std::path::Path;

use super::index::IndexCheck;
use super::labels::{self, Label};
use super::places::Places;
use super::report::{FaultKind, FaultPlace};
use super::shard::ShardCheck;
use crate::format::tfrecord::{
    Encoding, Entry, FeatureKind, FramingError, MessageType, RawFeature, RecordFile, RecordReader, WireError,
    is_message, read_record,
};
use crate::words::counted;

/// How many records of another type than the others are listed.
const MOST_STRAYS: usize = 10;

/// Checks a file; `open` opens it at its start.
pub(super) fn check<F: Read + Seek>(
    path: &Path,
    places: &Places,
    open: impl Fn() -> io::Result<F>,
    shard: &mut ShardCheck<'_>,
) {
    shard.report.format = Some("tfrecord");
    let input = match open().and_then(RecordFile::new) {
        Ok(input) => input,
        Err(error) => return shard.fault(FaultKind::File, None, format!("cannot be read: {error}")),
    };
    let encoding = input.encoding();
    shard.report.compression = compression(encoding);
    let mut index = IndexCheck::beside(path, places);
    let mut types = RecordTypes::default();
    let mut reader = RecordReader::new(input);
    loop {
        let place = FaultPlace { record: shard.report.records, offset: Some(reader.offset()) };
        match reader.next() {
            Ok(None) => break,
            Ok(Some(data)) => {
                types.add(data, place, shard);
                index.compare(place, data.len() as u64 + crate::format::tfrecord::OVERHEAD);
            }
            Err(error) if error.is_in_data() => {
                shard.fault(FaultKind::Corrupted, Some(place), reason(&error));
                index.compare(place, reader.offset() - place.offset.unwrap_or_default());
            }
            Err(error) => {
                let looks_like_another = matches!(error, FramingError::SomethingElse { .. });
                if looks_like_another {
                    shard.report.format = None;
                    return shard.fault(FaultKind::File, None, error.to_string());
                }
                let offset = reader.offset();
                let lost = lost(offset, encoding, shard.report.bytes, &open);
                shard.fault(FaultKind::Corrupted, Some(place), format!("{}; {lost}", reason(&error)));
                index.stop();
                break;
            }
        }
        shard.report.records += 1;
    }
    index.finish(shard);
    types.finish(shard);
}

fn compression(encoding: Encoding) -> Option<&'static str> {
    match encoding {
        Encoding::Plain => None,
        Encoding::Gzip => Some("gzip"),
        Encoding::Zlib => Some("zlib"),
    }
}

/// What is wrong, without the offset, which a fault has of its own.
fn reason(error: &FramingError) -> String {
    match error {
        FramingError::Truncated { missing, .. } => format!("truncated record: {missing}"),
        FramingError::Corrupted { part, found, expected, .. } => {
            format!("corrupted record: the checksum of its {part} is {found:08x}, it should be {expected:08x}")
        }
        FramingError::Unreadable { source, .. } => format!("cannot be read: {source}"),
        FramingError::SomethingElse { .. } | FramingError::TooLong { .. } => error.to_string(),
    }
}

/// What can't be read of a file whose record at `offset` has no end.
fn lost<F: Read + Seek>(offset: u64, encoding: Encoding, bytes: u64, open: &impl Fn() -> io::Result<F>) -> String {
    let whole = match encoding {
        Encoding::Plain => Some(bytes),
        _ => open().and_then(RecordFile::new).and_then(|mut file| io::copy(&mut file, &mut io::sink())).ok(),
    };
    let kind = if encoding == Encoding::Plain { "" } else { " uncompressed" };
    match whole {
        Some(whole) => {
            let lost = whole.saturating_sub(offset);
            format!("the last {lost} of {whole}{kind} bytes can't be read as records")
        }
        None => "nothing behind it can be read".to_string(),
    }
}

/// Of what type the records are, and which of them aren't.
#[derive(Default)]
struct RecordTypes {
    examples: u64,
    sequences: u64,
    first_sequence: Option<FaultPlace>,
    others: u64,
    /// The first records that are neither.
    strays: Vec<(FaultPlace, String)>,
}

impl RecordTypes {
    fn add(&mut self, data: &[u8], place: FaultPlace, shard: &mut ShardCheck<'_>) {
        let message_type = if is_message(data, MessageType::Example) {
            self.examples += 1;
            MessageType::Example
        } else if is_message(data, MessageType::SequenceExample) {
            self.sequences += 1;
            self.first_sequence.get_or_insert(place);
            MessageType::SequenceExample
        } else {
            self.others += 1;
            if self.strays.len() < MOST_STRAYS {
                self.strays.push((place, stray_reason(data)));
            }
            // Records may be images themselves.
            shard.add_bytes("(record)", place, data, true);
            return shard.end_record(place, |_| false);
        };
        // The message was read once already: it reads again.
        let _ = add_message(data, message_type, place, shard);
    }

    fn finish(self, shard: &mut ShardCheck<'_>) {
        let messages = self.examples + self.sequences;
        shard.report.record_type = match (self.sequences, messages, self.others) {
            (0, 0, 0) => None,
            (_, 0, _) => Some("bytes"),
            (0, ..) => Some("example"),
            _ => Some("sequence_example"),
        };
        if messages == 0 {
            if self.others > 0 {
                shard.note("its records are bytes, neither tf.train.Example nor SequenceExample".to_string());
            }
            return;
        }
        let listed = self.strays.len() as u64;
        for (place, reason) in self.strays {
            shard.fault(FaultKind::Record, Some(place), format!("not a tf.train.Example, as others are: {reason}"));
        }
        shard.report.faults += self.others - listed;
        let Some(first) = self.first_sequence else { return };
        // A sequence without lists is an example, too: both in one file are no fault.
        shard.note(match self.examples {
            0 => "its records are tf.train.SequenceExample".to_string(),
            examples => format!(
                "{} of tf.train.SequenceExample, the first {first}; {examples} of tf.train.Example",
                counted(self.sequences, "record")
            ),
        });
    }
}

/// Why a record is no example.
fn stray_reason(data: &[u8]) -> String {
    let read = read_record(data, MessageType::Example, |_, entry| match entry {
        Entry::Feature(feature) => feature.count().map(|_| ()),
        Entry::List(_) => Ok(()),
    });
    match read {
        Err(error) => error.to_string(),
        Ok(()) => "it has fields that the message doesn't have".to_string(),
    }
}

fn add_message(
    data: &[u8],
    message_type: MessageType,
    place: FaultPlace,
    shard: &mut ShardCheck<'_>,
) -> Result<(), WireError> {
    let mut entries = BTreeMap::new();
    read_record(data, message_type, |name, entry| {
        // Of several of one name the last counts.
        entries.insert(name, entry);
        Ok::<_, WireError>(())
    })?;
    let is_raw = entries.get(ENCODING).is_some_and(says_raw);
    for (name, entry) in &entries {
        match entry {
            // Pixels as they are, which nobody can tell from a broken image.
            Entry::Feature(feature) if is_raw && *name == ENCODED => {
                shard.add_feature(name, feature.kind().map_or("", FeatureKind::name), place, feature.count().ok());
            }
            Entry::Feature(feature) => add_feature(name, feature, place, shard)?,
            Entry::List(list) => {
                let mut steps = 0;
                list.each(|step| {
                    steps += 1;
                    add_step(name, &step, place, shard)
                })?;
                shard.add_list(name, steps);
            }
        }
    }
    shard.end_record(place, |label| entries.get(label).is_some_and(has_value));
    Ok(())
}

/// An image and its encoding, by the names of TF-Slim; pixels that aren't encoded are `raw`.
const ENCODED: &str = "image/encoded";
const ENCODING: &str = "image/format";

fn says_raw(entry: &Entry<'_>) -> bool {
    let mut is_raw = false;
    let Entry::Feature(feature) = entry else { return false };
    let read = feature.each_bytes(|value| is_raw = value.eq_ignore_ascii_case(b"raw"));
    feature.kind() == Some(FeatureKind::Bytes) && read.is_ok() && is_raw
}

fn has_value(entry: &Entry<'_>) -> bool {
    match entry {
        Entry::Feature(feature) => feature.kind().is_some() && feature.count().is_ok_and(|count| count > 0),
        Entry::List(_) => true,
    }
}

fn add_feature(
    name: &str,
    feature: &RawFeature<'_>,
    place: FaultPlace,
    shard: &mut ShardCheck<'_>,
) -> Result<(), WireError> {
    let Some(kind) = feature.kind() else { return Ok(()) };
    let count = feature.count()?;
    shard.add_feature(name, kind.name(), place, Some(count));
    add_values(name, feature, kind, count == 1, place, shard)
}

/// A step of a feature list.
fn add_step(name: &str, step: &RawFeature<'_>, place: FaultPlace, shard: &mut ShardCheck<'_>) -> Result<(), WireError> {
    let Some(kind) = step.kind() else { return Ok(()) };
    let count = step.count()?;
    shard.add_step(name, kind.name(), place, count);
    add_values(name, step, kind, false, place, shard)
}

fn add_values(
    name: &str,
    feature: &RawFeature<'_>,
    kind: FeatureKind,
    is_scalar: bool,
    place: FaultPlace,
    shard: &mut ShardCheck<'_>,
) -> Result<(), WireError> {
    match kind {
        FeatureKind::Bytes => feature.each_bytes(|value| {
            shard.add_bytes(name, place, value, is_scalar);
            shard.add_label(name, || labels::text(value));
        }),
        FeatureKind::Int64 => feature.each_int64(|value| shard.add_label(name, || Some(Label::Number(value)))),
        FeatureKind::Float => {
            feature.each_float(|value| shard.add_label(name, || Some(Label::Text(value.to_string()))))
        }
    }
}
