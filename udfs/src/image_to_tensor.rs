//! `image_to_tensor`: from an image to a list of numbers of a fixed length.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, PrimitiveArray};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float32Type, UInt8Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, Values, coerce, columnar, optional, required};
use crate::support::function::{Function, Scalar};
use crate::support::pixels::PixelsRef;
use crate::support::rows::{for_each_image, row_count};
use crate::support::tensor::{Dtype, Layout, Normalisation, counted};

/// The SQL function `image_to_tensor`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "The values of an image as a list of fixed length, `width` x `height` x `channels`. A float32 value is (pixel * `scale` - \
`mean`) / `std` of its channel, step by step in single precision; uint8 values are the pixels' own. Nothing is resized or converted: an \
image of another size or with other channels is an error that says what to do, a NULL image is a NULL tensor. `width`, `height`, \
`channels` and `dtype` must be constants, because the type of the result is made of them. In TFRecord shards a tensor is a float_list or \
an int64_list, and a row whose tensor is NULL is rejected as one whose image is.",
    syntax_example = "image_to_tensor(image, width, height, channels => 3, dtype => 'float32', layout => 'hwc', scale => 1, mean => 0, std => 1)",
    sql_example = r#"```sql
> SELECT image_to_tensor(image_resize(image_decode(content), 2, 1), 2, 1, layout => 'chw', mean => 128, std => 64) AS tensor FROM read_images('photos') LIMIT 1;
+----------------------------------------------------------------+
| tensor                                                         |
+----------------------------------------------------------------+
| [-0.046875, 0.171875, 0.109375, 0.265625, -0.421875, -0.21875] |
+----------------------------------------------------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode` or `image_resize`."),
    argument(name = "width", description = "Pixels, 1 to 65535: the width that every image has."),
    argument(name = "height", description = "Pixels, 1 to 65535: the height that every image has."),
    argument(name = "channels", description = "The channels that every image has, 1 to 4; 3 by default."),
    argument(name = "dtype", description = "'float32' (default) or 'uint8'."),
    argument(
        name = "layout",
        description = "'hwc' (default), in which TensorFlow has images, or 'chw', in which PyTorch has them."
    ),
    argument(
        name = "scale",
        description = "What pixels, 0 to 255, are multiplied by; 1 by default, and `1.0 / 255` for values from 0 to 1."
    ),
    argument(
        name = "mean",
        description = "What is subtracted then: a number, or a list of one for each channel such as `[0.485, 0.456, 0.406]`; 0 by default."
    ),
    argument(
        name = "std",
        description = "What the difference is divided by: a number, or a list of one for each channel; 1 by default."
    )
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct ToTensor {
    width: u32,
    height: u32,
    channels: u8,
    dtype: Dtype,
    layout: Layout,
    /// The float32 value of each pixel value, channel by channel; none for uint8.
    values: Arc<[[f32; 256]]>,
}

impl Function for ToTensor {
    const NAME: &'static str = "image_to_tensor";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        required("width", Kind::Integer),
        required("height", Kind::Integer),
        optional("channels", Kind::Integer),
        optional("dtype", Kind::Text),
        optional("layout", Kind::Text),
        optional("scale", Kind::Number),
        optional("mean", Kind::Numbers),
        optional("std", Kind::Numbers),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let (width, height) = values.size()?;
        let channels = values.integer("channels", 1..=4, "", Some(3))? as u8;
        let dtype = values.choice("dtype", Dtype::Float32)?;
        let layout = values.choice("layout", Layout::Hwc)?;
        let values = match dtype {
            Dtype::Float32 => Normalisation::try_new(values, channels)?.values(Self::NAME)?,
            Dtype::Uint8 => {
                for name in ["scale", "mean", "std"] {
                    if let Some([number, ..]) = values.numbers(name)?.as_deref() {
                        return plan_err!(
                            "{}: {name} must be left out with dtype 'uint8', which keeps the pixels' values, got {number}; \
                             use dtype => 'float32'",
                            Self::NAME
                        );
                    }
                }
                Arc::default()
            }
        };
        Ok(Self { width, height, channels, dtype, layout, values })
    }

    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        let mut coerced = coerce(Self::NAME, Self::PARAMETERS, types)?;
        // A NULL that is cast would no longer be a constant to read the type of the result from.
        for (coerced, given) in coerced.iter_mut().zip(types).skip(1) {
            if given.is_null() {
                *coerced = DataType::Null;
            }
        }
        Ok(coerced)
    }
}

impl Scalar for ToTensor {
    fn data_type(args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        // The other options may be expressions that the optimizer has yet to make constants of.
        let mut of_the_type = vec![ScalarValue::Null; Self::PARAMETERS.len()];
        for (index, parameter) in Self::PARAMETERS.iter().enumerate() {
            if !Self::OF_THE_TYPE.contains(&parameter.name) || index >= args.scalar_arguments.len() {
                continue;
            }
            match args.scalar_arguments[index] {
                Some(value) => of_the_type[index] = value.clone(),
                None => {
                    return plan_err!(
                        "image_to_tensor: {} must be a constant, because the type of the result is made of it",
                        parameter.name
                    );
                }
            }
        }
        Ok(Self::from_scalars(&of_the_type)?.tensor_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.return_type() {
            DataType::FixedSizeList(item, _) if item.data_type() == &DataType::UInt8 => {
                fill::<UInt8Type>(args, item, |options, image, tensor| match options.layout {
                    Layout::Hwc => tensor.copy_from_slice(image.values),
                    Layout::Chw => options.layout.write(image, tensor, |_, value| value),
                })
            }
            DataType::FixedSizeList(item, _) => fill::<Float32Type>(args, item, |options, image, tensor| {
                let value = |channel: usize, pixel: u8| options.values[channel][usize::from(pixel)];
                options.layout.write(image, tensor, value);
            }),
            other => exec_err!("image_to_tensor: the result must be a tensor, got {other}"),
        }
    }
}

impl ToTensor {
    /// The parameters that the type of the result is made of.
    const OF_THE_TYPE: [&'static str; 4] = ["width", "height", "channels", "dtype"];

    /// The type of the result: a list of width x height x channels values, none of them NULL.
    fn tensor_type(&self) -> DataType {
        let item = match self.dtype {
            Dtype::Float32 => DataType::Float32,
            Dtype::Uint8 => DataType::UInt8,
        };
        // At most 2^29 values: `Values::size` has seen to that.
        let length = self.width * self.height * u32::from(self.channels);
        DataType::FixedSizeList(Arc::new(Field::new_list_field(item, false)), length as i32)
    }

    fn check(&self, image: PixelsRef<'_>) -> Result<()> {
        let Self { width, height, channels, .. } = *self;
        let has_size = (image.width, image.height) == (width, height);
        if has_size && image.channels == channels {
            return Ok(());
        }
        let advice = match (has_size, channels) {
            (false, _) => format!("image_resize(image, {width}, {height})"),
            (true, 1) => "image_decode(content, mode => 'gray')".to_string(),
            (true, 3) => "image_decode(content, mode => 'rgb')".to_string(),
            (true, 4) => "image_decode(content, mode => 'rgba')".to_string(),
            (true, _) => format!("channels => {}", image.channels),
        };
        exec_err!(
            "{}: image must have {width}x{height} pixels in {}, got {}x{} in {}; use {advice}",
            Self::NAME,
            counted(channels),
            image.width,
            image.height,
            counted(image.channels)
        )
    }
}

fn fill<T: ArrowPrimitiveType>(
    args: &ScalarFunctionArgs,
    item: &FieldRef,
    write: impl Fn(&ToTensor, PixelsRef<'_>, &mut [T::Native]),
) -> Result<ColumnarValue> {
    let rows = row_count(args);
    let DataType::FixedSizeList(_, length) = args.return_type() else {
        return exec_err!("{}: the result must be a tensor, got {}", ToTensor::NAME, args.return_type());
    };
    let (length, list_length) = (length.unsigned_abs() as usize, *length);
    let bytes = rows.saturating_mul(length).saturating_mul(size_of::<T::Native>());
    // NULL rows take as much as the others: the size is known before a value is.
    if i32::try_from(bytes).is_err() {
        return exec_err!(
            "a batch of tensors is over 2 GiB: {bytes} bytes in {rows} rows; use a smaller datafusion.execution.batch_size"
        );
    }
    let mut values = vec![T::default_value(); rows * length];
    let mut is_valid = Vec::with_capacity(rows);
    let mut tensors = values.chunks_exact_mut(length);
    for_each_image::<ToTensor>(args, |row| {
        let tensor = tensors.next().unwrap_or_default();
        is_valid.push(row.is_some());
        if let Some((image, options)) = row {
            options.check(image)?;
            write(&options, image, tensor);
        }
        Ok(())
    })?;
    let values: ArrayRef = Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None));
    let nulls = NullBuffer::from(is_valid);
    let tensors = FixedSizeListArray::try_new(Arc::clone(item), list_length, values, Some(nulls))?;
    columnar(&args.args, Arc::new(tensors))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};
    use proptest::prelude::*;

    use super::*;
    use crate::support::pixels::Pixels;
    use crate::support::testing::{self, column};

    /// Images of one size, NULL where there are no values.
    fn images(width: u32, height: u32, channels: u8, rows: &[Option<&[u8]>]) -> ArrayRef {
        column(rows.iter().map(|values| values.map(|values| PixelsRef { width, height, channels, values })))
    }

    /// Plans and evaluates a call; options are in the order of the parameters behind `image`.
    fn call(image: ColumnarValue, options: Vec<ScalarValue>) -> Result<ColumnarValue> {
        let options = options.into_iter().map(ColumnarValue::Scalar);
        testing::call::<ToTensor>(std::iter::once(image).chain(options).collect())
    }

    fn array(image: ArrayRef, options: Vec<ScalarValue>) -> ArrayRef {
        call(ColumnarValue::Array(image), options).and_then(|tensor| tensor.into_array(1)).expect("tensors")
    }

    fn error(image: ArrayRef, options: Vec<ScalarValue>) -> String {
        call(ColumnarValue::Array(image), options).expect_err("a bad call").strip_backtrace()
    }

    fn integer(value: i64) -> ScalarValue {
        ScalarValue::Int64(Some(value))
    }

    fn size(width: i64, height: i64) -> Vec<ScalarValue> {
        vec![integer(width), integer(height)]
    }

    fn list(values: &[f64]) -> ScalarValue {
        let values: Vec<ScalarValue> = values.iter().map(|value| ScalarValue::from(*value)).collect();
        ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Float64))
    }

    fn floats(tensors: &ArrayRef, row: usize) -> Vec<f32> {
        tensors.as_fixed_size_list().value(row).as_primitive::<Float32Type>().values().to_vec()
    }

    #[test]
    fn null_in_is_null_out() {
        let tensors = array(images(1, 1, 3, &[Some(&[1, 2, 3]), None]), size(1, 1));
        assert_eq!(floats(&tensors, 0), [1.0, 2.0, 3.0]);
        assert!(tensors.is_null(1));
    }

    #[test]
    fn a_scalar_gives_what_an_array_does() {
        let image = images(2, 1, 1, &[Some(&[7, 9])]);
        let options = vec![integer(2), integer(1), integer(1)];
        let scalar = ColumnarValue::Scalar(ScalarValue::try_from_array(&image, 0).expect("a scalar"));
        let ColumnarValue::Scalar(tensor) = call(scalar, options.clone()).expect("a tensor") else {
            panic!("a scalar stays one");
        };
        assert_eq!(tensor, ScalarValue::try_from_array(&array(image, options), 0).expect("a scalar"));
    }

    #[test]
    fn a_slice_gives_its_own_rows() {
        let image = images(1, 1, 3, &[Some(&[0, 0, 0]), Some(&[4, 5, 6]), None, Some(&[7, 8, 9])]);
        let tensors = array(image.slice(1, 2), size(1, 1));
        assert_eq!(tensors.len(), 2);
        assert_eq!(floats(&tensors, 0), [4.0, 5.0, 6.0]);
        assert!(tensors.is_null(1));
    }

    #[test]
    fn an_empty_batch_gives_one() {
        let tensors = array(images(1, 1, 3, &[]), size(1, 1));
        assert_eq!(tensors.len(), 0);
        assert_eq!(tensors.as_fixed_size_list().value_length(), 3);
    }

    #[test]
    fn uint8_keeps_the_pixels_in_either_layout() {
        let image = images(2, 1, 3, &[Some(&[1, 2, 3, 4, 5, 6])]);
        let tensor = |layout: &str| {
            let mut options = size(2, 1);
            options.extend([ScalarValue::Null, ScalarValue::from("uint8"), ScalarValue::from(layout)]);
            let tensors = array(Arc::clone(&image), options);
            tensors.as_fixed_size_list().value(0).as_primitive::<UInt8Type>().values().to_vec()
        };
        assert_eq!(tensor("hwc"), [1, 2, 3, 4, 5, 6]);
        assert_eq!(tensor("chw"), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn another_size_or_other_channels_are_told_with_what_to_do() {
        let image = images(2, 1, 1, &[Some(&[7, 9])]);
        assert_eq!(
            error(Arc::clone(&image), size(1, 2)),
            "Execution error: image_to_tensor: image must have 1x2 pixels in 3 channels, got 2x1 in 1 channel; use image_resize(image, 1, 2)"
        );
        assert_eq!(
            error(image, size(2, 1)),
            "Execution error: image_to_tensor: image must have 2x1 pixels in 3 channels, got 2x1 in 1 channel; use \
             image_decode(content, mode => 'rgb')"
        );
    }

    #[test]
    fn bad_numbers_are_answered_while_planning() {
        let error = |dtype: &str, scale: f64, mean: ScalarValue, std: ScalarValue| {
            let mut options = size(1, 1);
            options.extend([ScalarValue::Null, ScalarValue::from(dtype), ScalarValue::Null]);
            options.extend([ScalarValue::from(scale), mean, std]);
            error(images(1, 1, 3, &[]), options)
        };
        let one = || ScalarValue::from(1.0);
        let prefix = "Error during planning: image_to_tensor: ";
        let cases = [
            (
                error("float32", 1.0, list(&[1.0, 2.0]), one()),
                "mean must be a number or a list of one for each of 3 channels, got 2",
            ),
            (error("float32", 1.0, one(), ScalarValue::from(1e-60)), "std must not be 0 in single precision, got 0"),
            (error("float32", f64::NAN, one(), one()), "scale must be finite, got NaN"),
            (
                error("float32", 1e38, one(), one()),
                "scale, mean and std must give values that fit in float32, got inf for a pixel of 4",
            ),
            (
                error("uint8", 2.0, one(), one()),
                "scale must be left out with dtype 'uint8', which keeps the pixels' values, got 2; use dtype => 'float32'",
            ),
            (error("int8", 1.0, one(), one()), "dtype must be 'float32' or 'uint8', got 'int8'"),
        ];
        for (error, expected) in cases {
            assert_eq!(error, format!("{prefix}{expected}"));
        }
    }

    #[test]
    fn a_batch_over_2_gib_is_refused_before_it_is_made() {
        let nulls = vec![None; 64];
        assert_eq!(
            error(images(1, 1, 3, &nulls), size(10_000, 10_000)),
            "Execution error: a batch of tensors is over 2 GiB: 76800000000 bytes in 64 rows; use a smaller \
             datafusion.execution.batch_size"
        );
    }

    prop_compose! {
        fn sized()(width in 1..6_u32, height in 1..6_u32, channels in 1..=4_u8)(
            values in prop::collection::vec(any::<u8>(), (width * height * u32::from(channels)) as usize),
            width in Just(width), height in Just(height), channels in Just(channels),
        ) -> Pixels {
            Pixels { width, height, channels, values }
        }
    }

    proptest! {
        #[test]
        fn values_are_those_of_the_formula(
            image in sized(), is_chw in any::<bool>(), scale in -2.0..2.0_f64,
            mean in prop::collection::vec(-300.0..300.0_f64, 4), std in prop::collection::vec(0.01..100.0_f64, 4),
        ) {
            let channels = usize::from(image.channels);
            let mut options = size(image.width.into(), image.height.into());
            options.extend([integer(image.channels.into()), ScalarValue::Null]);
            options.push(ScalarValue::from(if is_chw { "chw" } else { "hwc" }));
            options.extend([ScalarValue::from(scale), list(&mean[..channels]), list(&std[..channels])]);
            let column = images(image.width, image.height, image.channels, &[Some(&image.values)]);
            let tensor = floats(&array(column, options), 0);
            let pixels = (image.width * image.height) as usize;
            for (index, pixel) in image.values.iter().enumerate() {
                let (at, channel) = (index / channels, index % channels);
                let expected = (f32::from(*pixel) * scale as f32 - mean[channel] as f32) / std[channel] as f32;
                let place = if is_chw { channel * pixels + at } else { index };
                prop_assert_eq!(tensor[place].to_bits(), expected.to_bits());
            }
        }
    }
}
