//! `image_center_crop`: the centre of an image.

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
use crate::support::step::{CenterCrop, Transform};

/// The SQL function `image_center_crop`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Cuts out the central `width` x `height` pixels; an odd rest goes to the right and to the bottom. The result \
always has that size: a smaller image gets a border of 0 in every channel.",
    syntax_example = "image_center_crop(image, width, height)",
    sql_example = r#"```sql
> SELECT image_center_crop(image_decode(content), 224, 224) AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 224x224 rgb> |
+---------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "width", description = "Pixels, 1 to 65535."),
    argument(name = "height", description = "Pixels, 1 to 65535.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImageCenterCrop {
    signature: Signature,
}

impl Default for ImageCenterCrop {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageCenterCrop {
    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(CenterCrop::PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImageCenterCrop {
    fn name(&self) -> &str {
        CenterCrop::FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), CenterCrop::PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(image_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_constants::<CenterCrop>(&args)?;
        Ok(Arc::new(Field::new(self.name(), image_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        transform_rows::<CenterCrop>(&args)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        fuse(args, |pipeline, options: CenterCrop| pipeline.transforms.push(Transform::CenterCrop(options)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
