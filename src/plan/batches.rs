//! How many rows the batches of a statement have: DataFusion's default, unless images are among them.
//!
//! DataFusion counts the rows of a batch, not its bytes: filters, joins and sorts fill batches up to a number of rows, and 8,192 decoded
//! photos don't fit into memory.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Result;
use datafusion::common::config::ConfigExtension;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::image_work::calls_an_image_function;
use crate::config::PixmillOptions;
use crate::exec::most_items;
use crate::sink::ShardSinkExec;
use crate::source::ReadExec;

/// The most rows of a batch that may hold images.
const IMAGE_BATCH_ROWS: usize = 64;

/// The configuration of a statement whose rows may hold images.
pub(crate) fn with_image_batches(config: SessionConfig) -> SessionConfig {
    let rows = config.batch_size().min(IMAGE_BATCH_ROWS);
    config.with_batch_size(rows)
}

/// Most bytes of all batches that the scans of a statement hand on at the same time, as far as they have a few MiB each.
const ALL_BATCHES: usize = 128 << 20;
/// What each of them may have in any case.
const LEAST_BATCH: usize = 4 << 20;

/// As [`with_image_batches`], for a plan that runs in this process.
pub(crate) fn with_image_batches_of(plan: &Arc<dyn ExecutionPlan>, config: SessionConfig) -> Result<SessionConfig> {
    let mut config = with_image_batches(config);
    let Fitting { rows, bytes } = Fitting::of(plan, config.options())?;
    config.options_mut().set(&format!("{}.batch_bytes", PixmillOptions::PREFIX), &bytes.to_string())?;
    Ok(config.with_batch_size(rows))
}

/// Memory for a sort of one partition: of its half a sort has a share, in which a few images have room, twice; of the other half what is
/// merged (see `SharesPool`).
const SORT_MEMORY: usize = 256 << 20;

/// Has no more partitions sorted at the same time than there is memory for, where all of them are in this process.
pub(crate) fn with_fitting_sorts(
    plan: Arc<dyn ExecutionPlan>,
    config: &SessionConfig,
) -> Result<Arc<dyn ExecutionPlan>> {
    if most_items(config).is_some() || !sorts(&plan)? {
        return Ok(plan);
    }
    let limit = PixmillOptions::of(config.options()).memory_limit().to_string();
    let most = SessionContext::parse_capacity_limit("pixmill.memory_limit", &limit)? / SORT_MEMORY;
    let fitting = plan.transform_up(|node| match node.downcast_ref::<ReadExec>() {
        Some(scan) => Ok(scan.gathered(most)?.map_or(Transformed::no(node), Transformed::yes)),
        None => Ok(Transformed::no(node)),
    })?;
    Ok(fitting.data)
}

/// Whether all rows of a plan are sorted somewhere, or will be for the sake of a window.
pub(crate) fn sorts(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut sorts = false;
    plan.apply(|node| {
        let is_sort = node.downcast_ref::<SortExec>().is_some_and(|sort| sort.fetch().is_none());
        sorts |= is_sort || node.is::<WindowAggExec>() || node.is::<BoundedWindowAggExec>();
        Ok(if sorts { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(sorts)
}

/// Has filters gather no more rows than a batch may have bytes.
pub(crate) fn with_fitting_filters(
    plan: Arc<dyn ExecutionPlan>,
    options: &ConfigOptions,
) -> Result<Arc<dyn ExecutionPlan>> {
    let rows = Fitting::of(&plan, options)?.rows;
    let fitting = plan.transform_up(|node| match node.downcast_ref::<FilterExec>() {
        Some(filter) if filter.batch_size() > rows => {
            let filter: Arc<dyn ExecutionPlan> = Arc::new(filter.with_batch_size(rows)?);
            Ok(Transformed::yes(filter))
        }
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(fitting.data)
}

/// What batches of a plan may have.
struct Fitting {
    /// What gathers batches, such as filters, gathers so many rows: fewer than DataFusion would where images are large.
    rows: usize,
    /// What is read at a time.
    bytes: usize,
}

impl Fitting {
    /// All partitions of a scan are under way at the same time, unless they are written as they come.
    fn of(plan: &Arc<dyn ExecutionPlan>, options: &ConfigOptions) -> Result<Self> {
        let (mut partitions, mut written) = (1, None);
        plan.apply(|node| {
            if let Some(sink) = node.downcast_ref::<ShardSinkExec>() {
                written = sink.children().first().map(|input| input.output_partitioning().partition_count());
            }
            if let Some(scan) = node.downcast_ref::<ReadExec>() {
                partitions = partitions.max(scan.properties().output_partitioning().partition_count());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let most = PixmillOptions::of(options).batch_bytes();
        let bytes = match written == Some(partitions) {
            true => most,
            // A sort holds twice a batch, and takes the next one only if there is room for it.
            false if sorts(plan)? => most.min(LEAST_BATCH),
            false => most.min((ALL_BATCHES / partitions).max(LEAST_BATCH)),
        };
        let most_rows = options.execution.batch_size.get();
        let mut rows = most_rows;
        plan.apply(|node| {
            if let Some(scan) = node.downcast_ref::<ReadExec>() {
                rows = scan.rows_within(bytes as u64, rows);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        // Where two large images would be a batch, one is: sorts copy them, and hold several copies.
        if rows < most_rows && sorts(plan)? {
            rows = (rows / 2).max(1);
        }
        Ok(Self { rows, bytes })
    }
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
