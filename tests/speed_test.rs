//! Speed tests of the command line: files that are never overwritten, what goes wrong on the way, and combinations on a cluster.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;

use support::Workspace;
use support::cluster::Cluster;

const SIZES: [&str; 6] = ["--batch-sizes", "2,4", "--batch-numbers", "1,2,3", "--repetitions", "2"];

fn with_shards() -> Workspace {
    let workspace = Workspace::with_photos(24, 3);
    let copy = "COPY (SELECT image_encode(image_resize(image_decode(content), 32, 24)) AS image, class FROM read_images('photos')) \
                TO 'shards' STORED AS TFRECORD OPTIONS (shards 2)";
    workspace.sql(copy).success();
    workspace
}

/// Runs a query over all results.
fn query(workspace: &Workspace, select: &str) -> String {
    let table = "CREATE EXTERNAL TABLE results STORED AS PARQUET LOCATION 'results'";
    workspace.pixmill(&["sql", "--format", "csv", "-c", table, "-c", select]).success()
}

#[test]
fn each_test_has_its_file_and_all_files_are_one_table() {
    let workspace = with_shards();
    let args = [&["speed-test", "--source", "photos", "shards/*.tfrec"][..], &SIZES].concat();
    let first = workspace.pixmill(&args);
    assert!(first.stderr.contains("wrote 24 measurements to results/speed-test-2"), "{}", first.stderr);
    let stdout = first.success();
    assert!(stdout.contains("24 rows\n") && stdout.contains("overall_images_per_second"), "{stdout}");
    let csv = workspace.pixmill(&[&args[..], &["--format", "csv", "--cold"]].concat()).success();
    assert_eq!(csv.lines().count(), 1 + 24, "{csv}");
    let names = workspace.names("results");
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("speed-test-2") && name.ends_with(".parquet")), "{names:?}");
    let groups = "SELECT source, format, count(DISTINCT run) AS runs, count(*) AS n, sum(images) AS images FROM results \
                  WHERE error IS NULL AND seconds > 0 GROUP BY source, format ORDER BY source";
    assert_eq!(
        query(&workspace, groups),
        "source,format,runs,n,images\nphotos,images,2,24,144\nshards/*.tfrec,tfrecord,2,24,144\n"
    );
}

#[test]
fn what_goes_away_on_the_way_is_told_in_its_row_and_the_others_are_kept() {
    let workspace = with_shards();
    let broken = workspace
        .path("shards")
        .join(&workspace.names("shards").iter().find(|n| n.ends_with(".tfrec")).expect("a shard")[..]);
    let mut bytes = fs::read(&broken).expect("a shard");
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    fs::write(&broken, bytes).expect("written");
    // The first shard's last record is reached by 3 batches of 4, and not by fewer.
    let args = [&["speed-test", "--source", "photos", "shards"][..], &SIZES].concat();
    let message = workspace.pixmill(&args).failure(1);
    assert!(message.contains("2 measurements failed; the column error of results/speed-test-2"), "{message}");
    let failed = "SELECT source, batch_size, batch_number, repetition, images, error LIKE '%corrupted record%' AS told \
                  FROM results WHERE error IS NOT NULL ORDER BY repetition";
    assert_eq!(
        query(&workspace, failed),
        "source,batch_size,batch_number,repetition,images,told\nshards,4,3,1,,true\nshards,4,3,2,,true\n"
    );
    assert_eq!(query(&workspace, "SELECT count(images_per_second) AS n FROM results"), "n\n22\n");
}

#[test]
fn what_makes_no_test_leaves_nothing() {
    let workspace = Workspace::with_photos(3, 1);
    let run = |args: &[&str]| workspace.pixmill(&[&["speed-test", "--source"][..], args].concat());
    let message = run(&["photos", "--batch-sizes", "2,,4"]).failure(2);
    assert!(message.contains("batch_sizes: must be a whole number from 1 to 100000, got ''"), "{message}");
    let message = run(&["photos", "--batch-numbers", "0"]).failure(2);
    assert!(message.contains("batch_numbers: must be a whole number from 1 to 100000, got '0'"), "{message}");
    let message = run(&["nowhere"]).failure(2);
    assert!(message.contains("nothing at 'nowhere'"), "{message}");
    let message = run(&["photos", "--size", "0x1"]).failure(2);
    assert!(message.contains("WIDTHxHEIGHT"), "{message}");
    fs::create_dir(workspace.path("elsewhere")).expect("a directory");
    let message = run(&["photos", "--allow", "elsewhere"]).failure(2);
    assert!(message.contains("'photos' is outside of what this process may reach"), "{message}");
    assert_eq!(workspace.names("results"), [""; 0]);
}

#[test]
fn on_a_cluster_each_combination_is_a_task_on_the_executor_that_its_rows_name() {
    let workspace = with_shards();
    let cluster = Cluster::start(&workspace, 3);
    let args = ["speed-test", "--source", "photos", "shards", "--cluster", &cluster.address];
    let finished = workspace.pixmill(&[&args[..], &SIZES].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let each = "SELECT count(*) AS combinations, min(n) AS repetitions, max(executors) AS executors FROM (SELECT count(*) AS n, \
                count(DISTINCT executor) AS executors FROM results GROUP BY source, batch_size, batch_number)";
    assert_eq!(query(&workspace, each), "combinations,repetitions,executors\n12,2,1\n");
    // One of them measures at a time on each executor.
    let together = "SELECT count(*) AS n FROM results a JOIN results b ON a.executor = b.executor \
                    WHERE CAST(a.started_at AS BIGINT) < CAST(b.started_at AS BIGINT) \
                    AND CAST(b.started_at AS BIGINT) < CAST(a.started_at AS BIGINT) + a.seconds * 1000000";
    assert_eq!(query(&workspace, together), "n\n0\n");
    let jobs: serde_json::Value = serde_json::from_str(&cluster.get("pixmill/jobs")).expect("JSON");
    assert_eq!(jobs[0]["tasks"]["done"], 12, "{jobs}");
    // Executors are named as the cluster's own account names them.
    let executors: serde_json::Value = serde_json::from_str(&cluster.get("api/executors")).expect("JSON");
    let executors: Vec<&str> = executors.as_array().expect("a list").iter().filter_map(|e| e["id"].as_str()).collect();
    assert_eq!(executors.len(), 3, "{executors:?}");
    let named = query(&workspace, "SELECT DISTINCT executor, vcores FROM results ORDER BY executor");
    for line in named.lines().skip(1) {
        let known =
            line.split_once(',').is_some_and(|(executor, vcores)| executors.contains(&executor) && vcores == "1");
        assert!(known, "{line} is none of {executors:?}");
    }
}
