//! The Arrow form of decoded images: struct(height, width, channels, data).

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, Int32Array, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int32Type};
use datafusion::common::{Result, exec_err};

use super::pixels::{Pixels, PixelsRef};

/// The type of an image column: 8-bit values, row-major, channels interleaved.
pub fn image_type() -> DataType {
    DataType::Struct(image_fields())
}

fn image_fields() -> Fields {
    Fields::from(vec![
        Field::new("height", DataType::Int32, true),
        Field::new("width", DataType::Int32, true),
        Field::new("channels", DataType::Int32, true),
        Field::new("data", DataType::Binary, true),
    ])
}

/// Reads images from an image column.
pub(crate) struct ImageArray {
    image: StructArray,
}

impl ImageArray {
    pub(crate) fn try_new(function: &str, array: &ArrayRef) -> Result<Self> {
        match array.as_struct_opt() {
            Some(image) if *array.data_type() == image_type() => Ok(Self { image: image.clone() }),
            _ => exec_err!("{function}: image must be an image struct, got {}", array.data_type()),
        }
    }

    /// The image of a row, NULL where the image or a part of it is.
    pub(crate) fn get(&self, function: &str, row: usize) -> Result<Option<PixelsRef<'_>>> {
        let columns = self.image.columns();
        if self.image.is_null(row) || columns.iter().any(|column| column.is_null(row)) {
            return Ok(None);
        }
        let number = |index: usize| columns[index].as_primitive::<Int32Type>().value(row);
        let (height, width, channels) = (number(0), number(1), number(2));
        let values = columns[3].as_binary::<i32>().value(row);
        let is_whole = height > 0
            && width > 0
            && (1..=4).contains(&channels)
            && i64::from(height)
                .checked_mul(i64::from(width))
                .and_then(|pixels| pixels.checked_mul(i64::from(channels)))
                == i64::try_from(values.len()).ok();
        if !is_whole {
            return exec_err!(
                "{function}: image must hold height x width x channels values with 1 to 4 channels, \
                 got {height} x {width} x {channels} and {} values",
                values.len()
            );
        }
        Ok(Some(PixelsRef {
            width: width.unsigned_abs(),
            height: height.unsigned_abs(),
            channels: channels.unsigned_abs() as u8,
            values,
        }))
    }
}

/// Builds an image column.
#[derive(Default)]
pub(crate) struct ImageBuilder {
    heights: Vec<Option<i32>>,
    widths: Vec<Option<i32>>,
    channels: Vec<Option<i32>>,
    data: BinaryBuilder,
    bytes: usize,
}

impl ImageBuilder {
    pub(crate) fn append_null(&mut self) {
        self.heights.push(None);
        self.widths.push(None);
        self.channels.push(None);
        self.data.append_null();
    }

    pub(crate) fn append(&mut self, pixels: &Pixels) -> Result<()> {
        self.bytes += pixels.values.len();
        checked_length(self.bytes)?;
        self.data.append_value(&pixels.values);
        self.heights.push(i32::try_from(pixels.height).ok());
        self.widths.push(i32::try_from(pixels.width).ok());
        self.channels.push(Some(i32::from(pixels.channels)));
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        let nulls = NullBuffer::from_iter(self.heights.iter().map(Option::is_some));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(self.heights)),
            Arc::new(Int32Array::from(self.widths)),
            Arc::new(Int32Array::from(self.channels)),
            Arc::new(self.data.finish()),
        ];
        let image = StructArray::try_new(image_fields(), columns, Some(nulls))?;
        Ok(Arc::new(image))
    }
}

/// Refuses more bytes than a binary column of a batch holds.
pub(crate) fn checked_length(bytes: usize) -> Result<()> {
    if i32::try_from(bytes).is_err() {
        return exec_err!(
            "a batch of images is over 2 GiB: {bytes} bytes; use a smaller datafusion.execution.batch_size"
        );
    }
    Ok(())
}
