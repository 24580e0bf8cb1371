//! Axes of charts: where values stand, and which of them are written.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::report::number;

/// The height of letters, in the units of a chart.
pub(super) const LETTERS: u32 = 24;
/// The width of a letter as a part of its height, about.
const LETTER_WIDTH: f64 = 0.58;

/// An axis: its range, its ticks, and how values are placed on it.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(in crate::report) title: String,
    /// From and to, as values are placed.
    range: (f64, f64),
    /// Values and what is written there.
    ticks: Vec<(f64, String)>,
    is_log: bool,
}

impl Axis {
    /// From 0 to what holds all values, or from below where there are negative ones.
    pub(super) fn linear(title: &str, values: impl Iterator<Item = f64>) -> Self {
        let (min, max) = bounds(values.chain([0.0]));
        // Values from 0 stand on the axis itself.
        let below = if min < 0.0 { min - 0.05 * (max - min) } else { 0.0 };
        Self::between(title, (below, max + 0.05 * (max - min)))
    }

    /// Around all values, where 0 means nothing.
    pub(super) fn around(title: &str, values: impl Iterator<Item = f64>) -> Self {
        let (min, max) = bounds(values);
        let room = 0.05 * (max - min).max(0.1);
        Self::between(title, (min - room, max + room))
    }

    /// Around all values, however small or large they are, and from the first to the last of them.
    pub(crate) fn over(title: &str, values: impl Iterator<Item = f64>, room: f64) -> Self {
        let (min, max) = bounds(values);
        let room = if max > min { room * (max - min) } else { 0.5 * max.abs().max(1e-300) };
        Self::between(title, if max == 0.0 && min == 0.0 { (-1.0, 1.0) } else { (min - room, max + room) })
    }

    fn between(title: &str, (from, to): (f64, f64)) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        let step = nice_step((to - from) / 6.5);
        let ticks = (from / step - 1e-6).ceil() as i64..=(to / step + 1e-6).floor() as i64;
        let most = from.abs().max(to.abs());
        let ticks = ticks.map(|tick| tick as f64 * step).map(|tick| (tick, written(tick, step, most)));
        Self { title: title.to_string(), range: (from, to), ticks: ticks.collect(), is_log: false }
    }

    /// Powers of ten are as far from each other.
    pub(super) fn log(title: &str, values: impl Iterator<Item = f64>) -> Self {
        let (min, max) = bounds(values.filter(|value| *value > 0.0));
        let (min, max) = if min <= max { (min, max) } else { (1.0, 10.0) };
        let (from, to) = (min.log10() - 0.06, max.log10() + 0.06);
        let digits: &[f64] = match to - from {
            decades if decades < 2.2 => &[1.0, 2.0, 5.0],
            decades if decades < 4.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = from.floor() as i32..=to.ceil() as i32;
        let ticks = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)));
        let ticks = ticks.filter(|tick| (from..=to).contains(&tick.log10())).map(|tick| (tick, short(tick)));
        Self { title: title.to_string(), range: (from, to), ticks: ticks.collect(), is_log: true }
    }

    /// Ticks at the values of a parameter, on a logarithmic axis.
    pub(super) fn parameters(title: &str, values: &[i64]) -> Self {
        let mut axis = Self::log(title, values.iter().map(|value| *value as f64));
        axis.range = (axis.range.0 - 0.04, axis.range.1 + 0.04);
        axis.ticks = values.iter().map(|value| (*value as f64, number::whole(*value))).collect();
        axis
    }

    /// Ticks at the values of a parameter, on an axis from 0.
    pub(super) fn linear_parameters(title: &str, values: &[i64]) -> Self {
        let mut axis = Self::linear(title, values.iter().map(|value| *value as f64));
        axis.range.1 = values.iter().max().map_or(1.0, |max| *max as f64 * 1.04);
        if values.len() <= 8 {
            axis.ticks = values.iter().map(|value| (*value as f64, number::whole(*value))).collect();
        }
        axis.ticks.retain(|(tick, _)| *tick <= axis.range.1);
        axis
    }

    /// Rows with names, from top to bottom.
    pub(super) fn rows(title: &str, names: impl Iterator<Item = String>) -> Self {
        let ticks: Vec<(f64, String)> = names.enumerate().map(|(row, name)| (-(row as f64), name)).collect();
        let range = (0.4 - ticks.len() as f64, 0.6);
        Self { title: title.to_string(), range, ticks, is_log: false }
    }

    /// Where the axis ends.
    pub(super) fn end(&self) -> f64 {
        if self.is_log { 10_f64.powf(self.range.1) } else { self.range.1 }
    }

    fn place(&self, value: f64) -> f64 {
        if self.is_log { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    /// How far along the axis each tick is, and what is written there.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        self.ticks.iter().map(|(tick, text)| (self.share(*tick), text.as_str()))
    }

    /// How far along the axis a value is.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let (from, to) = self.range;
        if to > from { (self.place(value) - from) / (to - from) } else { 0.5 }
    }

    /// Leaves out ticks that would be written over others, on an axis of so many units from left to right.
    pub(super) fn thin_out(&mut self, length: f64) {
        let mut free_to = f64::INFINITY;
        let mut kept = Vec::new();
        for (tick, text) in std::mem::take(&mut self.ticks).into_iter().rev() {
            let (middle, half) = (self.share(tick) * length, text_width(&text) / 2.0);
            if middle + half <= free_to {
                free_to = middle - half - f64::from(LETTERS) * 0.6;
                kept.push((tick, text));
            }
        }
        kept.reverse();
        self.ticks = kept;
    }

    /// Leaves out ticks that would be written over others, on an axis of so many letters from left to right.
    pub(crate) fn thin_out_letters(&mut self, letters: f64) {
        self.thin_out(letters * f64::from(LETTERS) * LETTER_WIDTH);
    }

    /// The width of the longest text at a tick.
    pub(super) fn text_width(&self) -> f64 {
        self.ticks.iter().map(|(_, text)| text_width(text)).fold(0.0, f64::max)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.share(*value) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(tick, _)| *tick).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.0..self.range.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == value).map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// About how wide a text is: nobody knows in which font it will be shown.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * f64::from(LETTERS) * LETTER_WIDTH
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(value), max.max(value)))
}

/// The next of 1, 2, 5, 10, ... that isn't smaller.
fn nice_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= step * 0.999_999);
    digit.unwrap_or(10.0) * power
}

/// A tick with as many digits as the step between ticks needs, of an axis on which nothing is larger than `most`.
fn written(tick: f64, step: f64, most: f64) -> String {
    let text = match step {
        _ if most >= 1e12 || step < 1e-6 => {
            let digits = ((most / step).log10().ceil().max(0.0) as usize).min(15);
            if tick == 0.0 { "0".to_string() } else { format!("{:.digits$e}", tick.abs()).replace('-', "\u{2212}") }
        }
        1.0.. => return number::whole(tick.round() as i64),
        _ => {
            let digits = (-step.log10()).ceil().max(0.0) as usize;
            format!("{:.digits$}", tick.abs())
        }
    };
    if tick < 0.0 { format!("\u{2212}{text}") } else { text }
}

/// A tick of a logarithmic axis, with no zeros behind it.
fn short(tick: f64) -> String {
    if tick >= 0.999 {
        return number::whole(tick.round() as i64);
    }
    let digits = (-tick.log10()).ceil().max(0.0) as usize;
    format!("{tick:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(texts(&Axis::linear("", [90.0, 2210.0].into_iter())), ["0", "500", "1,000", "1,500", "2,000"]);
        assert_eq!(texts(&Axis::linear("", [-120.0, 400.0].into_iter())), ["−100", "0", "100", "200", "300", "400"]);
        assert_eq!(texts(&Axis::linear("", [0.96].into_iter())), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&Axis::log("", [0.02, 1.5].into_iter())), ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
    }

    #[test]
    fn tiny_huge_and_equal_values_have_ticks_that_differ() {
        let over = |values: &[f64]| texts(&Axis::over("", values.iter().copied(), 0.0)).join(" ");
        assert_eq!(over(&[0.0, 3e-9]), "0 5.0e−10 1.0e−9 1.5e−9 2.0e−9 2.5e−9 3.0e−9");
        assert_eq!(over(&[-1e300, 1e300]), "−1.0e300 −5.0e299 0 5.0e299 1.0e300");
        assert_eq!(over(&[7.0]), "4 6 8 10");
        assert_eq!(over(&[0.0]), "−1.0 −0.5 0.0 0.5 1.0");
        assert!(over(&[1e15, 1e15 + 8.0]).starts_with("1.000000000000000e15 1.000000000000002e15 "));
    }

    #[test]
    fn ticks_that_would_overlap_are_left_out() {
        let mut axis = Axis::linear_parameters("", &[2, 4, 8, 16, 1024]);
        axis.thin_out(600.0);
        assert_eq!(texts(&axis), ["16", "1,024"]);
    }

    #[test]
    fn an_axis_without_values_has_ticks() {
        assert_eq!(texts(&Axis::linear("", [].into_iter())), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert!(!Axis::log("", [].into_iter()).ticks.is_empty());
    }
}
