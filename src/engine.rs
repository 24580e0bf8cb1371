//! The engine: what commands and library users hold to run SQL and watch it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Result as QueryResult, exec_datafusion_err};
use datafusion::logical_expr::{LogicalPlan, Statement as LogicalStatement};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::plan::{check_locations, fill_named_arguments};
use crate::progress::Progress;
use crate::quoted::quoted;
use crate::role::STACK_BYTES;
use crate::role::client::{Cluster, HostPort};
use crate::role::query::{ClusterExec, OpenJobs};
use crate::role::report::job_name;
use crate::session::{cluster_session, local_session};
use crate::sink::{CommitExec, result_schema};
use crate::storage::AllowList;
use crate::task::with_config;

/// Runs SQL in this process.
///
/// Decoding runs on threads of the engine's own, reading and writing on others, so that neither waits for the other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> pixmill::Result<()> {
/// # let photos = tempfile::tempdir().expect("a directory");
/// # pixmill::synthetic::PhotoSet { images: 3, classes: 1, size: Some((32, 24)), seed: 7 }
/// #     .write(photos.path(), 1, &|_| ()).expect("photos");
/// let engine = pixmill::Engine::local(2)?;
/// let sql = format!(
///     "SELECT label, count(*) AS photos, min(image_info(content)['width']) AS width
///      FROM read_images('{}/**/*.jpg') GROUP BY label",
///     photos.path().display()
/// );
/// let batches = engine.sql(&sql).await?;
/// let table = datafusion::arrow::util::pretty::pretty_format_batches(&batches).expect("a table");
/// assert_eq!(
///     table.to_string(),
///     "+-------+--------+-------+\n\
///      | label | photos | width |\n\
///      +-------+--------+-------+\n\
///      | daisy | 3      | 32    |\n\
///      +-------+--------+-------+"
/// );
/// # Ok(())
/// # }
/// ```
pub struct Engine {
    ctx: SessionContext,
    /// Plans and executes; taken only when the engine is dropped.
    cpu: Option<Runtime>,
    /// Reads and writes.
    io: Option<Runtime>,
    /// Where statements run, and which of them do, where that isn't this process.
    cluster: Option<(Cluster, OpenJobs)>,
}

impl Engine {
    /// An engine that decodes on so many threads.
    ///
    /// # Errors
    /// Threads that can't be started.
    pub fn local(threads: usize) -> Result<Self> {
        Self::local_within(threads, AllowList::default())
    }

    /// An engine whose statements read and write only what a list allows.
    ///
    /// # Errors
    /// Threads that can't be started.
    pub fn local_within(threads: usize, allow: AllowList) -> Result<Self> {
        let threads = threads.max(1);
        let io = runtime("pixmill-io", 1)?;
        let cpu = runtime("pixmill-cpu", threads)?;
        let ctx = local_session(threads, io.handle().clone(), allow)?;
        Ok(Self { ctx, cpu: Some(cpu), io: Some(io), cluster: None })
    }

    /// An engine whose statements run on a cluster.
    ///
    /// # Errors
    /// A scheduler that isn't there, or of another version.
    pub async fn cluster(address: &HostPort) -> Result<Self> {
        let (cluster, report) = Cluster::connect(address).await?;
        let io = runtime("pixmill-io", 1)?;
        let cpu = runtime("pixmill-cpu", 1)?;
        let jobs = OpenJobs::default();
        let ctx = cluster_session(&cluster, &jobs, &report, io.handle().clone())?;
        Ok(Self { ctx, cpu: Some(cpu), io: Some(io), cluster: Some((cluster, jobs)) })
    }

    /// The DataFusion session, for registering tables and functions of one's own.
    pub fn context(&self) -> &SessionContext {
        &self.ctx
    }

    /// Runs every statement and returns the rows of the last one.
    ///
    /// # Errors
    /// The first statement that fails; those before it have been run.
    pub async fn sql(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for statement in self.parse(sql)? {
            batches = self.start(statement).await?.collect().await?;
        }
        Ok(batches)
    }

    /// Takes a text apart into statements.
    ///
    /// # Errors
    /// A text that is no SQL, with the place where it stops being it.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        let parsed = DFParserBuilder::new(sql).build().and_then(|mut parser| parser.parse_statements());
        Ok(Vec::from(parsed?))
    }

    /// Plans a statement and starts to run it.
    ///
    /// # Errors
    /// A statement that can't be planned.
    pub async fn start(&self, statement: Statement) -> Result<Running> {
        let ctx = self.ctx.clone();
        let name = beginning(&statement);
        let planned = self.spawn(async move { plan(&ctx, statement).await }).await;
        let plan = joined(planned)?;
        let (rows, receiver) = mpsc::channel(2);
        let (mut task_ctx, executed) = (self.ctx.task_ctx(), Arc::clone(&plan));
        if self.cluster.is_some() {
            let name = job_name(&name, &self.ctx.session_id());
            let config = task_ctx.session_config().clone().set_str("ballista.job.name", &name);
            task_ctx = with_config(&task_ctx, config);
        }
        let task = self.spawn(async move {
            let mut stream = match execute_stream(executed, task_ctx) {
                Ok(stream) => stream,
                Err(error) => {
                    // Nobody listening any more is as good as an answer.
                    let _ = rows.send(Err(error)).await;
                    return;
                }
            };
            while let Some(batch) = stream.next().await {
                if rows.send(batch).await.is_err() {
                    return;
                }
            }
        });
        Ok(Running { plan, rows: receiver, task })
    }

    /// Ends the engine: work under way is given up, and files being written are given `patience` to be cleaned up.
    ///
    /// Not to be called inside an async runtime, where waiting is not allowed; there, drop the engine.
    pub fn close(mut self, patience: Duration) {
        if let (Some(io), Some((cluster, jobs))) = (&self.io, &self.cluster) {
            // What the cluster isn't told by then, it goes on with.
            let _ = io
                .block_on(async { tokio::time::timeout(patience, jobs.cancel(cluster, &self.ctx.session_id())).await });
        }
        for runtime in [self.cpu.take(), self.io.take()].into_iter().flatten() {
            runtime.shutdown_timeout(patience);
        }
    }

    fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        match &self.cpu {
            Some(runtime) => runtime.spawn(work),
            None => tokio::spawn(work),
        }
    }
}

impl Drop for Engine {
    /// Work under way is given up: an engine may be dropped inside another runtime, where waiting is not allowed.
    fn drop(&mut self) {
        for runtime in [self.cpu.take(), self.io.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// A statement under way. Dropped, it is cancelled.
pub struct Running {
    plan: Arc<dyn ExecutionPlan>,
    rows: mpsc::Receiver<QueryResult<RecordBatch>>,
    task: JoinHandle<()>,
}

impl Running {
    /// The columns of the result; none for statements without one.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The directory that the statement writes a dataset to.
    pub fn target(&self) -> Option<&Path> {
        // EXPLAIN ANALYZE has a commit, too, and other rows.
        let commit = CommitExec::of(&self.plan).filter(|_| self.plan.schema() == result_schema());
        let local = commit.map(CommitExec::directory);
        local.or_else(|| self.plan.downcast_ref::<ClusterExec>().and_then(ClusterExec::target))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress::of(&self.plan)
    }

    /// What stands still on the cluster, in words.
    pub(crate) fn stalled(&self) -> Option<String> {
        self.plan.downcast_ref::<ClusterExec>().and_then(ClusterExec::stalled)
    }

    /// The next rows; `None` when there are no more.
    ///
    /// # Errors
    /// What stopped the statement.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        match self.rows.recv().await {
            Some(batch) => Some(batch.map_err(Error::from)),
            // A panic in the plan ends the task without a word.
            None => match (&mut self.task).await {
                Err(error) if error.is_panic() => {
                    Some(Err(exec_datafusion_err!("internal error: a task panicked: {error}").into()))
                }
                _ => None,
            },
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// What stopped the statement.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Most characters of a statement that name its job.
const NAME_LENGTH: usize = 80;

/// A statement's beginning, in one line.
fn beginning(statement: &Statement) -> String {
    let text = statement.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(NAME_LENGTH).collect()
}

fn runtime(name: &str, workers: usize) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).thread_name(name).thread_stack_size(STACK_BYTES).enable_all();
    builder.build().map_err(|error| Error::Failed(format!("cannot start {workers} threads: {error}")))
}

fn joined<T>(result: std::result::Result<QueryResult<T>, tokio::task::JoinError>) -> Result<T> {
    match result {
        Ok(result) => Ok(result?),
        Err(error) => Err(exec_datafusion_err!("internal error: planning stopped: {error}").into()),
    }
}

async fn plan(ctx: &SessionContext, mut statement: Statement) -> QueryResult<Arc<dyn ExecutionPlan>> {
    let state = ctx.state();
    fill_named_arguments(&mut statement, state.scalar_functions())?;
    let plan = state.statement_to_plan(statement).await?;
    check_locations(&plan, &AllowList::of(state.config()))?;
    if let LogicalPlan::Statement(LogicalStatement::SetVariable(set)) = &plan
        && set.variable.eq_ignore_ascii_case("pixmill.memory_limit")
    {
        // The limit is the runtime's; DataFusion's own option changes it.
        ctx.sql(&format!("SET datafusion.runtime.memory_limit = {}", quoted(&set.value))).await?;
    }
    let frame = ctx.execute_logical_plan(plan).await?;
    frame.create_physical_plan().await
}
