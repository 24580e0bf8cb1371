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
use pixmill_udfs::{ImageLimits, image_error, within_limits};
use tokio::runtime::Handle;

use super::attempt::Attempt;
use super::encode::{Encoder, FirstRow, Rejection};
use super::failure::io_failure;
use super::max_rejects::MaxRejects;
use super::rejects::{LEAST_LIST_BYTES, RejectList};
use super::report::{HiddenFile, Report};
use super::shard::ShardWriter;
use super::write::on;
use super::{OnReject, Target};
use crate::config::PixmillOptions;
use crate::format::manifest::Reject;
use crate::storage::Unread;

/// The most directories that one partition writes to at the same time.
const MOST_DIRECTORIES: usize = 256;

/// What is counted while a partition is written.
pub(super) struct Counts {
    pub(super) records_written: Count,
    pub(super) bytes_written: Count,
    pub(super) records_rejected: Count,
    /// Of all partitions.
    pub(super) all: Arc<AllRows>,
}

/// Rows of all partitions that one process writes.
#[derive(Debug, Default)]
pub(super) struct AllRows {
    rows: AtomicU64,
    rejected: AtomicU64,
}

impl Counts {
    /// Counts what an earlier attempt has written.
    pub(super) fn add(&self, report: &Report) {
        let shards = &report.shards;
        self.records_written.add(shards.iter().map(|shard| shard.records).sum::<u64>() as usize);
        self.bytes_written.add(shards.iter().map(|shard| shard.file.bytes).sum::<u64>() as usize);
        self.records_rejected.add(report.rejected as usize);
        let records: u64 = shards.iter().map(|shard| shard.records).sum();
        self.all.rows.fetch_add(records + report.rejected, Ordering::Relaxed);
        self.all.rejected.fetch_add(report.rejected, Ordering::Relaxed);
    }
}

/// What a partition may hold of the session's memory.
pub(super) struct Memory {
    reservation: MemoryReservation,
    /// As it was set.
    limit: String,
    image_limits: ImageLimits,
}

impl Memory {
    /// That of the session that a task is of.
    pub(super) fn of(context: &TaskContext, target: &Target) -> Self {
        let consumer = MemoryConsumer::new(format!("shards of '{}'", target.directory));
        let options = PixmillOptions::of(context.session_config().options());
        let (limit, image_limits) = (options.memory_limit().to_string(), options.image_limits());
        Self { reservation: consumer.register(context.memory_pool()), limit, image_limits }
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
    rejects: RejectList,
    counts: Counts,
    memory: Memory,
    /// Shards that were started and aren't known to be whole.
    started: usize,
    is_finished: bool,
}

impl<E> Drop for PartitionWriter<E> {
    fn drop(&mut self) {
        if self.is_finished || (self.started == 0 && !self.attempt.has_lists()) {
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
        let (shards, report, rejects) = (BTreeMap::new(), Report::default(), RejectList::default());
        Self {
            attempt,
            target,
            runtime,
            part,
            rows: 0,
            shards,
            report,
            rejects,
            counts,
            memory,
            started: 0,
            is_finished: false,
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
            self.count_memory().await?;
        }
        Ok(())
    }

    /// Counts what the shards hold of the session's memory; a batch, which is the query's, is between two counts.
    async fn count_memory(&mut self) -> Result<()> {
        let shards: usize = self.shards.values().map(ShardWriter::held).sum();
        let fits = |rejects: &RejectList| self.memory.reservation.try_resize(shards + rejects.held()).is_ok();
        let has_room = fits(&self.rejects);
        if self.rejects.is_full() || (!has_room && self.rejects.held() >= LEAST_LIST_BYTES) {
            self.list_rejects().await?;
        } else if has_room {
            return Ok(());
        }
        if self.memory.reservation.try_resize(shards + self.rejects.held()).is_ok() {
            return Ok(());
        }
        let (open, directory, limit) = (self.shards.len(), self.attempt.directory(), &self.memory.limit);
        let held = HumanBytes((shards + self.rejects.held()) as u64);
        exec_err!(
            "cannot write to '{directory}': {} open at a time and hold {held}, for which there is no room in a pixmill.memory_limit of \
             {limit} (on a cluster, the executors' --memory); raise that, or choose columns of PARTITIONED BY with fewer values",
            if open == 1 { "1 shard is".to_string() } else { format!("{open} shards are") }
        )
    }

    /// Lists the rejected rows in a file, behind which they take no memory.
    async fn list_rejects(&mut self) -> Result<()> {
        let (attempt, rejects) = (Arc::clone(&self.attempt), self.rejects.take());
        let list = on(&self.runtime, move || save_rejects(&attempt, &rejects)).await?;
        self.report.rejects.push(list);
        Ok(())
    }

    /// Hands over to the writing threads all that shards consist of, what was held back included: behind this only their
    /// files are in use, not memory.
    pub(super) async fn hand_over(&mut self) -> Result<()> {
        for writer in self.shards.values_mut() {
            writer.hand_over().await?;
        }
        self.count_memory().await
    }

    /// Ends the shards of this part; the rows that come are the next one's.
    pub(super) async fn next_part(&mut self) -> Result<()> {
        self.hand_over().await?;
        self.end_shards().await?;
        self.part += 1;
        self.rows = 0;
        Ok(())
    }

    /// Waits until the shards that were handed over are whole. The last of the rejected rows are still to be listed.
    pub(super) async fn finish(mut self) -> Result<(Report, Vec<Reject>)> {
        self.end_shards().await?;
        self.is_finished = true;
        let mut report = std::mem::take(&mut self.report);
        self.rejects.report(&mut report);
        Ok((report, self.rejects.take()))
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
        self.counts.all.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let directories = target.directories(batch)?;
        for row in 0..batch.num_rows() {
            if let Some(rejection) = E::rejection(&rows, row) {
                let limits = self.memory.image_limits;
                self.reject(within_limits(limits, || target.reject(batch, row, rejection)))?;
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
        if self.rejects.is_full() {
            self.list_rejects().await?;
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
        let rejected = self.counts.all.rejected.fetch_add(1, Ordering::Relaxed) + 1;
        let rows = self.counts.all.rows.load(Ordering::Relaxed);
        if options.on_reject == OnReject::Fail {
            return exec_err!("'{shown}' is rejected: {}; use on_reject 'skip' to write the others", reject.reason);
        }
        match options.max_rejects.filter(|most| most.stops(rejected, rows)) {
            Some(MaxRejects::Count(most)) => {
                return exec_err!(
                    "more than {most} rows are rejected (max_rejects), the last of them '{shown}': {}",
                    reject.reason
                );
            }
            Some(MaxRejects::Share(share)) => {
                return exec_err!(
                    "{rejected} of {rows} rows are rejected until now, more than {share} (max_rejects), the last of them '{shown}': {}",
                    reject.reason
                );
            }
            None => {}
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
            let error = column.is_valid(row).then(|| image_error(column.value(row))).flatten()?;
            Some(("decode", error.class.name(), error.reason))
        };
        let unread = |text: String| {
            let Unread { class, reason } = Unread::parse(&text);
            ("read", class.name(), format!("cannot be read: {reason}"))
        };
        let from_file = || hidden(2).and_then(text).map(unread).or_else(|| hidden(1).and_then(decoded));
        let from_file = if rejection.is_image { from_file() } else { None };
        let (stage, class, reason) = from_file.unwrap_or(("write", rejection.class.name(), rejection.reason));
        let path = hidden(0).and_then(text).or(rejection.key);
        Reject { path, stage: stage.into(), class: class.into(), reason }
    }
}

/// Lists rejected rows of an attempt, which are in order, unless the run is over.
pub(super) fn save_rejects(attempt: &Attempt, rejects: &[Reject]) -> Result<HiddenFile> {
    attempt.check()?;
    let failed = |error| io_failure(format!("cannot write to '{}'", attempt.directory()), &error);
    attempt.target.save_rejects(attempt.next_list(), rejects).map_err(failed)
}
