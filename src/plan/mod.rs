//! Planning: what turns SQL into the nodes of this crate's sources and sinks.

mod amend;
mod carried;
mod check_locations;
mod codec;
mod cross_joins;
mod distribute;
mod expose;
mod forget_constants;
mod fuse_through_alias;
mod hive;
mod image_work;
mod keep_order;
mod literal_target;
mod memory_rows;
mod one_task;
mod planner;
mod push_filters;
mod quoted_qualifiers;
mod refuse;
mod rewrite_copy;
mod rules;
mod statement;
mod summarize;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};

pub(crate) use amend::amend_statement;
pub(crate) use check_locations::check_locations;
pub(crate) use codec::{LogicalCodec, PhysicalCodec, WIRE_VERSION};
pub(crate) use distribute::{DistributedPlanner, is_row_wise};
pub(crate) use fuse_through_alias::FuseThroughAlias;
pub(crate) use hive::{CertainDirectoryFilters, ReadHiveNulls, register_plan_functions};
pub(crate) use literal_target::with_literal_target;
pub(crate) use planner::PixmillQueryPlanner;
pub(crate) use quoted_qualifiers::with_quoted_qualifiers;
pub(crate) use rewrite_copy::RewriteCopy;
pub(crate) use rules::{logical_rules, physical_rules};
pub(crate) use summarize::{summary, with_headers_only};

/// The node with other children, of which it learns its properties anew.
fn with_children(
    plan: Arc<dyn ExecutionPlan>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// `with_new_children`, which is deprecated and still required, by way of its successor.
pub(crate) fn with_new_children<P: ExecutionPlan>(
    plan: Arc<P>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}
