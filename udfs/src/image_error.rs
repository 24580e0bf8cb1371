//! `image_error`: why an image can't be decoded.

use std::sync::Arc;

use datafusion::arrow::array::StringBuilder;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, columnar, required};
use crate::support::bad_image::BadImage;
use crate::support::decode::{DecodeOptions, Exif, decode, decode_partly};
use crate::support::function::{Function, Scalar};
use crate::support::jpeg::{Dct, JpegCodec};
use crate::support::pixels::Mode;
use crate::support::rows::for_each_content;

/// The SQL function `image_error`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Says why an image file can't be decoded, and NULL where it can be. The whole image is decoded to find out. Of a file that ends \
too early or is damaged, it tells how many of a hundred rows are there: those that `on_error => 'partial'` of `image_decode` gives. \
`image_error_class` gives one of a few words, to count by.",
    syntax_example = "image_error(content)",
    sql_example = r#"```sql
> SELECT image_error(X'3c21444f') AS reason;
+---------------------------------------------------------------------------------------------+
| reason                                                                                      |
+---------------------------------------------------------------------------------------------+
| not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image (starts with 3c 21 44 4f) |
+---------------------------------------------------------------------------------------------+
```"#,
    argument(name = "content", description = "The bytes of an image file.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageError;

impl Function for ImageError {
    const NAME: &'static str = "image_error";
    const PARAMETERS: &'static [Parameter] = &[required("content", Kind::Content)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Scalar for ImageError {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut reasons = StringBuilder::new();
        for_each_content::<Self>(args, |row| {
            reasons.append_option(row.and_then(|(content, _)| image_error(content)).map(|error| error.reason));
            Ok(())
        })?;
        columnar(&args.args, Arc::new(reasons.finish()))
    }
}

/// Why these bytes can't be decoded as an image; `None` where they can.
///
/// ```
/// let error = pixmill_udfs::image_error(b"").expect("there is no image");
/// assert_eq!((error.class.name(), error.reason.as_str()), ("empty", "empty file (0 bytes)"));
/// ```
pub fn image_error(content: &[u8]) -> Option<BadImage> {
    let error = fault(content)?;
    let part = error.may_have_rows().then(|| decode_partly(content, OPTIONS, &mut JpegCodec::default())).flatten();
    Some(match part {
        Some((_, percent)) => error.with_rows(percent),
        None => error,
    })
}

/// The same without the rows that there are.
pub(crate) fn fault(content: &[u8]) -> Option<BadImage> {
    decode(content, OPTIONS, None, &mut JpegCodec::default(), Vec::new()).err()
}

const OPTIONS: DecodeOptions = DecodeOptions { mode: Mode::Native, exif: Exif::Ignore, dct: Dct::Fast };
