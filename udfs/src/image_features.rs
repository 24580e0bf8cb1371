//! `image_features`: what a model sees in an image, as a list of numbers.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, Values, required};
use crate::support::function::{Function, Scalar};
use crate::support::model_call::{
    COLOR, FILTER, HEIGHT, LAYOUT, MEAN, OUTPUT, OfModel, SCALE, STD, WIDTH, invoke, simplify,
};
use crate::support::model_steps::Answer;

/// The SQL function `image_features`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "The numbers that a model of an ONNX file gives for an image, a list of Float32: features of a network without its last layer, or \
any value inside of a classifier, by its name. The image is resized to what the model takes ('stretch') and becomes a tensor of (pixel * \
`scale` - `mean`) / `std`, as the arguments say, or else the file by its `metadata_props` of the same names; EXPLAIN shows all of it. A \
NULL image is NULL, and so is one that can't be decoded. Models are read through the session's storage and allow-list, loaded once in a \
process (`pixmill.model_cache`), run on the thread of the partition one image at a time, by a built-in runtime or by ONNX Runtime \
(`pixmill.onnxruntime`). Planning opens the model and refuses one that can't be run: an operator that the runtime hasn't, several inputs, \
or one that isn't float32. Between runtimes and processors the numbers differ in their last digits.",
    syntax_example = "image_features(image, model, output => 'features', width => 224, height => 224, filter => 'bilinear', scale => 1, mean => 0, std => 1, layout => 'chw', color => 'rgb')",
    sql_example = r#"```sql
> SELECT arrow_cast(image_features(image_decode(content), 'colors.onnx'), 'List(Float16)') AS features FROM read_images('photos') LIMIT 1;
+-------------------------------------+
| features                            |
+-------------------------------------+
| [0.49047852, 0.5283203, 0.39526367] |
+-------------------------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode` or any function behind it."),
    argument(name = "model", description = "The path or the URL of an ONNX file, a constant."),
    argument(
        name = "output",
        description = "The name of an output or of any other value in the graph; by default the output named 'features', or the only one."
    ),
    argument(name = "width", description = "Pixels, 1 to 65535, where the model takes images of any width."),
    argument(name = "height", description = "Pixels, 1 to 65535, where the model takes images of any height."),
    argument(
        name = "filter",
        description = "How images are resized: a filter of `image_resize`; 'bilinear' by default."
    ),
    argument(
        name = "scale",
        description = "What pixels, 0 to 255, are multiplied by. Where neither the file nor the call says scale, mean or std, the call is refused."
    ),
    argument(
        name = "mean",
        description = "What is subtracted then: a number, or a list of one for each channel; 0 by default."
    ),
    argument(
        name = "std",
        description = "What the difference is divided by: a number, or a list of one for each channel; 1 by default."
    ),
    argument(name = "layout", description = "'chw' or 'hwc'; by default where the model has its 1 or 3 channels."),
    argument(name = "color", description = "'rgb', 'bgr' or 'gray'; by default 'gray' for 1 channel and 'rgb' for 3.")
)]
#[derive(Debug, Default)]
pub(crate) struct ImageFeatures;

impl Function for ImageFeatures {
    const NAME: &'static str = "image_features";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        required("model", Kind::Text),
        OUTPUT,
        WIDTH,
        HEIGHT,
        FILTER,
        SCALE,
        MEAN,
        STD,
        LAYOUT,
        COLOR,
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        match values.has("model") {
            true => Ok(Self),
            false => plan_err!("image_features: model must be the location of an ONNX file, got NULL"),
        }
    }
}

impl OfModel for ImageFeatures {
    const USUAL_OUTPUTS: &'static [&'static str] = &["features"];

    fn top(&self) -> Option<usize> {
        None
    }
}

impl Scalar for ImageFeatures {
    fn data_type(_args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(Answer::Features.data_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        invoke::<Self>(args)
    }

    fn simplify(args: Vec<Expr>, options: &ConfigOptions) -> Result<ExprSimplifyResult> {
        simplify::<Self>(args, options)
    }
}
