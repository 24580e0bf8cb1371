//! How images of the web are asked for.

use serde::{Deserialize, Serialize};

/// How images of the web are asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebOptions {
    /// Seconds that an attempt may take, redirects and the whole body included.
    pub timeout_seconds: u64,
    /// How often an image is asked for again.
    pub retries: usize,
    /// Requests of this process that one host answers at the same time, at most.
    pub requests_per_host: usize,
    /// What `User-Agent` says.
    pub user_agent: String,
    /// Whether images are left out whose `X-Robots-Tag` says that they are not for machine learning.
    pub respects_opt_out: bool,
    /// The most bytes of an image.
    pub max_bytes: u64,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            timeout_seconds: 10,
            retries: 2,
            requests_per_host: 32,
            user_agent: concat!("pixmill/", env!("CARGO_PKG_VERSION")).to_string(),
            respects_opt_out: true,
            max_bytes: 100_000_000,
        }
    }
}

impl WebOptions {
    /// The name by which hosts know who asks: what stands before the version.
    pub(super) fn agent(&self) -> &str {
        self.user_agent.split(['/', ' ']).next().unwrap_or_default()
    }
}
