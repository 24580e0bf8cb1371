//! The ground floor: what every process and every node shares, and what knows nothing else of this crate.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::physical_plan::ExecutionPlan;
use futures::future::BoxFuture;

mod ahead;
mod boxed_methods;
mod children;
mod io;
mod lost_rows;
mod pass_through;
mod shares;
mod task;

pub(crate) use ahead::one_ahead;
pub(crate) use children::{methods_of_nodes_without_expressions, only_child, with_children};
pub(crate) use io::{io_runtime, most_items, with_io_runtime};
pub(crate) use lost_rows::{LostRows, MOST_RUNS};
pub(crate) use pass_through::{PassThrough, PassThroughExec};
pub(crate) use task::{Task, Worker, with_config, with_shares};

pub(crate) use boxed_methods::{
    boxed_create, boxed_create_physical_plan, boxed_insert_into, boxed_plan_extension, boxed_scan,
};

/// The cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A plan that is being made.
pub(crate) type Planned<'a> = BoxFuture<'a, Result<Arc<dyn ExecutionPlan>>>;
/// A plan that is being made where the planner knows the node.
pub(crate) type MaybePlanned<'a> = BoxFuture<'a, Result<Option<Arc<dyn ExecutionPlan>>>>;
/// A table that is being made where there is one.
pub(crate) type MaybeMade<'a> = BoxFuture<'a, Result<Option<Arc<dyn TableProvider>>>>;
/// A table that is being made.
pub(crate) type Made<'a> = BoxFuture<'a, Result<Arc<dyn TableProvider>>>;
