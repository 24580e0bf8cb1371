//! A cluster of real processes: the same rows and bytes as in one process, whatever is lost on the way.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::time::{Duration, Instant};

use pixmill::format::manifest::Manifest;
use support::Workspace;
use support::cluster::{Cluster, eventually};

/// Work that takes each of two cores some seconds: pixels in numbers, and a slow codec.
const SLOW: &str = "image_encode(image_resize(image_decode(content), 1200, 1200), 'png')";

fn slow_copy(target: &str) -> String {
    format!(
        "COPY (SELECT {SLOW} AS image, class, path FROM read_images('photos')) TO '{target}' STORED AS TFRECORD \
         OPTIONS (shards 14)"
    )
}

/// What the slow COPY writes in one process.
fn expected(workspace: &Workspace) -> Vec<(String, Vec<u8>)> {
    workspace.sql(&slow_copy("expected")).success();
    workspace.files("expected")
}

#[track_caller]
fn same(left: &[(String, Vec<u8>)], right: &[(String, Vec<u8>)]) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(left), names(right));
    assert!(left == right, "the files' bytes differ");
}

#[test]
fn names_and_patterns_mean_what_they_mean_in_one_process() {
    let workspace = Workspace::with_photos(6, 2);
    let photo = std::fs::read(workspace.path("photos/daisy/000000.jpg")).expect("a photo");
    workspace.write("[2024] Images/daisy/1.jpg", &photo);
    workspace.write("2 Images/daisy/2.jpg", &photo);
    for (name, value) in [("a1.csv", 1), ("a2.csv", 2), ("b1.csv", 4), ("a[1].csv", 8), ("x/a1.csv", 16)] {
        workspace.write(&format!("rows/{name}"), format!("a\n{value}\n").as_bytes());
    }
    workspace.write("rows/README", b"no rows");
    workspace.write("typed/1.tsv", b"a\tb\n1\tx,y\n");
    workspace.write("typed/1.jsonl", b"{\"a\": 1}\n");
    workspace
        .sql("COPY (SELECT label, length FROM 'photos') TO 'split [1]/' STORED AS PARQUET PARTITIONED BY (label)")
        .success();
    let cluster = Cluster::start(&workspace, 1);
    for query in [
        "SELECT path FROM '[2024] Images/**/*.jpg'",
        "SELECT sum(a) FROM 'rows/a*.csv'",
        "SELECT sum(a) FROM 'rows/**/*.csv'",
        "SELECT a FROM 'rows/a[1].csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'rows/[ab]1.csv'; SELECT sum(a) FROM t",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'rows/'; SELECT sum(a) FROM t",
        "CREATE VIEW v AS SELECT a FROM 'rows/a?.csv'; SELECT sum(a) FROM v WHERE a > (SELECT min(a) FROM 'rows/*.csv')",
        "SELECT a, b FROM 'typed/1.tsv'",
        "SELECT a FROM 'typed/*.jsonl'",
        "SELECT label, count(*) FROM 'split [1]/**/*.parquet' GROUP BY label ORDER BY label",
    ] {
        assert_eq!(cluster.sql(query).success(), workspace.sql(query).success(), "{query}");
    }
    for name in ["run [3].csv", "q?.parquet", "100% #1.json"] {
        cluster.sql(&format!("COPY (SELECT 3 AS a) TO '{name}'")).success();
        assert!(workspace.path(name).is_file(), "{name}");
        assert!(workspace.sql(&format!("SELECT a FROM '{name}'")).success().contains("| 3 |"), "{name}");
    }
}

#[test]
fn rows_are_those_of_one_process() {
    let workspace = Workspace::with_photos(70, 5);
    workspace.write("names.csv", b"label,name\ndaisy,Daisy\nroses,Rose\n");
    workspace.sql("COPY (SELECT content AS image, class FROM read_images('photos')) TO 'records' STORED AS TFRECORD OPTIONS (shards 7)").success();
    let parted = "COPY (SELECT class AS n, nullif(label, 'daisy') AS label FROM read_images('photos') WHERE class < 2)";
    workspace.sql(&format!("{parted} TO 'parted/' STORED AS PARQUET PARTITIONED BY (label)")).success();
    let cluster = Cluster::start(&workspace, 3);
    let setup = "CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION 'photos' OPTIONS (partitions 7); \
                 CREATE EXTERNAL TABLE one STORED AS IMAGES LOCATION 'photos' OPTIONS (partitions 1); \
                 CREATE EXTERNAL TABLE names STORED AS CSV LOCATION 'names.csv' OPTIONS ('format.has_header' 'true');";
    for query in [
        "SELECT count(*), sum(length), sum(octet_length(encode(content, 'hex'))) FROM photos",
        "SELECT count(*) FROM (SELECT path FROM photos UNION ALL SELECT path FROM one)",
        "SELECT path, length FROM photos ORDER BY path",
        "SELECT count(*), sum(octet_length(encode(content, 'hex'))) FROM (SELECT content FROM photos LIMIT 13)",
        "SELECT count(*) FROM (SELECT content FROM one LIMIT 13)",
        "SELECT count(*) FROM (SELECT path FROM photos LIMIT 50 OFFSET 5)",
        "SELECT p.label, n.name, count(*) FROM photos p JOIN names n ON p.label = n.label GROUP BY 1, 2 ORDER BY 1",
        "SELECT p.label, count(n.name) FROM photos p LEFT JOIN names n ON p.label = n.label GROUP BY 1 ORDER BY 1",
        "SELECT count(*) FROM photos WHERE length > (SELECT avg(length) FROM one)",
        "SELECT count(*) FROM photos WHERE path IN (SELECT path FROM one WHERE label = 'daisy')",
        "SELECT label, avg(image_info(content)['width']), count(*) FROM photos GROUP BY label ORDER BY label",
        "SELECT class, count(image) FROM read_tfrecord('records', partitions => 7) GROUP BY class ORDER BY class",
        "SELECT count(*) FROM read_tfrecord('records')",
        "SELECT path FROM photos TABLESAMPLE BERNOULLI (30) REPEATABLE (7) ORDER BY path",
        "SELECT t['width'], count(*), count(CASE WHEN t IS NULL THEN 1 END) FROM (SELECT CASE WHEN w <= 10 THEN image_decode(content) \
         ELSE image_resize(image_decode(content), 32, 32, fit => 'inside') END AS t FROM (SELECT *, image_info(content)['width'] AS w \
         FROM photos)) GROUP BY 1",
        "SELECT image_resize(image_decode(content), width => 3, height => 2)['data'] FROM photos ORDER BY path LIMIT 3",
        // What is kept of one statement is there for the next.
        "CREATE TABLE t AS SELECT label, length, content FROM photos ORDER BY path; SELECT label, count(*), sum(length), \
         min(image_info(content)['width']) FROM t GROUP BY label ORDER BY label",
        "CREATE TABLE t AS SELECT label, length FROM photos ORDER BY path LIMIT 9; SELECT * FROM t",
        "CREATE TABLE t AS VALUES (1, 'daisy'), (2, 'roses'); SELECT column1, count(*) FROM t JOIN photos ON column2 = label \
         GROUP BY 1 ORDER BY 1",
        "CREATE VIEW v AS SELECT label, length FROM photos; CREATE TABLE t AS SELECT label FROM v; SELECT count(*) FROM v JOIN t \
         ON v.label = t.label",
        "CACHE TABLE photos; SELECT count(*), sum(length) FROM photos",
        "CACHE TABLE c AS SELECT path FROM photos ORDER BY path; SELECT max(path) FROM c; UNCACHE TABLE c",
        "CREATE TABLE t AS SELECT label FROM photos; CREATE OR REPLACE TABLE t AS SELECT count(*) AS n FROM t; SELECT * FROM t",
        "SUMMARIZE photos",
        "SUMMARIZE names",
        "SELECT count(*) FROM 'photos/**/*.jpg'",
        "SELECT count(image) FROM 'records'",
        "SELECT count(*) FROM 'names.csv'",
        "SELECT sum(octet_length(content)), sum(length(content)), sum(bit_length(content)), sum(length(label)) FROM photos",
        // NULL in the names of directories, of this crate's sinks and of DataFusion's.
        "SELECT label, count(*) FROM 'parted/' GROUP BY label ORDER BY label",
        "SELECT min(n) FROM 'parted/' WHERE label IS NULL",
        "SELECT parity, model['n'], round(model['r2'], 9), round(linear_prediction(model, 3), 6) FROM (SELECT class % 2 AS parity, \
         linear_regression(length, class) AS model FROM photos GROUP BY class % 2) ORDER BY parity",
    ] {
        let sql = format!("{setup} {query}");
        assert_eq!(cluster.sql(&sql).success(), workspace.sql(&sql).success(), "{query}");
    }
}

#[test]
fn datasets_are_those_of_one_process() {
    let workspace = Workspace::with_photos(30, 3);
    workspace.write("photos/roses/broken.jpg", b"hello");
    let cluster = Cluster::start(&workspace, 3);
    let image = "image_encode(image_resize(image_decode(content), 32, 32)) AS image";
    for (name, copy) in [
        ("plain", format!("COPY (SELECT {image}, class FROM read_images('photos')) TO '$' STORED AS TFRECORD OPTIONS (shards 7)")),
        ("default", "COPY (SELECT content AS image, class FROM read_images('photos', shuffle_seed => 3)) TO '$' STORED AS TFRECORD".to_string()),
        (
            "options",
            format!(
                "COPY (SELECT {image}, label FROM read_images('photos')) TO '$' STORED AS TFRECORD PARTITIONED BY (label) OPTIONS \
                 (shards 3, compression 'gzip', prefix 'x', name_template '{{prefix}}-{{shard}}-of-{{shards}}-{{records}}')"
            ),
        ),
        ("tar", format!("COPY (SELECT {image} , class, path AS __key__ FROM read_images('photos')) TO '$' STORED AS WEBDATASET OPTIONS (shards 4)").replace("AS image ", "AS jpg ")),
        ("hf", format!("COPY (SELECT {image}, class AS label FROM read_images('photos')) TO '$' STORED AS PARQUET OPTIONS (huggingface true, shards 2)")),
        ("parted", "COPY (SELECT class, nullif(label, 'daisy') AS label FROM read_images('photos')) TO '$' STORED AS TFRECORD PARTITIONED BY (label) OPTIONS (shards 2)".to_string()),
        ("union", format!("COPY (SELECT {image} FROM read_images('photos', partitions => 3) UNION ALL SELECT {image} FROM read_images('photos/roses', partitions => 2)) TO '$' STORED AS TFRECORD")),
    ] {
        let (local, remote) = (format!("local-{name}"), format!("cluster-{name}"));
        let said = workspace.sql(&copy.replace('$', &local)).success();
        assert_eq!(cluster.sql(&copy.replace('$', &remote)).success(), said, "{name}");
        same(&workspace.files(&local), &workspace.files(&remote));
    }
}

/// The fingerprint of a dataset's statement.
fn statement(workspace: &Workspace, directory: &str) -> String {
    let manifest = Manifest::read(&workspace.path(directory)).expect("readable").expect("there");
    manifest.statement.expect("a fingerprint")
}

#[test]
fn so_many_shards_are_written_as_are_asked_for_whatever_the_query() {
    let workspace = Workspace::with_photos(30, 3);
    workspace.write("names.csv", b"label,name\ndaisy,Daisy\nroses,Rose\n");
    workspace.sql("COPY (SELECT path, class FROM read_images('photos')) TO 'rows.parquet'").success();
    let cluster = Cluster::start(&workspace, 3);
    for (name, query, records, is_ordered) in [
        (
            "sorted",
            "SELECT image_encode(image_decode(content)) AS image, path FROM read_images('photos') ORDER BY path DESC",
            30,
            true,
        ),
        ("random", "SELECT content AS image, path FROM read_images('photos') ORDER BY random()", 30, false),
        (
            "joined",
            "SELECT p.path, n.name FROM read_images('photos') p JOIN 'names.csv' n ON p.label = n.label",
            20,
            false,
        ),
        ("values", "SELECT column1 AS a FROM (VALUES (1), (2), (3), (4), (5), (6), (7))", 7, true),
        ("files", "SELECT path, class FROM 'rows.parquet' r ORDER BY class, path DESC", 30, true),
        (
            "windows",
            "SELECT path, row_number() OVER (PARTITION BY label ORDER BY path) AS n FROM read_images('photos')",
            30,
            false,
        ),
        ("limited", "SELECT path FROM read_images('photos') WHERE image_error(content) IS NULL LIMIT 9", 9, false),
        ("nothing", "SELECT path FROM read_images('photos') WHERE false", 0, true),
    ] {
        let copy = format!("COPY ({query}) TO '$' STORED AS TFRECORD OPTIONS (shards 4)");
        let (local, remote) = (format!("local-{name}"), format!("cluster-{name}"));
        workspace.sql(&copy.replace('$', &local)).success();
        cluster.sql(&copy.replace('$', &remote)).success();
        let manifest = Manifest::read(&workspace.path(&remote)).expect("readable").expect("there");
        let shards: Vec<u64> = manifest.shards.iter().map(|shard| shard.records).collect();
        let even: Vec<u64> = (0..4).map(|shard| (records + 3 - shard) / 4).filter(|records| *records > 0).collect();
        assert_eq!(shards, even, "{name}");
        if is_ordered {
            let files = |directory: &str| {
                let mut files = workspace.files(directory);
                files.retain(|(name, _)| name != "_manifest.json");
                files
            };
            same(&files(&local), &files(&remote));
        }
    }
}

#[test]
fn a_statement_of_absolute_paths_is_the_same_on_a_cluster() {
    let workspace = Workspace::with_photos(12, 3);
    let root = workspace.path("").to_str().expect("UTF-8").trim_end_matches('/').to_string();
    workspace.sql("COPY (SELECT path, class FROM read_images('photos')) TO 'rows.parquet'").success();
    workspace.sql("COPY (SELECT path, class FROM read_images('photos')) TO 'rows.csv'").success();
    workspace
        .sql("COPY (SELECT content AS image, class FROM read_images('photos')) TO 'records' STORED AS TFRECORD")
        .success();
    let cluster = Cluster::start(&workspace, 1);
    let setup =
        format!("CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION '{root}/photos/' OPTIONS (shuffle_seed 3)");
    for (number, query) in [
        format!("SELECT content AS image, class, path FROM read_images('{root}/photos')"),
        "SELECT image_encode(image_resize(image_decode(content), 8, 8)) AS image, class FROM photos".to_string(),
        "SELECT content AS image FROM photos TABLESAMPLE (5 ROWS) REPEATABLE (3) WHERE label <> 'roses'".to_string(),
        format!("SELECT image, class FROM read_tfrecord('{root}/records') WHERE class > 0"),
        format!("SELECT image, class FROM '{root}/records'"),
        format!("SELECT p.path, r.class FROM photos p JOIN '{root}/rows.parquet' r ON p.path = r.path"),
        format!("SELECT class, count(*) AS n FROM '{root}/rows.csv' GROUP BY class ORDER BY n, class"),
        "SELECT column1 AS a FROM (VALUES (1), (2))".to_string(),
    ]
    .iter()
    .enumerate()
    {
        let copy = format!("{setup}; COPY ({query}) TO '{root}/$' STORED AS TFRECORD OPTIONS (shards 2)");
        let (local, remote) = (format!("local{number}"), format!("cluster{number}"));
        workspace.sql(&copy.replace('$', &local)).success();
        cluster.sql(&copy.replace('$', &remote)).success();
        assert_eq!(statement(&workspace, &local), statement(&workspace, &remote), "{query}");
        // What one has finished is finished for the other, whatever number of threads it has.
        let resumed = copy.replace('$', &local);
        cluster.sql(&format!("SET pixmill.resume = true; {resumed}")).success();
        let resumed = copy.replace('$', &remote);
        workspace.pixmill(&["sql", "--threads", "3", "--resume", "-c", &resumed]).success();
    }
}

#[test]
fn contact_sheets_are_those_of_one_process() {
    let workspace = Workspace::with_photos(20, 2);
    let cluster = Cluster::start(&workspace, 1);
    workspace.sql("COPY (SELECT content AS image, class FROM read_images('photos')) TO 'shards' STORED AS TFRECORD OPTIONS (shards 2)").success();
    for source in ["photos", "shards"] {
        workspace.pixmill(&["contact-sheet", source, "--out", "local.png"]).success();
        workspace.pixmill(&["contact-sheet", source, "--out", "cluster.png", "--cluster", &cluster.address]).success();
        let png = |name: &str| std::fs::read(workspace.path(name)).expect("a sheet");
        assert!(png("local.png") == png("cluster.png"), "{source}");
    }
}

#[test]
fn relative_locations_start_from_the_clients_directory() {
    let workspace = Workspace::with_photos(6, 2);
    let cluster = Cluster::start(&workspace, 1);
    let other = Workspace::with_photos(4, 2);
    let sql = |sql: &str| other.pixmill(&["sql", "--cluster", &cluster.address, "-c", sql]).success();
    let said = sql("SELECT count(*) FROM read_images('photos'); \
                    COPY (SELECT content AS image FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 1)");
    assert!(said.contains("| 4 "), "{said}");
    assert_eq!(other.names("out"), ["_manifest.json", "shard00-4.tfrec"]);
    assert!(workspace.names("out").is_empty());
}

#[test]
fn samples_and_shuffles_are_those_of_one_process_where_a_cluster_was_started_in_another_directory() {
    let workspace = Workspace::with_photos(1, 1);
    let cluster = Cluster::start(&workspace, 2);
    let other = Workspace::with_photos(40, 3);
    for (number, query) in [
        "read_images('photos', shuffle_seed => 3)",
        "read_images('./photos/') TABLESAMPLE BERNOULLI (50) REPEATABLE (5)",
        "read_images('photos/*/*.jpg', shuffle_seed => 3) TABLESAMPLE (7 ROWS) REPEATABLE (5)",
    ]
    .iter()
    .enumerate()
    {
        let copy =
            format!("COPY (SELECT content AS image, class FROM {query}) TO '$' STORED AS TFRECORD OPTIONS (shards 4)");
        let files = |directory: &str| {
            let mut files = other.files(directory);
            files.retain(|(name, _)| name != "_manifest.json");
            files
        };
        let (local, remote) = (format!("local{number}"), format!("cluster{number}"));
        other.sql(&copy.replace('$', &local)).success();
        other.pixmill(&["sql", "--cluster", &cluster.address, "-c", &copy.replace('$', &remote)]).success();
        same(&files(&local), &files(&remote));
    }
}

#[test]
fn what_cant_be_sent_is_refused() {
    let workspace = Workspace::with_photos(4, 2);
    let cluster = Cluster::start(&workspace, 1);
    let numbers = "SELECT count(*) FROM generate_series(1, 7) g JOIN read_images('photos') p ON g.value = p.class";
    let message = cluster.sql(numbers).failure(2);
    assert!(message.contains("is made in this process and can't be sent to the cluster; write its rows"), "{message}");
    let large = "CREATE TABLE t AS SELECT repeat('x', 70000000) AS x; SELECT count(x) FROM t";
    let message = cluster.sql(large).failure(2);
    assert!(message.contains("in this process's memory, and at most 64.00 MiB travel to the cluster"), "{message}");
    workspace.write("ended.csv", b"1;2;");
    let ended = "CREATE EXTERNAL TABLE t (a BIGINT) STORED AS CSV LOCATION 'ended.csv' OPTIONS ('format.has_header' 'false', \
                 'format.terminator' ';'); SELECT sum(a) AS sum FROM t";
    assert!(workspace.sql(ended).success().contains("| 3 "));
    let message = cluster.sql(ended).failure(2);
    assert!(
        message.contains("ended.csv' is a CSV file with a terminator of its own, which a cluster can't read"),
        "{message}"
    );
}

#[test]
fn what_datafusion_writes_is_written_by_the_client_as_in_one_process() {
    let (workspace, elsewhere) = (Workspace::with_photos(12, 3), Workspace::new());
    let cluster = Cluster::start(&elsewhere, 2);
    let target = |place: &str, name: &str| format!("{place}/{name}");
    let copies = [
        ("out.csv", "STORED AS CSV OPTIONS ('format.delimiter' ';', 'format.has_header' 'false')"),
        ("out.json", "STORED AS JSON"),
        ("out.parquet", "STORED AS PARQUET OPTIONS (compression 'zstd(3)')"),
        ("out.arrow", "STORED AS ARROW"),
        ("odd [1]?.csv", "STORED AS CSV OPTIONS ('format.has_header' 'true')"),
    ];
    let query = "SELECT label, class, length FROM read_images('photos') ORDER BY length DESC";
    for (name, format) in copies {
        let copy = |place: &str| format!("COPY ({query}) TO '{}' {format}", target(place, name));
        workspace.sql(&copy("local")).success();
        workspace.pixmill(&["sql", "--cluster", &cluster.address, "-c", &copy("remote")]).success();
        // Parquet also tells what the rows are sorted by, where that is known.
        match name.ends_with(".parquet") || name.ends_with(".arrow") {
            true => {
                let rows = |place: &str| workspace.sql(&format!("SELECT * FROM '{}'", target(place, name))).success();
                assert_eq!(rows("local"), rows("remote"), "{name}");
            }
            false => {
                let bytes = |place: &str| std::fs::read(workspace.path(&target(place, name))).expect("a file");
                assert!(bytes("local") == bytes("remote"), "{name}");
            }
        }
    }
    // Directories, whose files have names of chance.
    for format in ["CSV", "JSON", "PARQUET"] {
        let directory = format!("parts-{format}/");
        let copy = format!("COPY ({query}) TO '{directory}' STORED AS {format} PARTITIONED BY (label)");
        workspace.pixmill(&["sql", "--cluster", &cluster.address, "-c", &copy]).success();
        let read = format!(
            "CREATE EXTERNAL TABLE t STORED AS {format} PARTITIONED BY (label) LOCATION '{directory}'; \
             SELECT count(*) AS files, count(DISTINCT t.label) AS labels FROM t JOIN read_images('photos') p ON t.label = p.label \
             AND t.length = p.length"
        );
        let rows = workspace.sql(&read).success();
        assert!(rows.contains("| 12    | 3      |"), "{format}: {rows}");
    }
    let broken = "COPY (SELECT 1 / (class - class) AS x FROM read_images('photos')) TO 'broken.csv'";
    let message = workspace.pixmill(&["sql", "--cluster", &cluster.address, "-c", broken]).failure(1);
    assert!(message.contains("Divide by zero"), "{message}");
    let explain = "EXPLAIN ANALYZE COPY (SELECT path FROM read_images('photos')) TO 'explained.csv'";
    let message = workspace.pixmill(&["sql", "--cluster", &cluster.address, "-c", explain]).failure(2);
    assert!(message.contains("EXPLAIN ANALYZE of what the client writes is for one process"), "{message}");
}

#[test]
fn clients_reach_only_what_is_allowed() {
    let workspace = Workspace::with_photos(6, 2);
    workspace.write("secret/photos/x.csv", b"a,b\n1,2\n");
    std::fs::copy(workspace.path("photos/daisy/000000.jpg"), workspace.path("secret/photos/s.jpg")).expect("copied");
    std::fs::create_dir_all(workspace.path("data/out")).expect("a directory");
    workspace.write("data/x.csv", b"a,b\n1,2\n");
    workspace.sql("COPY (SELECT content AS image FROM read_images('photos')) TO 'data/records' STORED AS TFRECORD OPTIONS (shards 1)").success();
    workspace.sql("COPY (SELECT content AS image FROM read_images('photos')) TO 'secret/records' STORED AS TFRECORD OPTIONS (shards 1)").success();
    std::os::unix::fs::symlink(workspace.path("secret"), workspace.path("data/link")).expect("a link");
    let allow = workspace.path("data").to_str().expect("UTF-8").to_string();
    let cluster = Cluster::start_with(&workspace, 1, &["--allow", &allow]);
    let before = workspace.files("secret");
    for location in [
        "secret",
        "data/../secret",
        "data/link",
        &format!("file://{}/../secret", allow),
        "s3://bucket/x",
        "http://127.0.0.1/x",
    ] {
        for sql in [
            format!("SELECT count(content) FROM read_images('{location}/photos')"),
            format!("SELECT count(image) FROM read_tfrecord('{location}/records')"),
            format!("CREATE EXTERNAL TABLE c STORED AS CSV LOCATION '{location}/photos/x.csv'; SELECT count(*) FROM c"),
            format!("COPY (SELECT class FROM read_tfrecord('data/records')) TO '{location}/new' STORED AS TFRECORD")
                .replace("class", "image"),
        ] {
            let finished = cluster.sql(&sql);
            assert!(finished.code == 1 || finished.code == 2, "{sql}: {}", finished.stdout);
            let is_refusal = finished.stderr.contains("outside of what this process may reach");
            assert!(is_refusal || location.contains("://b") || location.contains("http"), "{sql}: {}", finished.stderr);
        }
    }
    assert!(workspace.files("secret") == before);
    for sql in [
        "SELECT count(image) FROM read_tfrecord('data/records')",
        "CREATE EXTERNAL TABLE c STORED AS CSV LOCATION 'data/x.csv'; SELECT count(*) FROM c",
        "COPY (SELECT image FROM read_tfrecord('data/records')) TO 'data/out/new' STORED AS TFRECORD",
    ] {
        cluster.sql(sql).success();
    }
}

#[test]
fn errors_are_those_of_one_process() {
    let workspace = Workspace::with_photos(6, 2);
    workspace.write("photos/roses/broken.jpg", b"hello");
    let cluster = Cluster::start(&workspace, 1);
    workspace.sql("COPY (SELECT class FROM read_images('photos')) TO 'there' STORED AS TFRECORD").success();
    for (sql, code) in [
        ("SELECT nosuch(content) FROM read_images('photos')", 2),
        ("SELECT count(*) FROM read_images('photos', extensions => 'xyz')", 2),
        ("COPY (SELECT class FROM read_images('photos')) TO 'there' STORED AS TFRECORD", 1),
        (
            "COPY (SELECT image_encode(image_decode(content)) AS i FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (on_reject 'fail')",
            1,
        ),
        ("SELECT CAST(label AS INT) FROM read_images('photos')", 1),
        (
            "COPY (SELECT class, repeat(label, 100) AS label FROM read_images('photos')) TO 'long' STORED AS TFRECORD PARTITIONED BY (label) OPTIONS (shards 1)",
            1,
        ),
        (
            "COPY (SELECT class, class * 1e300 + 1e300 AS x FROM read_images('photos')) TO 'large' STORED AS TFRECORD OPTIONS (shards 1)",
            1,
        ),
    ] {
        assert_eq!(cluster.sql(sql).failure(code), workspace.sql(sql).failure(code), "{sql}");
    }
}

#[test]
fn two_executors_killed_while_a_dataset_is_written_change_nothing() {
    let workspace = Workspace::with_photos(140, 2);
    let expected = expected(&workspace);
    let mut cluster = Cluster::start(&workspace, 3);
    let client = cluster.start_sql(&slow_copy("out"));
    cluster.wait_for_tasks(2);
    cluster.kill(0);
    std::thread::sleep(Duration::from_secs(1));
    cluster.kill(1);
    let killed = Instant::now();
    client.finish().success();
    assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
    same(&expected, &workspace.files("out"));
}

#[test]
fn a_suspended_executor_that_goes_on_later_changes_nothing() {
    let workspace = Workspace::with_photos(140, 2);
    let expected = expected(&workspace);
    let cluster = Cluster::start(&workspace, 3);
    let client = cluster.start_sql(&slow_copy("out"));
    cluster.wait_for_tasks(2);
    cluster.signal(0, "STOP");
    client.finish().success();
    same(&expected, &workspace.files("out"));
    cluster.signal(0, "CONT");
    // It notices that it was given up, and starts anew; what it had begun to write is gone.
    cluster.wait_for(3);
    std::thread::sleep(Duration::from_secs(2));
    same(&expected, &workspace.files("out"));
}

#[test]
fn an_executor_that_comes_later_gets_work() {
    let workspace = Workspace::with_photos(140, 2);
    let mut cluster = Cluster::start(&workspace, 1);
    let client = cluster.start_sql(&slow_copy("out"));
    cluster.wait_for_tasks(1);
    cluster.add_executor();
    client.finish().success();
    let jobs: serde_json::Value = serde_json::from_str(&cluster.get("pixmill/jobs")).expect("JSON");
    let by_executor = jobs[0]["tasks"]["by_executor"].as_object().expect("tasks of executors");
    assert_eq!(by_executor.len(), 2, "{jobs}");
    assert_eq!(jobs[0]["progress"]["files_done"], 140, "{jobs}");
}

fn free_slots(cluster: &Cluster) -> bool {
    let report: serde_json::Value = serde_json::from_str(&cluster.get("pixmill/cluster")).expect("JSON");
    let jobs: serde_json::Value = serde_json::from_str(&cluster.get("pixmill/jobs")).expect("JSON");
    let is_open = |job: &serde_json::Value| job["ended_at"].is_null();
    report["free_vcores"] == report["vcores"] && !jobs.as_array().expect("a list").iter().any(is_open)
}

/// Loses an executor of a query when its first tasks, so many, are done and one task does the rest.
fn survives_a_loss(query: &str, first_tasks: usize) {
    let workspace = Workspace::with_photos(60, 5);
    let expected = workspace.sql(query).success();
    let mut cluster = Cluster::start(&workspace, 3);
    let mut rights = 0;
    for _ in 0..2 {
        let executors = 3;
        let victim = cluster.add_executor();
        cluster.wait_for(executors + 1);
        let client = cluster.start_sql(query);
        cluster.wait_for_tasks(first_tasks);
        cluster.kill(victim);
        let finished = client.finish();
        match finished.code {
            0 => {
                assert_eq!(finished.stdout, expected);
                rights += 1;
            }
            _ => assert!(finished.failure(1).contains("run the statement again"), "an unclear error"),
        }
        // No slot is lost: three tasks that each take their time run at once, one on each executor.
        cluster.wait_for(executors);
        assert_eq!(cluster.sql(query).success(), expected);
        eventually("free slots", || free_slots(&cluster));
    }
    assert!(rights > 0, "the statement was never run again");
}

#[test]
fn a_group_by_that_loses_an_executor_gives_the_right_rows_or_none() {
    survives_a_loss(
        "SELECT label, count(*), sum(octet_length(encode(image_encode(image_resize(image_decode(c), 900, 900), 'png'), 'hex'))) \
         FROM (SELECT label, path, max(content) AS c FROM read_images('photos', partitions => 16) GROUP BY label, path) \
         GROUP BY label ORDER BY label",
        16,
    );
}

#[test]
fn a_join_that_loses_an_executor_gives_the_right_rows_or_none() {
    survives_a_loss(
        "SELECT a.label, count(*), sum(octet_length(encode(image_encode(image_resize(image_decode(a.content), 900, 900), 'png'), 'hex'))) \
         FROM read_images('photos', partitions => 16) a JOIN (SELECT path, count(*) AS n FROM read_images('photos', partitions => 4) GROUP BY path) b \
         ON a.path = b.path GROUP BY a.label ORDER BY a.label",
        20,
    );
}

#[test]
fn a_cancelled_statement_writes_nothing_more() {
    let workspace = Workspace::with_photos(140, 2);
    let cluster = Cluster::start(&workspace, 2);
    for how in ["Ctrl-C", "pixmill jobs"] {
        let client = cluster.start_sql(&slow_copy("out"));
        cluster.wait_for_tasks(1);
        if how == "Ctrl-C" {
            client.signal("INT");
            let finished = client.finish();
            assert_eq!(finished.code, 130, "{}", finished.stderr);
        } else {
            let jobs: serde_json::Value = serde_json::from_str(&cluster.get("pixmill/jobs")).expect("JSON");
            let id = jobs[0]["id"].as_str().expect("an id");
            let said = workspace.pixmill(&["jobs", "--cluster", &cluster.address, "--cancel", id]).success();
            assert!(said.contains("cancelled"), "{said}");
            let message = client.finish().failure(1);
            assert!(message.contains("was cancelled"), "{message}");
        }
        std::thread::sleep(Duration::from_secs(2));
        let before = workspace.names("out");
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(workspace.names("out"), before, "{how}");
        assert!(!before.iter().any(|name| name == "_manifest.json" || name.starts_with(".unfinished-")), "{before:?}");
    }
    // However early: the job may have no name yet.
    let mut clients = Vec::new();
    for milliseconds in [50, 100, 150, 200, 300] {
        let client = cluster.start_sql(&slow_copy("early"));
        std::thread::sleep(Duration::from_millis(milliseconds));
        client.signal("INT");
        let finished = client.finish();
        if finished.code == 0 {
            // In the background of a shell, SIGINT is ignored until the client listens to it.
            std::fs::remove_dir_all(workspace.path("early")).expect("removed");
        }
        clients.push(finished);
    }
    eventually("free slots", || free_slots(&cluster));
    let is_finished = workspace.path("early/_manifest.json").exists();
    assert!(!is_finished, "{clients:?}, {}", cluster.get("pixmill/jobs"));
    // The cluster is free for others.
    assert!(cluster.sql("SELECT count(*) FROM read_images('photos', partitions => 4)").success().contains("140"));
}

#[test]
fn a_client_that_is_killed_leaves_a_whole_dataset_or_none() {
    let workspace = Workspace::with_photos(56, 2);
    let expected = expected(&workspace);
    let cluster = Cluster::start(&workspace, 2);
    let client = cluster.start_sql(&slow_copy("out"));
    cluster.wait_for_tasks(1);
    client.signal("KILL");
    // Nobody has cancelled it: the job goes on.
    eventually("the manifest", || workspace.path("out/_manifest.json").exists());
    // The commit cleans up behind it.
    eventually("the end of the commit", || !workspace.path("out/_unfinished").exists());
    same(&expected, &workspace.files("out"));
}

#[test]
fn a_scheduler_that_dies_is_told_of_and_the_dataset_is_finished_later() {
    let workspace = Workspace::with_photos(140, 2);
    let expected = expected(&workspace);
    let mut cluster = Cluster::start(&workspace, 2);
    let client = cluster.start_sql(&slow_copy("out"));
    cluster.wait_for_tasks(4);
    let finished = |name: &String| name.starts_with(".finished-");
    let before: Vec<u64> =
        workspace.names("out").iter().filter(|name| finished(name)).map(|name| inode(&workspace, name)).collect();
    assert!(before.len() >= 4, "{before:?}");
    let killed = Instant::now();
    cluster.kill_scheduler();
    let message = client.finish().failure(1);
    assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
    assert!(message.contains("the scheduler is gone") && message.contains("--resume"), "{message}");
    drop(cluster);
    let cluster = Cluster::start(&workspace, 2);
    let sql = slow_copy("out");
    let resumed = workspace.pixmill(&["sql", "--cluster", &cluster.address, "--resume", "-c", &sql]);
    resumed.success();
    same(&expected, &workspace.files("out"));
    // What was finished is what is there: the files are the same ones.
    let after: Vec<u64> = workspace.names("out").iter().map(|name| inode(&workspace, name)).collect();
    assert!(before.iter().all(|inode| after.contains(inode)), "{before:?} {after:?}");
}

fn inode(workspace: &Workspace, name: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(workspace.path(&format!("out/{name}"))).expect("a file").ino()
}

#[test]
fn an_executor_that_is_told_to_stop_hands_its_work_on() {
    let workspace = Workspace::with_photos(140, 2);
    let expected = expected(&workspace);
    let mut cluster = Cluster::start(&workspace, 3);
    let client = cluster.start_sql(&slow_copy("out"));
    cluster.wait_for_tasks(2);
    cluster.signal(0, "TERM");
    assert_eq!(cluster.wait_for_end(0), 0);
    client.finish().success();
    same(&expected, &workspace.files("out"));
}

#[test]
fn what_is_missing_is_said() {
    let workspace = Workspace::with_photos(4, 2);
    let message = workspace.pixmill(&["sql", "--cluster", "df://127.0.0.1:9", "-c", "SELECT 1"]).failure(1);
    assert!(
        message.contains("no scheduler answers at df://127.0.0.1:9: ") && message.contains("pixmill cluster"),
        "{message}"
    );
    let message = workspace.pixmill(&["sql", "--cluster", "127.0.0.1", "-c", "SELECT 1"]).failure(2);
    assert!(message.contains("must be df://HOST:PORT"), "{message}");
    let cluster = Cluster::start(&workspace, 0);
    let sql = "SET pixmill.executor_wait = 1; SELECT count(content) FROM read_images('photos')";
    let message = cluster.sql(sql).failure(1);
    assert!(message.contains("no executor has been there for 1 s"), "{message}");
    let copy =
        "SET pixmill.executor_wait = 1; COPY (SELECT class FROM read_images('photos')) TO 'late' STORED AS TFRECORD";
    let mut cluster = cluster;
    cluster.sql(copy).failure(1);
    // What its client has given up isn't done when an executor comes.
    cluster.add_executor();
    cluster.wait_for(1);
    assert!(cluster.sql("SELECT count(content) FROM read_images('photos')").success().contains("| 4 "));
    assert!(!workspace.path("late/_manifest.json").exists());
    let message = cluster.sql("EXPLAIN ANALYZE SELECT count(*) FROM read_images('nosuch')").failure(2);
    assert_eq!(message, "error: nothing at 'nosuch': no such file or directory\n");
    let args = ["executor", "--scheduler", "127.0.0.1:9", "--patience", "0"];
    let message = workspace.pixmill(&args).failure(1);
    assert!(message.contains("no scheduler answers at df://127.0.0.1:9"), "{message}");
    let message = workspace.pixmill(&["jobs", "--cluster", &cluster.address, "nosuch"]).failure(1);
    assert!(message.contains("no job 'nosuch' is known to the scheduler"), "{message}");
}

#[test]
fn options_reach_the_executors() {
    let workspace = Workspace::with_photos(12, 2);
    let cluster = Cluster::start(&workspace, 1);
    let sql = "EXPLAIN ANALYZE SELECT image_info(content) FROM read_images('photos', partitions => 1)";
    // Each batch holds one file where a batch may hold one byte.
    let batches = |text: &str, count: usize| {
        text.contains(&format!("output_batches={count},")) || text.contains(&format!("output_batches={count}]"))
    };
    let text = cluster.sql(sql).success();
    assert!(batches(&text, 1), "{text}");
    let text = cluster.sql(&format!("SET pixmill.batch_bytes = 1; {sql}")).success();
    assert!(batches(&text, 12), "{text}");
}

#[test]
fn plans_can_be_looked_at() {
    let workspace = Workspace::with_photos(12, 2);
    let cluster = Cluster::start(&workspace, 1);
    let copy = "COPY (SELECT image_encode(image_resize(image_decode(content), 32, 32)) AS image FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 3)";
    let text = cluster.sql(&format!("EXPLAIN {copy}")).success();
    assert!(
        text.contains("CommitExec") && text.contains("ShardSinkExec") && text.contains("LoadContentExec"),
        "{text}"
    );
    assert!(!workspace.path("out").exists());
    let text = cluster.sql(&format!("EXPLAIN ANALYZE {copy}")).success();
    for metric in [
        "bytes_read=",
        "images_decoded=12",
        "decode_time=",
        "resize_time=",
        "encode_time=",
        "read_time=",
        "write_time=",
    ] {
        assert!(text.contains(metric), "{metric} in {text}");
    }
    assert!(workspace.path("out/_manifest.json").exists());
}

#[test]
fn the_scheduler_tells_of_itself() {
    let workspace = Workspace::with_photos(12, 2);
    let cluster = Cluster::start(&workspace, 1);
    cluster.sql("SELECT count(content) FROM read_images('photos')").success();
    let jobs = workspace.pixmill(&["jobs", "--cluster", &cluster.address]).success();
    assert!(jobs.contains("done") && jobs.contains("SELECT count(content)"), "{jobs}");
    assert!(cluster.get("api/metrics").contains("job_completed_total 1"), "{}", cluster.get("api/metrics"));
    assert!(cluster.get("api/executors").contains("127.0.0.1"), "{}", cluster.get("api/executors"));
    assert_eq!((cluster.get("healthz").as_str(), cluster.get("readyz").as_str()), ("ok", "ok"));
}
