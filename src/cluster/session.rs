//! What makes a session one of a cluster: its configuration for every role, the client's and the scheduler's planners.

use std::sync::Arc;

use ballista_core::extension::{SessionConfigExt, SessionStateExt};
use ballista_core::planner::BallistaQueryPlanner;
use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::MESSAGE_BYTES;
use super::client::Cluster;
use super::query::{ClusterPlanner, OpenJobs};
use super::report::ClusterReport;
use super::silence::endpoint;
use crate::plan::{DistributedPlanner, LogicalCodec, MarkingPlanner, PhysicalCodec, with_models};
use crate::session::{
    another_config, opened, session_config, session_state, state_within, with_functions, with_query_planner,
};
use crate::storage::{AllowList, Stores};

/// The configuration of the roles of a cluster. What the client's session says overwrites it on the others, defaults included.
pub(super) fn cluster_config(vcores: usize, stores: &Arc<Stores>, allow: &AllowList) -> SessionConfig {
    with_models(session_config(vcores, stores).with_extension(Arc::new(allow.clone())), None)
        .upgrade_for_ballista()
        // One partition is what is counted, tried again and cancelled.
        .set_usize("ballista.scheduler.max_partitions_per_task", 1)
        .set_bool("ballista.planner.adaptive.enabled", true)
        // The client learns its job's name when the job begins, not at its end.
        .set_bool("ballista.client.pull", true)
        .set_usize("ballista.client.grpc_max_message_size", MESSAGE_BYTES as usize)
        .with_ballista_logical_extension_codec(Arc::new(LogicalCodec::default()))
        .with_ballista_physical_extension_codec(Arc::new(PhysicalCodec::default()))
        .with_ballista_override_create_grpc_client_endpoint(endpoint())
}

/// The state that a scheduler plans with.
///
/// # Errors
/// A memory limit that is none.
pub(super) fn scheduler_state(config: SessionConfig) -> Result<SessionState> {
    let state = with_functions(session_state(config)?);
    Ok(with_query_planner(state, Arc::new(MarkingPlanner(DistributedPlanner))))
}

/// A session whose statements run on a cluster.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn cluster_session(
    cluster: &Cluster,
    jobs: &OpenJobs,
    report: &ClusterReport,
    stores: &Arc<Stores>,
) -> Result<SessionContext> {
    let here = std::env::current_dir().ok().filter(|here| *here != report.directory);
    let config = cluster_config(report.vcores.max(1), stores, &AllowList::default())
        .with_ballista_logical_extension_codec(Arc::new(LogicalCodec::from_directory(here.clone())));
    let config = with_models(config, here);
    let config = with_cluster_planner(config, cluster, jobs);
    Ok(opened(client_state(session_state(config)?, cluster)?))
}

/// Another session with the settings and the memory of the first, without its tables, and with jobs of its own.
///
/// # Errors
/// None in a configuration that the first was built with.
pub(crate) fn another_cluster_session(
    first: &SessionContext,
    cluster: &Cluster,
    jobs: &OpenJobs,
) -> Result<SessionContext> {
    let config = with_cluster_planner(another_config(first), cluster, jobs);
    Ok(opened(client_state(state_within(config, first.runtime_env())?, cluster)?))
}

/// The state of a client: subqueries stay what they are until the planner runs them.
fn client_state(state: SessionState, cluster: &Cluster) -> Result<SessionState> {
    let mut state = state.upgrade_for_ballista(url(cluster))?;
    state.config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = true;
    Ok(state)
}

fn url(cluster: &Cluster) -> String {
    format!("http://{}:{}", cluster.address().host, cluster.address().port)
}

fn with_cluster_planner(config: SessionConfig, cluster: &Cluster, jobs: &OpenJobs) -> SessionConfig {
    let ballista = BallistaQueryPlanner::with_extension(
        url(cluster),
        config.ballista_config(),
        config.ballista_logical_extension_codec(),
    );
    let planner = ClusterPlanner::new(cluster.clone(), jobs.clone(), ballista);
    config.with_ballista_query_planner(Arc::new(planner))
}
