//! Finds the tables below a query, changes how they are cut into partitions, and lets hidden columns through to the sink.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::logical_plan::{Filter, Projection, SubqueryAlias, TableScan, TableScanBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::source::{Hidden, Partitions, partitioned_table};

/// What the hidden columns are called above the scan.
const HIDDEN: [&str; 3] = ["__path", "__content", "__read_error"];

/// What the tables below a plan that can be cut into partitions say of themselves: their partitions and their seeds.
pub(super) fn partitioned_below(plan: &LogicalPlan) -> Result<Vec<(Partitions, Option<u64>)>> {
    let mut found = Vec::new();
    plan.apply(|plan| {
        if let LogicalPlan::TableScan(scan) = plan
            && let Some(table) = partitioned_table(source_as_provider(&scan.source)?.as_ref())
        {
            found.push((table.partitions(), table.shuffle_seed()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The plan with its tables cut into so many partitions, unless their own options say how many.
pub(super) fn with_partitions(plan: LogicalPlan, partitions: Partitions) -> Result<LogicalPlan> {
    let changed = plan.transform_up(|plan| {
        let LogicalPlan::TableScan(mut scan) = plan else {
            return Ok(Transformed::no(plan));
        };
        let provider = source_as_provider(&scan.source)?;
        match partitioned_table(provider.as_ref()) {
            Some(table)
                if !matches!((table.partitions(), partitions), (Partitions::Exactly(_), Partitions::BySize)) =>
            {
                scan.source = provider_as_source(table.with_partitions(partitions));
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            _ => Ok(Transformed::no(LogicalPlan::TableScan(scan))),
        }
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
    for (column, name) in exposed.hidden.into_iter().zip(HIDDEN) {
        exprs.push(Expr::Column(column).alias(name));
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
            for (column, name) in hidden.iter_mut().zip(HIDDEN) {
                exprs.push(Expr::Column(column.clone()).alias(name));
                *column = Column::new_unqualified(name);
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
    let Some(table) = partitioned_table(provider.as_ref()) else {
        return Ok(None);
    };
    let Some(Hidden { table, columns }) = table.with_hidden(scan.projection.as_deref())? else {
        return Ok(None);
    };
    let mut projection = scan.projection.clone();
    if let Some(projection) = &mut projection {
        let schema = table.schema();
        for name in &columns {
            let index = schema.index_of(name)?;
            if !projection.contains(&index) {
                projection.push(index);
            }
        }
    }
    let name = scan.table_name.clone();
    let plan = TableScanBuilder::new(name.clone(), provider_as_source(table))
        .with_projection(projection)
        .with_filters(scan.filters.clone())
        .with_fetch(scan.fetch)
        .build()?;
    let hidden = columns.map(|column| Column::new(Some(name.clone()), column));
    Ok(Some(Exposed { plan: LogicalPlan::TableScan(plan), hidden }))
}
