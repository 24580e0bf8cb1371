//! A plot as pixels: a PNG, or a picture in a terminal.

use image::ExtendedColorType;
use plotters::style::RGBColor;

use super::colours::Mark;
use super::layout::{Anchor, At, Key, Layout, Pen};
use super::marker::Marker;
use super::matrix::MatrixLayout;
use super::points::Points;
use super::{Drawing, Plot, PlotFormat, Theme};
use crate::report::palette::{GREY_SHADE, INK_SHADE, PAPER, Shade};
use crate::sheet::text::{LINE, width};
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
    let notes = plot.notes(PlotFormat::Png);
    match &plot.drawing {
        Drawing::Points(points) => {
            let layout = Layout::new(points, &plot.look, &notes);
            let mut brush = Brush::new((layout.width, layout.height), Some(points), theme);
            layout.draw(points, &plot.look, PlotFormat::Png, &mut brush);
            brush.canvas
        }
        Drawing::Matrix(matrix) => {
            let layout = MatrixLayout::new(matrix, &plot.look, &notes);
            let mut brush = Brush::new((layout.width, layout.height), None, theme);
            layout.draw(matrix, &plot.look, &mut brush);
            brush.canvas
        }
    }
}

/// The pixels of points alone.
pub(super) fn coarse(points: &Points, (width, height): (u32, u32), theme: Theme) -> Canvas {
    let layout = Layout::coarse(points, width, height);
    let mut brush = Brush::new((layout.width, layout.height), Some(points), theme);
    brush.fill((0.0, 0.0), (layout.width, layout.height), &PAPER);
    layout.draw_points(points, PlotFormat::Png, &mut brush);
    brush.canvas
}

struct Brush<'a> {
    canvas: Canvas,
    /// Where it is points that are drawn.
    points: Option<&'a Points>,
    theme: Theme,
    /// The pixels of each shape.
    markers: Vec<Vec<(i32, i32, u8)>>,
    opacity: f64,
}

impl<'a> Brush<'a> {
    fn new((width, height): (f64, f64), points: Option<&'a Points>, theme: Theme) -> Self {
        let canvas = Canvas::paper(width as u32, height.ceil() as u32);
        Self { canvas, points, theme, markers: Vec::new(), opacity: 1.0 }
    }

    fn colour(&self, shade: &Shade) -> [u8; 3] {
        let RGBColor(red, green, blue) = self.theme.colour(shade);
        [red, green, blue]
    }

    fn draw(&mut self, pixels: &[(i32, i32, u8)], (x, y): At, mark: Mark) {
        let shade = self.points.and_then(|points| points.colours.shades.get(mark.shade));
        let Some(shade) = shade else { return };
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

    fn write_up(&mut self, text: &str, (x, y): At, shade: &Shade) {
        let (length, colour) = (width(text), self.colour(shade));
        // Written on paper of its own, black on white, and turned.
        let mut line = Canvas::paper(length, LINE);
        line.fill((0, 0), (length, LINE), [255; 3]);
        line.write(text, (0, 0), [0; 3]);
        let (left, bottom) = ((x - f64::from(LINE) / 2.0).round() as i64, y.round() as i64);
        for row in 0..LINE {
            for column in 0..length {
                let covered = line.rgb().get(((row * length + column) * 3) as usize).map_or(0, |value| 255 - value);
                let at = (u32::try_from(left + i64::from(row)), u32::try_from(bottom - 1 - i64::from(column)));
                if let (Ok(x), Ok(y), 1..) = (at.0, at.1, covered) {
                    self.canvas.mix((x, y), colour, covered);
                }
            }
        }
    }

    fn cell(&mut self, at: At, size: (f64, f64), shade: &Shade, _: &str) {
        self.fill(at, size, shade);
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
