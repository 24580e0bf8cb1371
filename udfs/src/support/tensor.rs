//! Tensors: images of one size as lists of numbers of one length, scaled and normalised.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, PrimitiveArray};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float32Type, UInt8Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::arguments::{Choice, Kind, Options, Parameter, RowOptions, Values, columnar, optional, required};
use super::image_array::ImageArray;
use super::pixels::PixelsRef;
use super::rows::row_count;

/// The type of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    Float32,
    Uint8,
}

/// The order of a tensor's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Height, width, channels: TensorFlow's.
    Hwc,
    /// Channels, height, width: PyTorch's.
    Chw,
}

impl Choice for Dtype {
    const CHOICES: &'static [(&'static str, Self)] = &[("float32", Self::Float32), ("uint8", Self::Uint8)];
}

impl Choice for Layout {
    const CHOICES: &'static [(&'static str, Self)] = &[("hwc", Self::Hwc), ("chw", Self::Chw)];
}

/// Options of `image_to_tensor`.
#[derive(Debug, Clone)]
pub(crate) struct ToTensor {
    width: u32,
    height: u32,
    channels: u8,
    dtype: Dtype,
    layout: Layout,
    /// The float32 value of each pixel value, channel by channel; none for uint8.
    values: Arc<[[f32; 256]]>,
}

impl Options for ToTensor {
    const FUNCTION: &'static str = "image_to_tensor";
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

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let (width, height) = values.size()?;
        let channels = values.integer("channels", 1..=4, "", Some(3))? as u8;
        let dtype = values.choice("dtype", Dtype::Float32)?;
        let layout = values.choice("layout", Layout::Hwc)?;
        let values = match dtype {
            Dtype::Float32 => Normalisation::try_new(values, channels)?.values()?,
            Dtype::Uint8 => {
                for name in ["scale", "mean", "std"] {
                    if let Some([number, ..]) = values.numbers(name)?.as_deref() {
                        return plan_err!(
                            "{}: {name} must be left out with dtype 'uint8', which keeps the pixels' values, got {number}; \
                             use dtype => 'float32'",
                            Self::FUNCTION
                        );
                    }
                }
                Vec::new()
            }
        };
        Ok(Self { width, height, channels, dtype, layout, values: values.into() })
    }
}

impl ToTensor {
    /// The parameters that the type of the result is made of.
    pub(crate) const OF_THE_TYPE: [&'static str; 4] = ["width", "height", "channels", "dtype"];

    /// The type of the result: a list of width x height x channels values, none of them NULL.
    pub(crate) fn data_type(&self) -> DataType {
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
            Self::FUNCTION,
            counted(channels),
            image.width,
            image.height,
            counted(image.channels)
        )
    }

    /// Writes an image that has the tensor's size, value by value.
    fn write<T: Copy>(&self, image: PixelsRef<'_>, tensor: &mut [T], value: impl Fn(usize, u8) -> T) {
        let channels = usize::from(self.channels);
        let pixels = image.values.chunks_exact(channels);
        match self.layout {
            Layout::Hwc => {
                for (pixel, to) in pixels.zip(tensor.chunks_exact_mut(channels)) {
                    for (channel, (from, to)) in pixel.iter().zip(to).enumerate() {
                        *to = value(channel, *from);
                    }
                }
            }
            Layout::Chw => {
                let plane = image.values.len() / channels;
                for (channel, plane) in tensor.chunks_exact_mut(plane).enumerate() {
                    for (pixel, to) in pixels.clone().zip(plane) {
                        *to = value(channel, pixel[channel]);
                    }
                }
            }
        }
    }
}

fn counted(channels: u8) -> String {
    let noun = if channels == 1 { "channel" } else { "channels" };
    format!("{channels} {noun}")
}

/// What becomes of a pixel's value: (value * scale - mean) / std, in single precision.
struct Normalisation {
    scale: f32,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalisation {
    fn try_new(values: &Values<'_>, channels: u8) -> Result<Self> {
        let per_channel = |name: &str, default: f32| {
            let count = usize::from(channels);
            let numbers: Option<Vec<f32>> =
                values.numbers(name)?.map(|numbers| numbers.into_iter().map(|number| number as f32).collect());
            match numbers.as_deref() {
                None => Ok(vec![default; count]),
                Some([number]) => Ok(vec![*number; count]),
                Some(numbers) if numbers.len() == count => Ok(numbers.to_vec()),
                Some(numbers) => plan_err!(
                    "{}: {name} must be a number or a list of one for each of {}, got {}",
                    ToTensor::FUNCTION,
                    counted(channels),
                    numbers.len()
                ),
            }
        };
        let scale = values.number("scale")?.unwrap_or(1.0) as f32;
        let (mean, std) = (per_channel("mean", 0.0)?, per_channel("std", 1.0)?);
        if std.contains(&0.0) {
            return plan_err!("{}: std must not be 0 in single precision, got 0", ToTensor::FUNCTION);
        }
        Ok(Self { scale, mean, std })
    }

    /// The value of every pixel value, channel by channel.
    fn values(&self) -> Result<Vec<[f32; 256]>> {
        let mut values = Vec::with_capacity(self.mean.len());
        for (mean, std) in self.mean.iter().zip(&self.std) {
            let value = |pixel: usize| (pixel as f32 * self.scale - mean) / std;
            let channel: [f32; 256] = std::array::from_fn(value);
            if let Some(pixel) = channel.iter().position(|value| !value.is_finite()) {
                return plan_err!(
                    "{}: scale, mean and std must give values that fit in float32, got {} for a pixel of {pixel}",
                    ToTensor::FUNCTION,
                    channel[pixel]
                );
            }
            values.push(channel);
        }
        Ok(values)
    }
}

/// Image to tensor, row by row.
pub(crate) fn tensor_rows(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    match args.return_type() {
        DataType::FixedSizeList(item, _) if item.data_type() == &DataType::UInt8 => {
            fill::<UInt8Type>(args, item, |options, image, tensor| match options.layout {
                Layout::Hwc => tensor.copy_from_slice(image.values),
                Layout::Chw => options.write(image, tensor, |_, value| value),
            })
        }
        DataType::FixedSizeList(item, _) => fill::<Float32Type>(args, item, |options, image, tensor| {
            options.write(image, tensor, |channel, value| options.values[channel][usize::from(value)]);
        }),
        other => exec_err!("{}: the result must be a tensor, got {other}", ToTensor::FUNCTION),
    }
}

fn fill<T: ArrowPrimitiveType>(
    args: &ScalarFunctionArgs,
    item: &FieldRef,
    write: impl Fn(&ToTensor, PixelsRef<'_>, &mut [T::Native]),
) -> Result<ColumnarValue> {
    let rows = row_count(args);
    let source = ImageArray::try_new(ToTensor::FUNCTION, &args.args[0].to_array(rows)?)?;
    let options = RowOptions::<ToTensor>::try_new(&args.args, rows)?;
    let DataType::FixedSizeList(_, length) = args.return_type() else {
        return exec_err!("{}: the result must be a tensor, got {}", ToTensor::FUNCTION, args.return_type());
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
    for (row, tensor) in values.chunks_exact_mut(length).enumerate() {
        let image = source.get(ToTensor::FUNCTION, row)?;
        let options = options.row(row)?;
        if let (Some(image), Some(options)) = (&image, &options) {
            options.check(*image)?;
            write(options, *image, tensor);
        }
        is_valid.push(image.is_some() && options.is_some());
    }
    let values: ArrayRef = Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), None));
    let nulls = NullBuffer::from(is_valid);
    let tensors = FixedSizeListArray::try_new(Arc::clone(item), list_length, values, Some(nulls))?;
    columnar(&args.args, Arc::new(tensors))
}
