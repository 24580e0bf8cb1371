//! The one HTTP client of a process, for all of its stores.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::words::chain;

/// However slow a store asks us to be.
const LEAST_REQUESTS: usize = 2;
/// Answers without a complaint after which a request more is sent.
const ANSWERS_FOR_ONE_MORE: usize = 32;
/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_millis(3500);
/// How long a server may be silent, in the middle of an answer, too.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a connection waits for the next request: S3 closes those that wait longer.
const IDLE: Duration = Duration::from_secs(10);
/// How long the service that tells a machine its role may be silent. It is near, or it isn't there.
const METADATA_SILENCE: Duration = Duration::from_secs(1);
/// Attempts to connect to a host that never answered, after which it is taken for absent.
const ATTEMPTS_AT_NOBODY: usize = 3;

/// Hands out the process's client; each store gets the same.
#[derive(Clone)]
pub(super) struct Connector(Arc<Shared>);

struct Shared {
    client: reqwest::Client,
    /// Drives the connections for the life of the process.
    io: Handle,
    limit: Limit,
    /// Hosts that have answered once.
    answered: Mutex<HashSet<String>>,
    /// Connections that failed since a host answered.
    failed: AtomicUsize,
}

impl Connector {
    /// A client whose connections run on `io`, with so many requests at the same time at most.
    ///
    /// # Errors
    /// The system's certificates or proxy can't be used.
    pub(super) fn try_new(io: Handle, requests: usize) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("pixmill/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME)
            .read_timeout(SILENCE)
            .pool_idle_timeout(IDLE)
            // An allow-list would be gone around, and tokens would follow.
            .redirect(Policy::none())
            .http1_only()
            .build()?;
        Ok(Self(Arc::new(Shared {
            client,
            io,
            limit: Limit::new(requests),
            answered: Mutex::default(),
            failed: AtomicUsize::new(0),
        })))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    // What a store wants of its client is what the process's has; times differ, and are the process's.
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let shared = Arc::clone(&self.0);
        let sent = self.0.io.spawn(async move { shared.send(request).await });
        match sent.await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::new(HttpErrorKind::Interrupted, Stopped)),
        }
    }
}

impl Shared {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let is_metadata = host.starts_with("169.254.") || host.starts_with("metadata.google.internal");
        let _permit = self.limit.permit().await;
        let (is_of_contents, is_deletion) = (is_of_contents(&request), is_deletion(&request));
        let sent = async {
            let answer = self.client.call(request).await;
            let answer = match answer {
                Ok(answer) if !(is_of_contents && answer.status().is_success()) => whole(answer).await,
                answer => answer,
            };
            match answer {
                // What is gone stays gone when it is deleted again.
                Err(error) if is_deletion && is_lost(&error) => Err(HttpError::new(HttpErrorKind::Request, error)),
                answer => answer,
            }
        };
        let answer = match is_metadata {
            true => tokio::time::timeout(METADATA_SILENCE, sent)
                .await
                .unwrap_or_else(|_| Err(HttpError::new(HttpErrorKind::Unknown, NoMetadata))),
            false => sent.await,
        };
        match &answer {
            Ok(answer) if is_metadata && !answer.status().is_success() => {
                return Err(HttpError::new(HttpErrorKind::Unknown, NoMetadata));
            }
            Ok(answer) => {
                self.failed.store(0, Ordering::Relaxed);
                self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(host);
                self.limit.learn(answer.status());
            }
            Err(error) if is_metadata && is_of_connection(error) => {
                return Err(HttpError::new(HttpErrorKind::Unknown, NoMetadata));
            }
            Err(error) if is_of_connection(error) => {
                let is_known = self.answered.lock().unwrap_or_else(PoisonError::into_inner).contains(&host);
                let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
                // Where not even a refusal comes, it doesn't come the next time either.
                if !is_known && (failed >= ATTEMPTS_AT_NOBODY || error.kind() == HttpErrorKind::Timeout) {
                    // Of this kind it isn't tried again.
                    let reason = chain(error);
                    return Err(HttpError::new(HttpErrorKind::Unknown, Unreachable { host, reason }));
                }
            }
            Err(_) => {}
        }
        answer
    }
}

/// Whether an answer is what an object holds, which may be large, and is read in pieces by who asked for it.
fn is_of_contents(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let is_of_list = |part: &str| ["list-type=", "comp=", "uploads"].iter().any(|of_list| part.starts_with(of_list));
    request.method() == Method::GET && !query.split('&').any(is_of_list)
}

/// Whether a request deletes objects: of S3, or of Azure, where nothing else is done by batches.
fn is_deletion(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let is_of_many = query.split('&').any(|part| matches!(part, "delete" | "delete=" | "comp=batch"));
    request.method() == Method::DELETE || (request.method() == Method::POST && is_of_many)
}

/// An answer with all of its body: one whose body is cut counts as none, and is asked for again.
async fn whole(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (head, body) = answer.into_parts();
    match body.bytes().await {
        Ok(body) => Ok(HttpResponse::from_parts(head, body.into())),
        Err(error) if error.kind() == HttpErrorKind::Timeout => Err(error),
        Err(error) => Err(HttpError::new(HttpErrorKind::Request, error)),
    }
}

/// Whether there is no connection; one that takes too long is told as any time-out.
fn is_of_connection(error: &HttpError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<reqwest::Error>());
    error.kind() == HttpErrorKind::Connect || source.is_some_and(reqwest::Error::is_connect)
}

/// Whether a request was sent, and nobody knows what became of it.
fn is_lost(error: &HttpError) -> bool {
    matches!(error.kind(), HttpErrorKind::Timeout | HttpErrorKind::Interrupted)
}

#[derive(Debug, Error)]
#[error("cannot connect to {host}: {reason}")]
pub(super) struct Unreachable {
    host: String,
    reason: String,
}

#[derive(Debug, Error)]
#[error("no credentials were found, and this machine has no service that tells it its role")]
struct NoMetadata;

#[derive(Debug, Error)]
#[error("the process is about to end")]
struct Stopped;

/// How many requests may wait for answers: fewer as soon as a store complains, and slowly more again.
struct Limit {
    permits: Semaphore,
    most: usize,
    now: AtomicUsize,
    answers: AtomicUsize,
}

impl Limit {
    fn new(most: usize) -> Self {
        Self { permits: Semaphore::new(most), most, now: AtomicUsize::new(most), answers: AtomicUsize::new(0) }
    }

    /// The right to send a request, until it is answered.
    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.permits.acquire().await.ok()
    }

    /// Sends fewer requests after a complaint, more after a while without one.
    fn learn(&self, status: StatusCode) {
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            self.answers.store(0, Ordering::Relaxed);
            let now = self.now.load(Ordering::Relaxed);
            let wanted = (now / 2).max(LEAST_REQUESTS.min(self.most));
            if self.now.compare_exchange(now, wanted, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                let gone = self.permits.forget_permits(now - wanted);
                // Those that are out come back: there are more then, by as many as couldn't be taken away.
                self.now.fetch_add(now - wanted - gone, Ordering::Relaxed);
            }
        } else if self.answers.fetch_add(1, Ordering::Relaxed) % ANSWERS_FOR_ONE_MORE == ANSWERS_FOR_ONE_MORE - 1 {
            let one_more = |now: usize| (now < self.most).then_some(now + 1);
            if self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok() {
                self.permits.add_permits(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_halve_the_requests_and_answers_raise_them_again() {
        let limit = Limit::new(64);
        let available = || (limit.permits.available_permits(), limit.now.load(Ordering::Relaxed));
        limit.learn(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(available(), (32, 32));
        for _ in 0..10 {
            limit.learn(StatusCode::TOO_MANY_REQUESTS);
        }
        assert_eq!(available(), (2, 2));
        for _ in 0..ANSWERS_FOR_ONE_MORE {
            limit.learn(StatusCode::OK);
        }
        assert_eq!(available(), (3, 3));
        for _ in 0..100 * ANSWERS_FOR_ONE_MORE {
            limit.learn(StatusCode::NOT_FOUND);
        }
        assert_eq!(available(), (64, 64));
    }

    #[tokio::test]
    async fn what_is_out_counts_when_requests_are_fewer() {
        let limit = Limit::new(4);
        let out = [limit.permit().await, limit.permit().await, limit.permit().await];
        limit.learn(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((limit.permits.available_permits(), limit.now.load(Ordering::Relaxed)), (0, 3));
        drop(out);
        assert_eq!(limit.permits.available_permits(), 3);
    }
}
