//! SQL behaviour on a cluster: every `tests/sql/*.slt` with the same rows as in one process. What differs by design is marked there.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use pixmill::{Engine, HostPort};
use support::cluster::Cluster;
use support::scripts;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_behaves_on_a_cluster_as_written_down() {
    let wanted = std::env::var("PIXMILL_SLT").unwrap_or_default();
    let mut faults = Vec::new();
    for script in scripts::all() {
        if !script.to_string_lossy().contains(&wanted) {
            continue;
        }
        let workspace = scripts::fixtures();
        // Scripts name their files as a user would: relative to where they are run. This binary has this test alone.
        std::env::set_current_dir(workspace.path("")).expect("a directory");
        let cluster = Cluster::start_wide(&workspace, 2, 2);
        let address: HostPort = cluster.address.parse().expect("an address");
        if let Err(error) = scripts::run(&script, "cluster", async || Engine::cluster(&address).await).await {
            faults.push(error);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
