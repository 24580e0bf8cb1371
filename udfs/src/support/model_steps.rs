//! The way of an image through a model: decoding, resizing, tensor, model and what is made of its answer, image by image.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float32Builder, ListBuilder, StringBuilder, StructBuilder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::ColumnarValue;

use super::arguments::{Choice, Contents};
use super::image_array::ImageArray;
use super::kernels::Kernels;
use super::onnx::{Color, ImageInput, Model, Tensor};
use super::pixels::Pixels;
use super::step::{Transform, parse, text};
use super::tensor::{Layout, Normalisation};
use crate::image_pipeline::Pipeline;
use crate::image_resize::Resize;

/// What the numbers that a classifier gives are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scores {
    /// Any numbers: the exponential function makes probabilities of them.
    Logits,
    Probabilities,
    LogProbabilities,
}

impl Choice for Scores {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("logits", Self::Logits),
        ("probabilities", Self::Probabilities),
        ("log_probabilities", Self::LogProbabilities),
    ];
}

impl Scores {
    /// What an operator gives.
    pub(crate) fn of_operator(operator: Option<&str>) -> Self {
        match operator {
            Some("Softmax" | "Sigmoid") => Self::Probabilities,
            Some("LogSoftmax") => Self::LogProbabilities,
            _ => Self::Logits,
        }
    }

    /// The probabilities of the classes; `None` where there are none for numbers that aren't any.
    fn probabilities(self, scores: &[f32]) -> Option<Vec<f32>> {
        if scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        let probabilities: Vec<f32> = match self {
            Self::Probabilities => scores.to_vec(),
            Self::LogProbabilities => scores.iter().map(|score| score.exp()).collect(),
            Self::Logits => {
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let powers: Vec<f64> = scores.iter().map(|score| f64::from(score - most).exp()).collect();
                let sum: f64 = powers.iter().sum();
                powers.iter().map(|power| (power / sum) as f32).collect()
            }
        };
        probabilities.iter().all(|probability| !probability.is_nan()).then_some(probabilities)
    }
}

/// What is made of a model's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its numbers.
    Features,
    /// The most probable classes.
    Classes { top: usize, scores: Scores },
}

impl Answer {
    /// The type of a row.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Features => DataType::List(feature_item()),
            Self::Classes { .. } => DataType::List(class_item()),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let classes = text.strip_prefix("classes(").and_then(|rest| rest.strip_suffix(')'));
        let answer = match classes.and_then(|values| values.split_once(", ")) {
            None => (text == "features").then_some(Self::Features),
            Some((top, scores)) => {
                let scores = Scores::CHOICES.iter().find(|(word, _)| *word == scores);
                top.parse().ok().zip(scores).map(|(top, (_, scores))| Self::Classes { top, scores: *scores })
            }
        };
        answer.ok_or_else(|| {
            plan_datafusion_err!("image_model: the last step must be features or classes(top, scores), got '{text}'")
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features => f.write_str("features"),
            Self::Classes { top, scores } => write!(f, "classes({top}, {})", scores.word()),
        }
    }
}

/// What the items of answers say of themselves.
const OF_AN_IMAGE: (&str, &str) = ("pixmill", "of an image");

/// Whether a list is a model's answer to an image: it is NULL where there is no image, or a bad one, and never else but for answers that
/// are no numbers.
pub fn is_answer_to_an_image(list: &DataType) -> bool {
    let (key, value) = OF_AN_IMAGE;
    matches!(list, DataType::List(item) if item.metadata().get(key).is_some_and(|said| said == value))
}

fn item(data_type: DataType) -> FieldRef {
    let (key, value) = OF_AN_IMAGE;
    let metadata = [(key.to_string(), value.to_string())].into();
    Arc::new(Field::new_list_field(data_type, false).with_metadata(metadata))
}

/// A number of features.
fn feature_item() -> FieldRef {
    item(DataType::Float32)
}

/// A class.
fn class_item() -> FieldRef {
    item(DataType::Struct(class_fields()))
}

fn class_fields() -> Fields {
    Fields::from(vec![Field::new("label", DataType::Utf8, false), Field::new("probability", DataType::Float32, false)])
}

/// What comes before the tensor.
#[derive(Debug)]
enum Before {
    /// Images are files.
    Decode(Pipeline),
    /// Images are decoded.
    Resize(Resize),
}

/// The steps of an image, in a text such as
/// `image_decode(rgb, apply, null, fast) | image_resize(224, 224, stretch, bilinear, true) | tensor(rgb, chw, 1, [127], [128]) | features`.
#[derive(Debug)]
pub(crate) struct ModelSteps {
    before: Before,
    shape: Vec<usize>,
    color: Color,
    layout: Layout,
    /// The number of each pixel value, channel by channel.
    values: Arc<[[f32; 256]]>,
    pub(crate) answer: Answer,
}

impl ModelSteps {
    /// The text of the steps; `chain` has those that make the image of a file's bytes.
    ///
    /// # Errors
    /// Numbers that don't go together.
    pub(crate) fn text(function: &str, chain: Option<&str>, input: &ImageInput, answer: Answer) -> Result<String> {
        let ImageInput { width, height, filter, color, layout, scale, mean, std } = input;
        Normalisation::of(function, *scale, (mean, std), color.channels())?.values(function)?;
        let list = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        let chain = chain.map(|chain| format!("{chain} | ")).unwrap_or_default();
        Ok(format!(
            "{chain}image_resize({width}, {height}, stretch, {}, true) | tensor({}, {}, {scale}, [{}], [{}]) | {answer}",
            filter.word(),
            color.word(),
            layout.word(),
            list(mean),
            list(std)
        ))
    }

    /// Reads the text.
    ///
    /// # Errors
    /// A step that there isn't, and values that it can't have.
    pub(crate) fn parse(steps: &str) -> Result<Self> {
        let mut parts = steps.rsplitn(3, " | ");
        let (Some(answer), Some(tensor), Some(before)) = (parts.next(), parts.next(), parts.next()) else {
            return plan_err!(
                "image_model: steps must end with image_resize(...) | tensor(...) | features, got '{steps}'"
            );
        };
        let resize: Resize = parse(before.rsplit(" | ").next().unwrap_or_default())?;
        let (width, height) = resize.resizing().map(|(size, _)| size).unwrap_or_default();
        let before = match text(&resize) == before {
            true => Before::Resize(resize),
            false => Before::Decode(Pipeline::parse(before)?),
        };
        let bad = || {
            plan_datafusion_err!("image_model: expected tensor(color, layout, scale, [mean], [std]), got '{tensor}'")
        };
        let words = tensor.strip_prefix("tensor(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(bad)?;
        let words: Vec<&str> = words.split(", ").collect();
        let [color, layout, scale, mean, std] = words.as_slice() else { return Err(bad()) };
        let color = chosen::<Color>(color).ok_or_else(bad)?;
        let layout = chosen::<Layout>(layout).ok_or_else(bad)?;
        let scale: f64 = scale.parse().map_err(|_error| bad())?;
        let numbers = |list: &str| -> Option<Vec<f64>> {
            let list = list.strip_prefix('[')?.strip_suffix(']')?;
            list.split(' ').map(|number| number.parse().ok()).collect()
        };
        let (mean, std) = numbers(mean).zip(numbers(std)).ok_or_else(bad)?;
        let channels = color.channels();
        let values = Normalisation::of("image_model", scale, (&mean, &std), channels)?.values("image_model")?;
        let (width, height, channels) = (width as usize, height as usize, usize::from(channels));
        let shape = match layout {
            Layout::Chw => vec![1, channels, height, width],
            Layout::Hwc => vec![1, height, width, channels],
        };
        Ok(Self { before, shape, color, layout, values, answer: Answer::parse(answer)? })
    }

    /// The answers of a model to each row's image; NULL for rows without one.
    ///
    /// # Errors
    /// What keeps the model from running, and answers that aren't what was planned with.
    pub(crate) fn run(
        &self,
        function: &'static str,
        images: &ColumnarValue,
        rows: usize,
        (model, output): (&Model, &str),
    ) -> Result<ArrayRef> {
        let labels = match self.answer {
            Answer::Features => None,
            Answer::Classes { .. } => model.labels().map_err(|why| exec_datafusion_err!("{function}: {why}"))?,
        };
        let mut answers = Answers::new(self.answer);
        let (mut kernels, mut tensor) = (Kernels::default(), Tensor::zeros(&self.shape));
        let mut answer = |image: Option<Pixels>, kernels: &mut Kernels| -> Result<()> {
            let Some(image) = image else { return answers.append(function, None, labels.as_deref()) };
            let image = self.color.of(image);
            self.layout
                .write(image.as_ref(), &mut tensor.values, |channel, value| self.values[channel][usize::from(value)]);
            kernels.reuse(image);
            let given = model.run(&tensor, output);
            let given = given.map_err(|why| exec_datafusion_err!("{function}: the model can't be run: {why}"))?;
            answers.append(function, Some(&given.values), labels.as_deref())
        };
        match &self.before {
            Before::Decode(pipeline) => {
                let contents = Contents::try_new(function, images, rows)?;
                for row in 0..rows {
                    let image = pipeline.run(contents.get(row), &mut kernels)?;
                    answer(image, &mut kernels)?;
                }
            }
            Before::Resize(resize) => {
                let images = ImageArray::try_new(function, &images.to_array(rows)?)?;
                for row in 0..rows {
                    let image = images.get(function, row)?;
                    let image = image.map(|image| kernels.transform(image, resize)).transpose()?;
                    answer(image, &mut kernels)?;
                }
            }
        }
        Ok(answers.finish())
    }
}

fn chosen<C: Choice>(word: &str) -> Option<C> {
    C::CHOICES.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

/// A column of answers in the making.
enum Answers {
    Features(ListBuilder<Float32Builder>),
    Classes { top: usize, scores: Scores, column: ListBuilder<StructBuilder> },
}

impl Answers {
    fn new(answer: Answer) -> Self {
        match answer {
            Answer::Features => Self::Features(ListBuilder::new(Float32Builder::new()).with_field(feature_item())),
            Answer::Classes { top, scores } => {
                let classes = ListBuilder::new(StructBuilder::from_fields(class_fields(), 0));
                Self::Classes { top, scores, column: classes.with_field(class_item()) }
            }
        }
    }

    fn append(&mut self, function: &str, given: Option<&[f32]>, labels: Option<&[String]>) -> Result<()> {
        let (top, scores, column) = match self {
            Self::Features(column) => {
                match given {
                    Some(values) => {
                        column.values().append_slice(values);
                        column.append(true);
                    }
                    None => column.append(false),
                }
                return Ok(());
            }
            Self::Classes { top, scores, column } => (*top, *scores, column),
        };
        let Some(probabilities) = given.and_then(|given| scores.probabilities(given)) else {
            column.append(false);
            return Ok(());
        };
        let mut classes: Vec<usize> = (0..probabilities.len()).collect();
        classes.sort_by(|one, other| probabilities[*other].total_cmp(&probabilities[*one]).then(one.cmp(other)));
        for class in classes.into_iter().take(top) {
            let label = match labels {
                None => class.to_string(),
                Some(labels) => match labels.get(class) {
                    Some(label) if labels.len() == probabilities.len() => label.clone(),
                    _ => {
                        return exec_err!(
                            "{function}: the model has {} labels and gives {} probabilities",
                            labels.len(),
                            probabilities.len()
                        );
                    }
                },
            };
            let values = column.values();
            if let Some(labels) = values.field_builder::<StringBuilder>(0) {
                labels.append_value(label);
            }
            if let Some(numbers) = values.field_builder::<Float32Builder>(1) {
                numbers.append_value(probabilities[class]);
            }
            values.append(true);
        }
        column.append(true);
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Features(mut column) => Arc::new(column.finish()),
            Self::Classes { mut column, .. } => Arc::new(column.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_1_however_large_logits_are() {
        let probabilities = Scores::Logits.probabilities(&[1000.0, 1000.0, -1000.0]).expect("probabilities");
        assert_eq!(probabilities, [0.5, 0.5, 0.0]);
        assert_eq!(Scores::Logits.probabilities(&[f32::NAN, 1.0]), None);
        assert_eq!(Scores::Probabilities.probabilities(&[0.25, 0.75]), Some(vec![0.25, 0.75]));
    }

    #[test]
    fn steps_that_are_none_are_told() {
        let resize = "image_resize(2, 2, stretch, bilinear, true)";
        for (steps, expected) in [
            ("features", "steps must end with"),
            ("image_crop(0, 0, 1, 1) | tensor(rgb, chw, 1, [0], [1]) | features", "expected a step image_resize"),
            (
                &format!("{resize} | tensor(rgb, chw, 1, [0 0], [1]) | features"),
                "mean must be a number or a list of one for each of 3",
            ),
            (&format!("{resize} | tensor(cmyk, chw, 1, [0], [1]) | features"), "expected tensor(color,"),
            (
                &format!("{resize} | tensor(rgb, chw, 1, [0], [1]) | classes(5)"),
                "the last step must be features or classes",
            ),
        ] {
            let error = ModelSteps::parse(steps).expect_err(steps).strip_backtrace();
            assert!(error.contains(expected), "{error}");
        }
    }
}
