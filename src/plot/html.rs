//! A plot as a page: one file that asks for nothing else, and shows what is beneath the pointer.

use maud::{PreEscaped, html};

use super::svg::Drawn;
use super::{Plot, PlotFormat, Theme};
use crate::words::{self, Text};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// What a browser knows the script by: it runs no other.
const SCRIPT_HASH: &str = "sha256-z3YZbSAC0RNU2ay7LORlifewQy9T6vpeCVHbFCknDog=";

/// Writes the plot as an HTML page.
pub(super) fn page(plot: &Plot) -> String {
    let drawn = Drawn::of(plot, PlotFormat::Html);
    let title = plot.title();
    let urls = plot.points().into_iter().flat_map(|points| &points.thumbnails.urls);
    // Nothing of a URL that holds a picture has a meaning in JSON or HTML.
    let pictures: Vec<String> = urls.map(|url| format!("\"{url}\"")).collect();
    let body = html! {
        main {
            svg viewBox=(drawn.view_box()) role="img" aria-label=(Text(&plot.summary())) style={ "max-width: " (drawn.width * 1.6) "px" } {
                "\n" (drawn.body)
                circle id="ring" r="9" {} "\n"
            } "\n"
        } "\n"
        div id="near" hidden {} "\n"
        script type="application/json" id="pictures" { (PreEscaped(format!("[{}]", pictures.join(",\n")))) } "\n"
        script { (PreEscaped(SCRIPT)) } "\n"
    };
    let scheme = match plot.look.theme {
        None => "light dark",
        Some(Theme::Light) => "light",
        Some(Theme::Dark) => "dark",
    };
    let style = format!(":root {{ color-scheme: {scheme} }}\n{}{STYLE}", drawn.style(plot.look.theme));
    let policy = format!("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{SCRIPT_HASH}'");
    words::page(title, &policy, &style, &body)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_page_runs_its_own_script_alone() {
        let hash = ring::digest::digest(&ring::digest::SHA256, SCRIPT.as_bytes());
        assert_eq!(SCRIPT_HASH, format!("sha256-{}", STANDARD.encode(hash)));
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("</"));
    }
}
