//! File formats, as far as sources and sinks share them.

pub mod manifest;
pub mod tfrecord;
