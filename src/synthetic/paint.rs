//! Painting leaves, the one shape that scenes are made of.

use super::layer::Layer;

/// Red, green and blue (0 to 255), and how strongly the texture shows (0 to 100).
pub(super) type Ink = [f32; 4];

/// The ink of a colour `0xrrggbb`.
pub(super) const fn ink(colour: u32, texture: u8) -> Ink {
    let [_, red, green, blue] = colour.to_be_bytes();
    [red as f32, green as f32, blue as f32, texture as f32]
}

/// A petal, a leaf, a blade of grass or a disc: everything is painted with these.
pub(super) struct Leaf {
    pub(super) base: (f32, f32),
    /// A unit vector.
    pub(super) direction: (f32, f32),
    pub(super) length: f32,
    pub(super) half_width: f32,
    pub(super) outline: Outline,
    pub(super) base_ink: Ink,
    pub(super) tip_ink: Ink,
}

#[derive(Clone, Copy)]
pub(super) enum Outline {
    Oval,
    /// Widest near the tip.
    Petal,
    /// Pointed at both ends.
    Blade,
}

/// Unit vector at an angle, clockwise from the right as y points down.
pub(super) fn direction(turns: f32) -> (f32, f32) {
    (sine(turns + 0.25), sine(turns))
}

impl Layer<4> {
    /// Lays the leaf over what was painted before.
    pub(super) fn paint(&mut self, leaf: &Leaf) {
        let ((base_x, base_y), (along_x, along_y)) = (leaf.base, leaf.direction);
        let length = leaf.length.max(1.0);
        let half_width = leaf.half_width.max(0.6);
        let tip_y = base_y + along_y * length;
        let margin = half_width * along_x.abs();
        let top = pixel_at(base_y.min(tip_y) - margin, self.height);
        let bottom = pixel_at(base_y.max(tip_y) + margin + 1.0, self.height);
        // Along runs from 0 at the base to 1 at the tip, across from -1 to 1 over the width.
        let (along_step, across_step) = (along_x / length, -along_y / half_width);
        for y in top..bottom {
            let (from_base_x, from_base_y) = (0.5 - base_x, y as f32 + 0.5 - base_y);
            let along_at_0 = (from_base_x * along_x + from_base_y * along_y) / length;
            let across_at_0 = (from_base_y * along_x - from_base_x * along_y) / half_width;
            let in_length = span_between(0.0, 1.0, along_at_0, along_step);
            let in_width = span_between(-1.0, 1.0, across_at_0, across_step);
            let left = pixel_at(in_length.0.max(in_width.0), self.width);
            let right = pixel_at(in_length.1.min(in_width.1) + 1.0, self.width);
            if left >= right {
                continue;
            }
            let mut along = along_at_0 + left as f32 * along_step;
            let mut across = across_at_0 + left as f32 * across_step;
            for pixel in &mut self.pixels[y * self.width..][left..right] {
                leaf.cover(pixel, along, across, half_width);
                along += along_step;
                across += across_step;
            }
        }
    }
}

impl Leaf {
    #[inline]
    fn cover(&self, pixel: &mut Ink, along: f32, across: f32, half_width: f32) {
        let oval = 4.0 * along * (1.0 - along);
        let edge = match self.outline {
            Outline::Oval => oval,
            Outline::Petal => oval * along.abs() * 1.6875,
            Outline::Blade => oval * oval.abs(),
        };
        let inside = edge - across * across;
        if inside <= 0.0 {
            return;
        }
        let opacity = (inside * half_width * 0.5).min(1.0);
        // Darker towards the edges, and lit from one side.
        let light = 0.59 + inside * 0.35 + across * 0.16;
        let light = [light, light, light, 1.0];
        for c in 0..4 {
            let value = self.base_ink[c] + (self.tip_ink[c] - self.base_ink[c]) * along;
            pixel[c] += (value * light[c] - pixel[c]) * opacity;
        }
    }
}

/// The row or column at a coordinate, held between 0 and `count`.
fn pixel_at(coordinate: f32, count: usize) -> usize {
    (coordinate.max(0.0) as usize).min(count)
}

/// Where a line is between two values, if it is `at_0` at x = 0 and rises by `step` per pixel.
fn span_between(low: f32, high: f32, at_0: f32, step: f32) -> (f32, f32) {
    if step.abs() < 1e-6 {
        let everywhere = at_0 > low && at_0 < high;
        return (0.0, if everywhere { f32::MAX } else { -1.0 });
    }
    let (one, other) = ((low - at_0) / step, (high - at_0) / step);
    (one.min(other), one.max(other))
}

/// Sine by a parabola and one correction, at most 0.002 off.
fn sine(turns: f32) -> f32 {
    let whole_turns = (turns + if turns < 0.0 { -0.5 } else { 0.5 }) as i32;
    let turns = turns - whole_turns as f32;
    let parabola = turns * (8.0 - 16.0 * turns.abs());
    parabola * (0.775 + 0.225 * parabola.abs())
}
