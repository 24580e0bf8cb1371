//! The nodes that measure the work of image functions, in plans of SQL.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::physical_planner::DefaultPhysicalPlanner;

use crate::engine::Engine;
use crate::plan::measure_image_work;
use crate::synthetic::PhotoSet;

/// Calls in every kind of node that is likely to have some.
const QUERIES: [&str; 6] = [
    "SELECT image_encode(image_decode(content)) AS jpg, class FROM photos",
    "SELECT image_decode(content) AS image FROM photos WHERE image_error(content) IS NULL LIMIT 3",
    "SELECT image_decode(content) AS image FROM photos LIMIT 3 OFFSET 1",
    "SELECT image_resize(image_decode(content), 1, 1)['data'] AS colour, count(*) FROM photos GROUP BY colour",
    "SELECT max(image_decode(content)['width']) FROM photos",
    "SELECT a.path FROM photos a JOIN photos b ON image_decode(a.content)['width'] = image_decode(b.content)['height']",
];

fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

/// The plans of all queries: made once, and as on a cluster, where they are optimized after this crate has planned.
fn plans() -> Vec<[Arc<dyn ExecutionPlan>; 2]> {
    let photos = tempfile::tempdir().expect("a directory");
    let set = PhotoSet { images: 8, classes: 2, size: Some((32, 24)), seed: 7 };
    set.write(photos.path(), 1, &|_| ()).expect("photos");
    let engine = Engine::local(2).expect("an engine");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let path = photos.path().display();
        let table = format!("CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION '{path}' OPTIONS (partitions 2)");
        engine.sql(&table).await.expect("a table");
        let state = engine.context().state();
        let rules = SessionStateBuilder::from(state.clone());
        let first = rules.with_physical_optimizer_rules(vec![Arc::new(FilterPushdown::new())]).build();
        let mut plans = Vec::new();
        for query in QUERIES {
            let query = state.create_logical_plan(query).await.expect("a query");
            let here = state.create_physical_plan(&query).await.expect("a plan");
            let mut there = first.create_physical_plan(&query).await.expect("a plan");
            // As often as stages end.
            for _ in 0..2 {
                let planner = DefaultPhysicalPlanner::default();
                there = planner.optimize_physical_plan(there, &state, |_, _| ()).expect("a plan");
            }
            plans.push([here, there]);
        }
        plans
    })
}

#[test]
fn optimizing_again_leaves_plans_as_they_are() {
    for [here, there] in plans() {
        assert!(shown(&here).contains("ImageWorkExec"), "{}", shown(&here));
        assert_eq!(shown(&there), shown(&here));
    }
}

#[test]
fn a_node_is_measured_once() {
    for [plan, _] in plans() {
        let again = measure_image_work(Arc::clone(&plan)).expect("a plan");
        assert_eq!(shown(&again), shown(&plan));
    }
}
