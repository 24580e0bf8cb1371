//! A statement on a cluster: one node in the client's plan, which runs it there, watches it, and runs it again when its rows were lost.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::planner::BallistaQueryPlanner;
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::client::Cluster;
use super::failure::unmarked;
use super::report::{JobReport, JobState};
use crate::config::PixmillOptions;
use crate::progress::Progress;
use crate::session::io_runtime;
use crate::sink::WriteShardsNode;
use crate::storage;
use crate::task::with_config;

/// How often a statement is run whose rows were lost.
const MOST_RUNS: usize = 3;
/// How often a job is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

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

#[async_trait]
impl QueryPlanner for ClusterPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        refuse_lost_options(plan)?;
        let query = self.ballista.create_physical_plan(plan, session).await?;
        if !query.is::<Query>() {
            return Ok(query);
        }
        let target = match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<WriteShardsNode>(),
            _ => None,
        };
        let target = target.and_then(|node| storage::local_path(&node.target)).map(|path| path.into_owned());
        Ok(Arc::new(ClusterExec {
            query,
            target,
            cluster: self.cluster.clone(),
            jobs: self.jobs.clone(),
            seen: Seen::default(),
        }))
    }
}

/// Refuses what would come to the cluster without its options: DataFusion's own `COPY` loses them on the way.
fn refuse_lost_options(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|plan| match plan {
        LogicalPlan::Copy(copy) if !copy.options.is_empty() => {
            let mut names: Vec<&str> = copy.options.keys().map(|name| name.trim_start_matches("format.")).collect();
            names.sort_unstable();
            plan_err!(
                "COPY ... STORED AS {} takes no OPTIONS on a cluster, got {}; leave them out, or run it without --cluster",
                copy.file_type.get_ext().to_uppercase(),
                names.join(", ")
            )
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

/// The jobs of a client that are not at their ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenJobs(Arc<Mutex<HashSet<String>>>);

impl OpenJobs {
    fn with<T>(&self, work: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Cancels all of them.
    pub(crate) async fn cancel(&self, cluster: &Cluster) {
        for id in self.with(std::mem::take) {
            if let Err(error) = cluster.cancel(&id).await {
                tracing::warn!("job {id} can't be cancelled: {error}");
            }
        }
    }
}

/// What was last seen of a job.
type Seen = Arc<Mutex<Option<JobReport>>>;

/// Runs a statement on the cluster.
#[derive(Debug)]
pub(crate) struct ClusterExec {
    query: Arc<dyn ExecutionPlan>,
    target: Option<PathBuf>,
    cluster: Cluster,
    jobs: OpenJobs,
    seen: Seen,
}

impl ClusterExec {
    /// The directory that the statement writes a dataset to.
    pub(crate) fn target(&self) -> Option<&Path> {
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

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        crate::plan::with_new_children(self, children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
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
            context,
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), run.rows())))
    }
}

/// A statement being run.
struct Run {
    query: Arc<dyn ExecutionPlan>,
    cluster: Cluster,
    jobs: OpenJobs,
    seen: Seen,
    context: Arc<TaskContext>,
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
                // Rows that were given can't be taken back.
                Some(Err(error)) => Err(unmarked(error)),
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
            let is_lost = report.as_ref().is_some_and(|report| report.state == JobState::Lost);
            match first {
                _ if is_lost && runs < MOST_RUNS => {
                    let reason = report.and_then(|report| report.reason).unwrap_or_default();
                    tracing::warn!("{reason}; the statement is run again ({runs} of {MOST_RUNS} runs failed)");
                    watch.end();
                }
                _ if is_lost => {
                    let reason = report.and_then(|report| report.reason).unwrap_or_default();
                    return exec_err!(
                        "executors were lost in each of {MOST_RUNS} runs, the last time: {reason}; there are no rows, because they would \
                         be wrong; run the statement again when the executors stay"
                    );
                }
                Some(Ok(batch)) => return Ok(Some((batch, self, watch, rows))),
                Some(Err(error)) => {
                    watch.end();
                    return Err(self.explained(error, report).await);
                }
                None => {
                    watch.end();
                    return Ok(None);
                }
            }
        }
    }

    /// The context of a run: one that is repeated keeps the shards that the last one has finished.
    fn context(&self, runs: usize) -> Arc<TaskContext> {
        if runs == 0 {
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
        let (tell, given_up) = tokio::sync::watch::channel(None);
        let look =
            look(Arc::clone(&run.query), run.cluster.clone(), run.jobs.clone(), Arc::clone(&run.seen), patience, tell);
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

    /// The job's report at its end.
    async fn verdict(&self) -> Option<JobReport> {
        let id = job_id(&self.query)?;
        let report = self.cluster.job(&id).await.ok()?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
        Some(report)
    }

    /// The job is at its end.
    fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
        let Some(id) = job_id(&self.query) else { return };
        if self.has_ended {
            self.jobs.with(|jobs| jobs.remove(&id));
            return;
        }
        let (cluster, jobs) = (self.cluster.clone(), self.jobs.clone());
        self.io.spawn(async move {
            if cluster.cancel(&id).await.is_ok() {
                jobs.with(|jobs| jobs.remove(&id));
            }
        });
    }
}

fn job_id(query: &Arc<dyn ExecutionPlan>) -> Option<String> {
    query.downcast_ref::<Query>()?.job_id().map(|id| id.to_string())
}

/// Looks at a job again and again.
async fn look(
    query: Arc<dyn ExecutionPlan>,
    cluster: Cluster,
    jobs: OpenJobs,
    seen: Seen,
    patience: Duration,
    give_up: tokio::sync::watch::Sender<Option<String>>,
) {
    let mut alone_since: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(id) = job_id(&query) else { continue };
        jobs.with(|jobs| jobs.insert(id.clone()));
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
