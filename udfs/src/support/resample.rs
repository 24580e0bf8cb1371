//! Resampling kernels that are TensorFlow's or OpenCV's to the digit, where no library has them.

use std::ops::Range;

use super::pixels::{Pixels, PixelsRef};

/// A part of an image, in pixels; its borders may lie between two of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// The pixel below the centre of each output pixel, as `tf.image.resize(method='nearest')` finds it.
pub(crate) fn nearest(image: PixelsRef<'_>, region: Region, (width, height): (u32, u32), buffer: Vec<u8>) -> Pixels {
    let channels = usize::from(image.channels);
    let columns = nearest_positions(image.width, region.left, region.width, width);
    let mut values = buffer;
    values.clear();
    for row in nearest_positions(image.height, region.top, region.height, height) {
        let start = row * image.width as usize * channels;
        for column in &columns {
            let at = start + column * channels;
            values.extend_from_slice(&image.values[at..at + channels]);
        }
    }
    Pixels { width, height, channels: image.channels, values }
}

fn nearest_positions(from: u32, start: f64, length: f64, to: u32) -> Vec<usize> {
    let scale = length as f32 / to as f32;
    let position = |index: u32| (start as f32 + (index as f32 + 0.5) * scale).floor() as usize;
    (0..to).map(|index| position(index).min(from as usize - 1)).collect()
}

/// How much of each output pixel the input pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weights {
    /// The mean of what it covers, parts of pixels by their part: OpenCV's `INTER_AREA`.
    Area,
    /// The less the farther away, up to the centre of the next output pixel; at least up to that of the next input pixel.
    Triangle,
}

/// Weighs input pixels in single precision; the result is rounded once.
pub(crate) fn weigh(
    image: PixelsRef<'_>,
    region: Region,
    (width, height): (u32, u32),
    weights: Weights,
    buffer: Vec<u8>,
) -> Pixels {
    let channels = usize::from(image.channels);
    let (across, down) = axes((image.width, image.height), region, (width, height), weights);
    let (columns, looked_at): (Vec<Coverage>, _) = (across.coverages().collect(), across.looked_at());
    let row_values = image.width as usize * channels;
    let mut sums = vec![0.0_f32; looked_at.len() * channels];
    let mut values = buffer;
    values.clear();
    for row in down.coverages() {
        sums.fill(0.0);
        for (weight, input) in row.weights.iter().zip(image.values[row.start * row_values..].chunks_exact(row_values)) {
            for (sum, value) in sums.iter_mut().zip(&input[looked_at.start * channels..]) {
                *sum += weight * f32::from(*value);
            }
        }
        for column in &columns {
            for channel in 0..channels {
                let covered = sums[(column.start - looked_at.start) * channels + channel..].iter().step_by(channels);
                let mean: f32 = column.weights.iter().zip(covered).map(|(weight, sum)| weight * sum).sum();
                values.push(mean.round() as u8);
            }
        }
    }
    Pixels { width, height, channels: image.channels, values }
}

/// The columns and rows of an image of size `from` that [`weigh`] looks at.
pub(crate) fn weighed(
    from: (u32, u32),
    region: Region,
    to: (u32, u32),
    weights: Weights,
) -> (Range<usize>, Range<usize>) {
    let (across, down) = axes(from, region, to, weights);
    (across.looked_at(), down.looked_at())
}

fn axes(from: (u32, u32), region: Region, to: (u32, u32), weights: Weights) -> (Axis, Axis) {
    (
        Axis { from: from.0, start: region.left, length: region.width, to: to.0, weights },
        Axis { from: from.1, start: region.top, length: region.height, to: to.1, weights },
    )
}

/// One direction: of `from` pixels those from `start` on, `length` of them, become `to` pixels.
struct Axis {
    from: u32,
    start: f64,
    length: f64,
    to: u32,
    weights: Weights,
}

/// The input pixels that an output pixel covers, and how much of it each of them is.
struct Coverage {
    start: usize,
    weights: Vec<f32>,
}

impl Axis {
    fn coverages(&self) -> impl Iterator<Item = Coverage> {
        (0..self.to).map(|index| self.coverage(index))
    }

    /// The input pixels that any output pixel covers.
    fn looked_at(&self) -> Range<usize> {
        let (first, last) = (self.coverage(0), self.coverage(self.to - 1));
        first.start..last.start + last.weights.len()
    }

    fn coverage(&self, index: u32) -> Coverage {
        match self.weights {
            Weights::Area => self.covered(index),
            Weights::Triangle => self.near(index),
        }
    }

    fn covered(&self, index: u32) -> Coverage {
        let scale = self.length / f64::from(self.to);
        let left = self.start + f64::from(index) * scale;
        let right = (left + scale).min(f64::from(self.from));
        let first = (left.floor() as usize).min(self.from as usize - 1);
        let last = (right.ceil() as usize).clamp(first + 1, self.from as usize);
        let part = |pixel: usize| (right.min(pixel as f64 + 1.0) - left.max(pixel as f64)).max(0.0) / scale;
        Coverage { start: first, weights: (first..last).map(|pixel| part(pixel) as f32).collect() }
    }

    fn near(&self, index: u32) -> Coverage {
        let scale = self.length / f64::from(self.to);
        let (centre, reach) = (self.start + (f64::from(index) + 0.5) * scale, scale.max(1.0));
        let first = ((centre - reach).floor().max(0.0) as usize).min(self.from as usize - 1);
        let last = ((centre + reach).ceil() as usize).clamp(first + 1, self.from as usize);
        let weight = |pixel: usize| (1.0 - (pixel as f64 + 0.5 - centre).abs() / reach).max(0.0);
        let sum: f64 = (first..last).map(weight).sum();
        Coverage { start: first, weights: (first..last).map(|pixel| (weight(pixel) / sum) as f32).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(width: u32, height: u32, values: &[u8]) -> PixelsRef<'_> {
        PixelsRef { width, height, channels: 1, values }
    }

    fn whole(image: PixelsRef<'_>) -> Region {
        Region { left: 0.0, top: 0.0, width: f64::from(image.width), height: f64::from(image.height) }
    }

    #[test]
    fn area_weighs_parts_of_pixels() {
        let image = gray(3, 1, &[30, 60, 90]);
        let area = |size| weigh(image, whole(image), size, Weights::Area, Vec::new()).values;
        assert_eq!(area((2, 1)), [40, 80]);
        assert_eq!(area((1, 1)), [60]);
        assert_eq!(area((6, 1)), [30, 30, 60, 60, 90, 90]);
    }

    #[test]
    fn a_triangle_weighs_by_distance() {
        let image = gray(4, 1, &[0, 80, 160, 240]);
        let triangle = |size| weigh(image, whole(image), size, Weights::Triangle, Vec::new()).values;
        // Pixels 0 to 2 at distances 0.5, 0.5 and 1.5 of 2: 3/7, 3/7, 1/7.
        assert_eq!(triangle((2, 1)), [57, 183]);
        assert_eq!(triangle((4, 1)), [0, 80, 160, 240]);
    }

    #[test]
    fn nearest_takes_the_pixel_below_the_centre() {
        let image = gray(4, 1, &[1, 2, 3, 4]);
        assert_eq!(nearest(image, whole(image), (2, 1), Vec::new()).values, [2, 4]);
        assert_eq!(nearest(image, whole(image), (8, 1), Vec::new()).values, [1, 1, 2, 2, 3, 3, 4, 4]);
    }
}
