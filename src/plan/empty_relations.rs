//! Relations without rows on the wire, whose message has no columns: tables in memory travel with theirs.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

/// The name of such a table.
const NAME: &str = "nothing";

/// The plan in which what has columns and no rows is a table.
///
/// # Errors
/// Columns that make no table.
pub(crate) fn with_empty_tables(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_down_with_subqueries(|plan| match plan {
        LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row && !empty.schema.fields().is_empty() => {
            // Columns of several tables may have one name.
            let fields = empty.schema.fields().iter().enumerate();
            let fields = fields.map(|(at, field)| Arc::new(field.as_ref().clone().with_name(at.to_string())));
            let schema = datafusion::arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
            let table = MemTable::try_new(Arc::new(schema), vec![Vec::new()])?;
            let columns = empty.schema.iter().enumerate().map(|(at, (qualifier, field))| {
                let column = Column::new(Some(NAME), at.to_string());
                Expr::Column(column).alias_qualified(qualifier.cloned(), field.name())
            });
            let scan = LogicalPlanBuilder::scan(NAME, provider_as_source(Arc::new(table)), None)?;
            Ok(Transformed::yes(scan.project(columns.collect::<Vec<_>>())?.build()?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(changed.data)
}
