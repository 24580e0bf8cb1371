//! Calls of a model for images: what they say is put together with what the model's file says, while the statement is planned.

use std::sync::{Arc, LazyLock};

use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, lit};

use super::arguments::{Kind, Parameter, Values, columnar, optional};
use super::function::{Function, udf};
use super::fuse::{chain, literals};
use super::model_steps::{Answer, ModelSteps, Scores};
use super::onnx::{ImageInput, Model, OpenModel, open};
use super::rows::row_count;
use crate::image_model::ImageModel;

/// What every function of images and a model takes last.
pub(crate) const OUTPUT: Parameter = optional("output", Kind::Text);
pub(crate) const WIDTH: Parameter = optional("width", Kind::Integer);
pub(crate) const HEIGHT: Parameter = optional("height", Kind::Integer);
pub(crate) const FILTER: Parameter = optional("filter", Kind::Text);
pub(crate) const SCALE: Parameter = optional("scale", Kind::Number);
pub(crate) const MEAN: Parameter = optional("mean", Kind::Numbers);
pub(crate) const STD: Parameter = optional("std", Kind::Numbers);
pub(crate) const LAYOUT: Parameter = optional("layout", Kind::Text);
pub(crate) const COLOR: Parameter = optional("color", Kind::Text);

/// A function of images and a model.
pub(crate) trait OfModel: Function {
    /// Outputs that are taken where a file has several, and the call names none.
    const USUAL_OUTPUTS: &'static [&'static str];

    /// How many classes are asked for; `None` where it is the model's numbers.
    fn top(&self) -> Option<usize>;
}

static IMAGE_MODEL: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(udf::<ImageModel>()));

/// What a call comes to.
struct Planned {
    model: OpenModel,
    output: String,
    steps: String,
}

/// Opens the model, tries it out and puts the steps together.
///
/// # Errors
/// A model that can't be used for this, and options that don't suit it.
fn plan<F: OfModel>(scalars: &[ScalarValue], steps: Option<&str>, options: &ConfigOptions) -> Result<Planned> {
    let call = F::from_scalars(scalars)?;
    let values = Values { function: F::NAME, parameters: F::PARAMETERS, values: scalars };
    let Some(location) = values.text("model") else { return plan_err!("{}: model must not be NULL", F::NAME) };
    let opened = open(F::NAME, location, options)?;
    let input = ImageInput::try_new(&values, location, &opened.model)?;
    let model: &Model = &opened.model;
    let refused = |why: String| plan_err!("{}: model '{location}' can't be used: {why}", F::NAME);
    let output = match model.output(values.text("output"), F::USUAL_OUTPUTS) {
        Ok(output) => output,
        Err(why) => return refused(why),
    };
    let answer = match call.top() {
        None => Answer::Features,
        Some(top) => Answer::Classes { top, scores: Scores::of_operator(model.graph.operator_of(&output)) },
    };
    let steps = ModelSteps::text(F::NAME, steps, &input, answer)?;
    let shape = match model.try_out(&input.shape(), &output) {
        Ok(shape) => shape,
        Err(why) => return refused(format!("run for an image of {}x{}, it fails: {why}", input.width, input.height)),
    };
    if call.top().is_some() {
        let classes: usize = shape.iter().product();
        match model.labels() {
            Ok(Some(labels)) if labels.len() != classes => {
                return refused(format!(
                    "it has {} labels, and output '{output}' has {classes} numbers; name another one by output => '...'",
                    labels.len()
                ));
            }
            Ok(_) => {}
            Err(why) => return refused(why),
        }
    }
    Ok(Planned { model: opened, output, steps })
}

/// Puts `image_model`, which says everything, in the place of a call whose options are constant.
///
/// # Errors
/// As of planning.
pub(crate) fn simplify<F: OfModel>(args: Vec<Expr>, options: &ConfigOptions) -> Result<ExprSimplifyResult> {
    let Some(scalars) = literals(&args) else { return Ok(ExprSimplifyResult::Original(args)) };
    let chain = match args.first() {
        Some(Expr::ScalarFunction(inner)) => chain(inner)?,
        _ => None,
    };
    let (content, steps) = chain.unzip();
    let planned = plan::<F>(&scalars, steps.as_deref(), options)?;
    let Some(image) = content.or_else(|| args.into_iter().next()) else {
        return plan_err!("{}: image must be given", F::NAME);
    };
    let OpenModel { location, version, .. } = planned.model;
    let arguments = vec![image, lit(location), lit(planned.steps), lit(planned.output), lit(version)];
    let call = ScalarFunction::new_udf(Arc::clone(&IMAGE_MODEL), arguments);
    Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
}

/// Evaluates a call that wasn't simplified: all of it is constant, or no optimizer has seen it.
///
/// # Errors
/// As of planning and of running.
pub(crate) fn invoke<F: OfModel>(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let mut scalars = vec![ScalarValue::Null];
    for argument in &args.args[1..] {
        match argument {
            ColumnarValue::Scalar(value) => scalars.push(value.clone()),
            ColumnarValue::Array(_) => {
                return exec_err!(
                    "{}: the model and its options must be constants, and are taken from columns",
                    F::NAME
                );
            }
        }
    }
    let planned = plan::<F>(&scalars, None, &args.config_options)?;
    let steps = ModelSteps::parse(&planned.steps)?;
    let answers = steps.run(F::NAME, &args.args[0], row_count(args), (&planned.model.model, &planned.output))?;
    columnar(&args.args, answers)
}
