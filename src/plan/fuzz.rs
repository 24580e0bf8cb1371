//! What fuzzing and tests run of plans on the wire: any bytes are a plan that can be sent again, or there is an error.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Result, TableReference};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, displayable, empty::EmptyExec};
use datafusion::prelude::SessionContext;
use datafusion_proto::logical_plan::{AsLogicalPlan, LogicalExtensionCodec};
use datafusion_proto::physical_plan::{AsExecutionPlan, DefaultPhysicalProtoConverter, PhysicalExtensionCodec};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};

use super::codec::{LogicalCodec, MAGIC, PhysicalCodec, ROWS_MAGIC, WIRE_VERSION, WORK_MAGIC};

/// A message, with or without what it begins with: the first byte says of which kind it is.
pub(crate) fn messages(input: &[u8], ctx: &SessionContext) {
    let Some((kind, content)) = input.split_first() else { return };
    let with = |magic: u8| [&[magic, WIRE_VERSION], content].concat();
    match kind % 8 {
        0 => nodes_of_the_client(&with(MAGIC), ctx),
        1 => tables(&with(MAGIC), ctx),
        2 => tables(&with(ROWS_MAGIC), ctx),
        3 => nodes_of_tasks(&with(MAGIC), ctx),
        4 => nodes_of_tasks(&with(WORK_MAGIC), ctx),
        5 => {
            nodes_of_the_client(content, ctx);
            tables(content, ctx);
            nodes_of_tasks(content, ctx);
        }
        6 => {
            let plan = LogicalPlanNode::try_decode(content);
            let plan = plan.and_then(|plan| plan.try_into_logical_plan(&ctx.task_ctx(), &LogicalCodec::default()));
            if let Ok(plan) = plan {
                let _ = plan.display_indent_schema().to_string();
                let _ = LogicalPlanNode::try_from_logical_plan(&plan, &LogicalCodec::default());
            }
        }
        _ => {
            let plan = PhysicalPlanNode::try_decode(content);
            let plan = plan.and_then(|plan| plan.try_into_physical_plan(&ctx.task_ctx(), &PhysicalCodec::default()));
            if let Ok(plan) = plan {
                let _ = displayable(plan.as_ref()).indent(true).to_string();
                let _ = PhysicalPlanNode::try_from_physical_plan(plan, &PhysicalCodec::default());
            }
        }
    }
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("path", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]))
}

fn nodes_of_the_client(message: &[u8], ctx: &SessionContext) {
    let codec = LogicalCodec::default();
    let inputs: Vec<LogicalPlan> = LogicalPlanBuilder::empty(true).build().into_iter().collect();
    let read = |message: &[u8]| codec.try_decode(message, &inputs, &ctx.task_ctx());
    let Ok(node) = read(message) else { return };
    let mut again = Vec::new();
    if codec.try_encode(&node, &mut again).is_ok() {
        assert!(read(&again).is_ok_and(|again| again == node), "another node when it is read again");
    }
}

fn tables(message: &[u8], ctx: &SessionContext) {
    let (codec, name) = (LogicalCodec::default(), TableReference::bare("t"));
    let read = |message: &[u8]| codec.try_decode_table_provider(message, &name, schema(), &ctx.task_ctx());
    let Ok(table) = read(message) else { return };
    let columns = table.schema();
    let mut again = Vec::new();
    if codec.try_encode_table_provider(&name, table, &mut again).is_ok() {
        assert!(read(&again).is_ok_and(|again| again.schema() == columns), "another table when it is read again");
    }
}

fn nodes_of_tasks(message: &[u8], ctx: &SessionContext) {
    let (codec, converter) = (PhysicalCodec::default(), DefaultPhysicalProtoConverter {});
    let input: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(schema()));
    let read = |message: &[u8]| -> Result<Arc<dyn ExecutionPlan>> {
        codec.try_decode(message, &[Arc::clone(&input)], &ctx.task_ctx(), &converter)
    };
    let Ok(node) = read(message) else { return };
    let shown = |node: &Arc<dyn ExecutionPlan>| displayable(node.as_ref()).indent(true).to_string();
    let mut again = Vec::new();
    if codec.try_encode(Arc::clone(&node), &mut again, &converter).is_ok() {
        let read = read(&again).map(|again| shown(&again));
        assert!(read.is_ok_and(|again| again == shown(&node)), "another node when it is read again");
    }
}
