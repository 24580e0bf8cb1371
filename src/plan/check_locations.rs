//! Locations that a statement names where no source or sink of ours looks at them.

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement};

use crate::storage::{AllowList, check_object_url};

/// Checks the directory of temporary files, and where tables and files are that DataFusion reads and writes by itself.
///
/// Its object stores check every path again; here a statement is refused before it does anything.
pub(crate) fn check_locations(plan: &LogicalPlan, allow: &AllowList) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Statement(Statement::SetVariable(set))
                if set.variable.eq_ignore_ascii_case("datafusion.runtime.temp_directory") =>
            {
                allow.check(&set.value)?;
            }
            LogicalPlan::Ddl(DdlStatement::CreateExternalTable(table)) => {
                table.locations.iter().try_for_each(|location| check(location, allow))?;
            }
            LogicalPlan::Copy(copy) => check(&copy.output_url, allow)?,
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// A secret in a URL comes first: what is outside is shown.
fn check(location: &str, allow: &AllowList) -> Result<()> {
    check_object_url(location)?;
    allow.check(location)
}
