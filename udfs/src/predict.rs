//! `predict`: what a model says of a row.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use datafusion_macros::user_doc;

use crate::fitted::{Answer, ByName, FittedModels};

/// The SQL function `predict`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "What a model says of a row: the class of `logistic_regression` and `one_vs_rest`, in the label's own type; the number of the cluster of \
`kmeans`, an Int64 from 0, the largest cluster first; the number of `linear_regression`, Float64; the list of `standard_scaler` and `pca`. NULL if an \
argument is NULL or holds NULL, and, but for the last two, if one is NaN or infinite. The model is found while the statement is planned, and goes with \
the statement to whatever machines run it. `CREATE MODEL` fits models.",
    syntax_example = "predict(model, x1, x2, ...)",
    sql_example = r#"```sql
> CREATE MODEL line USING linear_regression(label => y) AS SELECT x, 2 * x + 1 AS y FROM (VALUES (1.0), (2.0), (4.0)) AS t(x);
> SELECT predict('line', x => 10.0) AS y;
+------+
| y    |
+------+
| 21.0 |
+------+
```"#,
    argument(
        name = "model",
        description = "The name of a model of this session, or the path or the URL of the file of one; a constant."
    ),
    argument(
        name = "x1, x2, ...",
        description = "As many columns as the model was fitted to, in the same order, or by the names that they had there: `predict('line', x => 10)`. \
Numbers, booleans and lists of numbers."
    )
)]
#[derive(Debug)]
struct Predict;

/// The function, which finds its models here.
pub(crate) fn predict(models: Arc<dyn FittedModels>) -> ScalarUDF {
    ByName::function("predict", Answer::Prediction, Predict.doc(), models)
}
