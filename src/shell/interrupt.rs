//! Ctrl-C while something runs. At the prompt it is a key, and no signal.

use std::io;
use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC as Signal, ctrl_c};

/// Listens from now on: between two statements, too, so that no Ctrl-C ends the process.
pub(super) struct Interrupt(Signal);

impl Interrupt {
    /// Begins to listen.
    ///
    /// # Errors
    /// A system that doesn't tell of signals.
    pub(super) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self(signal(SignalKind::interrupt())?));
        #[cfg(windows)]
        return Ok(Self(ctrl_c()?));
    }

    /// Comes to its end with the next Ctrl-C, or with one that has come since the last.
    pub(super) async fn pressed(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Forgets what has come: it was meant for a statement that is at its end.
    pub(super) async fn forget(&mut self) {
        // The runtime hears of signals only while it waits.
        while tokio::time::timeout(Duration::from_millis(1), self.pressed()).await.is_ok() {}
    }
}
