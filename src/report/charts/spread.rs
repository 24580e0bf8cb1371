//! Charts of spread: the time to the first batch, and executors beside each other.

use super::axis::Axis;
use super::palette::{GREY, INK, series as colour};
use super::plot::{Frame, Mark};
use super::{Chart, aside, keys, ranges};
use crate::error::Result;
use crate::report::Report;
use crate::report::number::{listed, ratio};
use crate::report::spread::mean;
use crate::words::cut;

/// Most characters of an executor's name beside its row.
const MOST_NAME: usize = 17;
/// Executors that are drawn as rows.
const MOST_ROWS: usize = 40;

pub(super) fn all(report: &Report) -> Result<Vec<Chart>> {
    Ok([first_batch(report)?, executors(report)?].into_iter().flatten().collect())
}

fn first_batch(report: &Report) -> Result<Option<Chart>> {
    let first = report
        .measurements
        .iter()
        .filter_map(|one| Some((one.series, one.batch_size, one.first_batch_seconds? * 1000.0)));
    let first: Vec<(i64, i64, f64)> = first.collect();
    if first.is_empty() {
        return Ok(None);
    }
    let x = Axis::parameters("batch size, images (logarithmic)", &report.facts.batch_sizes);
    let y = Axis::linear("ms until the first batch", first.iter().map(|(_, _, milliseconds)| *milliseconds));
    let svg = Frame::new(x, y, keys(report, Mark::Filled)).draw(|plot| {
        for (series, size, milliseconds) in &first {
            plot.dot((*size as f64, *milliseconds), aside(report, *series), colour(*series), Mark::Filled)?;
        }
        for series in &report.series {
            let of_size = |size: &i64| {
                let own = first.iter().filter(|one| one.0 == series.number && one.1 == *size);
                let mean = mean(own.map(|one| one.2));
                mean.is_finite().then_some((*size as f64, mean))
            };
            let means: Vec<(f64, f64)> = report.facts.batch_sizes.iter().filter_map(of_size).collect();
            plot.line(&means, colour(series.number), 4)?;
        }
        Ok(())
    })?;
    let seen = ranges(report, "ms", |series| first.iter().filter(|one| one.0 == series).map(|one| one.2).collect());
    let caption = "Time from the start until the first batch was there; the lines join the means.".to_string();
    let alt = format!("Scatter plot of the milliseconds until the first batch by batch size: {seen}.");
    Ok(Some(Chart::new("first-batch", "The first batch", svg).with_words(caption, alt)))
}

/// Each measurement by the mean of its combination.
fn executors(report: &Report) -> Result<Option<Chart>> {
    let all = &report.spreads.executors;
    if all.is_empty() {
        return Ok(None);
    }
    let mut shown: Vec<_> = all.iter().collect();
    shown.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    shown = shown.iter().step_by(shown.len().div_ceil(MOST_ROWS)).copied().collect();
    let y = Axis::rows("executor", shown.iter().map(|executor| cut(&executor.name, MOST_NAME)));
    let differ = report.spreads.executors_differ;
    let x = Axis::around(
        if differ { "images/s by the mean of the same source" } else { "images/s by the mean of the same combination" },
        all.iter().flat_map(|one| one.ratios.iter().copied()),
    );
    let mut frame = Frame::new(x, y, Vec::new());
    frame.height = 200 + shown.len() as u32 * 44;
    frame.right = 90;
    frame.grid = (false, true);
    let right = frame.x.end();
    let svg = frame.draw(|plot| {
        let down = 0.4 - shown.len() as f64;
        plot.dashed(&[(1.0, 0.6), (1.0, down)], GREY, 3)?;
        for (row, executor) in shown.iter().enumerate() {
            let y = -(row as f64);
            for ratio in &executor.ratios {
                plot.dot((*ratio, y), 0, colour(1), Mark::Filled)?;
            }
            plot.upright(executor.mean, (y - 0.36, y + 0.36), 0, INK, 5)?;
            plot.text(&ratio(executor.mean), (right, y), 14, INK)?;
        }
        Ok(())
    })?;
    let means = shown.iter().map(|executor| format!("{} {}", executor.name, ratio(executor.mean)));
    let caption = if differ {
        "Every dot is a measurement, as a multiple of the mean of its source; bars and numbers are means. No two executors have \
         measured the same combination, so that part of the differences is the combinations\u{2019}."
    } else {
        "Every dot is a measurement, as a multiple of the mean of its combination; bars and numbers are means. Combinations that \
         only one executor has measured are left out."
    };
    let alt = format!("Strip plot of relative throughput by executor; means: {}.", listed(&means.collect::<Vec<_>>()));
    Ok(Some(Chart::new("executors", "Executors beside each other", svg).with_words(caption.to_string(), alt)))
}
