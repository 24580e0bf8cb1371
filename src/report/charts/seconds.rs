//! Charts of seconds: as models predict them, and as the whole source would take.

use super::axis::Axis;
use super::palette::{GREY, series as colour};
use super::plot::{Frame, Key, Mark};
use super::{Chart, keys};
use crate::error::Result;
use crate::report::Report;
use crate::report::measurements::Measurement;
use crate::report::model::Prediction;
use crate::report::number::{duration, named, r2};

pub(super) fn all(report: &Report) -> Result<Vec<Chart>> {
    let physical = |one: &Measurement| Some(report.model(one.series)?.predicted(one));
    let model_r2 = report
        .models()
        .filter_map(|model| Some(format!("{} R\u{b2}\u{a0}{}", report.name(model.series), r2(model.fit.r2?))));
    let model_r2 = named(&model_r2.collect::<Vec<_>>());
    let linear = |one: &Measurement| {
        let linear = report.linear.iter().find(|linear| linear.series == one.series)?;
        linear.predicted(one).filter(|predicted| *predicted > 0.0).map(|predicted| one.images / predicted)
    };
    let linear_r2 = report
        .linear
        .iter()
        .filter_map(|linear| Some(format!("{} R\u{b2}\u{a0}{}", report.name(linear.series), r2(linear.seconds_r2?.0))));
    let linear_r2 = named(&linear_r2.collect::<Vec<_>>());
    let left_out: usize = report.linear.iter().filter_map(|linear| Some(linear.seconds_r2?.1)).sum();
    let mut charts = Vec::new();
    let caption = format!("Seconds by the physical model against measured ones: {model_r2}. On the line they agree.");
    charts.extend(agreement(report, "model-seconds", "Seconds by the physical model", &caption, physical)?);
    let out = match left_out {
        0 => String::new(),
        1 => " One measurement, for which it predicts no throughput or less, is left out.".to_string(),
        more => format!(" {more} measurements, for which it predicts no throughput or less, are left out."),
    };
    let caption =
        format!("The same seconds by the linear fit of throughput on all three parameters: {linear_r2}.{out}");
    charts.extend(agreement(report, "linear-fit-seconds", "Seconds by the linear fit", &caption, linear)?);
    charts.extend(workers(report)?);
    Ok(charts)
}

/// Predicted against measured seconds.
fn agreement(
    report: &Report,
    name: &'static str,
    title: &str,
    caption: &str,
    predicted: impl Fn(&Measurement) -> Option<f64>,
) -> Result<Option<Chart>> {
    let point = |one: &Measurement| {
        Some((one.series, one.seconds, predicted(one)?)).filter(|(_, _, predicted)| *predicted > 0.0)
    };
    let points: Vec<(i64, f64, f64)> = report.measurements.iter().filter_map(point).collect();
    if points.is_empty() {
        return Ok(None);
    }
    let both = points.iter().flat_map(|(_, seen, predicted)| [*seen, *predicted]);
    let (min, max) = both.clone().fold((f64::INFINITY, 0.0_f64), |(min, max), value| (min.min(value), max.max(value)));
    let x = Axis::log("measured seconds (logarithmic)", both.clone());
    let y = Axis::log("predicted seconds (logarithmic)", both);
    let mut frame = Frame::new(x, y, keys(report, Mark::Filled));
    frame.grid = (true, true);
    let svg = frame.draw(|plot| {
        plot.line(&[(min, min), (max, max)], GREY, 3)?;
        for (series, seen, predicted) in &points {
            plot.dot((*seen, *predicted), 0, colour(*series), Mark::Filled)?;
        }
        Ok(())
    })?;
    let alt = format!(
        "Scatter plot of predicted against measured seconds, from {} to {}. {caption}",
        duration(min),
        duration(max)
    );
    Ok(Some(Chart::new(name, title, svg).with_words(caption.to_string(), alt)))
}

/// What the models say of the whole source, by workers.
fn workers(report: &Report) -> Result<Option<Chart>> {
    let predictions: Vec<&Prediction> = report.predictions.iter().collect();
    let rows = || predictions.iter().flat_map(|prediction| &prediction.rows);
    if predictions.is_empty() {
        return Ok(None);
    }
    let has_shared = rows().any(|row| row.shared.is_some());
    let mut counts: Vec<i64> = rows().map(|row| i64::from(row.workers)).collect();
    counts.sort_unstable();
    counts.dedup();
    let x = Axis::parameters("workers (logarithmic)", &counts);
    let y = Axis::log(
        "seconds for the whole source (logarithmic)",
        rows().flat_map(|row| [Some(row.growing), row.shared]).flatten(),
    );
    let mut legend = keys(report, Mark::Line);
    legend.retain(|key| predictions.iter().any(|prediction| report.name(prediction.series) == key.name));
    if has_shared {
        legend.push(Key { name: "shared bandwidth".to_string(), colour: GREY, mark: Mark::Dashed });
    }
    let svg = Frame::new(x, y, legend).draw(|plot| {
        for prediction in &predictions {
            let colour = colour(prediction.series);
            let at = |seconds: f64, workers: u32| (f64::from(workers), seconds);
            let growing: Vec<(f64, f64)> = prediction.rows.iter().map(|row| at(row.growing, row.workers)).collect();
            let shared = prediction.rows.iter().filter_map(|row| Some(at(row.shared?, row.workers)));
            plot.dashed(&shared.collect::<Vec<_>>(), colour, 4)?;
            plot.line(&growing, colour, 4)?;
            for point in growing {
                plot.mean(point, 0, colour)?;
            }
        }
        Ok(())
    })?;
    let ends = predictions.iter().filter_map(|prediction| {
        let (first, last) = (prediction.rows.first()?, prediction.rows.last()?);
        let name = report.name(prediction.series);
        Some(format!(
            "{name} from {} with 1 worker to {} with {}",
            duration(first.growing),
            duration(last.growing),
            last.workers
        ))
    });
    let alt = format!(
        "Line chart of predicted seconds for the whole source by workers: {}.",
        named(&ends.collect::<Vec<_>>())
    );
    let caption = format!(
        "What the physical model predicts for the whole source, if the bandwidth grows with the workers{}.",
        if has_shared { " (lines) and if all share that of one (dashed)" } else { "" }
    );
    Ok(Some(Chart::new("seconds-by-workers", "The whole source by workers", svg).with_words(caption, alt)))
}
