//! `onnx_predict`: any model's answer to a list of numbers.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float32Builder, ListArray, ListBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_datafusion_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, lit};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, Values, coerce, columnar, optional, required};
use crate::support::function::{Function, Scalar, udf};
use crate::support::onnx::{Dimension, Model, OpenModel, Tensor, open, running};
use crate::support::rows::row_count;
use crate::support::vectors::numbers_of;

/// The SQL function `onnx_predict`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "What a model of an ONNX file gives for a list of numbers: a list of Float32, the values of one output in the order in which the \
graph has them. The numbers are the model's input in the order of its sizes, of which the first, the number of rows, is 1; one more of \
them may be any, as the list's length tells. A list of another length is an error. NULL if x is or holds NULL; NaN and infinity go into \
the model as they are. How the model is found, loaded and run, and what planning refuses is as for `image_features`.",
    syntax_example = "onnx_predict(model, x, output => 'logits')",
    sql_example = r#"```sql
> SELECT onnx_predict('line.onnx', vector(3, 1)) AS y;
+-------+
| y     |
+-------+
| [5.5] |
+-------+
```"#,
    argument(name = "model", description = "The path or the URL of an ONNX file, a constant."),
    argument(
        name = "x",
        description = "A list of numbers, taken in single precision; make one with `vector(x1, x2, ...)`."
    ),
    argument(
        name = "output",
        description = "The name of an output or of any other value in the graph; by default the only output."
    ),
    argument(
        name = "version",
        description = "The first half of the SHA-256 of the file's bytes, which planning writes; there is no need to."
    )
)]
#[derive(Debug, Default)]
pub(crate) struct OnnxPredict {
    /// Empty where it isn't known, as for the arguments behind it.
    location: String,
    output: Option<String>,
    version: Option<String>,
}

impl Function for OnnxPredict {
    const NAME: &'static str = "onnx_predict";
    const PARAMETERS: &'static [Parameter] = &[
        required("model", Kind::Text),
        required("x", Kind::Vector),
        optional("output", Kind::Text),
        optional("version", Kind::Text),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let text = |name| values.text(name).map(str::to_string);
        Ok(Self { location: text("model").unwrap_or_default(), output: text("output"), version: text("version") })
    }

    /// Numbers stay in single precision, in which most lists for models are.
    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        let mut coerced = coerce(Self::NAME, Self::PARAMETERS, types)?;
        if let Some(x) = coerced.get_mut(1) {
            *x = numbers_type();
        }
        Ok(coerced)
    }
}

fn numbers_type() -> DataType {
    DataType::new_list(DataType::Float32, true)
}

impl Scalar for OnnxPredict {
    fn data_type(_args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(numbers_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = args.args.iter().map(|argument| match argument {
            ColumnarValue::Scalar(value) => value.clone(),
            ColumnarValue::Array(_) => ScalarValue::Null,
        });
        let call = Self::of_constants(&constants.collect::<Vec<_>>())?;
        let rows = row_count(args);
        let x = cast(&args.args[1].to_array(rows)?, &numbers_type())?;
        let answers = match (&call.version, &call.output) {
            (Some(version), Some(output)) => {
                let model = running(Self::NAME, &call.location, version, &args.config_options)?;
                call.answers(&model, x.as_list(), output)?
            }
            _ => {
                let (opened, output) = call.plan(&args.config_options)?;
                call.answers(&opened.model, x.as_list(), &output)?
            }
        };
        columnar(&args.args, answers)
    }

    fn simplify(args: Vec<Expr>, options: &ConfigOptions) -> Result<ExprSimplifyResult> {
        let scalars: Option<Vec<ScalarValue>> = args
            .iter()
            .enumerate()
            .map(|(place, argument)| match argument {
                Expr::Literal(value, _) => Some(value.clone()),
                _ => (place == 1).then_some(ScalarValue::Null),
            })
            .collect();
        let Some(scalars) = scalars else { return Ok(ExprSimplifyResult::Original(args)) };
        let call = Self::of_constants(&scalars)?;
        if call.version.is_some() && call.output.is_some() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let (opened, output) = call.plan(options)?;
        let Some(x) = args.into_iter().nth(1) else { return plan_err!("onnx_predict: x must be given") };
        let arguments = vec![lit(opened.location), x, lit(output), lit(opened.version)];
        let call = ScalarFunction::new_udf(Arc::new(udf::<Self>()), arguments);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }
}

impl OnnxPredict {
    fn of_constants(scalars: &[ScalarValue]) -> Result<Self> {
        let call = Self::from_scalars(scalars)?;
        match call.location.is_empty() {
            true => plan_err!("onnx_predict: model must be the location of an ONNX file, a constant"),
            false => Ok(call),
        }
    }

    /// The model and its output, tried out where it is known how long x is.
    fn plan(&self, options: &ConfigOptions) -> Result<(OpenModel, String)> {
        let opened = open(Self::NAME, &self.location, options)?;
        let checked = || -> std::result::Result<String, String> {
            let shape = Shape::of(&opened.model)?;
            let output = opened.model.output(self.output.as_deref(), &["output"])?;
            if let Shape::Fixed(sizes) = &shape {
                opened.model.try_out(sizes, &output).map_err(|why| format!("run for zeros, it fails: {why}"))?;
            }
            Ok(output)
        };
        let output = checked()
            .map_err(|why| plan_datafusion_err!("onnx_predict: model '{}' can't be used: {why}", self.location))?;
        Ok((opened, output))
    }

    fn answers(&self, model: &Model, x: &ListArray, output: &str) -> Result<ArrayRef> {
        let refused =
            |why: String| exec_datafusion_err!("onnx_predict: model '{}' can't be used: {why}", self.location);
        let shape = Shape::of(model).map_err(refused)?;
        let mut answers = ListBuilder::new(Float32Builder::new());
        let mut tensor = Tensor::default();
        for row in 0..x.len() {
            let list = x.is_valid(row).then(|| x.value(row)).filter(|list| list.null_count() == 0);
            let Some(list) = list else {
                answers.append(false);
                continue;
            };
            let numbers = list.as_primitive::<Float32Type>().values();
            match shape.for_length(numbers.len()) {
                Some(sizes) => tensor.shape = sizes,
                None => {
                    return exec_err!(
                        "onnx_predict: x must have {}, as input {} of model '{}' has, got {}",
                        shape.wanted(),
                        model.input().map_err(refused)?,
                        self.location,
                        numbers_of(numbers.len())
                    );
                }
            }
            tensor.values.clear();
            tensor.values.extend_from_slice(numbers);
            let given = model.run(&tensor, output);
            let given = given
                .map_err(|why| exec_datafusion_err!("onnx_predict: model '{}' can't be run: {why}", self.location))?;
            answers.values().append_slice(&given.values);
            answers.append(true);
        }
        Ok(Arc::new(answers.finish()))
    }
}

/// The sizes of a model's input for one row.
enum Shape {
    Fixed(Vec<usize>),
    /// One size, at this place, is told by the length.
    OneFree(Vec<usize>, usize),
}

impl Shape {
    fn of(model: &Model) -> std::result::Result<Self, String> {
        let input = model.input()?;
        let Some(dimensions) = input.dimensions.as_deref() else { return Ok(Self::OneFree(vec![1, 1], 1)) };
        let mut sizes = Vec::with_capacity(dimensions.len());
        let mut free = Vec::new();
        for (place, dimension) in dimensions.iter().enumerate() {
            match dimension {
                Dimension::Fixed(size) => sizes.push(*size),
                // The first is the number of rows, unless it is all that there is.
                Dimension::Any(_) => {
                    sizes.push(1);
                    if place > 0 || dimensions.len() == 1 {
                        free.push(place);
                    }
                }
            }
        }
        match free.as_slice() {
            [] => Ok(Self::Fixed(sizes)),
            [place] => Ok(Self::OneFree(sizes, *place)),
            _ => Err(format!("{} sizes of its input {input} may be any, and a list's length tells one", free.len())),
        }
    }

    fn for_length(&self, length: usize) -> Option<Vec<usize>> {
        match self {
            Self::Fixed(sizes) => (sizes.iter().product::<usize>() == length).then(|| sizes.clone()),
            Self::OneFree(sizes, place) => {
                let others: usize = sizes.iter().product();
                let mut sizes = sizes.clone();
                sizes[*place] = length / others.max(1);
                (length > 0 && length.is_multiple_of(others)).then_some(sizes)
            }
        }
    }

    fn wanted(&self) -> String {
        match self {
            Self::Fixed(sizes) => numbers_of(sizes.iter().product()),
            Self::OneFree(sizes, _) => match sizes.iter().product::<usize>() {
                1 => "at least 1 number".to_string(),
                several => format!("a multiple of {several} numbers"),
            },
        }
    }
}
