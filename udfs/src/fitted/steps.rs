//! The kinds of steps that a model is made of.

use datafusion::common::{Result, exec_err, internal_datafusion_err};
use pixmill_learn::{Numbers, Predictor};

use crate::support::vectors::dot;

/// A kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Every number of a vector as so many standard deviations from the mean.
    StandardScaler,
    /// A vector along the directions in which vectors vary most.
    Pca,
    /// The cluster that a vector is nearest to.
    KMeans,
    /// Classes by log-odds that are linear in a vector's numbers.
    LogisticRegression,
    /// Each class against all others.
    OneVsRest,
    /// A number that is linear in a vector's numbers.
    LinearRegression,
}

impl StepKind {
    /// Every kind, by its name in SQL.
    pub const ALL: [(&'static str, Self); 6] = [
        ("standard_scaler", Self::StandardScaler),
        ("pca", Self::Pca),
        ("kmeans", Self::KMeans),
        ("logistic_regression", Self::LogisticRegression),
        ("one_vs_rest", Self::OneVsRest),
        ("linear_regression", Self::LinearRegression),
    ];

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// The name in SQL.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Whether it makes a vector of a vector, which further steps may take.
    pub fn is_transform(self) -> bool {
        matches!(self, Self::StandardScaler | Self::Pca)
    }

    /// Whether it says one of several classes.
    pub fn is_classifier(self) -> bool {
        matches!(self, Self::LogisticRegression | Self::OneVsRest)
    }

    /// Whether it is fitted to a label.
    pub fn has_label(self) -> bool {
        self.is_classifier() || self == Self::LinearRegression
    }
}

/// What a fitted step makes of vectors.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few")]
pub(super) enum Apply {
    /// Means and standard deviations.
    Scores(Vec<f64>, Vec<f64>),
    /// The mean, and components one behind the other.
    Projection(Vec<f64>, Vec<f64>),
    Predictor(Predictor),
}

impl Apply {
    /// Reads the numbers of a step.
    ///
    /// # Errors
    /// Numbers that are missing, or too few or too many.
    pub(super) fn try_new(kind: StepKind, numbers: &[Numbers]) -> Result<Self> {
        let find = |name: &str| {
            let found = numbers.iter().find(|numbers| numbers.name == name);
            found.ok_or_else(|| internal_datafusion_err!("a fitted {} has no {name}", kind.name()))
        };
        let check = |is_right: bool| match is_right {
            true => Ok(()),
            false => exec_err!("the numbers of a fitted {} don't go together", kind.name()),
        };
        Ok(match kind {
            StepKind::StandardScaler => {
                let (mean, std) = (find("mean")?, find("std")?);
                check(mean.values.len() == std.values.len() && !mean.values.is_empty())?;
                Self::Scores(mean.values.clone(), std.values.clone())
            }
            StepKind::Pca => {
                let (mean, components) = (find("mean")?, find("components")?);
                let [count, length] = components.shape.as_slice() else {
                    return check(false).map(|()| Self::nothing());
                };
                let is_right = *length == mean.values.len() && !mean.values.is_empty();
                check(is_right && count.checked_mul(*length) == Some(components.values.len()))?;
                Self::Projection(mean.values.clone(), components.values.clone())
            }
            other => {
                let predictor = Predictor::new(other.name(), numbers);
                Self::Predictor(predictor.map_err(|error| datafusion::common::exec_datafusion_err!("{error}"))?)
            }
        })
    }

    fn nothing() -> Self {
        Self::Scores(Vec::new(), Vec::new())
    }

    /// How many numbers a vector must have.
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Scores(mean, _) | Self::Projection(mean, _) => mean.len(),
            Self::Predictor(predictor) => predictor.columns(),
        }
    }

    /// How many numbers come out of a transform.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Scores(mean, _) => mean.len(),
            Self::Projection(mean, components) => components.len() / mean.len().max(1),
            Self::Predictor(_) => 1,
        }
    }

    /// Transforms vectors that lie one behind the other; a predictor leaves them as they are.
    pub(super) fn transform(&self, x: Vec<f64>) -> Vec<f64> {
        match self {
            Self::Scores(mean, std) => {
                let mut x = x;
                for row in x.chunks_exact_mut(mean.len()) {
                    for ((x, mean), std) in row.iter_mut().zip(mean).zip(std) {
                        // A constant has no deviation; what is no number stays none.
                        *x = if *std == 0.0 { (*x - mean).abs() * 0.0 } else { (*x - mean) / std };
                    }
                }
                x
            }
            Self::Projection(mean, components) => {
                let mut projected = Vec::with_capacity(x.len() / mean.len() * self.outputs());
                let mut centred = vec![0.0; mean.len()];
                for row in x.chunks_exact(mean.len()) {
                    for ((centred, x), mean) in centred.iter_mut().zip(row).zip(mean) {
                        *centred = x - mean;
                    }
                    projected.extend(components.chunks_exact(mean.len()).map(|component| dot(component, &centred)));
                }
                projected
            }
            Self::Predictor(_) => x,
        }
    }

    /// What predicts; `None` of a transform.
    pub(super) fn predictor(&self) -> Option<&Predictor> {
        match self {
            Self::Predictor(predictor) => Some(predictor),
            _ => None,
        }
    }
}
