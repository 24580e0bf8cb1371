//! What is shown of models: `SHOW MODELS`, `DESCRIBE MODEL`, and the rows of `model('name')`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::Ident;
use pixmill_learn::Numbers;
use pixmill_udfs::{FittedModel, FittedStep, StepKind};

use super::fit::numbered;
use super::names::Models;
use super::statement::model_name;

/// The name that a constant term has among the columns.
const INTERCEPT: &str = "(intercept)";

/// `SHOW MODELS`.
pub(crate) fn of_models(config: &SessionConfig) -> Result<RecordBatch> {
    let models = Models::of(config).map(|models| models.all()).unwrap_or_default();
    let text = |values: Vec<Option<String>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let whole = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let columns = [
        ("model", text(models.iter().map(|(name, _)| Some(name.clone())).collect())),
        ("steps", text(models.iter().map(|(_, named)| Some(named.model.using())).collect())),
        ("features", text(models.iter().map(|(_, named)| Some(features(&named.model))).collect())),
        (
            "label",
            text(
                models
                    .iter()
                    .map(|(_, named)| named.model.fitted_to().label.as_ref().map(|label| label.name.clone()))
                    .collect(),
            ),
        ),
        ("rows", whole(models.iter().map(|(_, named)| named.model.fitted_to().rows as i64).collect())),
        ("location", text(models.iter().map(|(_, named)| named.location.clone()).collect())),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))?)
}

fn features(model: &FittedModel) -> String {
    let names = model.fitted_to().features.iter().map(|feature| match feature.data_type.contains("List") {
        true => format!("{}[{}]", feature.name, feature.numbers),
        false => feature.name.clone(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// `DESCRIBE MODEL`: what there is to be known, a line each.
///
/// # Errors
/// There is no such model.
pub(crate) fn description(config: &SessionConfig, name: &Ident) -> Result<RecordBatch> {
    let name = model_name(name);
    let Some(models) = Models::of(config) else { return plan_err!("this session has no models") };
    let Some(named) = models.get(&name) else {
        return pixmill_udfs::FittedModels::find(models.as_ref(), &name).and_then(|model| lines(&name, &model, None));
    };
    lines(&name, &named.model, named.location.as_deref())
}

fn lines(name: &str, model: &FittedModel, location: Option<&str>) -> Result<RecordBatch> {
    let fitted_to = model.fitted_to();
    let mut lines = vec![("model".to_string(), name.to_string()), ("steps".to_string(), model.using())];
    lines.extend(location.map(|location| ("location".to_string(), location.to_string())));
    for feature in &fitted_to.features {
        lines.push((format!("feature {}", feature.name), feature.data_type.clone()));
    }
    if let Some(label) = &fitted_to.label {
        lines.push(("label".to_string(), label.name.clone()));
    }
    if let Some(classes) = model.class_names()? {
        let count = classes.len();
        let first = classes.into_iter().take(20).collect::<Vec<_>>().join(", ");
        lines.push(("classes".to_string(), if count > 20 { format!("{count}: {first}, ...") } else { first }));
    }
    lines.push(("rows".to_string(), fitted_to.rows.to_string()));
    lines.push(("rows left out, with NULL".to_string(), fitted_to.left_out.to_string()));
    for step in model.steps() {
        let converged = if step.converged { "converged" } else { "not converged" };
        lines.push((step.kind.name().to_string(), format!("rounds: {}, {converged}", step.rounds)));
        for numbers in step.numbers.iter().filter(|numbers| numbers.shape.is_empty()) {
            let value = numbers.values.first().copied().unwrap_or(f64::NAN);
            lines.push((format!("{}.{}", step.kind.name(), numbers.name), value.to_string()));
        }
        lines.extend(step.notes.iter().map(|note| (format!("{}, note", step.kind.name()), note.clone())));
    }
    lines.push(("query".to_string(), fitted_to.query.clone()));
    lines.push(("fingerprint".to_string(), model.fingerprint().to_string()));
    let (properties, values): (Vec<String>, Vec<String>) = lines.into_iter().unzip();
    let columns: [(&str, ArrayRef); 2] =
        [("property", Arc::new(StringArray::from(properties))), ("value", Arc::new(StringArray::from(values)))];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// What the last step of a model has found, as rows.
///
/// # Errors
/// None of a model that could be put together.
pub(super) fn table_of(model: &FittedModel) -> Result<RecordBatch> {
    let Some(last) = model.steps().last() else { return plan_err!("the model has no steps") };
    // What the last step's numbers are of.
    let before = &model.steps()[..model.steps().len() - 1];
    let pca = before.iter().rev().find(|step| step.kind == StepKind::Pca);
    let names = match pca {
        Some(step) => (1..=shape(step, "components", 0)).map(|number| format!("component {number}")).collect(),
        None => numbered(&model.fitted_to().features),
    };
    match last.kind {
        StepKind::KMeans => clusters(last, before),
        StepKind::StandardScaler => table(vec![
            ("feature", text(names)),
            ("mean", numbers(values(last, "mean"))),
            ("std", numbers(values(last, "std"))),
        ]),
        StepKind::Pca => {
            let count = shape(last, "components", 0);
            table(vec![
                ("component", whole(1..=count as i64)),
                ("explained_variance", numbers(values(last, "explained_variance"))),
                ("explained_variance_ratio", numbers(values(last, "explained_variance_ratio"))),
                ("direction", lists(values(last, "components").to_vec(), count)?),
            ])
        }
        StepKind::LinearRegression => coefficients(last, &names, None, ["intercept", "intercept_standard_error"]),
        StepKind::LogisticRegression | StepKind::OneVsRest => {
            let classes = model.fitted_to().label.as_ref().and_then(|label| label.classes.clone());
            let classes = classes.map(|classes| match values(last, "intercepts").len() {
                // Of two classes, the log-odds of the second.
                1 => classes.slice(1, classes.len() - 1),
                _ => classes,
            });
            coefficients(last, &names, classes, ["intercepts", "intercept_standard_errors"])
        }
    }
}

/// The clusters, with centres in the units of the features.
fn clusters(step: &FittedStep, before: &[FittedStep]) -> Result<RecordBatch> {
    let (count, width) = (shape(step, "centres", 0), shape(step, "centres", 1));
    let mut centres: Vec<Vec<f64>> = values(step, "centres").chunks(width.max(1)).map(<[f64]>::to_vec).collect();
    for step in before.iter().rev() {
        let mean = values(step, "mean");
        for centre in &mut centres {
            *centre = match step.kind {
                StepKind::Pca => {
                    let components = values(step, "components").chunks_exact(mean.len().max(1));
                    let mut place = mean.to_vec();
                    for (component, along) in components.zip(centre.iter()) {
                        place.iter_mut().zip(component).for_each(|(place, part)| *place += along * part);
                    }
                    place
                }
                _ => {
                    let std = values(step, "std");
                    centre.iter().zip(mean).zip(std).map(|((score, mean), std)| score * std + mean).collect()
                }
            };
        }
    }
    table(vec![
        ("cluster", whole(0..count as i64)),
        ("size", Arc::new(values(step, "sizes").iter().map(|size| Some(*size as i64)).collect::<Int64Array>())),
        ("cost", numbers(values(step, "costs"))),
        ("centre", lists(centres.concat(), count)?),
    ])
}

/// A row for each coefficient, those of a class one after the other, the constant term first.
fn coefficients(
    step: &FittedStep,
    names: &[String],
    classes: Option<ArrayRef>,
    intercepts: [&str; 2],
) -> Result<RecordBatch> {
    let [terms, term_errors] = intercepts.map(|name| values(step, name));
    let width = names.len();
    let of = |name: &str, terms: &[f64]| {
        let mut all = Vec::with_capacity(terms.len() * (width + 1));
        for (term, rest) in terms.iter().zip(values(step, name).chunks(width.max(1))) {
            all.push(*term);
            all.extend_from_slice(rest);
        }
        all
    };
    let features = terms.iter().flat_map(|_| std::iter::once(INTERCEPT.to_string()).chain(names.iter().cloned()));
    let mut columns = Vec::new();
    if let Some(classes) = classes {
        let places: UInt32Array =
            (0..classes.len() as u32).flat_map(|class| std::iter::repeat_n(class, width + 1)).collect();
        columns.push(("class", take(&classes, &places, None)?));
    }
    columns.push(("feature", text(features.collect())));
    columns.push(("coefficient", numbers(&of("coefficients", terms))));
    columns.push(("standard_error", numbers(&of("standard_errors", term_errors))));
    table(columns)
}

fn values<'a>(step: &'a FittedStep, name: &str) -> &'a [f64] {
    let found = step.numbers.iter().find(|numbers: &&Numbers| numbers.name == name);
    found.map_or(&[], |numbers| numbers.values.as_slice())
}

fn shape(step: &FittedStep, name: &str, place: usize) -> usize {
    let found = step.numbers.iter().find(|numbers: &&Numbers| numbers.name == name);
    found.and_then(|numbers| numbers.shape.get(place)).copied().unwrap_or_default()
}

fn text(values: Vec<String>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

fn whole(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// Numbers, and NULL for what is none.
fn numbers(values: &[f64]) -> ArrayRef {
    Arc::new(values.iter().map(|value| Some(*value).filter(|value| !value.is_nan())).collect::<Float64Array>())
}

/// So many lists of the same length.
fn lists(values: Vec<f64>, count: usize) -> Result<ArrayRef> {
    let item = Arc::new(Field::new_list_field(DataType::Float64, true));
    let offsets = OffsetBuffer::from_repeated_length(values.len().checked_div(count).unwrap_or_default(), count);
    Ok(Arc::new(ListArray::try_new(item, offsets, Arc::new(Float64Array::from(values)), None)?))
}

fn table(columns: Vec<(&'static str, ArrayRef)>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))?)
}
