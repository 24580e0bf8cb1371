//! Why DataFusion's own formats couldn't be written: some of their writers say that something failed, and not what, or blame another file.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::exec_datafusion_err;
use datafusion::error::DataFusionError;
use object_store::Error;
use object_store::path::Path;
use url::Url;

use crate::words::of_store;

/// What a writer says who has dropped the store's error.
const NOT_TOLD: &str = "Error encountered while finalizing writes";

/// The last failure of writing, until it is told.
#[derive(Debug, Default)]
pub(crate) struct WriteFailures(Mutex<Option<Failed>>);

#[derive(Debug)]
struct Failed {
    /// As it stands in errors that tell it.
    text: String,
    /// In words.
    said: String,
}

impl WriteFailures {
    pub(super) fn remember(&self, store: &Url, path: &Path, error: &Error) {
        let failed = Failed { text: error.to_string(), said: said(store, path, error) };
        *self.lock() = Some(failed);
    }

    /// The error of a statement that writes, in words if it is one of writing.
    pub(crate) fn explain(&self, error: DataFusionError) -> DataFusionError {
        let text = error.to_string();
        let failed = self.lock().take_if(|failed| text.contains(NOT_TOLD) || text.contains(&failed.text));
        failed.map_or(error, |failed| exec_datafusion_err!("{}", failed.said))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(store: &Url, path: &Path, error: &Error) -> String {
    if store.scheme() == "file" {
        let causes = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |cause| cause.source());
        let of_system = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
        let reason = of_system.map_or_else(|| error.to_string(), ToString::to_string);
        return format!("cannot write '/{path}': {reason}");
    }
    format!("cannot write '{}/{path}': {}", store.as_str().trim_end_matches('/'), of_store(error))
}

#[cfg(test)]
mod tests {
    use datafusion::common::internal_datafusion_err;

    use super::*;

    #[test]
    fn a_writer_that_says_nothing_is_explained_once_and_others_are_not() {
        let failures = WriteFailures::default();
        let other = || exec_datafusion_err!("division by zero");
        let silent = || internal_datafusion_err!("{NOT_TOLD}! Partial results may have been written to ObjectStore!");
        assert_eq!(failures.explain(other()).to_string(), other().to_string());
        let store = Url::parse("s3://b").expect("a URL");
        let refused = || Error::Generic { store: "S3", source: "no room".into() };
        failures.remember(&store, &Path::from("out/x.csv"), &refused());
        assert_eq!(failures.explain(other()).to_string(), other().to_string());
        let told = failures.explain(silent()).to_string();
        assert!(told.contains("cannot write 's3://b/out/x.csv': ") && told.contains("no room"), "{told}");
        assert_eq!(failures.explain(silent()).to_string(), silent().to_string());
        failures.remember(&store, &Path::from("out/x.csv"), &refused());
        let wrapped = DataFusionError::External(Box::new(io::Error::other(refused())));
        assert!(failures.explain(wrapped).to_string().contains("cannot write 's3://b/out/x.csv'"));
    }

    #[test]
    fn of_a_local_file_it_is_what_the_system_says() {
        let full = io::Error::from_raw_os_error(28);
        let error = Error::Generic { store: "LocalFileSystem", source: Box::new(full) };
        let told = said(&Url::parse("file:///").expect("a URL"), &Path::from("tmp/x.csv"), &error);
        assert!(told.starts_with("cannot write '/tmp/x.csv': No space left on device"), "{told}");
    }
}
