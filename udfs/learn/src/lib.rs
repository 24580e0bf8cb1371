//! Models that learn from rows in any number of parts: clusters, classes, lines.
//!
//! A fit is a loop of passes. Each pass looks at all rows, wherever they are: a part of them adds up [`Sums`], and the sums of all parts,
//! merged in any order, are what the fit goes on with. Neither the cut nor the order shows in what comes out.
//!
//! ```
//! use pixmill_learn::{Estimator, Predictor, Rows};
//!
//! # fn main() -> Result<(), pixmill_learn::Error> {
//! let x = [1.0, 1.5, 8.0, 8.5, 9.0];
//! let mut fitting = Estimator::KMeans { k: 2, seed: 1 }.fitting(vec!["x".to_string()])?;
//! while let Some(pass) = fitting.pass() {
//!     let mut sums = pass.sums();
//!     pass.add(&mut sums, Rows { x: &x, columns: 1, y: &[] });
//!     fitting.take(&sums)?;
//! }
//! let fitted = fitting.finish()?;
//! assert_eq!(fitted.numbers[0].values, [8.5, 1.25]);
//!
//! let mut clusters = Vec::new();
//! Predictor::new("kmeans", &fitted.numbers)?.predict(&x, &mut clusters);
//! assert_eq!(clusters, [1.0, 1.0, 0.0, 0.0, 0.0]);
//! # Ok(())
//! # }
//! ```

mod codec;
mod error;
mod estimator;
pub mod exact_sum;
mod fitted;
mod functions;
mod kmeans;
pub mod least_squares;
mod linear;
mod logistic;
pub mod network;
mod pass;
mod precise;
mod predictor;
mod smallest;
mod strip;
mod sums;

pub use error::Error;
pub use estimator::{Estimator, Fitting, Progress};
pub use fitted::{Fitted, Numbers};
pub use pass::{Pass, Rows};
pub use predictor::{Centres, Classes, Line, Predictor};
pub use sums::Sums;
