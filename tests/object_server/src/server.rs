//! The server: started, asked and stopped by a test in the same process.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use crate::call::Dialect;
use crate::connection::accept;
use crate::faults::{Rule, Script};
use crate::log::{Counts, Log, Request, lock};
use crate::multipart::Upload;
use crate::object::{Attributes, Content, Store};

/// What requests are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What `AWS_ACCESS_KEY_ID` has.
    pub access_key: String,
    /// What `AWS_SECRET_ACCESS_KEY` has.
    pub secret_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// How a server behaves, from its start to its end.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on, by which clients reach it.
    pub address: IpAddr,
    /// The port to listen on; 0 for one that is free.
    pub port: u16,
    /// Whose protocol is spoken.
    pub dialect: Dialect,
    /// The region that signatures have to name.
    pub region: String,
    /// If set, every request must be signed with them; else every request is accepted.
    pub credentials: Option<Credentials>,
    /// How long every request waits before it is served.
    pub latency: Duration,
    /// Bytes that each part but the last must have. S3 and GCS ask for 5 MiB; the default is 0, so that tests can be small.
    pub minimum_part_bytes: usize,
    /// Whether lists begin with the first key, whatever they are asked to start after: as those of some stores do.
    pub ignores_start_after: bool,
    /// Whether lists without a delimiter go through folders by the names in them, as stores do that keep trees of files: `a/1` before `a.jpg`.
    pub lists_trees: bool,
    /// How far the server's clock is ahead, or, where it is negative, behind.
    pub clock_ahead_seconds: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            dialect: Dialect::S3,
            region: "us-east-1".to_string(),
            credentials: None,
            latency: Duration::ZERO,
            minimum_part_bytes: 0,
            ignores_start_after: false,
            lists_trees: false,
            clock_ahead_seconds: 0,
        }
    }
}

impl Options {
    /// These options, with every request to be signed.
    pub fn with_credentials(mut self, access_key: &str, secret_key: &str) -> Self {
        self.credentials = Some(Credentials { access_key: access_key.to_string(), secret_key: secret_key.to_string() });
        self
    }
}

/// What connections and the test both see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) store: Mutex<Store>,
    pub(crate) script: Mutex<Script>,
    pub(crate) log: Log,
}

/// An object store that listens until it is dropped.
///
/// It runs on a thread with a tokio runtime of its own, so that tests with and without one can use it, and nothing that
/// a test's runtime does delays its answers.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server, and panics where that fails: a test has nothing else to do then.
    #[expect(clippy::panic, reason = "a test that can't go on stops")]
    #[track_caller]
    pub fn start(options: Options) -> Self {
        Self::try_start(options).unwrap_or_else(|error| panic!("the object server doesn't start: {error}"))
    }

    /// Starts a server.
    ///
    /// # Errors
    /// If the port is taken, or if the process can't have another thread or socket.
    pub fn try_start(options: Options) -> io::Result<Self> {
        let address = SocketAddr::new(options.address, options.port);
        let shared =
            Arc::new(Shared { options, store: Mutex::default(), script: Mutex::default(), log: Log::default() });
        let (stop, stopped) = oneshot::channel();
        let (started, start) = mpsc::channel();
        let thread = std::thread::Builder::new().name("object-server".to_string()).spawn({
            let shared = Arc::clone(&shared);
            move || run(address, shared, &started, stopped)
        })?;
        let address = start.recv().map_err(io::Error::other)??;
        Ok(Self { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: `http://ADDRESS:PORT`. Buckets are the first part of the path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an empty bucket, unless there is one of this name.
    pub fn make_bucket(&self, bucket: &str) {
        lock(&self.shared.store).buckets.entry(bucket.to_string()).or_default();
    }

    /// Writes an object, into a bucket that is made if it isn't there. No fault hinders it, and it isn't logged; the same
    /// is true of the four methods that follow.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        let content = Content::new(bytes.into());
        let etag = content.etag();
        let now = Utc::now() + TimeDelta::seconds(self.shared.options.clock_ahead_seconds);
        lock(&self.shared.store).write(bucket, key, (content.bytes, etag), Attributes::default(), now);
    }

    /// An object's bytes, if it is there.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let store = lock(&self.shared.store);
        store.buckets.get(bucket)?.get(key).map(|object| object.bytes.clone())
    }

    /// All keys of a bucket, in the order of their bytes; none where there is no such bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let store = lock(&self.shared.store);
        store.buckets.get(bucket).map(|bucket| bucket.keys().cloned().collect()).unwrap_or_default()
    }

    /// Deletes an object, and says whether it was there.
    pub fn delete(&self, bucket: &str, key: &str) -> bool {
        let mut store = lock(&self.shared.store);
        store.buckets.get_mut(bucket).is_some_and(|bucket| bucket.remove(key).is_some())
    }

    /// Deletes all objects and uploads. The buckets stay.
    pub fn clear(&self) {
        let mut store = lock(&self.shared.store);
        store.buckets.values_mut().for_each(|bucket| bucket.clear());
        store.uploads.clear();
    }

    /// Multipart uploads that were neither completed nor aborted, in the order in which they were begun.
    pub fn uploads(&self) -> Vec<Upload> {
        lock(&self.shared.store).uploads.list()
    }

    /// Adds a rule to the script. It holds for requests that come from now on.
    pub fn script(&self, rule: Rule) {
        lock(&self.shared.script).add(rule);
    }

    /// Forgets all rules.
    pub fn clear_script(&self) {
        *lock(&self.shared.script) = Script::default();
    }

    /// The requests so far, in the order in which their heads were read.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.requests()
    }

    /// Numbers of requests and connections so far.
    pub fn counts(&self) -> Counts {
        self.shared.log.counts()
    }

    /// Forgets the requests so far, and counts from now on.
    pub fn forget_requests(&self) {
        self.shared.log.forget();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only where the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The thread of a server: says where it listens, then serves until it is told to stop.
fn run(
    address: SocketAddr,
    shared: Arc<Shared>,
    started: &mpsc::Sender<io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever started the thread waits for this.
            let _ = started.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let listener = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = match listener {
            Ok(listening) => listening,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(address));
        // A server that is dropped without a word stops, too.
        tokio::select! {
            never = accept(listener, shared) => match never {},
            _ = stopped => {}
        }
    });
}

/// Listens with a longer queue than the standard library's 128: of 256 clients that connect at once, some would wait for
/// a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4_096)
}
