//! `log_loss`: how improbable predictions have found what is true.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Fields, Float64Type, Int64Type};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, check_count, required};
use crate::support::function::{Aggregate, Function};
use crate::support::linear_model::numbers_type;
use crate::support::sums::{Metric, Sums};
use crate::support::vectors::Vectors;

/// The SQL function `log_loss`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The mean of -ln(p) where p is the probability that a prediction gave to a row's true label, as an aggregate, Float64: also called \
cross-entropy; 0 if all were certain and right. A probability of 0 or 1 counts as 2.2e-16 or 1 less that, as in scikit-learn. Rows where one of \
the arguments is or holds NULL are left out; NULL without a row. Probabilities that aren't from 0 to 1, or of several classes that don't sum to 1, \
are an error, and so is a label that is no class. The sum is exact: the result is the same whatever the order and the partitions are. DISTINCT and \
window frames whose start moves are refused.",
    syntax_example = "log_loss(label, probabilities)",
    sql_example = r#"```sql
> SELECT log_loss(label, {daisy: p, rose: 1 - p}) AS loss, log_loss(label = 'daisy', p) AS same FROM (VALUES ('daisy', 0.9), ('daisy', 0.6), ('rose', 0.2)) AS t(label, p);
+--------------------+--------------------+
| loss               | same               |
+--------------------+--------------------+
| 0.2797765635793423 | 0.2797765635793423 |
+--------------------+--------------------+
```"#,
    argument(
        name = "label",
        description = "The true label: a boolean, the number of a class, the first being 0, or the name of one."
    ),
    argument(
        name = "probabilities",
        description = "For a boolean the probability that it is true; for a number the list of the classes' probabilities; for a name a struct of \
them, whose fields are the classes."
    )
)]
#[derive(Debug, Default)]
pub(crate) struct LogLoss;

impl Function for LogLoss {
    const NAME: &'static str = "log_loss";
    const PARAMETERS: &'static [Parameter] = &[required("label", Kind::Any), required("probabilities", Kind::Any)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        use DataType::{Boolean, FixedSizeList, Float64, Int64, LargeList, List, Null, Struct, Utf8};
        check_count(Self::NAME, Self::PARAMETERS, types)?;
        let (label, probabilities) = (&types[0], &types[1]);
        let label = if let DataType::Dictionary(_, values) = label { values } else { label };
        let coerced = match (label, probabilities) {
            (Boolean | Null, given) if given.is_numeric() || given.is_null() => [Boolean, Float64],
            (Boolean, Null) => [Boolean, Float64],
            (given, List(_) | LargeList(_) | FixedSizeList(..)) if given.is_integer() || given.is_null() => {
                [Int64, numbers_type()]
            }
            (given, Struct(classes)) if (given.is_string() || given.is_null()) && are_numbers(classes) => {
                [Utf8, probabilities.clone()]
            }
            _ => {
                return plan_err!(
                    "log_loss takes a boolean and a number, the number of a class and a list, or the name of one and a struct of numbers, \
                     got {label} and {probabilities}"
                );
            }
        };
        Ok(coerced.to_vec())
    }
}

fn are_numbers(classes: &Fields) -> bool {
    classes.iter().all(|class| class.data_type().is_numeric())
}

impl Aggregate for LogLoss {
    fn data_type() -> DataType {
        DataType::Float64
    }

    fn state() -> Vec<(&'static str, DataType)> {
        Sums::state_fields()
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Metric::mean(update))
    }
}

fn update(sums: &mut Sums, values: &[ArrayRef]) -> Result<()> {
    let [labels, probabilities] = values else { return internal_err!("log_loss: 2 arguments, got {}", values.len()) };
    let mut add = |probability: f64| {
        sums.rows += 1;
        sums.sums[0].add(-probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln());
    };
    match probabilities.data_type() {
        DataType::List(_) => {
            let probabilities = Vectors::try_new(probabilities)?;
            for (row, label) in labels.as_primitive::<Int64Type>().iter().enumerate() {
                if let (Some(label), Some(classes)) = (label, probabilities.get(row)) {
                    check(classes)?;
                    let found = usize::try_from(label).ok().and_then(|label| classes.get(label));
                    add(*found.ok_or_else(|| {
                        let count = classes.len();
                        exec_datafusion_err!(
                            "log_loss: label must be the number of one of {count} classes, from 0, got {label}"
                        )
                    })?);
                }
            }
        }
        DataType::Struct(fields) => update_by_name(labels, probabilities, fields, add)?,
        _ => {
            for (label, probability) in labels.as_boolean().iter().zip(probabilities.as_primitive::<Float64Type>()) {
                if let (Some(label), Some(probability)) = (label, probability) {
                    check(&[probability, 1.0 - probability])?;
                    add(if label { probability } else { 1.0 - probability });
                }
            }
        }
    }
    Ok(())
}

fn update_by_name(
    labels: &ArrayRef,
    probabilities: &ArrayRef,
    fields: &Fields,
    mut add: impl FnMut(f64),
) -> Result<()> {
    let mut columns: Vec<Float64Array> = Vec::with_capacity(fields.len());
    for column in probabilities.as_struct().columns() {
        columns.push(cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone());
    }
    let mut classes = vec![0.0; columns.len()];
    for (row, label) in labels.as_string::<i32>().iter().enumerate() {
        let is_known = probabilities.is_valid(row) && columns.iter().all(|column| column.is_valid(row));
        let Some(label) = label.filter(|_| is_known) else { continue };
        for (class, column) in classes.iter_mut().zip(&columns) {
            *class = column.value(row);
        }
        check(&classes)?;
        let Some((class, _)) = fields.find(label) else {
            let names: Vec<String> = fields.iter().map(|field| format!("'{}'", field.name())).collect();
            return exec_err!("log_loss: label '{label}' is no class of the probabilities: {}", names.join(", "));
        };
        add(classes[class]);
    }
    Ok(())
}

/// Checks the probabilities of all classes, which may have been rounded to Float32.
fn check(classes: &[f64]) -> Result<()> {
    const ROUNDING: f64 = 1e-3;
    if let Some(other) = classes.iter().find(|class| !(-ROUNDING..=1.0 + ROUNDING).contains(*class)) {
        return exec_err!("log_loss: probabilities must be 0 to 1, got {other}");
    }
    let sum: f64 = classes.iter().sum();
    if (sum - 1.0).abs() > ROUNDING {
        return exec_err!("log_loss: the probabilities of all classes must sum to 1, got {sum}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BooleanArray, Int64Array, StringArray, StructArray};
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::support::testing::{aggregate, assert_close, classes, vectors};

    fn loss(parts: &[Vec<ArrayRef>]) -> f64 {
        let ScalarValue::Float64(Some(loss)) = aggregate::<LogLoss>(parts).expect("a number") else {
            panic!("no number")
        };
        loss
    }

    fn error(labels: ArrayRef, probabilities: ArrayRef) -> String {
        aggregate::<LogLoss>(&[vec![labels, probabilities]]).expect_err("refused").strip_backtrace()
    }

    /// The label's number and the probabilities of three classes.
    fn numbered(rows: &[(usize, [f64; 3])]) -> Vec<ArrayRef> {
        let labels = Int64Array::from_iter_values(rows.iter().map(|(label, _)| *label as i64));
        let lists: Vec<Vec<f64>> = rows.iter().map(|(_, classes)| classes.to_vec()).collect();
        vec![Arc::new(labels), vectors(&lists)]
    }

    /// The same with the classes' names.
    fn named(rows: &[(usize, [f64; 3])]) -> Vec<ArrayRef> {
        const NAMES: [&str; 3] = ["daisy", "rose", "tulip"];
        let labels = StringArray::from_iter_values(rows.iter().map(|(label, _)| NAMES[*label]));
        let column = |class: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|(_, classes)| classes[class])))
        };
        let fields: Fields = NAMES.iter().map(|name| Field::new(*name, DataType::Float64, true)).collect();
        let classes = StructArray::try_new(fields, (0..3).map(column).collect(), None).expect("a struct");
        vec![Arc::new(labels), Arc::new(classes)]
    }

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`. A probability is 0.
    #[test]
    fn is_that_of_scikit_learn_in_any_form_and_any_parts() {
        let rows = classes();
        let whole = loss(&[numbered(&rows)]);
        assert_close(&[whole], &[1.3409152746991448], 1e-12);
        assert_eq!(loss(&[named(&rows)]), whole);
        for size in [20, 6] {
            let parts: Vec<_> = rows.chunks(size).rev().map(numbered).collect();
            assert_eq!(loss(&parts), whole, "parts of {size} rows");
        }
        let labels = BooleanArray::from_iter(rows.iter().map(|(label, _)| Some(*label == 0)));
        let first = Float64Array::from_iter_values(rows.iter().map(|(_, classes)| classes[0]));
        assert_close(&[loss(&[vec![Arc::new(labels), Arc::new(first)]])], &[0.7026463890585767], 1e-12);
    }

    #[test]
    fn rows_with_null_are_left_out() {
        let labels: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(true)]));
        let probabilities: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5), Some(0.1), None]));
        assert_eq!(loss(&[vec![labels, probabilities]]), 2.0_f64.ln());
    }

    #[test]
    fn certainty_has_a_bound() {
        let labels: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        let probabilities: ArrayRef = Arc::new(Float64Array::from(vec![0.0]));
        assert_eq!(loss(&[vec![labels, probabilities]]), -f64::EPSILON.ln());
    }

    #[test]
    fn what_isnt_probabilities_of_the_label_is_told() {
        let label = |number: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![number])) };
        let list = |classes: &[f64]| vectors(&[classes.to_vec()]);
        assert_eq!(
            error(label(0), list(&[2.5, 0.5])),
            "Execution error: log_loss: probabilities must be 0 to 1, got 2.5"
        );
        assert_eq!(
            error(label(0), list(&[f64::NAN, 0.5])),
            "Execution error: log_loss: probabilities must be 0 to 1, got NaN"
        );
        assert_eq!(
            error(label(0), list(&[0.5, 0.25])),
            "Execution error: log_loss: the probabilities of all classes must sum to 1, got 0.75"
        );
        for number in [-1, 2] {
            let error = error(label(number), list(&[0.5, 0.5]));
            assert!(
                error.contains(&format!("label must be the number of one of 2 classes, from 0, got {number}")),
                "{error}"
            );
        }
        let [_, classes] = named(&classes()[..1]).try_into().expect("two columns");
        assert_eq!(
            error(Arc::new(StringArray::from(vec!["dahlia"])), classes),
            "Execution error: log_loss: label 'dahlia' is no class of the probabilities: 'daisy', 'rose', 'tulip'"
        );
    }

    #[test]
    fn labels_and_probabilities_go_together() {
        let list = DataType::new_list(DataType::Float32, true);
        let coerced = LogLoss::coerce(&[DataType::Int8, list.clone()]).expect("coerced");
        assert_eq!(coerced, [DataType::Int64, numbers_type()]);
        let error = LogLoss::coerce(&[DataType::Utf8, list]).expect_err("refused").strip_backtrace();
        assert!(error.contains("or the name of one and a struct of numbers, got Utf8 and List("), "{error}");
    }
}
