//! What went wrong, as gRPC says it: a code for programs, and the message that `pixmill sql` would print.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use tonic::{Code, Status};

use crate::error::{Error, is_question};
use crate::words::cut;

/// Most characters of a message: clients bound the size of the headers that it travels in.
const MESSAGE_LENGTH: usize = 2000;

/// An error for a client.
pub(super) fn status(error: &Error) -> Status {
    Status::new(code(error), cut(&error.to_string(), MESSAGE_LENGTH))
}

fn code(error: &Error) -> Code {
    match error {
        Error::Pointed { source, .. } => code(source),
        Error::Usage(_) => Code::InvalidArgument,
        Error::Query(inner) if is_question(inner) => Code::InvalidArgument,
        Error::Query(inner) if matches!(inner.find_root(), DataFusionError::ResourcesExhausted(_)) => {
            Code::ResourceExhausted
        }
        Error::Unreachable(_) => Code::Unavailable,
        Error::Interrupted => Code::Cancelled,
        // The run failed, by its data or the machine: none of the other codes, which tell of the call.
        Error::Query(_) | Error::File { .. } | Error::Failed(_) | Error::ClosedOutput | Error::Output(_) => {
            Code::Unknown
        }
    }
}

/// An error in what a client has sent.
pub(super) fn malformed(error: &ArrowError) -> Status {
    Status::invalid_argument(cut(&format!("what was sent can't be read: {error}"), MESSAGE_LENGTH))
}

/// An answer that can't be made.
pub(super) fn internal(error: impl std::fmt::Display) -> Status {
    Status::internal(cut(&format!("internal error: {error}"), MESSAGE_LENGTH))
}

/// What lies at the bottom of an error.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use datafusion::common::{exec_datafusion_err, plan_datafusion_err, resources_datafusion_err};

    use super::*;

    #[test]
    fn wrong_questions_failed_runs_and_full_memory_differ() {
        let code = |error: DataFusionError| status(&error.into()).code();
        assert_eq!(code(plan_datafusion_err!("no such column").context("line 3")), Code::InvalidArgument);
        assert_eq!(code(exec_datafusion_err!("disk full")), Code::Unknown);
        assert_eq!(code(resources_datafusion_err!("too much").context("sort")), Code::ResourceExhausted);
    }

    #[test]
    fn messages_are_cut_between_characters() {
        let long = status(&exec_datafusion_err!("{}", "ä".repeat(MESSAGE_LENGTH + 1)).into());
        assert_eq!((long.message().chars().count(), long.message().ends_with("ä…")), (MESSAGE_LENGTH, true));
    }
}
