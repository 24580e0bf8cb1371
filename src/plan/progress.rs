//! How far a statement is, read from its plan's metrics.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

use crate::sink::ShardSinkExec;
use crate::source::ReadExec;
use crate::words::counted;

/// Files and bytes, done and in all. Totals are known after listing; without files to read they are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Files to read.
    pub files: u64,
    /// Files done: written or rejected where there is a sink, else read.
    pub files_done: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes read.
    pub bytes_done: u64,
    /// Records that were left out because they can't be read.
    pub corrupt_records: u64,
    /// Files that were left out, or whose rest was, because they can't be read.
    pub corrupt_files: u64,
    /// What counts as a file is an image that is read to see how long it takes.
    pub are_images: bool,
}

impl Progress {
    /// How far a plan of this process is.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut progress = Self::default();
        let (mut written, mut records) = (None, Self::default());
        let count = |plan: &Arc<dyn ExecutionPlan>, name: &str| {
            let sum = plan.metrics().and_then(|metrics| metrics.sum_by_name(name));
            sum.map_or(0, |sum| sum.as_usize() as u64)
        };
        // The closure never fails, and neither does the walk.
        let _ = plan.apply(|plan| {
            if plan.is::<ShardSinkExec>() {
                written = Some(count(plan, "records_written") + count(plan, "records_rejected"));
            } else if let Some(read) = plan.downcast_ref::<ReadExec>()
                && read.reads_content()
            {
                let (files, bytes) = read.totals();
                let part = if read.counts_rows() { &mut progress } else { &mut records };
                part.files += files as u64;
                part.bytes += bytes;
                part.files_done += count(plan, read.done_metric());
                part.bytes_done += count(plan, "bytes_read");
                part.corrupt_records += count(plan, "corrupt_records");
                part.corrupt_files += count(plan, "corrupt_files");
                part.are_images |= read.counts_images();
            }
            Ok(TreeNodeRecursion::Continue)
        });
        // A row that is written stands for an image file, and a record for a part of one.
        progress.files_done = written.unwrap_or(progress.files_done).min(progress.files);
        // A part that is read twice, after its task failed, is one part.
        records.files_done = records.files_done.min(records.files);
        progress.plus(records)
    }

    /// What is counted, in words.
    pub(crate) fn noun(&self) -> &'static str {
        if self.are_images { "images" } else { "files" }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            files_done: self.files_done + other.files_done,
            bytes: self.bytes + other.bytes,
            bytes_done: self.bytes_done + other.bytes_done,
            corrupt_records: self.corrupt_records + other.corrupt_records,
            corrupt_files: self.corrupt_files + other.corrupt_files,
            are_images: self.are_images || other.are_images,
        }
    }

    /// What was left out, in words.
    pub(crate) fn left_out(&self) -> Option<String> {
        match (self.corrupt_records, self.corrupt_files) {
            (0, 0) => None,
            (records, 0) => Some(format!("left out {} that can't be read", counted(records, "record"))),
            (0, files) => Some(format!("left out all or the rest of {} that can't be read", counted(files, "file"))),
            (records, files) => Some(format!(
                "left out {} and all or the rest of {} that can't be read",
                counted(records, "record"),
                counted(files, "file")
            )),
        }
    }
}

/// How often it is worth asking how far a statement is.
pub(crate) const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
