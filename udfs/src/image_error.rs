//! `image_error`: why an image can't be decoded.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;

use crate::support::arguments::{Contents, Kind, Parameter, coerce, columnar, required, signature};
use crate::support::decode::decode;
use crate::support::jpeg::JpegCodec;
use crate::support::pixels::Mode;
use crate::support::rows::row_count;
use crate::support::step::{Decode, Exif, OnError};

const PARAMETERS: &[Parameter] = &[required("content", Kind::Content)];

/// The SQL function `image_error`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Says why an image file can't be decoded, and NULL where it can be. The whole image is decoded to find out.",
    syntax_example = "image_error(content)",
    sql_example = r#"```sql
> SELECT image_error(X'3c21444f') AS reason;
+-------------------------------------------------------------------------+
| reason                                                                  |
+-------------------------------------------------------------------------+
| not a jpeg, png, gif, bmp, webp or tiff image (starts with 3c 21 44 4f) |
+-------------------------------------------------------------------------+
```"#,
    argument(name = "content", description = "The bytes of an image file.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImageError {
    signature: Signature,
}

impl Default for ImageError {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageError {
    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImageError {
    fn name(&self) -> &str {
        "image_error"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(&args);
        let contents = Contents::try_new(self.name(), &args.args[0], rows)?;
        let mut reasons = StringBuilder::new();
        for row in 0..rows {
            reasons.append_option(contents.get(row).and_then(image_error));
        }
        let reasons: ArrayRef = Arc::new(reasons.finish());
        columnar(&args.args, reasons)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// Why these bytes can't be decoded as an image; `None` where they can.
///
/// ```
/// assert_eq!(pixmill_udfs::image_error(b"").as_deref(), Some("empty file (0 bytes)"));
/// ```
pub fn image_error(content: &[u8]) -> Option<String> {
    let options = Decode { mode: Mode::Native, exif: Exif::Ignore, on_error: OnError::Null };
    let result = decode(content, &options, &mut JpegCodec::default(), Vec::new());
    result.err().map(|reason| reason.to_string())
}
