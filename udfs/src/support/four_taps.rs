//! TensorFlow's bilinear resizing, from whole images or row by row while they are decoded.

use std::ops::Range;

use super::pixels::{Pixels, PixelsRef};

/// A part of a scaled image: only its pixels are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) scaled: (u32, u32),
    pub(crate) start: (u32, u32),
    pub(crate) size: (u32, u32),
}

/// `tf.image.resize(method='bilinear', antialias=False)` and the cast to 8 bits, which truncates.
pub(crate) fn four_taps(image: PixelsRef<'_>, window: Window, buffer: Vec<u8>) -> Pixels {
    let channels = usize::from(image.channels);
    let mut taps = FourTaps::new((image.width, image.height), window, channels, image.channels, buffer);
    let row_values = image.width as usize * channels;
    for (y, row) in image.values.chunks_exact(row_values).enumerate() {
        if taps.needs(y) {
            taps.push(y, row);
        }
    }
    taps.finish()
}

/// Where an output coordinate lies between two input ones.
#[derive(Debug, Clone, Copy)]
struct Tap {
    lower: usize,
    upper: usize,
    fraction: f32,
}

/// The resizing of rows that come one by one, from the top.
///
/// The order of the single-precision operations is that of TensorFlow's `resize_bilinear_op` with half-pixel centres.
#[derive(Debug)]
pub(crate) struct FourTaps {
    /// Positions are of bytes in a row.
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    size: (u32, u32),
    channels: u8,
    /// Bytes from one input pixel to the next.
    step: usize,
    /// The output row that is made next.
    next: usize,
    /// The last two of the rows that were needed, at the output's columns.
    above: InterpolatedRow,
    below: InterpolatedRow,
    values: Vec<u8>,
    lanes: Vec<u8>,
    has_avx2: bool,
}

/// One input row, interpolated at the output's columns.
#[derive(Debug)]
struct InterpolatedRow {
    row: Option<usize>,
    values: Vec<f32>,
}

impl FourTaps {
    /// For input pixels of `step` bytes, of which the first `channels` count; the output goes to `buffer`.
    pub(crate) fn new((width, height): (u32, u32), window: Window, step: usize, channels: u8, buffer: Vec<u8>) -> Self {
        let mut values = buffer;
        values.resize(window.size.0 as usize * window.size.1 as usize * usize::from(channels), 0);
        let lane_count = lanes(channels) * window.size.0 as usize;
        let row = || InterpolatedRow { row: None, values: vec![0.0; lane_count] };
        let mut columns = taps(width, window.scaled.0, window.start.0, window.size.0);
        for tap in &mut columns {
            tap.lower *= step;
            tap.upper *= step;
        }
        Self {
            columns,
            rows: taps(height, window.scaled.1, window.start.1, window.size.1),
            size: window.size,
            channels,
            step,
            next: 0,
            above: row(),
            below: row(),
            values,
            lanes: vec![0; lane_count],
            has_avx2: has_avx2(),
        }
    }

    /// The input's columns and rows that are looked at.
    pub(crate) fn wanted(&self) -> (Range<usize>, Range<usize>) {
        let range = |taps: &[Tap], step: usize| match taps {
            [first, .., last] => first.lower / step..last.upper / step + 1,
            [only] => only.lower / step..only.upper / step + 1,
            [] => 0..0,
        };
        (range(&self.columns, self.step), range(&self.rows, 1))
    }

    /// Begins with the first row again.
    pub(crate) fn start(&mut self) {
        self.next = 0;
        (self.above.row, self.below.row) = (None, None);
    }

    /// Whether an output row is made of this input row; asked in order.
    pub(crate) fn needs(&self, y: usize) -> bool {
        self.rows[self.next..].iter().take_while(|tap| tap.lower <= y).any(|tap| tap.lower == y || tap.upper == y)
    }

    /// Takes a row that is needed.
    pub(crate) fn push(&mut self, y: usize, row: &[u8]) {
        std::mem::swap(&mut self.above, &mut self.below);
        self.below.row = Some(y);
        let is_fast = self.has_avx2;
        horizontal(is_fast, lanes(self.channels), row, &self.columns, &mut self.below.values);
        while let Some(tap) = self.rows.get(self.next).filter(|tap| tap.upper == y) {
            let above = if self.below.row == Some(tap.lower) { &self.below } else { &self.above };
            vertical(is_fast, &above.values, &self.below.values, tap.fraction, &mut self.lanes);
            let row_values = self.size.0 as usize * usize::from(self.channels);
            let output = &mut self.values[self.next * row_values..(self.next + 1) * row_values];
            if self.channels == 3 {
                let pixels = output.as_chunks_mut::<3>().0.iter_mut().zip(self.lanes.as_chunks::<4>().0);
                pixels.for_each(|(pixel, [red, green, blue, _])| *pixel = [*red, *green, *blue]);
            } else {
                output.copy_from_slice(&self.lanes);
            }
            self.next += 1;
        }
    }

    /// The resized image, once all rows are there.
    pub(crate) fn finish(self) -> Pixels {
        let (width, height) = self.size;
        Pixels { width, height, channels: self.channels, values: self.values }
    }
}

/// Three channels are computed in four lanes, which is what processors have; the fourth is thrown away.
fn lanes(channels: u8) -> usize {
    usize::from(channels).next_power_of_two()
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

#[allow(unsafe_code, unused_unsafe, reason = "a function for processors that have AVX2")]
fn horizontal(has_avx2: bool, lanes: usize, row: &[u8], columns: &[Tap], values: &mut [f32]) {
    match lanes {
        1 => horizontal_lanes::<1>(row, columns, values),
        2 => horizontal_lanes::<2>(row, columns, values),
        // SAFETY: it has been found.
        _ if has_avx2 => unsafe { horizontal_avx2(row, columns, values) },
        _ => horizontal_lanes::<4>(row, columns, values),
    }
}

#[inline(always)]
fn horizontal_lanes<const LANES: usize>(row: &[u8], columns: &[Tap], values: &mut [f32]) {
    for (tap, value) in columns.iter().zip(values.as_chunks_mut::<LANES>().0) {
        let (start, end) = (load::<LANES>(row, tap.lower), load::<LANES>(row, tap.upper));
        *value = std::array::from_fn(|lane| start[lane] + (end[lane] - start[lane]) * tap.fraction);
    }
}

#[allow(unsafe_code, unused_unsafe, reason = "a function for processors that have AVX2")]
fn vertical(has_avx2: bool, above: &[f32], below: &[f32], fraction: f32, lanes: &mut [u8]) {
    if has_avx2 {
        // SAFETY: it has been found.
        unsafe { vertical_avx2(above, below, fraction, lanes) }
    } else {
        vertical_lanes(above, below, fraction, lanes);
    }
}

#[inline(always)]
fn vertical_lanes(above: &[f32], below: &[f32], fraction: f32, lanes: &mut [u8]) {
    for ((lane, above), below) in lanes.iter_mut().zip(above).zip(below) {
        *lane = truncate(above + (below - above) * fraction);
    }
}

/// The values from a position on; behind the row's last one there are zeros.
#[inline(always)]
fn load<const LANES: usize>(row: &[u8], at: usize) -> [f32; LANES] {
    let lanes = match row.get(at..).and_then(<[u8]>::first_chunk::<LANES>) {
        Some(lanes) => *lanes,
        None => std::array::from_fn(|lane| row.get(at + lane).copied().unwrap_or(0)),
    };
    lanes.map(f32::from)
}

/// The whole part of a value between two that came from 8 bits; a checked conversion keeps the loop from being vectorised.
#[inline(always)]
#[expect(unsafe_code, reason = "the standard library has no other conversion that is a single instruction")]
fn truncate(value: f32) -> u8 {
    debug_assert!((0.0..256.0).contains(&value));
    // SAFETY: interpolation with fractions of 0 to 1 between values of 0 to 255 is finite and within i32.
    unsafe { value.to_int_unchecked::<i32>() as u8 }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

/// The same loop for processors that have vectors of eight; multiplication and addition stay apart, so the values are the same.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
fn horizontal_avx2(row: &[u8], columns: &[Tap], values: &mut [f32]) {
    horizontal_lanes::<4>(row, columns, values);
}

/// As [`horizontal_avx2`].
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
fn vertical_avx2(above: &[f32], below: &[f32], fraction: f32, lanes: &mut [u8]) {
    vertical_lanes(above, below, fraction, lanes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::gray;

    /// The example in the documentation of `tf.image.resize`.
    #[test]
    fn rows_interpolate_to_tensorflows_floats() {
        let mut eye = [0_u8; 25];
        for index in 0..5 {
            eye[index * 6] = 1;
        }
        let (columns, rows) = (taps(5, 5, 0, 5), taps(5, 3, 0, 3));
        let interpolated = |y: usize| {
            let mut values = [0.0; 5];
            horizontal_lanes::<1>(&eye[5 * y..5 * y + 5], &columns, &mut values);
            values
        };
        let values = rows.iter().flat_map(|tap| {
            let (above, below) = (interpolated(tap.lower), interpolated(tap.upper));
            std::array::from_fn::<f32, 5, _>(|at| above[at] + (below[at] - above[at]) * tap.fraction)
        });
        let expected =
            [0.6666667_f32, 0.3333333, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3333335, 0.6666665];
        assert_eq!(values.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn pixels_of_four_bytes_give_what_pixels_of_three_give() {
        let (width, height) = (37, 23);
        let rgb: Vec<u8> = (0..3 * width * height).map(|at| (at * 97 % 251) as u8).collect();
        let image = PixelsRef { width, height, channels: 3, values: &rgb };
        for (scaled, start, size) in
            [((20, 13), (3, 1), (11, 12)), ((90, 80), (20, 30), (40, 50)), ((1, 1), (0, 0), (1, 1))]
        {
            let window = Window { scaled, start, size };
            let expected = four_taps(image, window, Vec::new());
            let mut taps = FourTaps::new((width, height), window, 4, 3, vec![1; 7]);
            for (y, row) in
                rgb.chunks_exact(3 * width as usize).enumerate().filter(|(y, _)| taps_need(&window, height, *y))
            {
                let padded: Vec<u8> = row.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 7]).collect();
                taps.push(y, &padded);
            }
            assert_eq!(taps.finish(), expected, "{window:?}");
        }
    }

    fn taps_need(window: &Window, height: u32, y: usize) -> bool {
        taps(height, window.scaled.1, window.start.1, window.size.1).iter().any(|tap| tap.lower == y || tap.upper == y)
    }

    #[test]
    fn only_the_window_is_looked_at() {
        let window = Window { scaled: (20, 10), start: (5, 0), size: (10, 10) };
        let taps = FourTaps::new((40, 20), window, 4, 3, Vec::new());
        assert_eq!(taps.wanted(), (10..30, 0..20));
        let image = gray(1, 1, &[9]);
        assert_eq!(four_taps(image, Window { scaled: (2, 2), start: (0, 0), size: (2, 2) }, Vec::new()).values, [9; 4]);
    }
}
