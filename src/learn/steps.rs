//! The steps of a model, as `USING` has them: `standard_scaler() | kmeans(k => 8)`.

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator, Value,
};
use pixmill_udfs::StepKind;

use super::statement::model_name;

/// The most clusters, and the most components.
const MOST_CLUSTERS: u64 = 10_000;
const MOST_COMPONENTS: u64 = 4096;

/// A step that is to be fitted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    /// Clusters or components.
    pub(super) k: usize,
    pub(super) seed: u64,
    pub(super) l2: f64,
    /// The column that it predicts.
    pub(super) label: Option<String>,
}

impl Step {
    /// The arguments as SQL has them.
    pub(super) fn arguments(&self) -> String {
        let label = self.label.as_ref().map(|label| format!("label => {}", crate::words::identifier(label)));
        let label = label.unwrap_or_default();
        match self.kind {
            StepKind::StandardScaler => String::new(),
            StepKind::Pca => format!("k => {}", self.k),
            StepKind::KMeans => format!("k => {}, seed => {}", self.k, self.seed),
            StepKind::LogisticRegression => format!("{label}, l2 => {}", self.l2),
            StepKind::OneVsRest => format!("logistic_regression({label}, l2 => {})", self.l2),
            StepKind::LinearRegression => label,
        }
    }
}

/// The steps of a `USING`.
///
/// # Errors
/// What is no step, or has arguments that the step can't have.
pub(super) fn steps(using: &Expr) -> Result<Vec<Step>> {
    let mut calls = Vec::new();
    flatten(using, &mut calls)?;
    let mut steps = Vec::new();
    for call in calls {
        let name = call.name.to_string().to_lowercase();
        // Every column but the label is part of the vector anyway.
        if name == "vector" {
            match arguments(call)?.as_slice() {
                [] => continue,
                _ => return plan_err!("USING vector() takes no arguments: it is made of every column but the label"),
            }
        }
        steps.push(step(&name, call)?);
    }
    let Some((last, before)) = steps.split_last() else {
        return plan_err!("USING: a model needs a step besides vector(), such as {}", names());
    };
    if let Some(step) = before.iter().find(|step| !step.kind.is_transform()) {
        return plan_err!(
            "USING: {} predicts, and so it comes last; {} stands behind it",
            step.kind.name(),
            last.kind.name()
        );
    }
    Ok(steps)
}

fn names() -> String {
    step_names().collect::<Vec<_>>().join(", ")
}

/// The names of all steps but `vector`.
pub(crate) fn step_names() -> impl Iterator<Item = &'static str> {
    StepKind::ALL.into_iter().map(|(name, _)| name)
}

/// The names of a step's arguments; none of what is no step.
pub(crate) fn step_parameters(step: &str) -> &'static [&'static str] {
    StepKind::named(step).map_or(&[], parameters)
}

fn parameters(kind: StepKind) -> &'static [&'static str] {
    match kind {
        StepKind::StandardScaler | StepKind::OneVsRest => &[],
        StepKind::Pca => &["k"],
        StepKind::KMeans => &["k", "seed"],
        StepKind::LogisticRegression => &["label", "l2"],
        StepKind::LinearRegression => &["label"],
    }
}

/// The calls of a chain, in their order.
fn flatten<'a>(expr: &'a Expr, calls: &mut Vec<&'a Function>) -> Result<()> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::BitwiseOr, right } => {
            flatten(left, calls)?;
            flatten(right, calls)
        }
        Expr::Function(call) => {
            calls.push(call);
            Ok(())
        }
        Expr::Nested(inner) => flatten(inner, calls),
        other => {
            plan_err!("USING takes steps with | between them, as in standard_scaler() | kmeans(k => 8), got {other}")
        }
    }
}

/// The arguments of a call with their names, if they have any.
fn arguments(call: &Function) -> Result<Vec<(Option<&Ident>, &Expr)>> {
    let list = match &call.args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => [].as_slice(),
    };
    let argument = |argument: &'_ _| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(_)) | FunctionArg::Named { arg: FunctionArgExpr::Expr(_), .. } => {
            Ok(())
        }
        other => plan_err!("USING {}: an argument must be a value or a column, got {other}", call.name),
    };
    list.iter().try_for_each(argument)?;
    Ok(list
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some((None, value)),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => Some((Some(name), value)),
            _ => None,
        })
        .collect())
}

fn step(name: &str, call: &Function) -> Result<Step> {
    let Some(kind) = StepKind::named(name) else {
        return plan_err!("USING: there is no step '{name}'; there are {}, and vector", names());
    };
    if kind == StepKind::OneVsRest {
        let inner = match arguments(call)?.as_slice() {
            [(None, Expr::Function(inner))] => step(&inner.name.to_string().to_lowercase(), inner)?,
            _ => {
                return plan_err!(
                    "USING one_vs_rest takes one step, as in one_vs_rest(logistic_regression(label => species))"
                );
            }
        };
        if inner.kind != StepKind::LogisticRegression {
            return plan_err!("USING one_vs_rest: it takes logistic_regression, got {}", inner.kind.name());
        }
        return Ok(Step { kind, ..inner });
    }
    let parameters = parameters(kind);
    let mut given: Vec<Option<&Expr>> = vec![None; parameters.len()];
    for (place, (argument, value)) in arguments(call)?.into_iter().enumerate() {
        let place = match argument {
            Some(argument) => parameters.iter().position(|parameter| argument.value.eq_ignore_ascii_case(parameter)),
            None => Some(place),
        };
        match place.and_then(|place| given.get_mut(place)) {
            Some(slot @ None) => *slot = Some(value),
            Some(Some(_)) => {
                return plan_err!(
                    "USING {name}: {} is given twice",
                    argument.map_or("an argument", |a| a.value.as_str())
                );
            }
            None => {
                let known = if parameters.is_empty() { "no arguments".to_string() } else { parameters.join(", ") };
                let got = argument.map_or_else(|| value.to_string(), |argument| argument.value.clone());
                return plan_err!("USING {name} takes {known}, got {got}");
            }
        }
    }
    let find = |wanted: &str| {
        let place = parameters.iter().position(|parameter| *parameter == wanted)?;
        given.get(place).copied().flatten()
    };
    let needed = |wanted: &str, example: &str| {
        find(wanted).ok_or_else(|| plan_datafusion_err!("USING {name}: {wanted} is missing; write {name}({example})"))
    };
    let mut step = Step { kind, k: 0, seed: 0, l2: 0.0, label: None };
    if parameters.contains(&"k") {
        let most = if kind == StepKind::Pca { MOST_COMPONENTS } else { MOST_CLUSTERS };
        step.k = whole(name, "k", needed("k", "k => 8")?, 1, most)? as usize;
    }
    if let Some(seed) = find("seed") {
        step.seed = whole(name, "seed", seed, 0, u64::from(u32::MAX))?;
    }
    if let Some(l2) = find("l2") {
        step.l2 = number(l2)
            .filter(|l2| *l2 >= 0.0 && l2.is_finite())
            .ok_or_else(|| plan_datafusion_err!("USING {name}: l2 must be a number from 0, got {l2}"))?;
    }
    if parameters.contains(&"label") {
        step.label = Some(match needed("label", "label => species")? {
            Expr::Identifier(column) => model_name(column),
            other => return plan_err!("USING {name}: label must be the name of a column of the query, got {other}"),
        });
    }
    Ok(step)
}

fn number(value: &Expr) -> Option<f64> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.to_string().parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(expr).map(|number| -number),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } | Expr::Nested(expr) => number(expr),
        _ => None,
    }
}

fn whole(step: &str, name: &str, value: &Expr, least: u64, most: u64) -> Result<u64> {
    let number =
        number(value).filter(|number| number.fract() == 0.0 && *number >= least as f64 && *number <= most as f64);
    match number {
        Some(number) => Ok(number as u64),
        None => plan_err!("USING {step}: {name} must be a whole number from {least} to {most}, got {value}"),
    }
}
