//! `accuracy`: how many predictions are right.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err, plan_datafusion_err};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, check_count, required};
use crate::support::function::{Aggregate, Function};
use crate::support::sums::{Metric, Sums};

/// The SQL function `accuracy`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The part of the rows whose prediction is their label, 0 to 1, as an aggregate, Float64. Rows where one of them is NULL are left \
out; NULL without a row. DISTINCT and window frames whose start moves are refused. A confusion matrix is `SELECT label, predicted, count(*) ... \
GROUP BY label, predicted`.",
    syntax_example = "accuracy(label, predicted)",
    sql_example = r#"```sql
> SELECT accuracy(label, predicted) AS accuracy FROM (VALUES ('daisy', 'daisy'), ('rose', 'daisy'), ('rose', 'rose'), ('tulip', 'tulip')) AS p(label, predicted);
+----------+
| accuracy |
+----------+
| 0.75     |
+----------+
```"#,
    argument(name = "label", description = "The true label: text, a number, a boolean or the like."),
    argument(name = "predicted", description = "The predicted one, of a type that compares with the label's.")
)]
#[derive(Debug, Default)]
pub(crate) struct Accuracy;

impl Function for Accuracy {
    const NAME: &'static str = "accuracy";
    const PARAMETERS: &'static [Parameter] = &[required("label", Kind::Any), required("predicted", Kind::Any)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        check_count(Self::NAME, Self::PARAMETERS, types)?;
        let (label, predicted) = (&types[0], &types[1]);
        let common = comparison_coercion(label, predicted).filter(|common| !common.is_nested());
        let common = common.ok_or_else(|| {
            plan_datafusion_err!("accuracy: label and predicted must compare, got {label} and {predicted}")
        })?;
        Ok(vec![common; 2])
    }
}

impl Aggregate for Accuracy {
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
    let [label, predicted] = values else { return internal_err!("accuracy: 2 arguments, got {}", values.len()) };
    if label.data_type().is_null() {
        return Ok(());
    }
    let are_right = eq(label, predicted)?;
    sums.rows += (are_right.len() - are_right.null_count()) as i64;
    sums.sums[0].add(are_right.true_count() as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int64Array, StringArray};
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::support::testing::aggregate;

    #[test]
    fn rows_with_null_are_left_out() {
        let label: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), Some("b")]));
        let predicted: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("a"), None, Some("a")]));
        let parts = [vec![label.slice(0, 3), predicted.slice(0, 3)], vec![label.slice(3, 1), predicted.slice(3, 1)]];
        assert_eq!(aggregate::<Accuracy>(&parts).expect("a number"), ScalarValue::from(0.5));
        let nothing = [vec![label.slice(1, 2), predicted.slice(1, 2)]];
        assert_eq!(aggregate::<Accuracy>(&nothing).expect("NULL"), ScalarValue::Float64(None));
    }

    #[test]
    fn labels_of_any_type_compare_with_predictions_of_another() {
        let types = Accuracy::coerce(&[DataType::Int32, DataType::Int64]).expect("coerced");
        assert_eq!(types, vec![DataType::Int64; 2]);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let parts = [vec![Arc::clone(&numbers), numbers]];
        assert_eq!(aggregate::<Accuracy>(&parts).expect("a number"), ScalarValue::from(1.0));
        let list = DataType::new_list(DataType::Utf8, true);
        let error = Accuracy::coerce(&[list.clone(), list]).expect_err("lists").strip_backtrace();
        assert!(error.contains("accuracy: label and predicted must compare, got List("), "{error}");
    }
}
