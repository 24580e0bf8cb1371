//! Small image files for unit tests, encoded on the spot.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray};
use datafusion::arrow::datatypes::{Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};
use fast_image_resize::Resizer;
use image::{Delay, DynamicImage, Frame, ImageFormat, RgbImage};

use super::encode::{Encoding, Format, Subsampling};
use super::function::{Aggregate, Scalar, udf};
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

/// Evaluates an aggregate whose rows come in parts: the parts' states are merged.
pub(crate) fn aggregate<F: Aggregate>(parts: &[Vec<ArrayRef>]) -> Result<ScalarValue> {
    let mut whole = F::accumulator(F::PARAMETERS.len())?;
    for part in parts {
        let mut accumulator = F::accumulator(F::PARAMETERS.len())?;
        accumulator.update_batch(part)?;
        let state = accumulator.state()?;
        assert_eq!(state.len(), F::state().len());
        let state: Result<Vec<ArrayRef>> = state.iter().map(ScalarValue::to_array).collect();
        whole.merge_batch(&state?)?;
    }
    whole.evaluate()
}

/// A number from 0 to 1, exactly the same wherever it is computed.
pub(crate) fn part(i: u32, factor: u32, modulus: u32) -> f64 {
    f64::from(i * factor % modulus) / f64::from(modulus)
}

/// Rows of six numbers, of which the fifth is constant and the last far from 0, as `tests/python/machine_learning.py` has them.
pub(crate) fn six_numbers() -> Vec<Vec<f64>> {
    let row = |i: u32| {
        let (x1, x2, x3) = (part(i, 37, 101), part(i, 53, 89) * 5.0 - 2.0, part(i, 17, 97) * 100.0);
        vec![x1, x2, x3, 0.5 * x1 - 0.25 * x2 + part(i, 71, 103), 7.25, part(i, 29, 107) + 1000.0]
    };
    (0..40).map(row).collect()
}

/// A column of vectors.
pub(crate) fn vectors(rows: &[Vec<f64>]) -> ArrayRef {
    let some = |row: &Vec<f64>| Some(row.iter().copied().map(Some).collect::<Vec<_>>());
    Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows.iter().map(some)))
}

/// Pairs of y and yhat, as `tests/python/machine_learning.py` has them.
pub(crate) fn y_and_yhat() -> Vec<(Option<f64>, Option<f64>)> {
    let y = |i: u32| part(i, 37, 101) * 10.0;
    (0..40).map(|i| (Some(y(i)), Some(y(i) + part(i, 53, 89) - 0.25))).collect()
}

/// Labels and the probabilities of three classes, as `tests/python/machine_learning.py` has them.
pub(crate) fn classes() -> Vec<(usize, [f64; 3])> {
    let row = |i: u32| {
        let weights = [part(i, 37, 101) + 0.0625, part(i, 53, 89), part(i, 17, 97)];
        let sum: f64 = weights.iter().sum();
        ((i * 7 % 3) as usize, weights.map(|weight| weight / sum))
    };
    (0..40).map(row).collect()
}

/// What an aggregate of two columns of numbers gives for rows that come in parts.
pub(crate) fn of_pairs<F: Aggregate>(parts: &[Vec<(Option<f64>, Option<f64>)>]) -> Result<Option<f64>> {
    let part = |rows: &Vec<(Option<f64>, Option<f64>)>| -> Vec<ArrayRef> {
        let (y, yhat): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        vec![Arc::new(Float64Array::from(y)), Arc::new(Float64Array::from(yhat))]
    };
    let result = aggregate::<F>(&parts.iter().map(part).collect::<Vec<_>>())?;
    let ScalarValue::Float64(number) = result else { panic!("a number") };
    Ok(number)
}

/// A field of a struct, as the array of its one value.
pub(crate) fn field(model: &ScalarValue, name: &str) -> ArrayRef {
    let ScalarValue::Struct(model) = model else { panic!("a struct") };
    Arc::clone(model.column_by_name(name).expect("a field"))
}

/// The numbers in lists, one behind the other, and in lists of lists.
pub(crate) fn flat(lists: &ArrayRef) -> Vec<f64> {
    match lists.as_list_opt::<i32>() {
        Some(lists) => lists.iter().flatten().flat_map(|inner| flat(&inner)).collect(),
        None => lists.as_primitive::<Float64Type>().values().to_vec(),
    }
}

/// Checks that numbers are those that are expected, up to this part of each or of 1.
pub(crate) fn assert_close(numbers: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(numbers.len(), expected.len());
    for (number, expected) in numbers.iter().zip(expected) {
        assert!((number - expected).abs() <= tolerance * expected.abs().max(1.0), "{number} isn't {expected}");
    }
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
