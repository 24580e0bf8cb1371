//! The stores of a process: one for each bucket, opened when it is first used, shared by all sessions.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::{DataFusionError, Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use url::Url;

use super::address::Bucket;
use super::connector::Connector;
use super::open::{OpenStore, open};
use super::settings::StoreSettings;
use crate::storage::web::Web;
use crate::storage::write_failures::WriteFailures;

/// Parts of a listing that are asked for at the same time at most: more give no more, as what comes is taken by one thread.
const MOST_LISTS: usize = 32;

/// The object stores that a process can reach.
pub(crate) struct Stores {
    settings: StoreSettings,
    io: Handle,
    open: Mutex<Opened>,
    web: Mutex<Option<Arc<Web>>>,
    write_failures: Arc<WriteFailures>,
}

#[derive(Default)]
struct Opened {
    connector: Option<Connector>,
    stores: HashMap<Bucket, OpenStore>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Stores {
    /// Stores whose connections run on `io`; none is opened yet.
    pub(crate) fn new(settings: StoreSettings, io: Handle) -> Self {
        Self { settings, io, open: Mutex::default(), web: Mutex::default(), write_failures: Arc::default() }
    }

    /// The runtime that connections, and all else that reads and writes, run on.
    pub(crate) fn io(&self) -> &Handle {
        &self.io
    }

    /// Where writers of DataFusion's own formats leave what failed.
    pub(in crate::storage) fn write_failures(&self) -> Arc<WriteFailures> {
        Arc::clone(&self.write_failures)
    }

    /// The error of a statement of a session, in words if it is one of writing what its plan writes.
    pub(crate) fn explain(
        config: &SessionConfig,
        plan: &Arc<dyn ExecutionPlan>,
        error: DataFusionError,
    ) -> DataFusionError {
        match Self::of(config) {
            Some(stores) => stores.write_failures.explain(plan, error),
            None => error,
        }
    }

    /// Waits, on a thread that may, until something is done on the runtime of connections.
    ///
    /// # Errors
    /// The process is about to end.
    pub(in crate::storage) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.io.spawn(async move {
            // Nobody waits any more for a statement that was given up.
            let _ = sender.send(work.await);
        });
        receiver.blocking_recv().map_err(|_| exec_datafusion_err!("the process is about to end"))
    }

    /// How many parts of a listing are asked for at the same time.
    pub(super) fn lists_at_once(&self) -> usize {
        self.settings.requests().min(MOST_LISTS)
    }

    /// The stores of a session's process.
    pub(crate) fn of(config: &SessionConfig) -> Option<Arc<Self>> {
        config.get_extension()
    }

    /// The objects of a URL's bucket.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub(crate) fn store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        Ok(self.open(url)?.objects)
    }

    /// The web, as the process reads it.
    ///
    /// # Errors
    /// The system's certificates can't be used.
    pub(in crate::storage) fn web(&self) -> Result<Arc<Web>> {
        let mut web = self.web.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(web) = web.as_ref() {
            return Ok(Arc::clone(web));
        }
        let opened =
            Web::try_new().map_err(|error| exec_datafusion_err!("cannot open connections to the web: {error}"))?;
        Ok(Arc::clone(web.insert(Arc::new(opened))))
    }

    /// The store of a URL's bucket.
    ///
    /// # Errors
    /// A URL of no store, or of one that can't be opened.
    pub(in crate::storage) fn open(&self, url: &Url) -> Result<OpenStore> {
        let Some(bucket) = Bucket::of_url(url)? else {
            return plan_err!(
                "'{}://' is no scheme of a store: there are s3, gs, az and abfss, and paths of local files",
                url.scheme()
            );
        };
        let mut opened = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = opened.stores.get(&bucket) {
            return Ok(store.clone());
        }
        let connector = match &opened.connector {
            Some(connector) => connector.clone(),
            None => {
                let connector = Connector::try_new(self.io.clone(), self.settings.requests());
                let connector = connector
                    .map_err(|error| plan_datafusion_err!("cannot open connections for '{bucket}': {error}"))?;
                opened.connector.insert(connector).clone()
            }
        };
        let store = open(&bucket, &self.settings.of(&bucket), &connector.of(&bucket), &self.io)?;
        opened.stores.insert(bucket, store.clone());
        Ok(store)
    }
}
