//! Tables in this process's memory on the wire: their rows travel with the plan.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamDecoder;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{Result, TableReference, internal_datafusion_err, internal_err, plan_err};
use indicatif::HumanBytes;
use pixmill_udfs::catch_panic;

use crate::source::stored::StoredTable;

/// The most bytes of a table that travel with each statement about it.
const MOST_BYTES: usize = 64 << 20;

/// The rows of a table that is in this process's memory.
pub(super) fn rows_in_memory(table: &dyn TableProvider) -> Option<&MemTable> {
    let stored = table.downcast_ref::<StoredTable>().map(StoredTable::rows);
    stored.or_else(|| table.downcast_ref::<MemTable>())
}

/// Appends the rows, partition by partition.
///
/// # Errors
/// A table that is too large, or is being written.
pub(super) fn encode(name: &TableReference, table: &MemTable, buf: &mut Vec<u8>) -> Result<()> {
    let mut partitions = Vec::with_capacity(table.batches.len());
    for partition in &table.batches {
        match partition.try_read() {
            Ok(batches) => partitions.push(batches.clone()),
            Err(_) => return plan_err!("table '{name}' is being written; run the statement when that is done"),
        }
    }
    let bytes: usize = partitions.iter().flatten().map(get_record_batch_memory_size).sum();
    if bytes > MOST_BYTES {
        return plan_err!(
            "table '{name}' has {} in this process's memory, and at most {} travel to the cluster with a statement; write it to files \
             with COPY, and read those: FROM 'directory/*.parquet'",
            HumanBytes(bytes as u64),
            HumanBytes(MOST_BYTES as u64)
        );
    }
    for batches in partitions {
        let mut writer = StreamWriter::try_new(Vec::new(), &table.schema())?;
        batches.iter().try_for_each(|batch| writer.write(batch))?;
        let stream = writer.into_inner()?;
        buf.extend((stream.len() as u64).to_le_bytes());
        buf.extend(stream);
    }
    Ok(())
}

/// The table of an encoding.
///
/// # Errors
/// Bytes that are none.
pub(super) fn decode(mut bytes: &[u8], schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
    let mut partitions = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let Some((stream, rest)) = rest.split_at_checked(u64::from_le_bytes(*length) as usize) else {
            return internal_err!("the rows of a table are cut off");
        };
        // Arrow's reader panics on some that are damaged.
        let batches = catch_panic(|| batches(stream));
        partitions
            .push(batches.map_err(|panic| internal_datafusion_err!("the rows of a table are damaged: {panic}"))??);
        bytes = rest;
    }
    Ok(Arc::new(MemTable::try_new(schema, partitions)?))
}

/// The batches of a stream. No more room is made than it has bytes, whatever lengths it claims.
pub(super) fn batches(stream: &[u8]) -> Result<Vec<RecordBatch>, ArrowError> {
    let (mut decoder, mut bytes, mut batches) = (StreamDecoder::new(), Buffer::from(stream), Vec::new());
    while let Some(batch) = decoder.decode(&mut bytes)? {
        batches.push(batch);
    }
    decoder.finish()?;
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(values: Vec<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values)) as ArrayRef)]).expect("a batch")
    }

    #[test]
    fn partitions_arrive_as_they_were() {
        let partitions = vec![vec![batch(vec![1, 2]), batch(vec![])], vec![], vec![batch(vec![3])]];
        let table = MemTable::try_new(batch(vec![]).schema(), partitions.clone()).expect("a table");
        let mut bytes = Vec::new();
        encode(&TableReference::bare("t"), &table, &mut bytes).expect("bytes");
        let decoded = decode(&bytes, table.schema()).expect("a table");
        let arrived = rows_in_memory(decoded.as_ref()).expect("rows");
        let arrived: Vec<_> = arrived.batches.iter().map(|rows| rows.try_read().expect("no writer").clone()).collect();
        assert_eq!(arrived, partitions);
        assert!(decode(&bytes[..bytes.len() - 1], table.schema()).is_err());
    }

    #[test]
    fn damaged_rows_are_refused_or_others_and_never_a_panic() {
        let table = MemTable::try_new(batch(vec![]).schema(), vec![vec![batch(vec![1, 2, 3])]]).expect("a table");
        let mut bytes = Vec::new();
        encode(&TableReference::bare("t"), &table, &mut bytes).expect("bytes");
        let mut refused = 0;
        for at in 8..bytes.len() {
            for change in [0x01, 0x40, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= change;
                refused += usize::from(decode(&damaged, table.schema()).is_err());
            }
        }
        assert!(refused > bytes.len(), "{refused} of {} damaged tables", 3 * bytes.len());
    }
}
