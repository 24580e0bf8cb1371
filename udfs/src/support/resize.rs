//! Resizing and cropping.

use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::pixels::{Pixels, PixelsRef};
use super::step::{Filter, Fit, Resize};

/// Resizes as `options` say, into `buffer`.
pub(crate) fn resize(
    image: PixelsRef<'_>,
    options: &Resize,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    let (width, height) = (options.width, options.height);
    match options.fit {
        Fit::Stretch => scale(image, (width, height), options, resizer, buffer),
        Fit::Inside => {
            let size = size_inside(image, width, height);
            scale(image, size, options, resizer, buffer)
        }
        Fit::Pad => {
            let size = size_inside(image, width, height);
            let inner = scale(image, size, options, resizer, buffer)?;
            Ok(center_crop(inner.as_ref(), width, height, Vec::new()))
        }
        Fit::Cover if is_tensorflow(options) => Ok(cover_tensorflow(image, width, height, buffer)),
        Fit::Cover => cover(image, options, resizer, buffer),
    }
}

/// Cuts out a region; what lies outside the image is 0 in every channel.
pub(crate) fn crop(
    image: PixelsRef<'_>,
    (x, y): (i64, i64),
    (width, height): (u32, u32),
    buffer: Vec<u8>,
) -> Pixels {
    let channels = usize::from(image.channels);
    let row_bytes = width as usize * channels;
    let mut values = buffer;
    values.clear();
    values.resize(row_bytes * height as usize, 0);
    let left = x.max(0);
    let right = (x + i64::from(width)).min(i64::from(image.width));
    let top = y.max(0);
    let bottom = (y + i64::from(height)).min(i64::from(image.height));
    if left < right {
        let bytes = (right - left) as usize * channels;
        for row in top..bottom {
            let from = (row as usize * image.width as usize + left as usize) * channels;
            let to = (row - y) as usize * row_bytes + (left - x) as usize * channels;
            values[to..to + bytes].copy_from_slice(&image.values[from..from + bytes]);
        }
    }
    Pixels {
        width,
        height,
        channels: image.channels,
        values,
    }
}

/// Cuts the centre out; an odd rest goes to the right and to the bottom.
pub(crate) fn center_crop(image: PixelsRef<'_>, width: u32, height: u32, buffer: Vec<u8>) -> Pixels {
    let offset = |from: u32, to: u32| (i64::from(from) - i64::from(to)).div_euclid(2);
    let start = (offset(image.width, width), offset(image.height, height));
    crop(image, start, (width, height), buffer)
}

/// The size of the whole image in a box: the ratio kept, the sides rounded, as in `tf.image.resize`.
fn size_inside(image: PixelsRef<'_>, width: u32, height: u32) -> (u32, u32) {
    let ratio = |to: u32, from: u32| to as f32 / from as f32;
    let scale = ratio(width, image.width).min(ratio(height, image.height));
    let side = |from: u32, most: u32| ((from as f32 * scale).round() as u32).clamp(1, most);
    (side(image.width, width), side(image.height, height))
}

/// Bilinear with four taps at any ratio: TensorFlow's own kernel.
fn is_tensorflow(options: &Resize) -> bool {
    options.filter == Filter::Bilinear && !options.antialias
}

/// Resizes the whole image to exactly this size.
fn scale(
    image: PixelsRef<'_>,
    (width, height): (u32, u32),
    options: &Resize,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    if (image.width, image.height) == (width, height) {
        return Ok(copy(image, buffer));
    }
    if is_tensorflow(options) {
        let window = Window {
            scaled: (width, height),
            start: (0, 0),
            size: (width, height),
        };
        return Ok(four_taps(image, window, buffer));
    }
    let algorithm = ResizeOptions::new().resize_alg(algorithm(options));
    convolve(image, (width, height), &algorithm, resizer, buffer)
}

/// Fills the box: the largest centred part of the image that has its ratio, resized.
fn cover(
    image: PixelsRef<'_>,
    options: &Resize,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    let size = (options.width, options.height);
    if (image.width, image.height) == size {
        return Ok(copy(image, buffer));
    }
    let (from_width, from_height) = (f64::from(image.width), f64::from(image.height));
    let (to_width, to_height) = (f64::from(options.width), f64::from(options.height));
    let scale = (to_width / from_width).max(to_height / from_height);
    let width = (to_width / scale).min(from_width);
    let height = (to_height / scale).min(from_height);
    let algorithm = ResizeOptions::new().resize_alg(algorithm(options)).crop(
        (from_width - width) / 2.0,
        (from_height - height) / 2.0,
        width,
        height,
    );
    convolve(image, size, &algorithm, resizer, buffer)
}

/// The resize-and-crop of TensorFlow's tutorials: the covering size is truncated to whole pixels, then the centre is cut.
fn cover_tensorflow(image: PixelsRef<'_>, width: u32, height: u32, buffer: Vec<u8>) -> Pixels {
    let (from_width, from_height) = (u64::from(image.width), u64::from(image.height));
    let (to_width, to_height) = (u64::from(width), u64::from(height));
    let scaled = if from_height * to_width < from_width * to_height {
        ((from_width * to_height / from_height) as u32, height)
    } else {
        (width, (from_height * to_width / from_width) as u32)
    };
    let start = ((scaled.0 - width) / 2, (scaled.1 - height) / 2);
    if scaled == (image.width, image.height) {
        let offset = (i64::from(start.0), i64::from(start.1));
        return crop(image, offset, (width, height), buffer);
    }
    let window = Window {
        scaled,
        start,
        size: (width, height),
    };
    four_taps(image, window, buffer)
}

fn copy(image: PixelsRef<'_>, buffer: Vec<u8>) -> Pixels {
    let mut values = buffer;
    values.clear();
    values.extend_from_slice(image.values);
    Pixels {
        width: image.width,
        height: image.height,
        channels: image.channels,
        values,
    }
}

fn algorithm(options: &Resize) -> ResizeAlg {
    let filter = match options.filter {
        Filter::Nearest => return ResizeAlg::Nearest,
        Filter::Area => return ResizeAlg::Convolution(FilterType::Box),
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
        Filter::Lanczos3 => FilterType::Lanczos3,
    };
    if options.antialias {
        ResizeAlg::Convolution(filter)
    } else {
        ResizeAlg::Interpolation(filter)
    }
}

fn convolve(
    image: PixelsRef<'_>,
    (width, height): (u32, u32),
    options: &ResizeOptions,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    let pixel_type = match image.channels {
        1 => PixelType::U8,
        2 => PixelType::U8x2,
        3 => PixelType::U8x3,
        _ => PixelType::U8x4,
    };
    let mut values = buffer;
    values.resize(width as usize * height as usize * usize::from(image.channels), 0);
    let source = ImageRef::new(image.width, image.height, image.values, pixel_type)
        .map_err(|error| internal("source", &error))?;
    let mut target = Image::from_vec_u8(width, height, values, pixel_type)
        .map_err(|error| internal("target", &error))?;
    resizer
        .resize(&source, &mut target, options)
        .map_err(|error| internal("options", &error))?;
    Ok(Pixels {
        width,
        height,
        channels: image.channels,
        values: target.into_vec(),
    })
}

fn internal(what: &str, error: &dyn std::error::Error) -> DataFusionError {
    internal_datafusion_err!("image_resize: {what} refused by the resizer: {error}")
}

/// A part of a scaled image: only its pixels are computed.
struct Window {
    scaled: (u32, u32),
    start: (u32, u32),
    size: (u32, u32),
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
fn four_taps(image: PixelsRef<'_>, window: Window, buffer: Vec<u8>) -> Pixels {
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
    Pixels {
        width,
        height,
        channels: image.channels,
        values,
    }
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
        Self {
            row: None,
            values: vec![0.0; values],
        }
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
    use proptest::prelude::*;

    use super::*;
    use crate::support::arguments::Choice;

    fn gray(width: u32, height: u32, values: &[u8]) -> PixelsRef<'_> {
        PixelsRef {
            width,
            height,
            channels: 1,
            values,
        }
    }

    fn options(width: u32, height: u32, fit: Fit, filter: Filter, antialias: bool) -> Resize {
        Resize {
            width,
            height,
            fit,
            filter,
            antialias,
        }
    }

    /// The example in the documentation of `tf.image.resize`: eye(5) to 3 rows of 5, here times 255 and truncated.
    #[test]
    fn bilinear_without_antialias_gives_tensorflows_documented_example() {
        let mut eye = [0_u8; 25];
        for index in 0..5 {
            eye[index * 6] = 255;
        }
        let tensorflow = [
            [0.6666667_f32, 0.3333333, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.3333335, 0.6666665],
        ];
        let expected: Vec<u8> = tensorflow.iter().flatten().map(|value| (value * 255.0) as u8).collect();
        let options = options(5, 3, Fit::Stretch, Filter::Bilinear, false);
        let resized = resize(gray(5, 5, &eye), &options, &mut Resizer::new(), Vec::new());
        assert_eq!(resized.expect("resized").values, expected);
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
        let expected = [
            0.6666667_f32, 0.3333333, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3333335, 0.6666665,
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn an_image_of_the_asked_size_is_left_as_it_is() {
        let values: Vec<u8> = (0..=59).collect();
        for (_, filter) in Filter::CHOICES {
            for (_, fit) in Fit::CHOICES {
                for antialias in [false, true] {
                    let options = options(10, 6, *fit, *filter, antialias);
                    let resized = resize(gray(10, 6, &values), &options, &mut Resizer::new(), Vec::new());
                    assert_eq!(resized.expect("resized").values, values);
                }
            }
        }
    }

    #[test]
    fn pad_centres_the_whole_image_on_black() {
        let options = options(4, 4, Fit::Pad, Filter::Nearest, true);
        let padded = resize(gray(2, 1, &[9, 7]), &options, &mut Resizer::new(), Vec::new());
        let expected = [0, 0, 0, 0, 9, 9, 7, 7, 9, 9, 7, 7, 0, 0, 0, 0];
        assert_eq!(padded.expect("padded").values, expected);
    }

    #[test]
    fn cover_keeps_the_centre() {
        for antialias in [false, true] {
            let options = options(2, 2, Fit::Cover, Filter::Bilinear, antialias);
            let image = gray(4, 2, &[1, 2, 3, 4, 5, 6, 7, 8]);
            let covered = resize(image, &options, &mut Resizer::new(), Vec::new());
            assert_eq!(covered.expect("covered").values, [2, 3, 6, 7]);
        }
    }

    #[test]
    fn a_crop_beyond_the_image_is_black_there() {
        let image = gray(2, 2, &[1, 2, 3, 4]);
        assert_eq!(crop(image, (-1, 1), (3, 2), Vec::new()).values, [0, 3, 4, 0, 0, 0]);
        assert_eq!(crop(image, (5, 5), (1, 1), Vec::new()).values, [0]);
        assert_eq!(center_crop(image, 1, 3, Vec::new()).values, [0, 1, 3]);
    }

    proptest! {
        #[test]
        fn the_result_has_the_asked_size(
            (width, height, channels) in (1..40_u32, 1..40_u32, 1..=4_u8),
            (to_width, to_height) in (1..40_u32, 1..40_u32),
            (_, fit) in prop::sample::select(Fit::CHOICES),
            (_, filter) in prop::sample::select(Filter::CHOICES),
            antialias in any::<bool>(),
        ) {
            let values = vec![200; width as usize * height as usize * usize::from(channels)];
            let image = PixelsRef { width, height, channels, values: &values };
            let options = options(to_width, to_height, fit, filter, antialias);
            let resized = resize(image, &options, &mut Resizer::new(), Vec::new()).expect("resized");
            prop_assert!(resized.width <= to_width && resized.height <= to_height);
            prop_assert!(resized.width == to_width || fit == Fit::Inside);
            prop_assert!(resized.height == to_height || fit == Fit::Inside);
            let size = resized.width as usize * resized.height as usize * usize::from(channels);
            prop_assert_eq!(resized.values.len(), size);
            if fit != Fit::Pad {
                prop_assert!(resized.values.iter().all(|value| (199..=201).contains(value)));
            }
        }
    }
}
