//! The frame of a chart: axes, grid and legend, and marks by their values.

use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, DashedPathElement, EmptyElement, PathElement, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle};

use super::axis::{Axis, LETTERS, text_width};
use super::palette::{GREY, GRID, INK};
use crate::error::{Error, Result};

/// The width of every chart, in units; about two make a pixel in a window of two columns.
pub(super) const WIDTH: u32 = 900;
/// The height of most charts.
pub(super) const HEIGHT: u32 = 600;

const MARGIN: u32 = 24;
const ROW: u32 = 38;
/// plotters writes letters smaller than it is told.
const LETTERS_BY_SIZE: f64 = 1.24;

pub(super) type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// How a mark looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Filled,
    Hollow,
    Line,
    Dashed,
}

/// A line of the legend.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) mark: Mark,
}

/// What is around the marks.
pub(super) struct Frame {
    pub(super) height: u32,
    pub(super) keys: Vec<Key>,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Room at the right, for texts beside marks.
    pub(super) right: u32,
    /// Whether there are lines at the ticks from left to right, and from top to bottom.
    pub(super) grid: (bool, bool),
}

impl Frame {
    pub(super) fn new(x: Axis, y: Axis, keys: Vec<Key>) -> Self {
        Self { height: HEIGHT, keys, x, y, right: MARGIN, grid: (true, false) }
    }

    /// Draws the frame and then the marks; gives an SVG.
    ///
    /// # Errors
    /// What can't be drawn.
    pub(super) fn draw(mut self, marks: impl FnOnce(&Plot<'_, '_>) -> Drawn) -> Result<String> {
        let labels = (self.y.text_width() + f64::from(LETTERS)).ceil() as u32;
        self.x.thin_out(f64::from(WIDTH.saturating_sub(labels + self.right)));
        // More rows of the legend are no reason for less room for the marks.
        self.height += self.legend().last().map_or(0, |(_, y)| (*y - 22) as u32);
        let mut svg = String::new();
        let drawn = {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, self.height)).into_drawing_area();
            self.draw_on(&root, labels, marks).and_then(|()| root.present())
        };
        drawn.map_err(|error| Error::Failed(format!("cannot draw a chart: {error}")))?;
        Ok(svg)
    }

    fn draw_on(
        &self,
        root: &DrawingArea<SVGBackend<'_>, Shift>,
        labels: u32,
        marks: impl FnOnce(&Plot<'_, '_>) -> Drawn,
    ) -> Drawn {
        self.draw_legend(root)?;
        let mut top = self.legend().last().map_or(4, |(_, y)| *y as u32 + ROW / 2 + 4);
        if !self.y.title.is_empty() {
            root.draw(&text(&self.y.title, (2, top as i32 + 4), GREY, VPos::Top))?;
            top += ROW + 12;
        }
        let mut chart = ChartBuilder::on(root)
            .margin_top(top)
            .margin_right(self.right)
            .x_label_area_size(if self.x.title.is_empty() { 48 } else { 82 })
            .y_label_area_size(labels)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        let mut mesh = chart.configure_mesh();
        mesh.bold_line_style(GRID.stroke_width(2))
            .max_light_lines(0)
            .axis_style(GREY.stroke_width(2))
            .label_style(letters(INK))
            .axis_desc_style(letters(GREY))
            .set_all_tick_mark_size(8);
        if !self.x.title.is_empty() {
            mesh.x_desc(self.x.title.clone());
        }
        let (across, down) = self.grid;
        if !across {
            mesh.disable_y_mesh();
        }
        if !down {
            mesh.disable_x_mesh();
        }
        mesh.draw()?;
        marks(&Plot(chart.plotting_area()))
    }

    /// Where each key of the legend stands.
    fn legend(&self) -> Vec<(i32, i32)> {
        let (mut x, mut y) = (0, 22);
        let place = |key: &Key| {
            let width = 44 + text_width(&key.name).ceil() as i32 + 24;
            if x > 0 && x + width > WIDTH as i32 {
                (x, y) = (0, y + ROW as i32);
            }
            let at = (x, y);
            x += width;
            at
        };
        self.keys.iter().map(place).collect()
    }

    fn draw_legend(&self, root: &DrawingArea<SVGBackend<'_>, Shift>) -> Drawn {
        for (key, (x, y)) in self.keys.iter().zip(self.legend()) {
            let middle = (x + 18, y);
            match key.mark {
                Mark::Filled => root.draw(&Circle::new(middle, 8, key.colour.filled()))?,
                Mark::Hollow => root.draw(&Circle::new(middle, 8, key.colour.stroke_width(4)))?,
                Mark::Line => root.draw(&PathElement::new([(x + 2, y), (x + 34, y)], key.colour.stroke_width(5)))?,
                Mark::Dashed => {
                    for start in [2, 20] {
                        let dash = [(x + start, y), (x + start + 12, y)];
                        root.draw(&PathElement::new(dash, key.colour.stroke_width(4)))?;
                    }
                }
            }
            root.draw(&text(&key.name, (x + 44, y), INK, VPos::Center))?;
        }
        Ok(())
    }
}

/// The inside of the frame.
pub(super) struct Plot<'a, 's>(&'a DrawingArea<SVGBackend<'s>, Cartesian2d<Axis, Axis>>);

impl Plot<'_, '_> {
    /// A measurement, moved aside by some units where others would cover it.
    pub(super) fn dot(&self, at: (f64, f64), aside: i32, colour: RGBColor, mark: Mark) -> Drawn {
        let style = match mark {
            Mark::Hollow => ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: 4 },
            _ => colour.mix(0.72).filled(),
        };
        self.0.draw(&(EmptyElement::at(at) + Circle::new((aside, 0), 7, style)))
    }

    /// A mean: larger, and not seen through.
    pub(super) fn mean(&self, at: (f64, f64), aside: i32, colour: RGBColor) -> Drawn {
        self.0.draw(&(EmptyElement::at(at) + Circle::new((aside, 0), 10, colour.filled())))
    }

    /// An upright line through a place, moved aside: a range, or a mean between dots.
    pub(super) fn upright(&self, x: f64, (from, to): (f64, f64), aside: i32, colour: RGBColor, width: u32) -> Drawn {
        let pixels = [(x, from), (x, to)].map(|at| self.0.map_coordinate(&at));
        let line = pixels.map(|(x, y)| (x + aside, y));
        self.0.use_screen_coord().draw(&PathElement::new(line, colour.stroke_width(width)))
    }

    pub(super) fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: u32) -> Drawn {
        self.0.draw(&PathElement::new(points.to_vec(), colour.stroke_width(width)))
    }

    pub(super) fn dashed(&self, points: &[(f64, f64)], colour: RGBColor, width: u32) -> Drawn {
        self.0.draw(&DashedPathElement::new(points.to_vec(), 12, 9, colour.stroke_width(width)))
    }

    /// A text that begins so many units right of a place.
    pub(super) fn text(&self, words: &str, at: (f64, f64), aside: i32, colour: RGBColor) -> Drawn {
        let element = EmptyElement::at(at) + text(words, (aside, 0), colour, VPos::Center);
        self.0.draw(&element)
    }
}

fn letters(colour: RGBColor) -> TextStyle<'static> {
    let size = f64::from(LETTERS) * LETTERS_BY_SIZE;
    (FontFamily::SansSerif, size, FontStyle::Normal).into_font().color(&colour)
}

fn text(words: &str, at: (i32, i32), colour: RGBColor, down: VPos) -> Text<'static, (i32, i32), String> {
    Text::new(words.to_string(), at, letters(colour).pos(Pos::new(HPos::Left, down)))
}
