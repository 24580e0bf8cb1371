//! A `COPY` to shards becomes a node of this crate: DataFusion's own has one writer and loses its options on the wire.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::dml::CopyTo;
use datafusion::logical_expr::{Extension, LogicalPlan, WriteOp};
use datafusion::optimizer::AnalyzerRule;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::expose::{expose, partitioned_below, with_partitions};
use super::hive::{copy_with_nulls, insert_with_nulls};
use crate::config::PixmillOptions;
use crate::sink::{Format, SinkOptions, WriteShardsNode, is_asked_for, is_of_an_image};
use crate::source::Partitions;
use crate::storage::{Directory, check_object_url};

/// Replaces the `COPY` of this crate's formats.
#[derive(Debug)]
pub(crate) struct RewriteCopy;

impl AnalyzerRule for RewriteCopy {
    fn name(&self) -> &str {
        "rewrite_copy"
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_down(|plan| match plan {
            // DataFusion reads no option of this format, and passes over all.
            LogicalPlan::Copy(copy) if copy.file_type.get_ext() == "arrow" && !copy.options.is_empty() => {
                let names: BTreeSet<&str> =
                    copy.options.keys().map(|name| name.trim_start_matches("format.")).collect();
                let names: Vec<&str> = names.into_iter().collect();
                plan_err!("COPY ... STORED AS ARROW takes no OPTIONS, got {}; leave them out", names.join(", "))
            }
            LogicalPlan::Copy(copy) => match Format::of(&copy.file_type.get_ext()) {
                Some(format) => rewrite_format(format, copy, options),
                None => copy_of_datafusion(copy, options),
            },
            LogicalPlan::Dml(insert) if matches!(insert.op, WriteOp::Insert(_)) => {
                Ok(Transformed::yes(LogicalPlan::Dml(insert_with_nulls(insert, options)?)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(rewritten.data)
    }
}

fn rewrite_format(format: Format, mut copy: CopyTo, options: &ConfigOptions) -> Result<Transformed<LogicalPlan>> {
    // DataFusion's own format stays it unless this crate's is asked for.
    match is_asked_for(format, &mut copy.options)? {
        true => rewrite(format, copy).map(Transformed::yes),
        false => copy_of_datafusion(copy, options),
    }
}

fn copy_of_datafusion(copy: CopyTo, options: &ConfigOptions) -> Result<Transformed<LogicalPlan>> {
    if PixmillOptions::of(options).retry_rejects() {
        return plan_err!(
            "retry_rejects: the COPY to '{}' rejects no rows, and would be run as a whole; run it by itself",
            copy.output_url
        );
    }
    Ok(Transformed::yes(LogicalPlan::Copy(copy_with_nulls(copy, options)?)))
}

fn rewrite(format: Format, copy: CopyTo) -> Result<LogicalPlan> {
    let options = SinkOptions::try_new(format, &copy.options, &copy.partition_by)?;
    check_target(&copy.output_url)?;
    let schema = copy.input.schema().as_arrow().clone();
    for name in &copy.partition_by {
        if schema.index_of(name).is_err() {
            return plan_err!("PARTITIONED BY: there is no column '{name}'; the columns are {}", names(&schema));
        }
    }
    let is_feature = |name: &str| !copy.partition_by.iter().any(|other| other == name);
    let features: Vec<_> = schema.fields().iter().filter(|field| is_feature(field.name())).cloned().collect();
    options.check_schema(&datafusion::arrow::datatypes::Schema::new(features))?;

    let mut input = copy.input.as_ref().clone();
    // The sink itself cuts the rows of other queries, which come in one partition then.
    let partitions = options.shards.filter(|_| is_row_by_row(&input)).map_or(Partitions::BySize, Partitions::Exactly);
    let tables = partitioned_below(&input)?;
    input = with_partitions(input, partitions)?;
    let shuffle_seed = tables.iter().find_map(|(_, seed)| *seed);
    let visible = schema.fields().len();
    // Without an image column no row is rejected, and reading the files only to tell why would be a waste.
    let has_images = schema.fields().iter().any(|field| is_of_an_image(field));
    if has_images && let Some(exposed) = expose(&input)? {
        input = exposed;
    }
    let node = WriteShardsNode::try_new(input, copy.output_url, options, copy.partition_by, visible, shuffle_seed)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// Whether each row of a query is made of one of its one table, so that a partition of the table is one of the query.
fn is_row_by_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        // The listing may keep it; otherwise the rows come in one partition.
        | LogicalPlan::Limit(_) => plan.inputs().into_iter().all(is_row_by_row),
        _ => false,
    }
}

fn check_target(target: &str) -> Result<()> {
    if target.is_empty() {
        return plan_err!("COPY needs a directory to write to, got ''");
    }
    check_object_url(target)?;
    if Directory::at(target).is_none() {
        return plan_err!(
            "cannot write to '{target}': shards are written to local paths, file:// URLs and object stores (s3, gs, az, abfss)"
        );
    }
    Ok(())
}

fn names(schema: &datafusion::arrow::datatypes::Schema) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.join(", ")
}
