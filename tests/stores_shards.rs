//! Datasets in object stores: the same as those of directories, also where the store misbehaves and runs are killed.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::process::Stdio;
use std::time::Duration;

use pixmill_object_server::{Action, Dialect, Operation, Options, Rule, Server};
use support::cluster::{eventually, send};
use support::site::Site;
use support::{Finished, Workspace, interruptions, moment};

type Files = Vec<(String, Vec<u8>)>;

/// The objects below a key, but for the manifest, which tells where the images came from.
fn objects(site: &Site, below: &str) -> Files {
    let keys = site.server.keys("photos").into_iter().filter_map(|key| {
        let name = key.strip_prefix(below)?.strip_prefix('/')?.to_string();
        // A run that is under way may have removed it since.
        Some((name, site.server.get("photos", &key)?.to_vec()))
    });
    without_places(keys.collect())
}

fn files(site: &Site, below: &str) -> Files {
    without_places(site.workspace.files(below))
}

/// Without what names the images' places.
fn without_places(files: Files) -> Files {
    files.into_iter().filter(|(name, _)| name != "_manifest.json" && name != "_rejects.csv").collect()
}

fn names(files: &Files) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

#[track_caller]
fn assert_same(written: &Files, expected: &Files) {
    assert_eq!(names(written), names(expected));
    assert!(written == expected, "the bytes differ");
}

/// The main job, small.
fn copy(from: &str, to: &str, rest: &str) -> String {
    format!(
        "COPY (SELECT image_encode(image_resize(image_decode(content), 32, 32, fit => 'cover')) AS image, label, class \
         FROM read_images('{from}', shuffle_seed => 7)) TO '{to}' {rest}"
    )
}

const TFRECORD: &str = "STORED AS TFRECORD OPTIONS (shards 4, index true)";
/// Two shards, each of several parts of an upload.
const LARGE: &str = "SELECT value, repeat(md5(CAST(value AS VARCHAR)), 40) AS text FROM generate_series(1, 30000)";

#[test]
fn datasets_of_a_bucket_are_those_of_a_directory_in_every_format() {
    let site = Site::with_photos(40);
    for (name, rest) in [
        ("tfrecord", TFRECORD),
        ("gzip", "STORED AS TFRECORD OPTIONS (shards 3, compression 'gzip')"),
        ("directories", "STORED AS TFRECORD PARTITIONED BY (label) OPTIONS (shards 2)"),
        ("parquet", "STORED AS PARQUET OPTIONS (huggingface true, shards 2)"),
    ] {
        site.sql(&copy("photos", name, rest)).success();
        site.sql(&copy("s3://photos/set/", &format!("s3://photos/{name}"), rest)).success();
        assert_same(&objects(&site, name), &files(&site, name));
        let rejects = site.server.get("photos", &format!("{name}/_rejects.csv")).expect("a list");
        assert!(String::from_utf8_lossy(&rejects).contains("s3://photos/set/daisy/broken.jpg,"));
        assert!(site.server.get("photos", &format!("{name}/_manifest.json")).is_some());
    }
    let samples = "COPY (SELECT label || '-' || CAST(class AS VARCHAR) || replace(path, '/', '') AS key, content AS jpg \
                   FROM read_images('photos') WHERE image_error(content) IS NULL) TO '@' STORED AS WEBDATASET OPTIONS (shards 2)";
    site.sql(&samples.replace('@', "samples")).success();
    site.sql(&samples.replace('@', "s3://photos/samples/")).success();
    assert_same(&objects(&site, "samples"), &files(&site, "samples"));
    assert!(site.server.uploads().is_empty());
}

#[test]
fn large_shards_are_uploaded_in_parts_and_whole() {
    let site = Site::new();
    let copy = |to: &str| format!("COPY ({LARGE}) TO '{to}' STORED AS TFRECORD OPTIONS (shards 2)");
    site.sql(&copy("large")).success();
    site.sql(&copy("s3://photos/large")).success();
    let parts = site.server.requests().iter().filter(|request| request.operation == Operation::Part).count();
    assert!(parts > 4, "{parts}");
    assert_same(&objects(&site, "large"), &files(&site, "large"));
    assert!(site.server.uploads().is_empty());
}

#[test]
fn a_dataset_of_a_bucket_is_replaced_only_where_that_is_asked_for() {
    let site = Site::with_photos(12);
    let copy = |rest: &str| copy("s3://photos/set/", "s3://photos/out/", rest);
    site.sql(&copy(TFRECORD)).success();
    let error = site.sql(&copy(TFRECORD)).failure(1);
    assert!(error.contains("'s3://photos/out/' already holds a finished dataset"), "{error}");
    let fewer = "STORED AS TFRECORD OPTIONS (shards 2, overwrite true)";
    site.sql(&copy(fewer)).success();
    site.sql(&crate::copy("photos", "out", "STORED AS TFRECORD OPTIONS (shards 2)")).success();
    assert_same(&objects(&site, "out"), &files(&site, "out"));
    let own = "COPY (SELECT * FROM 's3://photos/out/x=1/a.parquet') TO 's3://photos/out' STORED AS TFRECORD OPTIONS (overwrite true)";
    site.sql("COPY (SELECT 1 AS n) TO 's3://photos/out/x=1/a.parquet'").success();
    let error = site.sql(own).failure(2);
    assert!(error.contains("is what this query reads ('s3://photos/out/x=1/a.parquet')"), "{error}");
    site.server.put("photos", "mine/shard00-1.tfrec", "mine");
    let error = site.sql(&crate::copy("photos", "s3://photos/mine", "STORED AS TFRECORD")).failure(1);
    assert!(error.contains("already holds 'shard00-1.tfrec', which no manifest lists"), "{error}");
    let error = site.sql(&crate::copy("photos", "s3://key:secret@photos/x", "STORED AS TFRECORD")).failure(2);
    assert!(error.contains("holds credentials") && !error.contains("key:"), "{error}");
    let error = site.sql(&crate::copy("photos", "s3://nothing/x", "STORED AS TFRECORD")).failure(1);
    assert!(error.contains("NoSuchBucket"), "{error}");
}

/// What a store does wrong, for a share of all requests: it complains, it fails, it does the work and says nothing, it closes the
/// connection, it cuts bodies, sends short ones as if they were whole, and goes silent in the middle.
fn misbehave(site: &Site) {
    for (action, share) in [
        (Action::status(503, "SlowDown"), 0.05),
        (Action::status(500, "InternalError"), 0.02),
        (Action::AcceptThenDrop, 0.02),
        (Action::CloseAtOnce, 0.02),
    ] {
        site.server.script(Rule::new(action).fraction(share, 11));
    }
    // Answers that are cut are those to lists, copies and deletions, too, which have been done.
    site.server.script(Rule::new(Action::CutBody(20)).fraction(0.02, 5));
    for (action, share) in [(Action::CutBody(100), 0.02), (Action::ShortFrame(50), 0.02)] {
        site.server.script(Rule::new(action).operation(Operation::Get).key_contains("set/").fraction(share, 3));
    }
    let stalls = Rule::new(Action::StallBody(100)).operation(Operation::Get).key_contains("set/");
    for number in [7, 30] {
        site.server.script(stalls.clone().nth(number));
    }
}

/// Writes two datasets while the store misbehaves, and one while it loses an image; `run` runs a statement that does so.
fn is_whole_where_the_store_misbehaves(site: &Site, run: impl Fn(&str) -> Finished) {
    site.sql(&copy("photos", "out", TFRECORD)).success();
    let large = |from: &str, to: &str| {
        let rows = format!("SELECT value, text FROM '{from}' ORDER BY value");
        format!("COPY ({rows}) TO '{to}' STORED AS TFRECORD OPTIONS (shards 2)")
    };
    for place in ["rows.parquet", "s3://photos/rows.parquet"] {
        site.sql(&format!("COPY ({LARGE}) TO '{place}'")).success();
    }
    site.sql(&large("rows.parquet", "large")).success();
    misbehave(site);
    run(&copy("s3://photos/set/", "s3://photos/out", TFRECORD)).success();
    run(&large("s3://photos/rows.parquet", "s3://photos/large")).success();
    site.server.clear_script();
    assert_same(&objects(site, "out"), &files(site, "out"));
    assert_same(&objects(site, "large"), &files(site, "large"));
    let rejects = |below: &str| {
        let rejects = site.server.get("photos", &format!("{below}/_rejects.csv")).expect("a list");
        String::from_utf8_lossy(&rejects).lines().skip(1).map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(rejects("out").len(), 1, "{:?}", rejects("out"));

    let gone = site.server.keys("photos").into_iter().filter(|key| key.starts_with("set/")).nth(17).expect("a key");
    site.server.script(Rule::new(Action::status(404, "NoSuchKey")).operation(Operation::Get).key(&gone));
    run(&copy("s3://photos/set/", "s3://photos/without", TFRECORD)).success();
    site.server.clear_script();
    let rejects = rejects("without");
    let of_gone: Vec<&String> = rejects.iter().filter(|line| line.contains(&gone)).collect();
    assert!(rejects.len() == 2 && of_gone.len() == 1, "{rejects:?}");
    assert!(of_gone[0].contains("there is no such object"), "{rejects:?}");
    // The shard that it would be in, and its index.
    let (written, expected) = (objects(site, "without"), files(site, "out"));
    let others = written.iter().filter(|shard| !expected.contains(shard)).count();
    assert_eq!((written.len(), others), (expected.len(), 2), "{:?}", names(&written));
    assert!(site.server.uploads().is_empty(), "{:?}", site.server.uploads());
}

#[test]
fn a_dataset_is_whole_where_the_store_misbehaves() {
    let site = Site::with_photos(60);
    is_whole_where_the_store_misbehaves(&site, |sql| site.sql(sql));
}

#[test]
fn a_cluster_writes_a_whole_dataset_where_the_store_misbehaves() {
    let site = Site::with_photos(60);
    let cluster = site.cluster(3);
    is_whole_where_the_store_misbehaves(&site, |sql| site.on(&cluster, sql));
}

/// Puts photos where broken files are, in the bucket and the directory.
fn mend(site: &Site) {
    let photo = std::fs::read(site.workspace.path("photos/daisy/000000.jpg")).expect("a photo");
    site.workspace.write("photos/daisy/broken.jpg", &photo);
    site.server.put("photos", "set/daisy/broken.jpg", photo);
}

#[test]
fn rejected_rows_of_a_bucket_that_come_through_are_added_as_on_a_disk() {
    for rest in [TFRECORD, "STORED AS PARQUET OPTIONS (huggingface true, shards 2)"] {
        let site = Site::with_photos(40);
        let statements = [copy("photos", "out", rest), copy("s3://photos/set/", "s3://photos/out", rest)];
        for sql in &statements {
            site.sql(sql).success();
        }
        mend(&site);
        for sql in &statements {
            site.run(site.command(&["sql", "--retry-rejects", "-c"]), sql).success();
        }
        assert_same(&objects(&site, "out"), &files(&site, "out"));
        let manifest = |text: Vec<u8>| -> (u64, u64, usize) {
            let manifest: serde_json::Value = serde_json::from_slice(&text).expect("a manifest");
            let number = |name: &str| manifest[name].as_u64().expect("a number");
            (number("records"), number("rejected"), manifest["retries"].as_array().map_or(0, Vec::len))
        };
        let there = site.server.get("photos", "out/_manifest.json").expect("a manifest").to_vec();
        let here = std::fs::read(site.workspace.path("out/_manifest.json")).expect("a manifest");
        assert_eq!(manifest(there), manifest(here.clone()));
        assert_eq!(manifest(here), (41, 0, 1));
        assert!(site.server.uploads().is_empty() && site.server.get("photos", "out/_rejects.csv").is_none());
    }
}

#[test]
fn what_fails_leaves_no_dataset_and_resumes() {
    let site = Site::with_photos(24);
    let copy = |to: &str| copy("s3://photos/set/", to, TFRECORD);
    site.sql(&crate::copy("photos", "out", TFRECORD)).success();
    let resume = |sql: &str| -> Finished { site.run(site.command(&["sql", "--resume", "--format", "csv", "-c"]), sql) };
    for (number, rule) in [
        Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Copy).nth(3),
        Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Put).key_contains(".report-").nth(3),
        Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Put).key_contains(".finished-").nth(2),
        Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Put).key_contains("_manifest.json"),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("s3://photos/out{number}");
        site.server.script(rule.clone());
        let error = site.sql(&copy(&to)).failure(1);
        assert!(error.contains("AccessDenied") && error.contains(&to), "{error}");
        site.server.clear_script();
        assert!(site.server.get("photos", &format!("out{number}/_manifest.json")).is_none(), "{rule:?}");
        resume(&copy(&to)).success();
        assert_same(&objects(&site, &format!("out{number}")), &files(&site, "out"));
    }
}

/// Two statements and what they write, in directories of their names.
fn statements(site: &Site) -> [(&'static str, String); 2] {
    let large = "COPY (SELECT value, text FROM '@rows.parquet' ORDER BY value) TO '@' STORED AS TFRECORD OPTIONS (shards 4, index true)";
    let small = copy("s3://photos/set/", "@", TFRECORD);
    let rows = format!("COPY ({LARGE}) TO '@rows.parquet'");
    for place in ["", "s3://photos/"] {
        site.sql(&rows.replace('@', place)).success();
    }
    site.sql(&large.replace("@rows", "rows").replace('@', "large")).success();
    site.sql(&small.replace('@', "small")).success();
    [("small", small), ("large", large.replace("@rows", "s3://photos/rows"))]
}

/// Checks what an interrupted run has left: a manifest stands over a whole dataset only. Whether there is one.
#[track_caller]
fn check_left(site: &Site, to: &str, name: &str) -> bool {
    let is_finished = site.server.get("photos", &format!("{to}/_manifest.json")).is_some();
    let written = objects(site, to);
    let is_whole = files(site, name).iter().all(|shard| written.contains(shard));
    assert!(is_whole || !is_finished, "{to} has a manifest, and isn't whole");
    is_finished
}

#[test]
fn runs_that_are_interrupted_leave_no_wrong_dataset_and_resume_and_leave_nothing_behind() {
    let site = Site::with_photos(60);
    let statements = statements(&site);
    site.server.script(Rule::new(Action::DelayHead(Duration::from_millis(5))));
    for number in 0..interruptions() {
        let (name, sql) = &statements[number as usize % 2];
        let to = format!("runs/{number}-{name}");
        let sql = sql.replace('@', &format!("s3://photos/{to}"));
        let mut command = site.command(&["sql", "-c"]);
        let mut run = command.arg(&sql).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        std::thread::sleep(moment(number, 100..1400));
        send(run.id(), ["KILL", "INT", "TERM"][number as usize % 3]);
        run.wait().expect("ended");
        let is_finished = check_left(&site, &to, name);
        site.run(site.command(&["sql", "--resume", "-c"]), &sql).success();
        check_left(&site, &to, name);
        if !is_finished {
            assert_same(&objects(&site, &to), &files(&site, name));
        }
        assert!(site.server.uploads().is_empty(), "{to}: {:?}", site.server.uploads());
    }
}

#[test]
fn a_cluster_that_loses_executors_and_clients_leaves_no_wrong_dataset_in_a_bucket() {
    let site = Site::with_photos(60);
    let statements = statements(&site);
    site.server.script(Rule::new(Action::DelayHead(Duration::from_millis(5))));
    let mut cluster = site.cluster(3);
    for number in 0..interruptions() {
        let (name, sql) = &statements[number as usize % 2];
        let to = format!("runs/{number}-{name}");
        let sql = sql.replace('@', &format!("s3://photos/{to}"));
        let client = cluster.start_client(&["sql", "--cluster", &cluster.address, "--store", &site.rule(), "-c", &sql]);
        std::thread::sleep(moment(number, 100..1400));
        match number % 3 {
            0 => {
                cluster.kill(number as usize);
                cluster.add_executor();
            }
            1 => client.signal("KILL"),
            _ => client.signal("INT"),
        }
        // Each loss adds one that takes its place.
        if number % 3 != 0 {
            cluster.kill(number as usize);
            cluster.add_executor();
        }
        let done = client.finish();
        let is_finished = check_left(&site, &to, name);
        assert!(is_finished || done.code != 0, "{done:?}");
        let arguments = ["sql", "--resume", "--cluster", &cluster.address, "--store", &site.rule(), "-c"];
        // The job of a client that is gone may be under way still, and be first.
        eventually("a dataset", || {
            let resumed = site.run(site.command(&arguments), &sql);
            let was_first =
                ["another run", "already holds a finished dataset"].map(|said| resumed.stderr.contains(said));
            assert!(resumed.code == 0 || was_first.contains(&true), "{resumed:?}");
            check_left(&site, &to, name) || resumed.code == 0
        });
        assert!(check_left(&site, &to, name));
        eventually("an end of all uploads", || site.server.uploads().is_empty());
    }
}

/// Checks that the manifest, if there is one, stands over all shards of the dataset of so many; how many those are.
#[track_caller]
fn check_manifest(site: &Site) -> Option<usize> {
    let manifest = site.server.get("photos", "out/_manifest.json")?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("a manifest");
    let shards = manifest["shards"].as_array().expect("shards").len();
    let written = objects(site, "out");
    let expected = files(site, &format!("out{shards}"));
    assert!(expected.iter().all(|shard| written.contains(shard)), "the dataset of {shards} isn't whole");
    Some(shards)
}

/// Writes datasets of two, three and four shards to directories, and gives the statement that writes one to the bucket.
fn datasets_of_several_sizes(site: &Site) -> impl Fn(usize) -> String {
    for shards in [2, 3, 4] {
        let rest = format!("STORED AS TFRECORD OPTIONS (shards {shards})");
        site.sql(&copy("photos", &format!("out{shards}"), &rest)).success();
    }
    |shards| {
        let rest = format!("STORED AS TFRECORD OPTIONS (shards {shards}, overwrite true)");
        copy("s3://photos/set/", "s3://photos/out", &rest)
    }
}

#[test]
fn a_dataset_is_not_written_over_where_a_store_does_not_tell_whether_it_is_there() {
    let site = Site::with_photos(20);
    let sql = datasets_of_several_sizes(&site);
    site.sql(&sql(2)).success();
    let mut failed = 0;
    for number in 1..=10 {
        let refused =
            Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Head).key("out/_manifest.json");
        site.server.script(refused.nth(number));
        let shards = 2 + number as usize % 3;
        let done = site.sql(&sql(shards));
        site.server.clear_script();
        match done.code {
            0 => assert_eq!(check_manifest(&site), Some(shards)),
            _ => {
                check_manifest(&site);
                failed += 1;
                site.sql(&sql(shards)).success();
            }
        }
    }
    assert!(failed > 3, "{failed}");
}

#[test]
fn runs_that_write_to_one_place_at_once_leave_the_dataset_of_one() {
    let site = Site::with_photos(20);
    let sql = datasets_of_several_sizes(&site);
    for _ in 0..4 {
        let runs = [2, 3, 4].map(|shards| {
            let mut command = site.command(&["sql", "-c"]);
            command.arg(sql(shards)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts")
        });
        let done = runs.map(|run| Finished::of(&run.wait_with_output().expect("ended")));
        if check_manifest(&site).is_none() {
            assert!(done.iter().all(|run| run.code != 0), "{done:?}");
        }
    }
}

#[test]
fn google_cloud_storage_is_written_to_by_its_own_conditions() {
    let server = Server::start(Options { dialect: Dialect::Gcs, ..Options::default() });
    server.make_bucket("photos");
    let site = Site { server, workspace: Workspace::with_photos(12, 3) };
    let key = format!(
        r#"{{"gcs_base_url":"{}","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}}"#,
        site.server.endpoint()
    );
    let sql = |sql: &str| {
        let rule = format!("gs://photos,endpoint={}", site.server.endpoint());
        let mut command = site.command(&["sql", "--format", "csv", "--store", &rule, "-c"]);
        command.env("GOOGLE_SERVICE_ACCOUNT_KEY", &key);
        site.run(command, sql)
    };
    site.sql(&copy("photos", "out", TFRECORD)).success();
    for rest in [TFRECORD, "STORED AS TFRECORD OPTIONS (shards 4, index true, overwrite true)"] {
        sql(&copy("photos", "gs://photos/out", rest)).success();
        assert_same(&objects(&site, "out"), &files(&site, "out"));
    }
    let error = sql(&copy("photos", "gs://photos/out", TFRECORD)).failure(1);
    assert!(error.contains("already holds a finished dataset"), "{error}");
}
