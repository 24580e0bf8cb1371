//! The fingerprint of a `COPY`: what its shards depend on besides the files that it reads.

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::{ListingOptions, ListingTable};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;

use crate::sink::{Fingerprint, SinkOptions, WriteShardsNode};
use crate::source::TableMessage;

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
            LogicalPlan::TableScan(scan) => fingerprint.add(identity(source_as_provider(&scan.source)?.as_ref())?),
            // Their text is cut off.
            LogicalPlan::Values(values) => fingerprint.add(format!("{:?}", values.values)),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(fingerprint.finish())
}

/// What a table says of itself, here and where it is sent to.
fn identity(table: &dyn TableProvider) -> Result<String> {
    if let Some(message) = TableMessage::of(table)? {
        // Paths are shown as the location has them, but for slashes at its end.
        let message = message.with_location(|location| location.trim_end_matches('/').to_string());
        return serde_json::to_string(&message)
            .map_err(|error| internal_datafusion_err!("a table can't be written: {error}"));
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
