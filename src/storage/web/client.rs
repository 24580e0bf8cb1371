//! The client: one image after an attempt or several, within the limits of its host and of the process.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prost::bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, HeaderMap, LOCATION, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use url::Url;

use super::address::{is_public, literal};
use super::failure::{Failure, FailureKind, NoHost, PrivateAddress};
use super::opt_out::opt_out;
use super::options::WebOptions;
use crate::storage::{AllowList, ReadClass};

/// Requests of the process that are under way at the same time, at most.
const MOST_REQUESTS: usize = 512;
/// Names that are looked up at the same time, at most: the system is silent for long where a name's own server is.
const MOST_LOOKUPS: usize = 256;
/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a connection waits for the next request.
const IDLE: Duration = Duration::from_secs(10);
/// Redirects that are followed one after the other.
const MOST_REDIRECTS: usize = 5;
/// What is waited before the first attempt more; before each further one twice the time.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest that a host may ask to wait; who asks for more is not asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The web as a process reads it.
pub(crate) struct Web {
    /// Resolves names to addresses that everybody can reach.
    public: Client,
    /// Reaches hosts that the allow-list names.
    named: Client,
    requests: Arc<Semaphore>,
    /// For each host and its limit the requests that it may have more.
    hosts: Mutex<HashMap<(String, usize), Weak<Semaphore>>>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Web")
    }
}

impl Web {
    /// A client without connections.
    ///
    /// # Errors
    /// The system's certificates can't be used.
    pub(crate) fn try_new() -> Result<Self, reqwest::Error> {
        let client = || {
            Client::builder()
                .connect_timeout(CONNECT_TIME)
                .pool_idle_timeout(IDLE)
                // A proxy would resolve names by itself, to whatever address.
                .no_proxy()
                .redirect(Policy::none())
                .http1_only()
        };
        let lookups = Arc::new(Semaphore::new(MOST_LOOKUPS));
        let names = |is_public_only| Arc::new(Names { is_public_only, lookups: Arc::clone(&lookups) });
        Ok(Self {
            public: client().dns_resolver(names(true)).build()?,
            named: client().dns_resolver(names(false)).build()?,
            requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
            hosts: Mutex::default(),
        })
    }

    /// An image's bytes.
    ///
    /// # Errors
    /// Why they can't be had, after all attempts.
    pub(super) async fn get(&self, text: &str, options: &WebOptions, allow: &AllowList) -> Result<Bytes, Failure> {
        let url =
            Url::parse(text).map_err(|error| Failure::refused(ReadClass::NoPlace, format!("it is no URL: {error}")))?;
        let mut attempt = 0;
        loop {
            let failure = match self.attempt(&url, options, allow).await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => failure,
            };
            let pause = failure.wait.unwrap_or(PAUSE * (1 << attempt.min(5)));
            if !failure.is_passing || attempt == options.retries || pause > LONGEST_WAIT {
                return Err(failure);
            }
            attempt += 1;
            sleep(pause).await;
        }
    }

    async fn attempt(&self, url: &Url, options: &WebOptions, allow: &AllowList) -> Result<Bytes, Failure> {
        let _permits = self.permits(url, options.requests_per_host).await;
        let has_answered = AtomicBool::new(false);
        let attempt = follow(self, url, options, allow, &has_answered);
        match timeout(Duration::from_secs(options.timeout_seconds), attempt).await {
            Ok(got) => got,
            Err(_) => Err(Failure::timed_out(options.timeout_seconds, has_answered.load(Ordering::Relaxed))),
        }
    }

    /// The right to send a request: the host's first, so that whoever waits for it keeps nobody else waiting.
    async fn permits(&self, url: &Url, per_host: usize) -> [Option<OwnedSemaphorePermit>; 2] {
        let host = self.host(url, per_host);
        // They are never closed.
        let host = host.acquire_owned().await.ok();
        [host, Arc::clone(&self.requests).acquire_owned().await.ok()]
    }

    fn host(&self, url: &Url, per_host: usize) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (url.host_str().unwrap_or_default().to_string(), per_host);
        if let Some(host) = hosts.get(&key).and_then(Weak::upgrade) {
            return host;
        }
        if hosts.len() >= 2 * MOST_REQUESTS {
            hosts.retain(|_, host| host.strong_count() > 0);
        }
        let host = Arc::new(Semaphore::new(per_host));
        hosts.insert(key, Arc::downgrade(&host));
        host
    }

    /// The client that may ask for a URL.
    fn client(&self, url: &Url, allow: &AllowList) -> Result<&Client, Failure> {
        if !matches!(url.scheme(), "http" | "https") {
            let reason = format!("'{}://' is no scheme of the web", url.scheme());
            return Err(Failure::refused(ReadClass::NoPlace, reason));
        }
        if allow.check_web(url).is_err() {
            let reason = "it is outside of what this process may reach (--allow)";
            return Err(Failure::refused(ReadClass::NotAllowed, reason));
        }
        match literal(url) {
            _ if allow.names_host(url) => Ok(&self.named),
            // The client asks nobody for such an address.
            Some(address) if !is_public(address) => {
                Err(Failure::refused(ReadClass::NotAllowed, PrivateAddress(address).to_string()))
            }
            _ => Ok(&self.public),
        }
    }
}

/// Asks for a URL, and for those that it leads to.
async fn follow(
    web: &Web,
    url: &Url,
    options: &WebOptions,
    allow: &AllowList,
    has_answered: &AtomicBool,
) -> Result<Bytes, Failure> {
    let mut url = url.clone();
    for _ in 0..=MOST_REDIRECTS {
        let request = web.client(&url, allow)?.get(url.clone());
        let request = request.header(USER_AGENT, &options.user_agent).header(ACCEPT, "image/*,*/*;q=0.8");
        let answer = request.send().await.map_err(Failure::of_client)?;
        has_answered.store(true, Ordering::Relaxed);
        let target = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
        let Some(target) = target else { return body(answer, options).await };
        let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
        url = url
            .join(&target)
            .map_err(|error| Failure::answered(ReadClass::Http, format!("redirected to what is no URL: {error}")))?;
        if let Err(failure) = web.client(&url, allow) {
            // A host has answered, wherever it leads.
            let reason = format!("redirected: {}", failure.reason);
            return Err(Failure { kind: FailureKind::Answered, reason, ..failure });
        }
    }
    Err(Failure::answered(ReadClass::Http, format!("redirected more than {MOST_REDIRECTS} times")))
}

/// The body of an answer, if it is an image's that may be used.
async fn body(mut answer: Response, options: &WebOptions) -> Result<Bytes, Failure> {
    let status = answer.status();
    if status != StatusCode::OK && status != StatusCode::NON_AUTHORITATIVE_INFORMATION {
        let wait = retry_after(answer.headers());
        // Such as `404 Not Found`; of unknown numbers the number alone.
        let reason = status.to_string().replace(" <unknown status code>", "");
        return Err(Failure { is_passing: is_passing(status), wait, ..Failure::answered(ReadClass::Http, reason) });
    }
    if options.respects_opt_out
        && let Some(directive) = opt_out(answer.headers(), options.agent())
    {
        return Err(Failure::answered(ReadClass::OptedOut, format!("opted out by X-Robots-Tag: {directive}")));
    }
    if let Some(encoding) = answer.headers().get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
        let reason = format!("it came compressed ({encoding}), which wasn't asked for");
        return Err(Failure::answered(ReadClass::Http, reason));
    }
    let too_large = || {
        let reason = format!("it has more than {} bytes (option max_bytes)", options.max_bytes);
        Failure::answered(ReadClass::TooLarge, reason)
    };
    let expected = answer.content_length();
    if expected.is_some_and(|length| length > options.max_bytes) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(expected.unwrap_or(0)).unwrap_or(0));
    while let Some(chunk) = answer.chunk().await.map_err(Failure::of_client)? {
        if (bytes.len() + chunk.len()) as u64 > options.max_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    match expected {
        Some(expected) if bytes.len() as u64 != expected => {
            let reason = format!("{} bytes came of the {expected} that were announced", bytes.len());
            Err(Failure { is_passing: true, ..Failure::answered(ReadClass::Connection, reason) })
        }
        _ => Ok(bytes.freeze()),
    }
}

/// Whether another attempt may have another answer.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504 | 520..=524)
}

/// How long a host asks to be left alone: in seconds, or until a time.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?;
    Some((until.with_timezone(&Utc) - Utc::now()).to_std().unwrap_or_default())
}

/// Resolves names. Of public ones addresses are left out that only this machine can reach: whatever a name leads to now, that is
/// connected to.
struct Names {
    is_public_only: bool,
    lookups: Arc<Semaphore>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (is_public_only, lookups) = (self.is_public_only, Arc::clone(&self.lookups));
        Box::pin(async move {
            let found = lookup(name.as_str().to_string(), lookups).await.map_err(|error| {
                let text = error.to_string();
                NoHost(text.trim_start_matches("failed to lookup address information: ").to_string())
            })?;
            let is_reached = |address: &SocketAddr| !is_public_only || is_public(address.ip());
            let (reached, private): (Vec<_>, Vec<_>) = found.into_iter().partition(is_reached);
            match (reached.is_empty(), private.first()) {
                (false, _) => Ok(Box::new(reached.into_iter()) as Addrs),
                (true, Some(address)) => Err(PrivateAddress(address.ip()).into()),
                (true, None) => Err(NoHost("it has no address".to_string()).into()),
            }
        })
    }
}

/// The addresses of a name. The system is asked on a thread of its own: those of the runtime may all wait for images.
async fn lookup(name: String, lookups: Arc<Semaphore>) -> io::Result<Vec<SocketAddr>> {
    let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name("lookup".to_string()).spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect);
        drop(permit);
        // Nobody waits any more for an image that was given up.
        let _ = sender.send(found);
    })?;
    receiver.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ask_to_wait_in_seconds_or_until_a_time() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a value"));
            retry_after(&headers)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        let later = (Utc::now() + Duration::from_secs(100)).to_rfc2822();
        assert!(asked(&later).is_some_and(|wait| wait > Duration::from_secs(90)));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_no_public_address() {
        let names = |is_public_only| Names { is_public_only, lookups: Arc::new(Semaphore::new(1)) };
        let name = || "localhost".parse().expect("a name");
        let Err(error) = names(true).resolve(name()).await else { panic!("it is reached") };
        assert!(error.to_string().contains("private address"), "{error}");
        assert!(names(false).resolve(name()).await.is_ok_and(|mut addresses| addresses.next().is_some()));
    }

    #[test]
    fn a_host_has_one_limit_and_is_forgotten_when_nothing_is_under_way() {
        let web = Web::try_new().expect("a client");
        let url = |number: usize| Url::parse(&format!("http://host{number}/a.jpg")).expect("a URL");
        let first = web.host(&url(0), 2);
        assert!(Arc::ptr_eq(&first, &web.host(&url(0), 2)));
        for number in 1..5000 {
            web.host(&url(number), 2);
        }
        assert!(web.hosts.lock().expect("hosts").len() <= 2 * MOST_REQUESTS);
        assert!(Arc::ptr_eq(&first, &web.host(&url(0), 2)));
    }
}
