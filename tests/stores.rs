//! Tables in object stores: read and written by the binary, against a server that checks signatures and misbehaves on demand.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use pixmill_object_server::{Action, Operation, Options, Rule, Server};
use support::site::{ACCESS, SECRET, Site};

#[test]
fn tables_are_written_to_a_bucket_and_read_from_it() {
    let site = Site::new();
    for format in ["parquet", "csv", "json"] {
        let rows = "(VALUES (1, 'tulips'), (2, 'roses'), (3, 'a \"b\"')) AS t(number, label)";
        site.sql(&format!("COPY (SELECT * FROM {rows}) TO 's3://photos/a b/labels.{format}'")).success();
        let read =
            site.sql(&format!("SELECT number, label FROM 's3://photos/a b/labels.{format}' ORDER BY number")).success();
        assert_eq!(read, "number,label\n1,tulips\n2,roses\n3,\"a \"\"b\"\"\"\n", "{format}");
    }
    assert_eq!(site.server.keys("photos"), ["a b/labels.csv", "a b/labels.json", "a b/labels.parquet"]);
    site.sql("COPY (SELECT 1 AS n) TO 's3://photos/n.arrow'").success();
    for sql in [
        "SELECT * FROM 's3://photos/n.arrow'",
        "CREATE EXTERNAL TABLE n STORED AS ARROW LOCATION 's3://photos/n.arrow'",
    ] {
        let error = site.sql(sql).failure(2);
        assert!(error.contains("Arrow files are read from local paths"), "{error}");
    }
}

#[test]
fn a_folder_of_a_bucket_is_a_table() {
    let site = Site::new();
    for (key, text) in
        [("t/x=1/a.csv", "n\n1\n"), ("t/x=2/b.csv", "n\n2\n3\n"), ("t/_manifest.json", "{}"), ("u/c.csv", "n\n9\n")]
    {
        site.server.put("photos", key, text);
    }
    let query = "SELECT x, sum(n) AS n FROM 's3://photos/t/' GROUP BY x ORDER BY x";
    assert_eq!(site.sql(query).success(), "x,n\n1,1\n2,5\n");
    let declared = "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://photos/u/'; SELECT n FROM t";
    assert_eq!(site.sql(declared).success(), "n\n9\n");
    site.server.put("photos", "t/x=3/d.parquet", "no parquet");
    let error = site.sql(query).failure(2);
    assert!(error.contains("holds objects that end in .csv and in .parquet"), "{error}");
}

#[test]
fn a_pattern_of_objects_is_a_table() {
    let site = Site::new();
    let rows = [("a", 1), ("a%20b", 2), ("x y?", 3), ("other", 9)];
    for (name, number) in rows {
        site.server.put("photos", &format!("t/{name}-1.csv"), format!("n\n{number}\n"));
    }
    site.server.put("photos", "t/deep/er/x-2.csv", "n\n4\n");
    site.server.put("photos", "t/deep/.x-3.csv", "n\n5\n");
    site.server.put("photos", "t/deep//x-3.csv", "n\n6\n");
    site.server.put("photos", "t/_manifest.json", "{}");
    let sum = |location: &str| site.sql(&format!("SELECT sum(n) AS n FROM '{location}'")).success();
    assert_eq!(sum("s3://photos/t/*-1.csv"), "n\n15\n");
    assert_eq!(sum("s3://photos/t/[ax]*-1.csv"), "n\n6\n");
    assert_eq!(sum("s3://photos/t/**/x*.csv"), "n\n7\n");
    assert_eq!(sum("s3://photos/t/a%20b-1.csv"), "n\n2\n");
    let declared =
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://photos/t/**/*-[12].csv'; SELECT sum(n) AS n FROM t";
    assert_eq!(site.sql(declared).success(), "n\n19\n");
    let declared =
        "CREATE EXTERNAL TABLE t (n INT) STORED AS CSV LOCATION 's3://photos/t/**/*.csv'; SELECT sum(n) AS n FROM t";
    assert_eq!(site.sql(declared).success(), "n\n19\n");
    let list = "SELECT count(*) AS n FROM 's3://photos/t/*.parquet'";
    let error = site.sql(list).failure(2);
    assert!(error.contains("no table, and no files that can be read"), "{error}");
    for (kind, n) in [("x=1/a", 1), ("x=2/b", 2)] {
        site.sql(&format!("COPY (SELECT {n} AS n) TO 's3://photos/hive/{kind}.parquet'")).success();
    }
    let query = "SELECT x, n FROM 's3://photos/hive/*/*.parquet' ORDER BY x";
    assert_eq!(site.sql(query).success(), "x,n\n1,1\n2,2\n");
    // What comes later is found by the same table.
    let later = "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 's3://photos/hive/x=1/*.parquet'; \
                 COPY (SELECT 7 AS n) TO 's3://photos/hive/x=1/c.parquet'; SELECT sum(n) AS n FROM t";
    assert!(site.sql(later).success().ends_with("n\n8\n"));
}

#[test]
fn a_store_that_stumbles_is_asked_again() {
    let site = Site::new();
    let rows: String = (0..20_000).map(|row| format!("{row}\n")).collect();
    site.server.put("photos", "rows.csv", format!("n\n{rows}"));
    for action in [
        Action::status(503, "SlowDown"),
        Action::status(500, "InternalError"),
        Action::CloseAtOnce,
        Action::CutBody(1000),
    ] {
        site.server.clear_script();
        site.server.script(Rule::new(action.clone()).operation(Operation::Get).first(2));
        let sum = site.sql("SELECT count(*) AS c, sum(n) AS n FROM 's3://photos/rows.csv'").success();
        assert_eq!(sum, "c,n\n20000,199990000\n", "{action:?}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let site = Site::new();
    let other = Server::start(Options::default());
    other.make_bucket("photos");
    other.put("photos", "x.csv", "n\n1\n");
    site.server.put("photos", "x.csv", "n\n2\n");
    let elsewhere = format!("{}/photos/x.csv", other.endpoint());
    site.server.script(Rule::new(Action::Redirect(elsewhere)).operation(Operation::Get));
    let error = site.sql("SELECT * FROM 's3://photos/x.csv'").failure(1);
    assert!(error.contains("GET ") && !error.contains("panicked"), "{error}");
    assert!(other.requests().is_empty(), "{:?}", other.requests());
}

/// A port that doesn't even refuse, as behind a firewall: the queue of those who want to connect is full.
struct SilentPort {
    port: u16,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl SilentPort {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
            socket.listen(1).expect("a listener").into_std().expect("a listener")
        });
        let address = listener.local_addr().expect("an address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        let waiting = std::iter::from_fn(connect).take(16).collect();
        Self { port: address.port(), _listener: listener, _waiting: waiting }
    }
}

#[test]
fn what_fails_says_what_the_store_said_and_what_to_do() {
    let site = Site::new();
    site.server.put("photos", "x.csv", "n\n1\n");
    let query = "SELECT * FROM 's3://photos/x.csv'";
    let failing = |change: &dyn Fn(&mut Command)| {
        let mut command = site.command(&["sql", "-c"]);
        change(&mut command);
        let start = Instant::now();
        let error = site.run(command, query).failure(1);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}: {error}", start.elapsed());
        error
    };
    let error = failing(&|command| {
        command.env("AWS_SECRET_ACCESS_KEY", "another");
    });
    assert!(error.contains("SignatureDoesNotMatch") && error.contains("docs/stores.md"), "{error}");
    let error = failing(&|command| {
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    });
    assert!(error.contains("cannot connect to 127.0.0.1:9") && error.contains("look at the endpoint"), "{error}");
    let silent = SilentPort::new();
    let list = "SELECT count(*) FROM read_images('s3://photos/')";
    let copy = "COPY (SELECT 1 AS n) TO 's3://photos/out' STORED AS TFRECORD";
    for sql in [query, list, copy] {
        let mut command = site.command(&["sql", "-c"]);
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", silent.port));
        let start = Instant::now();
        let error = site.run(command, sql).failure(1);
        assert!(error.contains("cannot connect to 127.0.0.1") && error.contains("look at the endpoint"), "{error}");
        // It takes one attempt, and not as many as for a store that stumbles.
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}: {error}", start.elapsed());
    }
    let error = failing(&|command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_METADATA_ENDPOINT", "http://169.254.0.1:9");
    });
    assert!(error.contains("s3://photos: no credentials were found") && error.contains("anonymous=true"), "{error}");
    let error = site.sql("SELECT * FROM 's3://nobucket/x.csv'").failure(1);
    assert!(error.contains("NoSuchBucket") && error.contains("look at the bucket's name"), "{error}");
    let error = site.sql("SELECT * FROM 's3://photos/none.csv'").failure(2);
    assert!(error.contains("nothing matches 's3://photos/none.csv'"), "{error}");
    let error = site.sql("SELECT * FROM 'ftp://photos/none.csv'").failure(2);
    assert!(error.contains("'ftp://"), "{error}");
}

#[test]
fn a_clock_that_is_wrong_and_a_region_that_is_another_are_told() {
    let late = Site::with(Options { clock_ahead_seconds: 3600, ..Options::default() });
    let error = late.sql("SELECT * FROM 's3://photos/x.csv'").failure(1);
    assert!(error.contains("the clock of this machine is wrong"), "{error}");
    let far = Site::with(Options { region: "eu-west-1".to_string(), ..Options::default() });
    far.server.put("photos", "x.csv", "n\n1\n");
    let error = far.sql("SELECT * FROM 's3://photos/x.csv'").failure(1);
    assert!(error.contains("AWS_REGION=eu-west-1"), "{error}");
    let there = far.command(&["sql", "--format", "csv", "--store", "s3://photos,region=eu-west-1", "-c"]);
    assert_eq!(far.run(there, "SELECT * FROM 's3://photos/x.csv'").success(), "n\n1\n");
    let moved = Site::new();
    moved.server.script(Rule::new(Action::WrongRegion("eu-west-1".to_string())));
    for sql in ["SELECT * FROM 's3://photos/x.csv'", "COPY (SELECT 1 AS n) TO 's3://photos/out' STORED AS TFRECORD"] {
        let error = moved.sql(sql).failure(1);
        assert!(error.contains("--store 's3://photos,region=eu-west-1'"), "{error}");
    }
}

#[test]
fn settings_come_from_flags_and_files_and_profiles() {
    let site = Site::new();
    site.server.put("photos", "x.csv", "n\n1\n");
    let query = "SELECT n FROM 's3://photos/x.csv'";
    let bare = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
            command.env_remove(name);
        }
        command
    };
    let endpoint = site.server.endpoint();
    site.workspace.write(
        ".aws/credentials",
        format!("[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n").as_bytes(),
    );
    site.workspace.write(".aws/config", format!("[default]\nendpoint_url = {endpoint}\n").as_bytes());
    assert_eq!(site.run(bare(&["sql", "--format", "csv", "-c"]), query).success(), "n\n1\n");

    let process = format!("echo '{{\"Version\":1,\"AccessKeyId\":\"{ACCESS}\",\"SecretAccessKey\":\"{SECRET}\"}}'");
    site.workspace.write(
        ".aws/config",
        format!("[profile told]\ncredential_process = {process}\nendpoint_url = {endpoint}\n").as_bytes(),
    );
    let told = bare(&["sql", "--format", "csv", "--store", "s3://,profile=told", "-c"]);
    assert_eq!(site.run(told, query).success(), "n\n1\n");
    let error = site.run(bare(&["sql", "--store", "s3://,profile=none", "-c"]), query).failure(2);
    assert!(error.contains("there is no profile 'none'"), "{error}");

    site.workspace.write("stores", format!("# ours\ns3://photos,endpoint={endpoint}\n").as_bytes());
    let mut filed = bare(&["sql", "--format", "csv", "-c"]);
    filed.env("PIXMILL_STORES", site.workspace.path("stores"));
    assert_eq!(site.run(filed, query).success(), "n\n1\n");
    site.workspace.write("stores", b"s3://photos,secret=x\n");
    let mut filed = bare(&["sql", "-c"]);
    filed.env("PIXMILL_STORES", site.workspace.path("stores"));
    let error = site.run(filed, query).failure(2);
    assert!(error.contains("line 1: there is no setting secret"), "{error}");
}

#[test]
fn secrets_are_refused_in_statements_and_urls() {
    let site = Site::new();
    for statement in [
        format!("SET pixmill.aws_secret_access_key = '{SECRET}'"),
        format!("COPY (SELECT 1) TO 's3://photos/x.csv' OPTIONS ('aws.secret_access_key' '{SECRET}')"),
        format!(
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://photos/' OPTIONS ('aws.session_token' '{SECRET}')"
        ),
        format!("EXPLAIN COPY (SELECT 1) TO 's3://photos/x.csv' OPTIONS ('aws.secret_access_key' '{SECRET}')"),
        format!("SELECT * FROM 's3://key:{SECRET}@photos/x.csv'"),
        format!("SELECT * FROM 'az://photos/x.csv?sig={SECRET}'"),
        format!("COPY (SELECT 1) TO 's3://key:{SECRET}@photos/x.csv'"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://key:{SECRET}@photos/x/'"),
    ] {
        let error = site.sql(&statement).failure(2);
        assert!(error.contains("secret") || error.contains("credentials"), "{error}");
    }
    assert!(site.server.requests().is_empty(), "{:?}", site.server.requests());
}

#[test]
fn an_allow_list_bounds_stores_too() {
    let site = Site::new();
    for key in ["in/x.csv", "out/x.csv"] {
        site.server.put("photos", key, "n\n1\n");
    }
    let allowed =
        |sql: &str| site.run(site.command(&["sql", "--format", "csv", "--allow", "s3://photos/in/", "-c"]), sql);
    assert_eq!(allowed("SELECT n FROM 's3://photos/in/x.csv'").success(), "n\n1\n");
    allowed("COPY (SELECT 1 AS n) TO 's3://photos/in/y.csv'").success();
    for sql in [
        "SELECT n FROM 's3://photos/out/x.csv'",
        "SELECT n FROM 's3://photos/'",
        "SELECT n FROM 's3://others/in/x.csv'",
        "SELECT n FROM 's3://photos/in/../out/x.csv'",
        "COPY (SELECT 1 AS n) TO 's3://photos/out/y.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://photos/out/'",
    ] {
        let error = allowed(sql).failure(2);
        assert!(error.contains("is outside of what this process may reach"), "{sql}: {error}");
    }
    assert_eq!(site.server.keys("photos"), ["in/x.csv", "in/y.csv", "out/x.csv"]);
}

#[test]
fn a_write_that_fails_names_the_object_and_says_why_whatever_the_format() {
    let site = Site::new();
    site.server.put("photos", "x.csv", "n\n1\n");
    site.server.script(Rule::new(Action::status(403, "AccessDenied")).method("PUT").key_contains("out"));
    let cluster = site.cluster(1);
    for name in ["out.csv", "out.json", "out.parquet", "out.arrow"] {
        let sql = format!("COPY (SELECT n FROM 's3://photos/x.csv') TO 's3://photos/{name}'");
        for said in [site.sql(&sql), site.on(&cluster, &sql)] {
            let error = said.failure(1);
            assert!(error.contains(&format!("cannot write 's3://photos/{name}': PUT ")), "{error}");
            assert!(error.contains("AccessDenied") && error.contains("which rights are needed"), "{error}");
        }
    }
}

#[test]
fn a_cluster_reads_and_writes_buckets() {
    let site = Site::with_photos(60);
    site.server.put("photos", "x.csv", "n\n1\n2\n");
    let cluster = site.cluster(2);
    let run = |sql: &str| site.on(&cluster, sql);
    assert_eq!(run("SELECT sum(n) AS n FROM 's3://photos/x.csv'").success(), "n\n3\n");
    run("COPY (SELECT n * 2 AS n FROM 's3://photos/x.csv') TO 's3://photos/y.parquet'").success();
    assert_eq!(run("SELECT sum(n) AS n FROM 's3://photos/y.parquet'").success(), "n\n6\n");
    run("COPY (SELECT n FROM 's3://photos/x.csv') TO 's3://photos/t/a%20b-1.parquet'").success();
    run("COPY (SELECT n FROM 's3://photos/x.csv') TO 's3://photos/t/b-1.parquet'").success();
    assert_eq!(run("SELECT sum(n) AS n FROM 's3://photos/t/*-1.parquet'").success(), "n\n6\n");
    let info = "SELECT image_info(content)['format'] AS format, count(*) AS n FROM read_images('s3://photos/set/') GROUP BY format";
    assert_eq!(run(&format!("{info} HAVING count(*) > 1")).success(), "format,n\njpeg,60\n");
    run(&copy("s3://photos/set/", "cluster")).success();
    site.sql(&copy("photos", "local")).success();
    assert_eq!(site.shards("cluster"), site.shards("local"));
}

/// The main job, small.
fn copy(from: &str, to: &str) -> String {
    format!(
        "COPY (SELECT image_encode(image_resize(image_decode(content), 32, 32, fit => 'cover')) AS image, class \
         FROM read_images('{from}', shuffle_seed => 7)) TO '{to}' STORED AS TFRECORD OPTIONS (shards 4)"
    )
}

#[test]
fn images_of_a_bucket_become_the_shards_that_local_ones_do_also_where_the_store_misbehaves() {
    let site = Site::with_photos(120);
    site.sql(&copy("photos", "local")).success();
    let local = site.shards("local");
    assert_eq!(local.len(), 4);
    for (place, out) in
        [("s3://photos/set/", "folder"), ("s3://photos/set/**/*.jpg", "pattern"), ("s3://photos/set", "name")]
    {
        site.sql(&copy(place, out)).success();
        assert_eq!(site.shards(out), local, "{place}");
        assert!(site.workspace.read(&format!("{out}/_rejects.csv")).contains("s3://photos/set/daisy/broken.jpg"));
    }
    let gone = &site.server.keys("photos")[17];
    for (action, share) in [
        (Action::status(503, "SlowDown"), 0.1),
        (Action::CutBody(100), 0.05),
        (Action::ShortFrame(50), 0.05),
        (Action::NoETag, 0.5),
        (Action::CloseAtOnce, 0.05),
    ] {
        site.server.script(Rule::new(action).operation(Operation::Get).fraction(share, 5));
    }
    site.sql(&copy("s3://photos/set/", "stumbling")).success();
    assert_eq!(site.shards("stumbling"), local);
    site.server.clear_script();
    site.server.script(Rule::new(Action::status(404, "NoSuchKey")).operation(Operation::Get).key(gone));
    site.sql(&copy("s3://photos/set/", "without")).success();
    let rejects = site.workspace.read("without/_rejects.csv");
    assert!(rejects.contains(gone.as_str()) && rejects.contains("there is no such object"), "{rejects}");
    assert_eq!(rejects.lines().count(), 3, "{rejects}");
}

#[test]
fn rows_of_a_bucket_are_those_of_a_folder() {
    let site = Site::with_photos(20);
    let rows = |from: &str, start: &str| {
        let query = format!(
            "SELECT replace(path, '{start}', '') AS path, length, label, class, md5(content) AS sum, image_info(content)['width'] AS width \
             FROM {from} ORDER BY path"
        );
        site.sql(&query).success()
    };
    let local = rows("read_images('photos')", "photos/");
    assert_eq!(rows("read_images('s3://photos/set/')", "s3://photos/set/"), local);
    assert_eq!(rows("'s3://photos/set/**/*.jpg'", "s3://photos/set/"), local);
    assert_eq!(rows("'s3://photos/'", "s3://photos/set/"), local);
    let declared = "CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 's3://photos/set/'; SELECT count(*) AS n, min(modification_time) > now() - INTERVAL '1 hour' AS is_new FROM t";
    assert_eq!(site.sql(declared).success(), "n,is_new\n21,true\n");
    let one = site.sql("SELECT label, class FROM 's3://photos/set/daisy/broken.jpg'").success();
    assert_eq!(one, "label,class\ndaisy,0\n");
    let shallow = "SELECT count(*) AS n FROM read_images('s3://photos/set/daisy', recursive => false)";
    assert_ne!(site.sql(shallow).success(), "n\n0\n");
    for (sql, reason) in [
        ("SELECT * FROM read_images('s3://photos/none/')", "nothing at 's3://photos/none/'"),
        ("SELECT * FROM read_images('s3://photos/set/*.gif')", "no images match 's3://photos/set/*.gif'"),
        ("SELECT * FROM read_images('s3://photos/set/[')", "bad glob"),
        ("SELECT * FROM read_tfrecord('s3://photos/set/')", "no record files match 's3://photos/set/'"),
    ] {
        let error = site.sql(sql).failure(2);
        assert!(error.contains(reason), "{sql}: {error}");
    }
}

#[test]
fn keys_of_every_kind_are_listed_and_read() {
    let site = Site::new();
    let names = ["a b", "a%20b", "a+b=c", "ä/é", "a#b?", "a&b", "a'b", "[x]{y}~", "x*y", "z:1"];
    for name in names {
        site.server.put("photos", &format!("odd/{name}.jpg"), name);
    }
    site.server.put("photos", "odd/.hidden.jpg", "hidden");
    site.server.put("photos", "odd/folder/", "");
    let rows = site
        .sql("SELECT path, CAST(content AS VARCHAR) AS name FROM read_images('s3://photos/odd/') ORDER BY path")
        .success();
    let mut expected = names.map(|name| format!("s3://photos/odd/{name}.jpg,{name}\n"));
    expected.sort();
    assert_eq!(rows, format!("path,name\n{}", expected.concat()));
}

#[test]
fn keys_that_are_no_paths_are_counted_and_named_and_do_not_end_a_listing() {
    let site = Site::new();
    for number in 0..2500 {
        site.server.put("photos", &format!("odd/{number:05}.jpg"), "x");
    }
    for odd in ["odd/00010//a.jpg", "odd/00010//b.jpg", "odd/00700/./a.jpg", "odd/02499.jpg/../x", "odd//first.jpg"] {
        site.server.put("photos", odd, "odd");
    }
    // A marker before an odd key.
    site.server.put("photos", "odd/01500/", "");
    site.server.put("photos", "odd/01500//a.jpg", "odd");
    site.server.script(Rule::new(Action::CutBody(5000)).operation(Operation::List).nth(2));
    let counted = site.sql("SELECT count(*) AS n, count(DISTINCT path) AS paths FROM read_images('s3://photos/odd/')");
    let warning = "6 objects below 's3://photos/odd/' are left out, because parts of their keys are empty, '.', '..' or not printable, the \
                   first 'odd//first.jpg'";
    assert!(counted.stderr.contains(warning), "{}", counted.stderr);
    assert_eq!(counted.success(), "n,paths\n2500,2500\n");
}

#[test]
fn listings_go_over_pages_and_stop_where_enough_was_found() {
    let site = Site::new();
    for number in 0..3500 {
        site.server.put("photos", &format!("many/{number:05}.jpg"), "x");
    }
    assert_eq!(site.sql("SELECT count(*) AS n FROM read_images('s3://photos/many/')").success(), "n\n3500\n");
    site.server.forget_requests();
    let first = site.sql("SELECT path FROM read_images('s3://photos/many/') LIMIT 2").success();
    assert_eq!(first, "path\ns3://photos/many/00000.jpg\ns3://photos/many/00001.jpg\n");
    let lists = site.server.requests().iter().filter(|request| request.operation == Operation::List).count();
    assert!(lists <= 2, "{lists} lists");
    assert!(site.server.requests().iter().all(|request| request.operation == Operation::List));
}

#[test]
fn a_limit_ends_a_listing_wherever_it_doesnt_take_all_to_know_the_first() {
    let site = Site::new();
    for number in 0..20_000 {
        site.server.put("photos", &format!("many/{}/{number:05}.jpg", number / 5000), "x");
    }
    let many = "read_images('s3://photos/many/')";
    let lists = |from: &str, rows: usize| {
        site.server.forget_requests();
        let found = site.sql(&format!("SELECT path FROM {from}")).success();
        assert_eq!(found.lines().count(), rows + 1, "{from}");
        assert!(found.contains("/many/0/0"), "{from}: {found}");
        site.server.requests().iter().filter(|request| request.operation == Operation::List).count()
    };
    for (from, rows, most) in [
        (format!("{many} LIMIT 10"), 10, 4),
        (format!("{many} LIMIT 2500"), 2500, 6),
        (format!("{many} LIMIT 5 OFFSET 20"), 5, 4),
        (format!("{many} WHERE path LIKE '%7.jpg' LIMIT 3"), 3, 14),
        (format!("{many} WHERE label = '0' LIMIT 5000"), 5000, 14),
        (format!("{many} TABLESAMPLE BERNOULLI (10) REPEATABLE (1) LIMIT 20"), 20, 4),
        ("'s3://photos/many/*/*1.jpg' LIMIT 10".to_string(), 10, 4),
        (format!("(SELECT path, content FROM {many}) LIMIT 2"), 2, 4),
        ("read_images('s3://photos/many/', classes => '0,1') WHERE class = 0 LIMIT 2".to_string(), 2, 14),
    ] {
        let lists = lists(&from, rows);
        assert!(lists <= most, "{from}: {lists} lists");
    }
    // Of an order, all that there is.
    let shuffled = "read_images('s3://photos/many/', shuffle_seed => 1) WHERE label = '0' LIMIT 10";
    assert!(lists(shuffled, 10) >= 20);
}

#[test]
fn a_listing_is_shown_while_a_statement_is_planned() {
    let site = Site::with(Options { latency: Duration::from_millis(1200), ..Options::default() });
    for number in 0..6000 {
        site.server.put("photos", &format!("many/{number:05}.jpg"), "x");
    }
    let finished = site.sql("SELECT count(*) AS n FROM read_images('s3://photos/many/') WHERE length > 0");
    assert!(finished.stderr.contains("listing: ") && finished.stderr.contains(" objects, "), "{}", finished.stderr);
    assert_eq!(finished.success(), "n\n6000\n");
}

#[test]
fn no_more_than_headers_is_read_where_headers_are_enough() {
    let site = Site::with_photos(8);
    site.server.put(
        "photos",
        "set/large.jpg",
        [site.server.get("photos", &site.server.keys("photos")[3]).expect("a photo").to_vec(), vec![0; 200_000]]
            .concat(),
    );
    site.server.forget_requests();
    site.sql("CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 's3://photos/set/'; SUMMARIZE t").success();
    let gets: Vec<_> =
        site.server.requests().into_iter().filter(|request| request.operation == Operation::Get).collect();
    assert_eq!(gets.len(), 10);
    assert!(gets.iter().all(|get| get.range.as_deref() == Some("bytes=0-65535")), "{gets:?}");
}

#[test]
fn what_headers_tell_is_the_same_whether_they_are_read_alone_or_with_all_the_rest() {
    let site = Site::with_photos(8);
    let photo = site.server.get("photos", &site.server.keys("photos")[3]).expect("a photo").to_vec();
    let segment = |marker: u8, bytes: usize| {
        let length = u16::try_from(bytes + 2).expect("a segment").to_be_bytes();
        [vec![0xFF, marker], length.to_vec(), vec![7; bytes]].concat()
    };
    let behind = |segments: &[Vec<u8>]| [photo[..2].to_vec(), segments.concat(), photo[2..].to_vec()].concat();
    let much = vec![0; 300_000];
    let large = [
        ("plain.jpg", [photo.clone(), much.clone()].concat()),
        // What stands before the header takes more than the beginning.
        ("behind.JPEG", [behind(&[segment(0xE2, 40_000), segment(0xE2, 40_000)]), much.clone()].concat()),
        ("close.jpg", [behind(&[segment(0xE2, 64_000)]), much.clone()].concat()),
        ("broken.jpg", much.clone()),
        ("no.png", [photo.clone(), much].concat()),
    ];
    for (name, bytes) in large {
        site.server.put("photos", &format!("set/large/{name}"), bytes.clone());
        site.workspace.write(&format!("photos/large/{name}"), &bytes);
    }
    let rows = |select: &str, from: &str| {
        site.sql(&format!(
            "SELECT {select} FROM (SELECT label, path, content FROM read_images('{from}')) ORDER BY path"
        ))
        .success()
    };
    let info = "split_part(path, '/', -1) AS name, image_info(content) AS info";
    for from in ["s3://photos/set/", "photos"] {
        let whole = rows(&format!("{info}, octet_length(content) > 0 AS is_there"), from).replace(",true\n", "\n");
        site.server.forget_requests();
        let headers = rows(info, from);
        assert_eq!(headers, whole.replacen(",is_there", "", 1));
        let gets: Vec<_> =
            site.server.requests().into_iter().filter(|request| request.operation == Operation::Get).collect();
        let ranges = gets.iter().filter(|get| get.range.is_some()).count();
        // Of three the beginning isn't enough.
        let expected = if from == "photos" { (0, 0) } else { (4, 16) };
        assert_eq!((ranges, gets.len()), expected, "{gets:?}");
    }
    for select in ["image_info(content)['width'] AS w, length(content)", "content", "image_error(content)"] {
        site.server.forget_requests();
        rows(select, "s3://photos/set/");
        let requests = site.server.requests();
        assert!(requests.iter().all(|request| request.range.is_none()), "{select}");
    }
    let counted = "SELECT image_info(content)['format'] AS format, count(*) AS n FROM read_images('s3://photos/set/') \
                   WHERE image_info(content)['width'] > 1 GROUP BY format ORDER BY format";
    site.server.forget_requests();
    assert_eq!(site.sql(counted).success(), "format,n\njpeg,12\n");
    assert_eq!(site.server.requests().iter().filter(|request| request.range.is_some()).count(), 4);
}

#[test]
fn a_refusal_and_an_outage_end_a_statement() {
    let site = Site::with_photos(150);
    site.server.script(Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Get).key_contains("rose"));
    let start = Instant::now();
    let error = site.sql("SELECT sum(length(content)) FROM read_images('s3://photos/set/')").failure(1);
    assert!(error.contains("AccessDenied") && error.contains("may not do that"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    site.server.clear_script();
    site.server.script(Rule::new(Action::status(400, "Broken")).operation(Operation::Get));
    let outage = "SELECT sum(length(content)) FROM read_images('s3://photos/set/', partitions => 1)";
    let error = site.sql(outage).failure(1);
    assert!(error.contains("100 objects in a row can't be read"), "{error}");
}
