//! The slots of executors: how many are taken, and back to the free ones what Ballista loses of them.
//!
//! Ballista doesn't give back the slots of tasks whose stage was rolled back while they ran; later jobs would miss them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::error::{BallistaError, Result};
use ballista_core::serde::protobuf::ExecutorHeartbeat;
use ballista_core::serde::scheduler::{ExecutorData, ExecutorMetadata};
use ballista_scheduler::cluster::memory::InMemoryClusterState;
use ballista_scheduler::cluster::{BoundTask, ClusterState, ClusterStateEventStream, ExecutorSlot};
use ballista_scheduler::config::TaskDistributionPolicy;
use ballista_scheduler::state::task_manager::JobInfoCache;

use super::remembered::Remembered;

/// How long a slot may be taken without a task before it is given back: starts and ends of tasks are on their way for a while.
const GRACE: Duration = Duration::from_secs(3);

/// Ballista's cluster state, with an account of slots, and without executors that were given up and come back: nobody would know what
/// their tasks do.
#[derive(Default)]
pub(super) struct Slots {
    inner: InMemoryClusterState,
    accounts: Mutex<HashMap<String, Account>>,
    given_up: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Account {
    taken: u32,
    /// The least number of slots that no task was in, since when.
    idle: Option<(u32, Instant)>,
}

impl Slots {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Account>) -> T) -> T {
        work(&mut self.accounts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn given_up(&self) -> MutexGuard<'_, Remembered> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an executor was here and is gone for good.
    pub(super) fn has_given_up(&self, executor: &str) -> bool {
        self.given_up().contains(executor)
    }

    /// Slots that are taken, of all executors.
    pub(super) fn taken(&self) -> usize {
        self.with(|accounts| accounts.values().map(|account| account.taken as usize).sum())
    }

    /// Gives back slots that no task has been in for a while; `running` are those with a task. Tells whether there were any.
    pub(super) async fn reconcile(&self, running: &HashMap<String, u32>) -> bool {
        let lost: Vec<ExecutorSlot> = self.with(|accounts| {
            let lost = accounts.iter_mut().filter_map(|(executor, account)| {
                let idle = account.taken.saturating_sub(running.get(executor).copied().unwrap_or(0));
                account.idle = match account.idle {
                    _ if idle == 0 => None,
                    None => Some((idle, Instant::now())),
                    Some((least, since)) => Some((least.min(idle), since)),
                };
                let (least, since) = account.idle?;
                (since.elapsed() >= GRACE).then(|| {
                    account.idle = None;
                    (executor.clone(), least)
                })
            });
            lost.collect()
        });
        if lost.is_empty() {
            return false;
        }
        tracing::warn!("slots without a task are free again: {lost:?}");
        if let Err(error) = self.unbind_tasks(lost).await {
            tracing::warn!("slots can't be freed: {error}");
        }
        true
    }
}

#[async_trait]
impl ClusterState for Slots {
    async fn init(&self) -> Result<()> {
        self.inner.init().await
    }

    async fn bind_schedulable_tasks(
        &self,
        distribution: TaskDistributionPolicy,
        active_jobs: Arc<HashMap<JobId, JobInfoCache>>,
        executors: Option<HashSet<String>>,
    ) -> Result<Vec<BoundTask>> {
        let bound = self.inner.bind_schedulable_tasks(distribution, active_jobs, executors).await?;
        self.with(|accounts| {
            for (executor, task) in &bound {
                accounts.entry(executor.clone()).or_default().taken += task.vcores_consumed;
            }
        });
        Ok(bound)
    }

    async fn unbind_tasks(&self, slots: Vec<ExecutorSlot>) -> Result<()> {
        // A slot that was given back already, because its task's end came late, isn't given back twice.
        let slots: Vec<ExecutorSlot> = self.with(|accounts| {
            let kept = slots.into_iter().map(|(executor, count)| {
                let account = accounts.entry(executor.clone()).or_default();
                let count = count.min(account.taken);
                account.taken -= count;
                (executor, count)
            });
            kept.collect()
        });
        self.inner.unbind_tasks(slots).await
    }

    async fn register_executor(&self, metadata: ExecutorMetadata, spec: ExecutorData) -> Result<()> {
        if self.has_given_up(&metadata.id) {
            return Err(BallistaError::General(format!(
                "executor {} was given up, and has to start anew",
                metadata.id
            )));
        }
        self.inner.register_executor(metadata, spec).await
    }

    async fn save_executor_metadata(&self, metadata: ExecutorMetadata) -> Result<()> {
        self.inner.save_executor_metadata(metadata).await
    }

    async fn get_executor_metadata(&self, executor_id: &str) -> Result<ExecutorMetadata> {
        self.inner.get_executor_metadata(executor_id).await
    }

    async fn registered_executor_metadata(&self) -> Vec<ExecutorMetadata> {
        self.inner.registered_executor_metadata().await
    }

    async fn save_executor_heartbeat(&self, heartbeat: ExecutorHeartbeat) -> Result<()> {
        match self.has_given_up(&heartbeat.executor_id) {
            true => Ok(()),
            false => self.inner.save_executor_heartbeat(heartbeat).await,
        }
    }

    async fn remove_executor(&self, executor_id: &str) -> Result<()> {
        self.with(|accounts| accounts.remove(executor_id));
        let is_news = self.given_up().add(executor_id);
        // A task that couldn't be sent to it tells of its loss once more, and jobs that have begun since have lost nothing.
        match is_news || self.inner.get_executor_heartbeat(executor_id).is_some() {
            true => self.inner.remove_executor(executor_id).await,
            false => Ok(()),
        }
    }

    fn executor_heartbeats(&self) -> HashMap<String, ExecutorHeartbeat> {
        self.inner.executor_heartbeats()
    }

    fn get_executor_heartbeat(&self, executor_id: &str) -> Option<ExecutorHeartbeat> {
        self.inner.get_executor_heartbeat(executor_id)
    }

    async fn cluster_state_events(&self) -> Result<ClusterStateEventStream> {
        self.inner.cluster_state_events().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_is_given_back_once() {
        let slots = Slots::default();
        slots.with(|accounts| accounts.entry("a".to_string()).or_default().taken = 2);
        slots.unbind_tasks(vec![("a".to_string(), 5)]).await.expect("unbound");
        assert_eq!(slots.taken(), 0);
    }

    #[tokio::test]
    async fn a_slot_without_a_task_is_free_after_a_while() {
        let slots = Slots::default();
        slots.with(|accounts| accounts.entry("a".to_string()).or_default().taken = 3);
        let running = HashMap::from([("a".to_string(), 1)]);
        assert!(!slots.reconcile(&running).await);
        assert_eq!(slots.taken(), 3);
        slots.with(|accounts| {
            let account = accounts.get_mut("a").expect("an account");
            account.idle = account.idle.map(|(idle, since)| (idle, since - GRACE));
        });
        assert!(slots.reconcile(&running).await);
        assert_eq!(slots.taken(), 1);
    }
}
