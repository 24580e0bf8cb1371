//! Rows that clients send: parameters of statements, and rows to be ingested.

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::PeekableFlightDataStream;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use futures::{StreamExt, TryStreamExt};
use indicatif::HumanBytes;
use tonic::Status;

use super::{UPLOAD_BYTES, failure};

/// The batches of an upload.
pub(super) fn batches(upload: PeekableFlightDataStream) -> FlightRecordBatchStream {
    // The message with the command alone is no message of Arrow's.
    let messages = upload.try_filter(|data| std::future::ready(!data.data_header.is_empty()));
    FlightRecordBatchStream::new_from_flight_data(messages.map_err(FlightError::from))
}

/// The parameters of an upload, a row for each time that the statement shall run; none where nothing was sent.
///
/// # Errors
/// What can't be read, or is too much.
pub(super) async fn rows(upload: PeekableFlightDataStream) -> Result<Vec<Vec<ScalarValue>>, Status> {
    let mut batches = batches(upload);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(unreadable)?;
        bytes += batch.get_array_memory_size();
        if bytes > UPLOAD_BYTES {
            return Err(Status::resource_exhausted(format!(
                "the parameters of a statement are more than {}: send fewer rows at a time, or ingest them as a table",
                HumanBytes(UPLOAD_BYTES as u64)
            )));
        }
        if batch.num_columns() > 0 {
            add(&batch, &mut rows)?;
        }
    }
    Ok(rows)
}

/// What a client has sent wrongly.
pub(super) fn unreadable(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        FlightError::Arrow(error) => failure::malformed(&error),
        other => Status::invalid_argument(format!("what was sent can't be read: {other}")),
    }
}

fn add(batch: &RecordBatch, rows: &mut Vec<Vec<ScalarValue>>) -> Result<(), Status> {
    for row in 0..batch.num_rows() {
        let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, row));
        rows.push(values.collect::<Result<_, _>>().map_err(|error| failure::status(&error.into()))?);
    }
    Ok(())
}
