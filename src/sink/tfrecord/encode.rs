//! Rows to framed records of `tf.train.Example`.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use prost::Message;

use super::features::FeatureColumn;
use crate::format::tfrecord::{Example, Features, append_record};
use crate::sink::Target;
use crate::sink::encode::{Encoder, Place, Rejection};

/// Writes each row as a record.
pub(crate) struct TfRecordEncoder;

impl Encoder for TfRecordEncoder {
    type Rows = Vec<FeatureColumn>;

    fn start(_: &Target) -> Result<Self> {
        Ok(Self)
    }

    fn prepare(target: &Target, batch: &RecordBatch, _: Place) -> Result<Self::Rows> {
        target.check_classes(batch)?;
        let schema = batch.schema();
        let column = |index: usize| FeatureColumn::try_new(schema.field(index), batch.column(index));
        target.feature_columns().map(column).collect()
    }

    fn rejection(rows: &Self::Rows, row: usize) -> Option<Rejection> {
        rows.iter().find(|column| column.is_rejected(row)).map(|column| Rejection::null_image(column.name()))
    }

    fn append(&mut self, rows: &Self::Rows, row: usize, _: usize, out: &mut Vec<u8>) -> Result<()> {
        let feature = rows.iter().filter_map(|column| column.feature(row)).collect();
        let example = Example { features: Some(Features { feature }) };
        append_record(out, |out| {
            // Encoding into a vector can't run out of room, which is its only error.
            let _ = example.encode(out);
        });
        Ok(())
    }
}
