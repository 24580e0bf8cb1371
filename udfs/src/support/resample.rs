//! Resampling kernels that are TensorFlow's or OpenCV's to the digit, where no library has them.

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

/// The mean of what each output pixel covers, parts of pixels by their part: OpenCV's `INTER_AREA`.
pub(crate) fn area(image: PixelsRef<'_>, region: Region, (width, height): (u32, u32), buffer: Vec<u8>) -> Pixels {
    let channels = usize::from(image.channels);
    let columns = coverage(image.width, region.left, region.width, width);
    let rows = coverage(image.height, region.top, region.height, height);
    let row_values = image.width as usize * channels;
    let mut sums = vec![0.0_f32; row_values];
    let mut values = buffer;
    values.clear();
    for row in &rows {
        sums.fill(0.0);
        for (weight, input) in row.weights.iter().zip(image.values[row.start * row_values..].chunks_exact(row_values)) {
            for (sum, value) in sums.iter_mut().zip(input) {
                *sum += weight * f32::from(*value);
            }
        }
        for column in &columns {
            for channel in 0..channels {
                let covered = sums[column.start * channels + channel..].iter().step_by(channels);
                let mean: f32 = column.weights.iter().zip(covered).map(|(weight, sum)| weight * sum).sum();
                values.push(mean.round() as u8);
            }
        }
    }
    Pixels { width, height, channels: image.channels, values }
}

/// The input pixels that an output pixel covers, and how much of it each of them is.
struct Coverage {
    start: usize,
    weights: Vec<f32>,
}

fn coverage(from: u32, start: f64, length: f64, to: u32) -> Vec<Coverage> {
    let scale = length / f64::from(to);
    let covered = |index: u32| {
        let left = start + f64::from(index) * scale;
        let right = (left + scale).min(f64::from(from));
        let first = (left.floor() as usize).min(from as usize - 1);
        let last = (right.ceil() as usize).clamp(first + 1, from as usize);
        let part = |pixel: usize| (right.min(pixel as f64 + 1.0) - left.max(pixel as f64)).max(0.0) / scale;
        Coverage { start: first, weights: (first..last).map(|pixel| part(pixel) as f32).collect() }
    };
    (0..to).map(covered).collect()
}

/// A part of a scaled image: only its pixels are computed.
pub(crate) struct Window {
    pub(crate) scaled: (u32, u32),
    pub(crate) start: (u32, u32),
    pub(crate) size: (u32, u32),
}

/// Where an output coordinate lies between two input ones.
struct Tap {
    lower: usize,
    upper: usize,
    fraction: f32,
}

/// `tf.image.resize(method='bilinear', antialias=False)` and the cast to 8 bits, which truncates.
///
/// The order of the single-precision operations is that of TensorFlow's `resize_bilinear_op` with half-pixel centres.
pub(crate) fn four_taps(image: PixelsRef<'_>, window: Window, buffer: Vec<u8>) -> Pixels {
    match image.channels {
        1 => four_taps_of::<1, 1>(image, window, buffer),
        2 => four_taps_of::<2, 2>(image, window, buffer),
        3 => four_taps_of::<3, 4>(image, window, buffer),
        _ => four_taps_of::<4, 4>(image, window, buffer),
    }
}

/// Three channels are computed in four lanes, which is what processors have; the fourth is thrown away.
fn four_taps_of<const CHANNELS: usize, const LANES: usize>(
    image: PixelsRef<'_>,
    window: Window,
    buffer: Vec<u8>,
) -> Pixels {
    let (width, height) = window.size;
    let mut columns = taps(image.width, window.scaled.0, window.start.0, width);
    for tap in &mut columns {
        tap.lower *= CHANNELS;
        tap.upper *= CHANNELS;
    }
    let rows = taps(image.height, window.scaled.1, window.start.1, height);
    let mut values = buffer;
    values.resize(width as usize * height as usize * CHANNELS, 0);
    let mut upper_row = InterpolatedRow::<LANES>::new(width as usize);
    let mut lower_row = InterpolatedRow::<LANES>::new(width as usize);
    let mut lanes = vec![0; width as usize * LANES];
    for (tap, output) in rows.iter().zip(values.chunks_exact_mut(width as usize * CHANNELS)) {
        if lower_row.row == Some(tap.lower) {
            std::mem::swap(&mut upper_row, &mut lower_row);
        }
        upper_row.fill(image, tap.lower, &columns);
        lower_row.fill(image, tap.upper, &columns);
        let (top, bottom) = (upper_row.values.as_flattened(), lower_row.values.as_flattened());
        for ((lane, top), bottom) in lanes.iter_mut().zip(top).zip(bottom) {
            *lane = truncate(top + (bottom - top) * tap.fraction);
        }
        let (pixels, lanes) = (output.as_chunks_mut::<CHANNELS>().0, lanes.as_chunks::<LANES>().0);
        for (pixel, lanes) in pixels.iter_mut().zip(lanes) {
            pixel.copy_from_slice(&lanes[..CHANNELS]);
        }
    }
    Pixels { width, height, channels: image.channels, values }
}

/// The whole part of a value between two that came from 8 bits; a checked conversion keeps the loop from being vectorised.
#[expect(unsafe_code, reason = "the standard library has no other conversion that is a single instruction")]
fn truncate(value: f32) -> u8 {
    debug_assert!((0.0..256.0).contains(&value));
    // SAFETY: interpolation with fractions of 0 to 1 between values of 0 to 255 is finite and within i32.
    unsafe { value.to_int_unchecked::<i32>() as u8 }
}

fn blend<const LANES: usize>(start: &[f32; LANES], end: &[f32; LANES], fraction: f32) -> [f32; LANES] {
    std::array::from_fn(|lane| start[lane] + (end[lane] - start[lane]) * fraction)
}

fn taps(from: u32, scaled: u32, start: u32, count: u32) -> Vec<Tap> {
    let scale = from as f32 / scaled as f32;
    let tap = |index: u32| {
        let position = (index as f32 + 0.5) * scale - 0.5;
        let floor = position.floor();
        Tap {
            lower: floor.max(0.0) as usize,
            upper: (position.ceil().max(0.0) as usize).min(from as usize - 1),
            fraction: position - floor,
        }
    };
    (start..start + count).map(tap).collect()
}

/// One input row, interpolated at the output's columns.
struct InterpolatedRow<const LANES: usize> {
    row: Option<usize>,
    values: Vec<[f32; LANES]>,
}

impl<const LANES: usize> InterpolatedRow<LANES> {
    fn new(width: usize) -> Self {
        Self { row: None, values: vec![[0.0; LANES]; width] }
    }

    fn fill(&mut self, image: PixelsRef<'_>, row: usize, columns: &[Tap]) {
        if self.row == Some(row) {
            return;
        }
        self.row = Some(row);
        let start = row * image.width as usize * usize::from(image.channels);
        let input = &image.values[start..];
        for (tap, value) in columns.iter().zip(&mut self.values) {
            *value = blend(&load(input, tap.lower), &load(input, tap.upper), tap.fraction);
        }
    }
}

/// The values from a position on; behind the image's last one there are zeros.
fn load<const LANES: usize>(input: &[u8], at: usize) -> [f32; LANES] {
    let mut lanes = [0; LANES];
    match input.get(at..at + LANES) {
        Some(values) => lanes.copy_from_slice(values),
        None => lanes.iter_mut().zip(&input[at..]).for_each(|(lane, value)| *lane = *value),
    }
    lanes.map(f32::from)
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
        assert_eq!(area(image, whole(image), (2, 1), Vec::new()).values, [40, 80]);
        assert_eq!(area(image, whole(image), (1, 1), Vec::new()).values, [60]);
        assert_eq!(area(image, whole(image), (6, 1), Vec::new()).values, [30, 30, 60, 60, 90, 90]);
    }

    #[test]
    fn nearest_takes_the_pixel_below_the_centre() {
        let image = gray(4, 1, &[1, 2, 3, 4]);
        assert_eq!(nearest(image, whole(image), (2, 1), Vec::new()).values, [2, 4]);
        assert_eq!(nearest(image, whole(image), (8, 1), Vec::new()).values, [1, 1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn rows_interpolate_to_tensorflows_floats() {
        let mut eye = [0_u8; 25];
        for index in 0..5 {
            eye[index * 6] = 1;
        }
        let columns = taps(5, 5, 0, 5);
        let rows = taps(5, 3, 0, 3);
        let mut row = InterpolatedRow::<1>::new(5);
        let mut values = Vec::new();
        for tap in &rows {
            row.fill(gray(5, 5, &eye), tap.lower, &columns);
            let top = row.values.clone();
            row.fill(gray(5, 5, &eye), tap.upper, &columns);
            values.extend(top.iter().zip(&row.values).map(|(t, b)| blend(t, b, tap.fraction)[0]));
        }
        let expected =
            [0.6666667_f32, 0.3333333, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3333335, 0.6666665];
        assert_eq!(values, expected);
    }
}
