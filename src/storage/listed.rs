//! How much was listed: what people see while a statement is planned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::prelude::SessionConfig;

/// Counts the files and objects that a session's statements list, wanted or not.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    files: AtomicU64,
    objects: AtomicU64,
}

impl Listed {
    /// The counter of a session of this configuration.
    pub(crate) fn of(config: &SessionConfig) -> Arc<Self> {
        config.get_extension().unwrap_or_default()
    }

    /// How many files and how many objects there were since the session began.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.files.load(Ordering::Relaxed), self.objects.load(Ordering::Relaxed))
    }

    /// Counts a local file.
    pub(crate) fn add_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts objects of a store.
    pub(crate) fn add_objects(&self, objects: usize) {
        self.objects.fetch_add(objects as u64, Ordering::Relaxed);
    }
}
