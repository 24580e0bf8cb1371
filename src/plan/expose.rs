//! Finds the images below a query, changes how they are listed, and lets hidden columns through to the sink.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::logical_plan::{Filter, Projection, SubqueryAlias, TableScan, TableScanBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::source::images::{CONTENT, ImagesOptions, ImagesTable, PATH, READ_ERROR};

/// The options of every table of images below a plan.
pub(super) fn images_below(plan: &LogicalPlan) -> Result<Vec<ImagesOptions>> {
    let mut found = Vec::new();
    plan.apply(|plan| {
        if let LogicalPlan::TableScan(scan) = plan
            && let Some(table) = source_as_provider(&scan.source)?.downcast_ref::<ImagesTable>()
        {
            found.push(table.options().clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The plan with other options for every table of images below it.
pub(super) fn with_images(plan: LogicalPlan, change: impl Fn(&ImagesOptions) -> ImagesOptions) -> Result<LogicalPlan> {
    let changed = plan.transform_up(|plan| {
        let LogicalPlan::TableScan(mut scan) = plan else {
            return Ok(Transformed::no(plan));
        };
        let provider = source_as_provider(&scan.source)?;
        let Some(table) = provider.downcast_ref::<ImagesTable>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let table = table.with_options(change(table.options()));
        scan.source = provider_as_source(Arc::new(table));
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(changed.data)
}

/// The plan with three more columns at its end: path, content and read error of the row's file.
///
/// `None` where a row has no one file behind it, as after a join or an aggregation.
pub(super) fn expose(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let visible = plan.schema().fields().len();
    let Some(exposed) = expose_below(plan)? else {
        return Ok(None);
    };
    let mut exprs: Vec<Expr> = exposed.plan.schema().columns().into_iter().map(Expr::Column).collect();
    exprs.truncate(visible);
    for (column, name) in exposed.hidden.into_iter().zip([PATH, CONTENT, READ_ERROR]) {
        exprs.push(Expr::Column(column).alias(format!("__{name}")));
    }
    Projection::try_new(exprs, Arc::new(exposed.plan)).map(|plan| Some(LogicalPlan::Projection(plan)))
}

struct Exposed {
    plan: LogicalPlan,
    hidden: [Column; 3],
}

fn expose_below(plan: &LogicalPlan) -> Result<Option<Exposed>> {
    match plan {
        LogicalPlan::TableScan(scan) => expose_scan(scan),
        LogicalPlan::Projection(projection) => {
            let Some(below) = expose_below(&projection.input)? else {
                return Ok(None);
            };
            let mut exprs = projection.expr.clone();
            let mut hidden = below.hidden.clone();
            for (column, name) in hidden.iter_mut().zip([PATH, CONTENT, READ_ERROR]) {
                let alias = format!("__{name}");
                exprs.push(Expr::Column(column.clone()).alias(&alias));
                *column = Column::new_unqualified(alias);
            }
            let plan = Projection::try_new(exprs, Arc::new(below.plan))?;
            Ok(Some(Exposed { plan: LogicalPlan::Projection(plan), hidden }))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(below) = expose_below(&alias.input)? else {
                return Ok(None);
            };
            let hidden = below.hidden.map(|column| Column::new(Some(alias.alias.clone()), column.name));
            let plan = SubqueryAlias::try_new(Arc::new(below.plan), alias.alias.clone())?;
            Ok(Some(Exposed { plan: LogicalPlan::SubqueryAlias(plan), hidden }))
        }
        LogicalPlan::Filter(filter) => {
            let Some(below) = expose_below(&filter.input)? else {
                return Ok(None);
            };
            let plan = Filter::try_new(filter.predicate.clone(), Arc::new(below.plan))?;
            Ok(Some(Exposed { plan: LogicalPlan::Filter(plan), hidden: below.hidden }))
        }
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => {
            let below = match plan.inputs().as_slice() {
                [input] => expose_below(input)?,
                _ => None,
            };
            let Some(below) = below else {
                return Ok(None);
            };
            let plan = plan.with_new_exprs(plan.expressions(), vec![below.plan])?;
            Ok(Some(Exposed { plan, hidden: below.hidden }))
        }
        _ => Ok(None),
    }
}

fn expose_scan(scan: &TableScan) -> Result<Option<Exposed>> {
    let provider = source_as_provider(&scan.source)?;
    let Some(table) = provider.downcast_ref::<ImagesTable>() else {
        return Ok(None);
    };
    // The hidden column stands behind the others, so that a projection by position stays what it was.
    let table = table.with_read_error();
    let mut projection = scan.projection.clone();
    if let Some(projection) = &mut projection {
        let schema = datafusion::catalog::TableProvider::schema(&table);
        for name in [PATH, CONTENT, READ_ERROR] {
            let index = schema.index_of(name)?;
            if !projection.contains(&index) {
                projection.push(index);
            }
        }
    }
    let source = provider_as_source(Arc::new(table));
    let name = scan.table_name.clone();
    let plan = TableScanBuilder::new(name.clone(), source)
        .with_projection(projection)
        .with_filters(scan.filters.clone())
        .with_fetch(scan.fetch)
        .build()?;
    let hidden = [PATH, CONTENT, READ_ERROR].map(|column| Column::new(Some(name.clone()), column));
    Ok(Some(Exposed { plan: LogicalPlan::TableScan(plan), hidden }))
}
