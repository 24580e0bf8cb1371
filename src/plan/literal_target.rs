//! Where DataFusion's own `COPY` writes to: the file or directory of just that name.

use std::borrow::Cow;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::LogicalPlan;

use crate::storage::literal_url;

/// The plan with URLs for targets: DataFusion takes `[` and `?` in a path for a pattern, and another process is in another directory.
///
/// # Errors
/// A name that DataFusion can't write to.
pub(crate) fn with_literal_target(plan: &LogicalPlan) -> Result<Cow<'_, LogicalPlan>> {
    if !plan.exists(|plan| Ok(matches!(plan, LogicalPlan::Copy(_))))? {
        return Ok(Cow::Borrowed(plan));
    }
    let changed = plan.clone().transform_down(|plan| {
        let LogicalPlan::Copy(mut copy) = plan else { return Ok(Transformed::no(plan)) };
        if let Some(url) = literal_url(&copy.output_url)? {
            copy.output_url = url.into();
        }
        Ok(Transformed::yes(LogicalPlan::Copy(copy)))
    })?;
    Ok(Cow::Owned(changed.data))
}
