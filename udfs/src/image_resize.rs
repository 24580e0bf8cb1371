//! `image_resize`: to another size.

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
use crate::support::step::{Resize, Transform};

/// The SQL function `image_resize`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Resizes an image to `width` x `height` pixels. `fit` 'stretch' ignores the aspect ratio, 'cover' keeps it and \
crops the centre, 'pad' keeps it and fills the border with 0, 'inside' keeps it and may give a smaller image; the sides of these two are rounded, and an odd border goes to the right and to the bottom. An image of \
the asked size is left as it is. `filter => 'bilinear', antialias => false` is `tf.image.resize` followed by a cast to \
uint8 (four taps at any ratio, single precision, truncated); with 'cover' the covering size is truncated to whole pixels \
before the centre is cut, as in TensorFlow's tutorials.",
    syntax_example = "image_resize(image, width, height, fit => 'stretch', filter => 'bilinear', antialias => true)",
    sql_example = r#"```sql
> SELECT image_resize(image_decode(content), 192, 192, fit => 'inside') AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 192x144 rgb> |
+---------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "width", description = "Pixels, 1 to 65535."),
    argument(name = "height", description = "Pixels, 1 to 65535."),
    argument(name = "fit", description = "'stretch' (default), 'cover', 'pad' or 'inside'."),
    argument(name = "filter", description = "'nearest', 'bilinear' (default), 'bicubic', 'lanczos3' or 'area'."),
    argument(
        name = "antialias",
        description = "Whether the filter widens with the ratio when shrinking; true by default. 'bicubic' and 'lanczos3' must; 'area', which weighs parts of pixels as OpenCV's INTER_AREA does, always averages; 'nearest' never."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImageResize {
    signature: Signature,
}

impl Default for ImageResize {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageResize {
    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(Resize::PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImageResize {
    fn name(&self) -> &str {
        Resize::FUNCTION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), Resize::PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(image_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check_constants::<Resize>(&args)?;
        Ok(Arc::new(Field::new(self.name(), image_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        transform_rows::<Resize>(&args)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        fuse(args, |pipeline, options: Resize| pipeline.transforms.push(Transform::Resize(options)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}
