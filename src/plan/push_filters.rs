//! Filters aren't pushed through a node of which two columns have one name.
//!
//! DataFusion's physical pushdown looks the columns of a filter up by their names in each node that it passes, and takes the first of
//! that name. Behind a join whose sides were swapped, that is another column.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use crate::exec::{PassThrough, PassThroughExec};

/// A rule that pushes filters, and leaves those above ambiguous columns where they are.
#[derive(Debug)]
pub(super) struct CarefulPushdown(pub(super) Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for CarefulPushdown {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let mut has_barriers = false;
        let barred = plan.transform_up(|plan| {
            let is_ambiguous = has_namesakes(&plan);
            has_barriers |= is_ambiguous;
            Ok(match is_ambiguous {
                true => Transformed::yes(Arc::new(BarrierExec::new(plan)) as Arc<dyn ExecutionPlan>),
                false => Transformed::no(plan),
            })
        })?;
        let pushed = self.0.optimize(barred.data, config)?;
        if !has_barriers {
            return Ok(pushed);
        }
        let open = pushed.transform_up(|plan| {
            let input = plan.downcast_ref::<BarrierExec>().map(|barrier| Arc::clone(barrier.input()));
            Ok(input.map_or_else(|| Transformed::no(plan), Transformed::yes))
        })?;
        Ok(open.data)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn has_namesakes(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let schema = plan.schema();
    let mut names = HashSet::new();
    schema.fields().iter().any(|field| !names.insert(field.name()))
}

/// Lets no filter pass; there only while filters are pushed.
#[derive(Debug)]
struct Barrier;

type BarrierExec = PassThroughExec<Barrier>;

impl PassThrough for Barrier {
    const NAME: &'static str = "BarrierExec";
    const IS_TRANSPARENT: bool = false;
}
