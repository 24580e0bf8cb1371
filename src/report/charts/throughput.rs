//! Charts of throughput: all measurements, means by parameter, files beside shards.

use super::axis::Axis;
use super::palette::{GREY, INK, series as colour};
use super::plot::{Frame, Key, Mark};
use super::{Chart, aside, keys, products, ranges};
use crate::error::Result;
use crate::report::Report;
use crate::report::averages::Average;
use crate::report::compare::Pair;
use crate::report::number::{ratio, whole};

/// Combinations that are drawn as rows.
const MOST_ROWS: usize = 40;

/// All measurements against the number of images that were asked for.
pub(super) fn by_product(report: &Report) -> Result<Chart> {
    let x = products(report);
    let y = Axis::linear("images/s", report.measurements.iter().map(|measurement| measurement.images_per_second));
    let (has_cold, has_warm) = (report.has_cold(), report.measurements.iter().any(|measurement| !measurement.is_cold));
    let is_mixed = has_cold && has_warm;
    let mut legend = keys(report, Mark::Filled);
    if is_mixed {
        legend.push(Key { name: "hollow: cold".to_string(), colour: GREY, mark: Mark::Hollow });
    }
    let svg = Frame::new(x, y, legend).draw(|plot| {
        for series in &report.series {
            let means = report.averages.by_product.iter().filter(|average| average.series == series.number);
            plot.line(&means.map(point).collect::<Vec<_>>(), colour(series.number), 2)?;
        }
        for measurement in &report.measurements {
            let mark = if measurement.is_cold && is_mixed { Mark::Hollow } else { Mark::Filled };
            let at = (measurement.product() as f64, measurement.images_per_second);
            plot.dot(at, aside(report, measurement.series), colour(measurement.series), mark)?;
        }
        Ok(())
    })?;
    let caption = format!(
        "Every dot is one measurement; the lines join the means of each product.{}",
        if is_mixed { " Hollow dots were read from a cold cache." } else { "" }
    );
    let seen = ranges(report, "images/s", |series| throughputs(report, series));
    let alt = format!("Scatter plot of images per second against the product of batch size and batch number: {seen}.");
    Ok(Chart::new("throughput-by-product", "All measurements", svg).with_words(caption, alt))
}

fn throughputs(report: &Report, series: i64) -> Vec<f64> {
    let own = report.measurements.iter().filter(|measurement| measurement.series == series);
    own.map(|measurement| measurement.images_per_second).collect()
}

pub(super) fn by_batch_size(report: &Report) -> Result<Option<Chart>> {
    if report.facts.batch_sizes.len() < 2 {
        return Ok(None);
    }
    let axis = Axis::parameters("batch size, images (logarithmic)", &report.facts.batch_sizes);
    let svg = means(report, &report.averages.by_batch_size, axis)?;
    let (caption, alt) = words(report, &report.averages.by_batch_size, "batch size");
    Ok(Some(Chart::new("mean-by-batch-size", "Mean by batch size", svg).with_words(caption, alt)))
}

pub(super) fn by_batch_number(report: &Report) -> Result<Option<Chart>> {
    if report.facts.batch_numbers.len() < 2 {
        return Ok(None);
    }
    let axis = Axis::parameters("batch number (logarithmic)", &report.facts.batch_numbers);
    let svg = means(report, &report.averages.by_batch_number, axis)?;
    let (caption, alt) = words(report, &report.averages.by_batch_number, "batch number");
    Ok(Some(Chart::new("mean-by-batch-number", "Mean by batch number", svg).with_words(caption, alt)))
}

/// Means with a standard deviation up and down.
fn means(report: &Report, averages: &[Average], x: Axis) -> Result<String> {
    let ends = averages.iter().flat_map(|average| {
        let (low, high) = deviation(average);
        [low, high]
    });
    let y = Axis::linear("images/s", ends);
    Frame::new(x, y, keys(report, Mark::Filled)).draw(|plot| {
        for series in &report.series {
            let own: Vec<&Average> = averages.iter().filter(|average| average.series == series.number).collect();
            let (aside, colour) = (aside(report, series.number), colour(series.number));
            plot.line(&own.iter().map(|average| point(average)).collect::<Vec<_>>(), colour, 4)?;
            for average in own {
                let at = point(average);
                plot.upright(at.0, deviation(average), aside, colour, 3)?;
                plot.mean(at, aside, colour)?;
            }
        }
        Ok(())
    })
}

fn point(average: &Average) -> (f64, f64) {
    (average.value.unwrap_or_default() as f64, average.images_per_second.mean)
}

fn deviation(average: &Average) -> (f64, f64) {
    let (mean, deviation) = (average.images_per_second.mean, average.images_per_second.deviation.unwrap_or(0.0));
    ((mean - deviation).max(0.0), mean + deviation)
}

fn words(report: &Report, averages: &[Average], parameter: &str) -> (String, String) {
    let seen = ranges(report, "images/s", |series| {
        averages
            .iter()
            .filter(|average| average.series == series)
            .map(|average| average.images_per_second.mean)
            .collect()
    });
    let caption = format!(
        "Mean of all measurements with the same {parameter}. The bars reach one standard deviation up and down, most of which is the other parameter\u{2019}s."
    );
    (caption, format!("Line chart of mean images per second by {parameter}: {seen}."))
}

/// Each combination of parameters, from files to shards.
pub(super) fn files_and_shards(report: &Report) -> Result<Option<Chart>> {
    let mut pairs: Vec<&Pair> = report.comparison.pairs.iter().collect();
    let all = pairs.len();
    if pairs.is_empty() {
        return Ok(None);
    }
    // More rows than can be read: every second of them, or third.
    let step = all.div_ceil(MOST_ROWS);
    pairs = pairs.into_iter().step_by(step).collect();
    let name = |pair: &&Pair| format!("{} \u{d7} {}", whole(pair.batch_size), whole(pair.batch_number));
    let y = Axis::rows("batch size \u{d7} batch number", pairs.iter().map(name));
    let x = Axis::linear("images/s, mean of the combination", pairs.iter().flat_map(|pair| [pair.files, pair.shards]));
    let of_kind = |is_shards: bool| report.series.iter().find(|series| series.is_shards() == is_shards);
    let (files, shards) =
        (of_kind(false).map_or(1, |series| series.number), of_kind(true).map_or(2, |series| series.number));
    let key = |name: &str, number| Key { name: name.to_string(), colour: colour(number), mark: Mark::Filled };
    let mut frame = Frame::new(x, y, vec![key("files", files), key("shards", shards)]);
    frame.height = 200 + pairs.len() as u32 * 34;
    frame.right = 110;
    frame.grid = (false, true);
    let svg = frame.draw(|plot| {
        for (row, pair) in pairs.iter().enumerate() {
            let y = -(row as f64);
            plot.line(&[(pair.files, y), (pair.shards, y)], GREY, 3)?;
            plot.mean((pair.files, y), 0, colour(files))?;
            plot.mean((pair.shards, y), 0, colour(shards))?;
            let end = (pair.files.max(pair.shards), y);
            plot.text(&format!("{}\u{d7}", ratio(pair.ratio())), end, 20, INK)?;
        }
        Ok(())
    })?;
    let shown = if step > 1 { format!(" {} of {all} combinations are shown.", pairs.len()) } else { String::new() };
    let caption = format!(
        "Means of the same batch size and number, read from files and from shards; the number is shards by files.{shown}"
    );
    let ratios = report.comparison.images_per_second();
    let seen = ratios.map(|ratios| format!(": shards by files from {} to {}", ratio(ratios.min), ratio(ratios.max)));
    let alt =
        format!("Dot plot of images per second of files and shards in {all} combinations{}.", seen.unwrap_or_default());
    Ok(Some(Chart::new("files-and-shards", "Files and shards, pair by pair", svg).with_words(caption, alt)))
}
