//! `--resume`: what an interrupted COPY has finished is kept, and what has changed is written anew.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use support::cluster::{Cluster, eventually, send};
use support::{Finished, Workspace, interruptions, moment};

const COPY: &str = "COPY (SELECT image_encode(image_decode(content)) AS image, class FROM read_images('photos')) TO 'out' \
                    STORED AS TFRECORD OPTIONS (shards 4, prefix 'p', index true)";
const SHARDS: [&str; 4] = ["p00-2.tfrec", "p01-2.tfrec", "p02-2.tfrec", "p03-2.tfrec"];

/// Runs a statement up to the middle of its commit: a directory stands where the list of rejects would.
#[track_caller]
fn dies_in_the_commit(workspace: &Workspace, sql: &str) {
    let place = workspace.path("out/_rejects.csv");
    fs::create_dir_all(&place).expect("a directory");
    let message = workspace.sql(&sql.replace("shards 4", "shards 4, overwrite true")).failure(1);
    assert!(message.contains("cannot finish"), "{message}");
    fs::remove_dir(&place).expect("removed");
}

/// Runs a statement up to its commit.
#[track_caller]
fn dies_before_the_commit(workspace: &Workspace, sql: &str) {
    dies_in_the_commit(workspace, sql);
    for (name, _) in workspace.visible_files("out") {
        fs::remove_file(workspace.path("out").join(name)).expect("removed");
    }
}

fn resume(workspace: &Workspace, sql: &str) -> Finished {
    workspace.pixmill(&["sql", "--resume", "-c", sql])
}

/// The files of shards by their partitions, by what stays the same when they get another name.
fn inodes(workspace: &Workspace, is_shard: impl Fn(&str) -> bool) -> Vec<u64> {
    let names = workspace.names("out").into_iter().filter(|name| is_shard(name));
    names.map(|name| fs::metadata(workspace.path("out").join(name)).expect("a file").ino()).collect()
}

fn hidden(workspace: &Workspace) -> Vec<u64> {
    inodes(workspace, |name| name.starts_with(".finished-"))
}

fn shards(workspace: &Workspace) -> Vec<u64> {
    inodes(workspace, |name| name.ends_with(".tfrec"))
}

/// What an uninterrupted run writes.
fn expected(workspace: &Workspace, sql: &str) -> Vec<(String, Vec<u8>)> {
    workspace.sql(&sql.replace("'out'", "'expected'")).success();
    workspace.files("expected")
}

#[test]
fn finished_shards_are_kept_byte_for_byte() {
    let workspace = Workspace::with_photos(8, 2);
    for dies in [dies_before_the_commit, dies_in_the_commit] {
        dies(&workspace, COPY);
        let before = hidden(&workspace);
        let stdout = resume(&workspace, COPY).success();
        assert_eq!((before.len(), shards(&workspace)), (4, before));
        assert!(SHARDS.iter().all(|shard| stdout.contains(&format!("| {shard} | 2 "))), "{stdout}");
        assert!(workspace.files("out") == expected(&workspace, COPY));
        fs::remove_dir_all(workspace.path("out")).expect("removed");
        fs::remove_dir_all(workspace.path("expected")).expect("removed");
    }
}

/// A statement that a run of some tenths of a second works on, and what it writes.
fn interrupted() -> (Workspace, String, Vec<(String, Vec<u8>)>) {
    let workspace = Workspace::with_photos(200, 4);
    workspace.write("photos/roses/broken.jpg", b"hello");
    let sql = COPY.replace("image_decode(content)", "image_resize(image_decode(content), 200, 200)");
    let expected = expected(&workspace, &sql);
    (workspace, sql, expected)
}

/// Checks what an interrupted run has left: what has its name is whole, and with a manifest the dataset is. Whether there is one.
#[track_caller]
fn check_left(workspace: &Workspace, expected: &[(String, Vec<u8>)]) -> bool {
    let files = workspace.visible_files("out");
    assert!(files.iter().all(|file| expected.contains(file)), "a file is not what it is to be");
    let is_finished = files.iter().any(|(name, _)| name == "_manifest.json");
    assert!(!is_finished || files == expected, "there is a manifest over a part of the dataset");
    is_finished
}

#[test]
fn runs_that_are_interrupted_at_any_moment_leave_no_wrong_dataset_and_resume() {
    let (workspace, sql, expected) = interrupted();
    for number in 0..interruptions() {
        let mut command = workspace.command(&["sql", "-c", &sql]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        std::thread::sleep(moment(number, 20..900));
        send(run.id(), ["KILL", "INT", "TERM"][number as usize % 3]);
        run.wait().expect("ended");
        check_left(&workspace, &expected);
        resume(&workspace, &sql).success();
        assert!(check_left(&workspace, &expected));
        assert_eq!(workspace.names("out").len(), expected.len(), "{:?}", workspace.names("out"));
        fs::remove_dir_all(workspace.path("out")).expect("removed");
    }
}

#[test]
fn a_cluster_that_loses_executors_and_clients_at_any_moment_leaves_no_wrong_dataset_and_resumes() {
    let (workspace, sql, expected) = interrupted();
    let mut cluster = Cluster::start(&workspace, 3);
    for number in 0..interruptions() {
        let client = cluster.start_sql(&sql);
        std::thread::sleep(moment(number, 50..1500));
        match number % 3 {
            0 => {}
            1 => client.signal("KILL"),
            _ => client.signal("INT"),
        }
        cluster.kill(number as usize);
        cluster.add_executor();
        let done = client.finish();
        assert!(check_left(&workspace, &expected) || done.code != 0, "{done:?}");
        let arguments = ["sql", "--resume", "--cluster", &cluster.address, "-c", &sql];
        // The job of a client that is gone may be under way still, and be first.
        eventually("a dataset", || {
            let resumed = workspace.pixmill(&arguments);
            let was_first =
                ["another run", "already holds a finished dataset"].map(|said| resumed.stderr.contains(said));
            assert!(resumed.code == 0 || was_first.contains(&true), "{resumed:?}");
            check_left(&workspace, &expected)
        });
        eventually("nothing else", || workspace.names("out").len() == expected.len());
        fs::remove_dir_all(workspace.path("out")).expect("removed");
    }
}

#[test]
fn a_changed_file_costs_its_own_partition() {
    let workspace = Workspace::with_photos(8, 2);
    dies_before_the_commit(&workspace, COPY);
    let before = hidden(&workspace);
    let photo = fs::read(workspace.path("photos/daisy/000000.jpg")).expect("a photo");
    let other = workspace.files("photos/dandelion").remove(0);
    fs::write(workspace.path("photos/daisy/000000.jpg"), &other.1).expect("written");
    assert!(photo != other.1);
    resume(&workspace, COPY).success();
    let after = shards(&workspace);
    let kept: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before == after).collect();
    assert_eq!(kept, [false, true, true, true]);
    assert!(workspace.files("out") == expected(&workspace, COPY));
}

#[test]
fn a_lost_shard_is_written_again_and_rejects_are_listed_again() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("photos/roses/broken.jpg", b"hello");
    dies_before_the_commit(&workspace, COPY);
    let names = workspace.names("out");
    let lost = names.iter().find(|name| name.starts_with(".finished-00001")).expect("a shard");
    fs::remove_file(workspace.path("out").join(lost)).expect("removed");
    let before = hidden(&workspace);
    resume(&workspace, COPY).success();
    let after = shards(&workspace);
    assert_eq!(before.iter().filter(|inode| after.contains(inode)).count(), 3);
    assert!(workspace.read("out/_rejects.csv").contains("photos/roses/broken.jpg"));
    assert!(workspace.files("out") == expected(&workspace, COPY));
}

#[test]
fn another_statement_keeps_nothing() {
    let workspace = Workspace::with_photos(8, 2);
    let others = [
        COPY.replace("index true", "compression 'gzip'"),
        COPY.replace("image_decode(content)", "image_decode(content, mode => 'gray')"),
        COPY.replace("read_images('photos')", "read_images('photos', shuffle_seed => 1)"),
        COPY.replace(", class FROM", ", CASE WHEN class = 0 THEN 5 ELSE class END AS class FROM"),
    ];
    for other in others {
        dies_before_the_commit(&workspace, COPY);
        let before = hidden(&workspace);
        resume(&workspace, &other).success();
        let after = inodes(&workspace, |name| name.starts_with("p0") && !name.ends_with(".idx"));
        assert!(after.len() == 4 && after.iter().all(|inode| !before.contains(inode)), "{other}");
        assert!(workspace.files("out") == expected(&workspace, &other), "{other}");
        fs::remove_dir_all(workspace.path("out")).expect("removed");
        fs::remove_dir_all(workspace.path("expected")).expect("removed");
    }
}

#[test]
fn without_being_asked_nothing_is_kept() {
    let workspace = Workspace::with_photos(8, 2);
    dies_before_the_commit(&workspace, COPY);
    let before = hidden(&workspace);
    workspace.sql(COPY).success();
    assert!(shards(&workspace).iter().all(|inode| !before.contains(inode)));
    assert!(workspace.files("out") == expected(&workspace, COPY));
}

#[test]
fn a_finished_dataset_is_left_as_it_is() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("photos/roses/broken.jpg", b"hello");
    let first = workspace.sql(COPY).success();
    let (before, files) = (shards(&workspace), workspace.files("out"));
    let rejected = |stdout: &str| -> u64 {
        let rows = stdout.lines().filter(|line| line.contains(".tfrec"));
        rows.filter_map(|row| row.split('|').nth(4)?.trim().parse::<u64>().ok()).sum()
    };
    for again in [COPY.to_string(), COPY.replace("shards 4", "shards 4, overwrite true")] {
        let stdout = resume(&workspace, &again).success();
        assert_eq!((shards(&workspace), rejected(&stdout)), (before.clone(), rejected(&first)));
        assert!(workspace.files("out") == files);
    }
    // Another statement is refused as ever, and so is this one where a shard is gone.
    let message = resume(&workspace, &COPY.replace("'p'", "'q'")).failure(1);
    assert!(message.contains("'out' already holds a finished dataset"), "{message}");
    fs::remove_file(workspace.path("out/p00-3.tfrec")).expect("removed");
    let message = resume(&workspace, COPY).failure(1);
    assert!(message.contains("'out' already holds a finished dataset"), "{message}");
}

#[test]
fn every_format_is_resumed() {
    let workspace = Workspace::with_photos(6, 2);
    let copies = [
        "STORED AS WEBDATASET OPTIONS (shards 4)",
        "STORED AS PARQUET OPTIONS (shards 4, huggingface true)",
        "STORED AS TFRECORD OPTIONS (shards 4, name_template 'tfds', prefix 'flowers')",
        "STORED AS WEBDATASET PARTITIONED BY (split) OPTIONS (shards 4)",
    ];
    for copy in copies {
        let copy = format!(
            "COPY (SELECT content AS jpg, label AS txt, 'split ' || class AS split FROM read_images('photos')) TO 'out' {copy}"
        );
        dies_before_the_commit(&workspace, &copy);
        let before = hidden(&workspace);
        resume(&workspace, &copy).success();
        let after = inodes(&workspace, |_| true);
        assert!(!before.is_empty() && before.iter().all(|inode| after.contains(inode)), "{copy}");
        assert!(workspace.files("out") == expected(&workspace, &copy), "{copy}");
        fs::remove_dir_all(workspace.path("out")).expect("removed");
        fs::remove_dir_all(workspace.path("expected")).expect("removed");
    }
}

#[test]
fn records_are_resumed_until_their_file_changes() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(&COPY.replace("'out'", "'in'")).success();
    let copy = "COPY (SELECT image, class FROM read_tfrecord('in')) TO 'out' STORED AS TFRECORD OPTIONS (shards 4)";
    dies_before_the_commit(&workspace, copy);
    let before = hidden(&workspace);
    // The same bytes, at another time.
    let shard = workspace.path("in").join(SHARDS[3]);
    let bytes = fs::read(&shard).expect("a shard");
    fs::write(&shard, bytes).expect("written");
    resume(&workspace, copy).success();
    let kept: Vec<bool> = before.iter().zip(shards(&workspace)).map(|(before, after)| *before == after).collect();
    assert_eq!(kept, [true, true, true, false]);
}

#[test]
fn rows_that_come_from_several_partitions_are_written_again() {
    let workspace = Workspace::with_photos(8, 2);
    let copy = "COPY (SELECT label, count(*) AS photos FROM read_images('photos') GROUP BY label) TO 'out' STORED AS TFRECORD \
                OPTIONS (overwrite true)";
    dies_in_the_commit(&workspace, copy);
    let before = hidden(&workspace);
    resume(&workspace, copy).success();
    assert!(!before.is_empty() && shards(&workspace).iter().all(|inode| !before.contains(inode)));
}

#[test]
fn a_pipeline_goes_on_where_it_was() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("two.sql", format!("{COPY};\n{};\n", COPY.replace("'out'", "'second'")).as_bytes());
    workspace.sql(COPY).success();
    let before = shards(&workspace);
    let message = workspace.pixmill(&["run", "two.sql"]).failure(1);
    assert!(message.contains("'out' already holds a finished dataset"), "{message}");
    workspace.pixmill(&["run", "two.sql", "--resume"]).success();
    assert_eq!(shards(&workspace), before);
    assert!(workspace.files("out") == workspace.files("second"));
}

#[test]
fn a_table_in_memory_with_other_rows_is_another_statement() {
    let workspace = Workspace::new();
    // A thousand rows, of which one in the middle is told apart.
    let sql = |value: &str| {
        format!(
            "SET pixmill.resume = true; CREATE TABLE t AS SELECT CASE WHEN value = 500 THEN {value} ELSE value END AS n FROM \
             generate_series(1, 1000); COPY t TO 'out' STORED AS TFRECORD OPTIONS (overwrite true)"
        )
    };
    let mut seen = Vec::new();
    for value in ["1", "1", "2", "NULL"] {
        workspace.sql(&sql(value)).success();
        let shard = inodes(&workspace, |name| name.ends_with(".tfrec"));
        seen.push((shard, workspace.files("out")));
    }
    // What is finished is left as it is, and only that.
    assert!(seen[0] == seen[1]);
    assert!(seen[1].1 != seen[2].1 && seen[2].1 != seen[3].1);
}
