//! What a fitted step says of rows.

use pulp::{Arch, Simd, WithSimd};

use crate::error::Error;
use crate::estimator::{LOGISTIC_REGRESSION, ONE_VS_REST};
use crate::fitted::Numbers;
use crate::functions::exp;
use crate::kmeans;
use crate::linear;
use crate::logistic::scores;
use crate::strip::{Lanes, ROWS, Strip, nearest};

/// A fitted step that predicts.
#[derive(Debug, Clone, PartialEq)]
pub enum Predictor {
    /// The nearest centre.
    KMeans(Centres),
    /// The likeliest class.
    LogisticRegression(Classes),
    /// The class that is likeliest against all others.
    OneVsRest(Classes),
    /// A value.
    LinearRegression(Line),
}

/// Centres of clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Centres {
    columns: usize,
    values: Vec<f64>,
}

/// Coefficients and an intercept for each class, or for the second of two.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    columns: usize,
    points: Vec<f64>,
}

/// Coefficients, then an intercept.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    point: Vec<f64>,
}

impl Predictor {
    /// Makes one of the numbers of a fit, which may come from a file.
    ///
    /// # Errors
    /// Numbers that no fit of this step can have.
    pub fn new(estimator_name: &str, numbers: &[Numbers]) -> Result<Self, Error> {
        let given = Given { step: estimator_name, numbers };
        match estimator_name {
            kmeans::STEP => {
                let (k, columns, values) = given.matrix("centres")?;
                if k == 0 { given.wrong("centres", "are none") } else { Ok(Self::KMeans(Centres { columns, values })) }
            }
            LOGISTIC_REGRESSION | ONE_VS_REST => {
                let (m, columns, values) = given.matrix("coefficients")?;
                let intercepts = given.vector("intercepts", m)?;
                let is_one_vs_rest = estimator_name == ONE_VS_REST;
                if m == 0 || m == 2 && !is_one_vs_rest || m == 1 && is_one_vs_rest {
                    return given.wrong("coefficients", &format!("are of {m} classes"));
                }
                let rows = values.chunks_exact(columns).zip(&intercepts);
                let points = rows.flat_map(|(row, intercept)| row.iter().copied().chain([*intercept])).collect();
                let classes = Classes { columns, points };
                Ok(if is_one_vs_rest { Self::OneVsRest(classes) } else { Self::LogisticRegression(classes) })
            }
            linear::STEP => {
                let coefficients = given.get("coefficients")?;
                let columns = coefficients.values.len();
                if coefficients.shape != [columns] || columns == 0 {
                    return given.wrong("coefficients", "have another shape");
                }
                // A column that the fit left out counts as 0.
                let mut point: Vec<f64> =
                    coefficients.values.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).collect();
                let intercept = given.get("intercept")?;
                match (&intercept.shape[..], &intercept.values[..]) {
                    ([], [value]) => point.push(*value),
                    _ => return given.wrong("intercept", "is not one number"),
                }
                given.check_finite("coefficients", &point)?;
                Ok(Self::LinearRegression(Line { point }))
            }
            _ => Err(Error::UnknownStep(estimator_name.to_string())),
        }
    }

    /// How many numbers a row has.
    pub fn columns(&self) -> usize {
        match self {
            Self::KMeans(centres) => centres.columns,
            Self::LogisticRegression(classes) | Self::OneVsRest(classes) => classes.columns,
            Self::LinearRegression(line) => line.point.len() - 1,
        }
    }

    /// How many classes it tells apart; `None` of those that know no classes.
    pub fn classes(&self) -> Option<usize> {
        let (Self::LogisticRegression(classes) | Self::OneVsRest(classes)) = self else { return None };
        let points = classes.points.len() / (classes.columns + 1);
        // One tells two classes apart.
        Some(points.max(2))
    }

    /// Appends a number for each of some rows: its cluster or class, from 0, or its value.
    pub fn predict(&self, x: &[f64], out: &mut Vec<f64>) {
        Arch::new().dispatch(Say { predictor: self, what: What::Prediction, x, out });
    }

    /// Appends the probabilities of all classes for each of some rows; false where the step has none.
    pub fn probabilities(&self, x: &[f64], out: &mut Vec<f64>) -> bool {
        let has_some = matches!(self, Self::LogisticRegression(_) | Self::OneVsRest(_));
        if has_some {
            Arch::new().dispatch(Say { predictor: self, what: What::Probabilities, x, out });
        }
        has_some
    }

    /// Appends the squared distance to the nearest centre for each of some rows; false for others than k-means.
    pub fn distances(&self, x: &[f64], out: &mut Vec<f64>) -> bool {
        let has_some = matches!(self, Self::KMeans(_));
        if has_some {
            Arch::new().dispatch(Say { predictor: self, what: What::Distances, x, out });
        }
        has_some
    }
}

/// What is said of rows.
#[derive(Clone, Copy)]
enum What {
    Prediction,
    Probabilities,
    Distances,
}

/// Compiled for each width of vectors.
struct Say<'a> {
    predictor: &'a Predictor,
    what: What,
    x: &'a [f64],
    out: &'a mut Vec<f64>,
}

impl WithSimd for Say<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let columns = self.predictor.columns();
        let mut strip = Strip::default();
        let mut of_classes = Vec::new();
        for rows in self.x.chunks(ROWS * columns) {
            strip.fill(rows, columns);
            let count = rows.len() / columns;
            match self.predictor {
                Predictor::KMeans(centres) => {
                    let (mut least, mut places) = ([0.0; ROWS], [0.0; ROWS]);
                    nearest(&strip.columns, &centres.values, &mut least, &mut places);
                    let said = if matches!(self.what, What::Distances) { &least } else { &places };
                    self.out.extend_from_slice(&said[..count]);
                }
                Predictor::LinearRegression(line) => {
                    self.out.extend_from_slice(&scores(&strip.columns, &line.point)[..count]);
                }
                Predictor::LogisticRegression(classes) | Predictor::OneVsRest(classes) => {
                    classes.scores(&strip, &mut of_classes);
                    if matches!(self.what, What::Probabilities) {
                        let is_one_vs_rest = matches!(self.predictor, Predictor::OneVsRest(_));
                        probabilities(&mut of_classes, is_one_vs_rest, count, self.out);
                    } else {
                        likeliest(&of_classes, count, self.out);
                    }
                }
            }
        }
    }
}

/// The class with the highest score, of equal ones the first.
#[inline(always)]
fn likeliest(scores: &[Lanes], count: usize, out: &mut Vec<f64>) {
    let (mut largest, mut place) = ([f64::NEG_INFINITY; ROWS], [0.0; ROWS]);
    if scores.len() == 1 {
        // The other class has score 0.
        largest = [0.0; ROWS];
    }
    let first = if scores.len() == 1 { 1 } else { 0 };
    for (class, scores) in (first..).zip(scores) {
        for lane in 0..ROWS {
            let is_larger = scores[lane] > largest[lane];
            largest[lane] = if is_larger { scores[lane] } else { largest[lane] };
            place[lane] = if is_larger { f64::from(class) } else { place[lane] };
        }
    }
    out.extend_from_slice(&place[..count]);
}

/// Appends the probabilities of each row; uses up the scores.
#[inline(always)]
fn probabilities(scores: &mut [Lanes], is_one_vs_rest: bool, count: usize, out: &mut Vec<f64>) {
    if let [second] = scores {
        for score in &second[..count] {
            out.extend_from_slice(&[sigmoid(-score), sigmoid(*score)]);
        }
        return;
    }
    let mut largest = [f64::NEG_INFINITY; ROWS];
    for scores in scores.iter() {
        for lane in 0..ROWS {
            largest[lane] = largest[lane].max(scores[lane]);
        }
    }
    let mut sums = [0.0; ROWS];
    for scores in scores.iter_mut() {
        for lane in 0..ROWS {
            let score = scores[lane];
            scores[lane] = if is_one_vs_rest { sigmoid(score) } else { exp(score - largest[lane]) };
            sums[lane] += scores[lane];
        }
    }
    for lane in 0..count {
        for scores in scores.iter() {
            out.push(scores[lane] / sums[lane]);
        }
    }
}

impl Classes {
    #[inline(always)]
    fn scores(&self, strip: &Strip, out: &mut Vec<Lanes>) {
        out.clear();
        for point in self.points.chunks_exact(self.columns + 1) {
            out.push(scores(&strip.columns, point));
        }
    }
}

#[inline(always)]
fn sigmoid(x: f64) -> f64 {
    let small = exp(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// The numbers of a step, none of which is trusted.
struct Given<'a> {
    step: &'a str,
    numbers: &'a [Numbers],
}

impl Given<'_> {
    fn wrong<T>(&self, name: &str, wrong: &str) -> Result<T, Error> {
        Err(Error::Model { step: self.step.to_string(), name: name.to_string(), wrong: wrong.to_string() })
    }

    fn get(&self, name: &str) -> Result<&Numbers, Error> {
        match self.numbers.iter().find(|numbers| numbers.name == name) {
            Some(numbers) => Ok(numbers),
            None => self.wrong(name, "are not there"),
        }
    }

    fn check_finite(&self, name: &str, values: &[f64]) -> Result<(), Error> {
        let strange = values.iter().find(|value| !value.is_finite());
        strange.map_or(Ok(()), |value| self.wrong(name, &format!("must be finite, got {value}")))
    }

    fn matrix(&self, name: &str) -> Result<(usize, usize, Vec<f64>), Error> {
        let numbers = self.get(name)?;
        let &[rows, columns] = &numbers.shape[..] else { return self.wrong(name, "have another shape") };
        if columns == 0 || rows.checked_mul(columns) != Some(numbers.values.len()) {
            return self.wrong(name, "have another shape");
        }
        self.check_finite(name, &numbers.values)?;
        Ok((rows, columns, numbers.values.clone()))
    }

    fn vector(&self, name: &str, count: usize) -> Result<Vec<f64>, Error> {
        let numbers = self.get(name)?;
        if numbers.shape != [count] || numbers.values.len() != count {
            return self.wrong(name, "have another shape");
        }
        self.check_finite(name, &numbers.values)?;
        Ok(numbers.values.clone())
    }
}
