//! The ground floor: what every process and every node shares, and what knows nothing else of this crate.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::physical_plan::ExecutionPlan;
use futures::future::BoxFuture;

mod boxed_methods;

pub(crate) use boxed_methods::{
    boxed_create, boxed_create_physical_plan, boxed_insert_into, boxed_plan_extension, boxed_scan,
};

/// A plan that is being made.
pub(crate) type Planned<'a> = BoxFuture<'a, Result<Arc<dyn ExecutionPlan>>>;
/// A plan that is being made where the planner knows the node.
pub(crate) type MaybePlanned<'a> = BoxFuture<'a, Result<Option<Arc<dyn ExecutionPlan>>>>;
/// A table that is being made where there is one.
pub(crate) type MaybeMade<'a> = BoxFuture<'a, Result<Option<Arc<dyn TableProvider>>>>;
/// A table that is being made.
pub(crate) type Made<'a> = BoxFuture<'a, Result<Arc<dyn TableProvider>>>;
