//! A contact sheet as a page: one file that asks for nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indicatif::HumanCount;
use maud::{Markup, PreEscaped, html};

use super::{Cell, Sheet};
use crate::words::{self, Text};

/// Labels whose counts are shown.
const MOST_LABELS: usize = 200;
/// Between cells, and around a cell's thumbnail.
const GAP: u32 = 12;

const STYLE: &str = "\
:root { color-scheme: light dark; --paper: #fff; --ink: #181a1f; --grey: #5c6370; --box: #f1f2f4; --line: #dfe1e6; --red: #a62018; --red-box: #fdebe9 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e8eaed; --grey: #9aa1ad; --box: #24272d; --line: #353941; --red: #ff9d94; --red-box: #3a1f1d }
}
* { box-sizing: border-box }
body { margin: 0; padding: 20px; background: var(--paper); color: var(--ink); font: 14px/1.4 system-ui, sans-serif }
h1 { margin: 0; font-size: 18px; overflow-wrap: anywhere }
p { margin: 2px 0 14px; color: var(--grey) }
details { margin: 0 0 16px }
summary { cursor: pointer }
.labels { display: flex; flex-wrap: wrap; gap: 6px; margin: 8px 0 0; padding: 0; list-style: none }
.labels li { padding: 1px 9px; border: 1px solid var(--line); border-radius: 99px; overflow-wrap: anywhere }
.labels b { font-weight: 600; font-variant-numeric: tabular-nums }
figure { margin: 0; min-width: 0 }
.box { display: flex; align-items: center; justify-content: center; aspect-ratio: 1; overflow: hidden; background: var(--box); border-radius: 4px }
.box img { display: block; max-width: 100%; height: auto }
.box .icon { image-rendering: pixelated }
.box .clear { background: repeating-conic-gradient(#e0e0e0 0 25%, #fff 0 50%) 0 0 / 16px 16px }
.broken .box { padding: 8px; background: var(--red-box); color: var(--red); text-align: center; overflow-wrap: anywhere; font-size: 12px }
figcaption { padding-top: 4px; line-height: 1.3 }
figcaption > * { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
figcaption small { color: var(--grey); font-size: 12px; font-variant-numeric: tabular-nums }
";

/// Writes the sheet as an HTML page.
///
/// # Errors
/// A thumbnail that can't be encoded.
pub(crate) fn page(sheet: &Sheet) -> Result<String, String> {
    let figures: Vec<Markup> = sheet.cells.iter().map(|cell| figure(cell, sheet.side)).collect::<Result<_, _>>()?;
    let body = html! {
        h1 { (Text(&sheet.source)) } "\n"
        p { (Text(&sheet.summary())) } "\n"
        @if !sheet.labels.is_empty() { (counts(sheet)) }
        main class="grid" { "\n" @for figure in &figures { (figure) } } "\n"
    };
    let policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
    let title = format!("{}: contact sheet", sheet.source);
    Ok(words::page(&title, policy, &(STYLE.to_string() + &grid(sheet)), &body))
}

/// The style of the grid: as many columns as were asked for, where the window is wide enough.
fn grid(sheet: &Sheet) -> String {
    let side = sheet.side;
    let width = sheet.columns as u64 * u64::from(side + GAP) - u64::from(GAP);
    format!(
        ".grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, {side}px), 1fr)); gap: {}px {GAP}px; \
         max-width: {width}px }}\n",
        GAP + 6
    )
}

/// The labels and how many images each has.
fn counts(sheet: &Sheet) -> Markup {
    let labels = sheet.labels.counts();
    let more = labels.len().saturating_sub(MOST_LABELS);
    let is_open = more == 0 && labels.len() <= 40;
    html! {
        details open[is_open] { "\n"
            summary { (sheet.labels.counted()) } "\n"
            ul class="labels" { "\n"
                @for (label, count) in labels.take(MOST_LABELS) {
                    li { (Text(label)) " " b { (HumanCount(count).to_string()) } } "\n"
                }
                @if more > 0 { li { "and " (HumanCount(more as u64).to_string()) " more" } "\n" }
            } "\n"
        } "\n"
    }
}

fn figure(cell: &Cell, side: u32) -> Result<Markup, String> {
    let label = Text(cell.caption());
    let sizes = cell.sizes().join(" \u{b7} ");
    let reason = cell.thumbnail.as_ref().err().map(String::as_str);
    let lines = cell.path.as_deref().into_iter().chain([sizes.as_str()]).chain(reason);
    let tooltip: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let shown = match &cell.thumbnail {
        Err(reason) => html! { (Text(reason)) },
        Ok(thumbnail) => {
            let (media_type, bytes) = thumbnail.encoded()?;
            let (times, (width, height)) = thumbnail.drawn_size(side);
            let source = format!("data:{media_type};base64,{}", STANDARD.encode(bytes));
            let classes = [(times > 1, "icon"), (thumbnail.is_transparent(), "clear")];
            let classes: Vec<&str> =
                classes.into_iter().filter_map(|(is_one, class)| is_one.then_some(class)).collect();
            html! {
                img class=[(!classes.is_empty()).then(|| classes.join(" "))] width=(width) height=(height) alt=(label) src=(source);
            }
        }
    };
    Ok(html! {
        figure class=[reason.map(|_| "broken")] title={
            @for (number, line) in tooltip.iter().enumerate() { @if number > 0 { (PreEscaped("&#10;")) } (Text(line)) }
        } {
            div class="box" { (shown) }
            figcaption { span { (label) } small { (Text(&sizes)) } }
        } "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheet::testing;

    #[test]
    fn labels_are_text_and_never_markup() {
        let page = page(&testing::sheet()).expect("written");
        assert!(page.contains("<span>a &lt;b&gt; &amp; &quot;c&quot;</span>"));
        assert!(!page.contains("<b> &"));
    }

    #[test]
    fn a_page_asks_for_nothing_else() {
        let page = page(&testing::sheet()).expect("written");
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("));
        assert_eq!(page.matches("src=\"").count(), page.matches("src=\"data:image/").count());
    }

    #[test]
    fn a_long_list_of_labels_is_cut() {
        let mut sheet = testing::sheet();
        for label in 0..300 {
            sheet.labels.add(Some(&format!("{label:03}")), 1);
        }
        let page = page(&sheet).expect("written");
        assert!(page.contains("<summary>303 labels</summary>"));
        assert!(page.contains("<li>and 103 more</li>"));
    }
}
