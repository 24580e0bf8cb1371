//! A plot as pixels: a PNG, or a picture in a terminal.

use image::ExtendedColorType;
use plotters::style::RGBColor;

use super::colours::Mark;
use super::layout::{Anchor, At, Key, Layout, Pen};
use super::marker::Marker;
use super::points::Points;
use super::{Plot, PlotFormat, Theme};
use crate::report::palette::{GREY_SHADE, INK_SHADE, PAPER, Shade};
use crate::sheet::text::width;
use crate::sheet::{Canvas, encoded};

/// Draws the plot as a PNG file.
///
/// # Errors
/// A plot that is too large for a PNG.
pub(super) fn picture(plot: &Plot) -> Result<Vec<u8>, String> {
    let canvas = pixels(plot, plot.look.theme.unwrap_or(Theme::Light));
    encoded(canvas.rgb(), (canvas.width, canvas.height), ExtendedColorType::Rgb8)
}

/// The pixels of all of it.
pub(super) fn pixels(plot: &Plot, theme: Theme) -> Canvas {
    let layout = Layout::new(&plot.points, &plot.look, &plot.notes(PlotFormat::Png));
    let mut brush = Brush::new(&layout, &plot.points, theme);
    layout.draw(&plot.points, &plot.look, PlotFormat::Png, &mut brush);
    brush.canvas
}

/// The pixels of its points alone.
pub(super) fn coarse(plot: &Plot, (width, height): (u32, u32), theme: Theme) -> Canvas {
    let layout = Layout::coarse(&plot.points, width, height);
    let mut brush = Brush::new(&layout, &plot.points, theme);
    brush.fill((0.0, 0.0), (layout.width, layout.height), &PAPER);
    layout.draw_points(&plot.points, PlotFormat::Png, &mut brush);
    brush.canvas
}

struct Brush<'a> {
    canvas: Canvas,
    points: &'a Points,
    theme: Theme,
    /// The pixels of each shape.
    markers: Vec<Vec<(i32, i32, u8)>>,
    opacity: f64,
}

impl<'a> Brush<'a> {
    fn new(layout: &Layout, points: &'a Points, theme: Theme) -> Self {
        let canvas = Canvas::paper(layout.width as u32, layout.height.ceil() as u32);
        Self { canvas, points, theme, markers: Vec::new(), opacity: 1.0 }
    }

    fn colour(&self, shade: &Shade) -> [u8; 3] {
        let RGBColor(red, green, blue) = self.theme.colour(shade);
        [red, green, blue]
    }

    fn draw(&mut self, pixels: &[(i32, i32, u8)], (x, y): At, mark: Mark) {
        let Some(shade) = self.points.colours.shades.get(mark.shade) else { return };
        let colour = self.colour(shade);
        let (left, top) = (x.round() as i32, y.round() as i32);
        for (x, y, covered) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(left + x), u32::try_from(top + y)) {
                self.canvas.mix((x, y), colour, (f64::from(*covered) * self.opacity).round() as u8);
            }
        }
    }
}

impl Pen for Brush<'_> {
    fn fill(&mut self, (x, y): At, (width, height): (f64, f64), shade: &Shade) {
        let colour = self.colour(shade);
        let size = (width.round().max(1.0) as u32, height.round().max(1.0) as u32);
        self.canvas.fill((x.round() as u32, y.round() as u32), size, colour);
    }

    fn write(&mut self, text: &str, (x, y): At, shade: &Shade, anchor: Anchor) {
        let length = f64::from(width(text));
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - length / 2.0,
            Anchor::End => x - length,
        };
        self.canvas.write(text, (left.max(0.0).round() as u32, y.max(0.0).round() as u32), self.colour(shade));
    }

    fn title(&mut self, text: &str, (x, y): At) {
        // Twice, a pixel apart, is bold.
        for aside in [0.0, 1.0] {
            self.write(text, (x + aside, y), &INK_SHADE, Anchor::Start);
        }
    }

    fn points(&mut self, radius: f64, opacity: f64) {
        self.markers = Marker::ALL.iter().map(|marker| marker.pixels(radius)).collect();
        self.opacity = opacity;
    }

    fn point(&mut self, _: usize, at: At, mark: Mark) {
        let markers = std::mem::take(&mut self.markers);
        if let Some(pixels) = markers.get(mark.marker.number()) {
            self.draw(pixels, at, mark);
        }
        self.markers = markers;
    }

    fn end_of_points(&mut self) {
        self.opacity = 1.0;
    }

    fn key(&mut self, _: usize, key: &Key, mark: Mark) {
        self.draw(&mark.marker.pixels(key.radius), key.at, mark);
        self.write(&key.name, key.name_at, &INK_SHADE, Anchor::Start);
        self.write(&key.count, key.count_at, &GREY_SHADE, Anchor::End);
    }
}
