//! What a server remembers of its requests and connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::call::{Call, Operation};

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// As it was sent, percent-encoded: `/bucket/key`.
    pub path: String,
    /// As it was sent, without the question mark; empty where there is none.
    pub query: String,
    /// The bucket, decoded; empty where the path has none.
    pub bucket: String,
    /// The key, decoded; empty where the path has none.
    pub key: String,
    /// What it asked for.
    pub operation: Operation,
    /// The `Range` header, such as `bytes=0-99`.
    pub range: Option<String>,
    /// All headers, in lower case; a value that isn't text has `�` in it.
    pub headers: Vec<(String, String)>,
    /// Bytes of its body; 0 until it was read.
    pub body_bytes: usize,
    /// The status of its answer; none where the connection was closed instead, or where there is no answer yet.
    pub status: Option<u16>,
    /// How many rules of the script had their turn with it.
    pub faults: usize,
}

impl Request {
    /// A request's first header of a name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn of(call: &Call) -> Self {
        let headers = call
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Self {
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.raw_query.clone(),
            bucket: call.bucket.clone(),
            key: call.key.clone(),
            operation: call.operation,
            range: call.text("range").map(str::to_string),
            headers: headers.collect(),
            body_bytes: 0,
            status: None,
            faults: 0,
        }
    }
}

/// Numbers of requests and connections since the start, or since [`Server::forget_requests`](crate::Server::forget_requests).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests whose head was read.
    pub requests: usize,
    /// Requests at one time, at most: from a request's head to the last byte of its answer.
    pub most_requests_at_once: usize,
    /// Connections that were accepted.
    pub connections: usize,
    /// Connections at one time, at most.
    pub most_connections_at_once: usize,
    /// Connections that are open now.
    pub open_connections: usize,
}

/// How many of something there are now, and were at most.
#[derive(Debug, Default)]
struct Level {
    now: AtomicUsize,
    most: AtomicUsize,
    total: AtomicUsize,
}

/// One of those that a [`Level`] counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Level>);

impl Counted {
    fn of(level: &Arc<Level>) -> Self {
        level.total.fetch_add(1, Ordering::SeqCst);
        let now = level.now.fetch_add(1, Ordering::SeqCst) + 1;
        level.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(level))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Level {
    fn reset(&self) {
        self.total.store(0, Ordering::SeqCst);
        self.most.store(self.now.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// All requests, and the levels.
#[derive(Debug, Default)]
pub(crate) struct Log {
    requests: Mutex<Requests>,
    in_flight: Arc<Level>,
    connections: Arc<Level>,
}

#[derive(Debug, Default)]
struct Requests {
    kept: Vec<Request>,
    /// How many were forgotten: a request's number goes on counting.
    forgotten: usize,
}

/// A lock's content. A test that panicked with it leaves nothing half done in there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Counts a connection, until what is returned is dropped.
    pub(crate) fn connection(&self) -> Counted {
        Counted::of(&self.connections)
    }

    /// Counts a request, until what is returned is dropped.
    pub(crate) fn request_in_flight(&self) -> Counted {
        Counted::of(&self.in_flight)
    }

    /// Notes a request; its number is for [`Log::amend`].
    pub(crate) fn note(&self, request: Request) -> usize {
        let mut requests = lock(&self.requests);
        requests.kept.push(request);
        requests.forgotten + requests.kept.len() - 1
    }

    /// Adds to what is known of a request, unless that was forgotten.
    pub(crate) fn amend(&self, number: usize, amend: impl FnOnce(&mut Request)) {
        let mut requests = lock(&self.requests);
        let index = number.checked_sub(requests.forgotten);
        if let Some(request) = index.and_then(|index| requests.kept.get_mut(index)) {
            amend(request);
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.requests).kept.clone()
    }

    pub(crate) fn forget(&self) {
        let mut requests = lock(&self.requests);
        requests.forgotten += requests.kept.len();
        requests.kept.clear();
        self.in_flight.reset();
        self.connections.reset();
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.in_flight.total.load(Ordering::SeqCst),
            most_requests_at_once: self.in_flight.most.load(Ordering::SeqCst),
            connections: self.connections.total.load(Ordering::SeqCst),
            most_connections_at_once: self.connections.most.load(Ordering::SeqCst),
            open_connections: self.connections.now.load(Ordering::SeqCst),
        }
    }
}
