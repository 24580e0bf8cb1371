//! A fitted model: its steps, what it was fitted to, and what it says of rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, Int64Array, StructArray, UInt32Array, new_null_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, exec_err};
use pixmill_learn::{Numbers, Predictor};

use super::row;
use super::steps::{Apply, StepKind};
use crate::support::linear_model::numbers_type;
use crate::support::vectors::{VectorBuilder, Vectors, numbers_of};

/// A column that a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FittedFeature {
    /// The column's name.
    pub name: String,
    /// The name of its type.
    pub data_type: String,
    /// How many numbers of the vector it gives: 1, or the length of its lists.
    pub numbers: usize,
}

/// The column that a model predicts.
#[derive(Debug, Clone)]
pub struct FittedLabel {
    /// The column's name.
    pub name: String,
    /// The classes in rising order; `None` where it is a number.
    pub classes: Option<ArrayRef>,
}

/// A step with what fitting has found.
#[derive(Debug, Clone)]
pub struct FittedStep {
    /// What it is.
    pub kind: StepKind,
    /// Its arguments, as SQL has them.
    pub arguments: String,
    /// How often the rows were gone through, as the step counts it.
    pub rounds: u64,
    /// Whether it came to its end.
    pub converged: bool,
    /// What was found.
    pub numbers: Vec<Numbers>,
    /// What there is to be said about it.
    pub notes: Vec<String>,
}

/// What a model was fitted to, besides its steps.
#[derive(Debug, Clone)]
pub struct FittedTo {
    /// The columns it takes, in their order.
    pub features: Vec<FittedFeature>,
    /// The column it predicts.
    pub label: Option<FittedLabel>,
    /// The rows used.
    pub rows: u64,
    /// Those that were left out, because of NULL in them.
    pub left_out: u64,
    /// The query that the rows came from.
    pub query: String,
}

/// A fitted model.
#[derive(Debug)]
pub struct FittedModel {
    steps: Vec<FittedStep>,
    fitted_to: FittedTo,
    applies: Vec<Apply>,
    /// The model as a stream of Arrow's, of one row.
    bytes: Vec<u8>,
    fingerprint: String,
}

/// What is asked about a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// What the model predicts: a label, a cluster, a number or a vector.
    Prediction,
    /// The probability of each class.
    Probabilities,
    /// The square of the distance to the nearest centre.
    SquaredDistance,
}

impl FittedModel {
    /// Puts a model together.
    ///
    /// # Errors
    /// Steps that don't go together, as of a damaged file.
    pub fn try_new(steps: Vec<FittedStep>, fitted_to: FittedTo) -> Result<Self> {
        let applies = steps.iter().map(|step| Apply::try_new(step.kind, &step.numbers)).collect::<Result<Vec<_>>>()?;
        let damaged = |what: &str| exec_err!("the model is damaged: {what}");
        let Some(last) = steps.last() else { return damaged("it has no steps") };
        let mut numbers = fitted_to.features.iter().try_fold(0_usize, |sum, feature| sum.checked_add(feature.numbers));
        for (step, apply) in steps.iter().zip(&applies) {
            if numbers != Some(apply.columns()) {
                return damaged("its steps and its features don't have the same numbers");
            }
            numbers = Some(apply.outputs());
            if !step.kind.is_transform() && !std::ptr::eq(step, last) {
                return damaged("nothing can follow a step that predicts");
            }
        }
        let classes = fitted_to.label.as_ref().and_then(|label| label.classes.as_ref());
        let count = applies.last().and_then(Apply::predictor).and_then(Predictor::classes);
        if count != classes.map(|classes| classes.len()) || fitted_to.label.is_some() != last.kind.has_label() {
            return damaged("its label and its steps don't have the same classes");
        }
        if classes.is_some_and(|classes| classes.null_count() > 0) {
            return damaged("a class is NULL");
        }
        let bytes = row::to_bytes(&row::to_row(&steps, &fitted_to)?)?;
        let fingerprint = row::fingerprint(&bytes);
        Ok(Self { steps, fitted_to, applies, bytes, fingerprint })
    }

    /// The steps, in their order; the last one tells what it predicts.
    pub fn steps(&self) -> &[FittedStep] {
        &self.steps
    }

    /// What it was fitted to.
    pub fn fitted_to(&self) -> &FittedTo {
        &self.fitted_to
    }

    /// The last step's kind.
    pub fn kind(&self) -> StepKind {
        self.steps.last().map_or(StepKind::StandardScaler, |step| step.kind)
    }

    /// The steps as SQL has them.
    pub fn using(&self) -> String {
        let steps = self.steps.iter().map(|step| format!("{}({})", step.kind.name(), step.arguments));
        steps.collect::<Vec<_>>().join(" | ")
    }

    /// By which models are told apart: the beginning of the SHA-256 of what they are, in hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The model as a stream of Arrow's, of one row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The model as a table of one row.
    ///
    /// # Errors
    /// None of a model that could be put together.
    pub fn to_row(&self) -> Result<datafusion::arrow::array::RecordBatch> {
        row::to_row(&self.steps, &self.fitted_to)
    }

    /// The model of a table of one row.
    ///
    /// # Errors
    /// A table that is none.
    pub fn from_row(batch: &datafusion::arrow::array::RecordBatch) -> Result<Self> {
        let (steps, fitted_to) = row::from_row(batch)?;
        Self::try_new(steps, fitted_to)
    }

    /// The model of a stream of Arrow's.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_row(&row::of_bytes(bytes)?)
    }

    /// The names of its classes; `None` where it has none.
    pub fn class_names(&self) -> Result<Option<Vec<String>>> {
        let Some(classes) = self.fitted_to.label.as_ref().and_then(|label| label.classes.as_ref()) else {
            return Ok(None);
        };
        let options = FormatOptions::default();
        let names = ArrayFormatter::try_new(classes, &options)?;
        Ok(Some((0..classes.len()).map(|class| names.value(class).to_string()).collect()))
    }

    /// The type of an answer.
    ///
    /// # Errors
    /// An answer that this kind of model hasn't.
    pub fn answer_type(&self, answer: Answer) -> Result<DataType> {
        let kind = self.kind();
        Ok(match answer {
            Answer::Prediction if kind.is_transform() => numbers_type(),
            Answer::Prediction if kind == StepKind::KMeans => DataType::Int64,
            Answer::Prediction => match self.fitted_to.label.as_ref().and_then(|label| label.classes.as_ref()) {
                Some(classes) => classes.data_type().clone(),
                None => DataType::Float64,
            },
            Answer::Probabilities => match self.class_names()? {
                Some(names) => DataType::Struct(probability_fields(names)),
                None => {
                    return exec_err!(
                        "a model of {} has no probabilities; those of logistic_regression and one_vs_rest have",
                        kind.name()
                    );
                }
            },
            Answer::SquaredDistance if kind == StepKind::KMeans => DataType::Float64,
            Answer::SquaredDistance => return exec_err!("a model of {} has no centres; kmeans has", kind.name()),
        })
    }

    /// What is asked about each of a column of vectors; NULL where a vector is NULL, holds NULL or a number that isn't finite.
    ///
    /// # Errors
    /// A vector of another length than the model's.
    pub(super) fn answers(&self, function: &str, answer: Answer, vectors: &ArrayRef) -> Result<ArrayRef> {
        let data_type = self.answer_type(answer)?;
        let rows = vectors.len();
        let vectors = Vectors::try_new(vectors)?;
        let columns = self.applies.first().map_or(0, Apply::columns);
        let is_transform = self.kind().is_transform();
        let mut x = Vec::with_capacity(rows * columns);
        let mut there = Vec::with_capacity(rows);
        for row in 0..rows {
            let vector = vectors.get(row);
            if let Some(vector) = vector
                && vector.len() != columns
            {
                return exec_err!("{function}: the model takes {}, got {}", numbers_of(columns), vector.len());
            }
            let vector = vector.filter(|vector| is_transform || vector.iter().all(|number| number.is_finite()));
            there.push(vector.is_some());
            x.extend_from_slice(vector.unwrap_or_default());
        }
        let x = self.applies.iter().fold(x, |x, apply| apply.transform(x));
        if is_transform {
            let outputs = self.applies.last().map_or(0, Apply::outputs);
            let mut rows = x.chunks_exact(outputs.max(1));
            let mut lists = VectorBuilder::default();
            for there in there {
                let row = there.then(|| rows.next().unwrap_or_default().iter().copied());
                lists.append(row);
            }
            return lists.finish(function);
        }
        let Some(predictor) = self.applies.last().and_then(Apply::predictor) else {
            return Ok(new_null_array(&data_type, rows));
        };
        let mut found = Vec::new();
        match answer {
            Answer::Prediction => predictor.predict(&x, &mut found),
            Answer::Probabilities => {
                predictor.probabilities(&x, &mut found);
            }
            Answer::SquaredDistance => {
                predictor.distances(&x, &mut found);
            }
        }
        let nulls = NullBuffer::from(there);
        match (answer, self.fitted_to.label.as_ref().and_then(|label| label.classes.as_ref())) {
            (Answer::Prediction, Some(classes)) => {
                let classes_of_rows = UInt32Array::from(spread(&nulls, &found, 1, 0, |class| class as u32));
                Ok(take(classes, &classes_of_rows, None)?)
            }
            (Answer::Probabilities, Some(classes)) => {
                let columns: Vec<ArrayRef> = (0..classes.len())
                    .map(|class| {
                        let values = spread(&nulls, &found, classes.len(), class, |value| value);
                        Arc::new(Float64Array::from(values)) as ArrayRef
                    })
                    .collect();
                let names = self.class_names()?.unwrap_or_default();
                Ok(Arc::new(StructArray::try_new(probability_fields(names), columns, Some(nulls))?))
            }
            (Answer::Prediction, None) if data_type == DataType::Int64 => {
                Ok(Arc::new(Int64Array::from(spread(&nulls, &found, 1, 0, |cluster| cluster as i64))))
            }
            _ => Ok(Arc::new(Float64Array::from(spread(&nulls, &found, 1, 0, |value| value)))),
        }
    }
}

/// One of the `width` numbers of each row that has them, at the row's place.
fn spread<T>(rows: &NullBuffer, found: &[f64], width: usize, place: usize, value: impl Fn(f64) -> T) -> Vec<Option<T>> {
    let mut found = found.iter().skip(place).step_by(width);
    rows.iter().map(|there| if there { found.next().map(|number| value(*number)) } else { None }).collect()
}

fn probability_fields(names: Vec<String>) -> Fields {
    names.into_iter().map(|name| Field::new(name, DataType::Float64, true)).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::StringArray;
    use datafusion::logical_expr::ScalarUDF;

    use super::super::{decode_prediction, encode_prediction, prediction};
    use super::*;
    use crate::support::testing::vectors;

    fn numbers(name: &str, shape: &[usize], values: &[f64]) -> Numbers {
        Numbers { name: name.to_string(), shape: shape.to_vec(), values: values.to_vec() }
    }

    fn step(kind: StepKind, numbers: Vec<Numbers>) -> FittedStep {
        let notes = vec!["a note".to_string()];
        FittedStep { kind, arguments: "l2 => 1".to_string(), rounds: 3, converged: true, numbers, notes }
    }

    /// A scaler and two classes.
    fn steps() -> Vec<FittedStep> {
        vec![
            step(StepKind::StandardScaler, vec![numbers("mean", &[2], &[1.0, 2.0]), numbers("std", &[2], &[0.5, 0.0])]),
            step(
                StepKind::LogisticRegression,
                vec![
                    numbers("coefficients", &[1, 2], &[1.0, 7.0]),
                    numbers("intercepts", &[1], &[0.25]),
                    numbers("standard_errors", &[1, 2], &[0.1, f64::NAN]),
                ],
            ),
        ]
    }

    fn fitted_to() -> FittedTo {
        let feature = |name: &str| FittedFeature { name: name.to_string(), data_type: "Int64".to_string(), numbers: 1 };
        let classes: ArrayRef = Arc::new(StringArray::from(vec!["no", "yes"]));
        let label = Some(FittedLabel { name: "answer".to_string(), classes: Some(classes) });
        let features = vec![feature("a"), feature("b")];
        FittedTo { features, label, rows: 10, left_out: 1, query: "SELECT a, b, answer FROM t".to_string() }
    }

    fn model() -> FittedModel {
        FittedModel::try_new(steps(), fitted_to()).expect("a model")
    }

    #[test]
    fn a_model_is_the_same_behind_its_row_and_its_bytes() {
        let model = model();
        let again = FittedModel::from_row(&model.to_row().expect("a row")).expect("a model");
        assert_eq!(again.bytes(), model.bytes());
        assert_eq!(FittedModel::from_bytes(model.bytes()).expect("a model").fingerprint(), model.fingerprint());
        assert_eq!(again.using(), "standard_scaler(l2 => 1) | logistic_regression(l2 => 1)");
        assert!(again.steps()[1].numbers[2].values[1].is_nan(), "what is no number stays none");
    }

    #[test]
    fn answers_have_the_labels_type_and_are_null_where_a_number_is_none() {
        let x = vectors(&[vec![2.0, 2.0], vec![0.5, 9.0], vec![f64::NAN, 1.0]]);
        let model = model();
        let classes = model.answers("predict", Answer::Prediction, &x).expect("classes");
        let expected: ArrayRef = Arc::new(StringArray::from(vec![Some("yes"), Some("no"), None]));
        assert_eq!(&classes, &expected);
        let probabilities = model.answers("predict", Answer::Probabilities, &x).expect("probabilities");
        assert_eq!(probabilities.data_type(), &model.answer_type(Answer::Probabilities).expect("a type"));
        assert!(probabilities.is_null(2) && probabilities.is_valid(1));
        assert!(model.answers("predict", Answer::SquaredDistance, &x).is_err());
        let error = model.answers("predict", Answer::Prediction, &vectors(&[vec![1.0]])).expect_err("one number");
        assert_eq!(error.strip_backtrace(), "Execution error: predict: the model takes 2 numbers, got 1");
    }

    #[test]
    fn steps_that_dont_go_together_are_refused() {
        let refused = |steps: Vec<FittedStep>, fitted_to: FittedTo| FittedModel::try_new(steps, fitted_to).is_err();
        assert!(refused(Vec::new(), fitted_to()));
        assert!(refused(steps().into_iter().rev().collect(), fitted_to()));
        assert!(refused(steps(), FittedTo { label: None, ..fitted_to() }));
        assert!(refused(steps(), FittedTo { features: fitted_to().features[..1].to_vec(), ..fitted_to() }));
        let three: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let label = Some(FittedLabel { name: "answer".to_string(), classes: Some(three) });
        assert!(refused(steps(), FittedTo { label, ..fitted_to() }));
        let mut cut = steps();
        cut[0].numbers[1].values.pop();
        assert!(refused(cut, fitted_to()));
    }

    #[test]
    fn a_prediction_travels_with_its_model_and_damaged_ones_are_refused_or_others() {
        let sent = prediction(Arc::new(model()), Answer::Prediction).expect("a function");
        let mut bytes = Vec::new();
        encode_prediction(&sent, &mut bytes);
        let arrived: ScalarUDF = decode_prediction(sent.name(), &bytes).expect("bytes").expect("a function");
        assert_eq!(arrived, sent);
        assert!(decode_prediction("sum", &bytes).expect("another").is_none());
        let mut refused = 0;
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            refused += usize::from(decode_prediction(sent.name(), &damaged).is_err());
        }
        assert!(refused > 0);
        assert!(decode_prediction(sent.name(), &bytes[..bytes.len() / 2]).is_err());
    }
}
