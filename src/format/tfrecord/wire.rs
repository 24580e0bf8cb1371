//! The messages of `tf.train.Example` and `SequenceExample`, read in place: what isn't asked for is stepped over.
//!
//! Specification: `tensorflow/core/example/{example,feature}.proto` of TensorFlow and the Protocol Buffers encoding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireError(&'static str);

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

type Result<T> = std::result::Result<T, WireError>;

/// How deep groups, which these messages don't have, may nest.
const DEEPEST: usize = 100;

/// A field's value, by its wire type.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    Group,
}

/// The fields of a message, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u32, Value<'a>)>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.key()?;
        let value = self.value(number, wire_type, 0)?;
        Ok(Some((number, value)))
    }

    fn key(&mut self) -> Result<(u32, u8)> {
        let key = self.varint()?;
        let key = u32::try_from(key).ok().ok_or(WireError("a field's number is too large"))?;
        match key >> 3 {
            0 => Err(WireError("a field has the number 0")),
            number => Ok((number, (key & 7) as u8)),
        }
    }

    fn value(&mut self, number: u32, wire_type: u8, depth: usize) -> Result<Value<'a>> {
        Ok(match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).ok().ok_or(WireError("a field is longer than the record"))?;
                Value::Bytes(self.take(length)?)
            }
            3 => {
                self.group(number, depth)?;
                Value::Group
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Fixed32(bytes.first_chunk().copied().unwrap_or_default())
            }
            _ => return Err(WireError("a field has an unknown wire type")),
        })
    }

    /// Steps over a group up to its end.
    fn group(&mut self, start: u32, depth: usize) -> Result<()> {
        if depth == DEEPEST {
            return Err(WireError("groups are nested too deep"));
        }
        loop {
            match self.key()? {
                (number, 4) if number == start => return Ok(()),
                (_, 4) => return Err(WireError("a group ends that hasn't begun")),
                (number, wire_type) => {
                    self.value(number, wire_type, depth + 1)?;
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.bytes.split_at_checked(length).ok_or(WireError("a field is longer than the record"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for (index, byte) in self.bytes.iter().enumerate().take(10) {
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[index + 1..];
                return Ok(value);
            }
        }
        Err(WireError(if self.bytes.len() < 10 {
            "the record ends inside a number"
        } else {
            "a number has over 64 bits"
        }))
    }
}

fn message(value: Value<'_>) -> Result<&[u8]> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(WireError("a field has another wire type than its message says")),
    }
}

/// The kinds of values that a feature can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FeatureKind {
    /// Strings of bytes.
    Bytes,
    /// Single-precision numbers.
    Float,
    /// Integers.
    Int64,
}

impl FeatureKind {
    /// TensorFlow's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes_list",
            Self::Float => "float_list",
            Self::Int64 => "int64_list",
        }
    }
}

/// A feature: its kind and its values, still encoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawFeature<'a> {
    kind: Option<FeatureKind>,
    /// The message of the values.
    list: &'a [u8],
    /// Its further parts: a message that is written twice is one.
    more: Vec<&'a [u8]>,
}

impl<'a> RawFeature<'a> {
    /// The kind; `None` where the writer set none, which is as good as no feature.
    pub(crate) fn kind(&self) -> Option<FeatureKind> {
        self.kind
    }

    /// Adds what a `Feature` message says: of several kinds the last counts, several lists of one kind are one.
    fn merge(&mut self, feature: &'a [u8]) -> Result<()> {
        let mut fields = Fields { bytes: feature };
        while let Some((number, value)) = fields.next()? {
            let kind = match number {
                1 => FeatureKind::Bytes,
                2 => FeatureKind::Float,
                3 => FeatureKind::Int64,
                _ => continue,
            };
            let list = message(value)?;
            if self.kind == Some(kind) {
                self.more.push(list);
            } else {
                // What is replaced must be sound, too: a decoder of whole messages reads it.
                self.count()?;
                *self = Self { kind: Some(kind), list, more: Vec::new() };
            }
        }
        Ok(())
    }

    fn each(&self, mut value: impl FnMut(Value<'a>) -> Result<()>) -> Result<()> {
        for list in std::iter::once(&self.list).chain(&self.more) {
            let mut fields = Fields { bytes: list };
            while let Some((number, field)) = fields.next()? {
                if number == 1 {
                    value(field)?;
                }
            }
        }
        Ok(())
    }

    /// Calls `value` for each string of bytes.
    pub(crate) fn each_bytes(&self, mut value: impl FnMut(&'a [u8])) -> Result<()> {
        self.each(|field| {
            value(message(field)?);
            Ok(())
        })
    }

    /// Calls `value` for each number of a float list, packed or not.
    pub(crate) fn each_float(&self, mut value: impl FnMut(f32)) -> Result<()> {
        self.each(|field| {
            if let Value::Fixed32(bytes) = field {
                value(f32::from_le_bytes(bytes));
                return Ok(());
            }
            let (numbers, rest) = message(field)?.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(WireError("a float list ends inside a number"));
            }
            numbers.iter().for_each(|bytes| value(f32::from_le_bytes(*bytes)));
            Ok(())
        })
    }

    /// Calls `value` for each integer, packed or not.
    pub(crate) fn each_int64(&self, mut value: impl FnMut(i64)) -> Result<()> {
        self.each(|field| {
            if let Value::Varint(number) = field {
                value(number.cast_signed());
                return Ok(());
            }
            let mut numbers = Fields { bytes: message(field)? };
            while !numbers.bytes.is_empty() {
                value(numbers.varint()?.cast_signed());
            }
            Ok(())
        })
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> Result<usize> {
        let mut count = 0;
        match self.kind {
            None => {}
            Some(FeatureKind::Bytes) => self.each_bytes(|_| count += 1)?,
            Some(FeatureKind::Float) => self.each_float(|_| count += 1)?,
            Some(FeatureKind::Int64) => self.each_int64(|_| count += 1)?,
        }
        Ok(count)
    }
}

/// Which message a record is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageType {
    /// `tf.train.Example`.
    Example,
    /// `tf.train.SequenceExample`.
    SequenceExample,
}

/// What a record holds under one name.
pub(crate) enum Entry<'a> {
    /// A feature of an example, or of a sequence's context.
    Feature(RawFeature<'a>),
    /// A feature list of a sequence: one feature for each step.
    List(RawList<'a>),
}

/// A feature list, still encoded: its parts, of which there is one but for odd writers.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawList<'a>(Vec<&'a [u8]>);

impl<'a> RawList<'a> {
    /// Calls `step` for each step's feature.
    pub(crate) fn each<E: From<WireError>>(
        &self,
        mut step: impl FnMut(RawFeature<'a>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        for bytes in &self.0 {
            let mut fields = Fields { bytes };
            while let Some((number, value)) = fields.next()? {
                if number == 1 {
                    let mut feature = RawFeature::default();
                    feature.merge(message(value)?)?;
                    step(feature)?;
                }
            }
        }
        Ok(())
    }
}

/// Calls `entry` for each entry of a record, in its order: of several of one name the last counts.
///
/// # Errors
/// A record that is no such message, or what `entry` says.
pub(crate) fn read_record<'a, E: From<WireError>>(
    record: &'a [u8],
    message_type: MessageType,
    mut entry: impl FnMut(&'a str, Entry<'a>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut fields = Fields { bytes: record };
    while let Some((number, value)) = fields.next()? {
        let is_lists = match (message_type, number) {
            (_, 1) => false,
            (MessageType::SequenceExample, 2) => true,
            _ => continue,
        };
        let mut entries = Fields { bytes: message(value)? };
        while let Some((number, value)) = entries.next()? {
            if number != 1 {
                continue;
            }
            let (name, read) = map_entry(message(value)?, is_lists)?;
            entry(name, read)?;
        }
    }
    Ok(())
}

/// The name and the value of a map's entry.
fn map_entry(bytes: &[u8], is_list: bool) -> Result<(&str, Entry<'_>)> {
    let mut fields = Fields { bytes };
    let (mut name, mut feature, mut list) = ("", RawFeature::default(), RawList::default());
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => {
                let text = std::str::from_utf8(message(value)?).ok();
                name = text.ok_or(WireError("a feature's name is not UTF-8"))?;
            }
            2 if is_list => list.0.push(message(value)?),
            2 => feature.merge(message(value)?)?,
            _ => {}
        }
    }
    Ok((name, if is_list { Entry::List(list) } else { Entry::Feature(feature) }))
}

/// Whether a record is such a message and nothing but it: every field known, every value whole.
pub(crate) fn is_message(record: &[u8], message_type: MessageType) -> bool {
    let has_only = |bytes: &[u8], most: u32| -> Result<bool> {
        let mut fields = Fields { bytes };
        while let Some((number, value)) = fields.next()? {
            if number > most || !matches!(value, Value::Bytes(_)) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let most = match message_type {
        MessageType::Example => 1,
        MessageType::SequenceExample => 2,
    };
    let is_sound = |feature: RawFeature<'_>| feature.count().map(|_| ());
    let read = read_record(record, message_type, |_, entry| match entry {
        Entry::Feature(feature) => is_sound(feature),
        Entry::List(list) => list.each(is_sound),
    });
    has_only(record, most) == Ok(true) && read.is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::format::fuzz::{decoded_example as expected, read_example as read, shown};
    use crate::format::tfrecord::{BytesList, Example, Feature, Features, FloatList, Int64List, Values};

    /// Examples of all kinds, the empty ones among them.
    fn examples() -> impl Strategy<Value = Example> {
        let values = prop_oneof![
            prop::collection::vec(any::<i64>(), 0..4).prop_map(|value| Some(Values::Int64(Int64List { value }))),
            prop::collection::vec(-1e9_f32..1e9, 0..4).prop_map(|value| Some(Values::Float(FloatList { value }))),
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..4).prop_map(|value| {
                let value = value.into_iter().map(Into::into).collect();
                Some(Values::Bytes(BytesList { value }))
            }),
            Just(None),
        ];
        let feature = values.prop_map(|values| Feature { values });
        let features = prop::collection::btree_map("[a-c]{0,2}", feature, 0..5);
        features.prop_map(|feature| Example { features: Some(Features { feature }) })
    }

    /// Values that are packed by one writer and not by the other, as old writers did.
    fn unpacked(numbers: &[i64]) -> Vec<u8> {
        let mut list = Vec::new();
        for number in numbers {
            list.push(8);
            prost::encoding::encode_varint(number.cast_unsigned(), &mut list);
        }
        nested(&[(3, list)])
    }

    /// A message of length-delimited fields.
    fn nested(fields: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, value) in fields {
            prost::encoding::encode_varint(u64::from(number << 3 | 2), &mut bytes);
            prost::encoding::encode_varint(value.len() as u64, &mut bytes);
            bytes.extend(value);
        }
        bytes
    }

    fn example(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let entries =
            entries.iter().map(|(name, feature)| (1, nested(&[(1, name.as_bytes().to_vec()), (2, feature.clone())])));
        nested(&[(1, nested(&entries.collect::<Vec<_>>()))])
    }

    #[test]
    fn lists_may_be_packed_or_not_and_in_several_parts() {
        let parts = [unpacked(&[1, -2]), unpacked(&[3])].concat();
        let record = example(&[("a", parts)]);
        let feature = Feature { values: Some(Values::Int64(Int64List { value: vec![1, -2, 3] })) };
        assert_eq!(read(&record), Some(BTreeMap::from([("a".to_string(), feature)])));
        assert_eq!(read(&record), expected(&record));
    }

    #[test]
    fn of_two_entries_of_one_name_the_last_counts() {
        let record = example(&[("a", unpacked(&[1])), ("b", unpacked(&[5])), ("a", unpacked(&[2, 3]))]);
        assert_eq!(read(&record), expected(&record));
        let of_two_kinds = example(&[("a", [unpacked(&[1]), nested(&[(1, nested(&[(1, b"x".to_vec())]))])].concat())]);
        assert_eq!(read(&of_two_kinds), expected(&of_two_kinds));
    }

    #[test]
    fn a_list_that_one_of_another_kind_replaces_must_be_sound() {
        let broken = nested(&[(1, vec![0x6e])]);
        let record = example(&[("a", [broken, unpacked(&[1])].concat())]);
        assert_eq!((read(&record), expected(&record)), (None, None));
        assert!(!is_message(&record, MessageType::Example));
    }

    #[test]
    fn a_name_is_text_wherever_it_stands() {
        let entry = nested(&[(1, vec![0x80]), (1, b"a".to_vec())]);
        let record = nested(&[(1, nested(&[(1, entry)]))]);
        assert_eq!((read(&record), expected(&record)), (None, None));
    }

    #[test]
    fn a_feature_list_in_two_parts_is_one() {
        let part = |number: i64| nested(&[(1, unpacked(&[number]))]);
        let entry = nested(&[(1, b"steps".to_vec()), (2, part(1)), (2, part(2))]);
        let record = nested(&[(2, nested(&[(1, entry)]))]);
        let mut steps = Vec::new();
        let result = read_record(&record, MessageType::SequenceExample, |_, entry| match entry {
            Entry::List(list) => list.each(|step| step.each_int64(|value| steps.push(value))),
            Entry::Feature(_) => Err(WireError("a feature")),
        });
        assert_eq!((result, steps), (Ok(()), vec![1, 2]));
    }

    #[test]
    fn a_record_is_told_by_its_shape() {
        let record = example(&[("a", unpacked(&[1]))]);
        assert!(is_message(&record, MessageType::Example) && is_message(&record, MessageType::SequenceExample));
        let lists = nested(&[(1, nested(&[(1, b"steps".to_vec()), (2, nested(&[(1, unpacked(&[1]))]))]))]);
        let sequence = [record, nested(&[(2, lists)])].concat();
        assert!(!is_message(&sequence, MessageType::Example) && is_message(&sequence, MessageType::SequenceExample));
        assert!(!is_message(b"text", MessageType::Example));
    }

    proptest! {
        #[test]
        fn records_are_read_as_the_whole_message_is_decoded(example in examples()) {
            let record = example.encode_to_vec();
            prop_assert_eq!(shown(read(&record).as_ref()), shown(expected(&record).as_ref()));
            prop_assert!(is_message(&record, MessageType::Example));
        }

        /// What is read of a damaged record is what the library reads. It takes some fields that have a wrong wire type; those
        /// are refused here.
        #[test]
        fn damaged_records_are_read_alike_or_refused(
            example in examples(),
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut record = example.encode_to_vec();
            if record.is_empty() {
                return Ok(());
            }
            for (at, byte) in damages {
                let at = at.index(record.len());
                record[at] = byte;
            }
            for record in [&record[..], &record[..cut.index(record.len())]] {
                if let Some(features) = read(record) {
                    prop_assert_eq!(shown(Some(&features)), shown(expected(record).as_ref()), "{:02x?}", record);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_alike_or_refused(record in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(features) = read(&record) {
                prop_assert_eq!(shown(Some(&features)), shown(expected(&record).as_ref()));
            }
            let _ = is_message(&record, MessageType::SequenceExample);
        }
    }
}
