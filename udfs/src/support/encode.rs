//! From pixels to the bytes of an image file.

use std::borrow::Cow;

use datafusion::common::{Result, exec_datafusion_err};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
pub(crate) use pixmill_jpeg::Subsampling;

use super::arguments::Choice;
use super::guard::catch_panic;
use super::jpeg::JpegCodec;
use super::pixels::PixelsRef;
use super::work;

/// The file format of an encoded image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Jpeg,
    Png,
    Webp,
}

impl Choice for Format {
    const CHOICES: &'static [(&'static str, Self)] = &[("jpeg", Self::Jpeg), ("png", Self::Png), ("webp", Self::Webp)];
}

impl Choice for Subsampling {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("4:4:4", Self::Full), ("4:2:2", Self::HalfWidth), ("4:2:0", Self::Quarter)];
}

/// How an image becomes a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Encoding {
    pub(crate) format: Format,
    /// Of a JPEG, 1 to 100.
    pub(crate) quality: u8,
    pub(crate) subsampling: Subsampling,
    /// Whether each JPEG gets Huffman tables of its own.
    pub(crate) optimize: bool,
}

/// Appends the image, encoded, to `bytes`. JPEG has no alpha channel: it is dropped.
///
/// # Errors
/// An image that the format has no room for, such as a WebP image of more than 16383 pixels a side.
pub(crate) fn encode(
    image: PixelsRef<'_>,
    encoding: &Encoding,
    jpeg: &mut JpegCodec,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let encode = || match encoding.format {
        Format::Jpeg => encode_jpeg(image, encoding, jpeg, bytes),
        // Photos take 3 % more bytes than at the usual level, and a seventeenth of its time; WebP's encoder has no levels.
        Format::Png => PngEncoder::new_with_quality(bytes, CompressionType::Fast, FilterType::Adaptive)
            .write_image(image.values, image.width, image.height, color(image.channels))
            .map_err(|error| error.to_string()),
        Format::Webp => WebPEncoder::new_lossless(bytes)
            .encode(image.values, image.width, image.height, color(image.channels))
            .map_err(|error| error.to_string()),
    };
    let guarded = || catch_panic(encode).unwrap_or_else(|message| Err(format!("the encoder panicked: {message}")));
    work::encoding(guarded).map_err(|reason| {
        exec_datafusion_err!(
            "image_encode: a {}x{} image can't be encoded: {reason}; resize it first or choose another format",
            image.width,
            image.height
        )
    })
}

fn encode_jpeg(
    image: PixelsRef<'_>,
    encoding: &Encoding,
    jpeg: &mut JpegCodec,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let (channels, values) = match image.channels {
        1 | 3 => (image.channels, Cow::Borrowed(image.values)),
        2 => (1, Cow::Owned(image.with_channels(1))),
        _ => (3, Cow::Owned(image.with_channels(3))),
    };
    let image = PixelsRef { channels, values: &values, ..image };
    jpeg.encode(image, encoding, bytes)
}

fn color(channels: u8) -> ExtendedColorType {
    match channels {
        1 => ExtendedColorType::L8,
        2 => ExtendedColorType::La8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    }
}
