//! File formats, as far as sources and sinks share them.

pub(crate) mod kind;
pub(crate) mod looks;
pub mod manifest;
pub mod tfrecord;
pub(crate) mod webdataset;
