//! The client: finds the scheduler, sends it plans, and watches their jobs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde::de::DeserializeOwned;

use super::report::{ClusterReport, ExecutorReport, JobReport, JobState};
use crate::error::{Error, Result};

/// Where a scheduler listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    /// `HOST:PORT`, with or without `df://` before it.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let address = text.strip_prefix("df://").unwrap_or(text).trim_end_matches('/');
        let parsed = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match parsed {
            Some((host, port)) if !host.is_empty() && port != 0 && !host.contains('/') => {
                Ok(Self { host: host.to_string(), port })
            }
            _ => Err(format!("must be df://HOST:PORT, as in df://127.0.0.1:50050, got '{text}'")),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "df://{}:{}", self.host, self.port)
    }
}

/// How long the scheduler may take to answer: what has no answer by then counts as gone.
const ANSWER: Duration = Duration::from_secs(10);
/// How long between two attempts to find the scheduler.
const RETRY: Duration = Duration::from_millis(250);

/// How long a job may take to notice that it is cancelled.
const CANCELLED: Duration = Duration::from_secs(5);

/// A scheduler to talk to.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    address: Arc<HostPort>,
    http: reqwest::Client,
}

impl Cluster {
    /// Finds a scheduler of this version.
    ///
    /// # Errors
    /// Nothing there, something else there, or another version.
    pub(crate) async fn connect(address: &HostPort) -> Result<(Self, ClusterReport)> {
        // A connection is driven by the runtime that has opened it, and several use this client, one of them after another's end: a
        // request on a connection that was kept would never be sent.
        let http = reqwest::Client::builder().timeout(ANSWER).no_proxy().pool_max_idle_per_host(0).build();
        let http = http.map_err(|error| Error::Failed(format!("cannot talk to {address}: {error}")))?;
        let cluster = Self { address: Arc::new(address.clone()), http };
        let report = cluster.report().await?;
        match report.mismatch() {
            Some(mismatch) => Err(Error::Failed(format!("the scheduler at {address} {mismatch}"))),
            None => Ok((cluster, report)),
        }
    }

    /// Finds a scheduler that may take so long to appear.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(crate) async fn connect_within(address: &HostPort, patience: Duration) -> Result<(Self, ClusterReport)> {
        let started = Instant::now();
        loop {
            match Self::connect(address).await {
                Ok(found) => return Ok(found),
                Err(Error::Unreachable(_)) if started.elapsed() < patience => tokio::time::sleep(RETRY).await,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn address(&self) -> &HostPort {
        &self.address
    }

    /// How the scheduler describes itself.
    pub(crate) async fn report(&self) -> Result<ClusterReport> {
        self.get("cluster").await
    }

    /// All jobs that the scheduler remembers.
    pub(crate) async fn jobs(&self) -> Result<Vec<JobReport>> {
        self.get("jobs").await
    }

    /// One job.
    pub(crate) async fn job(&self, id: &str) -> Result<JobReport> {
        self.get(&format!("jobs/{id}")).await
    }

    /// Cancels a job; its state tells whether it was still there to be cancelled.
    pub(crate) async fn cancel(&self, id: &str) -> Result<JobReport> {
        let request = self.http.delete(self.url(&format!("jobs/{id}")));
        self.answer(request).await
    }

    /// Cancels a job, and waits for its end.
    ///
    /// # Errors
    /// A job that isn't there, or that is at its end already.
    pub(crate) async fn cancel_to_its_end(&self, id: &str) -> Result<JobReport> {
        let before = self.job(id).await?;
        if before.ended_at.is_some() {
            return Err(Error::Failed(format!("job {id} can't be cancelled: it is {}", before.state)));
        }
        let mut job = self.cancel(id).await?;
        let started = Instant::now();
        while job.ended_at.is_none() && started.elapsed() < CANCELLED {
            tokio::time::sleep(Duration::from_millis(100)).await;
            job = self.job(id).await?;
        }
        match job.state {
            JobState::Cancelled => Ok(job),
            state => Err(Error::Failed(format!("job {id} was to be cancelled, and is {state}"))),
        }
    }

    /// Cancels all jobs of a session, those that are being planned included.
    pub(crate) async fn end_session(&self, session: &str) -> Result<()> {
        let request = self.http.delete(self.url(&format!("sessions/{session}")));
        self.answer(request).await
    }

    /// Tells the scheduler what an executor's tasks have done; `false` where it has given that executor up.
    pub(crate) async fn tell(&self, executor: &str, report: &ExecutorReport, patience: Duration) -> Result<bool> {
        let request = self.http.post(self.url(&format!("executors/{executor}"))).timeout(patience).json(report);
        self.answer(request).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:{}/pixmill/{path}", self.address.host, self.address.port)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.answer(self.http.get(self.url(path))).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T> {
        let address = &self.address;
        let response = request.send().await.map_err(|error| {
            let cause = root(&error);
            Error::Unreachable(format!(
                "no scheduler answers at {address}: {cause}; start one with `pixmill scheduler --bind {}:{}` or a whole cluster \
                 with `pixmill cluster`",
                address.host, address.port
            ))
        })?;
        match response.status() {
            StatusCode::OK => response.json().await.map_err(|error| {
                Error::Failed(format!(
                    "the scheduler at {address} gives an answer that can't be read: {}",
                    root(&error)
                ))
            }),
            StatusCode::NOT_FOUND => {
                let said = response.text().await.unwrap_or_default();
                let said = if said.starts_with("no job") {
                    said
                } else {
                    format!("what answers at {address} is no pixmill scheduler")
                };
                Err(Error::Failed(said))
            }
            status => Err(Error::Failed(format!("the scheduler at {address} answers {status}"))),
        }
    }
}

/// What lies at the bottom of an error.
fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
