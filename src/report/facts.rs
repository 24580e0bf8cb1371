//! What was measured: runs, parameters, machines, cache, and what failed or stopped early.

use super::query::{QueryRows, only};
use crate::engine::Engine;
use crate::error::Result;

/// What is said of the results before what they mean.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) runs: Vec<Run>,
    pub(super) measured: u64,
    pub(super) images: u64,
    pub(super) bytes: f64,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
    pub(super) batch_sizes: Vec<i64>,
    pub(super) batch_numbers: Vec<i64>,
    /// The fewest and the most measurements of a combination.
    pub(super) repetitions: (i64, i64),
    pub(super) hosts: Vec<String>,
    pub(super) executors: Vec<String>,
    pub(super) vcores: Vec<String>,
    pub(super) concurrent: Vec<String>,
    pub(super) machines: Vec<String>,
    pub(super) versions: Vec<String>,
    pub(super) cache: Vec<Cache>,
    pub(super) failed: Vec<Failed>,
    pub(super) notes: Vec<(String, u64)>,
    pub(super) rejected: u64,
}

/// A run of the speed test.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) measured: u64,
    pub(super) failed: u64,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

/// Measurements of a series with one state of the cache.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cache {
    pub(super) series: i64,
    /// `cold`, `warm`; `None` where it isn't known.
    pub(super) state: Option<String>,
    pub(super) n: u64,
    pub(super) images_per_second: f64,
    /// The share of what was read that came from disk, of the measurements that know it.
    pub(super) from_disk: Option<f64>,
}

/// A repetition that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) source: String,
    pub(super) batch_size: Option<i64>,
    pub(super) batch_number: Option<i64>,
    pub(super) repetition: Option<i64>,
    pub(super) executor: String,
    pub(super) reason: String,
}

impl Facts {
    pub(super) async fn of(engine: &Engine) -> Result<Self> {
        let totals = QueryRows::of(
            engine,
            "SELECT count(*) AS measured, sum(images) AS images, sum(bytes) AS bytes, sum(rejected) AS rejected,
                    to_char(min(started_at), '%Y-%m-%d %H:%M:%S') AS first,
                    to_char(max(started_at), '%Y-%m-%d %H:%M:%S') AS last FROM measured",
        )
        .await?;
        let total = |name: &str| -> Result<u64> { Ok(only(&totals.integers(name)?).unwrap_or(0).unsigned_abs()) };
        let repetitions = QueryRows::of(
            engine,
            "SELECT min(n) AS fewest, max(n) AS most
             FROM (SELECT count(*) AS n FROM measured GROUP BY series, batch_size, batch_number)",
        )
        .await?;
        let count = |name: &str| -> Result<i64> { Ok(only(&repetitions.integers(name)?).unwrap_or(0)) };
        Ok(Self {
            runs: runs(engine).await?,
            measured: total("measured")?,
            images: total("images")?,
            bytes: only(&totals.numbers("bytes")?).unwrap_or(0.0),
            first: totals.texts("first")?.pop().flatten(),
            last: totals.texts("last")?.pop().flatten(),
            batch_sizes: values(engine, "batch_size").await?,
            batch_numbers: values(engine, "batch_number").await?,
            repetitions: (count("fewest")?, count("most")?),
            hosts: distinct(engine, "host").await?,
            executors: distinct(engine, "executor").await?,
            vcores: distinct(engine, "vcores").await?,
            concurrent: distinct(engine, "concurrent").await?,
            machines: distinct(engine, "machine").await?,
            versions: distinct(engine, "version").await?,
            cache: cache(engine).await?,
            failed: failed(engine).await?,
            notes: notes(engine).await?,
            rejected: total("rejected")?,
        })
    }
}

async fn distinct(engine: &Engine, column: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT CAST({column} AS VARCHAR) AS value FROM (SELECT DISTINCT {column} FROM measured)
         WHERE {column} IS NOT NULL ORDER BY {column}"
    );
    Ok(QueryRows::of(engine, &sql).await?.texts("value")?.into_iter().flatten().collect())
}

async fn values(engine: &Engine, column: &str) -> Result<Vec<i64>> {
    let sql = format!("SELECT DISTINCT {column} AS value FROM measured ORDER BY value");
    Ok(QueryRows::of(engine, &sql).await?.integers("value")?.into_iter().flatten().collect())
}

async fn runs(engine: &Engine) -> Result<Vec<Run>> {
    let rows = QueryRows::of(
        engine,
        "SELECT coalesce(run, 'not named') AS run, count(*) FILTER (WHERE is_measured) AS measured,
                count(*) FILTER (WHERE NOT is_measured) AS failed,
                to_char(min(started_at), '%Y-%m-%d %H:%M:%S') AS first,
                to_char(max(started_at), '%Y-%m-%d %H:%M:%S') AS last
         FROM results GROUP BY 1 ORDER BY min(started_at), 1",
    )
    .await?;
    let (ids, measured, failed) = (rows.texts("run")?, rows.integers("measured")?, rows.integers("failed")?);
    let (first, last) = (rows.texts("first")?, rows.texts("last")?);
    let run = |row: usize| Run {
        id: ids[row].clone().unwrap_or_default(),
        measured: measured[row].unwrap_or(0).unsigned_abs(),
        failed: failed[row].unwrap_or(0).unsigned_abs(),
        first: first[row].clone(),
        last: last[row].clone(),
    };
    Ok((0..rows.len()).map(run).collect())
}

async fn cache(engine: &Engine) -> Result<Vec<Cache>> {
    let rows = QueryRows::of(
        engine,
        "SELECT series, cache AS state, count(*) AS n, avg(images_per_second) AS images_per_second,
                sum(disk_bytes) / nullif(CAST(sum(bytes) FILTER (WHERE disk_bytes IS NOT NULL) AS DOUBLE), 0) AS from_disk
         FROM measured GROUP BY series, cache ORDER BY series, cache",
    )
    .await?;
    let (series, states, n) = (rows.integers("series")?, rows.texts("state")?, rows.integers("n")?);
    let (images_per_second, from_disk) = (rows.numbers("images_per_second")?, rows.numbers("from_disk")?);
    let cache = |row: usize| Cache {
        series: series[row].unwrap_or_default(),
        state: states[row].clone(),
        n: n[row].unwrap_or_default().unsigned_abs(),
        images_per_second: images_per_second[row].unwrap_or_default(),
        from_disk: from_disk[row],
    };
    Ok((0..rows.len()).map(cache).collect())
}

async fn failed(engine: &Engine) -> Result<Vec<Failed>> {
    let rows = QueryRows::of(
        engine,
        "SELECT coalesce(source, 'not named') AS source, batch_size, batch_number, repetition,
                coalesce(executor, host, '') AS executor, coalesce(error, 'a measure is missing') AS reason
         FROM results WHERE NOT is_measured ORDER BY started_at, source, batch_size, batch_number, repetition",
    )
    .await?;
    let (sources, reasons, executors) = (rows.texts("source")?, rows.texts("reason")?, rows.texts("executor")?);
    let (batch_size, batch_number) = (rows.integers("batch_size")?, rows.integers("batch_number")?);
    let repetition = rows.integers("repetition")?;
    let failed = |row: usize| Failed {
        source: sources[row].clone().unwrap_or_default(),
        batch_size: batch_size[row],
        batch_number: batch_number[row],
        repetition: repetition[row],
        executor: executors[row].clone().unwrap_or_default(),
        reason: reasons[row].clone().unwrap_or_default(),
    };
    Ok((0..rows.len()).map(failed).collect())
}

async fn notes(engine: &Engine) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT note, count(*) AS n FROM measured WHERE note IS NOT NULL AND note <> '' GROUP BY note ORDER BY n DESC, note";
    let rows = QueryRows::of(engine, sql).await?;
    let counts = rows.integers("n")?.into_iter().map(|n| n.unwrap_or(0).unsigned_abs());
    Ok(rows.texts("note")?.into_iter().flatten().zip(counts).collect())
}
