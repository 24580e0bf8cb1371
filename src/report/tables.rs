//! The tables of the report.

use super::Report;
use super::averages::{Average, Spread};
use super::fits::{Fit, Predictors};
use super::html::{Cell, Table};
use super::model::{Estimate, Terms};
use super::number::{bytes, duration, number, r2, whole};

/// Failed repetitions that are listed.
const MOST_FAILED: usize = 200;

fn heads(texts: &[&str], numbers_from: usize) -> Vec<(String, bool)> {
    texts.iter().enumerate().map(|(column, text)| (text.to_string(), column >= numbers_from)).collect()
}

/// What was read.
pub(super) fn sources(report: &Report) -> Table {
    let known = |value: Option<String>| value.unwrap_or_else(|| "not known".to_string());
    let row = |series: &super::Series| {
        vec![
            Cell::of(series),
            Cell::Text(series.source.clone()),
            Cell::Text(known(series.format.clone())),
            Cell::Text(series.treatment()),
            Cell::Number(known(series.concurrent.map(whole))),
            Cell::Number(known(series.dataset_images.map(whole))),
            Cell::Number(known(series.dataset_bytes.map(|size| bytes(size as f64)))),
            Cell::Number(bytes(series.bytes_per_image)),
            Cell::Number(series.rows.to_string()),
        ]
    };
    let texts = [
        "name",
        "source",
        "format",
        "images were",
        "tests at once",
        "images in it",
        "bytes in it",
        "bytes/image read",
        "measurements",
    ];
    Table {
        caption: "Sources".to_string(),
        groups: Vec::new(),
        heads: heads(&texts, 4),
        rows: report.series.iter().map(row).collect(),
    }
}

/// The runs that the results come from.
pub(super) fn runs(report: &Report) -> Table {
    let row = |run: &super::facts::Run| {
        vec![
            Cell::Text(run.id.clone()),
            Cell::Text(run.first.clone().unwrap_or_default()),
            Cell::Text(run.last.clone().unwrap_or_default()),
            Cell::Number(whole(run.measured as i64)),
            Cell::Number(whole(run.failed as i64)),
        ]
    };
    Table {
        caption: "Runs".to_string(),
        groups: Vec::new(),
        heads: heads(&["run", "first started (UTC)", "last started (UTC)", "measurements", "failed"], 3),
        rows: report.facts.runs.iter().map(row).collect(),
    }
}

/// All tables of averages.
pub(super) fn averages(report: &Report) -> Vec<Table> {
    let averages = &report.averages;
    vec![
        average(report, "Averages by source", None, &averages.by_series),
        average(report, "Averages by batch size", Some("batch size"), &averages.by_batch_size),
        average(report, "Averages by batch number", Some("batch number"), &averages.by_batch_number),
        average(report, "Averages by batch size \u{d7} batch number", Some("product"), &averages.by_product),
    ]
}

fn average(report: &Report, caption: &str, parameter: Option<&str>, averages: &[Average]) -> Table {
    let spread = |spread: &Spread| {
        [
            Cell::Number(number(spread.mean)),
            Cell::maybe(spread.deviation.map(number)),
            Cell::Number(number(spread.min)),
            Cell::Number(number(spread.max)),
        ]
    };
    let row = |average: &Average| {
        let series = Cell::Series(average.series, report.name(average.series).to_string());
        let mut row: Vec<Cell> = average.value.map(|value| Cell::Number(whole(value))).into_iter().collect();
        row.extend([series, Cell::Number(whole(average.n as i64))]);
        row.extend(spread(&average.images_per_second));
        row.extend(spread(&average.mb_per_second));
        row
    };
    let statistics = ["mean", "sd", "min", "max"];
    let mut columns: Vec<(String, bool)> = parameter.map(|name| (name.to_string(), true)).into_iter().collect();
    columns.push(("source".to_string(), false));
    columns.push(("n".to_string(), true));
    columns.extend(statistics.iter().chain(&statistics).map(|text| (text.to_string(), true)));
    Table {
        caption: caption.to_string(),
        groups: vec![("", columns.len() - 8), ("images/s", 4), ("MB/s", 4)],
        heads: columns,
        rows: averages.iter().map(row).collect(),
    }
}

/// The linear fits: a row for each, with a coefficient where it has the predictor.
pub(super) fn regressions(report: &Report) -> Table {
    let rows = report.linear.iter().flat_map(|linear| {
        let name = Cell::Series(linear.series, report.name(linear.series).to_string());
        linear.fits.iter().map(move |(predictors, fit)| {
            let mut row = vec![name.clone(), Cell::Text(predictors.words().to_string())];
            row.push(Cell::Number(with_error(fit.intercept, fit.intercept_standard_error)));
            let [size, count, product] = places(*predictors);
            row.extend([size, count, product].map(|place| coefficient(fit, place)));
            row.extend([
                Cell::maybe(fit.r2.map(r2)),
                Cell::maybe(fit.residual_standard_error.map(number)),
                Cell::Number(whole(fit.n as i64)),
            ]);
            row
        })
    });
    let texts = [
        "source",
        "images/s on",
        "intercept",
        "batch size",
        "batch number",
        "product",
        "R\u{b2}",
        "resid. std. error",
        "n",
    ];
    Table {
        caption: "Linear regressions of images/s: coefficients \u{b1} standard errors".to_string(),
        groups: vec![("", 3), ("coefficient of", 3), ("", 3)],
        heads: heads(&texts, 2),
        rows: rows.collect(),
    }
}

/// Which coefficient of a fit is that of batch size, batch number and product.
fn places(predictors: Predictors) -> [Option<usize>; 3] {
    match predictors {
        Predictors::BatchSize => [Some(0), None, None],
        Predictors::BatchNumber => [None, Some(0), None],
        Predictors::Product => [None, None, Some(0)],
        Predictors::All => [Some(0), Some(1), Some(2)],
    }
}

fn coefficient(fit: &Fit, place: Option<usize>) -> Cell {
    let Some(place) = place else { return Cell::Empty };
    match fit.coefficients.get(place).copied().flatten() {
        Some(value) => Cell::Number(with_error(value, fit.standard_errors.get(place).copied().flatten())),
        None => Cell::Number("follows from others".to_string()),
    }
}

fn with_error(value: f64, standard_error: Option<f64>) -> String {
    match standard_error {
        Some(error) => format!("{} \u{b1} {}", number(value), number(error)),
        None => number(value),
    }
}

/// The physical models, beside the linear fit.
pub(super) fn models(report: &Report) -> Table {
    let scaled = |estimate: Estimate, scale: f64, unit: &str| {
        let error = estimate.standard_error.map(|error| error * scale);
        format!("{} {unit}", with_error(estimate.value * scale, error))
    };
    let rows = report.models().map(|model| {
        let linear = report.linear.iter().find(|linear| linear.series == model.series);
        let seconds = linear.and_then(|linear| linear.seconds_r2);
        let terms = match model.terms {
            Terms::Both => "bytes, images",
            Terms::Bytes => "bytes",
            Terms::Images => "images",
        };
        vec![
            Cell::Series(model.series, report.name(model.series).to_string()),
            Cell::Text(terms.to_string()),
            Cell::Number(model.latency().map_or("none".to_string(), |latency| scaled(latency, 1e3, "ms"))),
            Cell::maybe(model.byte().map(|byte| format!("{} MB/s", bandwidth(byte)))),
            Cell::maybe(model.image().map(|image| scaled(image, 1e3, "ms"))),
            Cell::maybe(model.fit.r2.map(r2)),
            Cell::maybe(seconds.map(|(value, _)| r2(value))),
            Cell::maybe(model.fit.residual_standard_error.map(duration)),
            Cell::Number(whole(model.fit.n as i64)),
        ]
    });
    let texts = [
        "source",
        "seconds on",
        "latency",
        "bandwidth",
        "cost of an image",
        "of this model",
        "of the linear fit",
        "resid. std. error",
        "n",
    ];
    Table {
        caption: "The physical model: estimates \u{b1} standard errors".to_string(),
        groups: vec![("", 5), ("R\u{b2} of seconds", 2), ("", 2)],
        heads: heads(&texts, 2),
        rows: rows.collect(),
    }
}

/// A bandwidth is what a time for a byte is the inverse of; its error is not the same up and down.
fn bandwidth(byte: Estimate) -> String {
    let at = |seconds: f64| number(1.0 / seconds / 1e6);
    match byte.standard_error.filter(|error| *error > 0.0 && *error < byte.value) {
        Some(error) => format!("{} ({} to {})", at(byte.value), at(byte.value + error), at(byte.value - error)),
        None => at(byte.value),
    }
}

/// What models say of the whole source.
pub(super) fn predictions(report: &Report) -> Vec<Table> {
    let table = |prediction: &super::Prediction| {
        let known = |text: Option<String>| Cell::Number(text.unwrap_or_else(|| "not known".to_string()));
        let per_second = |seconds: f64| number(prediction.images / seconds);
        let rows = prediction.rows.iter().map(|row| {
            vec![
                Cell::Number(row.workers.to_string()),
                Cell::Number(duration(row.growing)),
                Cell::Number(per_second(row.growing)),
                known(row.shared.map(duration)),
                known(row.shared.map(per_second)),
            ]
        });
        let about = if prediction.estimated.is_some() { "about " } else { "" };
        Table {
            caption: format!(
                "All of {}: {about}{} images, {}",
                report.name(prediction.series),
                number(prediction.images),
                bytes(prediction.bytes)
            ),
            groups: vec![("", 1), ("bandwidth grows", 2), ("bandwidth is shared", 2)],
            heads: heads(&["workers", "time", "images/s", "time", "images/s"], 0),
            rows: rows.collect(),
        }
    };
    report.predictions.iter().map(table).collect()
}

/// Repetitions that failed.
pub(super) fn failed(report: &Report) -> Option<Table> {
    let all = &report.facts.failed;
    if all.is_empty() {
        return None;
    }
    let known = |value: Option<i64>| Cell::maybe(value.map(whole));
    let row = |failed: &super::facts::Failed| {
        vec![
            Cell::Text(failed.source.clone()),
            known(failed.batch_size),
            known(failed.batch_number),
            known(failed.repetition),
            Cell::Text(failed.executor.clone()),
            Cell::Text(failed.reason.clone()),
        ]
    };
    let more = all.len().saturating_sub(MOST_FAILED);
    let texts = ["source", "batch size", "batch number", "repetition", "executor", "reason"];
    let columns = texts.iter().enumerate().map(|(column, text)| (text.to_string(), (1..4).contains(&column)));
    Some(Table {
        caption: match more {
            0 => "Failed repetitions".to_string(),
            more => format!("Failed repetitions, and {more} more"),
        },
        groups: Vec::new(),
        heads: columns.collect(),
        rows: all.iter().take(MOST_FAILED).map(row).collect(),
    })
}
