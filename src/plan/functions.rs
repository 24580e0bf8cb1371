//! The functions that rules of this room put into plans; nobody writes them.

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

use super::hive::DirectoryValue;
use super::nullable_subqueries::OrNull;

/// Makes them known to a session: plans on the wire name them.
pub(crate) fn register_plan_functions(ctx: &SessionContext) {
    for is_text in [true, false] {
        ctx.register_udf(ScalarUDF::from(DirectoryValue::new(is_text)));
    }
    ctx.register_udf(ScalarUDF::from(OrNull::new()));
}
