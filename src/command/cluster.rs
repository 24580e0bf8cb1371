//! `pixmill cluster`: a whole cluster on this machine.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;

use super::engine::StoreArgs;
use super::process::{Listen, Role, runtime};
use crate::cluster::client::{Cluster as Client, HostPort};
use crate::error::{Error, Result};
use crate::words::counted;

/// Run a whole cluster on this machine: a scheduler and executors, stopped together
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill cluster --executors 2 --vcores 2\n  pixmill run queries/flowers_to_tfrecord.sql --cluster df://127.0.0.1:50050"
)]
pub(crate) struct Cluster {
    /// Executors
    #[arg(long, value_name = "N", default_value = "2")]
    executors: NonZero<usize>,

    /// Tasks at the same time, of each executor
    #[arg(long, value_name = "N", default_value = "1")]
    vcores: NonZero<usize>,

    /// The scheduler's address; port 0 for any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50050")]
    bind: SocketAddr,

    /// Memory of each executor for sorting, grouping and joining, such as 8G
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

    /// The executors' work directories are made in here; temporary ones by default
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,

    #[command(flatten)]
    listen: Listen,
}

/// Processes that make up a cluster.
pub(super) struct Roles {
    scheduler: Role,
    executors: Vec<Role>,
    address: HostPort,
}

/// What the executors of a cluster are like.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub(super) executors: usize,
    pub(super) vcores: usize,
    pub(super) memory: Option<String>,
    pub(super) work_dir: Option<PathBuf>,
    pub(super) allow: Option<String>,
    pub(super) stores: StoreArgs,
    pub(super) external_host: Option<String>,
}

impl Roles {
    /// Starts a cluster, and waits until all of it is there.
    ///
    /// # Errors
    /// A process that can't be started or ends at once.
    pub(super) async fn start(bind: SocketAddr, shape: &Shape) -> Result<Self> {
        let mut words = arguments(&["scheduler", "--bind", &bind.to_string()]);
        if let Some(allow) = &shape.allow {
            words.extend(["--allow".into(), allow.into()]);
        }
        words.extend(shape.stores.words());
        if let Some(host) = &shape.external_host {
            words.extend(["--external-host".into(), host.into()]);
        }
        let mut scheduler = Role::start(words)?;
        let line = scheduler.line().await;
        let address = line.and_then(|line| line.parse::<HostPort>().ok());
        let address = address.ok_or_else(|| Error::Failed("the scheduler didn't start".to_string()))?;
        let mut roles = Self { scheduler, executors: Vec::new(), address };
        for number in 0..shape.executors {
            roles.executors.push(roles.executor(bind, shape, number)?);
        }
        roles.wait(shape.executors).await?;
        Ok(roles)
    }

    fn executor(&self, bind: SocketAddr, shape: &Shape, number: usize) -> Result<Role> {
        let (scheduler, vcores) = (self.address.to_string(), shape.vcores.to_string());
        let own = SocketAddr::new(bind.ip(), 0).to_string();
        let mut arguments = arguments(&["executor", "--scheduler", &scheduler, "--vcores", &vcores, "--bind", &own]);
        if let Some(memory) = &shape.memory {
            arguments.extend(["--memory".into(), memory.into()]);
        }
        if let Some(allow) = &shape.allow {
            arguments.extend(["--allow".into(), allow.into()]);
        }
        arguments.extend(shape.stores.words());
        if let Some(host) = &shape.external_host {
            arguments.extend(["--external-host".into(), host.into()]);
        }
        if let Some(directory) = &shape.work_dir {
            arguments.extend(["--work-dir".into(), work_dir(directory, number).into()]);
        }
        Role::start(arguments)
    }

    /// Waits until so many executors are there.
    async fn wait(&mut self, executors: usize) -> Result<()> {
        let (client, _) = Client::connect(&self.address).await?;
        loop {
            if client.report().await?.executors >= executors {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
                () = any_ended(&mut self.executors) => {
                    return Err(Error::Failed("an executor ended before it was there; what it said is above".to_string()));
                }
            }
        }
    }

    /// Where the scheduler listens.
    pub(super) fn address(&self) -> &HostPort {
        &self.address
    }

    /// The number of the scheduler's process.
    pub(super) fn scheduler_pid(&self) -> Option<u32> {
        self.scheduler.pid()
    }

    /// The numbers of the executors' processes.
    pub(super) fn executor_pids(&self) -> Vec<u32> {
        self.executors.iter().filter_map(Role::pid).collect()
    }

    /// Comes to its end with the first of the processes.
    pub(super) async fn any_ended(&mut self) {
        tokio::select! {
            () = self.scheduler.ended() => {}
            () = any_ended(&mut self.executors) => {}
        }
    }

    /// Stops all processes.
    pub(super) async fn stop(self) {
        futures::future::join_all(self.executors.into_iter().map(Role::stop)).await;
        self.scheduler.stop().await;
    }
}

/// Comes to its end with the first of some processes.
async fn any_ended(roles: &mut [Role]) {
    let ends: Vec<_> = roles.iter_mut().map(|role| Box::pin(role.ended())).collect();
    if ends.is_empty() {
        return std::future::pending().await;
    }
    futures::future::select_all(ends).await;
}

fn work_dir(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("executor-{number}"))
}

fn arguments(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

impl Cluster {
    pub(crate) fn run(self) -> Result<()> {
        Listen::warn(self.bind);
        let shape = Shape {
            executors: self.executors.get(),
            vcores: self.vcores.get(),
            memory: self.memory,
            work_dir: self.work_dir,
            allow: self.listen.allow.as_ref().map(ToString::to_string),
            stores: self.listen.stores.clone(),
            external_host: self.listen.external_host.clone(),
        };
        runtime()?.block_on(async {
            let mut roles = tokio::select! {
                roles = Roles::start(self.bind, &shape) => roles?,
                () = self.listen.stopped() => return Ok(()),
            };
            println!("{}", roles.address());
            let executors = counted(shape.executors as u64, "executor");
            eprintln!("{executors} with {} each; stop them with Ctrl-C", counted(shape.vcores as u64, "vcore"));
            let ended = keep(&mut roles, self.bind, &shape);
            let ended = tokio::select! {
                ended = ended => ended,
                () = self.listen.stopped() => Ok(()),
            };
            roles.stop().await;
            ended
        })
    }
}

/// Starts executors again that have ended, until the scheduler does.
async fn keep(roles: &mut Roles, bind: SocketAddr, shape: &Shape) -> Result<()> {
    loop {
        let Roles { scheduler, executors, .. } = &mut *roles;
        tokio::select! {
            () = scheduler.ended() => return Err(Error::Failed("the scheduler ended".to_string())),
            () = any_ended(executors) => {}
        }
        for number in 0..roles.executors.len() {
            if roles.executors[number].pid().is_none() {
                eprintln!("executor {number} ended, and is started again");
                roles.executors[number] = roles.executor(bind, shape, number)?;
            }
        }
    }
}
