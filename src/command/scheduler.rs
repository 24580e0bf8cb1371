//! `pixmill scheduler`: the process of a cluster that plans, and hands out the work.

use std::net::SocketAddr;

use clap::Args;

use super::process::{Listen, runtime};
use crate::cluster::scheduler::{Scheduler as Server, SchedulerOptions};
use crate::error::Result;

/// Run the scheduler of a cluster
///
/// It plans the statements of clients (pixmill run --cluster df://HOST:PORT), hands their tasks to executors, and tells of
/// them at http://HOST:PORT/pixmill/jobs; /api/metrics is for Prometheus.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pixmill scheduler --bind 127.0.0.1:50050")]
pub(crate) struct Scheduler {
    /// The address to listen on; port 0 for any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50050")]
    bind: SocketAddr,

    #[command(flatten)]
    listen: Listen,
}

impl Scheduler {
    pub(crate) fn run(self) -> Result<()> {
        Listen::warn(self.bind);
        runtime()?.block_on(async {
            let options = SchedulerOptions {
                bind: self.bind,
                external_host: self.listen.external_host.clone(),
                allow: self.listen.allow.clone().unwrap_or_default(),
                stores: self.listen.stores.settings()?,
            };
            let server = Server::start(options).await?;
            println!("df://{}", server.address());
            tokio::select! {
                served = server.serve() => served,
                () = self.listen.stopped() => Ok(()),
            }
        })
    }
}
