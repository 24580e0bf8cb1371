//! Spread: what differs between repetitions, between executors, and before the first batch.

use std::collections::BTreeMap;

use super::measurements::Measurement;
use super::query::{QueryRows, only};
use crate::engine::Engine;
use crate::error::Result;

/// How much measurements of the same combination differ.
#[derive(Debug, Default)]
pub(super) struct Spreads {
    pub(super) repetitions: Option<Repetitions>,
    /// The mean of first repetitions by that of later ones, over combinations that have both.
    pub(super) first_by_later: Option<f64>,
    pub(super) executors: Vec<Executor>,
    /// No combination was measured on two executors, as in one test on a cluster: they are compared by all that each measured.
    pub(super) executors_differ: bool,
    pub(super) first_batches: Vec<FirstBatch>,
}

/// Standard deviations of a combination's repetitions, as shares of their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Repetitions {
    pub(super) combinations: u64,
    pub(super) median: f64,
    pub(super) most: f64,
    /// Series, batch size and batch number of the most.
    pub(super) most_at: (i64, i64, i64),
    /// Whether they ran on the same executor, in the same run, with the cache in the same state.
    pub(super) is_alike: bool,
}

/// An executor, compared with all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Executor {
    pub(super) name: String,
    /// Throughput by the mean of the same combination, or of the same series where no combination is shared.
    pub(super) ratios: Vec<f64>,
    pub(super) mean: f64,
}

/// The time until the first batch of a series was there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FirstBatch {
    pub(super) series: i64,
    pub(super) n: u64,
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spreads {
    pub(super) async fn of(engine: &Engine, measurements: &[Measurement]) -> Result<Self> {
        let same = executors(measurements, Measurement::combination);
        let executors_differ = same.is_empty();
        Ok(Self {
            repetitions: repetitions(engine).await?,
            first_by_later: first_by_later(engine).await?,
            executors: if executors_differ { executors(measurements, |one| one.series) } else { same },
            executors_differ,
            first_batches: first_batches(engine).await?,
        })
    }
}

/// Repetitions that are as much alike as there are, so that what differs by executor or cache isn't counted here.
async fn repetitions(engine: &Engine) -> Result<Option<Repetitions>> {
    for (alike, is_alike) in [(", host, executor, cache, run", true), ("", false)] {
        let rows = QueryRows::of(
            engine,
            &format!(
                "WITH spreads AS (
                     SELECT series, batch_size, batch_number, stddev_samp(images_per_second) / avg(images_per_second) AS spread
                     FROM measured GROUP BY series, batch_size, batch_number{alike} HAVING count(*) > 1)
                 SELECT count(*) OVER () AS combinations, median(spread) OVER () AS median, spread AS most,
                        series, batch_size, batch_number
                 FROM spreads ORDER BY spread DESC, series, batch_size, batch_number LIMIT 1"
            ),
        )
        .await?;
        let number = |name: &str| -> Result<Option<f64>> { Ok(only(&rows.numbers(name)?)) };
        let integer = |name: &str| -> Result<i64> { Ok(only(&rows.integers(name)?).unwrap_or_default()) };
        if let (Some(median), Some(most)) = (number("median")?, number("most")?) {
            return Ok(Some(Repetitions {
                combinations: integer("combinations")?.unsigned_abs(),
                median,
                most,
                most_at: (integer("series")?, integer("batch_size")?, integer("batch_number")?),
                is_alike,
            }));
        }
    }
    Ok(None)
}

async fn first_by_later(engine: &Engine) -> Result<Option<f64>> {
    let rows = QueryRows::of(
        engine,
        "SELECT exp(avg(ln(first / later))) AS ratio FROM (
             SELECT avg(images_per_second) FILTER (WHERE repetition = 1) AS first,
                    avg(images_per_second) FILTER (WHERE repetition > 1) AS later
             FROM measured GROUP BY series, batch_size, batch_number, host, executor, cache, run)
         WHERE first > 0 AND later > 0",
    )
    .await?;
    Ok(only(&rows.numbers("ratio")?))
}

/// Each measurement is compared with the mean of its group, of which several executors have measured some.
fn executors<K: Ord>(measurements: &[Measurement], group: impl Fn(&Measurement) -> K) -> Vec<Executor> {
    let mut groups: BTreeMap<K, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for measurement in measurements {
        let executors = groups.entry(group(measurement)).or_default();
        executors.entry(&measurement.executor).or_default().push(measurement.images_per_second);
    }
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for executors in groups.values().filter(|executors| executors.len() > 1) {
        // The mean of executors' means: one with more repetitions doesn't pull the mean to itself.
        let all = mean(executors.values().map(|values| mean(values.iter().copied())));
        for (name, values) in executors {
            ratios.entry(name).or_default().extend(values.iter().map(|value| value / all));
        }
    }
    let executor = |(name, ratios): (&str, Vec<f64>)| {
        let mean = mean(ratios.iter().copied());
        Executor { name: name.to_string(), ratios, mean }
    };
    ratios.into_iter().map(executor).collect()
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

async fn first_batches(engine: &Engine) -> Result<Vec<FirstBatch>> {
    let rows = QueryRows::of(
        engine,
        "SELECT series, count(*) AS n, median(first_batch_seconds) AS median, min(first_batch_seconds) AS min,
                max(first_batch_seconds) AS max
         FROM measured WHERE first_batch_seconds IS NOT NULL GROUP BY series ORDER BY series",
    )
    .await?;
    let (series, n) = (rows.integers("series")?, rows.integers("n")?);
    let (median, min, max) = (rows.numbers("median")?, rows.numbers("min")?, rows.numbers("max")?);
    let first = |row: usize| FirstBatch {
        series: series[row].unwrap_or_default(),
        n: n[row].unwrap_or_default().unsigned_abs(),
        median: median[row].unwrap_or_default(),
        min: min[row].unwrap_or_default(),
        max: max[row].unwrap_or_default(),
    };
    Ok((0..rows.len()).map(first).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(executor: &str, batch_size: i64, images_per_second: f64) -> Measurement {
        Measurement {
            series: 1,
            batch_size,
            batch_number: 3,
            images: 6.0,
            bytes: 600.0,
            seconds: 1.0,
            images_per_second,
            first_batch_seconds: None,
            executor: executor.to_string(),
            is_cold: false,
        }
    }

    #[test]
    fn executors_are_compared_where_they_measured_the_same() {
        let all = [
            measurement("a", 2, 80.0),
            measurement("a", 2, 80.0),
            measurement("b", 2, 120.0),
            // Nobody else has measured this.
            measurement("b", 4, 900.0),
        ];
        let apart = executors(&all[2..], |one| one.series);
        assert!(apart.is_empty(), "there is one");
        let by_series = executors(&all, |one| one.series);
        assert_eq!(by_series[0].ratios.len() + by_series[1].ratios.len(), 4);
        let executors = executors(&all, Measurement::combination);
        assert_eq!(executors.iter().map(|executor| executor.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!([executors[0].mean, executors[1].mean], [0.8, 1.2]);
        assert_eq!(executors[1].ratios.len(), 1);
    }
}
