//! The executor: runs tasks of the scheduler's, and tells it what they have done.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::executor_server::TERMINATING;
use ballista_executor::health::ExecutorHealth;
use tokio::runtime::Handle;

use super::client::{Cluster, HostPort};
use super::report::{ClusterReport, ExecutorReport};
use super::session::cluster_config;
use super::silence::endpoint;
use super::tasks::{RunningTasks, TaskEngine};
use super::{MESSAGE_BYTES, Timing, shown};
use crate::error::{Error, Result};
use crate::exec::Worker;
use crate::plan::{LogicalCodec, PhysicalCodec};
use crate::session::{runtime, session_state, with_functions};
use crate::storage::{AllowList, StoreSettings, Stores};
use crate::words::counted;

/// How an executor runs.
#[derive(Debug, Clone)]
pub(crate) struct ExecutorOptions {
    /// Where the scheduler is.
    pub(crate) scheduler: HostPort,
    /// The address to listen on, and the first of two ports; 0 for any that are free.
    pub(crate) bind: SocketAddr,
    /// The name by which others reach it.
    pub(crate) external_host: Option<String>,
    /// Tasks at the same time.
    pub(crate) vcores: usize,
    /// Where rows wait for the next stage, and what doesn't fit into memory.
    pub(crate) work_dir: PathBuf,
    /// Bytes for sorting, grouping and joining, all tasks together.
    pub(crate) memory: Option<u64>,
    /// How long to wait for the scheduler.
    pub(crate) patience: Duration,
    /// What tasks may read and write.
    pub(crate) allow: AllowList,
    /// What this process knows of object stores.
    pub(crate) stores: StoreSettings,
}

/// How often the scheduler is told what tasks have done.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until it is told to stop by a signal, or by the scheduler.
///
/// # Errors
/// Ports or directories that can't be had.
pub(crate) async fn run(options: ExecutorOptions, cluster: Cluster, report: ClusterReport) -> Result<()> {
    // Relative locations start from the scheduler's directory, where this machine has it.
    if std::env::set_current_dir(&report.directory).is_err() {
        tracing::warn!(
            "'{}', the scheduler's directory, isn't here: only absolute paths will be found",
            report.directory.display()
        );
    }
    let (port, grpc_port) = ports(options.bind)?;
    std::fs::create_dir_all(&options.work_dir).map_err(Error::file("create", &options.work_dir))?;
    let id = format!("{}-{port}-{:08x}", options.bind.ip(), getrandom::u32().unwrap_or_default());
    let tasks = RunningTasks::default();
    let health = ExecutorHealth::new();
    let config = process_config(&options, &id, (port, grpc_port), tasks.clone(), health.clone())?;
    eprintln!(
        "executor {id} with {}, for the scheduler at {}",
        counted(options.vcores as u64, "vcore"),
        options.scheduler
    );
    tokio::select! {
        ended = start_executor_process(Arc::new(config)) => {
            ended.map_err(|error| Error::Failed(format!("the executor stopped: {error}")))
        }
        () = tell(cluster, id, tasks, health) => Ok(()),
    }
}

/// Two ports that are free, or the two that were asked for.
fn ports(bind: SocketAddr) -> Result<(u16, u16)> {
    if bind.port() != 0 {
        let next = bind.port().checked_add(1);
        let next =
            next.ok_or_else(|| Error::Failed(format!("cannot listen on the port behind {bind}: it is the last")))?;
        return Ok((bind.port(), next));
    }
    let free = || TcpListener::bind((bind.ip(), 0));
    // Both are held until both are known, so that they differ.
    let both = free().and_then(|first| free().map(|second| (first, second)));
    let ports = both.and_then(|(first, second)| Ok((first.local_addr()?.port(), second.local_addr()?.port())));
    ports.map_err(|error| Error::Failed(format!("cannot listen on {}: {error}", bind.ip())))
}

fn process_config(
    options: &ExecutorOptions,
    id: &str,
    (port, grpc_port): (u16, u16),
    tasks: RunningTasks,
    health: ExecutorHealth,
) -> Result<ExecutorProcessConfig> {
    let (vcores, allow) = (options.vcores, options.allow.clone());
    let stores = Arc::new(Stores::new(options.stores.clone(), Handle::current()));
    pixmill_udfs::limit_threads(vcores);
    let state = with_functions(session_state(cluster_config(vcores, &stores, &allow))?);
    let worker = Arc::new(Worker { name: id.to_string(), vcores });
    let work_dir = options.work_dir.to_string_lossy().into_owned();
    let spill = work_dir.clone();
    Ok(ExecutorProcessConfig {
        executor_id: id.to_string(),
        bind_host: shown(options.bind.ip()),
        external_host: options.external_host.clone().or_else(|| match options.bind.ip() {
            ip if ip.is_ipv6() && !ip.is_unspecified() => Some(shown(ip)),
            _ => None,
        }),
        port,
        grpc_port,
        scheduler_host: options.scheduler.host.clone(),
        scheduler_port: options.scheduler.port,
        scheduler_connect_timeout_seconds: u16::try_from(options.patience.as_secs()).unwrap_or(u16::MAX).max(1),
        vcores,
        task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
        work_dir: Some(work_dir),
        grpc_max_decoding_message_size: MESSAGE_BYTES,
        grpc_max_encoding_message_size: MESSAGE_BYTES,
        executor_heartbeat_interval_seconds: Timing::from_environment().heartbeat.as_secs().max(1),
        memory_pool_size: options.memory,
        override_execution_engine: Some(Arc::new(TaskEngine::new(tasks))),
        override_function_registry: Some(Arc::new(BallistaFunctionRegistry::from(&state))),
        override_runtime_producer: Some(Arc::new(move |config| {
            runtime(config)?.with_temp_file_path(&spill).build_arc()
        })),
        override_config_producer: Some(Arc::new(move || {
            cluster_config(vcores, &stores, &allow).with_extension(Arc::clone(&worker))
        })),
        override_logical_codec: Some(Arc::new(LogicalCodec::default())),
        override_physical_codec: Some(Arc::new(PhysicalCodec::default())),
        override_create_grpc_client_endpoint: Some(endpoint()),
        health,
        ..ExecutorProcessConfig::default()
    })
}

/// How long an executor that was told to stop waits behind its last task for Ballista to end, which waits for answers of the scheduler's.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Tells the scheduler what tasks have done, now and then, until the scheduler counts on this executor no more: it says so, or it has
/// been out of reach for so long that it must have given this executor up. What tasks would write then is written by others, too.
async fn tell(cluster: Cluster, id: String, tasks: RunningTasks, health: ExecutorHealth) {
    let timing = Timing::from_environment();
    let mut interval = tokio::time::interval(REPORT_INTERVAL);
    let mut heard = Instant::now();
    let mut idle_since = None;
    loop {
        interval.tick().await;
        let (reports, ended) = tasks.reports();
        let is_done = TERMINATING.load(Ordering::Acquire) && reports.len() == ended.len();
        if !is_done {
            idle_since = None;
        } else if idle_since.get_or_insert_with(Instant::now).elapsed() >= LAST_WORDS {
            tracing::warn!("the executor has no task any more, and ends without an answer of the scheduler's");
            return;
        }
        if reports.is_empty() && heard.elapsed() < timing.heartbeat {
            continue;
        }
        let told = Instant::now();
        match cluster.tell(&id, &ExecutorReport { tasks: reports }, timing.heartbeat).await {
            Ok(true) => {
                tasks.forget(&ended);
                heard = told;
            }
            // One that was told to stop is given up, too, and finishes its tasks.
            Ok(false) if !TERMINATING.load(Ordering::Acquire) => return,
            Ok(false) => {}
            // A scheduler that is only busy hears heartbeats.
            Err(error) if heard.elapsed() >= timing.executor_timeout && !health.is_ready() => {
                tracing::warn!("the scheduler is out of reach: {error}");
                return;
            }
            // It is told again next time.
            Err(error) => tracing::debug!("the scheduler can't be told of tasks: {error}"),
        }
    }
}
