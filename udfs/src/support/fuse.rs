//! Fusion: a chain of calls with constant options becomes one call of `image_pipeline`, image by image.

use std::sync::{Arc, LazyLock};

use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{Expr, ScalarUDF, lit};

use super::arguments::constants;
use super::function::{Function, udf};
use super::step::{Step, text};
use crate::image_decode::Decode;
use crate::image_pipeline::Pipeline;

static IMAGE_PIPELINE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(udf::<Pipeline>()));

/// Adds a step to the chain in the first argument, if that is one and all options are constant.
pub(crate) fn fuse<S: Step>(args: Vec<Expr>) -> Result<ExprSimplifyResult> {
    let chain = match args.first() {
        Some(Expr::ScalarFunction(inner)) => chain(inner)?,
        _ => None,
    };
    let (Some((content, steps)), Some(options)) = (chain, literals(&args)) else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    // A bad option is for the call itself to say, where it is planned or run.
    let Ok(step) = S::from_scalars(&options) else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let function = Arc::clone(&IMAGE_PIPELINE);
    let call = ScalarFunction::new_udf(function, vec![content, lit(format!("{steps} | {}", text(&step)))]);
    Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
}

/// The content and the steps of a call that gives an image, where it starts with decoding.
pub(crate) fn chain(call: &ScalarFunction) -> Result<Option<(Expr, String)>> {
    let (Some(content), Some(options)) = (call.args.first(), literals(&call.args)) else {
        return Ok(None);
    };
    let steps = match (call.func.name(), options.as_slice()) {
        (Decode::NAME, options) => text(&Decode::from_scalars(options)?),
        (Pipeline::NAME, options) => {
            let pipeline = Pipeline::from_scalars(options)?;
            if pipeline.encode.is_some() {
                return Ok(None);
            }
            pipeline.to_string()
        }
        _ => return Ok(None),
    };
    Ok(Some((content.clone(), steps)))
}

pub(crate) fn literals(args: &[Expr]) -> Option<Vec<ScalarValue>> {
    let scalars: Vec<Option<&ScalarValue>> = args
        .iter()
        .map(|arg| match arg {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        })
        .collect();
    constants(&scalars)
}
