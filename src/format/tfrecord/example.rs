//! The messages of `tf.train.Example`.
//!
//! Specification: `tensorflow/core/example/{example,feature}.proto` of TensorFlow.

use std::collections::BTreeMap;

use prost::bytes::Bytes;

/// A record: features by name. A map with sorted keys, so that equal records are equal bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Example {
    /// The features.
    #[prost(message, optional, tag = "1")]
    pub features: Option<Features>,
}

/// Features by name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Features {
    /// The features.
    #[prost(btree_map = "string, message", tag = "1")]
    pub feature: BTreeMap<String, Feature>,
}

/// A list of values of one kind.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Feature {
    /// The values; none where the writer set none.
    #[prost(oneof = "Values", tags = "1, 2, 3")]
    pub values: Option<Values>,
}

/// The kinds of values.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Values {
    /// Strings of bytes.
    #[prost(message, tag = "1")]
    Bytes(BytesList),
    /// Single-precision numbers.
    #[prost(message, tag = "2")]
    Float(FloatList),
    /// Integers.
    #[prost(message, tag = "3")]
    Int64(Int64List),
}

/// Strings of bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BytesList {
    /// The values.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub value: Vec<Bytes>,
}

/// Single-precision numbers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FloatList {
    /// The values.
    #[prost(float, repeated, tag = "1")]
    pub value: Vec<f32>,
}

/// Integers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Int64List {
    /// The values.
    #[prost(int64, repeated, tag = "1")]
    pub value: Vec<i64>,
}
