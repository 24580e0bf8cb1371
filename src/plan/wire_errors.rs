//! Errors across processes: Ballista hands on texts, in which ours are marked, so that a user reads what a local run would say.

use ballista_core::error::BallistaError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, exec_datafusion_err, plan_datafusion_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use futures::{FutureExt as _, TryFutureExt as _};

use crate::error::{is_question, message, of_an_executor};
use crate::exec::Planned;

/// What begins a marked message of a wrong question, of a failed run, and what ends it: Ballista prints errors as Rust's debug
/// output, which leaves these and what is between them as it is.
const MARKS: (&str, &str, &str) = ("⟦?", "⟦!", "⟧");

/// A planner whose errors are marked.
#[derive(Debug)]
pub(crate) struct MarkingPlanner<P>(pub(crate) P);

impl<P: QueryPlanner + Send + Sync> MarkingPlanner<P> {
    fn planned<'a>(&'a self, plan: &'a LogicalPlan, session: &'a dyn Session) -> Planned<'a> {
        self.0.create_physical_plan(plan, session).map_err(marked).boxed()
    }
}

impl<P: QueryPlanner + Send + Sync> QueryPlanner for MarkingPlanner<P> {
    // As `exec::boxed_methods` has it.
    fn create_physical_plan<'a, 'b, 'c, 'f>(&'a self, plan: &'b LogicalPlan, session: &'c dyn Session) -> Planned<'f>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        Self: 'f,
    {
        self.planned(plan, session)
    }
}

/// Marks what an error says. Errors that Ballista tries again stay what they are.
pub(crate) fn marked(error: DataFusionError) -> DataFusionError {
    marked_as(error, str::to_string)
}

/// As [`marked`], on an executor.
pub(crate) fn marked_by_executor(error: DataFusionError) -> DataFusionError {
    marked_as(error, of_an_executor)
}

fn marked_as(error: DataFusionError, words: impl Fn(&str) -> String) -> DataFusionError {
    let is_ballistas =
        |inner: &BallistaError| !matches!(inner, BallistaError::DataFusionError(_) | BallistaError::ArrowError(_));
    match error.find_root() {
        DataFusionError::IoError(_) => return error,
        // By its type Ballista sees that rows on their way were lost.
        DataFusionError::External(inner) if inner.downcast_ref().is_some_and(is_ballistas) => return error,
        _ => {}
    }
    let (question, run, end) = MARKS;
    let begin = if is_question(&error) { question } else { run };
    let said = words(&message(&error));
    // In words for who reads the scheduler's log, and once more in letters that nothing quotes.
    DataFusionError::Execution(format!("{said} {begin}{}{end}", BASE64.encode(&said)))
}

/// The error that was marked on its way here; what Ballista says where none was.
pub(crate) fn unmarked(error: DataFusionError) -> DataFusionError {
    let text = error.to_string();
    let (question, run, end) = MARKS;
    let said = |begin: &str| {
        let (_, rest) = text.split_once(begin)?;
        let bytes = BASE64.decode(rest.split_once(end)?.0).ok()?;
        String::from_utf8(bytes).ok()
    };
    if let Some(said) = said(question) {
        return plan_datafusion_err!("{said}");
    }
    exec_datafusion_err!("{}", said(run).unwrap_or_else(|| plain(&error)))
}

/// Ballista's own words, without the names of its error types around them.
fn plain(error: &DataFusionError) -> String {
    let mut text = message(error);
    for wrapped in ["Job failed due to ", "Execution error: ", "DataFusion error: "] {
        text = text.replace(wrapped, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_there_is_said_here() {
        let there = marked(plan_datafusion_err!("no images match \"x\""));
        let wrapped = exec_datafusion_err!("Job 7 failed: Error planning job 7: DataFusionError({there:?})");
        let here = unmarked(wrapped);
        assert!(matches!(&here, DataFusionError::Plan(text) if text == "no images match \"x\""), "{here}");
        let there = marked(exec_datafusion_err!("disk full"));
        let here = unmarked(exec_datafusion_err!("Task failed: {there:?}"));
        assert_eq!(message(&here), "disk full");
    }

    #[test]
    fn memory_of_an_executor_is_its_own_option() {
        let there = marked_by_executor(DataFusionError::ResourcesExhausted("no more for HashJoinInput".to_string()));
        let said = message(&unmarked(exec_datafusion_err!("Task failed: {there:?}")));
        assert!(
            said.starts_with("not enough memory: no more for HashJoinInput; give the executors more --memory"),
            "{said}"
        );
    }

    #[test]
    fn errors_that_may_pass_stay_what_they_are() {
        let error = DataFusionError::IoError(std::io::Error::other("timed out")).context("shard 3");
        assert!(matches!(marked(error).find_root(), DataFusionError::IoError(_)));
    }
}
