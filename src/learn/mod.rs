//! Models that learn from rows: `CREATE MODEL` and the other statements about them, their names and their files.

mod describe;
mod evaluate;
mod file;
mod fit;
mod gather;
mod names;
mod rounds;
mod spill;
mod statement;
mod steps;

pub(crate) use describe::{description, of_models};
pub(crate) use evaluate::{Evaluation, evaluation, of_clusters};
pub(crate) use fit::{Fit, Rounds};
pub(crate) use names::{Models, register_models};
pub(crate) use statement::ModelStatement;
pub(crate) use steps::{step_names, step_parameters};
