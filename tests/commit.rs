//! What a commit sweeps and replaces, and what it leaves alone.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;

use support::Workspace;

const COPY: &str = "COPY (SELECT content AS image, class FROM read_images('photos')) TO 'out' STORED AS TFRECORD \
                    OPTIONS (shards 2, prefix 'p')";
/// Fails before the commit.
const FAILS: &str = "COPY (SELECT image_encode(image_decode(content)) AS jpg FROM read_images('photos')) TO 'out' \
                     STORED AS TFRECORD OPTIONS (shards 1, prefix 'x', on_reject 'fail')";

fn broken() -> Workspace {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("photos/roses/broken.jpg", b"hello");
    workspace
}

/// Runs a statement that fails before its commit.
#[track_caller]
fn fails(workspace: &Workspace, sql: &str) {
    let message = workspace.sql(sql).failure(1);
    assert!(message.contains("'photos/roses/broken.jpg' is rejected"), "{message}");
}

/// Runs a statement that fails when its shards have their names: a directory stands where the list of rejects would.
#[track_caller]
fn fails_at_the_end(workspace: &Workspace, sql: &str) {
    let place = workspace.path("out/_rejects.csv");
    fs::create_dir_all(&place).expect("a directory");
    let message = workspace.sql(sql).failure(1);
    assert!(message.contains("cannot finish"), "{message}");
    fs::remove_dir(&place).expect("removed");
}

fn without_broken(workspace: &Workspace) {
    fs::remove_file(workspace.path("photos/roses/broken.jpg")).expect("removed");
}

#[test]
fn datasets_in_directories_below_are_not_swept() {
    let workspace = Workspace::with_photos(8, 2);
    let parted = "COPY (SELECT class, label FROM read_images('photos')) TO 't1' STORED AS TFRECORD PARTITIONED BY (label) \
                  OPTIONS (prefix 'p', overwrite true)";
    for below in ["t1/v1", "t1/label=daisy"] {
        workspace.sql(&COPY.replace("'out'", &format!("'{below}'"))).success();
    }
    workspace.write("t1/notes=1/p00-3.tfrec", b"theirs");
    let before: Vec<_> = workspace.files("t1");
    workspace.sql(parted).success();
    let after = workspace.files("t1");
    let gone: Vec<_> = before.iter().filter(|file| !after.contains(file)).map(|(name, _)| name).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn files_of_somebody_else_in_directories_of_values_are_named() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("out/label=daisy/p00-3.tfrec", b"theirs");
    let sql = "COPY (SELECT class, label FROM read_images('photos')) TO 'out' STORED AS TFRECORD PARTITIONED BY (label) \
               OPTIONS (prefix 'p')";
    let message = workspace.sql(sql).failure(1);
    assert!(message.contains("'out' already holds 'label=daisy/p00-3.tfrec', which no manifest lists"), "{message}");
}

#[test]
fn shards_of_a_failed_run_are_swept_by_one_with_other_names() {
    let workspace = Workspace::with_photos(8, 2);
    let copy = COPY.replace("prefix 'p'", "prefix 'x', overwrite true");
    fails_at_the_end(&workspace, &copy);
    let parted = copy
        .replace("content AS image, class", "content AS jpg, label")
        .replace("STORED AS TFRECORD", "STORED AS WEBDATASET PARTITIONED BY (label)")
        .replace("prefix 'x'", "name_template 'y{shard}'");
    fails_at_the_end(&workspace, &parted);
    let left: Vec<String> = workspace.visible_files("out").into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["label=daisy/y0", "label=dandelion/y0", "x00-4.tfrec", "x01-4.tfrec"]);
    workspace.sql(COPY).success();
    assert_eq!(workspace.names("out"), ["_manifest.json", "p00-4.tfrec", "p01-4.tfrec"]);
}

#[test]
fn a_failed_run_makes_nobody_elses_shards_its_own() {
    let workspace = broken();
    workspace.write("out/p07-230.tfrec", b"theirs");
    fails(&workspace, FAILS);
    without_broken(&workspace);
    let message = workspace.sql(COPY).failure(1);
    assert!(message.contains("'out' already holds 'p07-230.tfrec', which no manifest lists"), "{message}");
}

#[test]
fn a_dataset_whose_replacement_failed_is_not_swept_without_being_asked() {
    let workspace = broken();
    workspace.sql(COPY).success();
    let before = workspace.files("out");
    // It fails before the commit: the dataset is as it was.
    fails(&workspace, &FAILS.replace("shards 1", "shards 1, overwrite true"));
    assert!(before == workspace.visible_files("out"));
    // Behind that, the next run has to be asked, too.
    fails_at_the_end(&workspace, &COPY.replace("'p'", "'x', overwrite true"));
    assert!(workspace.path("out/_manifest.replaced.json").exists() && workspace.path("out/p00-5.tfrec").exists());
    let message = workspace.sql(&COPY.replace("'p'", "'q'")).failure(1);
    let expected = "'out' holds a dataset that a run has begun to replace and not finished; write to another directory, or \
                    use OPTIONS (overwrite true)";
    assert!(message.contains(expected), "{message}");
    workspace.sql(&COPY.replace("'p'", "'q', overwrite true")).success();
    assert_eq!(workspace.names("out"), ["_manifest.json", "q00-5.tfrec", "q01-4.tfrec"]);
}

#[test]
fn a_dataset_stays_where_all_rows_of_its_replacement_are_rejected() {
    let workspace = broken();
    workspace.sql(COPY).success();
    let before = workspace.files("out");
    let sql = "COPY (SELECT image_encode(image_decode(content)) AS jpg FROM read_images('photos/roses')) TO 'out' STORED AS \
               TFRECORD OPTIONS (overwrite true)";
    let message = workspace.sql(sql).failure(1);
    assert!(message.contains("no record was written: all 1 rows are rejected"), "{message}");
    assert!(before == workspace.visible_files("out"));
}

#[test]
fn a_manifest_removes_nothing_outside_its_directory() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(COPY).success();
    workspace.write("mine.tfrec", b"mine");
    workspace.write("mine.tfrec.idx", b"mine");
    let absolute = workspace.path("mine.tfrec");
    for path in ["../mine.tfrec", absolute.to_str().expect("UTF-8")] {
        let manifest = workspace.read("out/_manifest.json").replace("\"p00-4.tfrec\"", &format!("\"{path}\""));
        workspace.write("out/_manifest.json", manifest.as_bytes());
        workspace.sql(&COPY.replace("shards 2", "shards 2, overwrite true")).success();
        assert_eq!(workspace.read("mine.tfrec"), "mine");
        assert_eq!(workspace.read("mine.tfrec.idx"), "mine");
    }
}

#[test]
fn files_beside_the_shards_are_replaced_only_where_they_are_ours() {
    let workspace = Workspace::with_photos(8, 2);
    let tfds = COPY.replace("prefix 'p'", "name_template 'tfds'");
    for (name, copy) in [("_rejects.csv", COPY), ("class.labels.txt", &tfds)] {
        workspace.write(&format!("{name}.d/{name}"), b"theirs");
        let message = workspace.sql(&copy.replace("'out'", &format!("'{name}.d'"))).failure(1);
        assert!(message.contains(&format!("already holds '{name}', which no manifest lists")), "{message}");
        assert_eq!(workspace.read(&format!("{name}.d/{name}")), "theirs");
    }
}

#[test]
fn null_names_the_directory_that_hive_gives_it_and_an_empty_value_another() {
    let workspace = Workspace::with_photos(4, 2);
    for (value, directory) in [("nullif(label, label)", "s=__HIVE_DEFAULT_PARTITION__"), ("nullif('', label)", "s=")] {
        let sql = format!(
            "COPY (SELECT class, {value} AS s FROM read_images('photos')) TO 'out' STORED AS TFRECORD PARTITIONED BY (s) \
             OPTIONS (shards 1, overwrite true)"
        );
        workspace.sql(&sql).success();
        assert_eq!(workspace.names("out"), ["_manifest.json", &format!("{directory}/shard00-4.tfrec")]);
    }
}

#[test]
fn a_value_that_has_no_place_leaves_what_was_there_and_nothing_else() {
    let workspace = Workspace::with_photos(40, 2);
    let copy = |value: &str, by: &str| {
        format!(
            "COPY (SELECT content AS image, class, {value} AS value FROM read_images('photos')) TO 'out/below' STORED AS TFRECORD \
             {by} OPTIONS (shards 8, overwrite true)"
        )
    };
    let last = "path = (SELECT max(path) FROM read_images('photos'))";
    let refused = [
        (format!("CASE WHEN {last} THEN repeat('a', 300) ELSE label END"), "PARTITIONED BY (value)"),
        (format!("CASE WHEN {last} THEN '__HIVE_DEFAULT_PARTITION__' ELSE label END"), "PARTITIONED BY (value)"),
        (format!("CASE WHEN {last} THEN 1e300 ELSE 1.5 END"), ""),
    ];
    for (value, by) in &refused {
        let message = workspace.sql(&copy(value, by)).failure(1);
        assert!(message.contains("column 'value' holds "), "{message}");
        assert!(!workspace.path("out/below").exists(), "{:?}", workspace.names("out"));
    }
    // A dataset that would be replaced stays, and so does somebody's file.
    workspace.sql(&copy("label", "PARTITIONED BY (value)")).success();
    workspace.write("out/below/notes.txt", b"theirs");
    let before = workspace.files("out");
    for (value, by) in &refused {
        workspace.sql(&copy(value, by)).failure(1);
        assert!(before == workspace.files("out"), "{:?}", workspace.names("out"));
    }
}

#[test]
fn of_two_runs_at_a_time_one_writes_the_dataset_and_the_other_says_so() {
    let workspace = Workspace::with_photos(60, 2);
    let copy = |seed: usize| {
        format!(
            "COPY (SELECT content AS image, class FROM read_images('photos', shuffle_seed => {seed})) TO 'out' STORED AS TFRECORD \
             OPTIONS (shards 60)"
        )
    };
    let finished = std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=2)
            .map(|seed| {
                scope.spawn({
                    let (w, sql) = (&workspace, copy(seed));
                    move || w.sql(&sql)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().expect("a run")).collect::<Vec<_>>()
    });
    let failed: Vec<_> = finished.iter().filter(|run| run.code != 0).collect();
    assert!(!failed.is_empty(), "two runs have finished one dataset");
    assert!(failed.iter().all(|run| run.stderr.starts_with("error: ")), "{failed:?}");
    if failed.len() == 1 {
        workspace.pixmill(&["verify", "out/*.tfrec"]).success();
        assert_eq!(workspace.names("out").len(), 61);
    }
}

#[test]
fn a_dataset_that_a_subquery_reads_is_not_replaced_by_it() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(COPY).success();
    let before = workspace.files("out");
    let sql = "COPY (SELECT class + (SELECT max(class) FROM read_tfrecord('out')) AS n FROM read_images('photos')) TO 'out' STORED AS \
               TFRECORD OPTIONS (overwrite true)";
    let message = workspace.sql(sql).failure(2);
    assert!(message.contains("is what this query reads"), "{message}");
    assert!(workspace.files("out") == before);
}
