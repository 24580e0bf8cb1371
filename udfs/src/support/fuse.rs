//! Fusion: a chain of calls with constant options becomes one call of `image_pipeline`, image by image.

use std::sync::{Arc, LazyLock};

use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{Expr, ScalarUDF, lit};

use super::arguments::{Options, constants};
use super::step::{Decode, Pipeline};
use crate::image_pipeline::ImagePipeline;

static IMAGE_PIPELINE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(ImagePipeline::new())));

/// Adds a step to the chain in the first argument, if that is one and all options are constant.
pub(crate) fn fuse<O: Options>(args: Vec<Expr>, add: impl FnOnce(&mut Pipeline, O)) -> Result<ExprSimplifyResult> {
    let chain = match args.first() {
        Some(Expr::ScalarFunction(inner)) => chain(inner)?,
        _ => None,
    };
    let (Some((content, mut pipeline)), Some(options)) = (chain, literals(&args)) else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    // A bad option is for the call itself to say, where it is planned or run.
    let Ok(options) = O::from_scalars(&options) else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    add(&mut pipeline, options);
    let function = Arc::clone(&IMAGE_PIPELINE);
    let call = ScalarFunction::new_udf(function, vec![content, lit(pipeline.to_string())]);
    Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
}

/// The content and the steps of a call that gives an image, where it starts with decoding.
fn chain(call: &ScalarFunction) -> Result<Option<(Expr, Pipeline)>> {
    let (Some(content), Some(options)) = (call.args.first(), literals(&call.args)) else {
        return Ok(None);
    };
    let pipeline = match (call.func.name(), options.as_slice()) {
        (Decode::FUNCTION, options) => {
            Pipeline { decode: Decode::from_scalars(options)?, transforms: Vec::new(), encode: None }
        }
        (ImagePipeline::NAME, [_, ScalarValue::Utf8(Some(steps))]) => Pipeline::parse(steps)?,
        _ => return Ok(None),
    };
    let is_image = pipeline.encode.is_none();
    Ok(is_image.then(|| (content.clone(), pipeline)))
}

fn literals(args: &[Expr]) -> Option<Vec<ScalarValue>> {
    let scalars: Vec<Option<&ScalarValue>> = args
        .iter()
        .map(|arg| match arg {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        })
        .collect();
    constants(&scalars)
}
