//! Rows of a cluster that went with their executor after some of them had come: who has given none of them on can take all of them anew.

use datafusion::common::DataFusionError;

/// How often a statement is run whose rows were lost.
pub(crate) const MOST_RUNS: usize = 3;

/// The rest of a statement's rows is gone.
#[derive(Debug, thiserror::Error)]
#[error("an executor was lost, and with it rows of which some had come already; run the statement again: {0}")]
pub(crate) struct LostRows(pub(crate) String);

impl LostRows {
    /// Whether rows that were lost are worth another run, of which there were `runs`; it is counted.
    pub(crate) fn may_come_again(error: &DataFusionError, runs: &mut usize) -> bool {
        let DataFusionError::External(lost) = error.find_root() else { return false };
        let Some(lost) = lost.downcast_ref::<Self>() else { return false };
        *runs += 1;
        if *runs < MOST_RUNS {
            tracing::warn!(
                "an executor with rows was lost; they are taken again ({runs} of {MOST_RUNS} runs failed): {}",
                lost.0
            );
        }
        *runs < MOST_RUNS
    }
}

impl From<LostRows> for DataFusionError {
    fn from(lost: LostRows) -> Self {
        Self::External(Box::new(lost))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::exec_datafusion_err;

    use super::*;

    #[test]
    fn rows_that_are_lost_come_again_and_other_errors_do_not() {
        let lost = DataFusionError::from(LostRows("broken pipe".to_string())).context("while gathering");
        let mut runs = 0;
        assert!(LostRows::may_come_again(&lost, &mut runs) && LostRows::may_come_again(&lost, &mut runs));
        assert!(!LostRows::may_come_again(&lost, &mut runs), "three runs are enough");
        assert!(!LostRows::may_come_again(&exec_datafusion_err!("broken pipe"), &mut 0));
    }
}
