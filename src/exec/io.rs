//! The runtime that reads and writes files, so that decoding never waits behind it.

use std::sync::Arc;

use ballista_core::config::BallistaConfig;
use datafusion::prelude::SessionConfig;
use tokio::runtime::Handle;

struct IoRuntime(Handle);

/// The configuration of a session that reads and writes on `io`.
pub(crate) fn with_io_runtime(config: SessionConfig, io: Handle) -> SessionConfig {
    config.with_extension(Arc::new(IoRuntime(io)))
}

/// The runtime for reading and writing of this session; the current one in a session that was built elsewhere.
pub(crate) fn io_runtime(config: &SessionConfig) -> Handle {
    config.get_extension::<IoRuntime>().map_or_else(Handle::current, |io| io.0.clone())
}

/// The most work items of a partition where plans are sent to executors; on one machine there is no such limit.
pub(crate) fn most_items(config: &SessionConfig) -> Option<usize> {
    // About 100 bytes each, of a message of 256 MiB.
    config.options().extensions.get::<BallistaConfig>().map(|_| 1_000_000)
}
