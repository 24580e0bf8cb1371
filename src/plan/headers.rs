//! Images of which a query looks at nothing but what their headers say: no more is read of them.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::source::{CONTENT, Extent, partitioned_table};

/// Has tables of images read no more of each than `image_info` needs, where it is called with the content and nothing else is.
#[derive(Debug)]
pub(crate) struct ReadHeadersOnly;

impl OptimizerRule for ReadHeadersOnly {
    fn name(&self) -> &str {
        "read_headers_only"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // Only these end what is known of a column.
        match &plan {
            LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) if reads_headers_only(&plan)? => {}
            _ => return Ok(Transformed::no(plan)),
        }
        plan.transform_down(|plan| {
            let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
            let provider = source_as_provider(&scan.source)?;
            let headers = partitioned_table(provider.as_ref()).and_then(|table| table.with_extent(Extent::Header));
            let Some(headers) = headers else { return Ok(Transformed::no(LogicalPlan::TableScan(scan))) };
            scan.source = provider_as_source(headers);
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })
    }
}

/// Whether this node and all below it, down to one scan, look at the content by `image_info` alone, and one of them does.
fn reads_headers_only(plan: &LogicalPlan) -> Result<bool> {
    let (mut node, mut is_looked_at) = (plan, false);
    loop {
        for expr in node.expressions() {
            match looks(&expr)? {
                Looks::Away => {}
                Looks::AtHeader => is_looked_at = true,
                Looks::AtAll => return Ok(false),
            }
        }
        node = match node {
            LogicalPlan::TableScan(_) => return Ok(is_looked_at),
            LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) if !std::ptr::eq(node, plan) => return Ok(false),
            LogicalPlan::Projection(projection) => projection.input.as_ref(),
            LogicalPlan::Aggregate(aggregate) => aggregate.input.as_ref(),
            LogicalPlan::Filter(filter) => filter.input.as_ref(),
            LogicalPlan::Sort(sort) => sort.input.as_ref(),
            LogicalPlan::Limit(limit) => limit.input.as_ref(),
            LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
            _ => return Ok(false),
        };
    }
}

/// How an expression looks at the content.
enum Looks {
    Away,
    AtHeader,
    AtAll,
}

fn looks(expr: &Expr) -> Result<Looks> {
    let is_content = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == CONTENT);
    let mut looks = Looks::Away;
    expr.apply(|expr| {
        Ok(match expr {
            Expr::ScalarFunction(call)
                if call.name() == "image_info" && matches!(call.args.as_slice(), [content] if is_content(content)) =>
            {
                looks = Looks::AtHeader;
                TreeNodeRecursion::Jump
            }
            // What a subquery does with it isn't looked at.
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::ScalarSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..) => {
                looks = Looks::AtAll;
                TreeNodeRecursion::Stop
            }
            expr if is_content(expr) => {
                looks = Looks::AtAll;
                TreeNodeRecursion::Stop
            }
            _ => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(looks)
}
