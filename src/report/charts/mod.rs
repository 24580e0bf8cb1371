//! Charts: each a picture of some of the report's data, with its caption and its description in words.

mod axis;
mod fit;
pub(crate) mod palette;
mod plot;
mod seconds;
mod spread;
mod throughput;

use maud::{Markup, PreEscaped, html};

pub(crate) use self::axis::Axis;
use self::plot::{Key, Mark};
use super::Report;
use super::measurements::Measurement;
use super::series::Series;
use crate::error::Result;
use crate::words::Text;

pub(super) use palette::{series_variable, style};

/// A chart.
pub(crate) struct Chart {
    /// What it shows, as a file is called.
    pub(crate) name: &'static str,
    pub(super) title: String,
    pub(super) caption: String,
    /// What is seen, for who doesn't see it.
    pub(super) alt: String,
    svg: String,
}

/// Units above a chart that stands alone, for its title.
const TITLE: u32 = 56;

impl Chart {
    fn new(name: &'static str, title: impl Into<String>, svg: String) -> Self {
        Self { name, title: title.into(), caption: String::new(), alt: String::new(), svg }
    }

    fn with_words(self, caption: String, alt: String) -> Self {
        Self { caption, alt, ..self }
    }

    /// Width and height, and what is drawn.
    fn parts(&self) -> (u32, u32, &str) {
        let (head, rest) = self.svg.split_once(">\n").unwrap_or(("", self.svg.as_str()));
        let body = rest.rsplit_once("</svg>").map_or(rest, |(body, _)| body);
        let number = |name: &str| head.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next());
        let size = |name: &str, other: u32| number(name).and_then(|text| text.parse().ok()).unwrap_or(other);
        (size(" width", plot::WIDTH), size(" height", plot::HEIGHT), body)
    }

    /// The picture as part of a page that has the style.
    pub(super) fn inline(&self) -> Markup {
        let (width, height, body) = self.parts();
        html! {
            svg viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(Text(&self.alt)) {
                "\n" (PreEscaped(body))
            } "\n"
        }
    }

    /// The picture as a file of its own.
    pub(crate) fn alone(&self) -> String {
        let (width, height, body) = self.parts();
        let (width, height) = (width + 48, height + TITLE + 32);
        let title = Text(&self.title);
        let picture = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox={ "-24 -16 " (width) " " (height) } role="img" {
                "\n"
                title { (title) } "\n"
                desc { (Text(&self.alt)) } "\n"
                style { "\n" (PreEscaped(ALONE)) (PreEscaped(style())) (PreEscaped(FONT)) } "\n"
                (PreEscaped(PAPER)) "\n"
                text x="0" y="30" font-size="30" font-weight="600" fill="#1B1F24" { (title) } "\n"
                g transform={ "translate(0, " (TITLE) ")" } { "\n" (PreEscaped(body)) } "\n"
            } "\n"
        };
        picture.into_string()
    }
}

/// The colours of the paper that a chart alone stands on.
const ALONE: &str = "\
:root { --paper: #FFFFFF }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #15181D } }
";
const FONT: &str = "text { font-family: system-ui, sans-serif }\n";
/// An element that ends in itself, as pictures have them and pages don't.
const PAPER: &str = "<rect x=\"-24\" y=\"-16\" width=\"100%\" height=\"100%\" style=\"fill: var(--paper)\"/>";

/// All charts that there is something to see in.
///
/// # Errors
/// What can't be drawn.
pub(super) fn all(report: &Report) -> Result<Vec<Chart>> {
    let mut charts = vec![throughput::by_product(report)?];
    charts.extend(throughput::by_batch_size(report)?);
    charts.extend(throughput::by_batch_number(report)?);
    charts.extend(throughput::files_and_shards(report)?);
    charts.extend(fit::all(report)?);
    charts.extend(seconds::all(report)?);
    charts.extend(spread::all(report)?);
    Ok(charts)
}

/// A legend of all series.
fn keys(report: &Report, mark: Mark) -> Vec<Key> {
    let key = |series: &Series| Key { name: series.name.clone(), colour: palette::series(series.number), mark };
    report.series.iter().map(key).collect()
}

/// How far a series' marks are moved aside, so that others can be seen.
fn aside(report: &Report, series: i64) -> i32 {
    let (count, position) = (report.series.len() as i64, series - 1);
    let step = if count > 3 { 6 } else { 10 };
    i32::try_from((2 * position - (count - 1)) * step / 2).unwrap_or(0)
}

/// Products of batch size and number, each with a tick where there is room for them.
fn products(report: &Report) -> Axis {
    let mut products: Vec<i64> = report.measurements.iter().map(Measurement::product).collect();
    products.sort_unstable();
    products.dedup();
    let title = "batch size \u{d7} batch number, images (logarithmic)";
    match products.len() {
        ..=9 => Axis::parameters(title, &products),
        _ => Axis::log(title, products.iter().map(|product| *product as f64)),
    }
}

/// The part of a sentence that says where the series of a chart lie.
fn ranges(report: &Report, unit: &str, values: impl Fn(i64) -> Vec<f64>) -> String {
    let range = |series: &Series| {
        let values = values(series.number);
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let number = super::number::number;
        (min <= max).then(|| format!("{} from {} to {} {unit}", series.name, number(min), number(max)))
    };
    super::number::named(&report.series.iter().filter_map(range).collect::<Vec<_>>())
}
