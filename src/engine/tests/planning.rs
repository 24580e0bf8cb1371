//! Planning that waits for a disk.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::engine::Engine;

/// A file whose reader waits until somebody writes to it.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

/// Whether another statement is answered while one is planned that waits for a disk, on one thread.
#[track_caller]
fn is_free_while_planning(pipe: &Path, setup: &str, sql: &str) {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let engine = Engine::local(1).expect("an engine");
        engine.sql(setup).await.expect("set up");
        let (session, sql) = (engine.session().clone(), sql.to_string());
        let waiting = tokio::spawn(async move { session.sql(&sql).await.map(drop) });
        // Opened when the one that plans has opened it, too.
        let path = pipe.to_path_buf();
        let opened = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(path));
        let writer = opened.await.expect("a thread").expect("a reader");
        let answer = tokio::time::timeout(Duration::from_secs(20), engine.sql("SELECT 1")).await;
        let is_free = answer.is_ok_and(|answer| answer.is_ok());
        drop(writer);
        // It can't be planned: there is nothing in the file, however often it is opened.
        while !waiting.is_finished() {
            drop(OpenOptions::new().read(true).write(true).open(pipe));
            tokio::task::yield_now().await;
        }
        assert!(is_free, "{pipe:?} holds the thread");
    });
}

#[test]
fn planning_that_waits_for_a_disk_leaves_its_thread_to_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| directory.path().join(name);
    std::fs::create_dir(place("in")).expect("a directory");
    std::fs::write(place("in/a.tfrec"), "no record").expect("a file");
    let manifest = place("in/_manifest.json");
    pipe(&manifest);
    let records = place("in/a.tfrec").display().to_string();
    for sql in [
        format!("SELECT * FROM read_tfrecord('{records}')"),
        format!("SELECT * FROM '{records}'"),
        format!("CREATE EXTERNAL TABLE t STORED AS TFRECORD LOCATION '{records}'"),
    ] {
        is_free_while_planning(&manifest, "SELECT 1", &sql);
    }
    let manifest = place("out/_manifest.json");
    std::fs::create_dir(place("out")).expect("a directory");
    pipe(&manifest);
    let copy = format!("COPY (SELECT 1 AS n) TO '{}' STORED AS TFRECORD", place("out").display());
    is_free_while_planning(&manifest, "SET pixmill.resume = true", &copy);
}
