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
    let channels = usize::from(image.channels);
    let (width, height) = window.size;
    let mut columns = taps(image.width, window.scaled.0, window.start.0, width);
    for tap in &mut columns {
        tap.lower *= channels;
        tap.upper *= channels;
    }
    let rows = taps(image.height, window.scaled.1, window.start.1, height);
    let row_values = width as usize * channels;
    let mut values = buffer;
    values.resize(row_values * height as usize, 0);
    let mut upper_row = InterpolatedRow::new(row_values);
    let mut lower_row = InterpolatedRow::new(row_values);
    for (tap, output) in rows.iter().zip(values.chunks_exact_mut(row_values)) {
        if lower_row.row == Some(tap.lower) {
            std::mem::swap(&mut upper_row, &mut lower_row);
        }
        upper_row.fill(image, tap.lower, &columns);
        lower_row.fill(image, tap.upper, &columns);
        for ((value, top), bottom) in output.iter_mut().zip(&upper_row.values).zip(&lower_row.values) {
            *value = (top + (bottom - top) * tap.fraction) as i32 as u8;
        }
    }
    Pixels { width, height, channels: image.channels, values }
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
struct InterpolatedRow {
    row: Option<usize>,
    values: Vec<f32>,
}

impl InterpolatedRow {
    fn new(values: usize) -> Self {
        Self { row: None, values: vec![0.0; values] }
    }

    fn fill(&mut self, image: PixelsRef<'_>, row: usize, columns: &[Tap]) {
        if self.row == Some(row) {
            return;
        }
        self.row = Some(row);
        let row_values = image.width as usize * usize::from(image.channels);
        let input = &image.values[row * row_values..(row + 1) * row_values];
        match image.channels {
            1 => interpolate::<1>(input, columns, &mut self.values),
            2 => interpolate::<2>(input, columns, &mut self.values),
            3 => interpolate::<3>(input, columns, &mut self.values),
            _ => interpolate::<4>(input, columns, &mut self.values),
        }
    }
}

fn interpolate<const CHANNELS: usize>(input: &[u8], columns: &[Tap], output: &mut [f32]) {
    let (output, _) = output.as_chunks_mut::<CHANNELS>();
    for (tap, output) in columns.iter().zip(output) {
        let left = &input[tap.lower..tap.lower + CHANNELS];
        let right = &input[tap.upper..tap.upper + CHANNELS];
        for channel in 0..CHANNELS {
            let start = f32::from(left[channel]);
            output[channel] = start + (f32::from(right[channel]) - start) * tap.fraction;
        }
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
        let mut row = InterpolatedRow::new(5);
        let mut values = Vec::new();
        for tap in &rows {
            row.fill(gray(5, 5, &eye), tap.lower, &columns);
            let top = row.values.clone();
            row.fill(gray(5, 5, &eye), tap.upper, &columns);
            values.extend(top.iter().zip(&row.values).map(|(t, b)| t + (b - t) * tap.fraction));
        }
        let expected =
            [0.6666667_f32, 0.3333333, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3333335, 0.6666665];
        assert_eq!(values, expected);
    }
}
