//! Connections between the processes of a cluster that notice when the other end has gone without a word.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::EndpointOverrideFn;
use tokio::net::{TcpListener, TcpSocket};

use super::Timing;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// What is asked of each connection. By itself Ballista waits for minutes, or, for rows of another executor, for good.
pub(super) fn endpoint() -> EndpointOverrideFn {
    let timing = Timing::from_environment();
    Arc::new(move |endpoint| {
        let endpoint = endpoint.connect_timeout(CONNECT).tcp_nodelay(true).keep_alive_while_idle(true);
        Ok(endpoint.http2_keep_alive_interval(timing.heartbeat).keep_alive_timeout(timing.executor_timeout))
    })
}

/// Listens. Connections whose other end is gone are closed after the system's time for that, two hours as a rule.
///
/// # Errors
/// An address that can't be had.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(cfg!(unix))?;
    // Those that are accepted have it from the one that listens.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}
