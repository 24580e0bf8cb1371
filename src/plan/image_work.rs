//! What the image functions in a plan's nodes cost: DataFusion's own nodes evaluate them and know only their time in all.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics, internal_datafusion_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};
use pixmill_udfs::Work;

/// Puts a node that measures above each that calls image functions and has none.
pub(crate) fn measure_image_work(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let measured = plan.transform_up(|plan| {
        // One that was there has just got another below it.
        if let Some(outer) = plan.downcast_ref::<ImageWorkExec>()
            && outer.input.is::<ImageWorkExec>()
        {
            return Ok(Transformed::yes(Arc::clone(&outer.input)));
        }
        Ok(match calls_an_image_function(&plan)? {
            true => Transformed::yes(Arc::new(ImageWorkExec::new(plan)) as Arc<dyn ExecutionPlan>),
            false => Transformed::no(plan),
        })
    })?;
    Ok(measured.data)
}

pub(super) fn calls_an_image_function(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut calls = false;
    plan.apply_expressions(&mut |expr| {
        expr.apply(|expr| {
            let function = expr.downcast_ref::<ScalarFunctionExpr>();
            calls |= function.is_some_and(|function| function.name().starts_with("image_"));
            Ok(if calls { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(calls)
}

/// Passes rows through, and measures what image functions do while its input makes them.
///
/// Expressions are evaluated on the thread that polls, so that what is done during a poll is the polled node's.
#[derive(Debug)]
pub(crate) struct ImageWorkExec {
    input: Arc<dyn ExecutionPlan>,
    metrics: ExecutionPlanMetricsSet,
}

impl ImageWorkExec {
    /// Measures `input`.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for ImageWorkExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ImageWorkExec")
    }
}

impl ExecutionPlan for ImageWorkExec {
    fn name(&self) -> &str {
        "ImageWorkExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("ImageWorkExec has one child"))?;
        Ok(Arc::new(Self::new(input)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        crate::exec::with_new_children(self, children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let metrics = WorkMetrics::new(&self.metrics, partition);
        Ok(Box::pin(ImageWorkStream { input, metrics }))
    }

    // A cluster's scheduler optimizes the plan again; from here on, what is below is as near as without this node.

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let input = inputs.first().cloned();
        input.ok_or_else(|| internal_datafusion_err!("ImageWorkExec has one child"))
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let swapped = self.input.try_swapping_with_projection(projection)?;
        // A projection that can't be made one with that below is given back as it is, above this node.
        let swapped = swapped.filter(|plan| !plan.children().first().is_some_and(|child| child.is::<Self>()));
        Ok(swapped.map(|input| Arc::new(Self::new(input)) as Arc<dyn ExecutionPlan>))
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }

    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let sorted = self.input.try_pushdown_sort(order)?;
        Ok(sorted.map(|input| Arc::new(Self::new(input)) as Arc<dyn ExecutionPlan>))
    }
}

struct WorkMetrics {
    set: ExecutionPlanMetricsSet,
    partition: usize,
    images_decoded: Count,
    images_encoded: Count,
    /// Where there is no time there is no metric: sums over partitions make some nanoseconds of nothing.
    decode_time: Option<Time>,
    resize_time: Option<Time>,
    encode_time: Option<Time>,
}

impl WorkMetrics {
    fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(set).counter(name, partition);
        Self {
            set: set.clone(),
            partition,
            images_decoded: counter("images_decoded"),
            images_encoded: counter("images_encoded"),
            decode_time: None,
            resize_time: None,
            encode_time: None,
        }
    }

    fn add(&mut self, work: Work) {
        self.images_decoded.add(work.images_decoded);
        self.images_encoded.add(work.images_encoded);
        let times = [
            (&mut self.decode_time, "decode_time", work.decode_time),
            (&mut self.resize_time, "resize_time", work.resize_time),
            (&mut self.encode_time, "encode_time", work.encode_time),
        ];
        for (metric, name, time) in times {
            if !time.is_zero() {
                let new = || MetricBuilder::new(&self.set).subset_time(name, self.partition);
                metric.get_or_insert_with(new).add_duration(time);
            }
        }
    }
}

struct ImageWorkStream {
    input: SendableRecordBatchStream,
    metrics: WorkMetrics,
}

impl Stream for ImageWorkStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (polled, work) = pixmill_udfs::measure(|| self.input.poll_next_unpin(context));
        self.metrics.add(work);
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.input.size_hint()
    }
}

impl RecordBatchStream for ImageWorkStream {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}
