//! The steps of an image pipeline: how they are told, and the text in which they travel.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use fast_image_resize::Resizer;

use super::arguments::Kind;
use super::function::{Function, Scalar, udf};
use super::fuse::fuse;
use super::image_array::image_type;
use super::pixels::{Pixels, PixelsRef};
use super::resize::{Part, Resizing};
use super::rows::transform_rows;

/// A function that a pipeline can run.
pub(crate) trait Step: Function {
    /// Every option in the order of the parameters, joined by `, `.
    fn options(&self) -> String;
}

/// A function from image to image.
pub(crate) trait Transform: Step + Clone {
    /// Makes the image, in the memory of `buffer`.
    ///
    /// # Errors
    /// An image that the options don't suit.
    fn apply(&self, image: PixelsRef<'_>, resizer: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels>;

    /// The size and the way of resizing, if that is all that the function does: it can begin while the image is decoded.
    fn resizing(&self) -> Option<Resizing> {
        None
    }

    /// The part that the function cuts out of an image of this size, if that is all that it does: no other has to be decoded.
    fn cut(&self, _size: (u32, u32)) -> Option<Part> {
        None
    }
}

impl<T: Transform> Scalar for T {
    fn data_type(_args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(image_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        transform_rows::<T>(args)
    }

    fn simplify(args: Vec<Expr>, _options: &ConfigOptions) -> Result<ExprSimplifyResult> {
        fuse::<T>(args)
    }
}

/// Any [`Transform`] with its options.
pub(crate) trait AnyTransform: Debug + Send + Sync {
    /// As [`text`].
    fn text(&self) -> String;

    /// As [`Transform::apply`].
    fn apply(&self, image: PixelsRef<'_>, resizer: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels>;

    /// As [`Transform::resizing`].
    fn resizing(&self) -> Option<Resizing>;

    /// As [`Transform::cut`].
    fn cut(&self, size: (u32, u32)) -> Option<Part>;
}

impl<T: Transform> AnyTransform for T {
    fn text(&self) -> String {
        text(self)
    }

    fn apply(&self, image: PixelsRef<'_>, resizer: &mut Resizer, buffer: Vec<u8>) -> Result<Pixels> {
        Transform::apply(self, image, resizer, buffer)
    }

    fn resizing(&self) -> Option<Resizing> {
        Transform::resizing(self)
    }

    fn cut(&self, size: (u32, u32)) -> Option<Part> {
        Transform::cut(self, size)
    }
}

/// A function from image to image in the list of functions.
pub(crate) struct TransformFunction {
    pub(crate) name: &'static str,
    /// Reads a step from its text.
    pub(crate) parse: fn(&str) -> Result<Arc<dyn AnyTransform>>,
    pub(crate) udf: fn() -> ScalarUDF,
}

impl TransformFunction {
    pub(crate) const fn of<T: Transform>() -> Self {
        Self { name: T::NAME, parse: |text| Ok(Arc::new(parse::<T>(text)?)), udf: udf::<T> }
    }
}

/// A step's text: `image_name(value, ...)`, defaults filled in.
pub(crate) fn text<S: Step>(step: &S) -> String {
    format!("{}({})", S::NAME, step.options())
}

/// Reads a step from its text.
///
/// # Errors
/// Another step, too few or too many values, and values that can't be.
pub(crate) fn parse<S: Step>(text: &str) -> Result<S> {
    let values =
        text.strip_prefix(S::NAME).and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.strip_suffix(')'));
    let Some(values) = values else {
        return plan_err!("image_pipeline: expected a step {}(...), got '{text}'", S::NAME);
    };
    let words: Vec<&str> = values.split(", ").collect();
    if words.len() + 1 != S::PARAMETERS.len() {
        return plan_err!(
            "image_pipeline: step {} takes {} values, got {}",
            S::NAME,
            S::PARAMETERS.len() - 1,
            words.len()
        );
    }
    let mut scalars = vec![ScalarValue::Null];
    for (parameter, word) in S::PARAMETERS[1..].iter().zip(words) {
        scalars.push(match parameter.kind {
            Kind::Integer => ScalarValue::Int64(word.parse().ok()),
            Kind::Boolean => ScalarValue::Boolean(word.parse().ok()),
            Kind::Numbers => numbers(word),
            _ => ScalarValue::Utf8(Some(word.to_string())),
        });
    }
    S::from_scalars(&scalars)
}

/// Numbers as they travel: `[1 2 3]`.
fn numbers(word: &str) -> ScalarValue {
    let list = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    let numbers: Vec<ScalarValue> = list.split(' ').map(|number| ScalarValue::Float64(number.parse().ok())).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&numbers, &DataType::Float64))
}
