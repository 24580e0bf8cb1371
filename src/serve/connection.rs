//! Connections: what is known of one, for as long as it stands.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Extensions;
use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::server::{Connected, TlsConnectInfo};

use super::clients::Client;

/// A client's connection. It holds the session of a client without cookies, which so ends with the connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    /// The session that was opened here; none before the first request.
    pub(super) client: Arc<Mutex<Option<Arc<Client>>>>,
    /// Where it comes from.
    pub(super) peer: Option<SocketAddr>,
}

impl Connection {
    /// The connection of a request, with TLS or without.
    pub(super) fn of(request: &Extensions) -> Option<&Self> {
        request.get::<Self>().or_else(|| request.get::<TlsConnectInfo<Self>>().map(TlsConnectInfo::get_ref))
    }
}

/// The connections that a listener accepts.
pub(super) fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Accepted>> {
    futures::stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await.map(|(stream, peer)| {
            // Only a matter of speed.
            let _ = stream.set_nodelay(true);
            let connection = Connection { client: Arc::default(), peer: Some(peer) };
            Accepted { stream, connection }
        });
        if accepted.is_err() {
            // Such as too many open files: other connections have to end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some((accepted, listener))
    })
}

/// A connection's bytes.
#[derive(Debug)]
pub(super) struct Accepted {
    stream: TcpStream,
    connection: Connection,
}

impl Connected for Accepted {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection.clone()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
