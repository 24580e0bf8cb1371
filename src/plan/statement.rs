//! The fingerprint of a `COPY`: what its shards depend on besides the files that it reads.

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;

use crate::sink::{Fingerprint, SinkOptions, WriteShardsNode};

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
            // A table that says something else of itself each time is never the same, and its statement keeps nothing.
            LogicalPlan::TableScan(scan) => fingerprint.add(format!("{:?}", source_as_provider(&scan.source)?)),
            // Their text is cut off.
            LogicalPlan::Values(values) => fingerprint.add(format!("{:?}", values.values)),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(fingerprint.finish())
}
