//! TFRecord files and the messages in them.

mod example;
mod framing;

pub use example::{BytesList, Example, Feature, Features, FloatList, Int64List, Values};
pub use framing::{FramingError, OVERHEAD, RecordReader, masked_crc32c};

pub(crate) use framing::append_record;
