//! Writes the rows of one partition: to one shard, or to one for each directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::Count;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::directory::join;
use super::encode::{ChangedKeys, Encoder, Place, Rejection};
use super::shard::ShardWriter;
use super::{OnReject, Target};
use crate::format::manifest::{Reject, Shard};
use crate::storage::AllowList;

/// The most directories that one partition writes to at the same time.
const MOST_DIRECTORIES: usize = 256;

/// What a partition has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Partitions of the whole input, by which the commit knows whether all have reported.
    pub(crate) partitions: usize,
    pub(crate) shards: Vec<Shard>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) changed_keys: ChangedKeys,
}

/// What is counted while a partition is written.
pub(super) struct Counts {
    pub(super) records_written: Count,
    pub(super) bytes_written: Count,
    pub(super) records_rejected: Count,
    /// Rows rejected by all partitions.
    pub(super) all_rejected: Arc<AtomicU64>,
}

/// Writes the rows of one partition.
pub(super) struct PartitionWriter<E> {
    partition: usize,
    partitions: usize,
    target: Arc<Target>,
    runtime: Handle,
    /// Rows that have come, rejected ones included.
    rows: u64,
    /// Open shards by their directory, which is empty where the dataset has none.
    shards: BTreeMap<String, ShardWriter<E>>,
    rejects: Vec<Reject>,
    counts: Counts,
    allow: Arc<AllowList>,
}

impl<E: Encoder> PartitionWriter<E> {
    /// A writer of one of so many partitions.
    pub(super) fn new(
        partition: usize,
        partitions: usize,
        target: Arc<Target>,
        runtime: Handle,
        counts: Counts,
        allow: Arc<AllowList>,
    ) -> Self {
        let (shards, rejects) = (BTreeMap::new(), Vec::new());
        Self { partition, partitions, target, runtime, rows: 0, shards, rejects, counts, allow }
    }

    pub(super) async fn write(&mut self, mut rows: SendableRecordBatchStream) -> Result<()> {
        self.make_directory()?;
        while let Some(batch) = rows.try_next().await? {
            self.write_batch(&batch).await?;
        }
        Ok(())
    }

    /// Hands over to the writing threads all that shards consist of, what was held back included: behind this only their
    /// files are in use, not memory.
    pub(super) async fn hand_over(&mut self) -> Result<()> {
        let directory = &self.target.directory;
        if !self.shards.is_empty() {
            // Behind this shards get their names, which may be those of the dataset that is replaced.
            let aside = self.target.set_manifest_aside();
            aside.map_err(|error| exec_datafusion_err!("cannot replace '{}': {error}", directory.display()))?;
        }
        for (directory, writer) in &mut self.shards {
            let name = self.target.shard_name(directory, self.partition, self.partitions, writer.records());
            writer.hand_over(&name).await?;
        }
        Ok(())
    }

    /// Waits until the shards that were handed over are in their places.
    pub(super) async fn finish(self) -> Result<Report> {
        let mut report = Report {
            partitions: self.partitions,
            shards: Vec::new(),
            rejects: self.rejects,
            changed_keys: ChangedKeys::default(),
        };
        for (directory, mut writer) in self.shards {
            report.changed_keys.add(writer.changed_keys());
            let mut shard = writer.finish().await?;
            shard.path = join(&directory, &shard.path);
            report.shards.push(shard);
        }
        Ok(report)
    }

    /// Makes the directory, and says that what comes into it is not a dataset yet.
    fn make_directory(&self) -> Result<()> {
        let directory = &self.target.directory;
        fs::create_dir_all(directory)
            .map_err(|error| exec_datafusion_err!("cannot create '{}': {error}", directory.display()))?;
        let marked = self.target.mark_unfinished(self.partition);
        marked.map_err(|error| exec_datafusion_err!("cannot write to '{}': {error}", directory.display()))
    }

    async fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let target = Arc::clone(&self.target);
        let rows = E::prepare(&target, batch, Place { partition: self.partition, row: self.rows })?;
        self.rows += batch.num_rows() as u64;
        let directories = target.directories(batch)?;
        for row in 0..batch.num_rows() {
            if let Some(rejection) = E::rejection(&rows, row) {
                self.reject(target.reject(batch, row, rejection))?;
                continue;
            }
            let directory = directories.as_ref().map_or("", |directories| &directories[row]);
            self.open(directory)?;
            let open = self.shards.len();
            let writer = self.shards.get_mut(directory);
            let writer = writer.ok_or_else(|| internal_datafusion_err!("no shard for '{directory}'"))?;
            let before = writer.bytes();
            writer.append(&rows, row, open).await?;
            self.counts.records_written.add(1);
            self.counts.bytes_written.add((writer.bytes() - before) as usize);
        }
        for writer in self.shards.values_mut() {
            let before = writer.bytes();
            writer.end_batch(&rows).await?;
            self.counts.bytes_written.add((writer.bytes() - before) as usize);
        }
        Ok(())
    }

    /// Starts the shard of a directory where there is none yet.
    fn open(&mut self, directory: &str) -> Result<()> {
        if self.shards.contains_key(directory) {
            return Ok(());
        }
        if self.shards.len() == MOST_DIRECTORIES {
            return exec_err!(
                "PARTITIONED BY gives more than {MOST_DIRECTORIES} directories; choose columns with fewer values"
            );
        }
        let path: PathBuf = self.target.directory.join(directory);
        self.allow.check_path(&path)?;
        fs::create_dir_all(&path)
            .map_err(|error| exec_datafusion_err!("cannot create '{}': {error}", path.display()))?;
        let label = format!("{:05}", self.partition);
        let encoder = E::start(&self.target)?;
        let writer = ShardWriter::start(encoder, &path, &label, &self.target.options, &self.runtime);
        self.shards.insert(directory.to_string(), writer);
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        let options = &self.target.options;
        let shown = reject.path.as_deref().unwrap_or("a row");
        let rejected = self.counts.all_rejected.fetch_add(1, Ordering::Relaxed) + 1;
        if options.on_reject == OnReject::Fail {
            return exec_err!("'{shown}' is rejected: {}; use on_reject 'skip' to write the others", reject.reason);
        }
        if options.max_rejects.is_some_and(|most| rejected > most) {
            return exec_err!(
                "more than {} rows are rejected (max_rejects), the last of them '{shown}': {}",
                rejected - 1,
                reject.reason
            );
        }
        tracing::debug!("rejected '{shown}': {}", reject.reason);
        self.counts.records_rejected.add(1);
        self.rejects.push(reject);
        Ok(())
    }
}

impl Target {
    /// Which row is rejected and why, as far as its hidden columns tell.
    fn reject(&self, batch: &RecordBatch, row: usize, rejection: Rejection) -> Reject {
        let hidden = |index: usize| self.reject_columns.map(|columns| batch.column(columns[index]));
        let text = |column: &ArrayRef| {
            let column = column.as_string_opt::<i32>()?;
            column.is_valid(row).then(|| column.value(row).to_string())
        };
        let decoded = |column: &ArrayRef| {
            let column = column.as_binary_opt::<i32>()?;
            column.is_valid(row).then(|| pixmill_udfs::image_error(column.value(row))).flatten()
        };
        let from_file = || hidden(2).and_then(text).or_else(|| hidden(1).and_then(decoded));
        let reason = if rejection.is_image { from_file() } else { None };
        Reject { path: hidden(0).and_then(text).or(rejection.key), reason: reason.unwrap_or(rejection.reason) }
    }
}
