//! Work items: what a scan has to read, listed while planning and cut into partitions.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use super::Partitions;

/// Partitions that a table has without being asked for a number, if it has as many rows.
const LEAST_PARTITIONS: usize = 16;
/// A few rows stay in one partition, and so in order.
const LEAST_ROWS: usize = 8;
/// Bytes for which there is one partition more.
const PARTITION_BYTES: u64 = 128 << 20;

/// Rows for which there is one partition more: a task's plan holds its work items, about 100 bytes each.
const PARTITION_ROWS: usize = 100_000;

/// How much there is to read, and for whom.
pub(super) struct Load {
    pub(super) rows: usize,
    pub(super) bytes: u64,
    pub(super) cores: usize,
    /// Whether all of it is read in this process: then partitions are under way at the same time, each with rows of its own in memory.
    pub(super) is_local: bool,
    /// Whether the query looks at what takes time to read.
    pub(super) reads_content: bool,
}

impl Load {
    /// How many partitions that makes.
    pub(super) fn partitions(&self, asked: Partitions) -> usize {
        let by_size = || {
            let least = LEAST_PARTITIONS.max((self.bytes / PARTITION_BYTES) as usize);
            least.max(self.rows.div_ceil(PARTITION_ROWS)).min(self.rows.max(1))
        };
        match asked {
            Partitions::Exactly(count) => count,
            Partitions::BySize => by_size(),
            // Rows of the listing alone are cheap, and in one partition they stay in order.
            Partitions::Auto if !self.reads_content => 1,
            Partitions::Auto => {
                let at_once = if self.is_local { LEAST_PARTITIONS.max(4 * self.cores) } else { usize::MAX };
                let most = self.rows.div_ceil(LEAST_ROWS).clamp(1, at_once);
                by_size().max(self.cores.min(self.rows)).min(most)
            }
        }
    }
}

/// Cuts `rows` into `count` parts whose lengths differ by one at most: start and length of each.
pub(super) fn cut(rows: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let (least, more) = (rows / count.max(1), rows % count.max(1));
    (0..count).map(move |index| (index * least + index.min(more), least + usize::from(index < more)))
}

/// Puts whole items together, in their order, into parts of about the same size.
pub(super) fn group<T>(items: Vec<T>, bytes: impl Fn(&T) -> u64, count: usize) -> Vec<Vec<T>> {
    let all: u64 = items.iter().map(&bytes).sum();
    let mut parts: Vec<Vec<T>> = std::iter::repeat_with(Vec::new).take(count).collect();
    let mut before = 0;
    for item in items {
        let middle = before + bytes(&item) / 2;
        let part = (u128::from(middle) * count as u128 / u128::from(all.max(1))) as usize;
        before += bytes(&item);
        parts[part.min(count - 1)].push(item);
    }
    parts
}

/// The work items of each partition of a leaf; none where the leaf isn't at hand.
pub(super) fn work_items(leaf: &Arc<dyn ExecutionPlan>) -> &[Vec<RecordBatch>] {
    let source = leaf.downcast_ref::<DataSourceExec>();
    let source = source.and_then(|leaf| leaf.data_source().downcast_ref::<MemorySourceConfig>());
    source.map_or(&[], |source| source.partitions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_and_differ_by_one_at_most() {
        assert_eq!(cut(7, 3).collect::<Vec<_>>(), [(0, 3), (3, 2), (5, 2)]);
        assert_eq!(cut(2, 3).collect::<Vec<_>>(), [(0, 1), (1, 1), (2, 0)]);
        assert_eq!(cut(0, 1).collect::<Vec<_>>(), [(0, 0)]);
    }

    #[test]
    fn a_few_rows_stay_in_one_partition() {
        let load = |rows| Load { rows, bytes: 0, cores: 4, is_local: false, reads_content: true };
        assert_eq!(load(8).partitions(Partitions::Auto), 1);
        assert_eq!(load(1000).partitions(Partitions::Auto), 16);
        assert_eq!(load(30_000_000).partitions(Partitions::BySize), 300);
        assert_eq!(load(0).partitions(Partitions::BySize), 1);
        assert_eq!(load(3).partitions(Partitions::Exactly(5)), 5);
    }

    #[test]
    fn one_process_has_a_few_partitions_under_way_and_a_cluster_as_many_as_there_are() {
        let load = |is_local| Load { rows: 1_000_000, bytes: 1 << 40, cores: 8, is_local, reads_content: true };
        assert_eq!(load(true).partitions(Partitions::Auto), 32);
        assert_eq!(load(false).partitions(Partitions::Auto), 8192);
        assert_eq!(load(true).partitions(Partitions::BySize), 8192);
    }
}
