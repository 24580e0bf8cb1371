//! `predict('name', ...)` and its like: functions that find the model by its name while a statement is planned.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::FittedModels;
use super::model::{Answer, FittedModel};
use super::prediction::prediction;
use crate::support::arguments::columnar;
use crate::support::function::udf;
use crate::support::rows::row_count;
use crate::vector::{Vector, assembled, part_of_vector};

/// A function of a model's name and of what the model takes.
#[derive(Debug)]
pub(crate) struct ByName {
    name: &'static str,
    answer: Answer,
    page: Option<&'static Documentation>,
    models: Arc<dyn FittedModels>,
    signature: Signature,
}

impl ByName {
    pub(crate) fn function(
        name: &'static str,
        answer: Answer,
        page: Option<&'static Documentation>,
        models: Arc<dyn FittedModels>,
    ) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Stable);
        ScalarUDF::from(Self { name, answer, page, models, signature })
    }

    /// The model of a call.
    fn model(&self, name: Option<&ScalarValue>) -> Result<Arc<FittedModel>> {
        match name.and_then(|name| name.try_as_str()) {
            Some(Some(name)) => self.models.find(name),
            _ => plan_err!(
                "{}: the first argument is the name of a model, as in {0}('pickups', lat, lon), and must be a constant",
                self.name
            ),
        }
    }

    /// Checks that a call has what the model takes.
    fn check(&self, model: &FittedModel, name: &ScalarValue, given: usize) -> Result<()> {
        let features = &model.fitted_to().features;
        if features.len() == given {
            return Ok(());
        }
        let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
        plan_err!(
            "{}: the model {name} takes {} ({}), got {given}",
            self.name,
            match features.len() {
                1 => "1 column".to_string(),
                count => format!("{count} columns"),
            },
            names.join(", ")
        )
    }
}

/// The names of the columns that the model of a call takes, in their order; `None` where the function is none of models.
///
/// # Errors
/// There is no such model.
pub fn feature_names(function: &ScalarUDF, model: &str) -> Result<Option<Vec<String>>> {
    let Some(by_name) = function.inner().downcast_ref::<ByName>() else { return Ok(None) };
    let model = by_name.models.find(model)?;
    Ok(Some(model.fitted_to().features.iter().map(|feature| feature.name.clone()).collect()))
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.models, &other.models)
    }
}

impl Eq for ByName {}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for ByName {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let coerce = |(place, given): (usize, &DataType)| match (place, part_of_vector(given)) {
            (0, _) => Ok(DataType::Utf8),
            (_, Some(part)) => Ok(part),
            (place, None) => plan_err!(
                "{}: argument {} must be a number, a boolean or a list of numbers, got {given}",
                self.name,
                place + 1
            ),
        };
        types.iter().enumerate().map(coerce).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{}: its type depends on the model", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let name = args.scalar_arguments.first().copied().flatten();
        let model = self.model(name)?;
        self.check(&model, name.unwrap_or(&ScalarValue::Null), args.arg_fields.len() - 1)?;
        Ok(Arc::new(Field::new(self.name, model.answer_type(self.answer)?, true)))
    }

    /// Puts a function that holds the model in the place of the call.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let mut rest = args.into_iter();
        let name = match rest.next() {
            Some(Expr::Literal(name, _)) => Some(name),
            _ => None,
        };
        let model = self.model(name.as_ref())?;
        let vector = udf::<Vector>().call(rest.collect());
        Ok(ExprSimplifyResult::Simplified(prediction(model, self.answer)?.call(vec![vector])))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (name, rest) = match args.args.split_first() {
            Some((ColumnarValue::Scalar(name), rest)) => (Some(name), rest),
            _ => (None, [].as_slice()),
        };
        let model = self.model(name)?;
        let vectors = assembled(rest, row_count(&args))?;
        columnar(&args.args, model.answers(self.name, self.answer, &vectors)?)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.page
    }
}
