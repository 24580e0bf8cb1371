//! A plot as an SVG, light or dark as whoever looks at it has it, unless a theme is chosen.

use maud::{Markup, PreEscaped, Render, html};
use plotters::style::RGBColor;

use super::colours::Mark;
use super::layout::{Anchor, At, Key, Layout, Pen};
use super::marker::Marker;
use super::matrix::{Matrix, MatrixLayout};
use super::points::Points;
use super::{Drawing, Look, Plot, PlotFormat, Theme};
use crate::report::palette::{GREY_SHADE, GRID_SHADE, INK_SHADE, PAPER, Shade, hex, style_of};
use crate::words::Text;

/// From the upper end of a line to where its letters stand.
const BASE: f64 = 13.0;
const FONT: &str = "text { font: 13px system-ui, sans-serif; font-variant-numeric: tabular-nums }\n";

/// Draws the plot as a file of its own.
pub(super) fn picture(plot: &Plot) -> String {
    let drawn = Drawn::of(plot, PlotFormat::Svg);
    let style = drawn.style(plot.look.theme) + FONT;
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(drawn.width) height=(drawn.height) viewBox=(drawn.view_box()) role="img" {
            "\n"
            title { (Text(plot.title())) } "\n"
            desc { (Text(&plot.summary())) } "\n"
            style { "\n" (PreEscaped(style)) } "\n"
            (drawn.body)
        } "\n"
    };
    picture.into_string()
}

/// What is drawn, without what holds it.
pub(super) struct Drawn {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) body: Markup,
    shades: Vec<Shade>,
}

impl Drawn {
    pub(super) fn of(plot: &Plot, format: PlotFormat) -> Self {
        let notes = plot.notes(format);
        let mut svg = Svg { points: plot.points(), look: &plot.look, format, body: String::new() };
        let (width, height, shades) = match &plot.drawing {
            Drawing::Points(points) => {
                let layout = Layout::new(points, &plot.look, &notes);
                layout.draw(points, &plot.look, format, &mut svg);
                (layout.width, layout.height, points.colours.shades.clone())
            }
            Drawing::Matrix(matrix) => {
                let layout = MatrixLayout::new(matrix, &plot.look, &notes);
                layout.draw(matrix, &plot.look, &mut svg);
                (layout.width, layout.height, Matrix::shades())
            }
        };
        Self { width, height, body: PreEscaped(svg.body), shades }
    }

    pub(super) fn view_box(&self) -> String {
        format!("0 0 {} {}", self.width, self.height)
    }

    /// The style of its colours.
    pub(super) fn style(&self, theme: Option<Theme>) -> String {
        let others = [&PAPER, &INK_SHADE, &GREY_SHADE, &GRID_SHADE];
        let shades = others.into_iter().chain(self.shades.iter().filter(|shade| **shade != GREY_SHADE));
        match theme {
            None => style_of(shades),
            Some(theme) => {
                let variable = |shade: &Shade| format!("--{}: {}; ", shade.name, hex(theme.colour(shade)));
                format!(":root {{ {}}}\n", others.into_iter().map(variable).collect::<String>())
            }
        }
    }
}

struct Svg<'a> {
    /// Where it is points that are drawn.
    points: Option<&'a Points>,
    look: &'a Look,
    format: PlotFormat,
    body: String,
}

impl Svg<'_> {
    fn push(&mut self, markup: Markup) {
        self.body.push_str(&markup.into_string());
        self.body.push('\n');
    }

    fn colour(&self, shade: &Shade) -> String {
        hex(self.look.theme.unwrap_or(Theme::Light).colour(shade))
    }

    fn mark_colour(&self, mark: Mark) -> String {
        let shade = self.points.and_then(|points| points.colours.shades.get(mark.shade));
        shade.map_or_else(String::new, |shade| self.colour(shade))
    }

    /// What is said of a point: its label, and what its colour means.
    fn words(&self, number: usize) -> Vec<String> {
        let Some(points) = self.points else { return Vec::new() };
        let label = points.labels.get(number).cloned().flatten();
        let colour = points.colours.words(number).map(std::borrow::Cow::into_owned);
        let colour = colour.filter(|colour| Some(colour) != label.as_ref());
        label.into_iter().chain(colour).collect()
    }
}

impl Pen for Svg<'_> {
    fn fill(&mut self, (x, y): At, (width, height): (f64, f64), shade: &Shade) {
        let fill = self.colour(shade);
        self.push(
            html! { rect x=(Pixels(x)) y=(Pixels(y)) width=(Pixels(width)) height=(Pixels(height)) fill=(fill) {} },
        );
    }

    fn write(&mut self, text: &str, (x, y): At, shade: &Shade, anchor: Anchor) {
        let anchor = match anchor {
            Anchor::Start => None,
            Anchor::Middle => Some("middle"),
            Anchor::End => Some("end"),
        };
        let fill = self.colour(shade);
        self.push(html! { text x=(Pixels(x)) y=(Pixels(y + BASE)) fill=(fill) text-anchor=[anchor] { (Text(text)) } });
    }

    fn write_up(&mut self, text: &str, (x, y): At, shade: &Shade) {
        let fill = self.colour(shade);
        // Half of the letters' height, so that their middle is at the place.
        let x = x + BASE / 2.0 - 2.0;
        self.push(html! {
            text x=(Pixels(x)) y=(Pixels(y)) fill=(fill) transform={ "rotate(-90 " (Pixels(x)) " " (Pixels(y)) ")" } { (Text(text)) }
        });
    }

    fn cell(&mut self, (x, y): At, (width, height): (f64, f64), shade: &Shade, words: &str) {
        let fill = self.colour(shade);
        self.push(html! {
            rect x=(Pixels(x)) y=(Pixels(y)) width=(Pixels(width)) height=(Pixels(height)) fill=(fill) { title { (Text(words)) } }
        });
    }

    fn title(&mut self, text: &str, (x, y): At) {
        let fill = self.colour(&INK_SHADE);
        self.push(html! {
            text x=(Pixels(x)) y=(Pixels(y + BASE)) fill=(fill) style="font-size: 16px; font-weight: 600" { (Text(text)) }
        });
    }

    fn points(&mut self, radius: f64, opacity: f64) {
        self.push(html! {
            defs {
                @for marker in Marker::ALL {
                    path id={ "m" (marker.number()) } fill-rule="evenodd" d=(marker.path(radius)) {}
                }
            }
        });
        self.body.push_str(&format!("<g class=\"points\" fill-opacity=\"{opacity}\">\n"));
    }

    fn point(&mut self, number: usize, (x, y): At, mark: Mark) {
        let words = self.words(number);
        let is_page = self.format == PlotFormat::Html;
        let points = self.points.filter(|_| is_page);
        let class = points.and_then(|points| points.colours.class(number));
        let picture = points.and_then(|points| points.thumbnails.of(number));
        self.push(html! {
            use href={ "#m" (mark.marker.number()) } x=(Pixels(x)) y=(Pixels(y)) fill=(self.mark_colour(mark)) data-class=[class] data-picture=[picture] {
                @if !words.is_empty() {
                    title { @for (number, line) in words.iter().enumerate() { @if number > 0 { (PreEscaped("&#10;")) } (Text(line)) } }
                }
            }
        });
    }

    fn end_of_points(&mut self) {
        self.body.push_str("</g>\n");
    }

    fn key(&mut self, class: usize, key: &Key, mark: Mark) {
        let class = (self.format == PlotFormat::Html).then_some(class);
        let (ink, grey) = (self.colour(&INK_SHADE), self.colour(&GREY_SHADE));
        let ((x, y), (name_x, name_y), (count_x, count_y)) = (key.at, key.name_at, key.count_at);
        self.push(html! {
            g class="key" data-class=[class] {
                path d=(mark.marker.path(key.radius)) transform={ "translate(" (Pixels(x)) " " (Pixels(y)) ")" } fill-rule="evenodd" fill=(self.mark_colour(mark)) {}
                text x=(Pixels(name_x)) y=(Pixels(name_y + BASE)) fill=(ink) { (Text(&key.name)) }
                text x=(Pixels(count_x)) y=(Pixels(count_y + BASE)) fill=(grey) text-anchor="end" { (key.count) }
            }
        });
    }
}

/// A number of pixels, to a tenth.
struct Pixels(f64);

impl Render for Pixels {
    fn render_to(&self, page: &mut String) {
        let text = format!("{:.1}", self.0);
        page.push_str(text.strip_suffix(".0").unwrap_or(&text));
    }
}

impl Theme {
    /// The colour of a shade.
    pub(super) fn colour(self, shade: &Shade) -> RGBColor {
        match self {
            Self::Light => shade.light,
            Self::Dark => shade.dark,
        }
    }
}
