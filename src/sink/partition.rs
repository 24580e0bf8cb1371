//! Writes the rows of one partition: each part of them to one shard, or to one for each directory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::common::{Result, exec_err, internal_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::Count;
use futures::TryStreamExt;
use indicatif::HumanBytes;
use tokio::runtime::Handle;

use super::attempt::Attempt;
use super::encode::{Encoder, FirstRow, Rejection};
use super::report::Report;
use super::shard::ShardWriter;
use super::{OnReject, Target};
use crate::config::PixmillOptions;
use crate::format::manifest::Reject;
use crate::words::counted;

/// The most directories that one partition writes to at the same time.
const MOST_DIRECTORIES: usize = 256;

/// What is counted while a partition is written.
pub(super) struct Counts {
    pub(super) records_written: Count,
    pub(super) bytes_written: Count,
    pub(super) records_rejected: Count,
    /// Rows rejected by all partitions.
    pub(super) all_rejected: Arc<AtomicU64>,
}

impl Counts {
    /// Counts what an earlier attempt has written.
    pub(super) fn add(&self, report: &Report) {
        let shards = &report.shards;
        self.records_written.add(shards.iter().map(|shard| shard.records).sum::<u64>() as usize);
        self.bytes_written.add(shards.iter().map(|shard| shard.file.bytes).sum::<u64>() as usize);
        self.records_rejected.add(report.rejected as usize);
        self.all_rejected.fetch_add(report.rejected, Ordering::Relaxed);
    }
}

/// What a partition may hold of the session's memory.
pub(super) struct Memory {
    reservation: MemoryReservation,
    /// As it was set.
    limit: String,
}

impl Memory {
    /// That of the session that a task is of.
    pub(super) fn of(context: &TaskContext, target: &Target) -> Self {
        let consumer = MemoryConsumer::new(format!("shards of '{}'", target.directory));
        let limit = PixmillOptions::of(context.session_config().options()).memory_limit().to_string();
        Self { reservation: consumer.register(context.memory_pool()), limit }
    }
}

/// Writes the rows of one partition. Dropped before it is finished, it leaves nothing behind.
pub(super) struct PartitionWriter<E> {
    attempt: Arc<Attempt>,
    target: Arc<Target>,
    runtime: Handle,
    /// The number of the part that is written, among those of the whole dataset.
    part: usize,
    /// Rows of this part that have come, rejected ones included.
    rows: u64,
    /// Open shards by their directory, which is empty where the dataset has none.
    shards: BTreeMap<String, ShardWriter<E>>,
    /// What is whole already.
    report: Report,
    rejects: Vec<Reject>,
    /// Bytes of these.
    reject_bytes: usize,
    counts: Counts,
    memory: Memory,
    /// Shards that were started and aren't known to be whole.
    started: usize,
}

impl<E> Drop for PartitionWriter<E> {
    fn drop(&mut self) {
        if self.started == 0 {
            return;
        }
        let (attempt, started) = (Arc::clone(&self.attempt), self.started);
        match attempt.directory().local() {
            Some(_) => attempt.abandon(started),
            // A store is waited for elsewhere.
            None => drop(self.runtime.spawn_blocking(move || attempt.abandon(started))),
        }
    }
}

impl<E: Encoder> PartitionWriter<E> {
    /// A writer of an attempt's partition, whose run has begun.
    pub(super) fn new(attempt: Arc<Attempt>, runtime: Handle, counts: Counts, memory: Memory) -> Self {
        let (target, part) = (Arc::clone(&attempt.target), attempt.partition);
        let (shards, report, rejects) = (BTreeMap::new(), Report::default(), Vec::new());
        Self {
            attempt,
            target,
            runtime,
            part,
            rows: 0,
            shards,
            report,
            rejects,
            reject_bytes: 0,
            counts,
            memory,
            started: 0,
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Stops work that nobody waits for any more.
    ///
    /// # Errors
    /// The task is cancelled.
    pub(super) fn check_task(&self) -> Result<()> {
        self.attempt.check_task()
    }

    /// Writes all rows to one part.
    pub(super) async fn write(&mut self, mut rows: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = rows.try_next().await? {
            self.check_task()?;
            self.write_batch(&batch).await?;
            self.count_memory()?;
        }
        Ok(())
    }

    /// Counts what the shards hold of the session's memory; a batch, which is the query's, is between two counts.
    fn count_memory(&self) -> Result<()> {
        let shards: usize = self.shards.values().map(ShardWriter::held).sum();
        let rejects = self.rejects.capacity() * size_of::<Reject>() + self.reject_bytes;
        if self.memory.reservation.try_resize(shards + rejects).is_ok() {
            return Ok(());
        }
        let (open, directory, limit) = (self.shards.len(), self.attempt.directory(), &self.memory.limit);
        let (held, rejected) = (HumanBytes((shards + rejects) as u64), self.rejects.len());
        exec_err!(
            "cannot write to '{directory}': {} open at a time and {} of one partition hold {held}, for which there is no room \
             in a pixmill.memory_limit of {limit} (on a cluster, the executors' --memory); raise that, or choose columns of PARTITIONED BY \
             with fewer values",
            if open == 1 { "1 shard is".to_string() } else { format!("{open} shards are") },
            counted(rejected as u64, "rejected row")
        )
    }

    /// Hands over to the writing threads all that shards consist of, what was held back included: behind this only their
    /// files are in use, not memory.
    pub(super) async fn hand_over(&mut self) -> Result<()> {
        for writer in self.shards.values_mut() {
            writer.hand_over().await?;
        }
        self.count_memory()
    }

    /// Ends the shards of this part; the rows that come are the next one's.
    pub(super) async fn next_part(&mut self) -> Result<()> {
        self.hand_over().await?;
        self.end_shards().await?;
        self.part += 1;
        self.rows = 0;
        Ok(())
    }

    /// Waits until the shards that were handed over are whole. The rejected rows are still to be listed.
    pub(super) async fn finish(mut self) -> Result<(Report, Vec<Reject>)> {
        self.end_shards().await?;
        self.started = 0;
        let (mut report, mut rejects) = (std::mem::take(&mut self.report), std::mem::take(&mut self.rejects));
        rejects.sort();
        report.rejected = rejects.len() as u64;
        report.first_reject = rejects.first().cloned();
        Ok((report, rejects))
    }

    async fn end_shards(&mut self) -> Result<()> {
        for (directory, mut writer) in std::mem::take(&mut self.shards) {
            self.report.changed_keys.add(writer.changed_keys());
            self.report.shards.push(writer.finish(directory).await?);
        }
        Ok(())
    }

    /// Writes some rows of this part.
    pub(super) async fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let target = Arc::clone(&self.target);
        let rows = E::prepare(&target, batch, FirstRow { part: self.part, row: self.rows })?;
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
        let open = self.shards.len();
        for writer in self.shards.values_mut() {
            let before = writer.bytes();
            writer.end_batch(&rows, open).await?;
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
        let encoder = E::start(&self.target)?;
        let writer = ShardWriter::start(encoder, &self.attempt, self.started, &self.runtime);
        self.shards.insert(directory.to_string(), writer);
        self.started += 1;
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
        self.reject_bytes += reject.path.as_ref().map_or(0, String::capacity) + reject.reason.capacity();
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
            column
                .is_valid(row)
                .then(|| pixmill_udfs::image_error(column.value(row)))
                .flatten()
                .map(|error| error.reason)
        };
        let from_file = || hidden(2).and_then(text).or_else(|| hidden(1).and_then(decoded));
        let reason = if rejection.is_image { from_file() } else { None };
        Reject { path: hidden(0).and_then(text).or(rejection.key), reason: reason.unwrap_or(rejection.reason) }
    }
}
