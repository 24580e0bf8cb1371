//! The rows of `speed_test`: what was measured, of what, where and when.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::Result;

use super::Settings;
use super::cache::CacheState;
use super::item::{Item, SourceFormat};
use super::machine::Machine;

/// What a repetition has read, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) images: u64,
    /// Images that can't be decoded.
    pub(super) rejected: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) first_batch_seconds: f64,
    /// Bytes that the system had to fetch from a disk, where it tells.
    pub(super) disk_bytes: Option<u64>,
    pub(super) cache: Option<CacheState>,
}

/// A repetition.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) settings: &'a Settings,
    pub(super) item: &'a Item,
    pub(super) machine: &'a Machine,
    pub(super) repetition: u64,
    pub(super) started_at: DateTime<Utc>,
    pub(super) measured: Option<Measured>,
    pub(super) note: Option<String>,
    pub(super) error: Option<String>,
}

/// The columns. All may be NULL, so that results of several versions are one table.
pub(crate) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let integer = |name: &str| Field::new(name, DataType::Int64, true);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("source"),
        integer("batch_size"),
        integer("batch_number"),
        integer("repetition"),
        integer("images"),
        integer("bytes"),
        number("seconds"),
        number("images_per_second"),
        number("mb_per_second"),
        number("first_batch_seconds"),
        text("host"),
        text("executor"),
        integer("vcores"),
        Field::new("started_at", time, true),
        text("cache"),
        text("version"),
        text("run"),
        text("format"),
        integer("rejected"),
        integer("disk_bytes"),
        Field::new("decode", DataType::Boolean, true),
        integer("width"),
        integer("height"),
        integer("concurrent"),
        integer("dataset_images"),
        integer("dataset_bytes"),
        text("machine"),
        text("note"),
        text("error"),
    ]))
}

impl Row<'_> {
    /// The row as a batch of all columns.
    pub(super) fn to_batch(&self) -> Result<RecordBatch> {
        let Self { settings, item, machine, measured, .. } = self;
        let text = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let integer = |number: Option<u64>| -> ArrayRef {
            Arc::new(Int64Array::from(vec![number.and_then(|number| i64::try_from(number).ok())]))
        };
        let number = |number: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![number])) };
        // A rate of nothing is none: no image may have been read, and a clock may stand still.
        let rate = |amount: f64, measured: &Measured| (measured.seconds > 0.0).then(|| amount / measured.seconds);
        let is_resized = settings.decode && item.format == SourceFormat::Images;
        let started_at = TimestampMicrosecondArray::from(vec![self.started_at.timestamp_micros()]);
        let columns: Vec<ArrayRef> = vec![
            text(Some(&item.source)),
            integer(Some(item.batch_size)),
            integer(Some(item.batch_number)),
            integer(Some(self.repetition)),
            integer(measured.map(|measured| measured.images)),
            integer(measured.map(|measured| measured.bytes)),
            number(measured.map(|measured| measured.seconds)),
            number(measured.and_then(|measured| rate(measured.images as f64, &measured))),
            number(measured.and_then(|measured| rate(measured.bytes as f64 / 1e6, &measured))),
            number(measured.map(|measured| measured.first_batch_seconds)),
            text(Some(&machine.host)),
            text(Some(&machine.executor)),
            integer(Some(machine.vcores as u64)),
            Arc::new(started_at.with_timezone("UTC")),
            text(measured.and_then(|measured| measured.cache).map(CacheState::name)),
            text(Some(env!("CARGO_PKG_VERSION"))),
            text(Some(&settings.run)),
            text(Some(item.format.name())),
            integer(measured.map(|measured| measured.rejected)),
            integer(measured.and_then(|measured| measured.disk_bytes)),
            Arc::new(BooleanArray::from(vec![settings.decode])),
            integer(is_resized.then_some(settings.width.into())),
            integer(is_resized.then_some(settings.height.into())),
            integer(Some(settings.concurrent as u64)),
            integer(item.dataset_images),
            integer(Some(item.dataset_bytes)),
            text(Some(&machine.description)),
            text(self.note.as_deref()),
            text(self.error.as_deref()),
        ];
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}
