//! Clients: a session for each, found by the connection or by the cookie, and ended with the one or after a while.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::answer::MESSAGE_BYTES;
use super::connection::Connection;
use super::statements::Statements;
use crate::engine::{Engine, Session};
use crate::error::{Error, Result};

/// How long the session of a client that sends cookies is kept without a request and without its connection.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// How often idle sessions are looked for.
const LOOK: Duration = Duration::from_secs(60);

/// A client: its session, and what it has under way.
pub(super) struct Client {
    id: String,
    /// Where its first request came from.
    peer: Option<SocketAddr>,
    pub(super) session: Session,
    pub(super) statements: Statements,
    is_closed: AtomicBool,
}

impl Client {
    /// The session's name, which nobody can guess.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Gives up all that is under way; the session ends when the last of its requests has.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.statements.cancel_all();
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        tracing::info!("{self}: the session has ended");
        // A job that a scheduler still plans isn't cancelled with its statement.
        if self.session.cluster().is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            let session = self.session.clone();
            runtime.spawn(async move { session.close().await });
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "client {peer}"),
            None => f.write_str("client"),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A session that a cookie may name.
struct Known {
    client: Weak<Client>,
    /// Set when a cookie has named it: then it outlives its connection.
    kept: Option<Kept>,
}

struct Kept {
    client: Arc<Client>,
    last_seen: Instant,
}

/// All clients.
pub(super) struct Clients {
    engine: Arc<Engine>,
    known: Mutex<HashMap<String, Known>>,
}

impl Clients {
    pub(super) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, known: Mutex::default() })
    }

    /// The session of a request: the one that its cookie names, else the one of its connection.
    ///
    /// # Errors
    /// A session that can't be opened.
    pub(super) fn of(&self, cookie: Option<&str>, connection: &Connection) -> Result<Arc<Client>> {
        let mut known = lock(&self.known);
        if let Some(entry) = cookie.and_then(|id| known.get_mut(id))
            && let Some(client) = entry.client.upgrade().filter(|client| !client.is_closed())
        {
            entry.kept = Some(Kept { client: Arc::clone(&client), last_seen: Instant::now() });
            return Ok(client);
        }
        let mut own = lock(&connection.client);
        if let Some(client) = own.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client {
            id: random_name()?,
            peer: connection.peer,
            session: open(&self.engine)?,
            statements: Statements::default(),
            is_closed: AtomicBool::new(false),
        });
        tracing::info!("{client}: a session begins");
        known.insert(client.id.clone(), Known { client: Arc::downgrade(&client), kept: None });
        *own = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Ends sessions that nobody uses any more, now and then.
    pub(super) async fn end_idle(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.forget(IDLE);
        }
    }

    /// Forgets sessions that have ended, and those that have been idle for so long.
    fn forget(&self, idle: Duration) {
        let mut ended = Vec::new();
        let mut known = lock(&self.known);
        known.retain(|_, entry| {
            if let Some(kept) = &mut entry.kept {
                // Its connection, or a request under way, holds it, too.
                if Arc::strong_count(&kept.client) > 1 {
                    kept.last_seen = Instant::now();
                }
                if kept.client.is_closed() || kept.last_seen.elapsed() >= idle {
                    ended.extend(entry.kept.take());
                    return false;
                }
            }
            entry.client.strong_count() > 0
        });
        // Tables are dropped with the lock given back.
        drop(known);
        drop(ended);
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

/// Opens a session that holds little for a client that takes its rows slowly, or not at all.
fn open(engine: &Engine) -> Result<Session> {
    let session = engine.open_session()?;
    let state = session.context().state_ref();
    let mut state = state.write();
    for (option, bytes) in [("pixmill.batch_bytes", MESSAGE_BYTES), ("pixmill.prefetch_bytes", 4 * MESSAGE_BYTES)] {
        state.config_mut().options_mut().set(option, &bytes.to_string())?;
    }
    drop(state);
    Ok(session)
}

/// A name that nobody can guess.
///
/// # Errors
/// A system without random numbers.
pub(super) fn random_name() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Failed(format!("there are no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a mutex guards; a thread that panicked while holding it has left nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Arc<Clients> {
        Clients::new(Arc::new(Engine::local(1).unwrap()))
    }

    fn connection() -> Connection {
        Connection { client: Arc::default(), peer: None }
    }

    #[tokio::test]
    async fn a_session_is_its_connections_and_ends_with_it() {
        let (clients, one, two) = (clients(), connection(), connection());
        let id = clients.of(None, &one).unwrap().id().to_string();
        assert_eq!(clients.of(None, &one).unwrap().id(), id);
        assert_ne!(clients.of(None, &two).unwrap().id(), id);
        drop(one);
        assert_ne!(clients.of(Some(&id), &two).unwrap().id(), id);
    }

    #[tokio::test]
    async fn a_session_that_a_cookie_has_named_outlives_its_connection_until_it_is_idle() {
        let (clients, one, two) = (clients(), connection(), connection());
        let id = clients.of(None, &one).unwrap().id().to_string();
        clients.of(Some(&id), &one).unwrap();
        clients.forget(IDLE);
        drop(one);
        clients.forget(IDLE);
        assert_eq!(clients.of(Some(&id), &two).unwrap().id(), id);
        clients.forget(Duration::ZERO);
        assert_ne!(clients.of(Some(&id), &two).unwrap().id(), id);
    }

    #[tokio::test]
    async fn a_closed_session_is_not_found_again() {
        let (clients, one) = (clients(), connection());
        let client = clients.of(None, &one).unwrap();
        client.close();
        assert_ne!(clients.of(Some(client.id()), &one).unwrap().id(), client.id());
    }
}
