//! THE session: the one place where configuration, runtime and registrations become a DataFusion session.

use std::sync::Arc;

use ballista_core::config::BallistaConfig;
use ballista_core::extension::{SessionConfigExt, SessionStateExt};
use ballista_core::planner::BallistaQueryPlanner;
use datafusion::catalog::{DynamicFileCatalog, TableProviderFactory};
use datafusion::common::Result;
use datafusion::config::ConfigEntry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::Handle;

use crate::config::PixmillOptions;
use crate::plan::{
    CertainDirectoryFilters, DistributedPlanner, FuseThroughAlias, LogicalCodec, PhysicalCodec, PixmillQueryPlanner,
    ReadHiveNulls, RewriteCopy, logical_rules, physical_rules, register_plan_functions,
};
use crate::role::MESSAGE_BYTES;
use crate::role::client::Cluster;
use crate::role::failure::MarkingPlanner;
use crate::role::query::{ClusterPlanner, OpenJobs};
use crate::role::report::ClusterReport;
use crate::sink::{Format, ShardFormatFactory};
use crate::source::cifar10::{self, Cifar10TableFactory};
use crate::source::images::{self, ImagesTableFactory};
use crate::source::tfrecord::{self, TfRecordTableFactory};
use crate::source::{FilesByName, ListedTableFactory, SourceRelationPlanner};
use crate::storage::{AllowList, AllowedStores};

/// Rows in a batch: images are large, and DataFusion counts rows.
const BATCH_ROWS: usize = 64;

/// What DataFusion calls the formats that it reads from files.
const LISTED: [&str; 6] = ["ARROW", "AVRO", "CSV", "JSON", "NDJSON", "PARQUET"];

/// The runtime that reads and writes files, so that decoding never waits behind it.
struct IoRuntime(Handle);

/// The runtime for reading and writing of this session; the current one in a session that was built elsewhere.
pub(crate) fn io_runtime(config: &SessionConfig) -> Handle {
    config.get_extension::<IoRuntime>().map_or_else(Handle::current, |io| io.0.clone())
}

/// The configuration of every role.
pub(crate) fn session_config(threads: usize, io: Handle) -> SessionConfig {
    SessionConfig::new()
        .with_option_extension(PixmillOptions::default())
        .with_extension(Arc::new(IoRuntime(io)))
        .with_information_schema(true)
        .with_batch_size(BATCH_ROWS)
        .with_target_partitions(threads)
        // Partition k of a scan is shard k: nothing may deal rows out anew.
        .with_round_robin_repartition(false)
        .with_repartition_file_scans(false)
        // One kind of string and binary column, here and on a cluster.
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
        .set_bool("datafusion.execution.enable_file_stream_work_stealing", false)
        // Errors tell where in the statement they are.
        .set_bool("datafusion.sql_parser.collect_spans", true)
}

/// The configuration of the roles of a cluster. What the client's session says overwrites it on the others, defaults included.
pub(crate) fn cluster_config(vcores: usize, io: Handle, allow: &AllowList) -> SessionConfig {
    session_config(vcores, io)
        .with_extension(Arc::new(allow.clone()))
        .upgrade_for_ballista()
        // One partition is what is counted, tried again and cancelled.
        .set_usize("ballista.scheduler.max_partitions_per_task", 1)
        .set_bool("ballista.planner.adaptive.enabled", true)
        // The client learns its job's name when the job begins, not at its end.
        .set_bool("ballista.client.pull", true)
        .set_usize("ballista.client.grpc_max_message_size", MESSAGE_BYTES as usize)
        .with_ballista_logical_extension_codec(Arc::new(LogicalCodec::default()))
        .with_ballista_physical_extension_codec(Arc::new(PhysicalCodec::default()))
}

/// The most work items of a partition where plans are sent to executors; on one machine there is no such limit.
pub(crate) fn most_items(config: &SessionConfig) -> Option<usize> {
    // About 100 bytes each, of a message of 256 MiB.
    config.options().extensions.get::<BallistaConfig>().map(|_| 1_000_000)
}

/// The state that a scheduler plans with.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn scheduler_state(config: SessionConfig) -> Result<SessionState> {
    let state = with_functions(session_state(config)?);
    let planner = Arc::new(MarkingPlanner(DistributedPlanner));
    Ok(SessionStateBuilder::new_from_existing(state).with_query_planner(planner).build())
}

/// A session whose statements run on a cluster.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn cluster_session(
    cluster: &Cluster,
    jobs: &OpenJobs,
    report: &ClusterReport,
    io: Handle,
) -> Result<SessionContext> {
    let here = std::env::current_dir().ok().filter(|here| *here != report.directory);
    let config = cluster_config(report.vcores.max(1), io, &AllowList::default())
        .with_ballista_logical_extension_codec(Arc::new(LogicalCodec::from_directory(here)));
    let config = with_cluster_planner(config, cluster, jobs);
    let state = session_state(config)?.upgrade_for_ballista(url(cluster))?;
    Ok(opened(state))
}

/// Says that a session's memory is that of others, too.
struct SharedMemory;

/// Whether other sessions share this one's memory.
pub(crate) fn shares_memory(ctx: &SessionContext) -> bool {
    ctx.state().config().get_extension::<SharedMemory>().is_some()
}

/// The options that a session began with.
struct FirstOptions(Vec<ConfigEntry>);

/// The options that a session began with; none of a session that was built elsewhere.
pub(crate) fn first_options(ctx: &SessionContext) -> Vec<ConfigEntry> {
    ctx.copied_config().get_extension::<FirstOptions>().map_or_else(Vec::new, |first| first.0.clone())
}

/// Another session with the settings and the memory of the first, and without its tables; on a cluster with jobs of its own.
///
/// # Errors
/// None in a configuration that the first was built with.
pub(crate) fn another_session(
    first: &SessionContext,
    cluster: Option<(&Cluster, &OpenJobs)>,
) -> Result<SessionContext> {
    // The first has its catalog already, and its configuration says so.
    let config = first.copied_config().with_create_default_catalog_and_schema(true);
    let config = config.with_extension(Arc::new(SharedMemory));
    let runtime = first.runtime_env();
    let Some((cluster, jobs)) = cluster else { return Ok(opened(state_within(config, runtime)?)) };
    let config = with_cluster_planner(config, cluster, jobs);
    Ok(opened(state_within(config, runtime)?.upgrade_for_ballista(url(cluster))?))
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

/// A session for statements: with this crate's functions, and tables that are named by their files.
fn opened(state: SessionState) -> SessionContext {
    let files = Arc::new(FilesByName::default());
    let catalogs = DynamicFileCatalog::new(Arc::clone(state.catalog_list()), Arc::clone(&files) as _);
    let first = FirstOptions(state.config().options().entries());
    let config = state.config().clone().with_extension(Arc::new(first));
    let state = SessionStateBuilder::new_from_existing(state).with_config(config);
    let state = state.with_catalog_list(Arc::new(catalogs)).build();
    let ctx = SessionContext::new_with_state(state);
    files.look_with(&ctx);
    // Ballista leaves none but DataFusion's own.
    register_functions(&ctx);
    ctx
}

fn register_functions(ctx: &SessionContext) {
    pixmill_udfs::register_all(ctx);
    register_plan_functions(ctx);
}

/// The state with this crate's functions.
pub(crate) fn with_functions(state: SessionState) -> SessionState {
    let ctx = SessionContext::new_with_state(state);
    register_functions(&ctx);
    ctx.state()
}

/// The runtime of every role: its memory, and stores that keep to the allow-list.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn runtime(config: &SessionConfig) -> Result<RuntimeEnvBuilder> {
    let limit = PixmillOptions::of(config.options()).memory_limit().to_string();
    let bytes = SessionContext::parse_capacity_limit("pixmill.memory_limit", &limit)?;
    Ok(RuntimeEnvBuilder::new()
        .with_memory_limit(bytes, 1.0)
        // What was once in a directory says nothing of what is there now.
        .with_object_list_cache_limit(0)
        .with_object_store_registry(Arc::new(AllowedStores::new(AllowList::of(config)))))
}

/// The state of every role.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn session_state(config: SessionConfig) -> Result<SessionState> {
    let runtime = runtime(&config)?.build_arc()?;
    state_within(config, runtime)
}

fn state_within(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> Result<SessionState> {
    let allow = AllowList::of(&config);
    let images: Arc<dyn TableProviderFactory> = Arc::new(ImagesTableFactory);
    let records: Arc<dyn TableProviderFactory> = Arc::new(TfRecordTableFactory);
    let listed: Arc<dyn TableProviderFactory> = Arc::new(ListedTableFactory::default());
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_query_planner(Arc::new(PixmillQueryPlanner))
        .with_optimizer_rules(logical_rules())
        .with_physical_optimizer_rules(physical_rules())
        .with_analyzer_rule(Arc::new(ReadHiveNulls))
        .with_analyzer_rule(Arc::new(RewriteCopy))
        .with_optimizer_rule(Arc::new(FuseThroughAlias))
        .with_optimizer_rule(Arc::new(CertainDirectoryFilters))
        .with_table_factories(LISTED.map(|format| (format.to_string(), Arc::clone(&listed))).into())
        .with_table_factory(images::FORMAT.to_string(), images)
        .with_table_factory(tfrecord::FORMAT.to_string(), records)
        .with_table_factory(cifar10::FORMAT.to_string(), Arc::new(Cifar10TableFactory))
        .build();
    state.register_relation_planner(Arc::new(SourceRelationPlanner::new(allow)))?;
    for format in [Format::TfRecord, Format::WebDataset] {
        state.register_file_format(Arc::new(ShardFormatFactory(format)), false)?;
    }
    Ok(state)
}

/// A session that runs in this process.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn local_session(threads: usize, io: Handle, allow: AllowList) -> Result<SessionContext> {
    let config = session_config(threads, io).with_extension(Arc::new(allow));
    Ok(opened(session_state(config)?))
}
