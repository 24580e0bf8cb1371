//! A contact sheet as a page: one file that asks for nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indicatif::HumanCount;

use super::{Cell, Sheet};

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
    let (source, side) = (escaped(&sheet.source), sheet.side);
    // As many columns as were asked for, where the window is wide enough.
    let width = sheet.columns as u64 * u64::from(side + GAP) - u64::from(GAP);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{source}: contact sheet</title>\n<style>\n{STYLE}\
         .grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, {side}px), 1fr)); \
         gap: {}px {GAP}px; max-width: {width}px }}\n</style>\n</head>\n<body>\n\
         <h1>{source}</h1>\n<p>{}</p>\n",
        GAP + 6,
        escaped(&sheet.summary())
    );
    page.push_str(&counts(sheet));
    page.push_str("<main class=\"grid\">\n");
    for cell in &sheet.cells {
        page.push_str(&figure(cell, side)?);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

/// The labels and how many images each has.
fn counts(sheet: &Sheet) -> String {
    if sheet.labels.is_empty() {
        return String::new();
    }
    let labels = sheet.labels.counts();
    let more = labels.len().saturating_sub(MOST_LABELS);
    let is_open = if more == 0 && labels.len() <= 40 { " open" } else { "" };
    let mut text =
        format!("<details{is_open}>\n<summary>{}</summary>\n<ul class=\"labels\">\n", sheet.labels.counted());
    for (label, count) in labels.take(MOST_LABELS) {
        text.push_str(&format!("<li>{} <b>{}</b></li>\n", escaped(label), HumanCount(count)));
    }
    if more > 0 {
        text.push_str(&format!("<li>and {} more</li>\n", HumanCount(more as u64)));
    }
    text.push_str("</ul>\n</details>\n");
    text
}

fn figure(cell: &Cell, side: u32) -> Result<String, String> {
    let label = escaped(cell.caption());
    let sizes = escaped(&cell.sizes().join(" \u{b7} "));
    let reason = cell.thumbnail.as_ref().err().map(|reason| escaped(reason));
    let tooltip = cell.path.iter().map(|path| escaped(path)).chain([sizes.clone()]).chain(reason);
    let tooltip = tooltip.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("&#10;");
    let (class, shown) = match &cell.thumbnail {
        Err(reason) => (" class=\"broken\"", escaped(reason)),
        Ok(thumbnail) => {
            let (media_type, bytes) = thumbnail.encoded()?;
            let (times, (width, height)) = thumbnail.drawn_size(side);
            let mut classes = Vec::new();
            if times > 1 {
                classes.push("icon");
            }
            if thumbnail.is_transparent() {
                classes.push("clear");
            }
            let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
            let image = format!(
                "<img{class} width=\"{width}\" height=\"{height}\" alt=\"{label}\" src=\"data:{media_type};base64,{}\">",
                STANDARD.encode(bytes)
            );
            ("", image)
        }
    };
    Ok(format!(
        "<figure{class} title=\"{tooltip}\"><div class=\"box\">{shown}</div>\
         <figcaption><span>{label}</span><small>{sizes}</small></figcaption></figure>\n"
    ))
}

/// Text as it may stand anywhere on a page.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // A page may not hold most of these.
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheet::testing;

    #[test]
    fn labels_are_text_and_never_markup() {
        assert_eq!(escaped("<script>'a' & \"b\"\0"), "&lt;script&gt;&#39;a&#39; &amp; &quot;b&quot;\u{fffd}");
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
