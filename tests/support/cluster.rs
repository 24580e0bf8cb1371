//! A cluster of real processes for one test, which can be killed and suspended one by one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Finished, Workspace};

/// Seconds after which a silent executor counts as lost: short, so that tests are.
pub(crate) const EXECUTOR_TIMEOUT: &str = "4";

/// A scheduler and executors, killed when this is dropped.
pub(crate) struct Cluster<'a> {
    workspace: &'a Workspace,
    scheduler: Child,
    pub(crate) address: String,
    executors: Vec<Child>,
    /// Arguments of scheduler and executors alike.
    arguments: Vec<String>,
    vcores: usize,
}

impl<'a> Cluster<'a> {
    /// A cluster whose executors have one vcore each, in a workspace.
    pub(crate) fn start(workspace: &'a Workspace, executors: usize) -> Self {
        Self::start_with(workspace, executors, &[])
    }

    /// As [`Self::start`], with more vcores for each executor.
    pub(crate) fn start_wide(workspace: &'a Workspace, executors: usize, vcores: usize) -> Self {
        Self::start_as(workspace, executors, vcores, &[])
    }

    /// As [`Self::start`], with further arguments for each process.
    pub(crate) fn start_with(workspace: &'a Workspace, executors: usize, arguments: &[&str]) -> Self {
        Self::start_as(workspace, executors, 1, arguments)
    }

    fn start_as(workspace: &'a Workspace, executors: usize, vcores: usize, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_string()).collect();
        let (scheduler, address) = start_scheduler(workspace, "127.0.0.1:0", &arguments);
        let mut cluster = Self { workspace, scheduler, address, executors: Vec::new(), arguments, vcores };
        for _ in 0..executors {
            cluster.add_executor();
        }
        cluster.wait_for(executors);
        cluster
    }

    /// Starts one more executor; its number.
    pub(crate) fn add_executor(&mut self) -> usize {
        let mut command = command(self.workspace);
        let vcores = self.vcores.to_string();
        command.args(["executor", "--scheduler", &self.address, "--vcores", &vcores]).args(&self.arguments);
        self.executors.push(command.stdout(Stdio::null()).spawn().expect("an executor"));
        self.executors.len() - 1
    }

    /// Waits until so many executors are there.
    pub(crate) fn wait_for(&self, executors: usize) {
        wait_for_executors(&self.address, executors);
    }

    /// Kills an executor without a word.
    pub(crate) fn kill(&mut self, executor: usize) {
        self.executors[executor].kill().expect("killed");
        self.executors[executor].wait().expect("ended");
    }

    /// Sends an executor a signal.
    pub(crate) fn signal(&self, executor: usize, signal: &str) {
        send(self.executors[executor].id(), signal);
    }

    /// Waits for an executor's own end.
    pub(crate) fn wait_for_end(&mut self, executor: usize) -> i32 {
        self.executors[executor].wait().expect("ended").code().unwrap_or(-1)
    }

    /// The processes of the scheduler and of the first executor.
    pub(crate) fn processes(&self) -> (u32, u32) {
        (self.scheduler.id(), self.executors[0].id())
    }

    /// Tells all executors to stop, and waits for their ends.
    pub(crate) fn stop_executors(&mut self) {
        for executor in &mut self.executors {
            if executor.try_wait().expect("a process").is_none() {
                send(executor.id(), "TERM");
                executor.wait().expect("ended");
            }
        }
    }

    /// Kills the scheduler.
    pub(crate) fn kill_scheduler(&mut self) {
        self.scheduler.kill().expect("killed");
        self.scheduler.wait().expect("ended");
    }

    /// Runs the binary on the cluster.
    pub(crate) fn sql(&self, sql: &str) -> Finished {
        self.workspace.pixmill(&["sql", "--cluster", &self.address, "-c", sql])
    }

    /// Starts to run the binary on the cluster.
    pub(crate) fn start_sql(&self, sql: &str) -> Client {
        self.start_client(&["sql", "--cluster", &self.address, "-c", sql])
    }

    /// Starts the binary.
    pub(crate) fn start_client(&self, args: &[&str]) -> Client {
        let mut command = command(self.workspace);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        Client { child: command.spawn().expect("a client") }
    }

    /// Waits until so many tasks of the only job that runs are done, and some are not.
    pub(crate) fn wait_for_tasks(&self, done: usize) {
        wait_for_tasks(&self.address, done);
    }

    /// What the scheduler answers.
    pub(crate) fn get(&self, path: &str) -> String {
        ask(&self.address, path)
    }
}

/// What a scheduler answers.
pub(crate) fn ask(address: &str, path: &str) -> String {
    let url = format!("http://{}/{path}", address.trim_start_matches("df://"));
    // On a thread of its own, because the test may be asynchronous.
    let ask = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            client.get(url).send().await.expect("an answer").text().await.expect("a text")
        })
    };
    std::thread::spawn(ask).join().expect("an answer")
}

/// Waits until a scheduler has so many executors.
pub(crate) fn wait_for_executors(address: &str, executors: usize) {
    let wanted = format!("\"executors\":{executors}");
    eventually(&wanted, || {
        let report = ask(address, "pixmill/cluster").replace(' ', "");
        report.contains(&format!("{wanted},"))
    });
}

/// Waits until no job runs.
pub(crate) fn wait_for_end_of_jobs(address: &str) {
    let is_open = |job: &serde_json::Value| job["ended_at"].is_null();
    eventually("the end of all jobs", || {
        let jobs: serde_json::Value = serde_json::from_str(&ask(address, "pixmill/jobs")).expect("JSON");
        !jobs.as_array().expect("a list").iter().any(is_open)
    });
}

/// Waits until so many tasks of a job that runs are done, and some are not.
pub(crate) fn wait_for_tasks(address: &str, done: usize) {
    let is_there = || {
        let jobs: serde_json::Value = serde_json::from_str(&ask(address, "pixmill/jobs")).expect("JSON");
        let running = jobs.as_array().expect("a list").iter().find(|job| job["state"] == "running");
        running.is_some_and(|job| job["tasks"]["done"].as_u64() >= Some(done as u64))
    };
    eventually("tasks", is_there);
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        for child in self.executors.iter_mut().chain([&mut self.scheduler]) {
            // One that is suspended or gone needs no more than this.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A client under way.
pub(crate) struct Client {
    child: Child,
}

impl Client {
    pub(crate) fn signal(&self, signal: &str) {
        send(self.child.id(), signal);
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Finished {
        Finished::of(&self.child.wait_with_output().expect("ended"))
    }
}

fn command(workspace: &Workspace) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
    command.current_dir(workspace.path("")).env("HOME", workspace.path("")).env_remove("PIXMILL_LOG");
    command.env("PIXMILL_EXECUTOR_TIMEOUT", EXECUTOR_TIMEOUT);
    command.envs(workspace.environment.iter().map(|(name, value)| (name, value)));
    command
}

fn start_scheduler(workspace: &Workspace, bind: &str, arguments: &[String]) -> (Child, String) {
    let mut command = command(workspace);
    command.args(["scheduler", "--bind", bind]).args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a scheduler");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its stdout");
    BufReader::new(stdout).read_line(&mut line).expect("its address");
    (child, line.trim().to_string())
}

pub(crate) fn send(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "{signal} to {pid}");
}

/// Waits for what has to come.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what} didn't come within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}
