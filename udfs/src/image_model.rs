//! `image_model`: images through a model, with everything said, which is what planning makes of `image_features` and `image_classify`.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, Values, columnar, required};
use crate::support::function::{Function, Scalar};
use crate::support::model_steps::ModelSteps;
use crate::support::onnx::running;
use crate::support::rows::row_count;

/// The SQL function `image_model`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Runs images through a model, one after the other: decoding, resizing, the tensor and the model itself, so that nothing but the \
answer outlives its row. Planning puts this in the place of `image_features` and `image_classify`, as EXPLAIN shows, with all that they and \
the model's file say; there is no need to write it. A row whose image is NULL or can't be decoded is NULL. A file that isn't the one that \
the statement was planned with is an error.",
    syntax_example = "image_model(image, model, steps, output, version)",
    sql_example = r#"```sql
> SELECT arrow_cast(image_model(content, 'colors.onnx', 'image_decode(rgb, apply, null, fast) | image_resize(4, 4, stretch, bilinear, true) | tensor(rgb, chw, 0.00392156862745098, [0], [1]) | features', 'features', '346807d0c8080f7faa4d3b9b694d4ab0'), 'List(Float16)') AS features FROM read_images('photos') LIMIT 1;
+-------------------------------------+
| features                            |
+-------------------------------------+
| [0.49047852, 0.5283203, 0.39526367] |
+-------------------------------------+
```"#,
    argument(
        name = "image",
        description = "An image struct, or the bytes of an image file where the steps begin with `image_decode(...)`."
    ),
    argument(name = "model", description = "The location of an ONNX file."),
    argument(
        name = "steps",
        description = "Steps as of `image_pipeline`, of which the last is `image_resize(...)`, then `tensor(color, layout, scale, [mean], [std])`, \
then `features` or `classes(top, scores)`, joined by ` | `."
    ),
    argument(name = "output", description = "The value of the model's graph that is the answer."),
    argument(name = "version", description = "The first half of the SHA-256 of the file's bytes.")
)]
#[derive(Debug, Default)]
pub(crate) struct ImageModel {
    location: String,
    steps: Option<ModelSteps>,
    output: String,
    version: String,
}

impl Function for ImageModel {
    const NAME: &'static str = "image_model";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Any),
        required("model", Kind::Text),
        required("steps", Kind::Text),
        required("output", Kind::Text),
        required("version", Kind::Text),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let text = |name| match values.text(name) {
            Some(text) => Ok(text.to_string()),
            None => plan_err!("image_model: {name} must be a constant string"),
        };
        let steps = Some(ModelSteps::parse(&text("steps")?)?);
        Ok(Self { location: text("model")?, steps, output: text("output")?, version: text("version")? })
    }
}

impl Scalar for ImageModel {
    fn data_type(args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        let constants = args.scalar_arguments.iter().map(|value| value.cloned().unwrap_or(ScalarValue::Null));
        match Self::from_scalars(&constants.collect::<Vec<_>>())?.steps {
            Some(steps) => Ok(steps.answer.data_type()),
            None => plan_err!("image_model: steps must be a constant string"),
        }
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = args.args.iter().map(|argument| match argument {
            ColumnarValue::Scalar(value) => value.clone(),
            ColumnarValue::Array(_) => ScalarValue::Null,
        });
        let Self { location, steps, output, version } = Self::from_scalars(&constants.collect::<Vec<_>>())?;
        let Some(steps) = steps else { return plan_err!("image_model: steps must be a constant string") };
        let model = running(Self::NAME, &location, &version, &args.config_options)?;
        columnar(&args.args, steps.run(Self::NAME, &args.args[0], row_count(args), (&model, &output))?)
    }
}
