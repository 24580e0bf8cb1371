//! Where rows go. Sinks know no source.

pub mod tfrecord;
