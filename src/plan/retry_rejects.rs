//! `--retry-rejects`: of a statement that has written a dataset, only those rows run that were rejected.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::exec::with_children;
use crate::format::manifest::{MANIFEST, Manifest, Reject, Shard};
use crate::sink::{RejectsOf, Target, has_scalar_subquery};
use crate::source::ReadExec;
use crate::storage::Directory;

/// Rows that stay rejected because they aren't among those of the source any more: at most so many, which travel with the plan.
const MOST_STILL_REJECTED: usize = 100_000;

/// The plan of a statement for the rows that were rejected.
pub(super) struct Again {
    pub(super) input: Arc<dyn ExecutionPlan>,
    /// Rows that don't come again.
    pub(super) still_rejected: Vec<Reject>,
}

/// The dataset that the same statement has finished in a directory.
///
/// # Errors
/// There is none, or another one.
pub(super) fn rejecting_dataset(directory: &Directory, statement: &str) -> Result<Manifest> {
    let unreadable = |error| exec_datafusion_err!("cannot read '{directory}/{MANIFEST}': {error}");
    let manifest = directory.read(MANIFEST).and_then(|text| text.map(|text| Manifest::parse(&text)).transpose());
    let Some(manifest) = manifest.map_err(unreadable)? else {
        return exec_err!(
            "'{directory}' holds no finished dataset whose rejected rows could be tried again; run the statement without \
             retry_rejects first"
        );
    };
    if manifest.statement.as_deref() != Some(statement) {
        return exec_err!(
            "the dataset in '{directory}' was written by another statement, other options, or another version of pixmill; its rejected \
             rows can be tried again by the same one only"
        );
    }
    let is_there = |shard: &Shard| directory.length(&shard.path).is_ok_and(|length| length == Some(shard.bytes));
    match manifest.shards.iter().find(|shard| !is_there(shard)) {
        None => Ok(manifest),
        Some(Shard { path, bytes, .. }) => exec_err!(
            "'{directory}' has no shard '{path}' of {bytes} bytes, which its manifest lists; write the dataset anew, with OPTIONS \
             (overwrite true)"
        ),
    }
}

/// The plan of a statement, cut down to the rows that its dataset has rejected.
///
/// # Errors
/// A row of the query isn't made of one image of its source alone, or can't be told from others.
pub(super) fn again(plan: &Arc<dyn ExecutionPlan>, target: &Target, dataset: &Manifest) -> Result<Again> {
    let directory = &target.directory;
    if target.classes != dataset.classes {
        return plan_err!(
            "the labels are others than those of the dataset in '{directory}', and so are the class numbers; write the dataset anew, with \
             OPTIONS (overwrite true)"
        );
    }
    if !target.takes_more_shards() {
        return plan_err!(
            "retry_rejects: readers know by the names of the shards, '{}', how many there are, and would find no others; write the dataset \
             anew, with OPTIONS (overwrite true)",
            target.name_template()
        );
    }
    // Of each place, how often it was rejected, and how often it is found.
    let mut places: HashMap<String, (u64, u64)> = HashMap::new();
    let list = RejectsOf::find(directory, dataset.rejected)?;
    list.each(&mut |reject| {
        if let Some(path) = reject.path {
            places.entry(path).or_default().0 += 1;
        }
        Ok(())
    })?;
    let records_per_shard = dataset.records.div_ceil((dataset.shards.len() as u64).max(1)).max(1);
    let most = usize::try_from(records_per_shard).unwrap_or(usize::MAX);
    let input = cut_down(plan, most, &mut |place| match places.get_mut(place) {
        Some((_, found)) => {
            *found += 1;
            true
        }
        None => false,
    })?;
    let ambiguous = places.iter().filter(|(_, (rejected, found))| found > rejected).min();
    if let Some((place, (rejected, found))) = ambiguous {
        return plan_err!(
            "retry_rejects: '{place}' stands for {found} rows, of which {rejected} were rejected, and nobody can tell which; write the \
             dataset anew, with OPTIONS (overwrite true)"
        );
    }
    let mut still_rejected = Vec::new();
    list.each(&mut |reject| {
        let found = reject.path.as_ref().and_then(|path| places.get_mut(path)).map(|(_, found)| found);
        match found.filter(|found| **found > 0) {
            Some(found) => *found -= 1,
            None if still_rejected.len() < MOST_STILL_REJECTED => still_rejected.push(reject),
            None => {
                return exec_err!(
                    "more than {MOST_STILL_REJECTED} of the rows that '{directory}' has rejected aren't among those of the source any \
                     more; write the dataset anew, with OPTIONS (overwrite true)"
                );
            }
        }
        Ok(())
    })?;
    Ok(Again { input, still_rejected })
}

/// The plan over those rows alone whose places are wanted, in partitions of at most so many.
fn cut_down(
    plan: &Arc<dyn ExecutionPlan>,
    most: usize,
    wants: &mut dyn FnMut(&str) -> bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let refused = || {
        plan_err!(
            "retry_rejects: only statements whose rows are made of one image of a folder or a list each can be run for some of them: \
             without joins, groups, orders, limits, subqueries and random values"
        )
    };
    if let Some(read) = plan.downcast_ref::<ReadExec>() {
        return read.only(most, wants)?.map_or_else(refused, Ok);
    }
    let is_row_wise = plan.is::<ProjectionExec>() || plan.is::<FilterExec>();
    let (children, mut is_fixed) = (plan.children(), !has_scalar_subquery(plan));
    let [input] = children.as_slice() else { return refused() };
    plan.apply_expressions(&mut |expr| {
        is_fixed &= !is_volatile(expr);
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !is_row_wise || !is_fixed || plan.fetch().is_some() {
        return refused();
    }
    let input = cut_down(input, most, wants)?;
    with_children(Arc::clone(plan), vec![input])
}
