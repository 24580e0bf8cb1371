//! Runs a kernel over the rows of a batch.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryBuilder};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::arguments::{Contents, Options, RowOptions, columnar};
use super::image_array::{ImageArray, ImageBuilder, append_bytes};
use super::kernels::Kernels;
use super::step::{Decode, Encode, Pipeline, Transform};

/// Content to image, row by row.
pub(crate) fn decode_rows(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let rows = row_count(args);
    let contents = Contents::try_new(Decode::FUNCTION, &args.args[0], rows)?;
    let options = RowOptions::<Decode>::try_new(&args.args, rows)?;
    let mut kernels = Kernels::default();
    let mut images = ImageBuilder::default();
    for row in 0..rows {
        let decoded = match (contents.get(row), options.row(row)?) {
            (Some(content), Some(options)) => kernels.decode(content, &options)?,
            _ => None,
        };
        append_image(decoded, &mut images, &mut kernels)?;
    }
    columnar(&args.args, images.finish()?)
}

/// Image to image, row by row.
pub(crate) fn transform_rows<O: Options + Clone + Into<Transform>>(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let rows = row_count(args);
    let source = ImageArray::try_new(O::FUNCTION, &args.args[0].to_array(rows)?)?;
    let options = RowOptions::<O>::try_new(&args.args, rows)?;
    let mut kernels = Kernels::default();
    let mut images = ImageBuilder::default();
    for row in 0..rows {
        let transformed = match (source.get(O::FUNCTION, row)?, options.row(row)?) {
            (Some(image), Some(options)) => Some(kernels.transform(image, &options.into())?),
            _ => None,
        };
        append_image(transformed, &mut images, &mut kernels)?;
    }
    columnar(&args.args, images.finish()?)
}

/// Image to encoded bytes, row by row.
pub(crate) fn encode_rows(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let rows = row_count(args);
    let source = ImageArray::try_new(Encode::FUNCTION, &args.args[0].to_array(rows)?)?;
    let options = RowOptions::<Encode>::try_new(&args.args, rows)?;
    let mut kernels = Kernels::default();
    let (mut files, mut bytes) = (BinaryBuilder::new(), 0);
    for row in 0..rows {
        match (source.get(Encode::FUNCTION, row)?, options.row(row)?) {
            (Some(image), Some(options)) => {
                append_bytes(&mut files, &mut bytes, kernels.encode(image, &options)?)?;
            }
            _ => files.append_null(),
        }
    }
    columnar(&args.args, Arc::new(files.finish()))
}

/// Content through a whole pipeline, image by image: no decoded image outlives its row.
pub(crate) fn pipeline_rows(args: &ScalarFunctionArgs, pipeline: &Pipeline) -> Result<ColumnarValue> {
    let rows = row_count(args);
    let contents = Contents::try_new("image_pipeline", &args.args[0], rows)?;
    let mut kernels = Kernels::default();
    let array: ArrayRef = if let Some(encode) = &pipeline.encode {
        let (mut files, mut bytes) = (BinaryBuilder::new(), 0);
        for row in 0..rows {
            let image = match contents.get(row) {
                Some(content) => kernels.run(content, pipeline)?,
                None => None,
            };
            match image {
                Some(image) => {
                    append_bytes(&mut files, &mut bytes, kernels.encode(image.as_ref(), encode)?)?;
                    kernels.reuse(image);
                }
                None => files.append_null(),
            }
        }
        Arc::new(files.finish())
    } else {
        let mut images = ImageBuilder::default();
        for row in 0..rows {
            let image = match contents.get(row) {
                Some(content) => kernels.run(content, pipeline)?,
                None => None,
            };
            append_image(image, &mut images, &mut kernels)?;
        }
        images.finish()?
    };
    columnar(&args.args, array)
}

/// A call whose arguments are all constant is evaluated once.
pub(crate) fn row_count(args: &ScalarFunctionArgs) -> usize {
    let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    if is_scalar { 1 } else { args.number_rows }
}

fn append_image(image: Option<super::pixels::Pixels>, images: &mut ImageBuilder, kernels: &mut Kernels) -> Result<()> {
    match image {
        Some(image) => {
            images.append(&image)?;
            kernels.reuse(image);
        }
        None => images.append_null(),
    }
    Ok(())
}
