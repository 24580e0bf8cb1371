//! The scheduler: plans, hands tasks to executors, and tells of its jobs, all on one port.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer;
use ballista_scheduler::api::get_routes;
use ballista_scheduler::cluster::{BallistaCluster, ClusterState};
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::create_scheduler;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use sysinfo::System;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::jobs::{Jobs, Server};
use super::report::{ClusterReport, ExecutorReport, JobReport};
use super::session::{cluster_config, scheduler_state};
use super::silence::{endpoint, listen};
use super::slots::Slots;
use super::watch::watch;
use super::{MESSAGE_BYTES, Timing, shown};
use crate::error::{Error, Result};
use crate::plan::{LogicalCodec, PhysicalCodec};
use crate::storage::{AllowList, StoreSettings, Stores};

/// How a scheduler runs.
#[derive(Debug, Clone)]
pub(crate) struct SchedulerOptions {
    /// The address to listen on; port 0 for any that is free.
    pub(crate) bind: SocketAddr,
    /// The name by which executors reach it.
    pub(crate) external_host: Option<String>,
    /// What clients may read and write.
    pub(crate) allow: AllowList,
    /// What this process knows of object stores.
    pub(crate) stores: StoreSettings,
}

/// A scheduler that listens.
pub(crate) struct Scheduler {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Scheduler {
    /// Starts to listen.
    ///
    /// # Errors
    /// An address that can't be had.
    pub(crate) async fn start(options: SchedulerOptions) -> Result<Self> {
        let cannot =
            |error: &dyn std::fmt::Display| Error::Failed(format!("cannot listen on {}: {error}", options.bind));
        let listener = listen(options.bind).map_err(|error| cannot(&error))?;
        let address = listener.local_addr().map_err(|error| cannot(&error))?;
        let config = Arc::new(config(address, &options));
        let cluster = BallistaCluster::new_from_config(&config).await.map_err(|error| cannot(&error))?;
        let (slots, state) = (Arc::new(Slots::default()), cluster.job_state());
        let cluster = BallistaCluster::new(Arc::clone(&slots) as Arc<dyn ClusterState>, Arc::clone(&state));
        let server = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, config).await;
        let server: Server = server.map_err(|error| cannot(&error))?;
        let jobs = Arc::new(Jobs::new(server.clone(), state, slots));
        tokio::spawn(watch(server.clone(), Arc::clone(&jobs)));
        Ok(Self { listener, address, router: router(server, jobs) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for good.
    ///
    /// # Errors
    /// A listener that fails.
    pub(crate) async fn serve(self) -> Result<()> {
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        let served = axum::serve(self.listener, service).await;
        served.map_err(|error| Error::Failed(format!("the scheduler stopped: {error}")))
    }
}

fn config(address: SocketAddr, options: &SchedulerOptions) -> SchedulerConfig {
    let timing = Timing::from_environment();
    let external_host = options.external_host.clone().unwrap_or_else(|| match address.ip().is_unspecified() {
        true => System::host_name().unwrap_or_else(|| "localhost".to_string()),
        false => shown(address.ip()),
    });
    let allow = options.allow.clone();
    let stores = Arc::new(Stores::new(options.stores.clone(), Handle::current()));
    SchedulerConfig {
        external_host,
        bind_host: address.ip().to_string(),
        bind_port: address.port(),
        grpc_server_max_decoding_message_size: MESSAGE_BYTES,
        grpc_server_max_encoding_message_size: MESSAGE_BYTES,
        grpc_client_max_message_size: MESSAGE_BYTES,
        // A job's graph holds its work items.
        finished_job_state_clean_up_interval_seconds: 600,
        executor_timeout_seconds: timing.executor_timeout.as_secs(),
        expire_dead_executor_interval_seconds: timing.expiry_check.as_secs(),
        no_executors_grace_period_seconds: timing.no_executors.as_secs(),
        override_config_producer: Some(Arc::new(move || cluster_config(1, &stores, &allow))),
        override_session_builder: Some(Arc::new(scheduler_state)),
        override_logical_codec: Some(Arc::new(LogicalCodec::default())),
        override_physical_codec: Some(Arc::new(PhysicalCodec::default())),
        override_create_grpc_client_endpoint: Some(endpoint()),
        ..SchedulerConfig::default()
    }
}

/// Ballista's services, its REST interface and metrics, and this crate's own.
fn router(server: Server, jobs: Arc<Jobs>) -> Router {
    let grpc = SchedulerGrpcServer::new(server.clone())
        .max_encoding_message_size(MESSAGE_BYTES as usize)
        .max_decoding_message_size(MESSAGE_BYTES as usize);
    let grpc = tonic::service::Routes::new(grpc).into_axum_router();
    let own = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/pixmill/cluster", get(cluster))
        .route("/pixmill/jobs", get(all_jobs))
        .route("/pixmill/jobs/{id}", get(job).delete(cancel))
        .route("/pixmill/executors/{id}", post(told))
        .route("/pixmill/sessions/{id}", delete(end_session))
        .layer(DefaultBodyLimit::max(MESSAGE_BYTES as usize))
        .with_state(jobs);
    get_routes(Arc::new(server)).merge(grpc).merge(own)
}

type Answer<T> = std::result::Result<Json<T>, (StatusCode, String)>;

/// Whether there is an executor to run anything.
async fn ready(State(jobs): State<Arc<Jobs>>) -> (StatusCode, &'static str) {
    match jobs.executors().await.0 {
        0 => (StatusCode::SERVICE_UNAVAILABLE, "no executor"),
        _ => (StatusCode::OK, "ok"),
    }
}

async fn cluster(State(jobs): State<Arc<Jobs>>) -> Json<ClusterReport> {
    Json(jobs.cluster().await)
}

async fn all_jobs(State(jobs): State<Arc<Jobs>>) -> Json<Vec<JobReport>> {
    Json(jobs.all().await)
}

async fn job(State(jobs): State<Arc<Jobs>>, Path(id): Path<String>) -> Answer<JobReport> {
    found(&id, jobs.job(&id).await)
}

async fn cancel(State(jobs): State<Arc<Jobs>>, Path(id): Path<String>) -> Answer<JobReport> {
    found(&id, jobs.cancel(&id).await)
}

fn found(id: &str, job: Option<JobReport>) -> Answer<JobReport> {
    job.map(Json).ok_or_else(|| (StatusCode::NOT_FOUND, format!("no job '{id}' is known to the scheduler")))
}

async fn end_session(State(jobs): State<Arc<Jobs>>, Path(id): Path<String>) -> Json<()> {
    jobs.end_session(&id).await;
    Json(())
}

async fn told(State(jobs): State<Arc<Jobs>>, Path(id): Path<String>, Json(report): Json<ExecutorReport>) -> Json<bool> {
    Json(jobs.told(&id, report))
}
