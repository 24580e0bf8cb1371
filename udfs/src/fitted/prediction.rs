//! What a model says of vectors, as a function of one argument that holds the model: planning puts it in the place of `predict('name', ...)`, and it
//! travels with its model.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::model::{Answer, FittedModel};
use crate::support::arguments::columnar;
use crate::support::linear_model::numbers_type;
use crate::support::rows::row_count;

/// What the names of such functions begin with, before the model's fingerprint.
const NAMES: [(&str, Answer); 3] = [
    ("predicted_by_", Answer::Prediction),
    ("predicted_probabilities_by_", Answer::Probabilities),
    ("squared_distance_by_", Answer::SquaredDistance),
];

/// A function of one list of numbers.
#[derive(Debug)]
struct Prediction {
    name: String,
    answer: Answer,
    model: Arc<FittedModel>,
    data_type: DataType,
    signature: Signature,
}

/// The function that asks a model about a list of numbers.
///
/// # Errors
/// A model that hasn't this answer.
pub fn prediction(model: Arc<FittedModel>, answer: Answer) -> Result<ScalarUDF> {
    let begin = NAMES.iter().find(|(_, known)| *known == answer).map_or("", |(name, _)| name);
    let name = format!("{begin}{}", model.fingerprint());
    let data_type = model.answer_type(answer)?;
    let signature = Signature::user_defined(Volatility::Immutable);
    Ok(ScalarUDF::from(Prediction { name, answer, model, data_type, signature }))
}

/// Appends the model that a function holds; nothing where it holds none.
pub fn encode_prediction(function: &ScalarUDF, buf: &mut Vec<u8>) {
    if let Some(prediction) = function.inner().downcast_ref::<Prediction>() {
        buf.extend(prediction.model.bytes());
    }
}

/// The function of a name and a model's bytes; `None` where the name is another's.
///
/// # Errors
/// Bytes that are no model.
pub fn decode_prediction(name: &str, bytes: &[u8]) -> Result<Option<ScalarUDF>> {
    let Some((_, answer)) = NAMES.iter().find(|(begin, _)| name.starts_with(begin)) else { return Ok(None) };
    prediction(Arc::new(FittedModel::from_bytes(bytes)?), *answer).map(Some)
}

// The name has the model's fingerprint.
impl PartialEq for Prediction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Prediction {}

impl Hash for Prediction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Prediction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_] => Ok(vec![numbers_type()]),
            _ => plan_err!("{} takes a list of numbers, got {} arguments", self.name, types.len()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [x] = args.args.as_slice() else { return internal_err!("{} takes one argument", self.name) };
        let answers = self.model.answers("predict", self.answer, &x.to_array(row_count(&args))?)?;
        columnar(&args.args, answers)
    }
}
