//! `EVALUATE MODEL`: how well a model does on rows, as rows of metric, class and value.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, Result, exec_datafusion_err, plan_err};
use datafusion::functions::expr_fn::{get_field, named_struct};
use datafusion::functions_aggregate::expr_fn::{array_agg, avg, count, sum};
use datafusion::functions_nested::expr_fn::make_array;

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, cast, col, lit, scalar_subquery};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{Ident, Query};
use pixmill_udfs::{Answer, FittedModel, FittedModels, FittedTo, StepKind, prediction};

use super::names::Models;
use super::statement::model_name;
use crate::words::{identifier, quoted};

/// The most classes of which each has metrics of its own.
const MOST_CLASSES: usize = 1000;

/// What an evaluation is planned as.
pub(crate) enum Evaluation {
    /// A text of SQL.
    Sql(String),
    /// A query over the rows' plan.
    OfClusters(Arc<FittedModel>),
}

/// What evaluates a model on the rows of a query.
///
/// # Errors
/// There is no such model, or nothing that it predicts.
pub(crate) fn evaluation(ctx: &SessionContext, name: &Ident, is_confusion: bool, query: &Query) -> Result<Evaluation> {
    let name = model_name(name);
    let Some(models) = Models::of(&ctx.copied_config()) else { return plan_err!("this session has no models") };
    let model = models.find(&name)?;
    let features: Vec<String> = model.fitted_to().features.iter().map(|feature| identifier(&feature.name)).collect();
    let features = features.join(", ");
    let kind = model.kind();
    if is_confusion && !kind.is_classifier() {
        return plan_err!(
            "EVALUATE MODEL {name} CONFUSION: {} has no classes that could be taken for others",
            kind.name()
        );
    }
    let label = model.fitted_to().label.as_ref().map(|label| identifier(&label.name)).unwrap_or_default();
    let name = quoted(&name);
    let rows = format!(
        "SELECT {label} AS label, predict({name}, {features}) AS predicted FROM ({query}) AS rows_of_model WHERE {label} IS NOT NULL"
    );
    Ok(match kind {
        StepKind::KMeans => Evaluation::OfClusters(model),
        StepKind::StandardScaler | StepKind::Pca => {
            return plan_err!("EVALUATE MODEL {name}: {} predicts nothing that could be right or wrong", kind.name());
        }
        StepKind::LinearRegression => Evaluation::Sql(format!(
            "SELECT m.metric AS metric, m.value AS value FROM (SELECT unnest([
               named_struct('metric', 'rows', 'value', CAST(count(predicted) AS DOUBLE)),
               named_struct('metric', 'rmse', 'value', rmse(label, predicted)),
               named_struct('metric', 'mean_absolute_error', 'value', mean_absolute_error(label, predicted)),
               named_struct('metric', 'r2', 'value', r2_score(label, predicted))]) AS m FROM ({rows}) AS p) AS metrics"
        )),
        _ if is_confusion => Evaluation::Sql(format!(
            "SELECT label, predicted, count(*) AS rows FROM ({rows}) AS p WHERE predicted IS NOT NULL GROUP BY label, predicted \
             ORDER BY label, predicted"
        )),
        _ => {
            let probabilities = format!("predict_probabilities({name}, {features}) AS probabilities");
            let rows = rows.replacen(" AS predicted FROM", &format!(" AS predicted, {probabilities} FROM"), 1);
            Evaluation::Sql(of_classes(&model, &rows)?)
        }
    })
}

/// The metrics of a classifier, all in one pass over its predictions.
fn of_classes(model: &FittedModel, rows: &str) -> Result<String> {
    let names = model.class_names()?.unwrap_or_default();
    let metric = |metric: &str, class: &str, value: &str| {
        format!("named_struct('metric', {}, 'class', {class}, 'value', {value})", quoted(metric))
    };
    let mut sums = vec![
        "CAST(count(*) AS DOUBLE) AS rows".to_string(),
        "accuracy(label, predicted) AS accuracy".to_string(),
        "log_loss(CAST(label AS VARCHAR), probabilities) AS log_loss".to_string(),
    ];
    let none = "CAST(NULL AS VARCHAR)";
    let mut metrics =
        vec![metric("rows", none, "rows"), metric("accuracy", none, "accuracy"), metric("log_loss", none, "log_loss")];
    let is_told = names.len() <= MOST_CLASSES;
    let told = if is_told { names.as_slice() } else { &[] };
    for (place, class) in told.iter().enumerate() {
        let is = |column: &str| format!("CAST({column} AS VARCHAR) = {}", quoted(class));
        sums.push(format!(
            "CAST(count(*) FILTER (WHERE {} AND {}) AS DOUBLE) AS right_{place}",
            is("label"),
            is("predicted")
        ));
        sums.push(format!("CAST(count(*) FILTER (WHERE {}) AS DOUBLE) AS true_{place}", is("label")));
        sums.push(format!("CAST(count(*) FILTER (WHERE {}) AS DOUBLE) AS predicted_{place}", is("predicted")));
        sums.push(format!("roc_auc({}, probabilities[{}]) AS auc_{place}", is("label"), quoted(class)));
        let class = quoted(class);
        metrics.push(metric("precision", &class, &format!("right_{place} / nullif(predicted_{place}, 0)")));
        metrics.push(metric("recall", &class, &format!("right_{place} / nullif(true_{place}, 0)")));
        metrics.push(metric("f1", &class, &format!("2 * right_{place} / nullif(predicted_{place} + true_{place}, 0)")));
        metrics.push(metric("roc_auc", &class, &format!("auc_{place}")));
    }
    Ok(format!(
        "SELECT m.metric AS metric, m.class AS class, m.value AS value FROM (SELECT unnest([{}]) AS m FROM (SELECT {} FROM \
         ({rows}) AS p WHERE predicted IS NOT NULL) AS sums) AS metrics",
        metrics.join(", "),
        sums.join(", ")
    ))
}

/// The metrics of clusters, over the plan of a query's rows.
///
/// # Errors
/// Rows without a column of the model's.
pub(crate) fn of_clusters(model: &Arc<FittedModel>, rows: LogicalPlan) -> Result<LogicalPlan> {
    let features = model.fitted_to().features.iter();
    let features = features.map(|feature| Expr::Column(Column::new_unqualified(&feature.name))).collect();
    let vector = function("vector")?.call(features);
    // Clusters are told apart by what the steps before have made of the features.
    let x = match model.steps().split_last() {
        Some((_, before @ [_, ..])) => {
            let before = FittedModel::try_new(before.to_vec(), FittedTo { label: None, ..model.fitted_to().clone() })?;
            prediction(Arc::new(before), Answer::Prediction)?.call(vec![vector.clone()])
        }
        _ => vector.clone(),
    };
    let cluster = prediction(Arc::clone(model), Answer::Prediction)?.call(vec![vector.clone()]);
    let distance = prediction(Arc::clone(model), Answer::SquaredDistance)?.call(vec![vector]);
    let clustered = LogicalPlanBuilder::from(rows)
        .alias("rows_of_model")?
        .project(vec![x.alias("x"), cluster.alias("cluster"), distance.alias("distance")])?
        .filter(col("cluster").is_not_null())?;
    let scaler = pixmill_udfs::aggregates().into_iter().find(|function| function.name() == "standard_scaler");
    let scaler = scaler.ok_or_else(|| exec_datafusion_err!("internal error: there is no standard_scaler"))?;
    let of_cluster = ["n", "mean", "std"].into_iter().flat_map(|name| [lit(name), get_field(col("found"), name)]);
    let clusters = clustered
        .clone()
        .aggregate(vec![col("cluster")], vec![scaler.call(vec![col("x")]).alias("found")])?
        .project(vec![
            named_struct([lit("cluster"), col("cluster")].into_iter().chain(of_cluster).collect()).alias("found"),
        ])?
        .aggregate(Vec::<Expr>::new(), vec![array_agg(col("found")).alias("clusters")])?
        .build()?;
    let silhouette = function("silhouette")?.call(vec![col("x"), col("cluster"), scalar_subquery(Arc::new(clusters))]);
    let metric = |name: &str, value: &str| {
        named_struct(vec![lit("metric"), lit(name), lit("value"), cast(col(value), DataType::Float64)])
    };
    let metrics = make_array(vec![metric("rows", "rows"), metric("cost", "cost"), metric("silhouette", "silhouette")]);
    let field = |name: &str| get_field(col("metrics"), name).alias(name);
    clustered
        .project(vec![col("distance"), silhouette.alias("silhouette")])?
        .aggregate(
            Vec::<Expr>::new(),
            vec![
                count(col("distance")).alias("rows"),
                sum(col("distance")).alias("cost"),
                avg(col("silhouette")).alias("silhouette"),
            ],
        )?
        .project(vec![metrics.alias("metrics")])?
        .unnest_column("metrics")?
        .project(vec![field("metric"), field("value")])?
        .build()
}

fn function(name: &str) -> Result<ScalarUDF> {
    let found = pixmill_udfs::all().into_iter().find(|function| function.name() == name);
    found.ok_or_else(|| exec_datafusion_err!("internal error: there is no function {name}"))
}
