//! The report on a speed test: first what the results say as data, then words and pictures of it.

mod averages;
mod charts;
mod columns;
mod compare;
mod facts;
mod findings;
mod fits;
mod html;
mod measurements;
mod model;
mod number;
mod page;
mod query;
mod read;
mod series;
mod spread;
mod tables;

use self::averages::Averages;
use self::compare::Comparison;
use self::facts::Facts;
use self::fits::Linear;
use self::measurements::Measurement;
use self::model::{Model, Modelled, Prediction};
use self::series::Series;
use self::spread::Spreads;
use crate::engine::Engine;
use crate::error::Result;
use crate::words::counted;

pub(crate) use self::charts::{Axis, Chart, palette};
pub(crate) use self::number::number;

/// What results say.
pub(crate) struct Report {
    /// Where they are, as the user named it.
    location: String,
    facts: Facts,
    series: Vec<Series>,
    measurements: Vec<Measurement>,
    averages: Averages,
    linear: Vec<Linear>,
    models: Vec<Modelled>,
    predictions: Vec<Prediction>,
    comparison: Comparison,
    spreads: Spreads,
}

impl Report {
    /// Reads results, and finds out what they say.
    ///
    /// # Errors
    /// Files of something else, results without a measurement.
    pub(crate) async fn of(engine: &Engine, location: &str, run: Option<&str>) -> Result<Self> {
        read::read(engine, location, run).await?;
        let series = series::all(engine).await?;
        let measurements = measurements::all(engine).await?;
        let models = model::models(engine, &series).await?;
        let predictions = models.iter().filter_map(|(number, model)| {
            let series = series.iter().find(|series| series.number == *number)?;
            model::prediction(model.as_ref().ok()?, series)
        });
        Ok(Self {
            location: location.to_string(),
            facts: Facts::of(engine).await?,
            averages: Averages::of(engine).await?,
            linear: fits::linear(engine, &series, &measurements).await?,
            predictions: predictions.collect(),
            models,
            comparison: Comparison::of(engine).await?,
            spreads: Spreads::of(engine, &measurements).await?,
            series,
            measurements,
        })
    }

    /// Draws all charts.
    ///
    /// # Errors
    /// What can't be drawn.
    pub(crate) fn charts(&self) -> Result<Vec<Chart>> {
        charts::all(self)
    }

    /// The page with these charts.
    pub(crate) fn page(&self, charts: &[Chart]) -> String {
        page::page(self, charts)
    }

    /// What the report is on: `96 measurements of 2 sources, 3 failed`.
    pub(crate) fn summary(&self) -> String {
        let failed = match self.facts.failed.len() {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let measurements = counted(self.facts.measured, "measurement");
        format!("{measurements} of {}{failed}", counted(self.sources().len() as u64, "source"))
    }

    /// The locations that were measured.
    fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> = self.series.iter().map(|series| series.source.as_str()).collect();
        sources.dedup();
        sources
    }

    /// What a series is called.
    fn name(&self, series: i64) -> &str {
        self.series.iter().find(|one| one.number == series).map_or("", |one| one.name.as_str())
    }

    fn model(&self, series: i64) -> Option<&Model> {
        self.models().find(|model| model.series == series)
    }

    fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().filter_map(|(_, model)| model.as_ref().ok())
    }

    fn has_cold(&self) -> bool {
        self.measurements.iter().any(|measurement| measurement.is_cold)
    }
}
