//! The scheduler's watch over its jobs.

use std::sync::Arc;
use std::time::Duration;

use ballista_scheduler::cluster::ClusterStateEvent;
use futures::StreamExt;

use super::jobs::{Jobs, Server};

/// How often jobs are looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Looks at the jobs now and then, and when an executor is gone.
pub(super) async fn watch(server: Server, jobs: Arc<Jobs>) {
    let mut interval = tokio::time::interval(INTERVAL);
    let mut events = match server.cluster_state_events().await {
        Ok(events) => events,
        Err(error) => {
            tracing::error!("the loss of executors can't be seen: {error}");
            Box::pin(futures::stream::pending())
        }
    };
    loop {
        tokio::select! {
            _ = interval.tick() => jobs.refresh().await,
            event = events.next() => match event {
                Some(ClusterStateEvent::RemovedExecutor { executor_id }) => {
                    tracing::warn!("executor {executor_id} is gone");
                    jobs.executor_lost(&executor_id).await;
                }
                Some(ClusterStateEvent::RegisteredExecutor { executor_id }) => {
                    tracing::info!("executor {executor_id} is here");
                }
                None => events = Box::pin(futures::stream::pending()),
            },
        }
    }
}
