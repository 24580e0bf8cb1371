//! How many rows the batches of a statement have: DataFusion's default, unless images are among them.
//!
//! DataFusion counts the rows of a batch, not its bytes: filters, joins and sorts fill batches up to a number of rows, and 8,192 decoded
//! photos don't fit into memory.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use super::image_work::calls_an_image_function;

/// The most rows of a batch that may hold images.
const IMAGE_BATCH_ROWS: usize = 64;

/// The configuration of a statement whose rows may hold images.
pub(crate) fn with_image_batches(config: SessionConfig) -> SessionConfig {
    let rows = config.batch_size().min(IMAGE_BATCH_ROWS);
    config.with_batch_size(rows)
}

/// Whether rows of a plan may hold images, or what may be one.
pub(crate) fn has_images(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut has_images = false;
    plan.apply(|plan| {
        has_images |= holds_bytes(&plan.schema()) || calls_an_image_function(plan)?;
        Ok(if has_images { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(has_images)
}

/// As [`has_images`], before the plan is made.
pub(crate) fn will_have_images(plan: &LogicalPlan) -> Result<bool> {
    let mut has_images = false;
    plan.apply_with_subqueries(|plan| {
        has_images |= holds_bytes(plan.schema().as_arrow());
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                has_images |= matches!(expr, Expr::ScalarFunction(call) if call.name().starts_with("image_"));
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(if has_images { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(has_images)
}

fn holds_bytes(schema: &Schema) -> bool {
    schema.fields().iter().any(|field| is_of_bytes(field))
}

/// Whether values may have as many bytes as an image: bytes, tensors, and what holds such.
fn is_of_bytes(field: &Field) -> bool {
    match field.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => true,
        DataType::FixedSizeList(..) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => is_of_bytes(item),
        DataType::Struct(fields) => fields.iter().any(|field| is_of_bytes(field)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_small_where_images_are() {
        let field = |data_type| Field::new("x", data_type, true);
        let item = |data_type| Arc::new(field(data_type));
        assert!(is_of_bytes(&field(pixmill_udfs::image_type())));
        assert!(is_of_bytes(&field(DataType::List(item(DataType::Binary)))));
        assert!(is_of_bytes(&field(DataType::FixedSizeList(item(DataType::Float32), 3))));
        assert!(!is_of_bytes(&field(DataType::List(item(DataType::Int64)))));
        assert!(!is_of_bytes(&field(DataType::Utf8)));
    }

    #[test]
    fn a_smaller_size_is_kept() {
        let rows = |rows| with_image_batches(SessionConfig::new().with_batch_size(rows)).batch_size();
        assert_eq!([8192, 100, 7].map(rows), [IMAGE_BATCH_ROWS, IMAGE_BATCH_ROWS, 7]);
    }
}
