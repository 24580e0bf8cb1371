//! From the bytes of an image file to pixels: the format is told by content, never by name.

use image::metadata::Orientation;
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage,
};

use super::arguments::Choice;
use super::bad_image::BadImage;
use super::guard::guarded;
use super::header::frames;
use super::jpeg::{Dct, JpegCodec};
use super::jpeg_segments;
use super::limits::{TimedContent, check_frames, check_header, check_memory, limits, timed};
use super::pixels::{Mode, Pixels, checked_size};
use super::step::AnyTransform;
use super::work::decoding;

/// What to do with the EXIF orientation of a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Exif {
    #[default]
    Apply,
    Ignore,
}

impl Choice for Exif {
    const CHOICES: &'static [(&'static str, Self)] = &[("apply", Self::Apply), ("ignore", Self::Ignore)];
}

/// How an image file is decoded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DecodeOptions {
    pub(crate) mode: Mode,
    pub(crate) exif: Exif,
    pub(crate) dct: Dct,
}

/// The formats that can be decoded, with the words that name them.
const FORMATS: [(ImageFormat, &str); 6] = [
    (ImageFormat::Jpeg, "jpeg"),
    (ImageFormat::Png, "png"),
    (ImageFormat::Gif, "gif"),
    (ImageFormat::Bmp, "bmp"),
    (ImageFormat::WebP, "webp"),
    (ImageFormat::Tiff, "tiff"),
];

/// The names of the formats that can be decoded.
pub fn formats() -> [&'static str; FORMATS.len()] {
    FORMATS.map(|(_, name)| name)
}

/// The format of an image file by its first bytes, with its name.
pub(crate) fn sniff(content: &[u8]) -> Result<(ImageFormat, &'static str), BadImage> {
    if content.is_empty() {
        return Err(BadImage::empty());
    }
    let guess = image::guess_format(content).ok();
    let known = guess.and_then(|guess| FORMATS.into_iter().find(|(format, _)| *format == guess));
    known.ok_or_else(|| {
        let names = formats();
        let start: Vec<String> = content.iter().take(4).map(|b| format!("{b:02x}")).collect();
        let (names, start) = (format!("{} or {}", names[..5].join(", "), names[5]), start.join(" "));
        BadImage::not_an_image(format!("not a {names} image (starts with {start})"))
    })
}

/// What came of an image file.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) pixels: Pixels,
    /// Whether the step behind the decoding is done, too.
    pub(crate) is_step_done: bool,
    /// The pixels of the image in the file, and how many pixels were made of them: of a part, or of a smaller image, fewer.
    pub(crate) in_file: usize,
    pub(crate) computed: usize,
}

impl Decoded {
    /// An image of which all pixels were made.
    pub(crate) fn whole(pixels: Pixels) -> Self {
        let count = pixels.width as usize * pixels.height as usize;
        Self { pixels, is_step_done: false, in_file: count, computed: count }
    }
}

/// Decodes the first frame of an image file; a codec's panic is a bad image, too.
///
/// The step behind it is done on the way where the rows of an image can go through it as they are decoded.
pub(crate) fn decode(
    content: &[u8],
    options: DecodeOptions,
    next: Option<&dyn AnyTransform>,
    jpeg: &mut JpegCodec,
    buffer: Vec<u8>,
) -> Result<Decoded, BadImage> {
    let (format, name) = sniff(content)?;
    let decode = || {
        if format == ImageFormat::Jpeg {
            return decode_jpeg(content, options, next, jpeg, buffer);
        }
        let pixels = decode_other(content, format, name, options.exif)?;
        Ok(Decoded::whole(pixels.into_mode(options.mode)))
    };
    decoding(|| timed(|| guarded("decoder", decode)))
}

fn decode_jpeg(
    content: &[u8],
    options: DecodeOptions,
    next: Option<&dyn AnyTransform>,
    jpeg: &mut JpegCodec,
    buffer: Vec<u8>,
) -> Result<Decoded, BadImage> {
    let orientation = match options.exif {
        Exif::Ignore => Orientation::NoTransforms,
        Exif::Apply => {
            jpeg_segments::exif(content).and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
        }
    };
    let is_upright = orientation == Orientation::NoTransforms;
    let decoded = jpeg.decode(content, options.mode, options.dct, next.filter(|_| is_upright), buffer)?;
    let pixels = if is_upright {
        decoded.pixels
    } else {
        let mut image = to_image(decoded.pixels)?;
        image.apply_orientation(orientation);
        from_image(image)?
    };
    Ok(Decoded { pixels: pixels.into_mode(options.mode), ..decoded })
}

fn decode_other(content: &[u8], format: ImageFormat, name: &str, exif: Exif) -> Result<Pixels, BadImage> {
    let bad = |error| BadImage::of_decoder(name, &error);
    check_frames(|| frames(content, format))?;
    let mut codec_limits = Limits::default();
    codec_limits.max_alloc = Some(limits().decode_bytes);
    let mut reader = ImageReader::with_format(TimedContent::new(content), format);
    reader.limits(codec_limits);
    let mut decoder = reader.into_decoder().map_err(bad)?;
    let (width, height) = decoder.dimensions();
    check_header(width, height)?;
    check_memory(decoder.total_bytes())?;
    checked_size(width, height, decoder.color_type().channel_count())?;
    let orientation = match exif {
        Exif::Ignore => Orientation::NoTransforms,
        Exif::Apply => orientation(&mut decoder),
    };
    let mut image = DynamicImage::from_decoder(decoder).map_err(bad)?;
    image.apply_orientation(orientation);
    from_image(image)
}

/// The EXIF orientation; a broken EXIF block is no reason to lose the image.
pub(crate) fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    // Some writers keep the prefix of JPEG's APP1 segment.
    let prefixed = exif.as_deref().and_then(|exif| exif.strip_prefix(b"Exif\0\0"));
    match prefixed.and_then(Orientation::from_exif_chunk) {
        Some(orientation) => orientation,
        None => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    }
}

fn to_image(pixels: Pixels) -> Result<DynamicImage, BadImage> {
    let Pixels { width, height, channels, values } = pixels;
    let image = match channels {
        1 => GrayImage::from_raw(width, height, values).map(DynamicImage::from),
        2 => GrayAlphaImage::from_raw(width, height, values).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, values).map(DynamicImage::from),
        _ => RgbaImage::from_raw(width, height, values).map(DynamicImage::from),
    };
    image.ok_or_else(|| BadImage::broken("image", "fewer values than its size says"))
}

/// 16-bit values keep their upper byte, as in TensorFlow's and libpng's reduction to 8 bits.
fn from_image(image: DynamicImage) -> Result<Pixels, BadImage> {
    let (width, height) = (image.width(), image.height());
    let upper = |values: Vec<u16>| values.into_iter().map(|value| (value >> 8) as u8).collect();
    let (channels, values) = match image {
        DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        DynamicImage::ImageLumaA8(image) => (2, image.into_raw()),
        DynamicImage::ImageRgb8(image) => (3, image.into_raw()),
        DynamicImage::ImageRgba8(image) => (4, image.into_raw()),
        DynamicImage::ImageLuma16(image) => (1, upper(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (2, upper(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (3, upper(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (4, upper(image.into_raw())),
        other if other.color().has_alpha() => (4, other.into_rgba8().into_raw()),
        other => (3, other.into_rgb8().into_raw()),
    };
    Ok(Pixels { width, height, channels, values })
}
