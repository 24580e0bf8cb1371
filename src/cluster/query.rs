//! A statement on a cluster: one node in the client's plan, which runs it there, watches it, and runs it again when its rows were lost.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ballista_core::execution_plans::{DistributedExplainAnalyzeExec, DistributedQueryExec};
use ballista_core::planner::BallistaQueryPlanner;
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::Session;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::datasource::source_as_provider;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, execute_stream};
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::client::Cluster;
use super::report::{JobReport, JobState};
use super::subqueries::{subqueries, value, with_values};
use super::written_here::{write, written};
use crate::config::PixmillOptions;
use crate::error::Error;
use crate::exec::{
    LostRows, MOST_RUNS, boxed_create_physical_plan, io_runtime, methods_of_nodes_without_expressions, with_config,
};
use crate::plan::{
    PixmillQueryPlanner, Progress, check_locations, is_row_wise, subquery_not_run, unmarked, will_have_images,
    with_empty_tables, with_image_batches, with_literal_target, with_qualified_columns, with_quoted_qualifiers,
};
use crate::sink::WriteShardsNode;
use crate::source::with_files_of_now;
use crate::storage::{AllowList, Directory, Reach, while_others_go_on};

/// How often a job is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long the scheduler may take to judge a job that is at its end.
const VERDICT: Duration = Duration::from_secs(3);

type Query = DistributedQueryExec<LogicalPlanNode>;

/// Plans statements to be run on a cluster.
pub(crate) struct ClusterPlanner {
    cluster: Cluster,
    jobs: OpenJobs,
    ballista: BallistaQueryPlanner<LogicalPlanNode>,
}

impl fmt::Debug for ClusterPlanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterPlanner: {}", self.cluster.address())
    }
}

impl ClusterPlanner {
    pub(crate) fn new(cluster: Cluster, jobs: OpenJobs, ballista: BallistaQueryPlanner<LogicalPlanNode>) -> Self {
        Self { cluster, jobs, ballista }
    }
}

impl ClusterPlanner {
    async fn planned(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        if reads_nothing(plan)? {
            return PixmillQueryPlanner.create_physical_plan(plan, session).await;
        }
        let plan = &self.with_subqueries_run(plan, session).await?;
        // Nothing but its subqueries may have read something.
        if reads_nothing(plan)? {
            return PixmillQueryPlanner.create_physical_plan(plan, session).await;
        }
        if let Some(rows) = written(plan) {
            let (statement, allow) = (with_literal_target(plan)?, AllowList::of(session.config()));
            while_others_go_on(|| check_locations(&statement, &allow))?;
            let rows = self.create_physical_plan(rows, session).await?;
            return write(&statement, rows, session).await;
        }
        refuse_unsendable(plan)?;
        let (wanted, reach) = (plan.clone(), Reach::of(session.config()));
        let find = tokio::task::spawn_blocking(move || with_files_of_now(&wanted, &reach));
        let plan = &find.await.map_err(|error| exec_datafusion_err!("looking for files stopped: {error}"))??;
        let sent = with_quoted_qualifiers(with_qualified_columns(with_empty_tables(plan.clone())?)?)?;
        let query = self.ballista.create_physical_plan(&sent, session).await?;
        if !query.is::<Query>() && !query.is::<DistributedExplainAnalyzeExec<LogicalPlanNode>>() {
            return Ok(query);
        }
        let node = match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<WriteShardsNode>(),
            _ => None,
        };
        let keeps_shards = node.is_some_and(|node| !node.options.overwrite);
        let target = node.and_then(|node| Directory::at(&node.target)).map(|directory| directory.to_string());
        Ok(Arc::new(ClusterExec {
            query,
            target,
            keeps_shards,
            is_row_wise: is_row_wise(plan),
            has_images: will_have_images(plan)?,
            cluster: self.cluster.clone(),
            jobs: self.jobs.clone(),
            seen: Seen::default(),
        }))
    }

    /// The plan with the values of its subqueries. One that is only shown has none.
    async fn with_subqueries_run(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<LogicalPlan> {
        let mut values = Vec::new();
        for subquery in subqueries(plan)? {
            let query = &subquery.subquery;
            let data_type = query.schema().field(0).data_type();
            let value = if let LogicalPlan::Explain(_) = plan {
                subquery_not_run(data_type)?
            } else {
                let rows = self.create_physical_plan(query, session).await?;
                value(execute_stream(rows, session.task_ctx())?, data_type).await?
            };
            values.push((subquery, value));
        }
        if values.is_empty() { Ok(plan.clone()) } else { with_values(plan.clone(), &values) }
    }
}

impl QueryPlanner for ClusterPlanner {
    boxed_create_physical_plan!(ClusterPlanner::planned);
}

/// Whether a statement has its rows from nowhere, and does nothing with them: the cluster has nothing to add.
fn reads_nothing(plan: &LogicalPlan) -> Result<bool> {
    let mut reads_nothing = true;
    plan.apply_with_subqueries(|plan| {
        reads_nothing &= match plan {
            // What a recursive query has made so far is no table, and numbers are made anywhere.
            LogicalPlan::TableScan(scan) => source_as_provider(&scan.source)
                .is_ok_and(|table| table.is::<CteWorkTable>() || table.is::<GenerateSeriesTable>()),
            LogicalPlan::Extension(_) | LogicalPlan::Copy(_) | LogicalPlan::Dml(_) => false,
            _ => true,
        };
        Ok(if reads_nothing { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(reads_nothing)
}

/// Refuses what can't be sent.
fn refuse_unsendable(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|plan| match plan {
        LogicalPlan::RecursiveQuery(query) => plan_err!(
            "WITH RECURSIVE {} reads tables, and can't be sent to a cluster; run it without --cluster",
            query.name
        ),
        LogicalPlan::Analyze(analyze) if written(&analyze.input).is_some() => plan_err!(
            "EXPLAIN ANALYZE of what the client writes is for one process; EXPLAIN ANALYZE the query alone, or run it without --cluster"
        ),
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

/// How many statements of a client are not at their ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenJobs(Arc<AtomicUsize>);

impl OpenJobs {
    /// Cancels what is open.
    pub(crate) async fn cancel(&self, cluster: &Cluster, session: &str) {
        if self.0.load(Ordering::Relaxed) > 0
            && let Err(error) = cluster.end_session(session).await
        {
            tracing::warn!("what the cluster does for this process can't be cancelled: {error}");
        }
    }
}

/// What was last seen of a job.
type Seen = Arc<Mutex<Option<JobReport>>>;

/// Runs a statement on the cluster.
#[derive(Debug)]
pub(crate) struct ClusterExec {
    query: Arc<dyn ExecutionPlan>,
    target: Option<String>,
    /// A dataset that stands there after the first run can only be the statement's own.
    keeps_shards: bool,
    /// Planned while it runs, else before: what has several stages isn't planned anew between them.
    is_row_wise: bool,
    has_images: bool,
    cluster: Cluster,
    jobs: OpenJobs,
    seen: Seen,
}

impl ClusterExec {
    /// The node of a plan that sends rows or a whole statement to a cluster.
    pub(crate) fn in_plan(plan: &Arc<dyn ExecutionPlan>) -> Option<&Self> {
        plan.downcast_ref::<Self>().or_else(|| plan.children().into_iter().find_map(Self::in_plan))
    }

    /// The directory that the statement writes a dataset to.
    pub(crate) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        self.report().map(|report| report.progress).unwrap_or_default()
    }

    /// What stands still, in words.
    pub(crate) fn stalled(&self) -> Option<String> {
        self.report()?.stalled
    }

    fn report(&self) -> Option<JobReport> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DisplayAs for ClusterExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ClusterExec: {}", self.cluster.address())
    }
}

impl ExecutionPlan for ClusterExec {
    methods_of_nodes_without_expressions!();

    fn name(&self) -> &str {
        "ClusterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.query.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return exec_err!("a statement on a cluster has one partition, asked for number {partition}");
        }
        let run = Run {
            query: Arc::clone(&self.query),
            cluster: self.cluster.clone(),
            jobs: self.jobs.clone(),
            seen: Arc::clone(&self.seen),
            context: with_planning(&context, self.is_row_wise, self.has_images),
            keeps_shards: self.keeps_shards,
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), run.rows())))
    }
}

/// The context with the planning that a statement needs.
fn with_planning(context: &TaskContext, is_adaptive: bool, has_images: bool) -> Arc<TaskContext> {
    let config = context.session_config().clone().set_bool("ballista.planner.adaptive.enabled", is_adaptive);
    with_config(context, if has_images { with_image_batches(config) } else { config })
}

/// A statement being run.
struct Run {
    query: Arc<dyn ExecutionPlan>,
    cluster: Cluster,
    jobs: OpenJobs,
    seen: Seen,
    context: Arc<TaskContext>,
    keeps_shards: bool,
}

/// Where the rows of a run come from.
enum Step {
    /// It is to be run.
    Start(Run),
    /// Rows come.
    Rows(Run, Watch, SendableRecordBatchStream),
}

impl Run {
    /// The rows, of the last run if there are several.
    fn rows(self) -> impl Stream<Item = Result<RecordBatch>> {
        futures::stream::try_unfold(Step::Start(self), |step| async move {
            let (run, watch, mut rows) = match step {
                Step::Start(run) => match run.start().await? {
                    Some((first, run, watch, rows)) => return Ok(Some((first, Step::Rows(run, watch, rows)))),
                    None => return Ok(None),
                },
                Step::Rows(run, watch, rows) => (run, watch, rows),
            };
            match rows.next().await {
                Some(Ok(batch)) => Ok(Some((batch, Step::Rows(run, watch, rows)))),
                // Its job is done: only its executors have the rows. Those that were given can't be taken back here.
                Some(Err(error)) => Err(LostRows(unmarked(error).strip_backtrace()).into()),
                None => {
                    watch.end();
                    Ok(None)
                }
            }
        })
    }

    /// Runs the statement until its first rows are there, as often as it takes; `None` where there are none.
    async fn start(self) -> Result<Option<(RecordBatch, Self, Watch, SendableRecordBatchStream)>> {
        let mut runs = 0;
        loop {
            let context = self.context(runs);
            let mut rows = self.query.execute(0, context).map_err(unmarked)?;
            let mut watch = Watch::start(&self);
            let first = tokio::select! {
                first = rows.next() => first,
                given_up = watch.given_up() => Some(Err(given_up)),
            };
            // What the rows are worth is known only when their job is at its end.
            let report = watch.verdict().await;
            runs += 1;
            // Rows of a job that is done and can't be had have gone with their executor.
            let is_gone = matches!(&first, Some(Err(_)));
            let is_lost = report.as_ref().is_some_and(|report| match report.state {
                JobState::Lost => true,
                JobState::Done => is_gone,
                _ => false,
            });
            match first {
                _ if is_lost && runs < MOST_RUNS => {
                    let reason = report
                        .and_then(|report| report.reason)
                        .unwrap_or_else(|| "the executor with its rows was lost".to_string());
                    tracing::warn!("{reason}; the statement is run again ({runs} of {MOST_RUNS} runs failed)");
                    watch.end();
                }
                _ if is_lost => {
                    let reason = report
                        .and_then(|report| report.reason)
                        .unwrap_or_else(|| "the executor with its rows was lost".to_string());
                    return exec_err!(
                        "executors were lost in each of {MOST_RUNS} runs, the last time: {reason}; there are no rows, because they would \
                         be wrong; run the statement again when the executors stay"
                    );
                }
                Some(Ok(_)) | None if report.as_ref().is_none_or(|report| report.ended_at.is_none()) => {
                    return exec_err!(
                        "the scheduler at {} doesn't tell whether the rows are right; run the statement again",
                        self.cluster.address()
                    );
                }
                Some(Ok(batch)) => return Ok(Some((batch, self, watch, rows))),
                Some(Err(error)) => {
                    // One that goes on there is cancelled with the watch.
                    if report.as_ref().is_some_and(|report| report.ended_at.is_some()) {
                        watch.end();
                    }
                    return Err(self.explained(error, report).await);
                }
                None => {
                    watch.end();
                    return Ok(None);
                }
            }
        }
    }

    /// The context of a run: one that is repeated keeps the shards that the last one has finished, unless it replaces a dataset,
    /// which it might take for its own.
    fn context(&self, runs: usize) -> Arc<TaskContext> {
        if runs == 0 || !self.keeps_shards {
            return Arc::clone(&self.context);
        }
        let config = self.context.session_config().clone().set_bool("pixmill.resume", true);
        with_config(&self.context, config)
    }

    /// What went wrong, in the words of where it did.
    async fn explained(&self, error: DataFusionError, report: Option<JobReport>) -> DataFusionError {
        match report {
            Some(report) if report.state == JobState::Cancelled => {
                exec_datafusion_err!("job {} was cancelled", report.id)
            }
            Some(JobReport { id, state: JobState::Endless, reason: Some(reason), .. }) => exec_datafusion_err!(
                "job {id} would never end: {reason}; write the query in another way, or run it without --cluster"
            ),
            _ => match self.cluster.report().await {
                Ok(_) => unmarked(error),
                Err(gone) => exec_datafusion_err!(
                    "the scheduler is gone, and with it what it knew of this statement: {gone}; when it is back, run the statement \
                     again (a COPY with --resume keeps the shards that are finished)"
                ),
            },
        }
    }
}

/// Looks at a job while it runs. Dropped before the job's end, it cancels it.
struct Watch {
    query: Arc<dyn ExecutionPlan>,
    cluster: Cluster,
    jobs: OpenJobs,
    seen: Seen,
    looking: JoinHandle<()>,
    given_up: tokio::sync::watch::Receiver<Option<String>>,
    io: Handle,
    has_ended: bool,
}

impl Watch {
    fn start(run: &Run) -> Self {
        let io = io_runtime(run.context.session_config());
        let patience = PixmillOptions::of(run.context.session_config().options()).executor_wait();
        run.jobs.0.fetch_add(1, Ordering::Relaxed);
        let (tell, given_up) = tokio::sync::watch::channel(None);
        let look = look(Arc::clone(&run.query), run.cluster.clone(), Arc::clone(&run.seen), patience, tell);
        Self {
            query: Arc::clone(&run.query),
            cluster: run.cluster.clone(),
            jobs: run.jobs.clone(),
            seen: Arc::clone(&run.seen),
            looking: io.spawn(look),
            given_up,
            io,
            has_ended: false,
        }
    }

    /// Why it makes no sense to wait any longer; pending while it does.
    async fn given_up(&mut self) -> DataFusionError {
        let reason = self.given_up.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => exec_datafusion_err!("{reason}"),
            None => std::future::pending().await,
        }
    }

    /// The job's report at its end, as far as the scheduler tells it.
    async fn verdict(&self) -> Option<JobReport> {
        let id = job_id(&self.query)?;
        let (started, mut last) = (Instant::now(), None);
        while started.elapsed() < VERDICT {
            match self.cluster.job(&id).await {
                Ok(report) => {
                    let has_ended = report.ended_at.is_some();
                    *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
                    last = Some(report);
                    if has_ended {
                        break;
                    }
                }
                // One that is gone isn't back so soon.
                Err(Error::Unreachable(_)) => break,
                Err(_) => {}
            }
            tokio::time::sleep(LOOK_INTERVAL / 4).await;
        }
        last
    }

    /// The job is at its end.
    fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
        if self.has_ended {
            self.jobs.0.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        // At the engine's end it is cancelled with its session, whether its job has a name yet or not.
        if let Some(id) = job_id(&self.query) {
            let cluster = self.cluster.clone();
            self.io.spawn(async move { cluster.cancel(&id).await.map(drop) });
        }
    }
}

fn job_id(query: &Arc<dyn ExecutionPlan>) -> Option<String> {
    // EXPLAIN ANALYZE has the query below it.
    let query = query.downcast_ref::<Query>().or_else(|| query.children().first()?.downcast_ref());
    query?.job_id().map(|id| id.to_string())
}

/// Looks at a job again and again.
async fn look(
    query: Arc<dyn ExecutionPlan>,
    cluster: Cluster,
    seen: Seen,
    patience: Duration,
    give_up: tokio::sync::watch::Sender<Option<String>>,
) {
    let mut alone_since: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(id) = job_id(&query) else { continue };
        let Ok(report) = cluster.job(&id).await else { continue };
        let is_alone = report.executors == 0 && report.ended_at.is_none();
        alone_since = alone_since.or_else(|| Some(Instant::now())).filter(|_| is_alone);
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        if alone_since.is_some_and(|since| since.elapsed() >= patience) {
            let address = cluster.address();
            give_up.send_replace(Some(format!(
                "no executor has been there for {} s to run this on {address}; start one with `pixmill executor --scheduler {address}`, \
                 or wait longer: SET pixmill.executor_wait = 600",
                patience.as_secs()
            )));
        }
    }
}
