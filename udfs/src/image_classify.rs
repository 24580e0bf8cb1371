//! `image_classify`: the most probable classes of an image, by a model.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, Values, optional, required};
use crate::support::function::{Function, Scalar};
use crate::support::model_call::{
    COLOR, FILTER, HEIGHT, LAYOUT, MEAN, OUTPUT, OfModel, SCALE, STD, WIDTH, invoke, simplify,
};
use crate::support::model_steps::{Answer, Scores};

/// The SQL function `image_classify`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "The most probable classes of an image by a classifier in an ONNX file: a list of structs of label (Utf8) and probability (Float32), \
the most probable first. Labels are those of the file (`labels` in its `metadata_props`, a JSON list or a line for each), or else the \
classes' numbers from 0. Where the output comes from Softmax or Sigmoid its numbers are the probabilities; of others softmax is taken. A \
NULL image is NULL, so is one that can't be decoded, and one for which the model gives NaN. How images become the model's input, how it is \
found, loaded and run, and what planning refuses is as for `image_features`.",
    syntax_example = "image_classify(image, model, top => 5, output => 'logits', width => 224, height => 224, filter => 'bilinear', scale => 1, mean => 0, std => 1, layout => 'chw', color => 'rgb')",
    sql_example = r#"```sql
> SELECT image_classify(image_decode(content), 'colors.onnx', top => 1)[1]['label'] AS label FROM read_images('photos') LIMIT 1;
+-------+
| label |
+-------+
| green |
+-------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode` or any function behind it."),
    argument(name = "model", description = "The path or the URL of an ONNX file, a constant."),
    argument(
        name = "top",
        description = "How many classes, 1 to 100000; 5 by default, and all of them where there are fewer."
    ),
    argument(
        name = "output",
        description = "The name of an output or of any other value in the graph; by default the output named 'probabilities' or 'logits', or the only one."
    ),
    argument(name = "width", description = "As for `image_features`, and so are the following."),
    argument(name = "height", description = "Pixels, 1 to 65535."),
    argument(name = "filter", description = "A filter of `image_resize`."),
    argument(name = "scale", description = "What pixels are multiplied by."),
    argument(name = "mean", description = "What is subtracted then."),
    argument(name = "std", description = "What the difference is divided by."),
    argument(name = "layout", description = "'chw' or 'hwc'."),
    argument(name = "color", description = "'rgb', 'bgr' or 'gray'.")
)]
#[derive(Debug, Default)]
pub(crate) struct ImageClassify {
    top: usize,
}

impl Function for ImageClassify {
    const NAME: &'static str = "image_classify";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        required("model", Kind::Text),
        optional("top", Kind::Integer),
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
        if !values.has("model") {
            return plan_err!("image_classify: model must be the location of an ONNX file, got NULL");
        }
        Ok(Self { top: values.integer("top", 1..=100_000, "", Some(5))? as usize })
    }
}

impl OfModel for ImageClassify {
    const USUAL_OUTPUTS: &'static [&'static str] = &["probabilities", "logits"];

    fn top(&self) -> Option<usize> {
        Some(self.top)
    }
}

impl Scalar for ImageClassify {
    fn data_type(_args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        // The type doesn't depend on how many classes there are.
        Ok(Answer::Classes { top: 1, scores: Scores::Logits }.data_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        invoke::<Self>(args)
    }

    fn simplify(args: Vec<Expr>, options: &ConfigOptions) -> Result<ExprSimplifyResult> {
        simplify::<Self>(args, options)
    }
}
