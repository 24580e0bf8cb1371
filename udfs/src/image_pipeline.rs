//! `image_pipeline`: a whole chain of image functions in one call, which is what the optimizer makes of nested calls.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, coerce, required, signature};
use crate::support::image_array::image_type;
use crate::support::rows::pipeline_rows;
use crate::support::step::Pipeline;

const PARAMETERS: &[Parameter] = &[required("content", Kind::Content), required("steps", Kind::Text)];

/// The SQL function `image_pipeline`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Runs several steps image by image, so that no decoded image outlives its row. The optimizer puts this in the place of \
nested calls whose options are constant, as EXPLAIN shows; there is no need to write it.",
    syntax_example = "image_pipeline(content, steps)",
    sql_example = r#"```sql
> SELECT image_pipeline(content, 'image_decode(rgb, apply, null) | image_center_crop(200, 200)') AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 200x200 rgb> |
+---------------------+
```"#,
    argument(name = "content", description = "The bytes of an image file."),
    argument(
        name = "steps",
        description = "`image_decode(...)` and any number of further steps, joined by ` | `, with every option of each in the \
order of its parameters. The result is BINARY if the last step is `image_encode`, else an image."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImagePipeline {
    signature: Signature,
}

impl Default for ImagePipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl ImagePipeline {
    pub(crate) const NAME: &'static str = "image_pipeline";

    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImagePipeline {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("image_pipeline's type depends on its steps")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let pipeline = parse(args.scalar_arguments.get(1).copied().flatten())?;
        let data_type = match pipeline.encode {
            Some(_) => DataType::Binary,
            None => image_type(),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let pipeline = match &args.args[1] {
            ColumnarValue::Scalar(steps) => parse(Some(steps))?,
            ColumnarValue::Array(_) => parse(None)?,
        };
        pipeline_rows(&args, &pipeline)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn parse(steps: Option<&ScalarValue>) -> Result<Pipeline> {
    match steps.and_then(|steps| steps.try_as_str().flatten()) {
        Some(steps) => Pipeline::parse(steps),
        None => plan_err!("image_pipeline: steps must be a constant string"),
    }
}
