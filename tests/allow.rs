//! What `--allow` promises: statements read and write inside of the listed locations, and nothing else is touched.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use pixmill::{AllowList, Engine, StoreSettings};
use support::{Finished, Workspace};

/// `data`, which is to be allowed, and beside it `secret`, each with photos, records, a CIFAR-10 batch and tables.
fn workspace() -> Workspace {
    let workspace = Workspace::with_photos(4, 2);
    for place in ["data", "secret"] {
        fs::create_dir(workspace.path(place)).expect("a folder");
        workspace.write(&format!("{place}/cifar/batch.bin"), &[0; 3073]);
        workspace.write(&format!("{place}/table.csv"), format!("word\n{place}\n").as_bytes());
        workspace.write(&format!("{place}/table.json"), format!("{{\"word\": \"{place}\"}}\n").as_bytes());
        workspace.sql(&format!("COPY (SELECT '{place}' AS word) TO '{place}/table.parquet'")).success();
        workspace.sql(&format!("COPY (SELECT '{place}' AS word) TO '{place}/table.arrow'")).success();
        let copy = format!("COPY (SELECT class FROM read_images('photos')) TO '{place}/records' STORED AS TFRECORD");
        workspace.sql(&copy).success();
        let copy =
            format!("COPY (SELECT class AS cls FROM read_images('photos')) TO '{place}/tars' STORED AS WEBDATASET");
        workspace.sql(&copy).success();
        for (name, bytes) in workspace.files("photos") {
            workspace.write(&format!("{place}/photos/{name}"), &bytes);
        }
    }
    workspace
}

fn within_data(workspace: &Workspace, sql: &str) -> Finished {
    workspace.pixmill(&["sql", "--allow", "data", "--format", "csv", "-c", sql])
}

/// Runs a statement with every `@` replaced by `data`, which must work, and by what leads to `secret`, which must be refused.
#[track_caller]
fn assert_bounded(workspace: &Workspace, sql: &str) {
    let before = workspace.files("secret");
    let root = workspace.path("").display().to_string();
    let outside = [
        "secret".to_string(),
        "data/../secret".to_string(),
        "data/none/../../secret".to_string(),
        "data/link".to_string(),
        format!("{root}secret"),
        format!("file://{root}secret"),
        format!("file:{root}data/../secret"),
        format!("FILE://{root}data/%2e%2e/secret"),
        format!("file://localhost{root}secret"),
    ];
    for place in outside {
        let finished = within_data(workspace, &sql.replace('@', &place));
        let message = finished.failure(2);
        let is_refused = message.contains("is outside of what this process may reach; it may reach file:///")
            || message.contains("cannot tell where") && message.contains("(--allow)");
        assert!(is_refused, "{place}: {message}");
        assert!(workspace.files("secret") == before, "{place} was changed");
    }
    within_data(workspace, &sql.replace('@', "data")).success();
}

/// The same with `data/link`, which leads to `secret`.
fn linked() -> Workspace {
    let workspace = workspace();
    symlink(workspace.path("secret"), workspace.path("data/link")).expect("a link");
    workspace
}

#[test]
fn images_are_read_inside_only() {
    let workspace = linked();
    assert_bounded(&workspace, "SELECT count(content) FROM read_images('@/photos')");
    assert_bounded(&workspace, "SELECT count(*) FROM read_images('@/photos/**/*.jpg')");
    assert_bounded(&workspace, "SELECT path FROM read_images('@/photos/*/*.{jpg,png}', partitions => 3) LIMIT 1");
    let create = "CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION '@/photos'; SELECT length FROM photos";
    assert_bounded(&workspace, create);
}

#[test]
fn records_and_batches_are_read_inside_only() {
    let workspace = linked();
    assert_bounded(&workspace, "SELECT count(class) FROM read_tfrecord('@/records')");
    assert_bounded(&workspace, "SELECT count(*) FROM read_tfrecord('@/records/*.tfrec', on_corrupt => 'skip_file')");
    for columns in ["", "(class BIGINT)"] {
        let create = format!(
            "CREATE EXTERNAL TABLE records {columns} STORED AS TFRECORD LOCATION '@/records'; SELECT * FROM records"
        );
        assert_bounded(&workspace, &create);
    }
    assert_bounded(&workspace, "SELECT count(cls) FROM read_webdataset('@/tars')");
    assert_bounded(&workspace, "SELECT label FROM read_cifar10('@/cifar')");
    let create = "CREATE EXTERNAL TABLE c STORED AS CIFAR10 LOCATION '@/cifar/batch.bin'; SELECT image FROM c";
    assert_bounded(&workspace, create);
}

#[test]
fn datafusions_own_formats_are_read_inside_only() {
    let workspace = linked();
    for format in ["csv", "json", "parquet", "arrow"] {
        let select = |columns: &str, location: &str| {
            format!("CREATE EXTERNAL TABLE t {columns} STORED AS {format} LOCATION '{location}'; SELECT word FROM t")
        };
        assert_bounded(&workspace, &select("", &format!("@/table.{format}")));
        assert_bounded(&workspace, &select("(word VARCHAR)", &format!("@/table.{format}")));
        assert_globs_bounded(&workspace, &select("(word VARCHAR)", &format!("@/*.{format}")));
    }
}

/// DataFusion takes globs in paths, not in URLs.
#[track_caller]
fn assert_globs_bounded(workspace: &Workspace, sql: &str) {
    for place in ["secret", "data/../secret", "*", "{data,secret}", "data/link"] {
        let message = within_data(workspace, &sql.replace('@', place)).failure(2);
        assert!(message.contains("is outside of what this process may reach"), "{place}: {message}");
    }
}

#[test]
fn copies_are_written_inside_only() {
    let workspace = linked();
    assert_bounded(&workspace, "COPY (SELECT class FROM read_images('data/photos')) TO '@/out' STORED AS TFRECORD");
    let partitioned = "COPY (SELECT class, label FROM read_images('data/photos')) TO '@/split' STORED AS TFRECORD PARTITIONED BY (label)";
    assert_bounded(&workspace, partitioned);
    let overwrite = "COPY (SELECT class FROM read_images('data/photos')) TO '@/records' STORED AS TFRECORD OPTIONS (overwrite true)";
    assert_bounded(&workspace, overwrite);
    for format in ["csv", "json", "parquet", "arrow"] {
        assert_bounded(&workspace, &format!("COPY (SELECT 1 AS x) TO '@/new.{format}'"));
        let partitioned =
            format!("COPY (SELECT 1 AS x, 'a' AS y) TO '@/{format}' STORED AS {format} PARTITIONED BY (y)");
        assert_bounded(&workspace, &partitioned);
    }
}

#[test]
fn a_copy_reads_inside_only() {
    let workspace = linked();
    assert_bounded(&workspace, "COPY (SELECT class FROM read_images('@/photos')) TO 'data/out' STORED AS TFRECORD");
    let create =
        "CREATE EXTERNAL TABLE t (word VARCHAR) STORED AS CSV LOCATION '@/table.csv'; COPY t TO 'data/new.csv'";
    assert_bounded(&workspace, create);
}

#[test]
fn rows_are_inserted_inside_only() {
    let workspace = linked();
    let insert =
        "CREATE EXTERNAL TABLE t (word VARCHAR) STORED AS CSV LOCATION '@/rows/'; INSERT INTO t VALUES ('new')";
    assert_bounded(&workspace, insert);
}

#[test]
fn a_link_that_leads_outside_stops_the_statement_that_meets_it() {
    let refused = |target: &str, name: &str, sql: &str| {
        let workspace = workspace();
        let before = workspace.files("secret");
        symlink(workspace.path(target), workspace.path(name)).expect("a link");
        let message = within_data(&workspace, sql).failure(2);
        assert!(message.contains("is outside of what this process may reach"), "{name}: {message}");
        assert!(workspace.files("secret") == before, "{name} was followed");
    };
    let images = "SELECT count(content) FROM read_images('data/photos')";
    refused("secret/photos", "data/photos/more", images);
    refused("secret/photos/daisy", "data/photos/daisy/more.jpg", images);
    refused("secret/none.jpg", "data/photos/daisy/none.jpg", images);
    refused("secret/records", "data/records/more", "SELECT * FROM read_tfrecord('data/records')");
    refused("secret/cifar/batch.bin", "data/cifar/more.bin", "SELECT label FROM read_cifar10('data/cifar')");
    refused("secret/table.csv", "data/cifar/batches.meta.txt", "SELECT label FROM read_cifar10('data/cifar')");
    let csv = "CREATE EXTERNAL TABLE t (word VARCHAR) STORED AS CSV LOCATION 'data/tables/'; SELECT * FROM t";
    let workspace = workspace();
    fs::create_dir(workspace.path("data/tables")).expect("a folder");
    symlink(workspace.path("secret/table.csv"), workspace.path("data/tables/a.csv")).expect("a link");
    let message = within_data(&workspace, csv).failure(2);
    assert!(message.contains("is outside of what this process may reach"), "{message}");
    let copy = "COPY (SELECT class, label FROM read_images('data/photos')) TO 'data/out' STORED AS TFRECORD PARTITIONED BY (label)";
    fs::create_dir(workspace.path("data/out")).expect("a folder");
    symlink(workspace.path("secret"), workspace.path("data/out/label=daisy")).expect("a link");
    let before = workspace.files("secret");
    within_data(&workspace, copy).failure(2);
    assert!(workspace.files("secret") == before);
}

#[test]
fn links_that_stay_inside_are_followed() {
    let workspace = workspace();
    symlink("photos", workspace.path("data/alias")).expect("a link");
    symlink("none.jpg", workspace.path("data/photos/daisy/dangling.jpg")).expect("a link");
    let count = "SELECT count(*), count(content) FROM read_images('data/alias')";
    assert!(within_data(&workspace, count).success().contains("5,4"));
}

#[test]
fn what_is_beside_records_is_read_inside_only() {
    let workspace = workspace();
    let index = workspace.names("data/records").into_iter().find(|name| name.ends_with(".tfrec")).expect("a shard");
    symlink(workspace.path("secret/table.csv"), workspace.path(&format!("data/records/{index}.idx"))).expect("a link");
    let message = within_data(&workspace, "SELECT class FROM read_tfrecord('data/records')").failure(2);
    assert!(message.contains(".idx' is outside"), "{message}");
    // Of what a manifest lists outside nobody is told whether it is there.
    fs::remove_file(workspace.path(&format!("data/records/{index}.idx"))).expect("removed");
    let manifest = workspace.read("data/records/_manifest.json").replacen(&index, "../../secret/table.csv", 1);
    workspace.write("data/records/_manifest.json", manifest.as_bytes());
    let message = within_data(&workspace, "SELECT class FROM read_tfrecord('data/records')").failure(2);
    assert!(message.contains("table.csv', which isn't there"), "{message}");
    // A manifest above the allowed directory is none of its datasets'.
    workspace.write("_manifest.json", b"not JSON");
    fs::remove_file(workspace.path("data/records/_manifest.json")).expect("removed");
    within_data(&workspace, "SELECT class FROM read_tfrecord('data/records/*.tfrec')").success();
}

#[test]
fn temporary_files_and_urls_as_tables_lead_nowhere_else() {
    let workspace = linked();
    assert_bounded(&workspace, "SET datafusion.runtime.temp_directory = '@'");
    let message = within_data(&workspace, "SET DATAFUSION.RUNTIME.TEMP_DIRECTORY = 'secret'").failure(2);
    assert!(message.contains("is outside"), "{message}");
    assert_bounded(&workspace, "SELECT * FROM '@/table.csv'");
    assert_bounded(&workspace, "SELECT count(content) FROM '@/photos/**/*.jpg'");
    assert_bounded(&workspace, "SUMMARIZE '@/photos/'");
    assert_bounded(&workspace, "SELECT count(class) FROM '@/records/'");
    // Of a directory outside nobody is told that it is there.
    let message = within_data(&workspace, "SELECT * FROM 'secret'").failure(2);
    assert!(message.contains("table 'secret' not found"), "{message}");
    // The stores stay the bounded ones when an option makes the runtime anew.
    for option in [
        "SET datafusion.runtime.memory_limit = '1G'",
        "SET pixmill.memory_limit = '1G'",
        "RESET datafusion.runtime.temp_directory",
    ] {
        let create = "CREATE EXTERNAL TABLE t (word VARCHAR) STORED AS CSV LOCATION 'data/tables/'; SELECT * FROM t";
        fs::create_dir_all(workspace.path("data/tables")).expect("a folder");
        if !workspace.path("data/tables/a.csv").exists() {
            symlink(workspace.path("secret/table.csv"), workspace.path("data/tables/a.csv")).expect("a link");
        }
        let message = within_data(&workspace, &format!("{option}; {create}")).failure(2);
        assert!(message.contains("is outside"), "{option}: {message}");
    }
}

#[test]
fn prepared_statements_and_explain_are_bounded() {
    let workspace = linked();
    assert_bounded(&workspace, "PREPARE p AS SELECT count(*) FROM read_images('@/photos'); EXECUTE p");
    assert_bounded(&workspace, "EXPLAIN ANALYZE SELECT content FROM read_images('@/photos')");
    assert_bounded(&workspace, "EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO '@/explained.csv'");
    assert_bounded(&workspace, "SELECT (SELECT count(*) FROM read_images('@/photos'))");
    assert_bounded(&workspace, "CREATE VIEW v AS SELECT * FROM read_images('@/photos'); SELECT count(*) FROM v");
}

#[test]
fn pipelines_are_bounded_too() {
    let workspace = linked();
    workspace.write("copy.sql", b"-- set: output = data/a\nCOPY (SELECT 1 AS x) TO '${output}' STORED AS CSV;\n");
    workspace.pixmill(&["run", "copy.sql", "--allow", "data"]).success();
    let message = workspace.pixmill(&["run", "copy.sql", "--allow", "data", "--set", "output=secret/a"]).failure(2);
    assert!(message.contains("'secret/a' is outside"), "{message}");
    assert!(!workspace.path("secret/a").exists());
}

#[test]
fn a_bad_list_is_refused_at_the_start() {
    let workspace = Workspace::new();
    for (list, reason) in [("", "an entry is empty"), ("no/such", "'no/such' must be a directory that is there")] {
        let message = workspace.pixmill(&["sql", "--allow", list, "-c", "SELECT 1"]).failure(2);
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_refusal_names_location_and_list() {
    let workspace = workspace();
    let list: AllowList = workspace.path("data").to_str().expect("UTF-8").parse().expect("a list");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let engine = Engine::local_within(1, list, StoreSettings::default()).expect("an engine");
    for (sql, shown) in [
        ("SELECT * FROM read_images('/etc')", "/etc"),
        ("SELECT * FROM read_images('s3://bucket/x')", "s3://bucket/x"),
        ("COPY (SELECT 1) TO 'http://host/x.csv'", "http://host/x.csv"),
        ("COPY (SELECT 1) TO '/etc/x.csv'", "/etc/x.csv"),
    ] {
        let error = runtime.block_on(engine.sql(sql)).expect_err("refused").to_string();
        let data = workspace.path("data").canonicalize().expect("there");
        let may = format!("it may reach file://{}/ (--allow)", data.display());
        assert_eq!(error, format!("'{shown}' is outside of what this process may reach; {may}"));
    }
    engine.close(std::time::Duration::ZERO);
}
