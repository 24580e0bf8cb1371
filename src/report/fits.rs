//! Straight lines through throughput, and where they don't fit.

use std::collections::BTreeMap;

use super::measurements::Measurement;
use super::query::QueryRows;
use super::series::Series;
use super::spread::mean;
use crate::engine::Engine;
use crate::error::Result;

/// A least-squares fit, as `linear_regression` gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    pub(super) intercept: f64,
    /// `None` where a predictor is constant or follows from others.
    pub(super) coefficients: Vec<Option<f64>>,
    pub(super) r2: Option<f64>,
    pub(super) intercept_standard_error: Option<f64>,
    pub(super) standard_errors: Vec<Option<f64>>,
    pub(super) residual_standard_error: Option<f64>,
    pub(super) n: u64,
}

impl Fit {
    pub(super) fn at(&self, predictors: &[f64]) -> f64 {
        let terms = self.coefficients.iter().zip(predictors);
        self.intercept + terms.map(|(coefficient, value)| coefficient.unwrap_or(0.0) * value).sum::<f64>()
    }

    /// Whether y grows with the first predictor.
    fn rises(&self) -> bool {
        self.coefficients.first().copied().flatten().is_some_and(|coefficient| coefficient > 0.0)
    }

    /// Whether any predictor tells anything.
    fn has_slope(&self) -> bool {
        self.coefficients.iter().any(Option::is_some)
    }
}

/// Fits of each series that has enough measurements.
pub(super) async fn fits(engine: &Engine, y: &str, predictors: &[&str]) -> Result<BTreeMap<i64, Fit>> {
    let sql = format!(
        "SELECT series, fit['intercept'] AS intercept, fit['coefficients'] AS coefficients, fit['r2'] AS r2,
                fit['intercept_standard_error'] AS intercept_standard_error, fit['standard_errors'] AS standard_errors,
                fit['residual_standard_error'] AS residual_standard_error, fit['n'] AS n
         FROM (SELECT series, linear_regression({y}, {}) AS fit FROM measured GROUP BY series)",
        predictors.join(", ")
    );
    let rows = QueryRows::of(engine, &sql).await?;
    let (series, intercept, r2) = (rows.integers("series")?, rows.numbers("intercept")?, rows.numbers("r2")?);
    let (coefficients, standard_errors) = (rows.lists("coefficients")?, rows.lists("standard_errors")?);
    let intercept_error = rows.numbers("intercept_standard_error")?;
    let (residual, n) = (rows.numbers("residual_standard_error")?, rows.integers("n")?);
    let fit = |row: usize| {
        let fit = Fit {
            intercept: intercept[row]?,
            coefficients: coefficients[row].clone(),
            r2: r2[row].filter(|r2| r2.is_finite()),
            intercept_standard_error: intercept_error[row],
            standard_errors: standard_errors[row].clone(),
            residual_standard_error: residual[row],
            n: n[row].unwrap_or_default().unsigned_abs(),
        };
        // With no more measurements than coefficients, every line is a perfect one.
        Some((series[row]?, fit)).filter(|(_, fit)| fit.has_slope() && fit.residual_standard_error.is_some())
    };
    Ok((0..rows.len()).filter_map(fit).collect())
}

/// What throughput is explained by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Predictors {
    BatchSize,
    BatchNumber,
    Product,
    All,
}

impl Predictors {
    pub(super) const EACH: [Self; 4] = [Self::BatchSize, Self::BatchNumber, Self::Product, Self::All];

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::BatchSize => &["batch_size"],
            Self::BatchNumber => &["batch_number"],
            Self::Product => &["product"],
            Self::All => &["batch_size", "batch_number", "product"],
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::BatchSize => "batch size",
            Self::BatchNumber => "batch number",
            Self::Product => "product",
            Self::All => "all three",
        }
    }

    pub(super) fn of(self, measurement: &Measurement) -> Vec<f64> {
        let (size, number) = (measurement.batch_size as f64, measurement.batch_number as f64);
        match self {
            Self::BatchSize => vec![size],
            Self::BatchNumber => vec![number],
            Self::Product => vec![size * number],
            Self::All => vec![size, number, size * number],
        }
    }
}

/// The linear fits of a series, and where they break down.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    pub(super) series: i64,
    pub(super) fits: BTreeMap<Predictors, Fit>,
    /// R2 on the logarithm of the product, if throughput grows with it.
    pub(super) log_product_r2: Option<f64>,
    /// Combinations for which the fit on all three predicts no throughput or less.
    pub(super) negative: Vec<(i64, i64)>,
    /// Combinations whose mean residual of that fit is beyond two residual standard errors, in these.
    pub(super) far: Vec<((i64, i64), f64)>,
    /// How well seconds follow from the predicted throughput, and of how many measurements that can't be said.
    pub(super) seconds_r2: Option<(f64, usize)>,
}

impl Linear {
    pub(super) fn r2(&self, predictors: Predictors) -> Option<f64> {
        self.fits.get(&predictors).and_then(|fit| fit.r2)
    }

    /// The single predictor that explains most.
    pub(super) fn best(&self) -> Option<(Predictors, f64)> {
        let single = [Predictors::BatchSize, Predictors::BatchNumber, Predictors::Product];
        let explained = single.into_iter().filter_map(|predictors| Some((predictors, self.r2(predictors)?)));
        explained.max_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// Throughput as the fit on all three predicts it.
    pub(super) fn predicted(&self, measurement: &Measurement) -> Option<f64> {
        Some(self.fits.get(&Predictors::All)?.at(&Predictors::All.of(measurement)))
    }

    fn look_at(&mut self, measurements: &[&Measurement]) {
        let Some(fit) = self.fits.get(&Predictors::All) else { return };
        let mut combinations: BTreeMap<_, Vec<&Measurement>> = BTreeMap::new();
        for measurement in measurements {
            let key = (measurement.product(), measurement.batch_size, measurement.batch_number);
            combinations.entry(key).or_default().push(measurement);
        }
        for ((_, size, number), same) in combinations {
            let Some(predicted) = same.first().map(|measurement| fit.at(&Predictors::All.of(measurement))) else {
                continue;
            };
            if predicted <= 0.0 {
                self.negative.push((size, number));
            }
            let residual = mean(same.iter().map(|measurement| measurement.images_per_second)) - predicted;
            if let Some(error) = fit.residual_standard_error.filter(|error| *error > 0.0)
                && residual.abs() > 2.0 * error
            {
                self.far.push(((size, number), residual / error));
            }
        }
        let possible = measurements.iter().filter_map(|measurement| {
            let predicted = fit.at(&Predictors::All.of(measurement));
            (predicted > 0.0).then(|| (measurement.seconds, measurement.images / predicted))
        });
        let possible: Vec<(f64, f64)> = possible.collect();
        let left_out = measurements.len() - possible.len();
        self.seconds_r2 = r2_of(&possible).map(|r2| (r2, left_out));
    }
}

/// The share of the variance of seen values that predicted ones explain: below 0 where their mean would be nearer.
pub(super) fn r2_of(seen_and_predicted: &[(f64, f64)]) -> Option<f64> {
    let mean = mean(seen_and_predicted.iter().map(|(seen, _)| *seen));
    let total: f64 = seen_and_predicted.iter().map(|(seen, _)| (seen - mean).powi(2)).sum();
    let residual: f64 = seen_and_predicted.iter().map(|(seen, predicted)| (seen - predicted).powi(2)).sum();
    (total > 0.0).then(|| 1.0 - residual / total)
}

/// The linear fits of all series.
pub(super) async fn linear(engine: &Engine, series: &[Series], measurements: &[Measurement]) -> Result<Vec<Linear>> {
    let mut by_predictors = Vec::new();
    for predictors in Predictors::EACH {
        by_predictors.push((predictors, fits(engine, "images_per_second", predictors.columns()).await?));
    }
    let log = fits(engine, "images_per_second", &["ln(product)"]).await?;
    let of_series = |series: &Series| {
        let own = by_predictors.iter().filter_map(|(predictors, fits)| Some((*predictors, fits.get(&series.number)?)));
        let mut linear = Linear {
            series: series.number,
            fits: own.map(|(predictors, fit)| (predictors, fit.clone())).collect(),
            log_product_r2: log.get(&series.number).filter(|fit| fit.rises()).and_then(|fit| fit.r2),
            negative: Vec::new(),
            far: Vec::new(),
            seconds_r2: None,
        };
        let own: Vec<&Measurement> = measurements.iter().filter(|one| one.series == series.number).collect();
        linear.look_at(&own);
        linear
    };
    Ok(series.iter().map(of_series).collect())
}
