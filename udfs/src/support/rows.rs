//! Goes through the rows of a batch.

use std::sync::Arc;

use datafusion::arrow::array::BinaryArray;
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::arguments::{Contents, RowOptions, columnar};
use super::encode::Encoding;
use super::function::Function;
use super::image_array::{ImageArray, ImageBuilder, checked_length};
use super::kernels::Kernels;
use super::pixels::{Pixels, PixelsRef};
use super::step::Transform;

/// Calls `each` with the content and the options of every row; with nothing where one of them is NULL.
pub(crate) fn for_each_content<F: Function + Clone>(
    args: &ScalarFunctionArgs,
    mut each: impl FnMut(Option<(&[u8], F)>) -> Result<()>,
) -> Result<()> {
    let rows = row_count(args);
    let contents = Contents::try_new(F::NAME, &args.args[0], rows)?;
    let options = RowOptions::<F>::try_new(&args.args, rows)?;
    for row in 0..rows {
        each(contents.get(row).zip(options.row(row)?))?;
    }
    Ok(())
}

/// Calls `each` with the image and the options of every row; with nothing where one of them is NULL.
pub(crate) fn for_each_image<F: Function + Clone>(
    args: &ScalarFunctionArgs,
    mut each: impl FnMut(Option<(PixelsRef<'_>, F)>) -> Result<()>,
) -> Result<()> {
    let rows = row_count(args);
    let images = ImageArray::try_new(F::NAME, &args.args[0].to_array(rows)?)?;
    let options = RowOptions::<F>::try_new(&args.args, rows)?;
    for row in 0..rows {
        each(images.get(F::NAME, row)?.zip(options.row(row)?))?;
    }
    Ok(())
}

/// Image to image, row by row.
pub(crate) fn transform_rows<T: Transform>(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let mut images = Images::default();
    for_each_image::<T>(args, |row| {
        let image = row.map(|(image, step)| images.kernels.transform(image, &step)).transpose()?;
        images.append(image)
    })?;
    images.finish(args)
}

/// A result column of images, with the codecs that they come from.
#[derive(Default)]
pub(crate) struct Images {
    pub(crate) kernels: Kernels,
    images: ImageBuilder,
}

impl Images {
    pub(crate) fn append(&mut self, image: Option<Pixels>) -> Result<()> {
        match image {
            Some(image) => {
                self.images.append(&image)?;
                self.kernels.reuse(image);
            }
            None => self.images.append_null(),
        }
        Ok(())
    }

    pub(crate) fn finish(self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnar(&args.args, self.images.finish()?)
    }
}

/// A result column of encoded images, with the codecs that they come from.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) kernels: Kernels,
    bytes: Vec<u8>,
    /// The length of each file; `None` for NULL.
    lengths: Vec<Option<usize>>,
}

impl Files {
    /// Appends a file that is encoded already.
    pub(crate) fn append_encoded(&mut self, file: Option<&[u8]>) -> Result<()> {
        self.bytes.extend_from_slice(file.unwrap_or_default());
        self.lengths.push(file.map(<[u8]>::len));
        checked_length(self.bytes.len())
    }

    /// Encodes an image where it stays.
    pub(crate) fn append(&mut self, image: Option<(PixelsRef<'_>, &Encoding)>) -> Result<()> {
        let start = self.bytes.len();
        if let Some((image, encoding)) = image {
            self.kernels.encode(image, encoding, &mut self.bytes)?;
        }
        self.lengths.push(image.map(|_| self.bytes.len() - start));
        checked_length(self.bytes.len())
    }

    pub(crate) fn finish(self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let nulls = NullBuffer::from_iter(self.lengths.iter().map(Option::is_some));
        let offsets = OffsetBuffer::from_lengths(self.lengths.into_iter().map(Option::unwrap_or_default));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        let files = BinaryArray::try_new(offsets, Buffer::from_vec(self.bytes), nulls)?;
        columnar(&args.args, Arc::new(files))
    }
}

/// A call whose arguments are all constant is evaluated once.
pub(crate) fn row_count(args: &ScalarFunctionArgs) -> usize {
    let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    if is_scalar { 1 } else { args.number_rows }
}
