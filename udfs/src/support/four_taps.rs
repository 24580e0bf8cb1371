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

/// Columns are computed in groups of so many.
const GROUP: usize = 8;

/// The resizing of rows that come one by one, from the top.
///
/// The order of the single-precision operations is that of TensorFlow's `resize_bilinear_op` with half-pixel centres.
#[derive(Debug)]
pub(crate) struct FourTaps {
    /// Positions are of bytes in a row; the upper one is the pixel behind the lower one. Whole groups: the last one is repeated.
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
        let mut columns: Vec<Tap> = taps(width, window.scaled.0, window.start.0, window.size.0)
            .into_iter()
            .map(|tap| neighbours(tap, width as usize, step))
            .collect();
        if let Some(last) = columns.last().copied() {
            columns.resize(columns.len().next_multiple_of(GROUP), last);
        }
        let row = || InterpolatedRow { row: None, values: vec![0.0; lanes(channels) * columns.len()] };
        Self {
            above: row(),
            below: row(),
            columns,
            rows: taps(height, window.scaled.1, window.start.1, window.size.1),
            size: window.size,
            channels,
            step,
            next: 0,
            values,
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
        self.interpolate(row);
        let row_values = self.size.0 as usize * usize::from(self.channels);
        while let Some(tap) = self.rows.get(self.next).filter(|tap| tap.upper == y) {
            let above = if self.below.row == Some(tap.lower) { &self.below } else { &self.above };
            let output = &mut self.values[self.next * row_values..(self.next + 1) * row_values];
            let rows = (above.values.as_slice(), self.below.values.as_slice());
            self.next += 1;
            #[cfg(target_arch = "x86_64")]
            if self.has_avx2 && self.channels >= 3 {
                avx2::vertical_where_there_is(rows, tap.fraction, self.channels, output);
                continue;
            }
            vertical(rows, tap.fraction, self.channels, output);
        }
    }

    /// Makes the row below: of an input row, what lies at the output's columns.
    fn interpolate(&mut self, row: &[u8]) {
        let (columns, values) = (&self.columns, &mut self.below.values);
        #[cfg(target_arch = "x86_64")]
        if self.has_avx2 && self.channels >= 3 {
            return avx2::horizontal_where_there_is(row, columns, self.step, values);
        }
        match lanes(self.channels) {
            1 => horizontal::<1>(row, columns, values),
            2 => horizontal::<2>(row, columns, values),
            _ => horizontal::<4>(row, columns, values),
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

/// The tap in bytes, between two pixels that lie side by side: what is all of one pixel is nothing of its neighbour.
fn neighbours(tap: Tap, width: usize, step: usize) -> Tap {
    let (lower, fraction) = match (tap.upper > tap.lower, tap.lower + 1 < width) {
        (true, _) => (tap.lower, tap.fraction),
        (false, true) => (tap.lower, 0.0),
        // The last pixel, of several or of one.
        (false, false) if tap.lower > 0 => (tap.lower - 1, 1.0),
        (false, false) => (tap.lower, 0.0),
    };
    Tap { lower: lower * step, upper: (lower + 1).min(width - 1) * step, fraction }
}

fn horizontal<const LANES: usize>(row: &[u8], columns: &[Tap], values: &mut [f32]) {
    for (tap, value) in columns.iter().zip(values.as_chunks_mut::<LANES>().0) {
        let (start, end) = (load::<LANES>(row, tap.lower), load::<LANES>(row, tap.upper));
        *value = std::array::from_fn(|lane| start[lane] + (end[lane] - start[lane]) * tap.fraction);
    }
}

/// The values from a position on; behind the row's last one there are zeros.
fn load<const LANES: usize>(row: &[u8], at: usize) -> [f32; LANES] {
    bytes::<LANES>(row, at).map(f32::from)
}

#[inline(always)]
fn bytes<const COUNT: usize>(row: &[u8], at: usize) -> [u8; COUNT] {
    match row.get(at..).and_then(<[u8]>::first_chunk::<COUNT>) {
        Some(bytes) => *bytes,
        None => std::array::from_fn(|index| row.get(at + index).copied().unwrap_or(0)),
    }
}

/// Interpolates between two rows; the output has no fourth lane where there are three channels.
fn vertical((above, below): (&[f32], &[f32]), fraction: f32, channels: u8, output: &mut [u8]) {
    let (lanes, channels) = (lanes(channels), usize::from(channels));
    let pixels = above.chunks_exact(lanes).zip(below.chunks_exact(lanes));
    for (output, (above, below)) in output.chunks_exact_mut(channels).zip(pixels) {
        for ((output, above), below) in output.iter_mut().zip(above).zip(below) {
            *output = truncate(above + (below - above) * fraction);
        }
    }
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

/// The same operations for processors with vectors of eight; multiplication and addition stay apart, so the values are the same.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{GROUP, Tap, bytes};

    #[expect(unsafe_code, reason = "a function for processors that have AVX2")]
    pub(super) fn horizontal_where_there_is(row: &[u8], columns: &[Tap], step: usize, values: &mut [f32]) {
        // SAFETY: the caller has found it.
        unsafe { horizontal(row, columns, step, values) }
    }

    #[expect(unsafe_code, reason = "a function for processors that have AVX2")]
    pub(super) fn vertical_where_there_is(rows: (&[f32], &[f32]), fraction: f32, channels: u8, output: &mut [u8]) {
        // SAFETY: the caller has found it.
        unsafe { vertical(rows, fraction, channels, output) }
    }

    /// Two output pixels at a time, of three or four channels: each between two input pixels that are one load.
    #[target_feature(enable = "avx2")]
    fn horizontal(row: &[u8], columns: &[Tap], step: usize, values: &mut [f32]) {
        let apart = if step == 4 {
            _mm_setr_epi8(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15)
        } else {
            _mm_setr_epi8(0, 1, 2, -1, 8, 9, 10, -1, 3, 4, 5, -1, 11, 12, 13, -1)
        };
        for ([left, right], values) in columns.as_chunks::<2>().0.iter().zip(values.as_chunks_mut::<8>().0) {
            let neighbours = |tap: &Tap| i64::from_le_bytes(bytes(row, tap.lower));
            // From the two neighbours of each pixel to the starts of both, and behind them the ends of both.
            let both = _mm_shuffle_epi8(_mm_set_epi64x(neighbours(right), neighbours(left)), apart);
            let start = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(both));
            let end = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(both, both)));
            let fraction = _mm256_set_m128(_mm_set1_ps(right.fraction), _mm_set1_ps(left.fraction));
            store(_mm256_add_ps(start, _mm256_mul_ps(_mm256_sub_ps(end, start), fraction)), values);
        }
    }

    /// A group of pixels at a time, truncated to 8 bits; without the fourth lane where there are three channels.
    #[target_feature(enable = "avx2")]
    fn vertical((above, below): (&[f32], &[f32]), fraction: f32, channels: u8, output: &mut [u8]) {
        const LANES: usize = 4 * GROUP;
        let fraction = _mm256_set1_ps(fraction);
        let without_fourth = _mm256_setr_epi8(
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, //
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
        );
        let rows = above.as_chunks::<LANES>().0.iter().zip(below.as_chunks::<LANES>().0);
        for (output, (above, below)) in output.chunks_mut(GROUP * usize::from(channels)).zip(rows) {
            let (above, below) = (above.as_chunks::<8>().0, below.as_chunks::<8>().0);
            let two_pixels = |index: usize| {
                let (above, below) = (load(&above[index]), load(&below[index]));
                let value = _mm256_add_ps(above, _mm256_mul_ps(_mm256_sub_ps(below, above), fraction));
                _mm256_cvttps_epi32(value)
            };
            let (first, second) =
                (_mm256_packs_epi32(two_pixels(0), two_pixels(1)), _mm256_packs_epi32(two_pixels(2), two_pixels(3)));
            // Packing works on halves of vectors: the even pixels are in the lower one.
            let pixels = _mm256_packus_epi16(first, second);
            let pixels = _mm256_permutevar8x32_epi32(pixels, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
            let pixels = if channels == 3 {
                let halves = _mm256_shuffle_epi8(pixels, without_fourth);
                _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7))
            } else {
                pixels
            };
            let values = to_bytes(pixels);
            match output.len() {
                // Of a known length, it is two stores.
                24 => output[..24].copy_from_slice(&values[..24]),
                length => output.copy_from_slice(&values[..length]),
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "vectors are loaded by pointer")]
    fn load(values: &[f32; 8]) -> __m256 {
        // SAFETY: there are eight values.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "vectors are stored by pointer")]
    fn store(vector: __m256, values: &mut [f32; 8]) {
        // SAFETY: there is room for eight values.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "vectors are stored by pointer")]
    fn to_bytes(vector: __m256i) -> [u8; 32] {
        let mut bytes = [0; 32];
        // SAFETY: there is room for 32 bytes.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) }
        bytes
    }
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
        let columns: Vec<Tap> = columns.into_iter().map(|tap| neighbours(tap, 5, 1)).collect();
        let interpolated = |y: usize| {
            let mut values = [0.0; 5];
            horizontal::<1>(&eye[5 * y..5 * y + 5], &columns, &mut values);
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

    #[test]
    fn vectors_give_what_single_values_give() {
        let (width, height) = (41, 29);
        let windows = [((17, 13), (3, 1), (11, 12)), ((90, 80), (0, 0), (90, 80)), ((1, 1), (0, 0), (1, 1))];
        for (channels, width) in [(3, width), (4, width), (3, 1), (4, 1), (3, 2)] {
            let values: Vec<u8> = (0..u32::from(channels) * width * height)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            for (scaled, start, size) in windows {
                let window = Window { scaled, start, size };
                let resized = [true, false].map(|may_have_avx2| {
                    let mut taps = FourTaps::new((width, height), window, channels.into(), channels, Vec::new());
                    taps.has_avx2 &= may_have_avx2;
                    for (y, row) in values.chunks_exact(width as usize * usize::from(channels)).enumerate() {
                        if taps.needs(y) {
                            taps.push(y, row);
                        }
                    }
                    taps.finish()
                });
                assert_eq!(resized[0], resized[1], "{channels} channels, {width} wide: {window:?}");
            }
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
