//! An attempt to write a partition: its files have names of their own, and none is left behind when it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use datafusion::common::{Result, exec_err};
use datafusion::physical_plan::metrics::Time;
use tokio::sync::Semaphore;

use super::{Target, hidden};
use crate::exec::Task;
use crate::storage::{Directory, token};

/// Threads that write for a partition at the same time, however many of its shards are open.
const MOST_TURNS: usize = 4;

/// One attempt of one run to write one partition; several may be under way at a time, on several machines.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(super) target: Arc<Target>,
    /// The partition's number in the whole plan.
    pub(super) partition: usize,
    task: Arc<Task>,
    token: String,
    is_abandoned: AtomicBool,
    /// Lists of rejects that were begun.
    lists: AtomicUsize,
    /// Time that is spent in writing and syncing files.
    pub(super) write_time: Time,
    /// The right to write, which is waited for before a thread is taken.
    pub(super) turns: Arc<Semaphore>,
}

impl Attempt {
    /// An attempt with a name that no other has.
    pub(super) fn new(target: Arc<Target>, partition: usize, task: Arc<Task>, write_time: Time) -> Result<Self> {
        let token = token()?;
        let (is_abandoned, lists) = (AtomicBool::new(false), AtomicUsize::new(0));
        let turns = Arc::new(Semaphore::new(MOST_TURNS));
        Ok(Self { target, partition, task, token, is_abandoned, lists, write_time, turns })
    }

    /// Stops an attempt that nobody waits for any more.
    ///
    /// # Errors
    /// The task is cancelled, or the run is over.
    pub(super) fn check(&self) -> Result<()> {
        self.task.check()?;
        self.check_wanted()?;
        self.target.check_run()
    }

    /// As [`Attempt::check`], of an attempt that was given up.
    pub(super) fn check_wanted(&self) -> Result<()> {
        match self.is_abandoned.load(Ordering::SeqCst) {
            true => exec_err!("cannot write to '{}': the attempt was abandoned", self.directory()),
            false => Ok(()),
        }
    }

    /// As [`Attempt::check`], without looking at files.
    pub(super) fn check_task(&self) -> Result<()> {
        self.task.check()
    }

    /// The dataset's directory, where all files of an attempt stand.
    pub(super) fn directory(&self) -> &Directory {
        &self.target.directory
    }

    /// Where one of the attempt's shards is written.
    pub(super) fn unfinished(&self, number: usize) -> String {
        hidden::unfinished(&self.label(number), &self.token)
    }

    /// The name of one of the attempt's shards when it is whole.
    pub(super) fn finished(&self, number: usize) -> String {
        hidden::finished(&self.label(number), &self.token)
    }

    /// The name of the index of one of the attempt's shards.
    pub(super) fn index(&self, number: usize) -> String {
        hidden::index(&self.label(number), &self.token)
    }

    /// The name of the attempt's next list of rejects.
    pub(super) fn next_list(&self) -> String {
        self.list(self.lists.fetch_add(1, Ordering::SeqCst))
    }

    /// Whether it has listed rejects.
    pub(super) fn has_lists(&self) -> bool {
        self.lists.load(Ordering::SeqCst) > 0
    }

    fn list(&self, number: usize) -> String {
        hidden::rejects(&self.label(number), &self.token)
    }

    /// Gives the attempt up: what there is of its shards goes, and threads that still write leave nothing.
    pub(super) fn abandon(&self, shards: usize) {
        self.is_abandoned.store(true, Ordering::SeqCst);
        (0..shards).for_each(|number| self.remove(number));
        // The error that is told is the first.
        let lists: Vec<String> = (0..self.lists.load(Ordering::SeqCst)).map(|number| self.list(number)).collect();
        let _ = self.directory().remove(&lists);
    }

    /// Removes all that there is of a shard.
    pub(super) fn remove(&self, number: usize) {
        // The error that is told is the first.
        let _ = self.directory().remove(&[self.finished(number), self.index(number), self.unfinished(number)]);
    }

    fn label(&self, number: usize) -> String {
        format!("{:05}-{number}", self.partition)
    }
}
