//! Measurements one by one, for charts and for what fits leave unexplained.

use super::query::QueryRows;
use crate::engine::Engine;
use crate::error::Result;

/// One repetition of reading some batches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measurement {
    pub(super) series: i64,
    pub(super) batch_size: i64,
    pub(super) batch_number: i64,
    pub(super) images: f64,
    pub(super) bytes: f64,
    pub(super) seconds: f64,
    pub(super) images_per_second: f64,
    pub(super) first_batch_seconds: Option<f64>,
    pub(super) executor: String,
    pub(super) is_cold: bool,
}

impl Measurement {
    /// Images that were asked for.
    pub(super) fn product(&self) -> i64 {
        self.batch_size * self.batch_number
    }

    /// What is measured again with each repetition.
    pub(super) fn combination(&self) -> (i64, i64, i64) {
        (self.series, self.batch_size, self.batch_number)
    }
}

/// All measurements, series by series.
pub(super) async fn all(engine: &Engine) -> Result<Vec<Measurement>> {
    // A process is named by its executor; where there is none, by the machine.
    let rows = QueryRows::of(
        engine,
        "SELECT series, batch_size, batch_number, images, bytes, seconds, images_per_second, first_batch_seconds,
                CASE WHEN executor = 'local' OR executor IS NULL THEN coalesce(host, 'not known') ELSE executor END AS executor,
                cache IS NOT DISTINCT FROM 'cold' AS is_cold
         FROM measured ORDER BY series, product, batch_size, repetition, started_at",
    )
    .await?;
    let (series, batch_size) = (rows.integers("series")?, rows.integers("batch_size")?);
    let (batch_number, images) = (rows.integers("batch_number")?, rows.numbers("images")?);
    let (bytes, seconds) = (rows.numbers("bytes")?, rows.numbers("seconds")?);
    let (images_per_second, first) = (rows.numbers("images_per_second")?, rows.numbers("first_batch_seconds")?);
    let (executor, is_cold) = (rows.texts("executor")?, rows.truths("is_cold")?);
    let measurement = |row: usize| Measurement {
        series: series[row].unwrap_or_default(),
        batch_size: batch_size[row].unwrap_or_default(),
        batch_number: batch_number[row].unwrap_or_default(),
        images: images[row].unwrap_or_default(),
        bytes: bytes[row].unwrap_or_default(),
        seconds: seconds[row].unwrap_or_default(),
        images_per_second: images_per_second[row].unwrap_or_default(),
        first_batch_seconds: first[row],
        executor: executor[row].clone().unwrap_or_default(),
        is_cold: is_cold[row].unwrap_or_default(),
    };
    Ok((0..rows.len()).map(measurement).collect())
}
