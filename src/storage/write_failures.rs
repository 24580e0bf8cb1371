//! Why DataFusion's own formats couldn't be written: some of their writers say that something failed, and not what, or blame another file.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::exec_datafusion_err;
use datafusion::datasource::file_format::csv::CsvSink;
use datafusion::datasource::file_format::json::JsonSink;
use datafusion::datasource::file_format::parquet::ParquetSink;
use datafusion::datasource::physical_plan::FileSink;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use object_store::Error;
use object_store::path::Path;
use url::Url;

use crate::words::of_store;

/// What a writer says who has dropped the store's error.
const NOT_TOLD: &str = "Error encountered while finalizing writes";

/// The last failures of writing, until they are told.
#[derive(Debug, Default)]
pub(crate) struct WriteFailures(Mutex<VecDeque<Failed>>);

/// How many are kept: those of statements that fail for another reason stay.
const MOST: usize = 64;

#[derive(Debug)]
struct Failed {
    store: Url,
    path: Path,
    /// As it stands in errors that tell it.
    text: String,
    /// In words.
    said: String,
}

impl WriteFailures {
    pub(super) fn remember(&self, store: &Url, path: &Path, error: &Error) {
        let (text, said) = (error.to_string(), said(store, path, error));
        let mut failures = self.lock();
        failures.push_back(Failed { store: store.clone(), path: path.clone(), text, said });
        if failures.len() > MOST {
            failures.pop_front();
        }
    }

    /// The error of a statement, in words if it is one of writing what this plan writes.
    pub(crate) fn explain(&self, plan: &Arc<dyn ExecutionPlan>, error: DataFusionError) -> DataFusionError {
        let text = error.to_string();
        let mut failures = self.lock();
        let is_told = |failed: &Failed| text.contains(NOT_TOLD) || text.contains(&failed.text);
        let found = failures.iter().rposition(|failed| is_told(failed) && writes(plan, failed));
        let failed = found.and_then(|found| failures.remove(found));
        failed.map_or(error, |failed| exec_datafusion_err!("{}", failed.said))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a plan writes there.
fn writes(plan: &Arc<dyn ExecutionPlan>, failed: &Failed) -> bool {
    let Some(sink) = plan.downcast_ref::<DataSinkExec>().map(DataSinkExec::sink) else {
        return plan.children().into_iter().any(|plan| writes(plan, failed));
    };
    let csv = sink.downcast_ref::<CsvSink>().map(FileSink::config);
    let json = || sink.downcast_ref::<JsonSink>().map(FileSink::config);
    let parquet = || sink.downcast_ref::<ParquetSink>().map(FileSink::config);
    // Others don't tell where they write.
    let Some(config) = csv.or_else(json).or_else(parquet) else { return true };
    config.object_store_url.as_ref() as &Url == &failed.store
        && config.table_paths.iter().any(|path| failed.path.as_ref().starts_with(path.prefix().as_ref()))
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
    use datafusion::prelude::SessionContext;

    use super::*;

    /// What writes to a file of a directory.
    async fn writer(path: &str) -> Arc<dyn ExecutionPlan> {
        let written = SessionContext::new().sql(&format!("COPY (SELECT 1 AS n) TO '{path}'")).await;
        written.expect("a statement").create_physical_plan().await.expect("a plan")
    }

    #[tokio::test]
    async fn a_writer_that_says_nothing_is_explained_once_and_others_are_not() {
        let failures = WriteFailures::default();
        let other = || exec_datafusion_err!("division by zero");
        let silent = || internal_datafusion_err!("{NOT_TOLD}! Partial results may have been written to ObjectStore!");
        let (store, path) = (Url::parse("file:///").expect("a URL"), Path::from("tmp/pixmill/x.csv"));
        let refused = || Error::Generic { store: "LocalFileSystem", source: "no room".into() };
        let here = writer("/tmp/pixmill/x.csv").await;
        let elsewhere = [writer("/tmp/pixmill/y.csv").await, writer("/tmp/pixmill/x.json").await];
        failures.remember(&store, &path, &refused());
        assert_eq!(failures.explain(&here, other()).to_string(), other().to_string());
        for plan in &elsewhere {
            assert_eq!(failures.explain(plan, silent()).to_string(), silent().to_string());
        }
        let told = failures.explain(&here, silent()).to_string();
        assert!(told.contains("cannot write '/tmp/pixmill/x.csv': ") && told.contains("no room"), "{told}");
        assert_eq!(failures.explain(&here, silent()).to_string(), silent().to_string());
        failures.remember(&store, &path, &refused());
        let wrapped = DataFusionError::External(Box::new(io::Error::other(refused())));
        assert!(failures.explain(&here, wrapped).to_string().contains("cannot write '/tmp/pixmill/x.csv'"));
    }

    #[test]
    fn of_a_local_file_it_is_what_the_system_says() {
        let full = io::Error::from_raw_os_error(28);
        let error = Error::Generic { store: "LocalFileSystem", source: Box::new(full) };
        let told = said(&Url::parse("file:///").expect("a URL"), &Path::from("tmp/x.csv"), &error);
        assert!(told.starts_with("cannot write '/tmp/x.csv': No space left on device"), "{told}");
    }
}
