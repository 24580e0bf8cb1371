//! Small image files for unit tests, encoded on the spot.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{Field, FieldRef};
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};
use fast_image_resize::Resizer;
use image::{Delay, DynamicImage, Frame, ImageFormat, RgbImage};

use super::encode::{Encoding, Format, Subsampling};
use super::function::{Scalar, udf};
use super::image_array::ImageBuilder;
use super::jpeg::JpegCodec;
use super::pixels::{Pixels, PixelsRef};
use super::step::{Transform, parse, text};

/// An image of one channel.
pub(crate) fn gray(width: u32, height: u32, values: &[u8]) -> PixelsRef<'_> {
    PixelsRef { width, height, channels: 1, values }
}

/// What a step, in its text form, makes of an image; the text is read and written on the way.
pub(crate) fn transformed<T: Transform>(image: PixelsRef<'_>, step: &str) -> Pixels {
    let parsed: T = parse(step).expect("a step");
    assert_eq!(text(&parsed), step);
    Transform::apply(&parsed, image, &mut Resizer::new(), Vec::new()).expect("an image")
}

/// Plans a call and evaluates it.
pub(crate) fn call<F: Scalar>(args: Vec<ColumnarValue>) -> Result<ColumnarValue> {
    let function = udf::<F>();
    let rows = args.iter().find_map(|arg| match arg {
        ColumnarValue::Array(array) => Some(array.len()),
        ColumnarValue::Scalar(_) => None,
    });
    let field = |arg: &ColumnarValue| -> FieldRef { Arc::new(Field::new("argument", arg.data_type(), true)) };
    let arg_fields: Vec<FieldRef> = args.iter().map(field).collect();
    let scalars = args.iter().map(|arg| match arg {
        ColumnarValue::Array(_) => None,
        ColumnarValue::Scalar(value) => Some(value),
    });
    let scalar_arguments: Vec<_> = scalars.collect();
    let return_field = function
        .return_field_from_args(ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &scalar_arguments })?;
    let config_options = Arc::new(ConfigOptions::default());
    let number_rows = rows.unwrap_or(1);
    function.invoke_with_args(ScalarFunctionArgs { args, arg_fields, number_rows, return_field, config_options })
}

/// An image column; NULL where there is no image.
pub(crate) fn column<'a>(images: impl IntoIterator<Item = Option<PixelsRef<'a>>>) -> ArrayRef {
    let mut column = ImageBuilder::default();
    for image in images {
        match image {
            Some(PixelsRef { width, height, channels, values }) => {
                column.append(&Pixels { width, height, channels, values: values.to_vec() }).expect("an image");
            }
            None => column.append_null(),
        }
    }
    column.finish().expect("images")
}

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
    let options = Encoding { format: Format::Jpeg, quality: 95, subsampling: Subsampling::Full, optimize: true };
    let mut bytes = Vec::new();
    JpegCodec::default().encode(image, &options, &mut bytes).expect("encodes");
    bytes
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    file(DynamicImage::from(picture(width, height)), ImageFormat::Png)
}

pub(crate) fn tiff(width: u32, height: u32) -> Vec<u8> {
    let tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 2), (277, 3), (278, height)];
    tiff_of(&tags, picture(width, height).as_raw())
}

/// A TIFF of one strip, with these tags of one number each, and with those that say where the strip is.
pub(crate) fn tiff_of(tags: &[(u16, u32)], strip: &[u8]) -> Vec<u8> {
    let start = 8 + 2 + 12 * (tags.len() + 2) + 4;
    let mut tags = [tags, &[(273, start as u32), (279, strip.len() as u32)]].concat();
    tags.sort_unstable();
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        tiff.extend(tag.to_le_bytes());
        tiff.extend([4, 0, 1, 0, 0, 0]);
        tiff.extend(value.to_le_bytes());
    }
    tiff.extend([0; 4]);
    tiff.extend_from_slice(strip);
    tiff
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
