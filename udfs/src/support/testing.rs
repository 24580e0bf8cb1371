//! Small image files for unit tests, encoded on the spot.

use std::io::Cursor;

use image::{Delay, DynamicImage, Frame, ImageFormat, RgbImage};

use super::jpeg::JpegCodec;
use super::pixels::PixelsRef;
use super::step::{Encode, Format, Subsampling};

/// A gradient with an edge in it.
pub(crate) fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let edge = if x > width / 2 { 90 } else { 0 };
        image::Rgb([(x * 7 % 256) as u8, (y * 5 % 256) as u8, edge])
    })
}

pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let picture = picture(width, height);
    let image = PixelsRef { width, height, channels: 3, values: picture.as_raw() };
    let options = Encode { format: Format::Jpeg, quality: 95, subsampling: Subsampling::Full, optimize: true };
    let mut bytes = Vec::new();
    JpegCodec::default().encode(image, &options, &mut bytes).expect("encodes");
    bytes
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    file(DynamicImage::from(picture(width, height)), ImageFormat::Png)
}

pub(crate) fn tiff(width: u32, height: u32) -> Vec<u8> {
    file(DynamicImage::from(picture(width, height)), ImageFormat::Tiff)
}

pub(crate) fn file(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

pub(crate) fn gif(width: u32, height: u32, frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for _ in 0..frames {
        let image = DynamicImage::from(picture(width, height)).into_rgba8();
        let frame = Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(10, 1));
        encoder.encode_frame(frame).expect("encodes");
    }
    drop(encoder);
    bytes
}
