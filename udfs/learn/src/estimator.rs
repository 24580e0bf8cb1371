//! What learns: an estimator, and its fit under way.

use crate::error::Error;
use crate::fitted::Fitted;
use crate::kmeans::{self, KMeans};
use crate::linear::{self, Linear};
use crate::logistic::Logistic;
use crate::pass::{Kind, Pass};
use crate::sums::{State, Sums};

pub(crate) const LOGISTIC_REGRESSION: &str = "logistic_regression";
pub(crate) const ONE_VS_REST: &str = "one_vs_rest";

/// What is to be learned from rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimator {
    /// Clusters, so that squared distances to their centres are small.
    KMeans {
        /// How many clusters.
        k: usize,
        /// Picks the start.
        seed: u64,
    },
    /// Classes by their log-odds, all at once.
    LogisticRegression {
        /// How many classes, which labels number from 0.
        classes: usize,
        /// Half of it times the sum of the squared coefficients is added to the loss; scikit-learn's C is 1 / l2.
        l2: f64,
    },
    /// Classes by a logistic regression of each class against all others.
    OneVsRest {
        /// How many classes, which labels number from 0.
        classes: usize,
        /// As of the logistic regression.
        l2: f64,
    },
    /// A number, by ordinary least squares.
    LinearRegression,
}

impl Estimator {
    /// Begins a fit to rows of these columns, whose names messages have.
    ///
    /// # Errors
    /// Arguments that are out of range, and sizes that fit into no memory.
    pub fn fitting(&self, columns: Vec<String>) -> Result<Fitting, Error> {
        let step = match self {
            Self::KMeans { .. } => kmeans::STEP,
            Self::LogisticRegression { .. } => LOGISTIC_REGRESSION,
            Self::OneVsRest { .. } => ONE_VS_REST,
            Self::LinearRegression => linear::STEP,
        };
        if columns.is_empty() {
            return Err(Error::NoColumns { step });
        }
        let count = columns.len();
        let method = match *self {
            Self::KMeans { k, seed } => Method::KMeans(KMeans::new(k, seed, count)?),
            Self::LogisticRegression { classes, l2 } => {
                Method::Logistic(Logistic::new(step, classes, l2, false, columns)?)
            }
            Self::OneVsRest { classes, l2 } => Method::Logistic(Logistic::new(step, classes, l2, true, columns)?),
            Self::LinearRegression => Method::Linear(Linear::new(columns)?),
        };
        let mut fitting = Fitting { columns: count, method, pass: None };
        fitting.plan();
        Ok(fitting)
    }
}

/// A fit under way: a pass over all rows after the other, until there is none.
#[derive(Debug)]
pub struct Fitting {
    columns: usize,
    method: Method,
    pass: Option<Pass>,
}

#[derive(Debug)]
enum Method {
    KMeans(KMeans),
    Logistic(Logistic),
    Linear(Linear),
}

/// How far a fit is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Rounds so far.
    pub round: usize,
    /// What is made smaller, and how large it was in the last pass.
    pub objective: Option<(&'static str, f64)>,
}

impl Fitting {
    /// The pass that is next; `None` if the fit is done.
    pub fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }

    /// Takes what the pass has found in all rows.
    ///
    /// # Errors
    /// Rows that nothing can be learned from, and sums of another pass. There is no way on then.
    pub fn take(&mut self, sums: &Sums) -> Result<(), Error> {
        if self.pass.is_none() {
            return Err(Error::OtherPass("the fit is done"));
        }
        self.pass = None;
        sums.check(self.columns)?;
        match (&mut self.method, sums.state()) {
            (Method::KMeans(fit), State::KMeans(found)) => fit.take(found, sums.rows())?,
            (Method::Logistic(fit), State::Logistic(found)) => fit.take(found, sums.rows())?,
            (Method::Linear(fit), State::Linear(found)) => fit.take(found)?,
            _ => return Err(Error::OtherPass("they are of another step")),
        }
        self.plan();
        Ok(())
    }

    fn plan(&mut self) {
        let kind = match &self.method {
            Method::KMeans(fit) => fit.pass().cloned().map(Kind::KMeans),
            Method::Logistic(fit) => fit.pass().cloned().map(Kind::Logistic),
            Method::Linear(fit) => (!fit.is_done()).then_some(Kind::Linear),
        };
        self.pass = kind.map(|kind| Pass::new(self.columns, kind));
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        match &self.method {
            Method::KMeans(fit) => Progress { round: fit.rounds, objective: fit.cost.map(|cost| ("cost", cost)) },
            Method::Logistic(fit) => Progress { round: fit.rounds(), objective: fit.loss().map(|loss| ("loss", loss)) },
            Method::Linear(fit) => Progress { round: usize::from(fit.is_done()), objective: None },
        }
    }

    /// The fit, when there is no pass left.
    ///
    /// # Errors
    /// A fit that isn't done.
    pub fn finish(self) -> Result<Fitted, Error> {
        match self.method {
            Method::KMeans(fit) => fit.finish(),
            Method::Logistic(fit) => fit.finish(),
            Method::Linear(fit) => fit.finish(),
        }
    }
}
