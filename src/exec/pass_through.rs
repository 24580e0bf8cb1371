//! The one wrapper for plan nodes: it passes the rows of its input on, and does something beside.

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::{methods_of_nodes_without_expressions, only_child};

/// What a node does that passes rows on.
pub(crate) trait PassThrough: Debug + Send + Sync + 'static {
    /// The node's name in a plan.
    const NAME: &'static str;

    /// Whether what the optimizer knows and wants of the node goes to its input and back: statistics, limits, filters.
    const IS_TRANSPARENT: bool = true;

    /// Whether projections and sorts may go below the node.
    const LETS_BELOW: bool = false;

    /// What is known of the rows.
    fn properties(input: &Arc<dyn ExecutionPlan>) -> Arc<PlanProperties> {
        Arc::clone(input.properties())
    }

    /// The rows of a partition, from those of the input.
    ///
    /// # Errors
    /// What keeps them from being passed on.
    fn rows(
        input: SendableRecordBatchStream,
        _metrics: &ExecutionPlanMetricsSet,
        _partition: usize,
    ) -> Result<SendableRecordBatchStream> {
        Ok(input)
    }
}

/// A node that passes the rows of its input on.
#[derive(Debug)]
pub(crate) struct PassThroughExec<W> {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    what: PhantomData<W>,
}

impl<W: PassThrough> PassThroughExec<W> {
    /// Passes on the rows of `input`.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = W::properties(&input);
        Self { input, properties, metrics: ExecutionPlanMetricsSet::new(), what: PhantomData }
    }

    /// Where the rows come from.
    pub(crate) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    fn above(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self::new(input))
    }
}

impl<W: PassThrough> DisplayAs for PassThroughExec<W> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(W::NAME)
    }
}

impl<W: PassThrough> ExecutionPlan for PassThroughExec<W> {
    methods_of_nodes_without_expressions!();

    fn name(&self) -> &str {
        W::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        only_child(W::NAME, children).map(Self::above)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        W::rows(self.input.execute(partition, context)?, &self.metrics, partition)
    }

    // A cluster's scheduler optimizes the plan again: what is below a transparent node is as near as without it.

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![if W::IS_TRANSPARENT { ChildStats::At(partition) } else { ChildStats::Skip }]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let known = inputs.first().filter(|_| W::IS_TRANSPARENT);
        Ok(known.map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn supports_limit_pushdown(&self) -> bool {
        W::IS_TRANSPARENT
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        match W::IS_TRANSPARENT {
            true => FilterDescription::from_children(filters, &self.children()),
            false => Ok(FilterDescription::all_unsupported(&filters, &self.children())),
        }
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if !W::LETS_BELOW {
            return Ok(None);
        }
        let swapped = self.input.try_swapping_with_projection(projection)?;
        // A projection that can't be made one with that below is given back as it is, above this node.
        let swapped = swapped.filter(|plan| !plan.children().first().is_some_and(|child| child.is::<Self>()));
        Ok(swapped.map(Self::above))
    }

    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        if !W::LETS_BELOW {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        Ok(self.input.try_pushdown_sort(order)?.map(Self::above))
    }
}
