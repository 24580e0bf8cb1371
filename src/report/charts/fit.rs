//! Charts of the linear fits: the lines, and what they leave unexplained.

use super::axis::Axis;
use super::palette::{GREY, series as colour};
use super::plot::{Frame, Mark};
use super::{Chart, aside, keys, ranges};
use crate::error::Result;
use crate::report::Report;
use crate::report::fits::Predictors;
use crate::report::number::{named, r2};

/// One chart for each predictor, and one of what all three leave.
pub(super) fn all(report: &Report) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    let predictors = [
        (Predictors::BatchSize, "fit-batch-size", "batch size, images"),
        (Predictors::BatchNumber, "fit-batch-number", "batch number"),
        (Predictors::Product, "fit-product", "batch size \u{d7} batch number, images"),
    ];
    for (predictors, name, title) in predictors {
        charts.extend(line(report, predictors, name, title)?);
    }
    charts.extend(residuals(report)?);
    Ok(charts)
}

fn line(report: &Report, predictors: Predictors, name: &'static str, x_title: &str) -> Result<Option<Chart>> {
    let fits: Vec<_> =
        report.linear.iter().filter_map(|linear| Some((linear, linear.fits.get(&predictors)?))).collect();
    if fits.is_empty() {
        return Ok(None);
    }
    let mut values: Vec<i64> = report.measurements.iter().map(|one| predictors.of(one)[0] as i64).collect();
    values.sort_unstable();
    values.dedup();
    let x = Axis::linear_parameters(x_title, &values);
    let ends = [values.first(), values.last()].map(|value| value.copied().unwrap_or_default() as f64);
    let drawn = fits.iter().flat_map(|(_, fit)| ends.map(|end| fit.at(&[end])));
    let y = Axis::linear("images/s", report.measurements.iter().map(|one| one.images_per_second).chain(drawn));
    let svg = Frame::new(x, y, keys(report, Mark::Line)).draw(|plot| {
        for measurement in &report.measurements {
            let at = (predictors.of(measurement)[0], measurement.images_per_second);
            plot.dot(at, aside(report, measurement.series), colour(measurement.series), Mark::Filled)?;
        }
        for (linear, fit) in &fits {
            plot.line(&ends.map(|end| (end, fit.at(&[end]))), colour(linear.series), 5)?;
        }
        Ok(())
    })?;
    let explained = fits
        .iter()
        .filter_map(|(linear, fit)| Some(format!("{} R\u{b2}\u{a0}{}", report.name(linear.series), r2(fit.r2?))));
    let explained = named(&explained.collect::<Vec<_>>());
    let words = predictors.words();
    let caption = format!("Least-squares lines through all measurements: {explained}.");
    let alt = format!("Scatter plot of images per second against the {words} with regression lines: {explained}.");
    Ok(Some(Chart::new(name, format!("Regression on {words}"), svg).with_words(caption, alt)))
}

/// What the fit on all three predictors leaves, against the product.
fn residuals(report: &Report) -> Result<Option<Chart>> {
    let residual = |one: &crate::report::measurements::Measurement| {
        let linear = report.linear.iter().find(|linear| linear.series == one.series)?;
        Some((one.series, one.product() as f64, one.images_per_second - linear.predicted(one)?))
    };
    let residuals: Vec<(i64, f64, f64)> = report.measurements.iter().filter_map(residual).collect();
    if residuals.is_empty() {
        return Ok(None);
    }
    let products = residuals.iter().map(|(_, product, _)| *product);
    let x = super::products(report);
    let ends = products.fold((f64::INFINITY, 0.0_f64), |(min, max), product| (min.min(product), max.max(product)));
    let y = Axis::linear("measured \u{2212} predicted, images/s", residuals.iter().map(|(_, _, residual)| *residual));
    let svg = Frame::new(x, y, keys(report, Mark::Filled)).draw(|plot| {
        plot.line(&[(ends.0, 0.0), (ends.1, 0.0)], GREY, 3)?;
        for (series, product, residual) in &residuals {
            plot.dot((*product, *residual), aside(report, *series), colour(*series), Mark::Filled)?;
        }
        Ok(())
    })?;
    let seen = ranges(report, "images/s", |series| {
        residuals.iter().filter(|(own, _, _)| *own == series).map(|(_, _, residual)| *residual).collect()
    });
    let caption =
        "What the fit on batch size, batch number and product together leaves. Dots around 0 everywhere would \
                   mean that it fits; a bow means that throughput doesn\u{2019}t grow in a straight line."
            .to_string();
    let alt = format!("Scatter plot of the residuals of the linear fit against the product: {seen}.");
    Ok(Some(Chart::new("residuals", "What the linear fit leaves", svg).with_words(caption, alt)))
}
