//! The report as a page: one file that asks for nothing else.

use maud::{Markup, html};

use super::charts::{Chart, style};
use super::html::series;
use super::model::{Model, Terms};
use super::number::{bytes, capital, listed, number, whole};
use super::{Report, findings, tables};
use crate::words::{self, Text, counted};

const STYLE: &str = include_str!("style.css");

/// Hosts, executors and the like that are named.
const MOST_NAMED: usize = 6;

/// Writes the page.
pub(super) fn page(report: &Report, charts: &[Chart]) -> String {
    let shown = |names: &[&str]| shown(charts, names);
    let throughput = ["throughput-by-product", "files-and-shards", "mean-by-batch-size", "mean-by-batch-number"];
    let title = format!("Speed test of {}", listed(&report.sources()));
    let failed = tables::failed(report).map(|table| table.html());
    let body = html! {
        (header(report))
        main { "\n"
            (section("findings", "Findings", findings_list(report)))
            (section("throughput", "Throughput", shown(&throughput)))
            (section("regressions", "Linear regressions", regressions(report, &shown)))
            (section("model", "A physical model", model(report, &shown)))
            (section("spread", "First batch and executors", shown(&["first-batch", "executors"])))
            (section("averages", "Averages", averages(report)))
            (section("sources", "Sources and runs", html! { (tables::sources(report).html()) (tables::runs(report).html()) }))
            (section("failed", "Failed repetitions", failed.unwrap_or_default()))
        } "\n"
        footer {
            p {
                "Written by pixmill " (env!("CARGO_PKG_VERSION")) " from " (Text(&report.location))
                ". A measurement is one repetition of reading " i { "batch number" } " batches of " i { "batch size" }
                " images on one thread. MB are 10" sup { "6" } " bytes."
            }
        } "\n"
    };
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    words::page(&title, policy, &(STYLE.to_string() + &style()), &body)
}

/// Some of the charts, those of them that there are.
fn shown(charts: &[Chart], names: &[&str]) -> Markup {
    let shown: Vec<&Chart> = names.iter().filter_map(|name| charts.iter().find(|chart| chart.name == *name)).collect();
    html! {
        @if !shown.is_empty() {
            div class="charts" { "\n"
                @for chart in shown {
                    figure { "\n"
                        figcaption { b { (Text(&chart.title)) } " " (Text(&chart.caption)) } "\n"
                        (chart.inline())
                    } "\n"
                }
            } "\n"
        }
    }
}

/// What was measured, before what it says.
fn header(report: &Report) -> Markup {
    html! {
        header { "\n"
            h1 { "Speed test" } "\n"
            ul class="sources" { "\n"
                @for one in &report.series {
                    li {
                        (series(one.number, &one.name)) " "
                        span class="location" { (Text(&one.source)) } " "
                        span class="way" {
                            (Text(one.format.as_deref().unwrap_or("format not known"))) ", " (Text(&one.treatment()))
                        }
                    } "\n"
                }
            } "\n"
            p { (Text(&lead(report))) } "\n"
            (facts(report))
        } "\n"
    }
}

fn averages(report: &Report) -> Markup {
    html! {
        p {
            "Each measurement counts once in every mean, however many repetitions its combination has; sd is the standard deviation of a "
            "sample."
        } "\n"
        div class="side" { @for table in tables::averages(report) { (table.html()) } } "\n"
    }
}

/// A part of the page; nothing where it has nothing to show.
fn section(id: &str, title: &str, content: Markup) -> Markup {
    html! {
        @if !content.0.is_empty() {
            section aria-labelledby=(id) { "\n"
                h2 id=(id) { (title) } "\n"
                (content)
            } "\n"
        }
    }
}

/// What was measured, in two sentences.
fn lead(report: &Report) -> String {
    let facts = &report.facts;
    let when = match (&facts.first, &facts.last) {
        (Some(first), Some(last)) if first == last => format!(", started at {first} UTC"),
        (Some(first), Some(last)) => format!(", started from {first} to {last} UTC"),
        _ => String::new(),
    };
    let failed = match facts.failed.len() as u64 {
        0 => String::new(),
        failed => format!(" {} failed.", counted(failed, "repetition")),
    };
    format!(
        "{} in {}{when}: {}, {} were read.{failed}",
        capital(&counted(facts.measured, "measurement")),
        counted(facts.runs.len() as u64, "run"),
        counted(facts.images, "image"),
        bytes(facts.bytes)
    )
}

fn findings_list(report: &Report) -> Markup {
    html! {
        ul class="findings" { "\n"
            @for finding in findings::all(report) {
                li { b { (Text(&finding.what)) } " " (Text(&finding.how)) } "\n"
            }
        } "\n"
    }
}

/// What was measured, in short.
fn facts(report: &Report) -> Markup {
    let facts = &report.facts;
    let numbers = |values: &[i64]| listed(&values.iter().map(|value| whole(*value)).collect::<Vec<_>>());
    let some = |values: &[String]| {
        let mut some: Vec<String> = values.iter().take(MOST_NAMED).cloned().collect();
        let more = values.len().saturating_sub(MOST_NAMED);
        if more > 0 {
            some.push(format!("{more} more"));
        }
        listed(&some)
    };
    let (fewest, most) = facts.repetitions;
    let repetitions = if fewest == most { whole(most) } else { format!("{} to {}", whole(fewest), whole(most)) };
    let states = ["cold", "warm"].into_iter().map(Some).chain([None]).filter_map(|state| {
        let n: u64 = facts.cache.iter().filter(|one| one.state.as_deref() == state).map(|one| one.n).sum();
        (n > 0).then(|| format!("{} ({n})", state.unwrap_or("not known")))
    });
    let rows = [
        ("Batch sizes", numbers(&facts.batch_sizes)),
        ("Batch numbers", numbers(&facts.batch_numbers)),
        ("Repetitions of each", repetitions),
        ("Cache", listed(&states.collect::<Vec<_>>())),
        ("Hosts", some(&facts.hosts)),
        ("Executors", some(&facts.executors)),
        ("vcores of each", some(&facts.vcores)),
        ("Tests at once", some(&facts.concurrent)),
        ("pixmill", some(&facts.versions)),
        (if facts.machines.len() > 1 { "Machines" } else { "Machine" }, facts.machines.join("; ")),
    ];
    html! {
        dl { "\n"
            @for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
                div class=[name.starts_with("Machine").then_some("wide")] { dt { (name) } dd { (Text(value)) } } "\n"
            }
        } "\n"
    }
}

type Shown<'a> = dyn Fn(&[&str]) -> Markup + 'a;

fn paragraph(text: &str) -> Markup {
    html! { p { (Text(text)) } "\n" }
}

fn regressions(report: &Report, shown: &Shown<'_>) -> Markup {
    if report.linear.iter().all(|linear| linear.fits.is_empty()) {
        return paragraph("There are too few measurements, or too few different parameters, for a regression.");
    }
    html! {
        (paragraph(
            "Ordinary least squares through all measurements of a source, not their means. R\u{b2} is the share of the variance of \
             images/s that the line explains."
        ))
        (shown(&["fit-batch-size", "fit-batch-number", "fit-product", "residuals"]))
        (tables::regressions(report).html())
    }
}

fn model(report: &Report, shown: &Shown<'_>) -> Markup {
    html! {
        (paragraph(
            "Reading takes a while before the first byte is there, then a time for each byte, then a time for each image: seconds = \
             latency + bytes / bandwidth + images \u{d7} cost of an image, fitted by least squares. Throughput, which is images by \
             these seconds, then grows with the product and saturates; a straight line can\u{2019}t."
        ))
        @for (series, model) in &report.models { (of_series(&capital(report.name(*series)), model)) }
        @if report.models().next().is_some() {
            (shown(&["model-seconds", "linear-fit-seconds"]))
            (tables::models(report).html())
            (paragraph(
                "R\u{b2} of seconds of the linear fit: seconds are images by the throughput that batch size, batch number and product \
                 together predict, where that is more than 0. Below 0, the mean of all seconds would be a better prediction."
            ))
        }
        (predictions(report, shown))
    }
}

/// What is to be said of a series' model, beside its numbers.
fn of_series(name: &str, model: &Result<Model, String>) -> Markup {
    let text = match model {
        Err(reason) => Some(format!("{name}: there is no model, as {reason}.")),
        Ok(model) => match (&model.reason, model.terms) {
            (Some(reason), Terms::Bytes) => Some(format!(
                "{name}: bytes and images can\u{2019}t be told apart: {reason}. The model has one term, bytes; its bandwidth holds the \
                 cost of decoding, too, as if all of it were shared where the bandwidth is."
            )),
            (Some(reason), _) => Some(format!(
                "{name}: bytes and images can\u{2019}t be told apart: {reason}. The model has one term, images; its cost of an image \
                 holds the transfer, too, so that nothing can be said of shared bandwidth."
            )),
            (None, _) => None,
        },
    };
    let has_no_latency = model.as_ref().is_ok_and(|model| model.latency().is_none());
    let latency = has_no_latency.then(|| {
        format!("{name}: no latency can be told: fitted, it comes out as less than nothing. Predictions take it as 0.")
    });
    html! { @for text in text.iter().chain(&latency) { (paragraph(text)) } }
}

fn predictions(report: &Report, shown: &Shown<'_>) -> Markup {
    if report.predictions.is_empty() {
        return html! {};
    }
    let largest = report.measurements.iter().map(|measurement| measurement.images).fold(0.0, f64::max);
    let estimated = report.predictions.iter().filter_map(|prediction| {
        let what = if prediction.estimated? == "images" { "images" } else { "bytes" };
        let name = capital(report.name(prediction.series));
        Some(format!(
            "{name}: how many {what} there are isn\u{2019}t known; it is estimated from the mean bytes of an image."
        ))
    });
    html! {
        h3 { "The whole source on more workers" } "\n"
        (paragraph(&format!(
            "Each worker reads its share as the one did that was measured. The first columns assume that the store\u{2019}s bandwidth \
             grows with the workers; the others, that all share the bandwidth of one and that only decoding is divided. What will be \
             measured should lie between. A measurement read at most {} images: this goes beyond what was seen.",
            number(largest)
        )))
        @for text in estimated { (paragraph(&text)) }
        div class="beside" { "\n"
            div { "\n" @for table in tables::predictions(report) { (table.html()) } } "\n"
            (shown(&["seconds-by-workers"]))
        } "\n"
    }
}
