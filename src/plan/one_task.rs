//! The part of a plan that one task of a cluster runs by itself, as one process would.
//!
//! Ballista cuts a plan at its exchanges, chooses joins anew and restricts leaves to the partitions of a task. What has two inputs, or
//! looks at the rows of several partitions, doesn't survive all of that with the same rows. So it is kept out of Ballista's sight: to
//! Ballista this is one node with one partition above inputs of one partition each.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, internal_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, Distribution, EquivalenceProperties, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, displayable,
};
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use datafusion_proto::physical_plan::from_proto::parse_physical_expr;
use datafusion_proto::physical_plan::to_proto::serialize_physical_expr;
use datafusion_proto::protobuf::PhysicalExprNode;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::exec::methods_of_nodes_without_expressions;

/// Runs a plan in one task.
#[derive(Debug)]
pub(crate) struct OneTaskExec {
    /// What is run, with a [`TaskInputExec`] for each input.
    work: Arc<dyn ExecutionPlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
}

impl OneTaskExec {
    /// Runs `work` over `inputs`.
    ///
    /// # Errors
    /// Inputs of several partitions.
    pub(crate) fn try_new(work: Arc<dyn ExecutionPlan>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Self> {
        if let Some(input) = inputs.iter().find(|input| input.output_partitioning().partition_count() > 1) {
            return internal_err!(
                "one task reads inputs of one partition, got {} of {}",
                input.output_partitioning().partition_count(),
                input.name()
            );
        }
        Ok(Self { work: in_one_partition(work), inputs })
    }

    /// What is run.
    pub(crate) fn work(&self) -> &Arc<dyn ExecutionPlan> {
        &self.work
    }

    /// What is run, with the inputs in their places.
    fn whole(&self) -> Result<Arc<dyn ExecutionPlan>> {
        let whole = Arc::clone(&self.work).transform_up(|plan| {
            let Some(place) = plan.downcast_ref::<TaskInputExec>() else { return Ok(Transformed::no(plan)) };
            let input = self.inputs.get(place.number).cloned();
            let input = input.ok_or_else(|| internal_datafusion_err!("a task has no input {}", place.number))?;
            let properties = Arc::clone(&place.properties);
            Ok(Transformed::yes(Arc::new(TaskInputExec { number: place.number, properties, input: Some(input) })))
        })?;
        Ok(whole.data)
    }
}

/// The plan's rows in one partition, in their order where they have one.
pub(super) fn in_one_partition(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match (plan.output_partitioning().partition_count(), plan.output_ordering()) {
        (0 | 1, _) => plan,
        (_, Some(ordering)) => Arc::new(SortPreservingMergeExec::new(ordering.clone(), plan)),
        (_, None) => Arc::new(CoalescePartitionsExec::new(plan)),
    }
}

impl DisplayAs for OneTaskExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        // A node's text is one line of the plan.
        let work = displayable(self.work.as_ref()).indent(false).to_string();
        let lines: Vec<&str> = work.lines().map(str::trim_end).collect();
        write!(f, "OneTaskExec: [{}]", lines.join(" / "))
    }
}

impl ExecutionPlan for OneTaskExec {
    methods_of_nodes_without_expressions!();

    fn name(&self) -> &str {
        "OneTaskExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.work.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition; self.inputs.len()])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != self.inputs.len() {
            return internal_err!("OneTaskExec has {} inputs, got {}", self.inputs.len(), children.len());
        }
        Ok(Arc::new(Self { work: Arc::clone(&self.work), inputs: children }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("OneTaskExec has one partition, asked for number {partition}");
        }
        self.whole()?.execute(0, context)
    }
}

/// Stands for an input of a [`OneTaskExec`] in what that runs.
#[derive(Debug)]
pub(crate) struct TaskInputExec {
    number: usize,
    /// Those of the input when the work was planned: where rows come from another stage, less is known of them, and what was planned
    /// relies on it.
    properties: Arc<PlanProperties>,
    /// There while the task runs.
    input: Option<Arc<dyn ExecutionPlan>>,
}

/// What is known of an input's rows, as a message; expressions as DataFusion sends them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Known {
    constants: Vec<Vec<u8>>,
    /// Expressions that have the same value.
    equal: Vec<Vec<Vec<u8>>>,
    /// Each by its expressions, whether they descend, and whether NULLs come first.
    orderings: Vec<Vec<(Vec<u8>, bool, bool)>>,
}

impl TaskInputExec {
    /// Stands for input number `number`.
    pub(crate) fn new(number: usize, input: &Arc<dyn ExecutionPlan>) -> Self {
        Self { number, properties: Arc::clone(input.properties()), input: None }
    }

    /// What is known of its rows.
    pub(super) fn known(&self, codec: &dyn PhysicalExtensionCodec) -> Result<Known> {
        let known = &self.properties.eq_properties;
        let encoded = |expr: &Arc<dyn PhysicalExpr>| Ok(serialize_physical_expr(expr, codec)?.encode_to_vec());
        let constants = known.constants();
        let constants = constants.iter().map(|constant| encoded(&constant.expr)).collect::<Result<_>>()?;
        let classes = known.eq_group().iter().filter(|class| class.len() > 1);
        let equal = classes.map(|class| class.iter().map(encoded).collect::<Result<_>>()).collect::<Result<_>>()?;
        let column =
            |sort: &PhysicalSortExpr| Ok((encoded(&sort.expr)?, sort.options.descending, sort.options.nulls_first));
        let orderings = known.oeq_class().iter();
        let orderings =
            orderings.map(|ordering| ordering.iter().map(column).collect::<Result<_>>()).collect::<Result<_>>()?;
        Ok(Known { constants, equal, orderings })
    }

    /// Stands for an input of which so much is known.
    pub(super) fn from_known(
        number: usize,
        input: &Arc<dyn ExecutionPlan>,
        known: &Known,
        context: &TaskContext,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<Self> {
        let schema = input.schema();
        let decoded = |bytes: &Vec<u8>| {
            let node = PhysicalExprNode::decode(bytes.as_slice());
            let node = node.map_err(|error| internal_datafusion_err!("an expression can't be read: {error}"))?;
            parse_physical_expr(&node, context, &schema, codec)
        };
        let column = |(expr, descending, nulls_first): &(Vec<u8>, bool, bool)| {
            let options = SortOptions { descending: *descending, nulls_first: *nulls_first };
            Ok(PhysicalSortExpr { expr: decoded(expr)?, options })
        };
        let orderings = known.orderings.iter();
        let orderings: Vec<Vec<PhysicalSortExpr>> =
            orderings.map(|ordering| ordering.iter().map(column).collect::<Result<_>>()).collect::<Result<_>>()?;
        let mut properties = EquivalenceProperties::new_with_orderings(Arc::clone(&schema), orderings);
        for class in &known.equal {
            let class = class.iter().map(decoded).collect::<Result<Vec<_>>>()?;
            for pair in class.windows(2) {
                properties.add_equal_conditions(Arc::clone(&pair[0]), Arc::clone(&pair[1]))?;
            }
        }
        let constants = known.constants.iter();
        let constants = constants.map(|expr| Ok(ConstExpr::new(decoded(expr)?, AcrossPartitions::Uniform(None))));
        properties.add_constants(constants.collect::<Result<Vec<_>>>()?)?;
        let properties = input.properties().as_ref().clone().with_eq_properties(properties);
        Ok(Self { number, properties: Arc::new(properties), input: None })
    }

    /// Which input it stands for.
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

impl DisplayAs for TaskInputExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TaskInputExec: {}", self.number)
    }
}

impl ExecutionPlan for TaskInputExec {
    methods_of_nodes_without_expressions!();

    fn name(&self) -> &str {
        "TaskInputExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        match &self.input {
            Some(input) => input.execute(partition, context),
            None => internal_err!("input {} of a task was not put in its place", self.number),
        }
    }
}
