//! `predict_probabilities`: how probable each class is, by a model.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use datafusion_macros::user_doc;

use crate::fitted::{Answer, ByName, FittedModels};

/// The SQL function `predict_probabilities`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The probability of each class by a model of `logistic_regression` or `one_vs_rest`: a struct with a Float64 for each class, by the \
class's name, as `log_loss` takes it. NULL if an argument is NULL, holds NULL, or is NaN or infinite. `predict` says the most probable class.",
    syntax_example = "predict_probabilities(model, x1, x2, ...)",
    sql_example = r#"```sql
> CREATE MODEL passed USING logistic_regression(label => passed, l2 => 0.1) AS SELECT hours, passed FROM (VALUES (1.0, false), (2.0, false), (2.5, true), (3.0, false), (4.0, true), (5.0, true)) AS t(hours, passed);
> SELECT hours, predict('passed', hours) AS passed, round(predict_probabilities('passed', hours)['true'], 4) AS p FROM (VALUES (1.0), (3.0), (5.0)) AS t(hours);
+-------+--------+--------+
| hours | passed | p      |
+-------+--------+--------+
| 1.0   | false  | 0.0463 |
| 3.0   | true   | 0.5589 |
| 5.0   | true   | 0.9707 |
+-------+--------+--------+
```"#,
    argument(
        name = "model",
        description = "The name of a model of this session, or the path or the URL of the file of one; a constant."
    ),
    argument(name = "x1, x2, ...", description = "What the model was fitted to, as in `predict`.")
)]
#[derive(Debug)]
struct PredictProbabilities;

/// The function, which finds its models here.
pub(crate) fn predict_probabilities(models: Arc<dyn FittedModels>) -> ScalarUDF {
    ByName::function("predict_probabilities", Answer::Probabilities, PredictProbabilities.doc(), models)
}
