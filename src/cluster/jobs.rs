//! The scheduler's jobs: what is known of them beyond what Ballista tells, and which of them may not be believed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ballista_core::JobId;
use ballista_core::execution_plans::ShuffleReaderExec;
use ballista_core::serde::protobuf::job_status::Status;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use ballista_core::serde::protobuf::{UpdateTaskStatusParams, task_status};
use ballista_scheduler::cluster::{ClusterState, JobState as BallistaJobs};
use ballista_scheduler::scheduler_server::SchedulerServer;
use ballista_scheduler::state::execution_graph::ExecutionGraphBox;
use ballista_scheduler::state::execution_stage::ExecutionStage;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tonic::Request;

use super::remembered::Remembered;
use super::report::{ClusterReport, ExecutorReport, JobReport, JobState, Tasks, of_job_name};
use super::slots::Slots;
use crate::plan::Progress;
use crate::sink::ShardSinkExec;

/// Ballista's scheduler, as this crate runs it.
pub(super) type Server = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// Jobs that are remembered after their end.
const MOST_REMEMBERED: usize = 1000;
/// After how long a job that doesn't get on is said to stand still.
const STALLED: Duration = Duration::from_secs(60);
/// After how long a job of which no task runs, though slots are free, gets them offered.
const IDLE: Duration = Duration::from_secs(2);
/// After how long a job that isn't done, and of which nothing is left to be run, is known as endless.
const ENDLESS: Duration = Duration::from_secs(3);
/// After how long a job of which no task runs, though there are executors, is given up.
const STUCK: Duration = Duration::from_secs(30);

/// What the scheduler's process knows of its jobs.
pub(super) struct Jobs {
    server: Server,
    state: Arc<dyn BallistaJobs>,
    slots: Arc<Slots>,
    known: Mutex<BTreeMap<String, Job>>,
    /// Sessions of clients that are gone: what they have asked for is cancelled when it begins.
    ended_sessions: Mutex<Remembered>,
}

struct Job {
    report: JobReport,
    /// What tasks have done, by stage and partitions.
    done: HashMap<(usize, Vec<usize>), Progress>,
    /// What there is to do, by its stages' plans.
    totals: Progress,
    /// A stage has begun to read what others have written.
    has_exchanged: bool,
    /// What was last seen to change, and when.
    moved: (Tasks, Progress, Instant),
    /// Since when none of its tasks runs although slots are free.
    idle_since: Option<Instant>,
    /// Since when nothing is left to be run, though it isn't done.
    nothing_left_since: Option<Instant>,
    session: String,
    /// Why it has to be run again.
    lost: Option<String>,
    /// Why it would never end.
    endless: Option<String>,
    is_cancelled: bool,
}

/// What a look at a job's graph shows.
struct Look {
    name: String,
    session: String,
    started_at: u64,
    tasks: Tasks,
    totals: Progress,
    has_exchanged: bool,
    /// A stage was run again whose rows others may have read.
    was_rolled_back: bool,
    /// The stage that runs, in words.
    stage: Option<String>,
    /// A stage that waits for rows, where nothing runs or could be run that might bring them.
    waits_for_nothing: Option<String>,
    /// The slots that its tasks are in, by executor.
    taken: HashMap<String, u32>,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Job {
    fn new(id: &str) -> Self {
        let report = JobReport {
            id: id.to_string(),
            name: String::new(),
            state: JobState::Queued,
            queued_at: now(),
            started_at: None,
            ended_at: None,
            progress: Progress::default(),
            tasks: Tasks::default(),
            stalled: None,
            reason: None,
            executors: 0,
        };
        Self {
            report,
            done: HashMap::new(),
            totals: Progress::default(),
            has_exchanged: false,
            moved: (Tasks::default(), Progress::default(), Instant::now()),
            idle_since: None,
            nothing_left_since: None,
            session: String::new(),
            lost: None,
            endless: None,
            is_cancelled: false,
        }
    }

    /// Takes up what a look at the graph shows.
    fn update(&mut self, look: Look) {
        self.has_exchanged |= look.has_exchanged;
        if look.was_rolled_back && self.lost.is_none() {
            self.lost = Some("an executor was lost while its rows were exchanged".to_string());
        }
        self.nothing_left_since =
            self.nothing_left_since.or_else(|| Some(Instant::now())).filter(|_| look.waits_for_nothing.is_some());
        if let Some(stage) = look.waits_for_nothing
            && self.nothing_left_since.is_some_and(|since| since.elapsed() >= ENDLESS)
            && self.endless.is_none()
        {
            self.endless = Some(format!("{stage} waits for rows, and nothing is left to be run that might bring them"));
        }
        self.totals = look.totals;
        let report = &mut self.report;
        self.session = look.session;
        report.name = look.name;
        report.started_at = Some(look.started_at);
        // A job may be planned before it is seen.
        report.queued_at = report.queued_at.min(look.started_at);
        report.state = JobState::Running;
        report.tasks = look.tasks;
        self.count();
        if (&self.moved.0, self.moved.1) != (&self.report.tasks, self.report.progress) {
            self.moved = (self.report.tasks.clone(), self.report.progress, Instant::now());
        }
        let still = self.moved.2.elapsed();
        self.report.stalled = (still >= STALLED).then(|| {
            let stage = look.stage.unwrap_or_else(|| "no stage runs".to_string());
            format!("nothing has moved for {} s: {stage}", still.as_secs())
        });
    }

    /// Adds up what tasks have done.
    fn count(&mut self) {
        let done = self.done.values().fold(Progress::default(), |sum, done| sum.plus(*done));
        let totals = self.totals;
        self.report.progress = Progress {
            files: totals.files,
            bytes: totals.bytes,
            files_done: done.files_done.min(totals.files),
            bytes_done: done.bytes_done.min(totals.bytes),
            ..done
        };
    }

    fn end(&mut self, status: Option<Status>) {
        let (state, reason) = match status {
            _ if self.lost.is_some() => (JobState::Lost, self.lost.clone()),
            _ if self.endless.is_some() => (JobState::Endless, self.endless.clone()),
            Some(Status::Successful(_)) => {
                // What executors would tell of the last tasks next time.
                let progress = &mut self.report.progress;
                (progress.files_done, progress.bytes_done) = (progress.files, progress.bytes);
                (JobState::Done, None)
            }
            _ if self.is_cancelled => (JobState::Cancelled, None),
            Some(Status::Failed(failed)) => (JobState::Failed, Some(failed.error)),
            _ => (JobState::Failed, Some("the scheduler has forgotten it".to_string())),
        };
        self.report.state = state;
        self.report.reason = reason;
        self.report.stalled = None;
        self.report.ended_at = Some(now());
        self.done.clear();
    }

    /// Whether none of its tasks has run for a moment although slots were free.
    fn is_idle(&self) -> bool {
        self.report.ended_at.is_none() && self.idle_since.is_some_and(|since| since.elapsed() >= IDLE)
    }

    /// Whether none of its tasks has run for a while although slots were free all the time.
    fn is_stuck(&mut self, has_free_slots: bool) -> bool {
        let is_idle = self.report.tasks.running == 0 && has_free_slots;
        self.idle_since = self.idle_since.or_else(|| Some(Instant::now())).filter(|_| is_idle);
        self.idle_since.is_some_and(|since| since.elapsed() >= STUCK)
    }
}

impl Jobs {
    pub(super) fn new(server: Server, state: Arc<dyn BallistaJobs>, slots: Arc<Slots>) -> Self {
        Self { server, state, slots, known: Mutex::new(BTreeMap::new()), ended_sessions: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Job>) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ended_sessions(&self) -> MutexGuard<'_, Remembered> {
        self.ended_sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executors that are alive, and their vcores.
    pub(super) async fn executors(&self) -> (usize, usize) {
        let executors = self.slots.registered_executor_metadata().await;
        let vcores = executors.iter().map(|metadata| metadata.specification.vcores as usize);
        (executors.len(), vcores.sum())
    }

    /// The cluster's size, and how much of it is free.
    pub(super) async fn cluster(&self) -> ClusterReport {
        let (executors, vcores) = self.executors().await;
        ClusterReport::new(executors, vcores, vcores.saturating_sub(self.slots.taken()))
    }

    /// Looks at all jobs that run; those that can't come to a right end are cancelled.
    pub(super) async fn refresh(&self) {
        let running = self.server.state.task_manager.get_running_job_cache();
        let is_idle = self.with(|known| known.values().all(|job| job.report.ended_at.is_some()));
        if running.is_empty() && is_idle && self.slots.taken() == 0 {
            return;
        }
        let (executors, vcores) = self.executors().await;
        let has_free_slots = self.slots.taken() < vcores;
        let mut taken: HashMap<String, u32> = HashMap::new();
        for (id, info) in running.iter() {
            let look = look(&*info.execution_graph.read().await);
            for (executor, vcores) in &look.taken {
                *taken.entry(executor.clone()).or_default() += vcores;
            }
            let is_unwanted = self.with(|known| {
                let job = known.entry(id.to_string()).or_insert_with(|| Job::new(id.as_str()));
                job.report.executors = executors;
                job.update(look);
                job.is_cancelled |= self.ended_sessions().contains(&job.session);
                if job.is_stuck(has_free_slots) && job.lost.is_none() {
                    job.lost = Some(format!("no task of it ran for {} s, though slots were free", STUCK.as_secs()));
                }
                // One that was cancelled while it was planned has to be told again.
                job.lost.is_some() || job.endless.is_some() || job.is_cancelled
            });
            if is_unwanted {
                self.stop(id).await;
            }
        }
        let has_freed = self.slots.reconcile(&taken).await;
        if has_freed || self.with(|known| known.values().any(Job::is_idle)) {
            self.offer_slots().await;
        }
        let open = |job: &&Job| job.report.ended_at.is_none() && !running.contains_key(job.report.id.as_str());
        let gone: Vec<String> =
            self.with(|known| known.values().filter(open).map(|job| job.report.id.clone()).collect());
        for id in gone {
            self.close(&id, executors).await;
        }
        self.with(|known| {
            let ended = known.iter().filter(|(_, job)| job.report.ended_at.is_some()).map(|(id, _)| id.clone());
            let too_many: Vec<String> = ended.take(known.len().saturating_sub(MOST_REMEMBERED)).collect();
            known.retain(|id, _| !too_many.contains(id));
        });
    }

    /// Takes up the end of a job that doesn't run any more, or not yet.
    async fn close(&self, id: &str, executors: usize) {
        let job_id = JobId::new(id);
        let status = self.server.state.task_manager.get_job_status(&job_id).await.ok().flatten();
        let status = status.and_then(|status| status.status);
        let running = self.server.state.task_manager.get_running_job_cache();
        let last = match running.get(&job_id) {
            Some(info) => Some(look(&*info.execution_graph.read().await)),
            None => self.state.get_execution_graph(&job_id).await.ok().flatten().as_ref().map(look),
        };
        self.with(|known| {
            let Some(job) = known.get_mut(id) else { return };
            job.report.executors = executors;
            match status {
                Some(Status::Queued(_) | Status::Running(_)) => {}
                // Its last state is on its way from one place to another, and nobody can judge it now.
                Some(Status::Successful(_)) if last.is_none() => {}
                status => {
                    if let Some(look) = last {
                        job.update(look);
                    }
                    job.end(status);
                }
            }
        });
    }

    /// Judges the jobs that run when an executor is gone: rows that a stage is reading from it are lost, and Ballista goes on
    /// with some of them twice or not at all.
    pub(super) async fn executor_lost(&self, executor: &str) {
        self.refresh().await;
        let running = self.server.state.task_manager.get_running_job_cache();
        for id in running.keys() {
            let is_lost = self.with(|known| {
                let job = known.get_mut(id.as_str()).filter(|job| job.has_exchanged && job.report.ended_at.is_none());
                job.map(|job| job.lost = Some(format!("executor {executor} was lost while its rows were exchanged")))
            });
            if is_lost.is_some() {
                self.stop(id).await;
            }
        }
    }

    /// What is known of a job; `None` of one that never was.
    pub(super) async fn job(&self, id: &str) -> Option<JobReport> {
        let (executors, _) = self.executors().await;
        let status = self.server.state.task_manager.get_job_status(&JobId::new(id)).await.ok().flatten();
        let is_known = self.with(|known| known.contains_key(id));
        if !is_known && status.is_none() {
            return None;
        }
        if !is_known {
            self.with(|known| known.insert(id.to_string(), Job::new(id)));
        }
        // What a client is told of a job's end is judged by the last state of its graph, not by the last look at it.
        let is_open = self.with(|known| known.get(id).is_some_and(|job| job.report.ended_at.is_none()));
        if is_open {
            self.close(id, executors).await;
        }
        self.with(|known| known.get(id).map(|job| job.report.clone()))
    }

    /// All jobs that are remembered, the last ones first.
    pub(super) async fn all(&self) -> Vec<JobReport> {
        self.refresh().await;
        let mut jobs: Vec<JobReport> = self.with(|known| known.values().map(|job| job.report.clone()).collect());
        jobs.sort_by_key(|job| std::cmp::Reverse(job.queued_at));
        jobs
    }

    /// Cancels a job that somebody doesn't want any more.
    pub(super) async fn cancel(&self, id: &str) -> Option<JobReport> {
        let job = self.job(id).await?;
        if job.ended_at.is_some() {
            return Some(job);
        }
        self.with(|known| known.get_mut(id).map(|job| job.is_cancelled = true));
        self.stop(&JobId::new(id)).await;
        self.job(id).await
    }

    /// Cancels all that a client has asked for which is gone.
    pub(super) async fn end_session(&self, session: &str) {
        self.ended_sessions().add(session);
        self.refresh().await;
    }

    /// Has tasks handed out: slots that came free without a word to Ballista make it do nothing.
    async fn offer_slots(&self) {
        let Some(executor) = self.slots.registered_executor_metadata().await.into_iter().next() else { return };
        let nothing = UpdateTaskStatusParams { executor_id: executor.id, task_status: Vec::new() };
        if let Err(error) = SchedulerGrpc::update_task_status(&self.server, Request::new(nothing)).await {
            tracing::warn!("tasks can't be handed out: {error}");
        }
    }

    async fn stop(&self, id: &JobId) {
        if let Err(error) = self.server.cancel_job(id.clone()).await {
            tracing::warn!("job {id} can't be cancelled: {error}");
        }
    }

    /// Takes up what an executor tells of its tasks, unless it was given up. Whether it wasn't.
    pub(super) fn told(&self, executor: &str, report: ExecutorReport) -> bool {
        if self.slots.has_given_up(executor) {
            return false;
        }
        self.with(|known| {
            for task in report.tasks {
                let job = known.get_mut(&task.job).filter(|job| job.report.ended_at.is_none());
                let Some(job) = job else { continue };
                job.done.insert((task.stage, task.partitions), task.done);
                job.count();
            }
        });
        true
    }
}

/// Looks at a job's graph.
fn look(graph: &ExecutionGraphBox) -> Look {
    let (name, session) = of_job_name(graph.job_name());
    let mut look = Look {
        name: name.to_string(),
        session: session.to_string(),
        started_at: graph.start_time(),
        tasks: Tasks::default(),
        totals: Progress::default(),
        has_exchanged: false,
        was_rolled_back: false,
        stage: None,
        waits_for_nothing: None,
        taken: HashMap::new(),
    };
    let mut waiting = None;
    let mut is_alive = graph.available_tasks() > 0;
    for (number, stage) in graph.stages() {
        is_alive |= matches!(stage, ExecutionStage::Resolved(_));
        let (plan, attempt, partitions, infos) = match stage {
            ExecutionStage::UnResolved(stage) => (&stage.plan, stage.stage_attempt_num, 0, None),
            ExecutionStage::Resolved(stage) => (&stage.plan, stage.stage_attempt_num, stage.partitions, None),
            ExecutionStage::Running(stage) => {
                (&stage.plan, stage.stage_attempt_num, stage.partitions, Some(&stage.task_infos))
            }
            ExecutionStage::Successful(stage) => {
                (&stage.plan, stage.stage_attempt_num, stage.partitions, Some(&stage.task_infos))
            }
            ExecutionStage::Failed(_) => continue,
        };
        let is_exchange = reads_exchange(plan);
        // A commit takes each partition once and knows whether one is missing: only what a sink writes must not be exchanged.
        let is_exact = if has_sink(plan) { !is_exchange } else { is_commit(plan) };
        look.was_rolled_back |= attempt > 0 && !is_exact;
        look.has_exchanged |= is_exchange && infos.is_some();
        look.totals = look.totals.plus(Progress::of(plan));
        look.tasks.all += partitions;
        let mut done = 0;
        for info in infos.into_iter().flatten() {
            let partitions = info.global_input_partition_ids.len();
            let executor = match &info.task_status {
                task_status::Status::Running(task) => {
                    look.tasks.running += partitions;
                    *look.taken.entry(task.executor_id.clone()).or_default() += info.vcores_consumed;
                    &task.executor_id
                }
                task_status::Status::Successful(task) => {
                    done += partitions;
                    &task.executor_id
                }
                task_status::Status::Failed(_) => continue,
            };
            *look.tasks.by_executor.entry(executor.clone()).or_default() += 1;
        }
        if !matches!(stage, ExecutionStage::Successful(_)) {
            waiting = waiting.or_else(|| Some(format!("stage {number} ({})", below(plan))));
        }
        look.tasks.done += done.min(partitions);
        if matches!(stage, ExecutionStage::Running(_)) {
            look.stage = Some(format!("stage {number} ({}), {done} of {partitions} partitions done", below(plan)));
        }
    }
    is_alive |= look.tasks.running > 0;
    look.waits_for_nothing = waiting.filter(|_| !is_alive);
    look
}

/// What a stage does before it hands its rows on.
fn below(plan: &Arc<dyn ExecutionPlan>) -> String {
    plan.children().first().map_or_else(|| plan.name(), |plan| plan.name()).to_string()
}

fn reads_exchange(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|plan| Ok(plan.is::<ShuffleReaderExec>())).unwrap_or(true)
}

fn has_sink(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|plan| Ok(plan.is::<ShardSinkExec>())).unwrap_or(false)
}

fn is_commit(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|plan| Ok(plan.is::<crate::sink::CommitExec>())).unwrap_or(false)
}
