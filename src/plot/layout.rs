//! Where everything of a plot stands: frame, axes, legend and notes, in pixels; and the one way through it that every format draws.

use indicatif::HumanCount;

use super::colours::{Mark, Meaning, ONLY_CIRCLES, STEPS};
use super::points::Points;
use super::{Look, PlotFormat};
use crate::report::Axis;
use crate::report::palette::{GREY_SHADE, GRID_SHADE, INK_SHADE, PAPER, Shade};
use crate::sheet::text::{LINE, wrap};
use crate::words::{cut, width};

/// Around everything, and between its parts.
pub(super) const MARGIN: f64 = 16.0;
/// The width of a letter, about: letters of a picture are as wide, those of pages narrower.
pub(super) const LETTER: f64 = 8.0;
pub(super) const ROW: f64 = LINE as f64;
/// From the axis to what is written at its ticks.
pub(super) const TICK: f64 = 6.0;
/// The width of the bar of a scale.
const BAR: f64 = 14.0;
/// The radius of marks in the legend.
const KEY: f64 = 6.0;
/// What a mark takes of the width of a legend.
const KEY_WIDTH: f64 = 20.0;
/// The most letters of a class's name in the legend, and where classes are so many.
const MOST_NAME: usize = 28;
const MOST_NAME_OF_MANY: (usize, usize) = (20, 40);
/// The part of the width that a legend beside the frame may take.
const BESIDE: f64 = 0.34;

/// A place, from the left and from the top.
pub(super) type At = (f64, f64);

/// Which end of a text a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// What draws.
pub(super) trait Pen {
    /// Fills a box.
    fn fill(&mut self, at: At, size: (f64, f64), shade: &Shade);
    /// Writes a line as high as [`ROW`], whose upper end is at the place.
    fn write(&mut self, text: &str, at: At, shade: &Shade, anchor: Anchor);
    /// Writes a line from below to above; the place is the middle of its beginning.
    fn write_up(&mut self, text: &str, at: At, shade: &Shade);
    /// Fills a box of which something is said.
    fn cell(&mut self, at: At, size: (f64, f64), shade: &Shade, words: &str);
    /// The title.
    fn title(&mut self, text: &str, at: At);
    /// Draws a point; the number is its own.
    fn point(&mut self, number: usize, at: At, mark: Mark);
    /// Points come, and have come.
    fn points(&mut self, radius: f64, opacity: f64);
    /// See above.
    fn end_of_points(&mut self);
    /// Draws the key of a class; the number is the class's.
    fn key(&mut self, class: usize, key: &Key, mark: Mark);
}

/// A class in the legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// The middle of its mark.
    pub(super) at: At,
    /// Where its name begins.
    pub(super) name_at: At,
    pub(super) name: String,
    /// Where the number of its points ends.
    pub(super) count_at: At,
    pub(super) count: String,
    pub(super) radius: f64,
}

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The inside of the axes.
    frame: (At, (f64, f64)),
    x: Axis,
    y: Axis,
    keys: Vec<Key>,
    /// The upper left corner of a scale's bar, and its height.
    bar: Option<(At, f64)>,
    /// Notes, and where the first one begins.
    notes: (Vec<String>, f64),
    radius: f64,
    opacity: f64,
}

impl Layout {
    pub(super) fn new(points: &Points, look: &Look, notes: &[String]) -> Self {
        let (full_width, mut height) = (f64::from(look.width), f64::from(look.height));
        let over = |axis: fn(&(f64, f64)) -> f64| Axis::over("", points.places.iter().map(axis), 0.03);
        let (mut x, y) = (over(|place| place.0), over(|place| place.1));
        let mut top = MARGIN + look.title.as_ref().map_or(0.0, |_| 1.5 * ROW);
        top += look.y_title.as_ref().map_or(0.0, |_| ROW + TICK);
        let bottom = ROW + TICK + look.x_title.as_ref().map_or(0.0, |_| ROW);
        let notes: Vec<String> =
            notes.iter().flat_map(|note| wrap(note, (full_width - 2.0 * MARGIN) as u32, usize::MAX)).collect();
        let notes_height = if notes.is_empty() { 0.0 } else { notes.len() as f64 * ROW + TICK };
        let tick_width = |axis: &Axis| axis.ticks().map(|(_, text)| text_width(text)).fold(0.0, f64::max);
        let left = MARGIN + tick_width(&y) + 2.0 * TICK;

        let around = top + bottom + notes_height + MARGIN;
        let room = (height - around).max(4.0 * ROW);
        height = around + room;
        let mut legend = Legend::of(points, full_width);
        let beside = legend.width_beside(full_width, room);
        let last_tick = x.ticks().last().map_or(0.0, |(_, text)| text_width(text));
        let right = beside.map_or(MARGIN.max(last_tick / 2.0), |width| width + 2.0 * MARGIN);
        let frame_width = (full_width - left - right).max(4.0 * LETTER);
        let frame = ((left, top), (frame_width, room));
        let below = top + room + bottom;
        let bar = match legend {
            Legend::Scale(_) => Some(((left + frame_width + MARGIN, top), room.min(300.0))),
            _ => None,
        };
        if beside.is_some() {
            legend.stand_beside((left + frame_width + MARGIN, top));
        } else {
            height += legend.stand_below((MARGIN, below + TICK), full_width - 2.0 * MARGIN);
        }
        x.thin_out_letters(frame_width / LETTER);
        let keys = match legend {
            Legend::Keys(keys) => keys.keys,
            _ => Vec::new(),
        };
        // Shapes can't be told apart where they are tiny.
        let has_shapes = keys.len() > ONLY_CIRCLES;
        let (radius, opacity) = match points.places.len() {
            0..=500 => (5.0, 0.85),
            501..=3_000 => (4.0, 0.8),
            3_001..=20_000 => (if has_shapes { 3.5 } else { 2.5 }, 0.7),
            20_001..=100_000 => (if has_shapes { 3.0 } else { 1.5 }, 0.5),
            _ => (if has_shapes { 3.0 } else { 1.0 }, 0.4),
        };
        let notes_top = height - MARGIN - notes.len() as f64 * ROW;
        Self { width: full_width, height, frame, x, y, keys, bar, notes: (notes, notes_top), radius, opacity }
    }

    /// A picture of nothing but points, for a screen on which letters have no place.
    pub(super) fn coarse(points: &Points, width: u32, height: u32) -> Self {
        let look = Look { width, height, ..Look::default() };
        let whole = Self::new(points, &look, &[]);
        let frame = ((1.0, 1.0), (f64::from(width) - 3.0, f64::from(height) - 3.0));
        let notes = (Vec::new(), 0.0);
        Self {
            height: f64::from(height),
            frame,
            keys: Vec::new(),
            bar: None,
            notes,
            radius: 1.0,
            opacity: 0.9,
            ..whole
        }
    }

    /// Where a point stands.
    fn place(&self, (x, y): (f64, f64)) -> At {
        let ((left, top), (width, height)) = self.frame;
        (left + self.x.share(x) * width, top + (1.0 - self.y.share(y)) * height)
    }

    /// Draws everything, the points last that are last.
    pub(super) fn draw(&self, points: &Points, look: &Look, format: PlotFormat, pen: &mut impl Pen) {
        pen.fill((0.0, 0.0), (self.width, self.height), &PAPER);
        self.draw_axes(look, pen);
        self.draw_points(points, format, pen);
        self.draw_legend(points, pen);
        let (notes, top) = &self.notes;
        for (row, note) in notes.iter().enumerate() {
            pen.write(note, (MARGIN, top + row as f64 * ROW), &GREY_SHADE, Anchor::Start);
        }
    }

    pub(super) fn draw_points(&self, points: &Points, format: PlotFormat, pen: &mut impl Pen) {
        pen.points(self.radius, self.opacity);
        for point in points.drawn(format) {
            pen.point(point, self.place(points.places[point]), points.colours.mark(point));
        }
        pen.end_of_points();
    }

    fn draw_axes(&self, look: &Look, pen: &mut impl Pen) {
        let ((left, top), (width, height)) = self.frame;
        let (right, bottom) = (left + width, top + height);
        if let Some(title) = &look.title {
            pen.title(&cut(title, letters(self.width - 2.0 * MARGIN)), (MARGIN, MARGIN));
        }
        if let Some(title) = &look.y_title {
            pen.write(&cut(title, letters(width)), (left, top - ROW - TICK), &GREY_SHADE, Anchor::Start);
        }
        if let Some(title) = &look.x_title {
            pen.write(&cut(title, letters(width)), (right, bottom + ROW + TICK), &GREY_SHADE, Anchor::End);
        }
        for (share, text) in self.x.ticks() {
            let x = (left + share * width).round();
            pen.fill((x, top), (1.0, height), &GRID_SHADE);
            pen.write(text, (x, bottom + TICK), &INK_SHADE, Anchor::Middle);
        }
        for (share, text) in self.y.ticks() {
            let y = (bottom - share * height).round();
            pen.fill((left, y), (width, 1.0), &GRID_SHADE);
            pen.write(text, (left - TICK, y - ROW / 2.0), &INK_SHADE, Anchor::End);
        }
        pen.fill((left, bottom.round()), (width, 1.0), &GREY_SHADE);
        pen.fill((left.round(), top), (1.0, height), &GREY_SHADE);
    }

    fn draw_legend(&self, points: &Points, pen: &mut impl Pen) {
        match (&points.colours.meaning, self.bar) {
            (Meaning::Classes(classes), _) => {
                for (class, (key, of)) in self.keys.iter().zip(classes).enumerate() {
                    pen.key(class, key, of.mark);
                }
            }
            (Meaning::Scale(axis), Some(((left, top), height))) => {
                // Each step reaches below those under it, so that no line is left between them.
                for step in (0..STEPS).rev() {
                    let upper = (top + height * (1.0 - (step + 1) as f64 / STEPS as f64)).round();
                    pen.fill((left, upper), (BAR, top + height - upper), &points.colours.shades[step]);
                }
                for (share, text) in axis.ticks() {
                    let y = (top + height * (1.0 - share)).round();
                    pen.fill((left + BAR, y), (TICK / 2.0, 1.0), &GREY_SHADE);
                    pen.write(text, (left + BAR + TICK, y - ROW / 2.0), &INK_SHADE, Anchor::Start);
                }
            }
            _ => {}
        }
    }
}

/// What stands beside the frame or below it.
enum Legend {
    Nothing,
    Keys(Keys),
    Scale(f64),
}

/// The keys of classes, with the letters that names and numbers take.
struct Keys {
    keys: Vec<Key>,
    name: usize,
    count: usize,
}

impl Legend {
    fn of(points: &Points, full_width: f64) -> Self {
        match &points.colours.meaning {
            Meaning::Nothing => Self::Nothing,
            Meaning::Scale(axis) => {
                let ticks = axis.ticks().map(|(_, text)| text_width(text)).fold(0.0, f64::max);
                Self::Scale(BAR + TICK + ticks)
            }
            Meaning::Classes(classes) => {
                let counts: Vec<String> = classes.iter().map(|class| HumanCount(class.points).to_string()).collect();
                let count = counts.iter().map(|count| width(count)).max().unwrap_or(0);
                let room = letters(full_width - 2.0 * MARGIN - KEY_WIDTH).saturating_sub(count + 1);
                let (of_many, many) = MOST_NAME_OF_MANY;
                let most = if classes.len() > many { of_many } else { MOST_NAME };
                let most = most.min(room).max(3);
                let names: Vec<String> =
                    classes.iter().map(|class| crate::words::cut_between(&class.name, most)).collect();
                let name = names.iter().map(|name| width(name)).max().unwrap_or(0);
                let key = |(name, count)| Key {
                    at: (0.0, 0.0),
                    name_at: (0.0, 0.0),
                    name,
                    count_at: (0.0, 0.0),
                    count,
                    radius: KEY,
                };
                Self::Keys(Keys { keys: names.into_iter().zip(counts).map(key).collect(), name, count })
            }
        }
    }

    /// Its width where it stands beside the frame; `None` where it doesn't, or there is none.
    fn width_beside(&self, full_width: f64, room: f64) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Scale(width) => Some(*width),
            Self::Keys(keys) => {
                let fits = keys.keys.len() as f64 * ROW <= room && keys.width() <= BESIDE * full_width;
                fits.then(|| keys.width())
            }
        }
    }

    fn stand_beside(&mut self, corner: At) {
        if let Self::Keys(keys) = self {
            let rows = keys.keys.len();
            keys.stand(corner, rows);
        }
    }

    /// The height that it takes.
    fn stand_below(&mut self, corner: At, room: f64) -> f64 {
        let Self::Keys(keys) = self else { return 0.0 };
        let columns = ((room + MARGIN) / (keys.width() + MARGIN)).floor().max(1.0) as usize;
        let rows = keys.keys.len().div_ceil(columns);
        keys.stand(corner, rows);
        rows as f64 * ROW + TICK
    }
}

impl Keys {
    fn width(&self) -> f64 {
        KEY_WIDTH + (self.name + 1 + self.count) as f64 * LETTER
    }

    /// Stands in columns of so many rows, from above to below.
    fn stand(&mut self, (left, top): At, rows: usize) {
        let width = self.width();
        for (number, key) in self.keys.iter_mut().enumerate() {
            let left = left + (number / rows) as f64 * (width + MARGIN);
            let top = top + (number % rows) as f64 * ROW;
            key.at = (left + KEY + 2.0, top + ROW / 2.0);
            key.name_at = (left + KEY_WIDTH, top);
            key.count_at = (left + width, top);
        }
    }
}

pub(super) fn text_width(text: &str) -> f64 {
    width(text) as f64 * LETTER
}

/// The letters that have a place in some pixels.
pub(super) fn letters(pixels: f64) -> usize {
    (pixels / LETTER).max(1.0) as usize
}
