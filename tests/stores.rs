//! Tables in object stores: read and written by the binary, against a server that checks signatures and misbehaves on demand.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use pixmill_object_server::{Action, Operation, Options, Rule, Server};
use support::cluster::Cluster;
use support::{Finished, Workspace};

const ACCESS: &str = "an-access-key";
/// Is looked for in everything that a run leaves.
const SECRET: &str = "a-marked-secret";

/// A server with a bucket, and a process's environment that reaches it.
struct Site {
    server: Server,
    workspace: Workspace,
}

impl Site {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let server = Server::start(options.with_credentials(ACCESS, SECRET));
        server.make_bucket("photos");
        Self { server, workspace: Workspace::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
        command.current_dir(self.workspace.path("")).env("HOME", self.workspace.path("")).args(arguments);
        for name in ["PIXMILL_LOG", "AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("AWS_ACCESS_KEY_ID", ACCESS).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_ENDPOINT_URL", self.server.endpoint()).env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Runs a statement; nothing that is said may hold the secret.
    #[track_caller]
    fn run(&self, mut command: Command, sql: &str) -> Finished {
        let finished = Finished::of(&command.arg(sql).output().expect("the binary starts"));
        assert!(!finished.stdout.contains(SECRET) && !finished.stderr.contains(SECRET), "{finished:?}");
        finished
    }

    #[track_caller]
    fn sql(&self, sql: &str) -> Finished {
        self.run(self.command(&["sql", "--format", "csv", "-c"]), sql)
    }
}

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
    let error = site.sql("SELECT * FROM 's3://photos/*.csv'").failure(2);
    assert!(error.contains("patterns are for local files"), "{error}");
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
    let error = failing(&|command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_METADATA_ENDPOINT", "http://169.254.0.1:9");
    });
    assert!(error.contains("no credentials were found") && error.contains("anonymous=true"), "{error}");
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
fn a_cluster_reads_and_writes_buckets() {
    let site = Site::new();
    site.server.put("photos", "x.csv", "n\n1\n2\n");
    let endpoint = site.server.endpoint();
    site.workspace.write(
        ".aws/credentials",
        format!("[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n").as_bytes(),
    );
    let rule = format!("s3://photos,endpoint={endpoint}");
    let cluster = Cluster::start_with(&site.workspace, 2, &["--store", &rule]);
    let run = |sql: &str| {
        let address = cluster.address.clone();
        let mut command = site.command(&["sql", "--format", "csv", "--cluster", &address, "--store", &rule, "-c"]);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
            command.env_remove(name);
        }
        site.run(command, sql)
    };
    assert_eq!(run("SELECT sum(n) AS n FROM 's3://photos/x.csv'").success(), "n\n3\n");
    run("COPY (SELECT n * 2 AS n FROM 's3://photos/x.csv') TO 's3://photos/y.parquet'").success();
    assert_eq!(run("SELECT sum(n) AS n FROM 's3://photos/y.parquet'").success(), "n\n6\n");
}
