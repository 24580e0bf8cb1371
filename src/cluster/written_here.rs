//! What DataFusion itself writes, on a cluster: the cluster makes the rows, the client writes them.
//!
//! A task of DataFusion's own sinks may run twice and would leave two sets of files, and their options don't travel.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner as _};

use crate::exec::boxed_plan_extension;

/// What is written, where the statement is a `COPY` or an `INSERT` of DataFusion's.
pub(super) fn written(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    match plan {
        LogicalPlan::Copy(copy) => Some(&copy.input),
        LogicalPlan::Dml(dml) => Some(&dml.input),
        _ => None,
    }
}

/// The plan that writes `rows` as the statement says.
///
/// # Errors
/// Those of DataFusion's planner.
pub(super) async fn write(
    statement: &LogicalPlan,
    rows: Arc<dyn ExecutionPlan>,
    session: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    let inputs = statement.inputs().into_iter().map(|input| {
        let node = RowsNode { schema: Arc::clone(input.schema()), rows: Arc::clone(&rows) };
        LogicalPlan::Extension(Extension { node: Arc::new(node) })
    });
    let statement = statement.with_new_exprs(statement.expressions(), inputs.collect())?;
    DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(RowsPlanner)])
        .create_physical_plan(&statement, session)
        .await
}

/// Rows that are planned already.
#[derive(Debug, Clone)]
struct RowsNode {
    schema: DFSchemaRef,
    rows: Arc<dyn ExecutionPlan>,
}

impl PartialEq for RowsNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows)
    }
}

impl Eq for RowsNode {}

impl PartialOrd for RowsNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl Hash for RowsNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.rows).hash(state);
    }
}

impl UserDefinedLogicalNodeCore for RowsNode {
    fn name(&self) -> &str {
        "Rows"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Rows: of {}", self.rows.name())
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }
}

struct RowsPlanner;

impl RowsPlanner {
    async fn planned(
        &self,
        node: &dyn UserDefinedLogicalNode,
        _: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        Ok(node.as_any().downcast_ref::<RowsNode>().map(|node| Arc::clone(&node.rows)))
    }
}

impl ExtensionPlanner for RowsPlanner {
    boxed_plan_extension!(RowsPlanner::planned);
}
