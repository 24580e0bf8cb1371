//! Logistic regression: of two classes, of more at once, and of each class against all others.

mod cholesky;
mod fitting;
mod pass;
mod problem;

pub(crate) use fitting::Logistic;
pub(crate) use pass::{LogisticPass, LogisticSums, scores};
