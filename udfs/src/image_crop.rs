//! `image_crop`: a region of an image.

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
use crate::support::image_array::image_type;
use crate::support::rows::transform_rows;
use crate::support::step::{Crop, Transform};

/// The SQL function `image_crop`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Cuts out the region of `width` x `height` pixels whose upper left corner is (`x`, `y`). The result always has \
that size: what lies outside the image is 0 in every channel.",
    syntax_example = "image_crop(image, x, y, width, height)",
    sql_example = r#"```sql
> SELECT image_crop(image_decode(content), 10, 20, width => 64, height => 48) AS image FROM read_images('photos') LIMIT 1;
+-------------------+
| image             |
+-------------------+
| <image 64x48 rgb> |
+-------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "x", description = "Pixels from the left edge, -65535 to 65535."),
    argument(name = "y", description = "Pixels from the upper edge, -65535 to 65535."),
    argument(name = "width", description = "Pixels, 1 to 65535."),
    argument(name = "height", description = "Pixels, 1 to 65535.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImageCrop {
    signature: Signature,
}

impl Default for ImageCrop {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageCrop {
    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(Crop::PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImageCrop {
    fn name(&self) -> &str {
        Crop::FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), Crop::PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(image_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_constants::<Crop>(&args)?;
        Ok(Arc::new(Field::new(self.name(), image_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        transform_rows::<Crop>(&args)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        fuse(args, |pipeline, options: Crop| pipeline.transforms.push(Transform::Crop(options)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
