//! SQL behaviour: every `tests/sql/*.slt`, each against a session of its own, in a directory with photos.
//!
//! `UPDATE_SLT=1 cargo test --test sql` writes what the engine answers into the files.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use pixmill::Engine;
use support::scripts;

#[tokio::test]
async fn sql_behaves_as_written_down() {
    for script in scripts::all() {
        let workspace = scripts::fixtures();
        // Scripts name their files as a user would: relative to where they are run. This binary has this test alone.
        std::env::set_current_dir(workspace.path("")).expect("a directory");
        if let Err(error) = scripts::run(&script, "local", async || Engine::local(2)).await {
            panic!("{error}");
        }
    }
}
