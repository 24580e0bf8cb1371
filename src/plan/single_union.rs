//! A union of which one input is left keeps that input's columns.
//!
//! Where all other inputs turn out empty, DataFusion's rule names the columns of the one that is left as the union does, without the
//! table that they are of. A filter on such a column then goes to any table below that has a column of its name.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rule, whose projections take columns by their places.
#[derive(Debug)]
pub(super) struct CarefulEmptyRelations(pub(super) Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for CarefulEmptyRelations {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let is_renamed = is_renamed(&plan);
        self.0.rewrite(plan, config)?.map_data(|plan| match plan {
            LogicalPlan::Projection(projection) if is_renamed => by_place(projection).map(LogicalPlan::Projection),
            other => Ok(other),
        })
    }
}

/// Whether this is a union of which one input is left, whose columns have other names: the rule puts a projection above it.
fn is_renamed(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Union(union) = plan else { return false };
    let is_left = |input: &&Arc<LogicalPlan>| match input.as_ref() {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => true,
    };
    let mut left = union.inputs.iter().filter(is_left);
    left.next().is_some_and(|input| input.schema() != plan.schema()) && left.next().is_none()
}

/// The projection whose columns are those of its input, in their order, under its own names.
fn by_place(projection: Projection) -> Result<Projection> {
    let Projection { input, schema, .. } = projection;
    let columns = input.schema().iter().zip(schema.iter());
    let columns = columns.map(|(from, (table, field))| match (from.0, from.1.name()) == (table, field.name()) {
        true => Expr::Column(Column::from(from)),
        false => Expr::Column(Column::from(from)).alias_qualified(table.cloned(), field.name()),
    });
    Projection::try_new_with_schema(columns.collect(), Arc::clone(&input), schema)
}
