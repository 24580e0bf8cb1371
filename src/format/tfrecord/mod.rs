//! TFRecord files and the messages in them.

mod example;
mod framing;
pub(crate) mod index;
mod input;
mod wire;

pub use example::{BytesList, Example, Feature, Features, FloatList, Int64List, Values};
pub use framing::{FramingError, OVERHEAD, RecordInput, RecordReader, masked_crc32c};
pub use input::{Encoding, RecordFile};
pub use wire::FeatureKind;

pub(crate) use framing::append_record;
pub(crate) use index::{Index, RecordOffset, is_beside_data, is_index};
pub(crate) use wire::{Entry, MessageType, RawFeature, RawList, WireError, is_message, read_record};
