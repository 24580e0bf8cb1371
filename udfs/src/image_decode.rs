//! `image_decode`: from the bytes of an image file to pixels.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::support::arguments::{Options, check_constants, coerce, signature};
use crate::support::image_array::image_type;
use crate::support::rows::decode_rows;
use crate::support::step::Decode;

/// The SQL function `image_decode`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Decodes a JPEG, PNG, GIF (first frame), BMP, WebP or TIFF file to an image struct \
{height, width, channels, data}: 8 bits per channel, row-major, channels interleaved. EXIF orientation is applied unless \
`exif => 'ignore'`. The format is told by content. 16-bit values keep their upper byte, CMYK and YCCK become RGB, mode \
'rgb' drops alpha, 'gray' is BT.601 luma (a JPEG's own), 'native' keeps the file's channels. An image that can't be decoded, or of 2^29 \
values (width x height x channels) and more, is NULL; `image_error` says why.",
    syntax_example = "image_decode(content, mode => 'rgb', exif => 'apply', on_error => 'null')",
    sql_example = r#"```sql
> SELECT path, image_decode(content) AS image FROM read_images('photos') LIMIT 2;
+-------------------------+---------------------+
| path                    | image               |
+-------------------------+---------------------+
| photos/daisy/000000.jpg | <image 320x240 rgb> |
| photos/daisy/000002.jpg | <image 320x240 rgb> |
+-------------------------+---------------------+
```"#,
    argument(name = "content", description = "The bytes of an image file."),
    argument(name = "mode", description = "'rgb' (default), 'gray', 'rgba' or 'native'."),
    argument(
        name = "exif",
        description = "'apply' (default) turns the image upright, 'ignore' leaves it as stored, as TensorFlow does."
    ),
    argument(
        name = "on_error",
        description = "'null' (default) or 'raise', which fails the query at the first bad image."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImageDecode {
    signature: Signature,
}

impl Default for ImageDecode {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageDecode {
    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(Decode::PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImageDecode {
    fn name(&self) -> &str {
        Decode::FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), Decode::PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(image_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_constants::<Decode>(&args)?;
        Ok(Arc::new(Field::new(self.name(), image_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        decode_rows(&args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
