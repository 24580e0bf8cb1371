//! Tables in this process's memory on the wire: their rows travel with the plan.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{Result, TableReference, internal_err, plan_err};
use indicatif::HumanBytes;

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
        let batches: Result<Vec<RecordBatch>, _> = StreamReader::try_new(Cursor::new(stream), None)?.collect();
        partitions.push(batches?);
        bytes = rest;
    }
    Ok(Arc::new(MemTable::try_new(schema, partitions)?))
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
}
