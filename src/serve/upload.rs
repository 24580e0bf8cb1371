//! Rows that clients send: parameters of statements, and rows to be ingested.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::{FlightError, Result as FlightResult};
use arrow_flight::sql::server::PeekableFlightDataStream;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::root_as_message;
use datafusion::common::ScalarValue;
use futures::{Stream, StreamExt, TryStreamExt};
use indicatif::HumanBytes;
use pixmill_udfs::catch_panic;
use tonic::Status;

use super::{UPLOAD_BYTES, failure};

/// Most bytes that a compressed message may claim to hold.
const MOST_UNPACKED: u64 = 4 * UPLOAD_BYTES as u64;

/// The batches of an upload.
pub(super) fn batches(upload: PeekableFlightDataStream) -> Batches {
    // The message with the command alone is no message of Arrow's.
    let messages = upload.try_filter(|data| std::future::ready(!data.data_header.is_empty()));
    Batches::of(messages.map_err(FlightError::from))
}

/// Batches as they come. Arrow's reader panics on some messages that are damaged, which ends them with an error.
pub(super) struct Batches {
    stream: FlightRecordBatchStream,
    has_ended: bool,
}

impl Batches {
    /// Those of some messages.
    pub(super) fn of(messages: impl Stream<Item = FlightResult<FlightData>> + Send + 'static) -> Self {
        let messages = messages.and_then(|message| std::future::ready(checked(message)));
        Self { stream: FlightRecordBatchStream::new_from_flight_data(messages), has_ended: false }
    }

    /// Their columns, once a message has told them.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        self.stream.schema()
    }
}

impl Stream for Batches {
    type Item = FlightResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        catch_panic(|| self.stream.poll_next_unpin(context)).unwrap_or_else(|panic| {
            self.has_ended = true;
            Poll::Ready(Some(Err(FlightError::DecodeError(format!("the message is damaged: {panic}")))))
        })
    }
}

/// Refuses a message whose compressed columns claim too many bytes: Arrow's reader makes room for them before it has any.
fn checked(message: FlightData) -> FlightResult<FlightData> {
    // Of what is no message the reader says so.
    let Ok(header) = root_as_message(&message.data_header) else { return Ok(message) };
    let batch = header.header_as_record_batch().or_else(|| header.header_as_dictionary_batch()?.data());
    let buffers = batch.filter(|batch| batch.compression().is_some()).and_then(|batch| batch.buffers());
    let claim = |offset: i64| {
        let body = message.data_body.get(usize::try_from(offset).ok()?..)?;
        u64::try_from(i64::from_le_bytes(*body.first_chunk()?)).ok()
    };
    let buffers = buffers.iter().flatten().filter(|buffer| buffer.length() > 0);
    let claims = buffers.filter_map(|buffer| claim(buffer.offset()));
    match claims.fold(0, u64::saturating_add) {
        bytes if bytes > MOST_UNPACKED => Err(FlightError::DecodeError(format!(
            "a message unpacks to {bytes} bytes, and at most {MOST_UNPACKED} are taken: send fewer rows at a time"
        ))),
        _ => Ok(message),
    }
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

pub(super) fn add(batch: &RecordBatch, rows: &mut Vec<Vec<ScalarValue>>) -> Result<(), Status> {
    for row in 0..batch.num_rows() {
        let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, row));
        rows.push(values.collect::<Result<_, _>>().map_err(|error| failure::status(&error.into()))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_flight::encode::FlightDataEncoderBuilder;
    use arrow_flight::utils::batches_to_flight_data;
    use datafusion::arrow::array::{ArrayRef, ListArray, StringArray};
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::arrow::ipc::CompressionType;
    use datafusion::arrow::ipc::writer::IpcWriteOptions;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn a_damaged_message_is_an_error_or_other_rows_and_never_a_panic() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)]), None]);
        let columns: [(&str, ArrayRef); 2] =
            [("l", Arc::new(lists)), ("s", Arc::new(StringArray::from(vec!["a", "b"])))];
        let batch = RecordBatch::try_from_iter(columns).expect("rows");
        let messages = batches_to_flight_data(&batch.schema(), vec![batch]).expect("messages");
        let (mut refused, mut all) = (0, 0);
        for number in 0..messages.len() {
            for at in 0..messages[number].data_header.len() {
                for change in [0x01, 0x40, 0xff] {
                    let mut damaged = messages.clone();
                    let mut header = damaged[number].data_header.to_vec();
                    header[at] ^= change;
                    damaged[number].data_header = header.into();
                    let stream = Batches::of(futures::stream::iter(damaged.into_iter().map(Ok)));
                    let end: Result<Vec<RecordBatch>, _> = block_on(stream.try_collect());
                    (refused, all) = (refused + usize::from(end.map_err(unreadable).is_err()), all + 1);
                }
            }
        }
        assert!(refused > all / 10, "{refused} of {all}");
    }

    #[test]
    fn a_claim_of_a_compressed_column_makes_no_room() {
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).expect("options");
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["daisy"; 1000]));
        let batch = RecordBatch::try_from_iter([("s", texts)]).expect("rows");
        let sent = FlightDataEncoderBuilder::new().with_options(options).build(futures::stream::iter([Ok(batch)]));
        let sent: Vec<FlightData> = block_on(sent.try_collect()).expect("messages");
        let read = |messages: Vec<FlightData>| -> Result<Vec<RecordBatch>, Status> {
            block_on(Batches::of(futures::stream::iter(messages.into_iter().map(Ok))).try_collect()).map_err(unreadable)
        };
        assert_eq!(read(sent.clone()).expect("rows").iter().map(RecordBatch::num_rows).sum::<usize>(), 1000);
        let mut claiming = sent;
        let body = &mut claiming.last_mut().expect("a batch").data_body;
        let mut bytes = body.to_vec();
        bytes[..8].copy_from_slice(&(1_i64 << 40).to_le_bytes());
        *body = bytes.into();
        let message = read(claiming).expect_err("too much").message().to_string();
        assert!(message.contains("a message unpacks to 10995"), "{message}");
    }
}
