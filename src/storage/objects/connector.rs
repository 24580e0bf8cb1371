//! The one HTTP client of a process, for all of its stores.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::address::Bucket;
use super::answer::{breaks_off, elsewhere, no_credentials, no_list, no_object, unreachable};
use super::list::OddKeys;
use crate::words::{Advised, chain};

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
/// The same, where there is a connection that breaks off.
const ATTEMPTS_AT_BREAKS: usize = 5;

/// Hands out the process's client; the store of each bucket gets the same.
#[derive(Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
    /// As errors name it.
    bucket: Arc<str>,
}

struct Shared {
    client: reqwest::Client,
    /// Drives the connections for the life of the process.
    io: Handle,
    limit: Limit,
    hosts: Mutex<HashMap<String, Host>>,
}

/// What is known of a host.
enum Host {
    Answered,
    /// It never has: how many attempts have failed, one after the other, and when the last one did.
    Silent(usize, Option<Instant>),
}

impl Default for Host {
    fn default() -> Self {
        Self::Silent(0, None)
    }
}

impl Host {
    /// Counts an attempt that has failed, unless others have failed since it began; 0 of a host that has answered.
    fn fail(&mut self, begun: Instant) -> usize {
        match self {
            Self::Answered => 0,
            Self::Silent(failed, last) => {
                if last.is_none_or(|last| last <= begun) {
                    (*failed, *last) = (*failed + 1, Some(Instant::now()));
                }
                *failed
            }
        }
    }
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
        let shared = Shared { client, io, limit: Limit::new(requests), hosts: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), bucket: "".into() })
    }

    /// The same for a bucket.
    pub(super) fn of(&self, bucket: &Bucket) -> Self {
        Self { bucket: bucket.to_string().into(), ..self.clone() }
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
        let Self { shared, bucket } = self.clone();
        let sent = self.shared.io.spawn(async move { shared.send(request, &bucket).await });
        match sent.await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::new(HttpErrorKind::Interrupted, Stopped)),
        }
    }
}

impl Shared {
    async fn send(&self, request: HttpRequest, bucket: &str) -> Result<HttpResponse, HttpError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let is_metadata = host.starts_with("169.254.") || host.starts_with("metadata.google.internal");
        let _permit = self.limit.permit().await;
        let asked = Asked::of(&request);
        let sent = async {
            let answer = match self.client.call(request).await {
                Ok(answer) => understood(answer, &asked, bucket).await,
                answer => answer,
            };
            match answer {
                // What is gone stays gone when it is deleted again.
                Err(error) if asked.is_deletion && is_lost(&error) => {
                    Err(HttpError::new(HttpErrorKind::Request, error))
                }
                answer => answer,
            }
        };
        if is_metadata {
            let answer = tokio::time::timeout(METADATA_SILENCE, sent).await;
            return match answer {
                Ok(Ok(answer)) if answer.status().is_success() => Ok(answer),
                Ok(Err(error)) if !is_of_connection(&error) => Err(error),
                _ => Err(last(no_credentials(bucket))),
            };
        }
        let begun = Instant::now();
        let answer = sent.await;
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(answer) => {
                hosts.insert(host, Host::Answered);
                self.limit.learn(answer.status());
            }
            Err(error) if is_of_connection(error) || breaks_off(&chain(error)) => {
                let failed = hosts.entry(host.clone()).or_default().fail(begun);
                let most = if is_of_connection(error) { ATTEMPTS_AT_NOBODY } else { ATTEMPTS_AT_BREAKS };
                // Where not even a refusal comes, it doesn't come the next time either.
                if failed >= most || (failed > 0 && error.kind() == HttpErrorKind::Timeout) {
                    return Err(last(unreachable(&host, &chain(error))));
                }
            }
            Err(_) => {}
        }
        answer
    }
}

/// What of a request must be known when its answer comes.
struct Asked {
    /// Whether the answer is what an object holds, which may be large, and is read in pieces by who asked for it.
    is_of_contents: bool,
    /// Whether it deletes objects: of S3, or of Azure, where nothing else is done by batches.
    is_deletion: bool,
    is_of_head_or_put: bool,
    is_of_list: bool,
    odd: Option<OddKeys>,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let has = |is: fn(&str) -> bool| query.split('&').any(is);
        let is_get = request.method() == Method::GET;
        let is_of_many = has(|part| matches!(part, "delete" | "delete=" | "comp=batch"));
        Self {
            is_of_contents: is_get
                && !has(|part| ["list-type=", "comp=", "uploads"].iter().any(|of| part.starts_with(of))),
            is_deletion: request.method() == Method::DELETE || (request.method() == Method::POST && is_of_many),
            is_of_head_or_put: [Method::HEAD, Method::PUT].contains(request.method()),
            is_of_list: is_get
                && has(|part| part == "comp=list" || part.starts_with("list-type=") || part.starts_with("uploads")),
            odd: request.extensions().get().cloned(),
        }
    }
}

/// An error that is final: of this kind it isn't tried again.
fn last(error: Advised) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

/// An answer with all of its body, if that isn't what an object holds: one whose body is cut counts as none, and is asked for again. One
/// that is no store's, or leads elsewhere, is an error.
async fn understood(answer: HttpResponse, asked: &Asked, bucket: &str) -> Result<HttpResponse, HttpError> {
    if answer.status().is_success() && (asked.is_of_contents || asked.is_of_head_or_put) {
        if let Some(advised) = no_object(answer.headers()) {
            return Err(last(advised));
        }
        if asked.is_of_contents {
            return Ok(answer);
        }
    }
    let (head, body) = answer.into_parts();
    let body = match body.bytes().await {
        Ok(body) => body,
        Err(error) if error.kind() == HttpErrorKind::Timeout => return Err(error),
        Err(error) => return Err(HttpError::new(HttpErrorKind::Request, error)),
    };
    let advised = match head.status.is_success() {
        true if asked.is_of_list => no_list(&String::from_utf8_lossy(&body)),
        true => None,
        false => elsewhere(bucket, (head.status, &head.headers), &String::from_utf8_lossy(&body)),
    };
    if let Some(advised) = advised {
        return Err(last(advised));
    }
    let body = match &asked.odd {
        Some(odd) if head.status.is_success() => odd.take_out(body),
        _ => body,
    };
    Ok(HttpResponse::from_parts(head, body.into()))
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

    #[test]
    fn attempts_at_the_same_time_count_as_one() {
        let (mut host, begun) = (Host::default(), Instant::now());
        assert_eq!([host.fail(begun), host.fail(begun), host.fail(begun)], [1, 1, 1]);
        assert_eq!([host.fail(Instant::now()), host.fail(Instant::now())], [2, 3]);
        assert_eq!(Host::Answered.fail(begun), 0);
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
