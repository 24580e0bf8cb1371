//! What fuzzing and tests run of the formats: any bytes are read alike in every way, or refused.

#![allow(clippy::panic, reason = "a test that can't go on stops")]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;

use prost::Message;

use super::manifest::{Manifest, Reject, count_rejects};
use super::tfrecord::{
    BytesList, Encoding, Entry, Example, Feature, FeatureKind, Features, FloatList, Index, Int64List, MessageType,
    OVERHEAD, RawFeature, RecordFile, RecordReader, Values, WireError, append_record, is_message, masked_crc32c,
    read_record,
};
use super::webdataset::each_sample;

/// Most records or samples of an input that are looked at.
const MOST: usize = 1000;

/// Files of records. By the first byte the rest is the file, the records of one, or a file whose checksums are put right, and
/// it is compressed.
pub(crate) fn records(input: &[u8]) {
    let Some((kind, content)) = input.split_first() else { return };
    let plain = match kind % 3 {
        0 => content.to_vec(),
        1 => {
            let mut file = Vec::new();
            content.split(|byte| *byte == b'\n').for_each(|record| append_record(&mut file, |out| out.extend(record)));
            file
        }
        _ => with_checksums(content),
    };
    let encoding = [Encoding::Plain, Encoding::Gzip, Encoding::Zlib][usize::from(kind / 3 % 3)];
    let file = compressed(&plain, encoding);
    let open = || RecordFile::new(Cursor::new(file.as_slice())).map(RecordReader::new);
    let (Ok(mut reader), Ok(mut frames)) = (open(), open()) else { return };
    let mut index = 0;
    let end = loop {
        let offset = reader.offset();
        assert_eq!(offset, frames.offset(), "records begin where frames do");
        let read = reader.next().map(|record| record.map(<[u8]>::len));
        let passed = frames.skip();
        match (read, passed) {
            (Ok(Some(length)), Ok(Some(passed))) => assert_eq!(length as u64, passed),
            (Ok(None), Ok(None)) => break None,
            (Err(error), Ok(Some(_))) if error.is_in_data() => {}
            // Its data ends before its checksum does, or is broken where a compressed stream is.
            (Err(error), passed) if !error.is_in_data() => {
                assert!(matches!(passed, Err(_) | Ok(Some(_))), "{error}");
                break Some(error);
            }
            (Err(_), Err(_)) => break None,
            (read, passed) => panic!("{read:?} was read and {passed:?} passed over"),
        }
        index += 1;
        if index == MOST {
            return;
        }
    };
    let bytes = file.len() as u64;
    match RecordFile::new(Cursor::new(file.as_slice())).map(Index::walk) {
        Ok(Ok(walked)) => {
            assert!(end.is_some() || walked.records() == index as u64, "{} of {index} records", walked.records());
            if encoding == Encoding::Plain {
                assert!(index as u64 * OVERHEAD <= bytes);
            }
        }
        Ok(Err((before, _))) => assert!(before.records() <= index as u64 + 1),
        Err(_) => {}
    }
}

/// The bytes with each record's checksums as they must be, as far as its length leads.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let (mut file, mut at) = (bytes.to_vec(), 0);
    while let Some(header) = file.get_mut(at..at + 12) {
        let length = header.iter().take(8).rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let crc = masked_crc32c(&header[..8]);
        header[8..].copy_from_slice(&crc.to_le_bytes());
        let Some(end) = length.checked_add(at + 12) else { break };
        let Some(data) = file.get(at + 12..end) else { break };
        let crc = masked_crc32c(data);
        let Some(footer) = file.get_mut(end..end + 4) else { break };
        footer.copy_from_slice(&crc.to_le_bytes());
        at = end + 4;
    }
    file
}

fn compressed(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    use std::io::Write;
    let level = flate2::Compression::fast();
    let written = match encoding {
        Encoding::Plain => Ok(bytes.to_vec()),
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Encoding::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
    };
    written.unwrap_or_default()
}

/// Messages of `Example` and `SequenceExample`: what is read of one is what the library reads that decodes whole messages.
pub(crate) fn examples(record: &[u8]) {
    if let Some(features) = read_example(record) {
        assert_eq!(shown(Some(&features)), shown(decoded_example(record).as_ref()));
    }
    if let Some(sequence) = read_sequence(record) {
        let whole = SequenceExample::decode(record).ok().map(|whole| {
            let lists = whole.feature_lists.unwrap_or_default().feature_list;
            let lists = lists.into_iter().map(|(name, list)| (name, list.feature)).collect::<BTreeMap<_, _>>();
            (whole.context.unwrap_or_default().feature, lists)
        });
        // Not a number isn't equal to itself; its text is.
        assert_eq!(format!("{:?}", Some(sequence)), format!("{whole:?}"));
    }
    if is_message(record, MessageType::Example) {
        assert!(is_message(record, MessageType::SequenceExample) && read_example(record).is_some());
    }
    if is_message(record, MessageType::SequenceExample) {
        assert!(read_sequence(record).is_some());
    }
}

type FeatureMap = BTreeMap<String, Feature>;

/// What this crate's reader makes of a record that is taken for an `Example`.
pub(crate) fn read_example(record: &[u8]) -> Option<FeatureMap> {
    let mut features = BTreeMap::new();
    let result = read_record(record, MessageType::Example, |name, entry| {
        if let Entry::Feature(feature) = entry {
            features.insert(name.to_string(), decoded(&feature)?);
        }
        Ok::<(), WireError>(())
    });
    result.ok().map(|()| features)
}

/// What the library makes of it that decodes whole messages.
pub(crate) fn decoded_example(record: &[u8]) -> Option<FeatureMap> {
    Some(Example::decode(record).ok()?.features.unwrap_or_default().feature)
}

/// Not a number isn't equal to itself; its text is.
pub(crate) fn shown(features: Option<&FeatureMap>) -> String {
    format!("{features:?}")
}

fn read_sequence(record: &[u8]) -> Option<(FeatureMap, BTreeMap<String, Vec<Feature>>)> {
    let (mut context, mut lists) = (BTreeMap::new(), BTreeMap::new());
    let result = read_record(record, MessageType::SequenceExample, |name, entry| {
        match entry {
            Entry::Feature(feature) => {
                context.insert(name.to_string(), decoded(&feature)?);
            }
            Entry::List(list) => {
                let mut steps = Vec::new();
                list.each(|feature| {
                    steps.push(decoded(&feature)?);
                    Ok::<(), WireError>(())
                })?;
                lists.insert(name.to_string(), steps);
            }
        }
        Ok::<(), WireError>(())
    });
    result.ok().map(|()| (context, lists))
}

fn decoded(feature: &RawFeature<'_>) -> Result<Feature, WireError> {
    let (mut bytes, mut floats, mut integers) = (Vec::new(), Vec::new(), Vec::new());
    let values = match feature.kind() {
        None => None,
        Some(FeatureKind::Bytes) => {
            feature.each_bytes(|value| bytes.push(value.to_vec().into()))?;
            Some(Values::Bytes(BytesList { value: bytes }))
        }
        Some(FeatureKind::Float) => {
            feature.each_float(|value| floats.push(value))?;
            Some(Values::Float(FloatList { value: floats }))
        }
        Some(FeatureKind::Int64) => {
            feature.each_int64(|value| integers.push(value))?;
            Some(Values::Int64(Int64List { value: integers }))
        }
    };
    Ok(Feature { values })
}

/// `tf.train.SequenceExample`.
#[derive(Clone, PartialEq, Message)]
struct SequenceExample {
    #[prost(message, optional, tag = "1")]
    context: Option<Features>,
    #[prost(message, optional, tag = "2")]
    feature_lists: Option<FeatureLists>,
}

/// `tf.train.FeatureLists`.
#[derive(Clone, PartialEq, Message)]
struct FeatureLists {
    #[prost(btree_map = "string, message", tag = "1")]
    feature_list: BTreeMap<String, FeatureList>,
}

/// `tf.train.FeatureList`.
#[derive(Clone, PartialEq, Message)]
struct FeatureList {
    #[prost(message, repeated, tag = "1")]
    feature: Vec<Feature>,
}

/// Archives of samples. By the first byte the rest is the archive, or one whose checksums are put right.
pub(crate) fn archives(input: &[u8]) {
    let Some((kind, content)) = input.split_first() else { return };
    let archive = if kind % 2 == 0 { content.to_vec() } else { with_tar_checksums(content) };
    let read = |is_wanted: fn(&str) -> bool| {
        let mut samples = Vec::new();
        let end = each_sample(archive.as_slice(), is_wanted, |sample| {
            samples.push(sample);
            if samples.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        (samples, end.is_ok())
    };
    let (all, is_whole) = read(|_| true);
    let bytes: usize = all.iter().flat_map(|sample| &sample.members).map(|(_, content)| content.len()).sum();
    if !archive.starts_with(&[0x1f, 0x8b]) {
        assert!(bytes <= archive.len(), "{bytes} bytes of members in an archive of {}", archive.len());
    }
    assert!(all.iter().all(|sample| !sample.key.is_empty()), "a sample without a key");
    // What nobody wants isn't read, and so can't be cut short.
    let (keys, is_passed) = read(|_| false);
    assert!(!is_whole || is_passed);
    assert!(all.iter().zip(&keys).all(|(sample, key)| sample.key == key.key && key.members.is_empty()));
}

/// The bytes with the checksum of each header as it must be, as far as sizes lead.
fn with_tar_checksums(bytes: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let (mut archive, mut at) = (bytes.to_vec(), 0_usize);
    while let Some(block) =
        archive.get_mut(at..at.saturating_add(BLOCK)).and_then(|block| block.as_mut_array::<BLOCK>())
    {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let blocks = header.entry_size().unwrap_or(0).div_ceil(BLOCK as u64);
        let Some(next) = usize::try_from(blocks).ok().and_then(|blocks| blocks.checked_add(1)?.checked_mul(BLOCK))
        else {
            break;
        };
        at = at.saturating_add(next);
    }
    archive
}

/// What stands beside shards: a manifest, a list of rejects, and an index with a file, one behind the other with a zero byte between.
pub(crate) fn beside(input: &[u8]) {
    if let Ok(manifest) = Manifest::parse(input) {
        let text = serde_json::to_vec(&manifest).unwrap_or_default();
        assert!(Manifest::parse(&text).is_ok_and(|again| again == manifest), "another manifest when it is read again");
    }
    let rejects: Result<Vec<Reject>, _> = csv::Reader::from_reader(input).into_deserialize().collect();
    if let Ok(rejects) = rejects {
        assert!(count_rejects(input).is_ok_and(|count| count == rejects.len() as u64));
    }
    let place = input.iter().position(|byte| *byte == 0);
    let (index, file) = place.map_or((input, &input[..0]), |place| (&input[..place], &input[place + 1..]));
    let file = with_checksums(file);
    let bytes = file.len() as u64;
    for most_checked in [1, 1000] {
        let Ok(index) = Index::read(index, Cursor::new(&file), bytes, most_checked) else { continue };
        assert!(index.records() * OVERHEAD <= bytes, "more records than the file has room for");
        for record in [0, index.records() / 2, index.records().saturating_sub(1)] {
            let place = index.place(record);
            assert!(place.offset <= bytes && place.skip <= record);
        }
    }
}
