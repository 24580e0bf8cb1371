//! `--retry-rejects`: of the rows that a COPY has rejected, those that come through by now are added to its dataset, and nothing else
//! of it changes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use pixmill::format::manifest::{Manifest, Retry};
use support::cluster::{Cluster, send};
use support::{Finished, Workspace, interruptions, moment};

const COPY: &str = "COPY (SELECT image_encode(image_decode(content)) AS image, label, class, path AS name FROM read_images('photos') \
                    WHERE label <> 'none') TO 'out' STORED AS TFRECORD OPTIONS (shards 4, prefix 'p', index true)";
/// Photos of two labels that are broken at first.
const BROKEN: [&str; 5] = [
    "photos/daisy/a.jpg",
    "photos/daisy/b.jpg",
    "photos/daisy/c.jpg",
    "photos/dandelion/a.jpg",
    "photos/dandelion/b.jpg",
];

fn retry(workspace: &Workspace, sql: &str) -> Finished {
    workspace.pixmill(&["sql", "--retry-rejects", "-c", sql])
}

/// Eight photos, and five that are broken.
fn workspace() -> Workspace {
    let workspace = Workspace::with_photos(8, 2);
    for broken in BROKEN {
        workspace.write(broken, b"hello");
    }
    workspace
}

/// Puts photos where broken files were.
fn mend(workspace: &Workspace, paths: &[&str]) {
    let photo = fs::read(workspace.path("photos/daisy/000000.jpg")).expect("a photo");
    paths.iter().for_each(|path| workspace.write(path, &photo));
}

fn manifest(workspace: &Workspace) -> Manifest {
    Manifest::read(&workspace.path("out")).expect("a manifest").expect("a dataset")
}

fn rows(workspace: &Workspace, sql: &str) -> Vec<String> {
    let text = workspace.pixmill(&["sql", "--format", "csv", "-c", sql]).success();
    text.lines().skip(1).map(str::to_string).collect()
}

/// Whether the shards of a manifest are there, with the bytes that it says.
fn is_whole(workspace: &Workspace, manifest: &Manifest) -> bool {
    manifest.shards.iter().all(|shard| {
        let bytes = fs::read(workspace.path("out").join(&shard.path)).expect("a shard");
        (bytes.len() as u64, format!("{:08x}", crc32c::crc32c(&bytes))) == (shard.bytes, shard.crc32c.clone())
    })
}

/// Whether the dataset has the rows that a whole run writes, in whatever order, and is sound.
#[track_caller]
fn check(workspace: &Workspace, sql: &str, read: &str) {
    workspace.sql(&sql.replace("'out'", "'expected'")).success();
    let all = |directory: &str| {
        let columns = "md5(CAST(image AS BYTEA)), label, class, name";
        rows(workspace, &format!("SELECT {columns} FROM {}", read.replace('@', directory)))
    };
    let (written, expected) = (all("out"), all("expected"));
    assert_eq!(written.iter().collect::<BTreeSet<_>>(), expected.iter().collect::<BTreeSet<_>>());
    assert_eq!(written.len(), expected.len());
    let list = |directory: &str| fs::read_to_string(workspace.path(directory).join("_rejects.csv")).ok();
    assert_eq!(list("out"), list("expected"));
    let of_expected = Manifest::read(&workspace.path("expected")).expect("a manifest").expect("a dataset");
    let of_out = manifest(workspace);
    assert_eq!((of_out.records, of_out.rejected), (of_expected.records, of_expected.rejected));
    assert_eq!(of_out.features, of_expected.features);
    workspace.pixmill(&["verify", "out"]).success();
    assert!(workspace.names("out").iter().all(|name| !name.starts_with('.') && !name.contains("next")));
    fs::remove_dir_all(workspace.path("expected")).expect("removed");
}

#[test]
fn rows_that_come_through_are_added_and_nothing_else_changes() {
    let workspace = workspace();
    workspace.sql(COPY).success();
    let before = workspace.shards("out");
    mend(&workspace, &BROKEN[..2]);
    let stdout = retry(&workspace, COPY).success();
    // One of the four had rejected rows alone.
    assert!(before.len() == 3 && stdout.contains("| p03-2.tfrec | 2 ") && !stdout.contains("p00"), "{stdout}");
    check(&workspace, COPY, "read_tfrecord('@')");
    assert!(before.iter().all(|shard| workspace.shards("out").contains(shard)));
    let retries = manifest(&workspace).retries;
    assert_eq!(retries, [Retry { rejected_before: 5, records: 2, shards: vec!["p03-2.tfrec".to_string()] }]);
    // Again, and at last.
    mend(&workspace, &BROKEN[4..]);
    retry(&workspace, COPY).success();
    check(&workspace, COPY, "read_tfrecord('@')");
    mend(&workspace, &BROKEN);
    retry(&workspace, COPY).success();
    check(&workspace, COPY, "read_tfrecord('@')");
    assert_eq!(manifest(&workspace).retries.len(), 3);
    assert!(!workspace.path("out/_rejects.csv").exists());
    let finished = workspace.files("out");
    retry(&workspace, COPY).success();
    assert!(workspace.files("out") == finished);
}

#[test]
fn rows_whose_files_are_gone_or_broken_still_stay_in_the_list() {
    let workspace = workspace();
    workspace.sql(COPY).success();
    let list = workspace.read("out/_rejects.csv");
    fs::remove_file(workspace.path(BROKEN[1])).expect("removed");
    let stdout = retry(&workspace, COPY).success();
    assert!(stdout.contains("| NULL") || stdout.contains("|             |"), "{stdout}");
    assert_eq!(workspace.read("out/_rejects.csv"), list);
    mend(&workspace, &BROKEN[2..3]);
    retry(&workspace, COPY).success();
    let gone = |line: &&str| !line.starts_with(BROKEN[2]);
    let expected: Vec<&str> = list.lines().filter(gone).collect();
    assert_eq!(workspace.read("out/_rejects.csv").lines().collect::<Vec<_>>(), expected);
    assert_eq!((manifest(&workspace).records, manifest(&workspace).rejected), (9, 4));
    workspace.pixmill(&["verify", "out"]).success();
}

#[test]
fn every_format_and_directories_are_added_to() {
    for (rest, read) in [
        ("STORED AS TFRECORD PARTITIONED BY (label) OPTIONS (shards 2, compression 'gzip')", "read_tfrecord('@')"),
        ("STORED AS PARQUET OPTIONS (huggingface true, shards 3)", "'@/*.parquet'"),
        ("STORED AS PARQUET PARTITIONED BY (label) OPTIONS (huggingface true)", "'@/*/*.parquet'"),
    ] {
        let workspace = workspace();
        let sql = format!("{} {rest}", COPY.split(" STORED").next().expect("the statement"));
        workspace.sql(&sql).success();
        mend(&workspace, &BROKEN[1..4]);
        retry(&workspace, &sql).success();
        let read = match read {
            "'@/*.parquet'" => "(SELECT image['bytes'] AS image, label, class, name FROM '@/*.parquet')",
            "'@/*/*.parquet'" => "(SELECT image['bytes'] AS image, label, class, name FROM '@/')",
            other => other,
        };
        check(&workspace, &sql, read);
    }
    let workspace = workspace();
    let sql = "COPY (SELECT replace(path, '/', '-') AS key, image_encode(image_decode(content)) AS jpg, label AS txt, class AS cls \
               FROM read_images('photos')) TO 'out' STORED AS WEBDATASET OPTIONS (shards 3)";
    workspace.sql(sql).success();
    mend(&workspace, &BROKEN[1..4]);
    retry(&workspace, sql).success();
    check(
        &workspace,
        sql,
        "(SELECT jpg AS image, txt AS label, cls AS class, __key__ AS name FROM read_webdataset('@'))",
    );
}

#[test]
fn what_cannot_be_run_for_some_rows_is_refused_and_changes_nothing() {
    let workspace = workspace();
    let copy = |query: &str, rest: &str| format!("COPY ({query}) TO 'out' STORED AS TFRECORD {rest}");
    let image = "SELECT image_encode(image_decode(content)) AS image";
    let message = retry(&workspace, COPY).failure(1);
    assert!(message.contains("holds no finished dataset whose rejected rows could be tried again"), "{message}");
    for (query, rest) in [
        (format!("{image} FROM read_images('photos') ORDER BY path"), ""),
        (format!("{image} FROM read_images('photos') WHERE octet_length(content) < 9999 LIMIT 12"), ""),
        (format!("{image} FROM (SELECT DISTINCT content FROM read_images('photos'))"), ""),
        (format!("{image} FROM read_images('photos') WHERE random() < 2"), ""),
        (
            format!(
                "{image} FROM read_images('photos') WHERE length < (SELECT max(length) + 1 FROM read_images('photos'))"
            ),
            "",
        ),
        (format!("{image} FROM read_images('photos') UNION ALL {image} FROM read_images('photos')"), ""),
        (format!("{image} FROM read_images('photos')"), "OPTIONS (name_template 'tfds', prefix 'flowers')"),
    ] {
        let sql = copy(&query, rest);
        workspace.sql(&sql).success();
        let before = workspace.files("out");
        if manifest(&workspace).rejected > 0 {
            let message = retry(&workspace, &sql).failure(2);
            assert!(message.contains("retry_rejects: "), "{query}: {message}");
        }
        assert!(workspace.files("out") == before, "{query}");
        fs::remove_dir_all(workspace.path("out")).expect("removed");
    }
    workspace.sql(COPY).success();
    let before = workspace.files("out");
    mend(&workspace, &BROKEN);
    let refused = |sql: &str, expected: &str| {
        let finished = retry(&workspace, sql);
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
        assert!(workspace.files("out") == before, "{sql}");
    };
    refused(&COPY.replace("shards 4", "shards 3"), "was written by another statement");
    refused("COPY (SELECT 1 AS n) TO 'n.csv'", "rejects no rows, and would be run as a whole");
    workspace.write("photos/a/a.jpg", b"hello");
    refused(COPY, "the labels are others than those of the dataset");
    fs::remove_dir_all(workspace.path("photos/a")).expect("removed");
    workspace.write("out/p07-1.tfrec", b"mine");
    assert!(retry(&workspace, COPY).failure(1).contains("already holds 'p07-1.tfrec', which no manifest lists"));
    fs::remove_file(workspace.path("out/p07-1.tfrec")).expect("removed");
    let list = workspace.read("out/_rejects.csv");
    workspace.write("out/_rejects.csv", list.lines().next().expect("a line").as_bytes());
    assert!(retry(&workspace, COPY).failure(1).contains("doesn't list as many"));
    workspace.write("out/_rejects.csv", list.as_bytes());
    retry(&workspace, COPY).success();
    check(&workspace, COPY, "read_tfrecord('@')");
}

#[test]
fn rows_that_cannot_be_told_apart_are_refused() {
    let workspace = workspace();
    let sql = "COPY (SELECT image_encode(image_decode(content)) AS image, name FROM read_images(files => 'list.csv')) TO 'out' \
               STORED AS TFRECORD";
    let list = |paths: &[&str]| {
        let lines: String = paths.iter().enumerate().map(|(name, path)| format!("{path},{name}\n")).collect();
        workspace.write("list.csv", format!("path,name\n{lines}").as_bytes());
    };
    let good = "photos/daisy/000000.jpg";
    list(&[good, BROKEN[0], BROKEN[0], BROKEN[1]]);
    workspace.sql(sql).success();
    mend(&workspace, &BROKEN[..1]);
    list(&[good, BROKEN[0], BROKEN[0], BROKEN[0], BROKEN[1]]);
    let message = retry(&workspace, sql).failure(2);
    assert!(message.contains("'photos/daisy/a.jpg' stands for 3 rows, of which 2 were rejected"), "{message}");
    list(&[good, BROKEN[0], BROKEN[0], BROKEN[1]]);
    retry(&workspace, sql).success();
    assert_eq!(rows(&workspace, "SELECT name FROM read_tfrecord('out') ORDER BY name"), ["0", "1", "2"]);
    assert_eq!(manifest(&workspace).rejected, 1);
}

#[test]
fn a_retry_that_dies_before_or_behind_the_manifest_leaves_a_whole_dataset_and_is_run_to_its_end() {
    let workspace = workspace();
    workspace.sql(COPY).success();
    let before = manifest(&workspace);
    mend(&workspace, &BROKEN[..3]);
    // A directory stands where the new list would, and the commit ends behind the names of its shards.
    fs::create_dir(workspace.path("out/_rejects.next.csv")).expect("a directory");
    assert!(retry(&workspace, COPY).failure(1).contains("cannot finish"));
    assert_eq!(manifest(&workspace), before);
    assert!(is_whole(&workspace, &before));
    fs::remove_dir(workspace.path("out/_rejects.next.csv")).expect("removed");
    let list = workspace.read("out/_rejects.csv");
    retry(&workspace, COPY).success();
    check(&workspace, COPY, "read_tfrecord('@')");
    // As it is between the new manifest and its list.
    let next = workspace.read("out/_rejects.csv");
    workspace.write("out/_rejects.next.csv", next.as_bytes());
    workspace.write("out/_rejects.csv", list.as_bytes());
    workspace.pixmill(&["verify", "out"]).success();
    mend(&workspace, &BROKEN[3..4]);
    retry(&workspace, COPY).success();
    check(&workspace, COPY, "read_tfrecord('@')");
}

#[test]
fn a_retry_that_is_interrupted_at_any_moment_leaves_a_whole_dataset_and_is_run_to_its_end() {
    for number in 0..interruptions() {
        let workspace = workspace();
        workspace.sql(COPY).success();
        mend(&workspace, &BROKEN[..4]);
        let mut command = workspace.command(&["sql", "--retry-rejects", "-c", COPY]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        std::thread::sleep(moment(number, 30..330));
        send(run.id(), ["KILL", "INT", "TERM"][number as usize % 3]);
        run.wait().expect("ended");
        let left = manifest(&workspace);
        assert!([(8, 5), (12, 1)].contains(&(left.records, left.rejected)), "{left:?}");
        assert!(is_whole(&workspace, &left));
        retry(&workspace, COPY).success();
        check(&workspace, COPY, "read_tfrecord('@')");
    }
}

#[test]
fn a_cluster_adds_the_same() {
    let workspace = workspace();
    let cluster = Cluster::start(&workspace, 2);
    let on = |arguments: &[&str]| {
        workspace.pixmill(&[&["sql", "--cluster", &cluster.address], arguments, &["-c", COPY]].concat())
    };
    on(&[]).success();
    mend(&workspace, &BROKEN[..3]);
    on(&["--retry-rejects"]).success();
    check(&workspace, COPY, "read_tfrecord('@')");
    let added = workspace.files("out");
    fs::remove_dir_all(workspace.path("out")).expect("removed");
    BROKEN.iter().for_each(|broken| workspace.write(broken, b"hello"));
    workspace.sql(COPY).success();
    mend(&workspace, &BROKEN[..3]);
    retry(&workspace, COPY).success();
    assert!(workspace.files("out") == added);
}
