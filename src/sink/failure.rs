//! Errors of reading and writing files, by whether another try may help.

use std::fmt::Display;
use std::io::{self, ErrorKind};

use datafusion::common::exec_datafusion_err;
use datafusion::error::DataFusionError;

/// What failed and why. A cluster tries again what fails with an `IoError`, and nothing else.
pub(super) fn io_failure(what: impl Display, error: &io::Error) -> DataFusionError {
    let message = format!("{what}: {error}");
    let stays = matches!(
        error.kind(),
        ErrorKind::AlreadyExists
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::FileTooLarge
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::QuotaExceeded
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::StorageFull
            | ErrorKind::Unsupported
    );
    match stays {
        true => exec_datafusion_err!("{message}"),
        false => DataFusionError::IoError(io::Error::new(error.kind(), message)),
    }
}

/// A value that has no place in the dataset: no other try helps, and what was written until then is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// The error of a value that has no place in the dataset.
pub(super) fn refused(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(Refused(message)))
}

/// Whether a run has failed for such a value.
pub(super) fn is_refused(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::External(inner) if inner.is::<Refused>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (kind, again) in [(ErrorKind::TimedOut, true), (ErrorKind::Other, true), (ErrorKind::StorageFull, false)] {
            let failure = io_failure("cannot write to 'out'", &io::Error::new(kind, "no answer"));
            assert_eq!(matches!(failure, DataFusionError::IoError(_)), again, "{kind}");
            assert!(failure.to_string().contains("cannot write to 'out': no answer"), "{failure}");
        }
    }
}
