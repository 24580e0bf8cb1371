//! What a statement says is kept, or it is an error: options against kinds of queries, and places however they are written.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;

use pixmill::format::manifest::{Manifest, Shard};
use support::Workspace;

/// A statement's tables: photos, and files and memory with what is known of them.
const SETUP: &str = "CREATE TABLE memory AS SELECT path, class, length FROM read_images('photos'); \
                     CREATE VIEW seen AS SELECT path, class FROM 'rows.parquet' WHERE class >= 0; \
                     CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION 'photos' OPTIONS (partitions 5)";

/// Kinds of queries, and how many rows each has.
const QUERIES: [(&str, &str, u64); 26] = [
    ("row by row", "SELECT path, class FROM read_images('photos')", 23),
    ("a table with partitions of its own", "SELECT path, class FROM photos", 23),
    ("filtered by the listing", "SELECT path, class FROM photos WHERE class > 0", 15),
    ("sorted at random", "SELECT path, class FROM photos ORDER BY random()", 23),
    ("sorted by a function of the bytes", "SELECT path FROM photos ORDER BY image_info(content)['width'], path", 23),
    ("sorted and limited", "SELECT path, class FROM photos ORDER BY length, path LIMIT 10", 10),
    ("limited", "SELECT path, class FROM photos LIMIT 10", 10),
    ("limited behind a filter", "SELECT path FROM photos WHERE image_error(content) IS NULL LIMIT 9 OFFSET 3", 9),
    ("joined", "SELECT p.path, n.name FROM photos p JOIN 'names.csv' n ON p.label = n.label", 16),
    ("joined on an inequality", "SELECT p.path, m.length FROM photos p JOIN memory m ON p.length < m.length", 253),
    ("outer joined", "SELECT p.path, n.name FROM photos p LEFT JOIN 'names.csv' n ON p.label = n.label", 23),
    ("IN a query", "SELECT path FROM photos WHERE label IN (SELECT label FROM 'names.csv')", 16),
    (
        "NOT EXISTS",
        "SELECT path FROM photos p WHERE NOT EXISTS (SELECT 1 FROM 'names.csv' n WHERE n.label = p.label)",
        7,
    ),
    ("windows", "SELECT path, row_number() OVER (PARTITION BY label ORDER BY path) AS n FROM photos", 23),
    ("grouped", "SELECT path, count(*) AS n FROM photos GROUP BY path", 23),
    ("counted", "SELECT count(*) AS n FROM photos", 1),
    ("distinct", "SELECT DISTINCT label FROM photos", 3),
    ("united", "SELECT path, class FROM photos UNION ALL SELECT path, class FROM memory", 46),
    ("united without repeats", "SELECT path, class FROM photos UNION SELECT path, class FROM memory", 23),
    ("values", "SELECT column1 AS a, column2 AS b FROM (VALUES (1, 'x'), (2, 'y'), (3, 'z'), (4, 'x'), (5, 'y'))", 5),
    ("Parquet", "SELECT * FROM 'rows.parquet'", 23),
    ("CSV, sorted", "SELECT * FROM 'rows.csv' ORDER BY path DESC", 23),
    ("a table in memory", "SELECT * FROM memory", 23),
    ("a view", "SELECT * FROM seen", 23),
    ("records", "SELECT path, class FROM read_tfrecord('records')", 23),
    ("nothing", "SELECT path, class FROM photos WHERE false", 0),
];

/// Photos whose lengths all differ, and other tables with what is known of them.
fn workspace() -> Workspace {
    let workspace = Workspace::with_photos(23, 3);
    for (number, (name, mut bytes)) in workspace.files("photos").into_iter().enumerate() {
        // What follows the end of a JPEG is no part of the image.
        bytes.resize(10_000 + number, 0);
        fs::write(workspace.path("photos").join(name), bytes).expect("written");
    }
    workspace.write("names.csv", b"label,name\ndaisy,Daisy\ndandelion,Dandelion\n");
    let rows = "COPY (SELECT path, class, length FROM read_images('photos'))";
    let sql = format!("{rows} TO 'rows.parquet'; {rows} TO 'rows.csv'; {rows} TO 'records' STORED AS TFRECORD");
    workspace.sql(&sql).success();
    workspace
}

/// Runs a COPY of each query to a directory of its own, whose name is the query's number.
fn copy_all(workspace: &Workspace, threads: &str, copy: &str) {
    let mut sql = SETUP.to_string();
    for (number, (_, query, _)) in QUERIES.iter().enumerate() {
        sql.push_str(&format!("; {}", copy.replace("$query", query).replace('$', &format!("out{threads}-{number}"))));
    }
    workspace.pixmill(&["sql", "--threads", threads, "-c", &sql]).success();
}

fn shards(workspace: &Workspace, directory: &str) -> Vec<Shard> {
    Manifest::read(&workspace.path(directory)).expect("readable").expect("there").shards
}

#[track_caller]
fn assert_even(shards: &[Shard], asked: usize, rows: u64, what: &str) {
    let records: Vec<u64> = shards.iter().map(|shard| shard.records).collect();
    assert_eq!(records.len() as u64, rows.min(asked as u64), "{what}: {records:?}");
    assert_eq!(records.iter().sum::<u64>(), rows, "{what}: {records:?}");
    assert!(records.iter().max() <= records.iter().min().map(|least| least + 1).as_ref(), "{what}: {records:?}");
}

#[test]
fn so_many_shards_are_written_as_are_asked_for_whatever_the_query() {
    let workspace = workspace();
    let options = "compression 'gzip', prefix 'x', name_template '{prefix}_{shard}-of-{shards}-{records}'";
    for (threads, asked) in [("1", 4), ("3", 7)] {
        let copy = format!("COPY ($query) TO '$' STORED AS TFRECORD OPTIONS (shards {asked}, {options})");
        copy_all(&workspace, threads, &copy);
        for (number, (what, _, rows)) in QUERIES.iter().enumerate() {
            let directory = format!("out{threads}-{number}");
            let shards = shards(&workspace, &directory);
            assert_even(&shards, asked, *rows, what);
            for (number, shard) in shards.iter().enumerate() {
                assert_eq!(shard.path, format!("x_{number}-of-{}-{}.gz", shards.len(), shard.records), "{what}");
                let bytes = fs::read(workspace.path(&directory).join(&shard.path)).expect("a shard");
                assert!(bytes.starts_with(&[0x1f, 0x8b]), "{what}");
            }
        }
    }
}

#[test]
fn every_format_has_as_many_shards_as_are_asked_for() {
    let workspace = workspace();
    for (threads, format, options) in [("1", "WEBDATASET", ""), ("2", "PARQUET", ", huggingface true")] {
        let copy =
            format!("COPY (SELECT class AS cls FROM ($query)) TO '$' STORED AS {format} OPTIONS (shards 3{options})");
        let mut sql = SETUP.to_string();
        let some = QUERIES.iter().filter(|(_, query, _)| query.contains("class") && !query.contains("ORDER BY path"));
        let some: Vec<_> = some.collect();
        for (number, (_, query, _)) in some.iter().enumerate() {
            sql.push_str(&format!(
                "; {}",
                copy.replace("$query", query).replace('$', &format!("out{threads}-{number}"))
            ));
        }
        workspace.pixmill(&["sql", "--threads", threads, "-c", &sql]).success();
        for (number, (what, _, rows)) in some.iter().enumerate() {
            assert_even(&shards(&workspace, &format!("out{threads}-{number}")), 3, *rows, what);
        }
    }
}

#[test]
fn the_order_of_a_query_is_that_of_its_shards() {
    let workspace = workspace();
    for (threads, order, shards) in [
        ("1", "length DESC", "shards 4"),
        ("3", "length DESC", "shards 4"),
        ("3", "length", "shards 23"),
        ("3", "length DESC", "prefix 'y'"),
        ("3", "-length", "shards 5"),
    ] {
        for (from, also) in [
            ("photos", ""),
            ("memory", ""),
            ("'rows.parquet'", ""),
            ("(SELECT length FROM photos UNION ALL SELECT length + 100 FROM memory)", ""),
            // A column that only sorts.
            ("photos", "class"),
        ] {
            let column = if also.is_empty() { "length" } else { "length, path" };
            let copy = format!(
                "{SETUP}; COPY (SELECT {column} FROM {from} ORDER BY {order}) TO 'o' STORED AS TFRECORD OPTIONS ({shards}, overwrite true)"
            );
            workspace.pixmill(&["sql", "--threads", threads, "-c", &copy]).success();
            let rows = "SELECT length FROM read_tfrecord('o', partitions => 1)";
            let stdout = workspace.pixmill(&["sql", "--format", "csv", "-c", rows]).success();
            let lengths: Vec<i64> = stdout.lines().filter_map(|line| line.parse().ok()).collect();
            let mut sorted = lengths.clone();
            sorted.sort_unstable();
            if order != "length" {
                sorted.reverse();
            }
            assert!(lengths.len() >= 23 && lengths == sorted, "{from}, {order}, {threads} threads: {lengths:?}");
        }
    }
}

#[test]
fn a_column_that_only_sorts_is_kept_out_and_obeyed() {
    let workspace = workspace();
    let copy = "COPY (SELECT class, path FROM read_images('photos') ORDER BY length DESC) TO 'o' STORED AS TFRECORD OPTIONS ($)";
    let expected = workspace.sql("SELECT path FROM read_images('photos') ORDER BY length DESC").success();
    for options in ["shards 4", "prefix 'a'"] {
        let copy = copy.replace('$', &format!("{options}, overwrite true"));
        workspace.pixmill(&["sql", "--threads", "3", "-c", &copy]).success();
        let rows = "SELECT arrow_cast(path, 'Utf8') AS path FROM read_tfrecord('o', partitions => 1, text => 'path')";
        assert_eq!(workspace.sql(rows).success(), expected, "{options}");
    }
}

#[test]
fn parts_are_cut_before_directories_which_have_a_shard_of_each_at_most() {
    let workspace = workspace();
    for query in [
        "SELECT path, class FROM read_images('photos')",
        "SELECT path, class FROM read_images('photos') ORDER BY length % 7",
        "SELECT path, class FROM 'rows.parquet'",
        "SELECT column1 AS path, column2 AS class FROM (VALUES ('a', 1), ('b', 2), ('c', 1))",
    ] {
        let copy = format!(
            "COPY ({query}) TO 'o' STORED AS TFRECORD PARTITIONED BY (class) OPTIONS (shards 3, overwrite true)"
        );
        workspace.sql(&copy).success();
        let shards = shards(&workspace, "o");
        let mut directories: Vec<&str> =
            shards.iter().map(|shard| shard.path.split_once('/').expect("a directory").0).collect();
        let rows: u64 = shards.iter().map(|shard| shard.records).sum();
        assert_eq!(rows, if query.contains("VALUES") { 3 } else { 23 }, "{query}");
        for directory in ["class=0", "class=1", "class=2"] {
            let count = directories.iter().filter(|there| **there == directory).count();
            assert!(count <= 3, "{query}: {directories:?}");
        }
        directories.dedup();
        assert!(directories.len() >= 2, "{query}: {directories:?}");
    }
}

/// Queries of 23 rows of which three have no image.
const IMAGES: [&str; 6] = [
    "SELECT $ AS image, class FROM read_images('photos')",
    "SELECT $ AS image, class FROM read_images('photos') ORDER BY random()",
    "SELECT $ AS image, r.class FROM read_images('photos') p JOIN (SELECT path AS other, class FROM 'rows.parquet') r ON p.path = r.other",
    "SELECT $ AS image, class FROM read_images('photos', partitions => 3) WHERE class < 2 UNION ALL SELECT $, class FROM read_images('photos') WHERE class = 2",
    "SELECT image, row_number() OVER (ORDER BY class) AS n FROM (SELECT $ AS image, class FROM read_images('photos'))",
    "SELECT DISTINCT $ AS image, path FROM read_images('photos')",
];

#[test]
fn rejects_are_counted_and_bounded_whatever_the_query() {
    let workspace = workspace();
    let image = "CASE WHEN length % 7 = 3 THEN NULL ELSE content END";
    for query in IMAGES.map(|query| query.replace('$', image)) {
        let copy = |options: &str| {
            let sql = format!("COPY ({query}) TO 'o' STORED AS TFRECORD OPTIONS (shards 4, overwrite true, {options})");
            workspace.sql(&sql)
        };
        copy("max_rejects 3").success();
        let manifest = Manifest::read(&workspace.path("o")).expect("readable").expect("there");
        assert_eq!((manifest.records, manifest.rejected, manifest.shards.len()), (20, 3, 4), "{query}");
        assert_eq!(workspace.read("o/_rejects.csv").lines().count(), 4, "{query}");
        let message = copy("max_rejects 2").failure(1);
        assert!(message.contains("rows are rejected"), "{query}: {message}");
        let message = copy("on_reject 'fail'").failure(1);
        assert!(message.contains("is rejected: column 'image' is NULL"), "{query}: {message}");
        fs::remove_dir_all(workspace.path("o")).expect("removed");
    }
}

#[test]
fn a_dataset_is_replaced_only_when_asked_whatever_the_query() {
    let workspace = workspace();
    for (what, query, rows) in [QUERIES[3], QUERIES[8], QUERIES[19], QUERIES[20], QUERIES[25]] {
        let copy = format!("{SETUP}; COPY ({query}) TO 'o' STORED AS TFRECORD OPTIONS (shards 2)");
        workspace.sql(&copy).success();
        let before = workspace.files("o");
        let message = workspace.sql(&copy).failure(1);
        assert!(message.contains("already holds a finished dataset"), "{what}: {message}");
        assert!(workspace.files("o") == before, "{what}");
        workspace.sql(&copy.replace("shards 2", "shards 3, overwrite true")).success();
        assert_even(&shards(&workspace, "o"), 3, rows, what);
        fs::remove_dir_all(workspace.path("o")).expect("removed");
    }
}

#[test]
fn why_a_row_was_rejected_is_known_of_rows_that_waited() {
    let workspace = workspace();
    workspace.write("photos/roses/broken.jpg", b"hello");
    let sql = "COPY (SELECT image_encode(image_decode(content)) AS image, class FROM read_images('photos') ORDER BY length) TO 'o' \
               STORED AS TFRECORD OPTIONS (shards 3)";
    workspace.sql(sql).success();
    let rejects = workspace.read("o/_rejects.csv");
    assert!(
        rejects.contains("photos/roses/broken.jpg,decode,not_an_image,\"not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image"),
        "{rejects}"
    );
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let workspace = workspace();
    let table = |clause: &str| format!("CREATE EXTERNAL TABLE t {clause}");
    let copy = |query: &str, rest: &str| format!("COPY ({query}) TO 'refused' {rest}");
    let rows = "SELECT * FROM 'rows.parquet'";
    for (sql, expected) in [
        (table("STORED AS IMAGES WITH ORDER (path) LOCATION 'photos'"), "takes no WITH ORDER"),
        (table("(class BIGINT) STORED AS TFRECORD WITH ORDER (class) LOCATION 'records'"), "takes no WITH ORDER"),
        (table("(class BIGINT DEFAULT 3) STORED AS TFRECORD LOCATION 'records'"), "takes no DEFAULT"),
        (table("(class BIGINT, PRIMARY KEY (class)) STORED AS TFRECORD LOCATION 'records'"), "takes no PRIMARY KEY"),
        (
            table("(class BIGINT) STORED AS TFRECORD LOCATION 'records' OPTIONS (text 'path')"),
            "text: the table declares",
        ),
        (
            table("(class BIGINT) STORED AS TFRECORD LOCATION 'records' OPTIONS (lists '*')"),
            "lists: the table declares",
        ),
        (
            table("STORED AS IMAGES LOCATION 'photos/*/*.jpg' OPTIONS (recursive false)"),
            "recursive: a pattern says itself",
        ),
        (
            "SELECT count(*) FROM read_images('photos/**', recursive => false)".into(),
            "recursive: a pattern says itself",
        ),
        (
            "SELECT * FROM read_tfrecord('records', record_type => 'bytes', text => 'path')".into(),
            "text: records of bytes have no features",
        ),
        (
            "SELECT * FROM speed_test('photos', decode => false, width => 64)".into(),
            "width and height are those of decoded images",
        ),
        ("SELECT * FROM 'rows.parquet' TABLESAMPLE BERNOULLI (10)".into(), "TABLESAMPLE works on tables of images"),
        ("SET pixmill.shards = 4".into(), "shards"),
        (copy(rows, "STORED AS TFRECORD OPTIONS (prefix 'x', name_template 'spark')"), "prefix: the name template"),
        (
            copy(rows, "STORED AS TFRECORD OPTIONS (on_reject 'fail', max_rejects 2)"),
            "max_rejects: with on_reject 'fail'",
        ),
        (copy(rows, "STORED AS TFRECORD OPTIONS (row_group_bytes 5000)"), "unknown option 'row_group_bytes'"),
        (copy(rows, "STORED AS WEBDATASET OPTIONS (index true)"), "unknown option 'index'"),
        (copy(rows, "STORED AS PARQUET OPTIONS (shards 4)"), "shards"),
        (copy(rows, "STORED AS CSV OPTIONS (shards 4)"), "shards"),
        (copy(rows, "STORED AS JSON OPTIONS (shards 4)"), "shards"),
        (copy(rows, "STORED AS ARROW OPTIONS (shards 4)"), "shards"),
        (copy(rows, "STORED AS PARQUET OPTIONS (overwrite true)"), "overwrite"),
        (copy(rows, "STORED AS CSV OPTIONS (prefix 'x')"), "prefix"),
    ] {
        let finished = workspace.sql(&sql);
        assert!(finished.code != 0, "{sql}: {}", finished.stdout);
        assert!(
            finished.stderr.contains(expected) && !finished.stderr.contains("panicked"),
            "{sql}: {}",
            finished.stderr
        );
        assert!(!workspace.path("refused").exists(), "{sql}");
    }
}

#[test]
fn shards_are_the_same_bytes_however_a_place_is_written_and_from_wherever() {
    let workspace = workspace();
    workspace.write("elsewhere/x", b"");
    let moved = Workspace::with_photos(1, 1);
    fs::remove_dir_all(moved.path("photos")).expect("removed");
    for (name, bytes) in workspace.files("photos") {
        moved.write(&format!("other name/{name}"), &bytes);
    }
    let absolute = workspace.path("photos").to_str().expect("UTF-8").to_string();
    let root = workspace.path("").to_str().expect("UTF-8").trim_end_matches('/').to_string();
    let url = format!("file://{absolute}");
    let elsewhere = moved.path("other name").to_str().expect("UTF-8").to_string();
    let in_elsewhere = format!("{root}/elsewhere");
    let mut expected = None;
    for (number, (directory, place)) in [
        (&root, "photos"),
        (&root, "./photos"),
        (&root, "photos/"),
        (&root, "photos/**/*.jpg"),
        (&root, "./photos/*/*"),
        (&root, "elsewhere/../photos"),
        (&absolute, "."),
        (&absolute, "**/*.jpg"),
        (&absolute, "./**"),
        (&in_elsewhere, "../photos"),
        (&root, absolute.as_str()),
        (&root, url.as_str()),
        (&root, elsewhere.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let out = workspace.path(&format!("out{number}")).to_str().expect("UTF-8").to_string();
        let sql = format!(
            "COPY (SELECT content AS image, class, label FROM read_images('{place}', shuffle_seed => 5)) TO '{out}/shuffled' STORED AS \
             TFRECORD OPTIONS (shards 3); \
             CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION '{place}'; \
             COPY (SELECT content AS image, class, label FROM t TABLESAMPLE BERNOULLI (50) REPEATABLE (3)) TO '{out}/sampled' STORED AS \
             TFRECORD; \
             COPY (SELECT content AS image, label FROM t TABLESAMPLE (5 ROWS) REPEATABLE (3)) TO '{out}/rows' STORED AS TFRECORD"
        );
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pixmill"));
        let output = command.current_dir(directory).args(["sql", "-c", &sql]).output().expect("the binary starts");
        support::Finished::of(&output).success();
        let mut files = workspace.files(&format!("out{number}"));
        // Manifests tell statements apart by what they say.
        files.retain(|(name, _)| !name.ends_with("_manifest.json"));
        assert!(files == *expected.get_or_insert_with(|| files.clone()), "'{place}' in '{directory}'");
    }
}
