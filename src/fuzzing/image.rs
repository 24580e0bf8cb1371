//! Images: whatever a file holds, all functions agree on whether it is an image and how large.

#![allow(clippy::panic, reason = "a test that can't go on stops")]

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Field, Int32Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};

/// A damaged header may speak of millions of pixels, which cost time and tell nothing more.
const MOST_PIXELS: usize = 1 << 18;

static FUNCTIONS: LazyLock<Vec<ScalarUDF>> = LazyLock::new(pixmill_udfs::all);
static CONFIG: LazyLock<Arc<ConfigOptions>> = LazyLock::new(|| {
    let mut options = ConfigOptions::default();
    options.execution.target_partitions = 1;
    Arc::new(options)
});

/// What a function makes of some values.
fn call(name: &str, values: &[ScalarValue]) -> Result<ScalarValue> {
    let function = FUNCTIONS.iter().find(|function| function.name() == name);
    let Some(function) = function else { panic!("there is no function {name}") };
    let fields: Vec<_> = values.iter().map(|value| Arc::new(Field::new("value", value.data_type(), true))).collect();
    let constants: Vec<_> = values.iter().map(Some).collect();
    let return_field =
        function.return_field_from_args(ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &constants })?;
    let args = values.iter().cloned().map(ColumnarValue::Scalar).collect();
    let called = function.invoke_with_args(ScalarFunctionArgs {
        args,
        arg_fields: fields,
        number_rows: 1,
        return_field,
        config_options: Arc::clone(&CONFIG),
    })?;
    match called {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(values) => ScalarValue::try_from_array(&values, 0),
    }
}

fn text(text: &str) -> ScalarValue {
    ScalarValue::Utf8(Some(text.to_string()))
}

/// A field of a struct that is a number.
fn number(value: &ScalarValue, field: &str) -> i32 {
    let ScalarValue::Struct(array) = value else { panic!("{value:?} is no struct") };
    let column = array.column_by_name(field).unwrap_or_else(|| panic!("there is no {field}"));
    column.as_primitive::<Int32Type>().value(0)
}

/// Width and height.
fn size(image: &ScalarValue) -> (i32, i32) {
    (number(image, "width"), number(image, "height"))
}

/// An image file behind two bytes, which choose how it is decoded and what becomes of it then.
pub(super) fn images(input: &[u8]) {
    let Some(([how, step], file)) = input.split_first_chunk() else { return };
    let content = ScalarValue::Binary(Some(file.to_vec()));
    let (mode, exif, dct) = (
        ["rgb", "gray", "rgba", "native"][usize::from(how % 4)],
        ["apply", "ignore"][usize::from(how / 4 % 2)],
        ["fast", "accurate"][usize::from(how / 8 % 2)],
    );
    let info = succeeds("image_info", call("image_info", std::slice::from_ref(&content)));
    let bytes = pixmill_udfs::decoded_bytes(file);
    let header = pixmill_udfs::image_size(file);
    assert_eq!(info.is_null(), header.is_none());
    if bytes > 3 * MOST_PIXELS
        || header.is_some_and(|(_, width, height)| width as usize * height as usize > MOST_PIXELS)
    {
        return;
    }
    let decode = |mode: &str, exif: &str| {
        let values = [content.clone(), text(mode), text(exif), text("null"), text(dct)];
        succeeds("image_decode", call("image_decode", &values))
    };
    let image = decode(mode, exif);
    assert!(image == decode(mode, exif), "another image the second time");
    let reason = pixmill_udfs::image_error(file);
    assert_eq!(image.is_null(), reason.is_some(), "{reason:?}");
    for mode in ["rgb", "gray", "rgba", "native"] {
        assert_eq!(decode(mode, "ignore").is_null(), image.is_null(), "{mode}: {reason:?}");
    }
    if image.is_null() {
        return;
    }
    let stored = decode("native", "ignore");
    let Some((format, width, height)) = header else { panic!("an image without a header") };
    assert_eq!(size(&stored), (width as i32, height as i32), "the header tells another size");
    assert_eq!(bytes, 3 * width as usize * height as usize);
    let is_turned = exif == "apply" && number(&info, "orientation") >= 5;
    let upright = if is_turned { (height as i32, width as i32) } else { (width as i32, height as i32) };
    assert_eq!(size(&image), upright, "{exif}");
    // A JPEG that shrinks a lot is decoded smaller, which has other pixels.
    let is_exact = format != "jpeg" || step % 5 != 0;
    transform(&content, &image, (mode, exif, dct), *step, is_exact);
}

/// What a pipeline makes of a file is what the functions make of its image.
fn transform(
    content: &ScalarValue,
    image: &ScalarValue,
    (mode, exif, dct): (&str, &str, &str),
    step: u8,
    is_exact: bool,
) {
    let side = |number: u8| i64::from(number % 40) + 1;
    let (width, height) = (side(step), side(step.wrapping_mul(31)));
    let (name, values): (&str, Vec<ScalarValue>) = match step % 5 {
        0 => ("image_resize", vec![width.into(), height.into(), text("cover"), text("bilinear"), true.into()]),
        1 => ("image_center_crop", vec![width.into(), height.into()]),
        2 => ("image_flip", vec![text("horizontal")]),
        3 => ("image_rotate", vec![ScalarValue::Int64(Some(90 * (width % 4)))]),
        _ => ("image_crop", vec![0_i64.into(), 0_i64.into(), width.into(), height.into()]),
    };
    let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
    let steps = format!("image_decode({mode}, {exif}, null, {dct}) | {name}({})", shown.join(", "));
    let one_by_one = call(name, &[std::slice::from_ref(image), &values].concat());
    let at_once = call("image_pipeline", &[content.clone(), text(&steps)]);
    match (one_by_one, at_once) {
        (Ok(one_by_one), Ok(at_once)) if is_exact => {
            assert!(one_by_one == at_once, "{steps}: another image on the way")
        }
        (Ok(one_by_one), Ok(at_once)) => assert_eq!(size(&one_by_one), size(&at_once), "{steps}"),
        (Err(_), Err(_)) => {}
        (one_by_one, at_once) => panic!("{steps}: {:?} and {:?}", one_by_one.err(), at_once.err()),
    }
    assert!(!succeeds("image_hash", call("image_hash", std::slice::from_ref(image))).is_null(), "no hash");
}

fn succeeds(name: &str, result: Result<ScalarValue>) -> ScalarValue {
    result.unwrap_or_else(|error| panic!("{name} failed: {error}"))
}
