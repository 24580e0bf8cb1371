//! From the bytes of an image file to pixels: the format is told by content, never by name.

use image::metadata::Orientation;
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage,
};

use super::arguments::Choice;
use super::bad_image::BadImage;
use super::format::{Format, sniff};
use super::guard::guarded;
use super::header::frames;
use super::jpeg::{Dct, JpegCodec};
use super::limits::{TimedContent, check_frames, check_image, limits, timed};
use super::orientation::orientation;
use super::partial::Part;
use super::pixels::{Mode, Pixels, checked_size};
use super::step::AnyTransform;
use super::tiff::Tiff;
use super::work::decoding;
use super::{bmp, gif, png, qoi};

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
    let format = sniff(content)?;
    let decode = || {
        if format == Format::Jpeg {
            return decode_jpeg(content, options, next, jpeg, buffer);
        }
        check_frames(|| frames(content, format))?;
        let pixels = decode_other(content, format)?;
        Ok(Decoded::whole(upright(pixels, content, format, options.exif)?.into_mode(options.mode)))
    };
    decoding(|| timed(|| guarded("decoder", decode)))
}

/// Decodes what there is of an image that can't be decoded as a whole, the rest grey, and tells how many of a hundred rows are there;
/// `None` where that is none, or can't be told.
pub(crate) fn decode_partly(content: &[u8], options: DecodeOptions, jpeg: &mut JpegCodec) -> Option<(Decoded, usize)> {
    let format = sniff(content).ok()?;
    let mut percent = 0;
    let decode = || {
        check_frames(|| frames(content, format))?;
        let part = match format {
            Format::Jpeg => jpeg.decode_partly(content, options.mode, options.dct)?,
            Format::Png => png::decode_partly(content)?.into_gray(),
            Format::Gif => gif::decode(content)?.into_gray(),
            Format::Qoi => qoi::decode(content)?.into_gray(),
            Format::Tiff => Tiff::read(content)?.decode()?.into_gray(),
            Format::Bmp => decode_bmp_partly(content)?,
            _ => None,
        };
        let (pixels, rows) = part.ok_or_else(BadImage::empty)?;
        percent = rows;
        Ok(Decoded::whole(upright(pixels, content, format, options.exif)?.into_mode(options.mode)))
    };
    let decoded = decoding(|| timed(|| guarded("decoder", decode))).ok()?;
    Some((decoded, percent))
}

fn decode_bmp_partly(content: &[u8]) -> Result<Option<(Pixels, usize)>, BadImage> {
    let Some((completed, rows)) = bmp::Layout::read(content).and_then(|layout| layout.completed(content)) else {
        return Ok(None);
    };
    let pixels = decode_with_image(&completed, ImageFormat::Bmp, Format::Bmp)?;
    Ok(Part { pixels, rows, fault: None }.into_gray())
}

/// The image as its EXIF orientation says that it is to be seen.
fn upright(pixels: Pixels, content: &[u8], format: Format, exif: Exif) -> Result<Pixels, BadImage> {
    let orientation = match exif {
        Exif::Ignore => Orientation::NoTransforms,
        Exif::Apply => orientation(content, format),
    };
    if orientation == Orientation::NoTransforms {
        return Ok(pixels);
    }
    let mut image = to_image(pixels)?;
    image.apply_orientation(orientation);
    from_image(image)
}

fn decode_jpeg(
    content: &[u8],
    options: DecodeOptions,
    next: Option<&dyn AnyTransform>,
    jpeg: &mut JpegCodec,
    buffer: Vec<u8>,
) -> Result<Decoded, BadImage> {
    let is_upright = options.exif == Exif::Ignore || orientation(content, Format::Jpeg) == Orientation::NoTransforms;
    let decoded = jpeg.decode(content, options.mode, options.dct, next.filter(|_| is_upright), buffer)?;
    let pixels =
        if is_upright { decoded.pixels } else { upright(decoded.pixels, content, Format::Jpeg, options.exif)? };
    Ok(Decoded { pixels: pixels.into_mode(options.mode), ..decoded })
}

fn decode_other(content: &[u8], format: Format) -> Result<Pixels, BadImage> {
    let library = match format {
        Format::Gif => return gif::decode(content)?.into_whole(),
        Format::Qoi => return qoi::decode(content)?.into_whole(),
        Format::Tiff => return Tiff::read(content)?.decode()?.into_whole(),
        Format::Png => return png::decode(content),
        Format::Bmp => ImageFormat::Bmp,
        Format::WebP => ImageFormat::WebP,
        Format::Pnm => ImageFormat::Pnm,
        Format::Tga => ImageFormat::Tga,
        Format::Ico => ImageFormat::Ico,
        Format::Jpeg => return Err(BadImage::not_an_image("a jpeg has a decoder of its own")),
    };
    decode_with_image(content, library, format)
}

fn decode_with_image(content: &[u8], library: ImageFormat, format: Format) -> Result<Pixels, BadImage> {
    let bad = |error| BadImage::of_decoder(format.name(), &error);
    let mut codec_limits = Limits::default();
    codec_limits.max_alloc = Some(limits().decode_bytes);
    let mut reader = ImageReader::with_format(TimedContent::new(content), library);
    reader.limits(codec_limits);
    let decoder = reader.into_decoder().map_err(bad)?;
    let (width, height) = decoder.dimensions();
    check_image(width, height, decoder.total_bytes())?;
    checked_size(width, height, decoder.color_type().channel_count())?;
    from_image(DynamicImage::from_decoder(decoder).map_err(bad)?)
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
