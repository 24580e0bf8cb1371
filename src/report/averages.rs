//! Averages of throughput by each parameter, of all measurements behind each.

use super::query::QueryRows;
use crate::engine::Engine;
use crate::error::Result;

/// Throughput of some measurements.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Average {
    pub(super) series: i64,
    /// The parameter's value; `None` where all values are taken together.
    pub(super) value: Option<i64>,
    pub(super) n: u64,
    pub(super) images_per_second: Spread,
    pub(super) mb_per_second: Spread,
}

/// How some values are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// `None` of one value.
    pub(super) deviation: Option<f64>,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// Averages by every parameter.
#[derive(Debug, Default)]
pub(super) struct Averages {
    pub(super) by_series: Vec<Average>,
    pub(super) by_batch_size: Vec<Average>,
    pub(super) by_batch_number: Vec<Average>,
    pub(super) by_product: Vec<Average>,
}

impl Averages {
    pub(super) async fn of(engine: &Engine) -> Result<Self> {
        Ok(Self {
            by_series: by(engine, "CAST(NULL AS BIGINT)").await?,
            by_batch_size: by(engine, "batch_size").await?,
            by_batch_number: by(engine, "batch_number").await?,
            by_product: by(engine, "product").await?,
        })
    }
}

async fn by(engine: &Engine, parameter: &str) -> Result<Vec<Average>> {
    let measures = ["images_per_second", "mb_per_second"].map(|measure| {
        format!(
            "avg({measure}) AS {measure}_mean, stddev_samp({measure}) AS {measure}_deviation,
             min({measure}) AS {measure}_min, max({measure}) AS {measure}_max"
        )
    });
    // Means of means would give combinations with few repetitions the weight of those with many: here each measurement counts once.
    let rows = QueryRows::of(
        engine,
        &format!(
            "SELECT series, parameter, count(*) AS n, {}
             FROM (SELECT *, {parameter} AS parameter FROM measured) GROUP BY series, parameter ORDER BY parameter, series",
            measures.join(", ")
        ),
    )
    .await?;
    let (series, values, n) = (rows.integers("series")?, rows.integers("parameter")?, rows.integers("n")?);
    let images = spreads(&rows, "images_per_second", &n)?;
    let mb = spreads(&rows, "mb_per_second", &n)?;
    let average = |row: usize| Average {
        series: series[row].unwrap_or_default(),
        value: values[row],
        n: n[row].unwrap_or_default().unsigned_abs(),
        images_per_second: images[row],
        mb_per_second: mb[row],
    };
    Ok((0..rows.len()).map(average).collect())
}

fn spreads(rows: &QueryRows, measure: &str, n: &[Option<i64>]) -> Result<Vec<Spread>> {
    let column = |what: &str| rows.numbers(&format!("{measure}_{what}"));
    let (mean, deviation, min, max) = (column("mean")?, column("deviation")?, column("min")?, column("max")?);
    let spread = |row: usize| Spread {
        mean: mean[row].unwrap_or_default(),
        deviation: deviation[row].filter(|_| n[row] > Some(1)),
        min: min[row].unwrap_or_default(),
        max: max[row].unwrap_or_default(),
    };
    Ok((0..rows.len()).map(spread).collect())
}
