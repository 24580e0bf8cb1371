//! DataFusion's rules for plans, and beside them what keeps them from giving wrong rows.

use std::sync::Arc;

use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use super::cross_joins::CarefulCrossJoins;
use super::forget_constants::ForgetConstants;
use super::keep_order::KeepOrder;
use super::push_filters::CarefulPushdown;
use super::single_union::CarefulEmptyRelations;

/// The rules for logical plans.
pub(crate) fn logical_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let careful = |rule: Arc<dyn OptimizerRule + Send + Sync>| match rule.name() {
        "eliminate_cross_join" => Arc::new(CarefulCrossJoins(rule)) as Arc<dyn OptimizerRule + Send + Sync>,
        "propagate_empty_relation" => Arc::new(CarefulEmptyRelations(rule)),
        _ => rule,
    };
    Optimizer::new().rules.into_iter().map(careful).collect()
}

/// The rules for physical plans, of every session that plans.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(ForgetConstants)];
    for rule in PhysicalOptimizer::new().rules {
        // Sorts are decided on here, and joins have their sides by then.
        if rule.name() == "EnsureRequirements" {
            rules.push(Arc::new(ForgetConstants));
        }
        if rule.name() == "SanityCheckPlan" {
            rules.push(Arc::new(KeepOrder));
        }
        rules.push(match rule.name().starts_with("FilterPushdown") {
            true => Arc::new(CarefulPushdown(rule)),
            false => rule,
        });
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_the_names_that_are_looked_for_are_there() {
        let names: Vec<String> = physical_rules().iter().map(|rule| rule.name().to_string()).collect();
        for name in ["eliminate_cross_join", "propagate_empty_relation"] {
            assert!(logical_rules().iter().any(|rule| rule.name() == name), "{name}");
        }
        assert_eq!(names.iter().filter(|name| *name == "ForgetConstants").count(), 2, "{names:?}");
        assert!(names.iter().any(|name| name == "KeepOrder"), "{names:?}");
        assert_eq!(names.iter().filter(|name| name.starts_with("FilterPushdown")).count(), 2, "{names:?}");
    }
}
