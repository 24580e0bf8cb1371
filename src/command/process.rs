//! Processes that serve until they are told to stop: their runtimes, their end, and the children of a cluster.

use std::ffi::OsString;
use std::io::Read;
use std::net::SocketAddr;
use std::process::Stdio;

use clap::Args;
use sysinfo::{Pid, Process, ProcessesToUpdate, Signal, System};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::runtime::Runtime;

use super::engine::StoreArgs;
use crate::cluster::STACK_BYTES;
use crate::error::{Error, Result};
use crate::storage::AllowList;

/// What the roles of a cluster have in common.
#[derive(Debug, Args)]
pub(super) struct Listen {
    /// The name or address by which the other processes of the cluster reach this one
    #[arg(long, value_name = "HOST")]
    pub(super) external_host: Option<String>,

    /// Locations that clients' statements may read and write, separated by commas; everywhere by default
    #[arg(long, value_name = "LIST")]
    pub(super) allow: Option<AllowList>,

    #[command(flatten)]
    pub(super) stores: StoreArgs,

    /// Stop when stdin is closed: so a parent's end is its children's, too
    #[arg(long, hide = true)]
    pub(super) stop_with_stdin: bool,
}

impl Listen {
    /// Warns of an address that others than this machine reach.
    pub(super) fn warn(bind: SocketAddr) {
        if !bind.ip().is_loopback() {
            eprintln!(
                "warning: {bind} can be reached from other machines, and the ports of a cluster ask nobody who they are: whoever \
                 reaches them can run statements, and read and write what this process can; see docs/cluster.md"
            );
        }
    }

    /// Comes to its end when a signal, or the parent's end, says so.
    pub(super) async fn stopped(&self) {
        let closed = async {
            match self.stop_with_stdin {
                true => stdin_closed().await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = signalled() => {}
            () = closed => {}
        }
    }
}

/// Comes to its end when stdin does.
async fn stdin_closed() {
    let (tell, closed) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait for a blocked read at its end.
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while matches!(std::io::stdin().read(&mut bytes), Ok(read) if read > 0) {}
        // Nobody listens any more when the process ends for another reason.
        let _ = tell.send(());
    });
    let _ = closed.await;
}

/// Comes to its end with SIGTERM or Ctrl-C.
pub(super) async fn signalled() {
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Without a handler for it Ctrl-C ends the process by itself.
    let _ = tokio::signal::ctrl_c().await;
}

/// The runtime of a process that serves.
pub(super) fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.thread_name("pixmill").thread_stack_size(STACK_BYTES).enable_all().build();
    runtime.map_err(|error| Error::Failed(format!("cannot start threads: {error}")))
}

/// Asks a process to stop, as a user would.
pub(super) fn terminate(pid: u32) {
    with_process(pid, |process| {
        // A process that is gone needs no signal.
        let _ = process.kill_with(Signal::Term);
    });
}

/// Does something with a process that is there.
pub(super) fn with_process<T>(pid: u32, work: impl FnOnce(&Process) -> T) -> Option<T> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
    system.process(pid).map(work)
}

/// A process of this program that ends with this one.
pub(super) struct Role {
    child: Child,
    /// Closed with this process, however it ends.
    _stdin: Option<tokio::process::ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Role {
    /// Starts this program with other arguments.
    ///
    /// # Errors
    /// A program that can't be started.
    pub(super) fn start(arguments: Vec<OsString>) -> Result<Self> {
        let cannot = |error: std::io::Error| Error::Failed(format!("cannot start a process of the cluster: {error}"));
        let program = std::env::current_exe().map_err(cannot)?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--stop-with-stdin").stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C in a terminal is sent to all processes of a group: the parent says when the others stop.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.kill_on_drop(true).spawn().map_err(cannot)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| Error::Failed("a process without stdout".to_string()))?;
        Ok(Self { child, _stdin: stdin, lines: BufReader::new(stdout).lines() })
    }

    /// The next line that it prints; `None` at its end.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.ok().flatten()
    }

    /// Its number; none when it has ended.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) {
        // What it printed last is read, so that it isn't stopped by a full pipe.
        while self.line().await.is_some() {}
        let _ = self.child.wait().await;
    }

    /// Asks it to stop, and makes it after a while.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.pid() {
            terminate(pid);
        }
        let patience = std::time::Duration::from_secs(10);
        if tokio::time::timeout(patience, self.ended()).await.is_err() {
            // It may have ended meanwhile.
            let _ = self.child.kill().await;
        }
    }
}
