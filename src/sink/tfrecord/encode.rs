//! Rows to framed records of `tf.train.Example`.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use prost::Message;

use super::features::FeatureColumn;
use super::options::is_tfds;
use crate::format::tfrecord::{Example, Features, append_record};
use crate::sink::Target;
use crate::sink::encode::{Encoder, FirstRow, Rejection, WriteClass};

/// Writes each row as a record.
pub(crate) struct TfRecordEncoder;

/// A batch as columns of features.
pub(crate) struct Records {
    columns: Vec<FeatureColumn>,
    /// Whether the reader wants a value of every scalar: TensorFlow Datasets does.
    wants_all: bool,
}

impl Encoder for TfRecordEncoder {
    type Rows = Records;

    fn start(_: &Target) -> Result<Self> {
        Ok(Self)
    }

    fn prepare(target: &Target, batch: &RecordBatch, _: FirstRow) -> Result<Records> {
        target.check_classes(batch)?;
        let schema = batch.schema();
        let column = |index: usize| FeatureColumn::try_new(schema.field(index), batch.column(index));
        let columns: Result<_> = target.feature_columns().map(column).collect();
        Ok(Records { columns: columns?, wants_all: is_tfds(&target.options) })
    }

    fn rejection(records: &Records, row: usize) -> Option<Rejection> {
        if let Some(column) = records.columns.iter().find(|column| column.is_rejected(row)) {
            return Some(Rejection::null_image(column.name()));
        }
        let mut columns = records.columns.iter().filter(|_| records.wants_all);
        let missing = columns.find(|column| column.is_missing(row))?;
        let reason = format!("column '{}' is NULL, which TensorFlow Datasets has no place for", missing.name());
        Some(Rejection { class: WriteClass::NullValue, reason, is_image: false, key: None })
    }

    fn append(&mut self, records: &Records, row: usize, _: usize, out: &mut Vec<u8>) -> Result<()> {
        let feature = records.columns.iter().filter_map(|column| column.feature(row)).collect();
        let example = Example { features: Some(Features { feature }) };
        append_record(out, |out| {
            // Encoding into a vector can't run out of room, which is its only error.
            let _ = example.encode(out);
        });
        Ok(())
    }
}
