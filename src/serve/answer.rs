//! Rows on their way to a client: plain columns, in messages of a moderate size.

use std::sync::Arc;

use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use datafusion::arrow::array::{Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use tonic::{Response, Status};

use super::failure;
use super::statements::Underway;

/// Most bytes of rows in a message, unless a single row has more: clients bound what they take, many by 4 MiB.
pub(super) const MESSAGE_BYTES: usize = 2 << 20;

/// What clients are answered with.
pub(super) type RowStream = Response<BoxStream<'static, Result<FlightData, Status>>>;

/// The columns as clients are sent them: no dictionaries and no views, which not every client knows.
pub(super) fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Rows that are there.
pub(super) fn of_batches(schema: &SchemaRef, batches: Vec<RecordBatch>) -> RowStream {
    stream(plain_schema(schema), futures::stream::iter(batches.into_iter().map(Ok)))
}

/// Rows as a statement gives them. What isn't fetched is not computed.
pub(super) fn of_statement(promised: &Schema, underway: Underway) -> RowStream {
    let schema = promise(promised, &underway.running().schema());
    let batches = futures::stream::unfold(Some(underway), async |underway| {
        let mut underway = underway?;
        match underway.next().await? {
            Ok(batch) => Some((Ok(batch), Some(underway))),
            Err(status) => Some((Err(status), None)),
        }
    });
    stream(schema, batches)
}

fn stream(schema: SchemaRef, batches: impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static) -> RowStream {
    let promised = Arc::clone(&schema);
    let parts = batches
        .map(move |batch| parts(&promised, batch?))
        .map_ok(|parts| futures::stream::iter(parts.into_iter().map(Ok::<_, Status>)));
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema);
    // Cut already, by what rows hold; the encoder would count shared buffers for each part.
    let encoded = encoder.with_max_flight_data_size(usize::MAX).build(parts.try_flatten().map_err(FlightError::from));
    Response::new(encoded.map_err(Status::from).boxed())
}

/// The columns that were promised where they only differ in what may be NULL: clients compare.
fn promise(promised: &Schema, actual: &Schema) -> SchemaRef {
    let (promised, actual) = (plain_schema(promised), plain_schema(actual));
    let types =
        |schema: &Schema| -> Vec<DataType> { schema.fields().iter().map(|field| field.data_type().clone()).collect() };
    if types(&promised) == types(&actual) { promised } else { actual }
}

/// A batch as it was promised, in parts for one message each.
fn parts(promised: &SchemaRef, batch: RecordBatch) -> Result<Vec<RecordBatch>, Status> {
    let columns = batch.columns().iter().zip(promised.fields());
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    });
    let made = columns.collect::<Result<Vec<_>, ArrowError>>().and_then(|columns| {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(promised), columns, &options)?;
        let mut parts = Vec::new();
        cut(batch, &mut parts)?;
        Ok(parts)
    });
    made.map_err(failure::internal)
}

/// Cuts a batch in halves until each has few enough bytes, or is one row.
fn cut(batch: RecordBatch, parts: &mut Vec<RecordBatch>) -> Result<(), ArrowError> {
    let rows = batch.num_rows();
    if rows <= 1 || bytes(&batch)? <= MESSAGE_BYTES {
        parts.push(batch);
        return Ok(());
    }
    cut(batch.slice(0, rows / 2), parts)?;
    cut(batch.slice(rows / 2, rows - rows / 2), parts)
}

/// Bytes of the rows themselves, of buffers that they may share with others.
fn bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}

fn plain_field(field: &FieldRef) -> FieldRef {
    match plain(field.data_type()) {
        Some(plain) => Arc::new(Field::clone(field).with_data_type(plain)),
        None => Arc::clone(field),
    }
}

/// The plain type in place of another; none for one that is plain.
fn plain(data_type: &DataType) -> Option<DataType> {
    let changed = match data_type {
        DataType::Dictionary(_, values) => plain(values).unwrap_or_else(|| values.as_ref().clone()),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()).unwrap_or_else(|| values.data_type().clone()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) | DataType::ListView(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(plain_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(plain_field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(entries, is_sorted) => DataType::Map(plain_field(entries), *is_sorted),
        _ => return None,
    };
    (changed != *data_type).then_some(changed)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, BinaryArray, StringViewArray};

    use super::*;

    fn of_column(name: &str, column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter([(name, column)]).unwrap()
    }

    #[test]
    fn rows_are_cut_by_what_they_hold_and_a_large_one_goes_alone() {
        let sizes = [1 << 20, 1 << 20, 5 << 20, 10, 10, 3 << 20, 100, 100];
        let images: Vec<Vec<u8>> = sizes.iter().map(|size| vec![7; *size]).collect();
        let batch = of_column("image", Arc::new(BinaryArray::from_iter_values(&images)));
        let parts = parts(&batch.schema(), batch.clone()).unwrap();
        assert!(parts.iter().all(|part| part.num_rows() == 1 || bytes(part).unwrap() <= MESSAGE_BYTES));
        let rows: Vec<usize> = parts.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(rows, [1, 1, 1, 1, 1, 1, 2]);
        assert_eq!(datafusion::arrow::compute::concat_batches(&batch.schema(), &parts).unwrap(), batch);
    }

    #[test]
    fn dictionaries_and_views_become_plain() {
        let text = Field::new("t", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View)), true);
        let nested = Field::new("n", DataType::Struct(vec![text.clone()].into()), true);
        let list = Field::new("l", DataType::new_list(DataType::BinaryView, true), true);
        let number = Field::new("i", DataType::Int32, false);
        let plain = plain_schema(&Schema::new(vec![text, nested, list, number]));
        let types: Vec<String> = plain.fields().iter().map(|field| field.data_type().to_string()).collect();
        assert_eq!(types, ["Utf8", "Struct(\"t\": Utf8)", "List(Binary)", "Int32"]);
    }

    #[test]
    fn rows_have_the_columns_that_were_promised() {
        let batch = of_column("t", Arc::new(StringViewArray::from(vec!["a", "b"])));
        let parts = parts(&plain_schema(&batch.schema()), batch).unwrap();
        assert_eq!(parts[0].column(0).data_type(), &DataType::Utf8);
    }
}
