//! The engine: what commands and library users hold to run SQL and watch it.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{Result as QueryResult, exec_datafusion_err};
use datafusion::prelude::SessionContext;
use tokio::runtime::{Builder, Handle, Runtime};

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod nesting;
mod planned;
mod running;
mod statement;
#[cfg(test)]
mod tests;

pub use self::planned::{PlannedStatement, StatementKind};
pub use self::running::RunningStatement;
pub use self::statement::Statement;
use crate::cluster::STACK_BYTES;
use crate::cluster::client::{Cluster, HostPort};
use crate::cluster::query::{ClusterExec, OpenJobs};
use crate::cluster::report::job_name;
use crate::cluster::session::{another_cluster_session, cluster_session};
use crate::error::{Error, Result};
use crate::exec::{with_config, with_shares};
pub use crate::plan::Progress;
pub(crate) use crate::plan::UPDATE_INTERVAL;
use crate::plan::{has_images, sorts, with_image_batches_of};
use crate::session::{another_session, local_session};
use crate::storage::{AllowList, Listed, StoreSettings, Stores};

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
    session: Session,
    runtimes: Runtimes,
}

/// The threads of an engine; taken only when it is closed or dropped.
#[derive(Default)]
struct Runtimes {
    /// Plans and executes.
    cpu: Option<Runtime>,
    /// Reads and writes.
    io: Option<Runtime>,
}

/// Settings, tables, views and prepared statements, and the threads, memory and cluster to run statements with.
///
/// All sessions of an engine share the latter and none of the former. A clone is the same session.
#[derive(Clone)]
pub struct Session {
    ctx: SessionContext,
    cpu: Handle,
    /// Where statements run, and which of this session do, where that isn't this process.
    cluster: Option<(Cluster, OpenJobs)>,
}

impl Engine {
    /// An engine that decodes on so many threads.
    ///
    /// # Errors
    /// Threads that can't be started.
    pub fn local(threads: usize) -> Result<Self> {
        Self::local_within(threads, AllowList::default(), StoreSettings::default())
    }

    /// An engine whose statements read and write only what a list allows, in stores of which it knows these settings.
    ///
    /// # Errors
    /// Threads that can't be started.
    pub fn local_within(threads: usize, allow: AllowList, stores: StoreSettings) -> Result<Self> {
        let threads = threads.max(1);
        let mut runtimes = Runtimes::default();
        let io = runtimes.io.insert(runtime("pixmill-io", 1)?).handle().clone();
        let cpu = runtimes.cpu.insert(runtime("pixmill-cpu", threads)?).handle().clone();
        let stores = Arc::new(Stores::new(stores, io));
        let ctx = local_session(threads, &stores, allow)?;
        Ok(Self { session: Session { ctx, cpu, cluster: None }, runtimes })
    }

    /// An engine whose statements run on a cluster.
    ///
    /// # Errors
    /// A scheduler that isn't there, or of another version.
    pub async fn cluster(address: &HostPort) -> Result<Self> {
        Self::cluster_within(address, StoreSettings::default()).await
    }

    /// An engine whose statements run on a cluster, and which plans them with stores of which it knows these settings.
    ///
    /// # Errors
    /// As [`Engine::cluster`].
    pub async fn cluster_within(address: &HostPort, stores: StoreSettings) -> Result<Self> {
        let (cluster, report) = Cluster::connect(address).await?;
        let mut runtimes = Runtimes::default();
        let io = runtimes.io.insert(runtime("pixmill-io", 1)?).handle().clone();
        // Statements run elsewhere, but rounds over rows that are here.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = runtimes.cpu.insert(runtime("pixmill-cpu", threads)?).handle().clone();
        let jobs = OpenJobs::default();
        let stores = Arc::new(Stores::new(stores, io));
        let ctx = cluster_session(&cluster, &jobs, &report, &stores)?;
        Ok(Self { session: Session { ctx, cpu, cluster: Some((cluster, jobs)) }, runtimes })
    }

    /// The session that is open from the beginning.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Opens another session, with the settings of the first.
    ///
    /// # Errors
    /// None in a configuration that the first session was built with.
    pub fn open_session(&self) -> Result<Session> {
        let first = &self.session;
        let (ctx, cluster) = match &first.cluster {
            None => (another_session(&first.ctx)?, None),
            Some((cluster, _)) => {
                let jobs = OpenJobs::default();
                (another_cluster_session(&first.ctx, cluster, &jobs)?, Some((cluster.clone(), jobs)))
            }
        };
        Ok(Session { ctx, cpu: first.cpu.clone(), cluster })
    }

    /// The DataFusion session, for registering tables and functions of one's own.
    pub fn context(&self) -> &SessionContext {
        self.session.context()
    }

    /// Runs every statement and returns the rows of the last one.
    ///
    /// # Errors
    /// The first statement that fails; those before it have been run.
    pub async fn sql(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        self.session.sql(sql).await
    }

    /// Takes a text apart into statements.
    ///
    /// # Errors
    /// A text that is no SQL, with the place where it stops being it.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        self.session.parse(sql)
    }

    /// Plans a statement and starts to run it.
    ///
    /// # Errors
    /// A statement that can't be planned.
    pub async fn start(&self, statement: Statement) -> Result<RunningStatement> {
        self.session.start(statement).await
    }

    /// Ends the engine: work under way is given up, and files being written are given `patience` to be cleaned up.
    ///
    /// Not to be called inside an async runtime, where waiting is not allowed; there, drop the engine.
    pub fn close(mut self, patience: Duration) {
        if let Some(io) = &self.runtimes.io {
            // What the cluster isn't told by then, it goes on with.
            let _ = io.block_on(async { tokio::time::timeout(patience, self.session.close()).await });
        }
        for runtime in self.runtimes.take() {
            runtime.shutdown_timeout(patience);
        }
    }
}

impl Session {
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
        Ok(Statement::parse_all(sql)?)
    }

    /// Plans a statement, without any effect.
    ///
    /// # Errors
    /// A statement that can't be planned.
    pub async fn prepare(&self, statement: Statement) -> Result<PlannedStatement> {
        let ctx = self.ctx.clone();
        joined(self.cpu.spawn(async move { PlannedStatement::plan(&ctx, statement).await }).await)
    }

    /// Starts to run a planned statement. What has no rows and takes no work is done by then.
    ///
    /// # Errors
    /// A statement that can't be run.
    pub async fn run(&self, prepared: PlannedStatement) -> Result<RunningStatement> {
        let ctx = self.ctx.clone();
        let name = prepared.name.clone();
        let begun = joined(self.cpu.spawn(async move { prepared.begin(&ctx).await }).await)?;
        let mut task_ctx = self.ctx.task_ctx();
        if self.cluster.is_some() {
            let name = job_name(&name, &self.ctx.session_id());
            let config = task_ctx.session_config().clone().set_str("ballista.job.name", &name);
            task_ctx = with_config(&task_ctx, config);
        }
        let (plan, _) = &begun;
        // A cluster's statement has its batches there.
        if ClusterExec::in_plan(plan).is_none() && has_images(plan)? {
            let config = with_image_batches_of(plan, task_ctx.session_config().clone())?;
            task_ctx = with_config(&task_ctx, config);
            if sorts(plan)? {
                task_ctx = with_shares(&task_ctx)?;
            }
        }
        Ok(RunningStatement::start(&self.cpu, self.ctx.clone(), begun, task_ctx))
    }

    /// Plans a statement and starts to run it.
    ///
    /// # Errors
    /// A statement that can't be planned.
    pub async fn start(&self, statement: Statement) -> Result<RunningStatement> {
        let prepared = self.prepare(statement).await?;
        self.run(prepared).await
    }

    /// Has the cluster give up what it still does for this session.
    pub async fn close(&self) {
        if let Some((cluster, jobs)) = &self.cluster {
            jobs.cancel(cluster, &self.ctx.session_id()).await;
        }
    }

    /// How many files and how many objects were listed here, by all statements so far. A cluster lists by itself.
    pub(crate) fn listed(&self) -> (u64, u64) {
        Listed::of(&self.ctx.copied_config()).counts()
    }

    /// The cluster that statements run on.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref().map(|(cluster, _)| cluster)
    }
}

impl Runtimes {
    fn take(&mut self) -> impl Iterator<Item = Runtime> {
        [self.cpu.take(), self.io.take()].into_iter().flatten()
    }
}

impl Drop for Runtimes {
    /// Work under way is given up: an engine may be dropped inside another runtime, where waiting is not allowed.
    fn drop(&mut self) {
        self.take().for_each(Runtime::shutdown_background);
    }
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
