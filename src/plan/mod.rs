//! Planning: what turns SQL into the nodes of this crate's sources and sinks.

mod amend;
mod batches;
mod carried;
mod check_locations;
mod codec;
mod cross_joins;
mod distribute;
mod empty_relations;
mod expose;
mod forget_constants;
mod fuse_through_alias;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod headers;
mod hive;
mod image_work;
mod keep_order;
mod literal_target;
mod memory_rows;
mod models;
mod one_task;
mod planner;
mod progress;
mod push_filters;
mod quoted_qualifiers;
mod refuse;
mod retry_rejects;
mod rewrite_copy;
mod rules;
mod single_union;
mod statement;
mod summarize;
mod wire_errors;

pub(crate) use amend::amend_statement;
pub(crate) use batches::{has_images, sorts, will_have_images, with_image_batches, with_image_batches_of};
pub(crate) use check_locations::check_locations;
pub(crate) use codec::{LogicalCodec, PhysicalCodec, WIRE_VERSION};
pub(crate) use distribute::{DistributedPlanner, is_row_wise};
pub(crate) use empty_relations::with_empty_tables;
pub(crate) use fuse_through_alias::FuseThroughAlias;
pub(crate) use headers::ReadHeadersOnly;
pub(crate) use hive::{CertainDirectoryFilters, ReadHiveNulls, register_plan_functions};
#[cfg(test)]
pub(crate) use image_work::measure_image_work;
pub(crate) use literal_target::with_literal_target;
pub(crate) use models::with_models;
pub(crate) use planner::PixmillQueryPlanner;
pub use progress::Progress;
pub(crate) use progress::UPDATE_INTERVAL;
pub(crate) use quoted_qualifiers::with_quoted_qualifiers;
pub(crate) use rewrite_copy::RewriteCopy;
pub(crate) use rules::{logical_rules, physical_rules};
pub(crate) use summarize::{summary, with_headers_only};
pub(crate) use wire_errors::{MarkingPlanner, marked_by_executor, unmarked};
