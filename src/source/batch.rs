//! Batches bounded by what their images take when decoded.

use datafusion::arrow::array::{Array, BinaryArray, RecordBatch};

/// Slices a batch so that the images of each part, decoded, take `most` bytes, or are one row's.
pub(super) fn cut_by_decoded_size(batch: &RecordBatch, contents: &[&BinaryArray], most: usize) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for row in 0..batch.num_rows() {
        let present = contents.iter().filter(|content| content.is_valid(row));
        let decoded: usize = present.map(|content| pixmill_udfs::decoded_bytes(content.value(row))).sum();
        if row > start && bytes.saturating_add(decoded) > most {
            batches.push(batch.slice(start, row - start));
            (start, bytes) = (row, 0);
        }
        bytes = bytes.saturating_add(decoded);
    }
    batches.push(batch.slice(start, batch.num_rows() - start));
    batches
}
