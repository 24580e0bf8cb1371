//! `pixmill serve`: Flight SQL for remote clients.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tonic::transport::Identity;

use super::engine::EngineArgs;
use super::engine::PATIENCE;
use super::process::{runtime, signalled};
use crate::error::{Error, Result};
use crate::serve::{ServeOptions, Server, Token};

/// The environment's variable that holds the token.
const TOKEN: &str = "PIXMILL_TOKEN";

/// Serve remote clients: ADBC, JDBC and ODBC by Arrow Flight SQL
///
/// Each client has a session of its own. A token is required unless the address is this machine's alone; clients send it as a
/// bearer token, or as the password of any user. docs/serve.md has the connection strings.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill serve --bind 127.0.0.1:50060\n  PIXMILL_TOKEN=... pixmill serve --bind 0.0.0.0:50060 --tls-cert cert.pem --tls-key key.pem"
)]
pub(crate) struct Serve {
    /// The address to listen on; port 0 for any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50060")]
    bind: SocketAddr,

    /// A file with the token that clients have to show; else it is taken from the environment's PIXMILL_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The certificate that the server shows, and those that vouch for it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Refuse statements that write files: COPY and INSERT
    #[arg(long)]
    read_only: bool,

    #[command(flatten)]
    engine: EngineArgs,
}

impl Serve {
    pub(crate) fn run(self) -> Result<()> {
        let options =
            ServeOptions { bind: self.bind, token: self.token()?, tls: self.identity()?, read_only: self.read_only };
        self.check(&options)?;
        let scheme = if options.tls.is_some() { "grpc+tls" } else { "grpc" };
        let asked = if options.token.is_some() { "asking for the token" } else { "to everybody on this machine" };
        let runtime = runtime()?;
        let engine = Arc::new(runtime.block_on(self.engine.open())?);
        let served = runtime.block_on(async {
            let server = Server::start(Arc::clone(&engine), options).await?;
            println!("{scheme}://{}", server.address());
            eprintln!("serving Flight SQL at {}, {asked}; stop it with Ctrl-C", server.address());
            tokio::select! {
                served = server.serve() => served,
                () = signalled() => Ok(()),
            }
        });
        // Connections end with the runtime, and what they run is cancelled.
        runtime.shutdown_timeout(PATIENCE);
        if let Some(engine) = Arc::into_inner(engine) {
            engine.close(PATIENCE);
        }
        served
    }

    fn token(&self) -> Result<Option<Token>> {
        let (from, text) = match &self.token_file {
            Some(path) => (format!("the token in '{}'", path.display()), read(path)?),
            None => match std::env::var(TOKEN) {
                Ok(text) => (format!("the environment's {TOKEN}"), text),
                Err(std::env::VarError::NotPresent) => return Ok(None),
                Err(error) => return Err(Error::Usage(format!("the environment's {TOKEN}: {error}"))),
            },
        };
        let token = text.parse().map_err(|problem| Error::Usage(format!("{from} {problem}")))?;
        Ok(Some(token))
    }

    fn identity(&self) -> Result<Option<Identity>> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        Ok(Some(Identity::from_pem(read(cert)?, read(key)?)))
    }

    /// Refuses what would let anybody in, and warns of what others can listen to.
    fn check(&self, options: &ServeOptions) -> Result<()> {
        let bind = self.bind;
        if bind.ip().is_loopback() {
            return Ok(());
        }
        if options.token.is_none() {
            return Err(Error::Usage(format!(
                "--bind {bind}: other machines reach this address, and without a token all of them could run statements; give one \
                 with --token-file FILE or in the environment's {TOKEN}, or bind to 127.0.0.1:{}",
                bind.port()
            )));
        }
        if options.tls.is_none() {
            eprintln!(
                "warning: {bind} can be reached from other machines, and without --tls-cert and --tls-key token, statements and rows \
                 travel unencrypted: whoever can listen can come in; see docs/serve.md"
            );
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::file("read", path))
}
