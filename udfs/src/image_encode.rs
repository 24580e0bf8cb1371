//! `image_encode`: from pixels to the bytes of an image file.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::support::arguments::{Options, check_constants, coerce, signature};
use crate::support::fuse::fuse;
use crate::support::rows::encode_rows;
use crate::support::step::Encode;

/// The SQL function `image_encode`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Encodes an image as a JPEG, PNG or lossless WebP file. JPEG drops alpha, keeps grey images grey and writes a density of \
300 dpi, as TensorFlow does; no metadata is kept.",
    syntax_example = "image_encode(image, format => 'jpeg', quality => 95, subsampling => '4:4:4', optimize => true)",
    sql_example = r#"```sql
> SELECT image_encode(image_decode(content), quality => 80) AS jpeg FROM read_images('photos') LIMIT 1;
+----------------------+
| jpeg                 |
+----------------------+
| <jpeg 320x240 15 KB> |
+----------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "format", description = "'jpeg' (default), 'png' or 'webp'."),
    argument(name = "quality", description = "JPEG quality, 1 to 100, 95 by default, on libjpeg's scale."),
    argument(name = "subsampling", description = "JPEG chroma: '4:4:4' (default), '4:2:2' or '4:2:0'."),
    argument(
        name = "optimize",
        description = "Whether each JPEG gets Huffman tables of its own: smaller files, more time; true by default."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImageEncode {
    signature: Signature,
}

impl Default for ImageEncode {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageEncode {
    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(Encode::PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImageEncode {
    fn name(&self) -> &str {
        Encode::FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), Encode::PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_constants::<Encode>(&args)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Binary, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        encode_rows(&args)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        fuse(args, |pipeline, options: Encode| pipeline.encode = Some(options))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
