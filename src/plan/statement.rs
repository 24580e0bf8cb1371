//! The fingerprint of a `COPY`: what its shards depend on besides the files that it reads.

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::{ListingOptions, ListingTable};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;

use super::memory_rows::rows_in_memory;
use crate::sink::{Fingerprint, SinkOptions, WriteShardsNode};
use crate::source::{FilesTable, TableMessage};
use crate::storage::{token, while_others_go_on};

/// The fingerprint of a statement. Where it writes to is no part of it, nor whether it may replace what is there.
pub(super) fn fingerprint(node: &WriteShardsNode, session: &ConfigOptions) -> Result<String> {
    let mut fingerprint = Fingerprint::new();
    fingerprint.add(env!("CARGO_PKG_VERSION"));
    fingerprint.add(pixmill_udfs::JPEG_CODEC);
    let options = SinkOptions { overwrite: false, ..node.options.clone() };
    fingerprint.add(format!("{options:?} {:?} {} {:?}", node.partition_by, node.visible, node.shuffle_seed));
    // Times become text by it.
    fingerprint.add(format!("{:?}", session.execution.time_zone));
    fingerprint.add(node.input.display_indent_schema().to_string());
    node.input.apply_with_subqueries(|plan| {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let table = source_as_provider(&scan.source)?;
                match rows_in_memory(table.as_ref()) {
                    Some(rows) if add_rows(&mut fingerprint, rows).is_some() => {}
                    Some(_) => fingerprint.add(token()?),
                    None => fingerprint.add(identity(table.as_ref())?),
                }
            }
            // Their text is cut off.
            LogicalPlan::Values(values) => fingerprint.add(format!("{:?}", values.values)),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(fingerprint.finish())
}

/// Takes in the rows of a table in memory. `None` where it is being written, or its rows can't be compared: it is never the same.
fn add_rows(fingerprint: &mut Fingerprint, table: &MemTable) -> Option<()> {
    fingerprint.add(format!("{:?}", table.schema().fields()));
    for partition in &table.batches {
        // Batches are of any length, and partitions are shards.
        let batches = partition.try_read().ok()?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        fingerprint.add(rows.to_le_bytes());
        batches.iter().try_for_each(|batch| fingerprint.add_values(batch))?;
    }
    Some(())
}

/// What a table says of itself, here and where it is sent to.
fn identity(table: &dyn TableProvider) -> Result<String> {
    if let Some(message) = TableMessage::of(table) {
        // Paths are shown as the location has them, but for slashes at its end.
        let message = message.with_location(|location| location.trim_end_matches('/').to_string());
        return serde_json::to_string(&message)
            .map_err(|error| internal_datafusion_err!("a table can't be written: {error}"));
    }
    if let Some(files) = table.downcast_ref::<FilesTable>() {
        // Where a statement is sent to, the files are known already.
        return identity(&while_others_go_on(|| files.of_now(files.reach()))?);
    }
    let Some(files) = table.downcast_ref::<ListingTable>() else {
        // A table that says something else of itself each time is never the same, and its statement keeps nothing.
        return Ok(format!("{table:?}"));
    };
    let ListingOptions { file_extension, format, table_partition_cols, file_sort_order, .. } = files.options();
    let paths: Vec<String> = files.table_paths().iter().map(ToString::to_string).collect();
    let schema = files.schema();
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{} {} {}", field.name(), field.data_type(), field.is_nullable()))
        .collect();
    Ok(format!("{paths:?} {file_extension} {format:?} {table_partition_cols:?} {file_sort_order:?} {columns:?}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringArray};
    use datafusion::common::TableReference;

    use super::*;

    #[test]
    fn rows_count_for_the_same_when_they_have_travelled_and_however_they_are_cut() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
        let rows = RecordBatch::try_from_iter_with_nullable([("t", texts, true)]).expect("a batch");
        let table = |partitions| MemTable::try_new(rows.schema(), partitions).expect("a table");
        let of = |table: &MemTable| {
            let mut fingerprint = Fingerprint::new();
            add_rows(&mut fingerprint, table).expect("rows");
            fingerprint.finish()
        };
        let here = table(vec![vec![rows.clone()], vec![rows.slice(1, 2)]]);
        let mut bytes = Vec::new();
        let name = TableReference::bare("t");
        super::super::memory_rows::encode(&name, &here, &mut bytes).expect("bytes");
        let there = super::super::memory_rows::decode(&bytes, rows.schema()).expect("a table");
        assert_eq!(of(rows_in_memory(there.as_ref()).expect("rows")), of(&here));
        let cut = table(vec![vec![rows.slice(0, 1), rows.slice(1, 2)], vec![rows.slice(1, 1), rows.slice(2, 1)]]);
        assert_eq!(of(&cut), of(&here));
        // Partitions are shards.
        assert_ne!(of(&table(vec![vec![rows.clone(), rows.slice(1, 2)]])), of(&here));
    }
}
