//! Flight SQL: the engine's statements for remote clients, one session each.

mod access;
mod actions;
mod answer;
mod clients;
mod connection;
mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gate;
mod ingest;
mod metadata;
mod run;
mod service;
mod statements;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::{Identity, Server as Transport, ServerTlsConfig};

use crate::engine::Engine;
use crate::error::{Error, Result};

use access::Access;
pub(crate) use access::Token;
use clients::Clients;
use gate::{Gate, pass};
use service::Service;

/// Most bytes of a message from a client: rows to be ingested, and parameters.
const UPLOAD_BYTES: usize = 64 << 20;

/// How often a silent connection is asked whether its client is still there.
const ALIVE: Duration = Duration::from_secs(30);

/// How a server runs.
pub(crate) struct ServeOptions {
    /// The address to listen on; port 0 for any that is free.
    pub(crate) bind: SocketAddr,
    /// What clients have to show.
    pub(crate) token: Option<Token>,
    /// The certificate and its key.
    pub(crate) tls: Option<Identity>,
    /// Whether statements that write files are refused.
    pub(crate) read_only: bool,
}

/// A server that listens.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    transport: Transport,
    gate: Arc<Gate>,
    service: Service,
}

impl Server {
    /// Starts to listen.
    ///
    /// # Errors
    /// An address that can't be had, or a certificate that is none.
    pub(crate) async fn start(engine: Arc<Engine>, options: ServeOptions) -> Result<Self> {
        let mut transport = Transport::builder().http2_keepalive_interval(Some(ALIVE));
        let is_secure = options.tls.is_some();
        if let Some(identity) = options.tls {
            let configured = transport.tls_config(ServerTlsConfig::new().identity(identity));
            transport = configured.map_err(|error| {
                Error::Usage(format!("--tls-cert and --tls-key make no certificate: {}", failure::root(&error)))
            })?;
        }
        let cannot = |error: std::io::Error| Error::Failed(format!("cannot listen on {}: {error}", options.bind));
        let listener = TcpListener::bind(options.bind).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let clients = Clients::new(engine);
        let gate = Gate { access: Access::new(options.token.clone()), clients, is_secure };
        let service = Service::new(options.token, options.read_only)?;
        Ok(Self { listener, address, transport, gate: Arc::new(gate), service })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for good.
    ///
    /// # Errors
    /// A listener that fails.
    pub(crate) async fn serve(self) -> Result<()> {
        let service = FlightServiceServer::new(self.service).max_decoding_message_size(UPLOAD_BYTES);
        let layer = from_fn_with_state(Arc::clone(&self.gate), pass);
        let router = Routes::new(service).into_axum_router().layer(layer);
        let incoming = connection::incoming(self.listener);
        tokio::select! {
            served = self.transport.serve_with_incoming(router, incoming) => {
                served.map_err(|error| Error::Failed(format!("the server stopped: {}", failure::root(&error))))
            }
            () = self.gate.clients.end_idle() => Ok(()),
        }
    }
}
