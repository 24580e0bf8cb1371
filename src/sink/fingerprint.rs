//! Fingerprints: what the shards of a partition depend on, as a number. Equal ones needn't be written again.

use std::hash::Hasher;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::UnionExec;
use twox_hash::XxHash3_64;

use super::Target;
use crate::storage::{self, Stamp};

/// A hash of 128 bits that is the same in every process.
pub(crate) struct Fingerprint([XxHash3_64; 2]);

impl Fingerprint {
    /// That of nothing.
    pub(crate) fn new() -> Self {
        Self([XxHash3_64::with_seed(0), XxHash3_64::with_seed(1)])
    }

    /// Takes in a value, apart from those before and behind it.
    pub(crate) fn add(&mut self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        for hash in &mut self.0 {
            hash.write(&(value.len() as u64).to_le_bytes());
            hash.write(value);
        }
    }

    /// Takes in rows by their values, however they are laid out. `None` where a column's type has no order.
    pub(crate) fn add_values(&mut self, batch: &RecordBatch) -> Option<()> {
        let fields = batch.schema_ref().fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).ok()?;
        for row in &converter.convert_columns(batch.columns()).ok()? {
            self.add(row.as_ref());
        }
        Some(())
    }

    /// The hash in hexadecimal.
    pub(crate) fn finish(&self) -> String {
        self.0.iter().map(|hash| format!("{:016x}", hash.finish())).collect()
    }
}

impl Target {
    /// The fingerprint of what a partition of the sink's input is made of; `None` where that isn't known.
    pub(super) fn fingerprint(&self, input: &Arc<dyn ExecutionPlan>, partition: usize) -> Option<String> {
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(&self.statement);
        // The statement doesn't say what classes there are, and shards may name them.
        fingerprint.add(format!("{:?} {:?}", self.classes, self.class_column));
        for batch in work_items(input, partition)? {
            add_rows(&mut fingerprint, batch)?;
        }
        Some(fingerprint.finish())
    }
}

/// The rows of memory that alone are behind one partition of a plan: work items, or the query's own values.
fn work_items(plan: &Arc<dyn ExecutionPlan>, mut partition: usize) -> Option<&[RecordBatch]> {
    let count = |plan: &Arc<dyn ExecutionPlan>| plan.properties().output_partitioning().partition_count();
    if let Some(leaf) = plan.downcast_ref::<DataSourceExec>() {
        let memory = leaf.data_source().downcast_ref::<MemorySourceConfig>()?;
        return memory.partitions().get(partition).map(Vec::as_slice);
    }
    if has_scalar_subquery(plan) {
        return None;
    }
    let children = plan.children();
    if plan.is::<UnionExec>() {
        for child in children {
            match partition.checked_sub(count(child)) {
                Some(behind) => partition = behind,
                None => return work_items(child, partition),
            }
        }
        return None;
    }
    match children.as_slice() {
        [input] if count(input) == count(plan) && !plan.is::<RepartitionExec>() => work_items(input, partition),
        _ => None,
    }
}

/// Whether a node's values come from a query of their own, whose rows are not below it.
pub(crate) fn has_scalar_subquery(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut found = false;
    let walked = plan.apply_expressions(&mut |expr| {
        expr.apply(|expr| {
            found |= expr.is::<ScalarSubqueryExpr>();
            Ok(TreeNodeRecursion::Continue)
        })
    });
    found || walked.is_err()
}

/// Takes in work items by their values. `None` where a file's state isn't known.
fn add_rows(fingerprint: &mut Fingerprint, batch: &RecordBatch) -> Option<()> {
    let schema = batch.schema();
    for field in schema.fields() {
        fingerprint.add(field.name());
    }
    fingerprint.add(batch.num_rows().to_le_bytes());
    fingerprint.add_values(batch)?;
    // Work items of image files hold these times; those of records don't.
    let paths = batch.column_by_name("path").filter(|_| schema.index_of("modification_time").is_err());
    let mut last = None;
    for path in paths.and_then(|paths| paths.as_string_opt::<i32>()).into_iter().flatten().flatten() {
        if last != Some(path) {
            let stamp = Stamp::of(&storage::local_path(path)?)?;
            fingerprint.add(format!("{stamp:?}"));
        }
        last = Some(path);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
    use datafusion::physical_expr::Partitioning;

    use super::*;
    use crate::sink::testing;

    fn of(batch: &RecordBatch) -> Option<String> {
        let mut fingerprint = Fingerprint::new();
        add_rows(&mut fingerprint, batch)?;
        Some(fingerprint.finish())
    }

    #[test]
    fn values_beside_each_other_are_told_apart() {
        let of = |values: &[&str]| {
            let mut fingerprint = Fingerprint::new();
            values.iter().for_each(|value| fingerprint.add(value));
            fingerprint.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }

    #[test]
    fn rows_count_by_their_values_however_they_are_laid_out() {
        let rows = |numbers: Vec<Option<i64>>| {
            let column: ArrayRef = Arc::new(Int64Array::from(numbers));
            RecordBatch::try_from_iter([("number", column)]).expect("a batch")
        };
        let some = of(&rows(vec![Some(1), Some(2)]));
        assert_eq!(of(&rows(vec![None, Some(1), Some(2), Some(3)]).slice(1, 2)), some);
        assert_ne!(of(&rows(vec![Some(1), Some(3)])), some);
    }

    #[test]
    fn a_changed_file_is_another_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        let column: ArrayRef = Arc::new(StringArray::from(vec![path.to_str().expect("UTF-8"); 2]));
        let batch = RecordBatch::try_from_iter([("path", column)]).expect("a batch");
        assert_eq!(of(&batch), None);
        std::fs::write(&path, "one").expect("written");
        let before = of(&batch).expect("a fingerprint");
        assert_eq!(of(&batch), Some(before.clone()));
        std::fs::write(&path, "three").expect("written");
        assert_ne!(of(&batch), Some(before));
    }

    #[test]
    fn a_partition_is_followed_down_to_its_rows() {
        let (one, two) = (testing::input(&[&[1], &[2]]), testing::input(&[&[3]]));
        let union = UnionExec::try_new(vec![Arc::clone(&one), two]).expect("a union");
        let first = |plan: &Arc<dyn ExecutionPlan>, partition| {
            let batch = work_items(plan, partition)?.first()?;
            Some(batch.column(0).as_primitive::<datafusion::arrow::datatypes::Int64Type>().value(0))
        };
        assert_eq!([0, 1, 2, 3].map(|partition| first(&union, partition)), [Some(1), Some(2), Some(3), None]);
        let dealt: Arc<dyn ExecutionPlan> =
            Arc::new(RepartitionExec::try_new(one, Partitioning::RoundRobinBatch(2)).expect("a node"));
        assert_eq!(first(&dealt, 0), None);
    }
}
