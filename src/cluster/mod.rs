//! The roles of a cluster: its client, its scheduler, its executors, and what makes a session one of theirs.

pub(crate) mod client;
pub(crate) mod executor;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod scheduler;

mod jobs;
mod pool;
mod remembered;
pub(crate) mod session;
mod silence;
mod slots;
mod subqueries;
mod tasks;
mod watch;
mod written_here;

use std::net::IpAddr;
use std::time::Duration;

/// Most bytes of a message between the processes of a cluster: a task's plan holds its work items.
pub(crate) const MESSAGE_BYTES: u32 = 256 << 20;

/// Plans nest as deep as queries do, and Ballista's planning recurses.
pub(crate) const STACK_BYTES: usize = 32 << 20;

/// An address as it stands in a URL.
fn shown(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// How soon the loss of an executor is seen.
#[derive(Debug, Clone, Copy)]
struct Timing {
    /// How often an executor says that it is alive.
    heartbeat: Duration,
    /// After how long without a word it counts as lost.
    executor_timeout: Duration,
    /// How often that is looked at.
    expiry_check: Duration,
    /// How long jobs wait for an executor when there is none left.
    no_executors: Duration,
}

impl Timing {
    /// Whole seconds, because Ballista counts in them. The environment's `PIXMILL_EXECUTOR_TIMEOUT` is in seconds, too.
    fn from_environment() -> Self {
        let given = std::env::var("PIXMILL_EXECUTOR_TIMEOUT").ok().and_then(|text| text.trim().parse::<u64>().ok());
        let timeout = given.unwrap_or(15).max(3);
        Self {
            heartbeat: Duration::from_secs((timeout / 5).max(1)),
            executor_timeout: Duration::from_secs(timeout),
            expiry_check: Duration::from_secs((timeout / 5).max(1)),
            no_executors: Duration::from_secs(timeout.max(60)),
        }
    }
}
