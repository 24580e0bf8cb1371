//! Resizing and cropping.

use std::ops::Range;

use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

pub(crate) use pixmill_jpeg::Scale;

use super::arguments::Choice;
use super::four_taps::{Window, four_taps};
use super::pixels::{Pixels, PixelsRef};
use super::resample::{Region, Weights, nearest, weigh, weighed};

/// How an image is brought to a size whose aspect ratio is not its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fit {
    #[default]
    Stretch,
    Cover,
    Pad,
    Inside,
}

/// The resampling filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Filter {
    Nearest,
    #[default]
    Bilinear,
    Bicubic,
    Lanczos3,
    Area,
}

impl Choice for Fit {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("stretch", Self::Stretch), ("cover", Self::Cover), ("pad", Self::Pad), ("inside", Self::Inside)];
}

impl Choice for Filter {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("nearest", Self::Nearest),
        ("bilinear", Self::Bilinear),
        ("bicubic", Self::Bicubic),
        ("lanczos3", Self::Lanczos3),
        ("area", Self::Area),
    ];
}

/// How an image is resized.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Resampling {
    pub(crate) fit: Fit,
    pub(crate) filter: Filter,
    /// Whether the filter widens with the ratio when shrinking.
    pub(crate) antialias: bool,
}

/// The width and the height that an image gets, and how.
pub(crate) type Resizing = ((u32, u32), Resampling);

/// Resizes to `width` x `height` pixels, into `buffer`.
pub(crate) fn resize(
    image: PixelsRef<'_>,
    (width, height): (u32, u32),
    options: Resampling,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    match options.fit {
        Fit::Stretch => scale(image, (width, height), options, resizer, buffer),
        Fit::Inside => {
            let size = size_inside((image.width, image.height), width, height);
            scale(image, size, options, resizer, buffer)
        }
        Fit::Pad => {
            let size = size_inside((image.width, image.height), width, height);
            let inner = scale(image, size, options, resizer, buffer)?;
            Ok(center_crop(inner.as_ref(), width, height, Vec::new()))
        }
        Fit::Cover if is_tensorflow(options) => Ok(cover_tensorflow(image, width, height, buffer)),
        Fit::Cover => cover(image, (width, height), options, resizer, buffer),
    }
}

/// Whole pixels of an image, also outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The first column and the first row.
    pub(crate) start: (i64, i64),
    pub(crate) size: (u32, u32),
}

impl Part {
    /// The columns and rows of an image of this size that are in the part.
    pub(crate) fn within(&self, size: (u32, u32)) -> (Range<usize>, Range<usize>) {
        let range = |start: i64, length: u32, most: u32| {
            let end = (start + i64::from(length)).clamp(0, i64::from(most)) as usize;
            (start.max(0) as usize).min(end)..end
        };
        (range(self.start.0, self.size.0, size.0), range(self.start.1, self.size.1, size.1))
    }
}

/// Cuts out a part; what lies outside the image is 0 in every channel.
pub(crate) fn crop(image: PixelsRef<'_>, part: Part, buffer: Vec<u8>) -> Pixels {
    let row_values = image.width as usize * usize::from(image.channels);
    let mut cut = PartRows::new((image.width, image.height), image.channels, part, buffer);
    for row in cut.rows() {
        cut.copy(row, &image.values[row * row_values..(row + 1) * row_values]);
    }
    cut.finish()
}

/// A part of an image that is cut out row by row.
#[derive(Debug)]
pub(crate) struct PartRows {
    part: Part,
    /// Which of the image's are in the part.
    columns: Range<usize>,
    rows: Range<usize>,
    pixels: Pixels,
}

impl PartRows {
    pub(crate) fn new(image_size: (u32, u32), channels: u8, part: Part, buffer: Vec<u8>) -> Self {
        let (width, height) = part.size;
        let mut values = buffer;
        values.clear();
        values.resize(width as usize * height as usize * usize::from(channels), 0);
        let (columns, rows) = part.within(image_size);
        Self { part, columns, rows, pixels: Pixels { width, height, channels, values } }
    }

    /// The rows of the image that are in the part.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Copies what is in the part of such a row.
    pub(crate) fn copy(&mut self, y: usize, row: &[u8]) {
        let channels = usize::from(self.pixels.channels);
        let line = (y as i64 - self.part.start.1) as usize * self.pixels.width as usize;
        let column = (self.columns.start as i64 - self.part.start.0).max(0) as usize;
        let to = (line + column) * channels;
        let from = &row[self.columns.start * channels..self.columns.end * channels];
        self.pixels.values[to..to + from.len()].copy_from_slice(from);
    }

    /// The part, once all rows are there.
    pub(crate) fn finish(self) -> Pixels {
        self.pixels
    }
}

/// Cuts the centre out, or puts the image on the centre of a larger one; an odd rest goes to the right and to the bottom.
pub(crate) fn center_crop(image: PixelsRef<'_>, width: u32, height: u32, buffer: Vec<u8>) -> Pixels {
    crop(image, center((image.width, image.height), (width, height)), buffer)
}

/// What [`center_crop`] cuts out of an image of this size.
pub(crate) fn center(image_size: (u32, u32), size: (u32, u32)) -> Part {
    let offset = |from: u32, to: u32| (i64::from(from) - i64::from(to)) / 2;
    Part { start: (offset(image_size.0, size.0), offset(image_size.1, size.1)), size }
}

/// The size of the whole image in a box: the ratio kept, the sides rounded, as in `tf.image.resize`.
fn size_inside(from: (u32, u32), width: u32, height: u32) -> (u32, u32) {
    let ratio = |to: u32, from: u32| to as f32 / from as f32;
    let scale = ratio(width, from.0).min(ratio(height, from.1));
    let side = |from: u32, most: u32| ((from as f32 * scale).round() as u32).clamp(1, most);
    (side(from.0, width), side(from.1, height))
}

/// Bilinear with four taps at any ratio: TensorFlow's own kernel.
fn is_tensorflow(options: Resampling) -> bool {
    options.filter == Filter::Bilinear && !options.antialias
}

/// Resizes the whole image to exactly this size.
fn scale(
    image: PixelsRef<'_>,
    (width, height): (u32, u32),
    options: Resampling,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    if is_tensorflow(options) && (image.width, image.height) != (width, height) {
        let window = Window { scaled: (width, height), start: (0, 0), size: (width, height) };
        return Ok(four_taps(image, window, buffer));
    }
    let (from_width, from_height) = (f64::from(image.width), f64::from(image.height));
    let whole = Region { left: 0.0, top: 0.0, width: from_width, height: from_height };
    resample(image, whole, (width, height), options, resizer, buffer)
}

/// Fills the box: the largest centred part of the image that has its ratio, resized.
fn cover(
    image: PixelsRef<'_>,
    size: (u32, u32),
    options: Resampling,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    let centre = centre((image.width, image.height), size);
    resample(image, centre, size, options, resizer, buffer)
}

/// The largest centred part that has the ratio of `size`.
fn centre(from: (u32, u32), size: (u32, u32)) -> Region {
    let (from_width, from_height) = (f64::from(from.0), f64::from(from.1));
    let (to_width, to_height) = (f64::from(size.0), f64::from(size.1));
    let scale = (to_width / from_width).max(to_height / from_height);
    let width = (to_width / scale).min(from_width);
    let height = (to_height / scale).min(from_height);
    Region { left: (from_width - width) / 2.0, top: (from_height - height) / 2.0, width, height }
}

/// By how much an image of this size may be reduced before it is resized: the resizing must still have something to weigh.
pub(crate) fn reduction(from: (u32, u32), (width, height): (u32, u32), options: Resampling) -> Scale {
    if !options.antialias || !matches!(options.filter, Filter::Area | Filter::Bilinear) {
        return Scale::Whole;
    }
    let (region, (to_width, to_height)) = resized_region(from, (width, height), options);
    let ratio = (region.width / f64::from(to_width)).min(region.height / f64::from(to_height));
    let scales = [Scale::Eighth, Scale::Quarter, Scale::Half];
    // What is left to weigh: where the weights of neighbours differ little, less will do.
    let rest = if options.filter == Filter::Area { 3.0 } else { 1.9 };
    let leaves_enough = |scale: &Scale| ratio >= rest * f64::from(scale.denominator());
    scales.into_iter().find(leaves_enough).unwrap_or(Scale::Whole)
}

/// The part of an image that is resized, and the size that it gets.
fn resized_region(from: (u32, u32), (width, height): (u32, u32), options: Resampling) -> (Region, (u32, u32)) {
    let whole = Region { left: 0.0, top: 0.0, width: f64::from(from.0), height: f64::from(from.1) };
    match options.fit {
        Fit::Stretch => (whole, (width, height)),
        Fit::Inside | Fit::Pad => (whole, size_inside(from, width, height)),
        Fit::Cover => (centre(from, (width, height)), (width, height)),
    }
}

/// [`resize`] of an image that is reduced while it is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reduced {
    /// The image's size when it is reduced, and the part of it that is resized.
    size: (u32, u32),
    region: Region,
    weights: Weights,
    to: (u32, u32),
    /// Around the resized part, black.
    padded: Option<(u32, u32)>,
}

impl Reduced {
    /// What is done with an image of size `from` that is reduced to `size`.
    pub(crate) fn new(from: (u32, u32), (size, scale): ((u32, u32), Scale), (to, options): Resizing) -> Self {
        let (region, resized) = resized_region(from, to, options);
        let scale = 1.0 / f64::from(scale.denominator());
        let region = Region {
            left: region.left * scale,
            top: region.top * scale,
            width: region.width * scale,
            height: region.height * scale,
        };
        let weights = if options.filter == Filter::Area { Weights::Area } else { Weights::Triangle };
        Self { size, region, weights, to: resized, padded: (options.fit == Fit::Pad).then_some(to) }
    }

    /// The columns and rows of the reduced image that are looked at.
    pub(crate) fn wanted(&self) -> (Range<usize>, Range<usize>) {
        weighed(self.size, self.region, self.to, self.weights)
    }

    /// The resized image, of the reduced one.
    pub(crate) fn resize(&self, image: PixelsRef<'_>, buffer: Vec<u8>) -> Pixels {
        let resized = weigh(image, self.region, self.to, self.weights, buffer);
        match self.padded {
            Some((width, height)) => center_crop(resized.as_ref(), width, height, Vec::new()),
            None => resized,
        }
    }
}

/// Brings a region of the image to a size.
fn resample(
    image: PixelsRef<'_>,
    region: Region,
    size: (u32, u32),
    options: Resampling,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    if (image.width, image.height) == size {
        return Ok(copy(image, buffer));
    }
    let filter = match options.filter {
        Filter::Nearest => return Ok(nearest(image, region, size, buffer)),
        Filter::Area => return Ok(weigh(image, region, size, Weights::Area, buffer)),
        filter => filter,
    };
    // fast_image_resize 6.1 reads outside of the image for some parts of it: the part is cut out first, in whole pixels.
    let part = whole_pixels(region);
    if part.size == (image.width, image.height) {
        return convolve(image, size, filter, resizer, buffer);
    }
    let part = crop(image, part, Vec::new());
    convolve(part.as_ref(), size, filter, resizer, buffer)
}

fn whole_pixels(region: Region) -> Part {
    let side = |length: f64| length.round().max(1.0) as u32;
    Part { start: (region.left as i64, region.top as i64), size: (side(region.width), side(region.height)) }
}

/// The part of an image of this size that [`resize`] gives to [`convolve`], if it is all that it looks at, and not the whole image.
pub(crate) fn convolved_part(from: (u32, u32), to: (u32, u32), options: Resampling) -> Option<Part> {
    let is_convolved = match options.filter {
        Filter::Nearest | Filter::Area => false,
        Filter::Bilinear | Filter::Bicubic | Filter::Lanczos3 => !is_tensorflow(options),
    };
    if options.fit != Fit::Cover || !is_convolved || from == to {
        return None;
    }
    let part = whole_pixels(centre(from, to));
    (part.size != from).then_some(part)
}

/// The resize-and-crop of TensorFlow's tutorials: the covering size is truncated to whole pixels, then the centre is cut.
fn cover_tensorflow(image: PixelsRef<'_>, width: u32, height: u32, buffer: Vec<u8>) -> Pixels {
    let window = cover_window((image.width, image.height), width, height);
    if window.scaled == (image.width, image.height) {
        let start = (i64::from(window.start.0), i64::from(window.start.1));
        return crop(image, Part { start, size: (width, height) }, buffer);
    }
    four_taps(image, window, buffer)
}

fn cover_window((from_width, from_height): (u32, u32), width: u32, height: u32) -> Window {
    let [from_width, from_height, to_width, to_height] = [from_width, from_height, width, height].map(u64::from);
    let scaled = if from_height * to_width < from_width * to_height {
        ((from_width * to_height / from_height) as u32, height)
    } else {
        (width, (from_height * to_width / from_width) as u32)
    };
    Window { scaled, start: ((scaled.0 - width) / 2, (scaled.1 - height) / 2), size: (width, height) }
}

/// What [`resize`] makes of an image of this size with TensorFlow's kernel alone; `None`: it does something else, too.
pub(crate) fn tensorflow_window(from: (u32, u32), (width, height): (u32, u32), options: Resampling) -> Option<Window> {
    let window = match options.fit {
        _ if !is_tensorflow(options) => return None,
        Fit::Stretch => Window { scaled: (width, height), start: (0, 0), size: (width, height) },
        Fit::Inside => {
            let size = size_inside(from, width, height);
            Window { scaled: size, start: (0, 0), size }
        }
        Fit::Cover => cover_window(from, width, height),
        Fit::Pad => return None,
    };
    (window.scaled != from).then_some(window)
}

fn copy(image: PixelsRef<'_>, buffer: Vec<u8>) -> Pixels {
    let mut values = buffer;
    values.clear();
    values.extend_from_slice(image.values);
    Pixels { width: image.width, height: image.height, channels: image.channels, values }
}

/// Brings the whole image to a size by a filter that fast_image_resize has.
pub(crate) fn convolve(
    image: PixelsRef<'_>,
    (width, height): (u32, u32),
    filter: Filter,
    resizer: &mut Resizer,
    buffer: Vec<u8>,
) -> Result<Pixels> {
    let filter = match filter {
        Filter::Bicubic => FilterType::CatmullRom,
        Filter::Lanczos3 => FilterType::Lanczos3,
        _ => FilterType::Bilinear,
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let mut values = buffer;
    values.resize(width as usize * height as usize * usize::from(image.channels), 0);
    // By the type of pixels: the library's own choice brings in code for types that no image here has.
    let convolve = match image.channels {
        1 => convolve_typed::<U8>,
        2 => convolve_typed::<U8x2>,
        3 => convolve_typed::<U8x3>,
        _ => convolve_typed::<U8x4>,
    };
    convolve(image, (width, height), &options, resizer, &mut values)?;
    Ok(Pixels { width, height, channels: image.channels, values })
}

fn convolve_typed<P: PixelTrait>(
    image: PixelsRef<'_>,
    (width, height): (u32, u32),
    options: &ResizeOptions,
    resizer: &mut Resizer,
    values: &mut [u8],
) -> Result<()> {
    let source = TypedImageRef::<P>::from_buffer(image.width, image.height, image.values)
        .map_err(|error| internal("source", &error))?;
    let mut target = TypedImage::<P>::from_buffer(width, height, values).map_err(|error| internal("target", &error))?;
    resizer.resize_typed(&source, &mut target, options).map_err(|error| internal("options", &error))
}

fn internal(what: &str, error: &dyn std::error::Error) -> DataFusionError {
    internal_datafusion_err!("image_resize: {what} refused by the resizer: {error}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::support::testing::gray;

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
        let (size, options) = ((5, 3), Resampling { fit: Fit::Stretch, filter: Filter::Bilinear, antialias: false });
        let resized = resize(gray(5, 5, &eye), size, options, &mut Resizer::new(), Vec::new());
        assert_eq!(resized.expect("resized").values, expected);
    }

    #[test]
    fn an_image_of_the_asked_size_is_left_as_it_is() {
        let values: Vec<u8> = (0..=59).collect();
        for (_, filter) in Filter::CHOICES {
            for (_, fit) in Fit::CHOICES {
                for antialias in [false, true] {
                    let (size, options) = ((10, 6), Resampling { fit: *fit, filter: *filter, antialias });
                    let resized = resize(gray(10, 6, &values), size, options, &mut Resizer::new(), Vec::new());
                    assert_eq!(resized.expect("resized").values, values);
                }
            }
        }
    }

    #[test]
    fn pad_centres_the_whole_image_on_black() {
        let (size, options) = ((4, 4), Resampling { fit: Fit::Pad, filter: Filter::Nearest, antialias: true });
        let padded = resize(gray(2, 1, &[9, 7]), size, options, &mut Resizer::new(), Vec::new());
        let expected = [0, 0, 0, 0, 9, 9, 7, 7, 9, 9, 7, 7, 0, 0, 0, 0];
        assert_eq!(padded.expect("padded").values, expected);
    }

    #[test]
    fn cover_keeps_the_centre() {
        for antialias in [false, true] {
            let (size, options) = ((2, 2), Resampling { fit: Fit::Cover, filter: Filter::Bilinear, antialias });
            let image = gray(4, 2, &[1, 2, 3, 4, 5, 6, 7, 8]);
            let covered = resize(image, size, options, &mut Resizer::new(), Vec::new());
            assert_eq!(covered.expect("covered").values, [2, 3, 6, 7]);
        }
    }

    #[test]
    fn a_crop_larger_than_the_image_is_black_around_it() {
        assert_eq!(center_crop(gray(2, 2, &[1, 2, 3, 4]), 1, 3, Vec::new()).values, [1, 3, 0]);
    }

    #[test]
    fn only_what_is_averaged_and_shrinks_a_lot_is_reduced() {
        let camera =
            |size, fit, filter, antialias| reduction((4000, 3000), size, Resampling { fit, filter, antialias });
        assert_eq!(camera((192, 192), Fit::Cover, Filter::Bilinear, true), Scale::Eighth);
        assert_eq!(camera((192, 192), Fit::Cover, Filter::Area, true), Scale::Quarter);
        assert_eq!(camera((192, 192), Fit::Inside, Filter::Area, true), Scale::Quarter);
        assert_eq!(camera((1000, 750), Fit::Stretch, Filter::Bilinear, true), Scale::Half);
        // The height hardly shrinks.
        assert_eq!(camera((192, 2000), Fit::Stretch, Filter::Bilinear, true), Scale::Whole);
        assert_eq!(camera((192, 192), Fit::Cover, Filter::Bilinear, false), Scale::Whole);
        assert_eq!(camera((192, 192), Fit::Cover, Filter::Area, false), Scale::Whole);
        assert_eq!(camera((192, 192), Fit::Cover, Filter::Lanczos3, true), Scale::Whole);
    }

    #[test]
    fn a_reduced_image_gets_the_size_and_the_part_of_the_whole_one() {
        // 83x47, of which the right half is white, at a quarter of its size: 21x12.
        let values: Vec<u8> = (0..21 * 12).map(|at| if at % 21 < 10 { 0 } else { 255 }).collect();
        for filter in [Filter::Area, Filter::Bilinear] {
            for (_, fit) in Fit::CHOICES {
                let options = Resampling { fit: *fit, filter, antialias: true };
                let reduced = Reduced::new((83, 47), ((21, 12), Scale::Quarter), ((6, 4), options));
                let (columns, rows) = reduced.wanted();
                // What isn't looked at may be anything.
                let at = |at: usize| columns.contains(&(at % 21)) && rows.contains(&(at / 21));
                let open: Vec<u8> =
                    (0..).zip(&values).map(|(place, value)| if at(place) { *value } else { 99 }).collect();
                let resized = reduced.resize(gray(21, 12, &open), Vec::new());
                let whole = gray(83, 47, &[0; 83 * 47]);
                let expected = resize(whole, (6, 4), options, &mut Resizer::new(), Vec::new()).expect("resized");
                assert_eq!((resized.width, resized.height), (expected.width, expected.height), "{fit:?}");
                let middle = resized.height as usize / 2 * resized.width as usize;
                let row = &resized.values[middle..middle + resized.width as usize];
                assert_eq!((row[1], row[4]), (0, 255), "{fit:?} {filter:?}: {row:?}");
            }
        }
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
            let (size, options) = ((to_width, to_height), Resampling { fit, filter, antialias });
            let resized = resize(image, size, options, &mut Resizer::new(), Vec::new()).expect("resized");
            prop_assert!(resized.width <= to_width && resized.height <= to_height);
            prop_assert!(resized.width == to_width || fit == Fit::Inside);
            prop_assert!(resized.height == to_height || fit == Fit::Inside);
            let values = resized.width as usize * resized.height as usize * usize::from(channels);
            prop_assert_eq!(resized.values.len(), values);
            if fit != Fit::Pad {
                prop_assert!(resized.values.iter().all(|value| (199..=201).contains(value)));
            }
        }
    }
}
