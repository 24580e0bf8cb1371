//! The gate: every request shows the token, and is given its session.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tonic::Status;

use super::access::Access;
use super::clients::Clients;
use super::connection::Connection;
use super::failure;

/// The cookie that names a client's session.
const SESSION_COOKIE: &str = "pixmill_session";

/// The path at whose end clients shake hands.
const HANDSHAKE: &str = "/Handshake";

/// What stands between connections and the service.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) access: Access,
    pub(super) clients: Arc<Clients>,
    /// Whether connections are encrypted.
    pub(super) is_secure: bool,
}

impl Gate {
    /// Lets a request in, with its session among its extensions; the cookie to answer with, where the client doesn't have it.
    fn admit(&self, request: &mut Request) -> Result<Option<HeaderValue>, Status> {
        let connection = Connection::of(request.extensions());
        let connection = connection.cloned().ok_or_else(|| failure::internal("a request without a connection"))?;
        let is_handshake = request.uri().path().ends_with(HANDSHAKE);
        if let Err(status) = self.access.check(request.headers(), is_handshake) {
            let peer = connection.peer.map_or_else(String::new, |peer| format!(" to {peer}"));
            tracing::info!("refused{peer}: {}", status.message());
            return Err(status);
        }
        let shown = shown(request.headers());
        let client = self.clients.of(shown, &connection).map_err(|error| failure::status(&error))?;
        let cookie = match shown == Some(client.id()) {
            true => None,
            false => Some(self.cookie(client.id())?),
        };
        request.extensions_mut().insert(client);
        Ok(cookie)
    }

    fn cookie(&self, id: &str) -> Result<HeaderValue, Status> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text = format!("{SESSION_COOKIE}={id}; Path=/; HttpOnly{secure}");
        HeaderValue::from_str(&text).map_err(failure::internal)
    }
}

/// Lets a request through, or answers it here.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    match gate.admit(&mut request) {
        Ok(cookie) => {
            let mut response = next.run(request).await;
            if let Some(cookie) = cookie {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            response
        }
        Err(status) => status.into_http(),
    }
}

/// The session that a request's cookies name.
pub(super) fn shown(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, id)| id.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let headers = |lines: &[&'static str]| -> HeaderMap {
            lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect()
        };
        assert_eq!(shown(&headers(&["a=b; pixmill_session=x1; c=d"])), Some("x1"));
        assert_eq!(shown(&headers(&["a=b", "pixmill_session=\"x1\""])), Some("x1"));
        assert_eq!(shown(&headers(&["a=b", "session=x1"])), None);
    }
}
