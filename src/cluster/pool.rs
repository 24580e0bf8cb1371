//! Connections between executors, kept for the next fetch: Ballista's own pool can't be made from outside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ballista_core::client::BallistaClient;
use ballista_core::client_pool::{BallistaClientPool, PooledClient};
use ballista_core::error::Result;
use ballista_core::extension::BallistaConfigGrpcEndpoint;
use ballista_core::utils::GrpcClientConfig;

/// How long a connection is kept without use.
const IDLE: Duration = Duration::from_secs(30);

type Idle = HashMap<(String, u16, GrpcClientConfig), Vec<(Instant, BallistaClient)>>;

/// Connections without use, by where they lead.
#[derive(Clone, Default)]
pub(super) struct ClientPool(Arc<Mutex<Idle>>);

impl std::fmt::Debug for ClientPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientPool")
    }
}

impl ClientPool {
    /// Does something with the idle connections that are young enough.
    fn with<T>(&self, work: impl FnOnce(&mut Idle) -> T) -> T {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for clients in idle.values_mut() {
            clients.retain(|(since, _)| since.elapsed() < IDLE);
        }
        idle.retain(|_, clients| !clients.is_empty());
        work(&mut idle)
    }
}

#[async_trait]
impl BallistaClientPool for ClientPool {
    async fn acquire(
        &self,
        host: &str,
        port: u16,
        config: &GrpcClientConfig,
        endpoint: Option<Arc<BallistaConfigGrpcEndpoint>>,
    ) -> Result<PooledClient> {
        let key = (host.to_string(), port, config.clone());
        let kept = self.with(|idle| idle.get_mut(&key).and_then(Vec::pop));
        let client = match kept {
            Some((_, client)) => client,
            None => {
                BallistaClient::try_new(
                    host,
                    port,
                    config.max_message_size,
                    config.use_tls,
                    endpoint,
                    config.io_retries_times,
                    config.io_retry_wait_time_ms,
                    config.initial_connection_window_size,
                    config.initial_stream_window_size,
                )
                .await?
            }
        };
        let pool = self.clone();
        let keep = move |client| pool.with(|idle| idle.entry(key).or_default().push((Instant::now(), client)));
        Ok(PooledClient::new(client, Box::new(keep)))
    }

    async fn evict_idle(&self) {
        self.with(|_| ());
    }
}
