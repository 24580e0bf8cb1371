//! Models that were fitted to rows: what they are, as values and as one row of a table, and the functions that apply and fit them.

mod by_name;
mod model;
mod prediction;
mod round;
mod row;
mod steps;

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::common::{Result, plan_err};

pub(crate) use by_name::ByName;
pub use by_name::feature_names;
pub use model::{Answer, FittedFeature, FittedLabel, FittedModel, FittedStep, FittedTo};
pub use prediction::{decode_prediction, encode_prediction, prediction};
pub use round::{Round, decode_round, encode_round};
pub use steps::StepKind;

/// Where the functions of models find them by their names.
pub trait FittedModels: Debug + Send + Sync {
    /// The model of a name.
    ///
    /// # Errors
    /// There is none.
    fn find(&self, name: &str) -> Result<Arc<FittedModel>>;
}

/// Of an application that has none.
#[derive(Debug)]
pub(crate) struct NoModels;

impl FittedModels for NoModels {
    fn find(&self, name: &str) -> Result<Arc<FittedModel>> {
        plan_err!("there is no model '{name}': this application has no models")
    }
}
