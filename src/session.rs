//! THE session: the one place where configuration, runtime and registrations become a DataFusion session.

use std::sync::Arc;

use datafusion::catalog::{DynamicFileCatalog, TableProviderFactory};
use datafusion::common::Result;
use datafusion::config::ConfigEntry;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::config::PixmillOptions;
use crate::exec::with_io_runtime;
use crate::learn::register_models;
use crate::plan::{
    CertainDirectoryFilters, DefinedFunctions, FuseThroughAlias, KnownMembership, NullableSubqueries,
    PixmillQueryPlanner, ReadHeadersOnly, ReadHiveNulls, RewriteCopy, logical_rules, physical_rules,
    register_plan_functions, with_models,
};
use crate::sink::{Format, ShardFormatFactory};
use crate::source::{FilesByName, ListedTableFactory, SourceRelationPlanner, table_factories};
use crate::storage::{AllowList, AllowedStores, Listed, Reach, Stores};

/// What DataFusion calls the formats that it reads from files.
const LISTED: [&str; 6] = ["ARROW", "AVRO", "CSV", "JSON", "NDJSON", "PARQUET"];

/// The configuration of every role.
pub(crate) fn session_config(threads: usize, stores: &Arc<Stores>) -> SessionConfig {
    pixmill_udfs::limit_images_by(|options| PixmillOptions::of(options).image_limits());
    with_io_runtime(SessionConfig::new(), stores.io().clone())
        .with_extension(Arc::clone(stores))
        .with_extension(Arc::new(Listed::default()))
        .with_option_extension(PixmillOptions::default())
        .with_information_schema(true)
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

/// The configuration of another session with the settings of the first, which shares its memory.
pub(crate) fn another_config(first: &SessionContext) -> SessionConfig {
    // The first has its catalog already, and its configuration says so.
    let config = first.copied_config().with_create_default_catalog_and_schema(true);
    config.with_extension(Arc::new(SharedMemory)).with_extension(Arc::new(Listed::default()))
}

/// Another session with the settings and the memory of the first, and without its tables.
///
/// # Errors
/// None in a configuration that the first was built with.
pub(crate) fn another_session(first: &SessionContext) -> Result<SessionContext> {
    Ok(opened(state_within(another_config(first), first.runtime_env())?))
}

/// A session for statements: with this crate's functions, and tables that are named by their files.
pub(crate) fn opened(state: SessionState) -> SessionContext {
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
    register_models(&ctx);
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

/// The state with another planner.
pub(crate) fn with_query_planner(state: SessionState, planner: Arc<dyn QueryPlanner + Send + Sync>) -> SessionState {
    SessionStateBuilder::new_from_existing(state).with_query_planner(planner).build()
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
        .with_object_store_registry(Arc::new(AllowedStores::new(AllowList::of(config), Stores::of(config)))))
}

/// The state of every role.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn session_state(config: SessionConfig) -> Result<SessionState> {
    let runtime = runtime(&config)?.build_arc()?;
    state_within(config, runtime)
}

/// The state of every role, with a runtime that there is already.
///
/// # Errors
/// None in a configuration that a state was built with.
pub(crate) fn state_within(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> Result<SessionState> {
    let reach = Reach::of(&config);
    let listed: Arc<dyn TableProviderFactory> = Arc::new(ListedTableFactory::default());
    let listed = LISTED.map(|format| (format.to_string(), Arc::clone(&listed)));
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_query_planner(Arc::new(PixmillQueryPlanner))
        .with_function_factory(Some(Arc::new(DefinedFunctions)))
        .with_optimizer_rules(logical_rules())
        .with_physical_optimizer_rules(physical_rules())
        .with_analyzer_rule(Arc::new(ReadHiveNulls))
        .with_analyzer_rule(Arc::new(RewriteCopy))
        .with_analyzer_rule(Arc::new(NullableSubqueries))
        .with_analyzer_rule(Arc::new(KnownMembership))
        .with_optimizer_rule(Arc::new(FuseThroughAlias))
        .with_optimizer_rule(Arc::new(ReadHeadersOnly))
        .with_optimizer_rule(Arc::new(CertainDirectoryFilters))
        .with_table_factories(listed.into_iter().chain(table_factories()).collect())
        .build();
    state.register_function_rewrite(Arc::new(DefinedFunctions))?;
    state.register_relation_planner(Arc::new(SourceRelationPlanner::new(reach, state.clone())))?;
    for format in Format::ALL.iter().copied().filter(|format| format.asked_by().is_none()) {
        state.register_file_format(Arc::new(ShardFormatFactory(format)), false)?;
    }
    Ok(state)
}

/// A session that runs in this process.
///
/// # Errors
/// A memory limit that is none.
pub(crate) fn local_session(threads: usize, stores: &Arc<Stores>, allow: AllowList) -> Result<SessionContext> {
    let config = with_models(session_config(threads, stores).with_extension(Arc::new(allow)), None);
    Ok(opened(session_state(config)?))
}
