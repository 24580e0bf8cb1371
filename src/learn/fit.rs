//! Fitting: the steps of a model one after the other, each in as many rounds over the rows as it needs.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use pixmill_learn::{Estimator, Numbers};
use pixmill_udfs::{Answer, FittedFeature, FittedModel, FittedStep, FittedTo, StepKind, prediction};

use super::file::Target;
use super::gather::{Columns, Gathered, gather};
use super::names::{Models, Named};
use super::rounds::RowsOfModel;
use super::spill::SpillPlace;
use super::statement::{CreateModel, model_name};
use super::steps::{Step, steps};
use crate::exec::LostRows;
use crate::storage::while_others_go_on;

/// A model that is to be fitted.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    name: String,
    steps: Vec<Step>,
    columns: Columns,
    target: Option<Target>,
    query: String,
    or_replace: bool,
    if_not_exists: bool,
    rounds: Rounds,
}

/// How far a fit is, for people to see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds(Arc<Mutex<Option<String>>>);

impl Rounds {
    /// The step, its round, and what it has come to.
    pub(crate) fn text(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn say(&self, text: String) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(text);
    }
}

impl Fit {
    /// Checks what can be known before any row is there, and gives the query of the rows. `query` is the plan of what stands behind AS.
    ///
    /// # Errors
    /// Steps, columns, a name or a location that can't be.
    pub(crate) fn plan(ctx: &SessionContext, create: &CreateModel, query: LogicalPlan) -> Result<(Self, LogicalPlan)> {
        let name = model_name(&create.name);
        let steps = steps(&create.using)?;
        let config = ctx.copied_config();
        if let Some(models) = Models::of(&config) {
            models.check_new(&name, create.or_replace, create.if_not_exists)?;
        }
        let last = steps.last();
        let label = last.and_then(|step| step.label.as_deref());
        let columns = Columns::of(&query, label, last.is_some_and(|step| step.kind.is_classifier()))?;
        let target = create.location.as_deref().map(|location| Target::try_new(location, create.or_replace, &config));
        let plan = columns.gathered(query)?;
        let fit = Self {
            name,
            steps,
            columns,
            target: target.transpose()?,
            query: create.query.to_string(),
            or_replace: create.or_replace,
            if_not_exists: create.if_not_exists,
            rounds: Rounds::default(),
        };
        Ok((fit, plan))
    }

    /// What is told of the model that was fitted.
    pub(crate) fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("model", DataType::Utf8, false),
            Field::new("rows", DataType::Int64, false),
            Field::new("left_out", DataType::Int64, false),
            Field::new("rounds", DataType::Int64, false),
            Field::new("converged", DataType::Boolean, false),
            Field::new("measure", DataType::Utf8, true),
            Field::new("value", DataType::Float64, true),
            Field::new("notes", DataType::Utf8, true),
        ]))
    }

    /// Whether it is written to a file.
    pub(crate) fn has_location(&self) -> bool {
        self.target.is_some()
    }

    /// How far it is.
    pub(crate) fn rounds(&self) -> Rounds {
        self.rounds.clone()
    }

    /// Whether there is something to do.
    pub(crate) fn is_needed(&self, ctx: &SessionContext) -> Result<bool> {
        match Models::of(&ctx.copied_config()) {
            Some(models) => models.check_new(&self.name, self.or_replace, self.if_not_exists),
            None => exec_err!("this session has no models"),
        }
    }

    /// Gathers the rows, fits the steps, and gives the model its name. Nothing is changed where that fails, or is given up. Rows that memory
    /// has no room for are beside the model where other processes work, too.
    ///
    /// # Errors
    /// What stopped the query; rows that the steps can't be fitted to; a file that can't be written.
    pub(crate) async fn run(
        self,
        ctx: &SessionContext,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        is_distributed: bool,
    ) -> Result<RecordBatch> {
        let place = match &self.target {
            Some(target) if is_distributed => SpillPlace::Beside(target.clone()),
            _ => SpillPlace::Temporary(Arc::clone(&context.runtime_env().disk_manager)),
        };
        let mut runs = 0;
        let gathered = loop {
            match gather(&self.columns, Arc::clone(&plan), &context, place.clone()).await {
                Err(error) if LostRows::may_come_again(&error, &mut runs) => {}
                gathered => break gathered?,
            }
        };
        let model = self.fitted(ctx, &context, gathered).await?;
        let told = told(&self.name, &model)?;
        if let Some(target) = &self.target {
            target.write(&model)?;
        }
        let models =
            Models::of(&ctx.copied_config()).ok_or_else(|| exec_datafusion_err!("this session has no models"))?;
        models.check_new(&self.name, self.or_replace, false)?;
        let location = self.target.as_ref().map(|target| target.location().to_string());
        models.put(self.name, Named { model: Arc::new(model), location });
        Ok(told)
    }

    async fn fitted(&self, ctx: &SessionContext, context: &TaskContext, gathered: Gathered) -> Result<FittedModel> {
        // As many as statements have here.
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let Gathered { features, label, classes, kept, rows, left_out } = gathered;
        let fitted_to =
            |label| FittedTo { features: features.clone(), label, rows, left_out, query: self.query.clone() };
        let mut names = numbered(&features);
        let mut of_model = RowsOfModel::new(kept, ctx, context, threads)?;
        let mut fitted: Vec<FittedStep> = Vec::new();
        for step in &self.steps {
            let what = format!("{} ({}/{})", step.kind.name(), fitted.len() + 1, self.steps.len());
            self.rounds.say(what.clone());
            fitted.push(match step.kind {
                StepKind::StandardScaler => scaler(&of_model, &names).await?,
                StepKind::Pca => pca(&of_model, step).await?,
                _ => {
                    if let Some(classes) = label.as_ref().and_then(|label| label.classes.as_ref())
                        && classes.len() < 2
                    {
                        return exec_err!(
                            "CREATE MODEL {}: the label has one class only, in {rows} rows; there must be two or more",
                            self.name
                        );
                    }
                    self.estimated(step, &names, &of_model, &classes, rows, &what).await?
                }
            });
            if step.kind.is_transform() && fitted.len() < self.steps.len() {
                let so_far = Arc::new(FittedModel::try_new(fitted.clone(), fitted_to(None))?);
                // Each step's input comes from the one before it, and the first one's from the features.
                of_model = of_model.transformed(&prediction(last_of(&so_far)?, Answer::Prediction)?).await?;
                if step.kind == StepKind::Pca {
                    let count = so_far.steps().last().map_or(0, |step| components(&step.numbers));
                    names = (1..=count).map(|number| format!("component {number}")).collect();
                }
            }
        }
        FittedModel::try_new(fitted, fitted_to(label))
    }

    async fn estimated(
        &self,
        step: &Step,
        names: &[String],
        of_model: &RowsOfModel,
        classes: &[f64],
        rows: u64,
        what: &str,
    ) -> Result<FittedStep> {
        let count = classes.len();
        let estimator = match step.kind {
            StepKind::KMeans => Estimator::KMeans { k: step.k, seed: step.seed },
            StepKind::LogisticRegression => Estimator::LogisticRegression { classes: count, l2: step.l2 },
            StepKind::OneVsRest => Estimator::OneVsRest { classes: count, l2: step.l2 },
            _ => Estimator::LinearRegression,
        };
        let failed = |error: pixmill_learn::Error| exec_datafusion_err!("CREATE MODEL {}: {error}", self.name);
        let mut fitting = estimator.fitting(names.to_vec()).map_err(failed)?;
        while let Some(pass) = fitting.pass() {
            let started = Instant::now();
            let sums = of_model.pass(pass, classes).await?;
            while_others_go_on(|| fitting.take(&sums)).map_err(failed)?;
            let progress = fitting.progress();
            let speed = rows as f64 / started.elapsed().as_secs_f64().max(1e-9);
            let objective = progress.objective.map(|(name, value)| format!(", {name} {value:.6}"));
            self.rounds.say(format!(
                "{what}: round {}{}, {speed:.0} rows/s",
                progress.round,
                objective.unwrap_or_default()
            ));
        }
        let found = fitting.finish().map_err(failed)?;
        Ok(FittedStep {
            kind: step.kind,
            arguments: step.arguments(),
            rounds: found.rounds as u64,
            converged: found.converged,
            numbers: found.numbers,
            notes: found.notes,
        })
    }
}

/// A name for each number of the vectors.
pub(super) fn numbered(features: &[FittedFeature]) -> Vec<String> {
    let names = features.iter().flat_map(|feature| {
        let is_list = feature.data_type.contains("List");
        (1..=feature.numbers).map(move |number| match is_list {
            true => format!("{}[{number}]", feature.name),
            false => feature.name.clone(),
        })
    });
    names.collect()
}

fn components(numbers: &[Numbers]) -> usize {
    let components = numbers.iter().find(|numbers| numbers.name == "components");
    components.and_then(|components| components.shape.first()).copied().unwrap_or_default()
}

/// A model of the last step alone, for rows that have come through the others.
fn last_of(model: &FittedModel) -> Result<Arc<FittedModel>> {
    let Some(last) = model.steps().last() else { return exec_err!("internal error: a model without steps") };
    let mean = last.numbers.iter().find(|numbers| numbers.name == "mean");
    let numbers = mean.map_or(0, |mean| mean.values.len());
    let features = vec![FittedFeature { name: "x".to_string(), data_type: "List".to_string(), numbers }];
    let fitted_to = FittedTo { features, label: None, ..model.fitted_to().clone() };
    Ok(Arc::new(FittedModel::try_new(vec![last.clone()], fitted_to)?))
}

fn aggregate(name: &str) -> Result<AggregateUDF> {
    let found = pixmill_udfs::aggregates().into_iter().find(|function| function.name() == name);
    found.ok_or_else(|| exec_datafusion_err!("internal error: there is no aggregate {name}"))
}

/// The numbers of a field of a struct that an aggregate gave, those of lists of lists one behind the other.
fn field(found: &ArrayRef, name: &str) -> Result<(usize, Vec<f64>)> {
    let column = found.as_struct_opt().and_then(|found| found.column_by_name(name));
    let Some(lists) = column.and_then(|column| column.as_list_opt::<i32>()) else {
        return exec_err!("internal error: an aggregate without {name}");
    };
    if lists.is_null(0) {
        return Ok((0, Vec::new()));
    }
    let list = lists.value(0);
    let numbers = match list.as_list_opt::<i32>() {
        Some(inner) => {
            let offsets = inner.value_offsets();
            let (start, end) = (offsets[0] as usize, offsets[inner.len()] as usize);
            inner.values().slice(start, end - start)
        }
        None => Arc::clone(&list),
    };
    let Some(numbers) = numbers.as_primitive_opt::<Float64Type>() else {
        return exec_err!("internal error: {name} are no numbers");
    };
    Ok((list.len(), numbers.values().to_vec()))
}

fn vector(name: &str, values: Vec<f64>) -> Numbers {
    Numbers { name: name.to_string(), shape: vec![values.len()], values }
}

async fn scaler(rows: &RowsOfModel, names: &[String]) -> Result<FittedStep> {
    let found = rows.aggregate(&aggregate("standard_scaler")?, Vec::new()).await?;
    let (_, mean) = field(&found, "mean")?;
    let (_, mut std) = field(&found, "std")?;
    // One row has no deviation.
    std.resize(mean.len(), 0.0);
    let constant: Vec<&str> =
        names.iter().zip(&std).filter(|(_, std)| **std == 0.0).map(|(name, _)| name.as_str()).collect();
    let notes = if constant.is_empty() { Vec::new() } else { vec![format!("constant: {}", constant.join(", "))] };
    let numbers = vec![vector("mean", mean), vector("std", std)];
    Ok(FittedStep {
        kind: StepKind::StandardScaler,
        arguments: String::new(),
        rounds: 1,
        converged: true,
        numbers,
        notes,
    })
}

async fn pca(rows: &RowsOfModel, step: &Step) -> Result<FittedStep> {
    let found = rows.pca(&aggregate("pca")?, step.k).await?;
    let (_, mean) = field(&found, "mean")?;
    let (count, components) = field(&found, "components")?;
    if count == 0 {
        return exec_err!(
            "CREATE MODEL: pca finds no component, because the rows are all the same, or there is only one"
        );
    }
    let note = found.as_struct_opt().and_then(|found| found.column_by_name("note")).cloned();
    let note = note.as_ref().and_then(|note| note.as_string_opt::<i32>()).filter(|note| note.is_valid(0));
    let numbers = vec![
        Numbers { name: "components".to_string(), shape: vec![count, mean.len()], values: components },
        vector("explained_variance", field(&found, "explained_variance")?.1),
        vector("explained_variance_ratio", field(&found, "explained_variance_ratio")?.1),
        vector("mean", mean),
    ];
    Ok(FittedStep {
        kind: StepKind::Pca,
        arguments: step.arguments(),
        rounds: 1,
        converged: true,
        numbers,
        notes: note.map(|note| note.value(0).to_string()).into_iter().collect(),
    })
}

/// What is told of a model.
fn told(name: &str, model: &FittedModel) -> Result<RecordBatch> {
    let steps = model.steps();
    let notes: Vec<&str> = steps.iter().flat_map(|step| &step.notes).map(String::as_str).collect();
    // Each class against all others has a loss of its own.
    let measure = steps.last().filter(|step| step.kind != StepKind::OneVsRest).and_then(|step| {
        let measures = ["cost", "log_loss", "r2"];
        let found = measures.iter().find_map(|measure| step.numbers.iter().find(|numbers| numbers.name == *measure));
        found.and_then(|found| Some((found.name.clone(), *found.values.first()?)))
    });
    let fitted_to = model.fitted_to();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![name])),
        Arc::new(Int64Array::from(vec![fitted_to.rows as i64])),
        Arc::new(Int64Array::from(vec![fitted_to.left_out as i64])),
        Arc::new(Int64Array::from(vec![steps.iter().map(|step| step.rounds as i64).sum::<i64>()])),
        Arc::new(BooleanArray::from(vec![steps.iter().all(|step| step.converged)])),
        Arc::new(StringArray::from(vec![measure.as_ref().map(|(name, _)| name.as_str())])),
        Arc::new(Float64Array::from(vec![measure.as_ref().map(|(_, value)| *value).filter(|value| !value.is_nan())])),
        Arc::new(StringArray::from(vec![Some(notes.join("; ")).filter(|notes| !notes.is_empty())])),
    ];
    Ok(RecordBatch::try_new(Fit::schema(), columns)?)
}
