//! The report as a page: one file that asks for nothing else.

use super::charts::{Chart, style};
use super::html::series;
use super::model::Terms;
use super::number::{bytes, capital, listed, number, whole};
use super::{Report, findings, tables};
use crate::sheet::escaped;
use crate::words::counted;

const STYLE: &str = include_str!("style.css");

/// Hosts, executors and the like that are named.
const MOST_NAMED: usize = 6;

/// Writes the page.
pub(super) fn page(report: &Report, charts: &[Chart]) -> String {
    let shown = |names: &[&str]| -> String {
        let figures: Vec<String> = names.iter().filter_map(|name| figure(charts, name)).collect();
        if figures.is_empty() { String::new() } else { format!("<div class=\"charts\">\n{}</div>\n", figures.concat()) }
    };
    let throughput = ["throughput-by-product", "files-and-shards", "mean-by-batch-size", "mean-by-batch-number"];
    let sections = [
        section("findings", "Findings", &findings_list(report)),
        section("throughput", "Throughput", &shown(&throughput)),
        section("regressions", "Linear regressions", &regressions(report, &shown)),
        section("model", "A physical model", &model(report, &shown)),
        section("spread", "First batch and executors", &shown(&["first-batch", "executors"])),
        section("averages", "Averages", &averages(report)),
        section("sources", "Sources and runs", &(tables::sources(report).html() + &tables::runs(report).html())),
        section("failed", "Failed repetitions", &tables::failed(report).map(|table| table.html()).unwrap_or_default()),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n{}<main>\n{}</main>\n\
         <footer><p>Written by pixmill {} from {}. A measurement is one repetition of reading <i>batch number</i> batches of \
         <i>batch size</i> images on one thread. MB are 10<sup>6</sup> bytes.</p></footer>\n</body>\n</html>\n",
        escaped(&format!("Speed test of {}", listed(&report.sources()))),
        style(),
        header(report),
        sections.concat(),
        env!("CARGO_PKG_VERSION"),
        escaped(&report.location)
    )
}

/// What was measured, before what it says.
fn header(report: &Report) -> String {
    let sources = report.series.iter().map(|one| {
        let format = one.format.as_deref().unwrap_or("format not known");
        format!(
            "<li>{} <span class=\"location\">{}</span> <span class=\"way\">{}, {}</span></li>\n",
            series(one.number, &one.name),
            escaped(&one.source),
            escaped(format),
            escaped(&one.treatment())
        )
    });
    format!(
        "<header>\n<h1>Speed test</h1>\n<ul class=\"sources\">\n{}</ul>\n<p>{}</p>\n{}</header>\n",
        sources.collect::<String>(),
        escaped(&lead(report)),
        facts(report)
    )
}

fn averages(report: &Report) -> String {
    let tables: String = tables::averages(report).iter().map(tables_html).collect();
    format!(
        "<p>Each measurement counts once in every mean, however many repetitions its combination has; sd is \
         the standard deviation of a sample.</p>\n<div class=\"side\">{tables}</div>\n"
    )
}

fn tables_html(table: &super::html::Table) -> String {
    table.html()
}

/// A part of the page; nothing where it has nothing to show.
fn section(id: &str, title: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{content}</section>\n")
}

fn figure(charts: &[Chart], name: &str) -> Option<String> {
    let chart = charts.iter().find(|chart| chart.name == name)?;
    Some(format!(
        "<figure>\n<figcaption><b>{}</b> {}</figcaption>\n{}</figure>\n",
        escaped(&chart.title),
        escaped(&chart.caption),
        chart.inline()
    ))
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

fn findings_list(report: &Report) -> String {
    let all = findings::all(report);
    let items =
        all.iter().map(|finding| format!("<li><b>{}</b> {}</li>\n", escaped(&finding.what), escaped(&finding.how)));
    format!("<ul class=\"findings\">\n{}</ul>\n", items.collect::<String>())
}

/// What was measured, in short.
fn facts(report: &Report) -> String {
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
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
        let class = if name.starts_with("Machine") { " class=\"wide\"" } else { "" };
        format!("<div{class}><dt>{name}</dt><dd>{}</dd></div>\n", escaped(&value))
    });
    format!("<dl>\n{}</dl>\n", rows.collect::<String>())
}

fn regressions(report: &Report, shown: &dyn Fn(&[&str]) -> String) -> String {
    if report.linear.iter().all(|linear| linear.fits.is_empty()) {
        return "<p>There are too few measurements, or too few different parameters, for a regression.</p>\n"
            .to_string();
    }
    format!(
        "<p>Ordinary least squares through all measurements of a source, not their means. R\u{b2} is the share of the \
         variance of images/s that the line explains.</p>\n{}{}",
        shown(&["fit-batch-size", "fit-batch-number", "fit-product", "residuals"]),
        tables::regressions(report).html()
    )
}

fn model(report: &Report, shown: &dyn Fn(&[&str]) -> String) -> String {
    let mut html = "<p>Reading takes a while before the first byte is there, then a time for each byte, then a time for each \
                    image: seconds = latency + bytes / bandwidth + images \u{d7} cost of an image, fitted by least squares. \
                    Throughput, which is images by these seconds, then grows with the product and saturates; a straight \
                    line can\u{2019}t.</p>\n"
        .to_string();
    for (series, model) in &report.models {
        let name = capital(report.name(*series));
        let text = match model {
            Err(reason) => format!("{name}: there is no model, as {reason}."),
            Ok(model) => match (&model.reason, model.terms) {
                (Some(reason), Terms::Bytes) => format!(
                    "{name}: bytes and images can\u{2019}t be told apart: {reason}. The model has one term, bytes; its \
                     bandwidth holds the cost of decoding, too, as if all of it were shared where the bandwidth is."
                ),
                (Some(reason), _) => format!(
                    "{name}: bytes and images can\u{2019}t be told apart: {reason}. The model has one term, images; its \
                     cost of an image holds the transfer, too, so that nothing can be said of shared bandwidth."
                ),
                (None, _) => String::new(),
            },
        };
        if !text.is_empty() {
            html.push_str(&format!("<p>{}</p>\n", escaped(&text)));
        }
        if model.as_ref().is_ok_and(|model| model.latency().is_none()) {
            let text = format!(
                "{name}: no latency can be told: fitted, it comes out as less than nothing. Predictions take it as 0."
            );
            html.push_str(&format!("<p>{}</p>\n", escaped(&text)));
        }
    }
    if report.models().next().is_some() {
        html.push_str(&shown(&["model-seconds", "linear-fit-seconds"]));
        html.push_str(&tables::models(report).html());
        html.push_str("<p>R\u{b2} of seconds of the linear fit: seconds are images by the throughput that batch size, batch \
                       number and product together predict, where that is more than 0. Below 0, the mean of all seconds would be \
                       a better prediction.</p>\n");
    }
    html.push_str(&predictions(report, shown));
    html
}

fn predictions(report: &Report, shown: &dyn Fn(&[&str]) -> String) -> String {
    if report.predictions.is_empty() {
        return String::new();
    }
    let largest = report.measurements.iter().map(|measurement| measurement.images).fold(0.0, f64::max);
    let mut html = format!(
        "<h3>The whole source on more workers</h3>\n<p>Each worker reads its share as the one did that was measured. The first \
         columns assume that the store\u{2019}s bandwidth grows with the workers; the others, that all share the bandwidth of \
         one and that only decoding is divided. What will be measured should lie between. A measurement read at most {} \
         images: this goes beyond what was seen.</p>\n",
        number(largest)
    );
    for prediction in &report.predictions {
        let name = capital(report.name(prediction.series));
        let text = match prediction.estimated {
            Some("images") => format!(
                "{name}: how many images there are isn\u{2019}t known; it is estimated from the mean bytes of an image."
            ),
            Some(_) => format!(
                "{name}: how many bytes there are isn\u{2019}t known; it is estimated from the mean bytes of an image."
            ),
            None => continue,
        };
        html.push_str(&format!("<p>{}</p>\n", escaped(&text)));
    }
    let tables: String = tables::predictions(report).iter().map(tables_html).collect();
    let chart = shown(&["seconds-by-workers"]);
    html.push_str(&format!("<div class=\"beside\">\n<div>\n{tables}</div>\n{chart}</div>\n"));
    html
}
