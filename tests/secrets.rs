//! Secrets of the environment are shown nowhere: in answers, errors, plans, settings, logs, files, processes and types.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use datafusion::execution::object_store::ObjectStoreUrl;
use pixmill::{AllowList, Engine, StoreRule, StoreSettings};
use pixmill_object_server::{Dialect, Options, Server as ObjectServer};
use support::Finished;
use support::cluster::{ask, wait_for_end_of_jobs};
use support::pty::Terminal;
use support::server::{Server, failure, lines};
use support::site::{ACCESS, Site};

/// What each secret begins with, and how that looks in Base64, and in a URL.
const MARKS: [&str; 3] = ["a-marked-", "YS1tYXJrZWQt", "a%2Dmarked%2D"];

/// Where a mark is shown: it, and what is around it.
fn shown_in(shown: &[u8]) -> Option<String> {
    let place = |mark: &str| shown.windows(mark.len()).position(|bytes| bytes == mark.as_bytes());
    let place = MARKS.into_iter().find_map(place)?;
    let around = &shown[place.saturating_sub(200)..shown.len().min(place + 60)];
    Some(String::from_utf8_lossy(around).into_owned())
}

#[track_caller]
fn check(what: &str, shown: impl AsRef<[u8]>) {
    if let Some(around) = shown_in(shown.as_ref()) {
        panic!("{what} shows a secret: {around}");
    }
}

#[track_caller]
fn check_finished(what: &str, finished: Finished) -> Finished {
    check(&format!("stdout of {what}"), &finished.stdout);
    check(&format!("stderr of {what}"), &finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{what}: {}", finished.stderr);
    finished
}

/// Two stores, and a workspace whose processes have secrets for three, and log all that there is.
struct Marked {
    site: Site,
    gcs: ObjectServer,
    rules: Vec<String>,
}

/// An account key as Azure gives them.
fn account_key() -> String {
    BASE64.encode("a-marked-account-key")
}

fn service_account(endpoint: &str) -> String {
    format!(
        r#"{{"gcs_base_url":"{endpoint}","disable_oauth":true,"client_email":"me","private_key":"a-marked-private-key","private_key_id":"1"}}"#
    )
}

impl Marked {
    fn new() -> Self {
        let mut site = Site::with_photos(8);
        let gcs = ObjectServer::start(Options { dialect: Dialect::Gcs, ..Options::default() });
        gcs.make_bucket("photos");
        site.workspace.environment = vec![
            ("AWS_ACCESS_KEY_ID", ACCESS.to_string()),
            ("AWS_SECRET_ACCESS_KEY", support::site::SECRET.to_string()),
            ("AWS_SESSION_TOKEN", "a-marked-token".to_string()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_string()),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_string()),
            ("AZURE_STORAGE_ACCOUNT_KEY", account_key()),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", service_account(&gcs.endpoint())),
            ("HOME", site.workspace.path("home").to_string_lossy().into_owned()),
            ("PIXMILL_LOG", "trace".to_string()),
        ];
        // Nobody is at home on Azure: this server speaks another protocol.
        let rules = [
            format!("s3://,endpoint={}", site.server.endpoint()),
            format!("gs://photos,endpoint={}", gcs.endpoint()),
            format!("az://photos,endpoint={}/account", gcs.endpoint()),
        ];
        Self { site, gcs, rules: rules.into() }
    }

    /// The command, and what it is told of the stores.
    fn words<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        let rules = self.rules.iter().flat_map(|rule| ["--store", rule.as_str()]);
        command.iter().copied().chain(rules).collect()
    }

    fn run(&self, command: &[&str]) -> Finished {
        check_finished(&format!("{command:?}"), self.site.workspace.pixmill(&self.words(command)))
    }

    fn check_files(&self) {
        for (name, bytes) in self.site.workspace.files("") {
            check(&name, bytes);
        }
        for key in self.site.server.keys("photos") {
            check(&key, self.site.server.get("photos", &key).unwrap_or_default());
        }
        for key in self.gcs.keys("photos") {
            check(&key, self.gcs.get("photos", &key).unwrap_or_default());
        }
    }
}

fn copy(to: &str) -> String {
    format!(
        "COPY (SELECT image_encode(image_resize(image_decode(content), 32, 32)) AS image, class FROM read_images('s3://photos/set/')) \
         TO '{to}' STORED AS TFRECORD OPTIONS (shards 2, overwrite true)"
    )
}

/// Statements that show something of themselves or of the process, and some that fail.
fn statements() -> Vec<String> {
    let groups = "SELECT label, count(*), max(length(content)) FROM read_images('s3://photos/set/') GROUP BY label";
    let mut statements: Vec<String> = ["EXPLAIN", "EXPLAIN VERBOSE", "EXPLAIN ANALYZE", "EXPLAIN FORMAT TREE", ""]
        .into_iter()
        .map(|explain| format!("{explain} {groups}"))
        .collect();
    statements.extend(
        ["EXPLAIN", "EXPLAIN VERBOSE", "EXPLAIN ANALYZE", ""]
            .map(|explain| format!("{explain} {}", copy("s3://photos/out"))),
    );
    statements.extend([
        copy("gs://photos/out"),
        "COPY (SELECT label FROM read_images('s3://photos/set/')) TO 's3://photos/rows.parquet'".to_string(),
        "SELECT count(*) FROM 's3://photos/rows.parquet'".to_string(),
        "EXPLAIN VERBOSE SELECT * FROM 's3://photos/rows.parquet'".to_string(),
        "CREATE EXTERNAL TABLE t STORED AS IMAGES LOCATION 's3://photos/set/'; SHOW CREATE TABLE t".to_string(),
        "SHOW ALL".to_string(),
        "SELECT * FROM information_schema.df_settings".to_string(),
        "SELECT count(*) FROM read_images('az://photos/set/')".to_string(),
        "SELECT count(*) FROM 'gs://photos/none.parquet'".to_string(),
        copy("az://photos/out"),
        copy("gs://none/out"),
        copy("s3://none/out"),
    ]);
    statements
}

#[test]
fn statements_and_files_in_one_process_show_no_secret() {
    let marked = Marked::new();
    for statement in statements() {
        marked.run(&["sql", "-c", &statement]);
    }
    for command in [["config"].as_slice(), &["config", "--format", "markdown"], &["functions"]] {
        check_finished(&format!("{command:?}"), marked.site.workspace.pixmill(command));
    }
    for command in [
        ["verify", "s3://photos/out"].as_slice(),
        &["contact-sheet", "s3://photos/set/", "--output", "sheet.html"],
        &["speed-test", "s3://photos/set/"],
    ] {
        marked.run(command);
    }
    assert!(
        marked.site.server.get("photos", "out/_manifest.json").is_some(),
        "{:?}",
        marked.site.server.keys("photos")
    );
    assert!(marked.gcs.get("photos", "out/_manifest.json").is_some(), "{:?}", marked.gcs.keys("photos"));
    let environment = marked.site.workspace.environment.iter();
    let environment = environment.filter(|(name, _)| !["PIXMILL_LOG", "HOME"].contains(name));
    let variables: Vec<(&str, &str)> = environment.map(|(name, value)| (*name, value.as_str())).collect();
    let mut shell = Terminal::start(&marked.site.workspace, &marked.words(&["sql"]), &variables);
    shell.wait_for_prompt();
    for line in ["SHOW ALL;", "SELECT count(*) FROM 's3://photos/set/';", "SELECT count(*) FROM 's3://none/set/';"] {
        shell.clear_and_run(line);
        check(line, shell.screen());
    }
    marked.check_files();
}

/// A cluster in one process group, and what it says.
struct Cluster(Child);

impl Drop for Cluster {
    fn drop(&mut self) {
        support::cluster::send(self.0.id(), "TERM");
        let _ = self.0.wait();
    }
}

/// A process and those that it has started, with what they were started with.
fn processes(of: u32) -> BTreeMap<u32, Vec<u8>> {
    let mut found = BTreeMap::from([(of, Vec::new())]);
    for _ in 0..3 {
        for entry in std::fs::read_dir("/proc").expect("processes") {
            let number = entry.expect("an entry").file_name().to_string_lossy().parse::<u32>();
            let Ok(number) = number else { continue };
            let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
            if parent.is_some_and(|parent| found.contains_key(&parent)) {
                found.insert(number, Vec::new());
            }
        }
    }
    for (number, words) in &mut found {
        *words = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
    }
    found
}

#[test]
fn a_cluster_shows_no_secret() {
    let marked = Marked::new();
    let workspace = &marked.site.workspace;
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
    command.current_dir(workspace.path(""));
    command.args(marked.words(&["cluster", "--executors", "2", "--bind", "127.0.0.1:0", "--work-dir", "work"]));
    command.envs(workspace.environment.iter().map(|(name, value)| (name, value)));
    command.stderr(File::create(workspace.path("log")).expect("a log")).stdout(Stdio::piped());
    let mut cluster = Cluster(command.spawn().expect("a cluster"));
    let mut address = String::new();
    BufReader::new(cluster.0.stdout.take().expect("stdout")).read_line(&mut address).expect("its address");
    let address = address.trim();
    for statement in statements() {
        marked.run(&["sql", "--cluster", address, "-c", &statement]);
    }
    assert!(
        marked.site.server.get("photos", "out/_manifest.json").is_some(),
        "{:?}",
        marked.site.server.keys("photos")
    );
    let processes = processes(cluster.0.id());
    assert_eq!(processes.len(), 4, "{processes:?}");
    for words in processes.values() {
        check("the arguments of a process", words);
    }
    check_rest(address);
    let stages = workspace.names("work").into_iter().filter(|name| name.contains("executor-")).count();
    assert!(stages > 0, "{:?}", workspace.names("work"));
    marked.check_files();
    let log = workspace.read("log");
    // It is the log of everything that was meant.
    assert!(log.contains("TRACE") && log.contains("s3://photos/out"), "{}", log.len());
}

/// Asks for everything that the scheduler has to say.
fn check_rest(address: &str) {
    let json = |path: &str| -> serde_json::Value { serde_json::from_str(&ask(address, path)).expect("JSON") };
    wait_for_end_of_jobs(address);
    let jobs = json("pixmill/jobs");
    let ids: Vec<&str> = jobs.as_array().expect("a list").iter().filter_map(|job| job["id"].as_str()).collect();
    assert!(ids.len() > 5, "{jobs}");
    let mut paths: Vec<String> = ["pixmill/cluster", "pixmill/jobs"].map(str::to_string).into();
    paths.extend(ids.iter().map(|id| format!("pixmill/jobs/{id}")));
    let documented = json("api/openapi.json");
    for (path, operations) in documented["paths"].as_object().expect("paths") {
        if operations.get("get").is_none() {
            continue;
        }
        // What stands in braces is a job, or a number of a stage.
        let (mut parts, mut of_job) = (Vec::new(), false);
        for part in path.trim_start_matches('/').split('/') {
            of_job |= part.starts_with('{') && part.contains("job");
            parts.push(match part {
                _ if part.starts_with('{') && part.contains("job") => "@",
                _ if part.starts_with('{') => "1",
                _ => part,
            });
        }
        let path = parts.join("/");
        let jobs = if of_job { ids.as_slice() } else { &[""] };
        paths.extend(jobs.iter().map(|id| path.replace('@', id)));
    }
    assert!(paths.iter().any(|path| path.starts_with("api/job/")), "{paths:?}");
    for path in paths {
        check(&path, ask(address, &path));
    }
}

#[test]
fn errors_show_no_secret() {
    let marked = Marked::new();
    let endpoint = marked.gcs.endpoint();
    let nobody = "http://127.0.0.1:1";
    let with_user = nobody.replace("://", "://me:a-marked-password@");
    let statement = |scheme: &str| format!("SELECT count(*) FROM read_images('{scheme}://photos/set/')");
    marked.site.workspace.write("account.json", b"\"a-marked-private-key\"");
    marked.site.workspace.write(
        "aws",
        format!("[default]\naws_access_key_id=x\naws_secret_access_key=a-marked-secret\nendpoint_url={with_user}\n")
            .as_bytes(),
    );
    marked.site.workspace.write(
        "process",
        b"[default]\ncredential_process=echo '{\"AccessKeyId\":\"a-marked-key\",\"SecretAccessKey\":\"a-marked-secret\"'\n",
    );
    let mut leaks = Vec::new();
    let file = |name: &str| marked.site.workspace.path(name).to_string_lossy().into_owned();
    for (scheme, variables) in [
        ("s3", vec![("AWS_SECRET_ACCESS_KEY", "a-marked-other".to_string())]),
        ("s3", vec![("AWS_ENDPOINT_URL", nobody.to_string())]),
        ("s3", vec![("AWS_ENDPOINT_URL", with_user.clone())]),
        ("s3", vec![("AWS_ENDPOINT_URL", "a-marked-secret".to_string())]),
        ("s3", vec![("HTTP_PROXY", with_user.clone()), ("AWS_ENDPOINT_URL", "http://store.invalid".to_string())]),
        ("s3", vec![("AWS_ACCESS_KEY_ID", String::new()), ("AWS_SHARED_CREDENTIALS_FILE", file("aws"))]),
        ("s3", vec![("AWS_ACCESS_KEY_ID", String::new()), ("AWS_SHARED_CREDENTIALS_FILE", file("process"))]),
        ("az", vec![("AZURE_STORAGE_ACCOUNT_KEY", "a-marked-key, which is no Base64".to_string())]),
        ("az", vec![("AZURE_ENDPOINT", nobody.to_string())]),
        ("az", vec![("AZURE_ENDPOINT", with_user.clone())]),
        (
            "az",
            vec![
                ("AZURE_STORAGE_ACCOUNT_KEY", String::new()),
                ("AZURE_STORAGE_SAS_KEY", "sv=2023-11-03&sig=a-marked-signature".to_string()),
                ("AZURE_ENDPOINT", endpoint.clone()),
            ],
        ),
        (
            "az",
            vec![
                ("AZURE_STORAGE_ACCOUNT_KEY", String::new()),
                ("AZURE_STORAGE_SAS_KEY", "sv=2023-11-03&sig=a-marked-signature".to_string()),
                ("AZURE_ENDPOINT", nobody.to_string()),
            ],
        ),
        (
            "az",
            vec![
                ("AZURE_STORAGE_ACCOUNT_KEY", String::new()),
                ("AZURE_CLIENT_ID", "me".to_string()),
                ("AZURE_CLIENT_SECRET", "a-marked-client-secret".to_string()),
                ("AZURE_TENANT_ID", "tenant".to_string()),
                ("AZURE_AUTHORITY_HOST", endpoint.clone()),
            ],
        ),
        ("gs", vec![("GOOGLE_SERVICE_ACCOUNT_KEY", "\"a-marked-private-key\"".to_string())]),
        ("gs", vec![("GOOGLE_SERVICE_ACCOUNT_KEY", "a-marked-private-key".to_string())]),
        ("gs", vec![("GOOGLE_SERVICE_ACCOUNT_KEY", String::new()), ("GOOGLE_SERVICE_ACCOUNT", file("account.json"))]),
        (
            "gs",
            vec![
                ("GOOGLE_SERVICE_ACCOUNT_KEY", String::new()),
                ("GOOGLE_APPLICATION_CREDENTIALS", file("account.json")),
            ],
        ),
        ("gs", vec![("GOOGLE_SERVICE_ACCOUNT_KEY", service_account(nobody).replace("true", "false"))]),
    ] {
        // No rule names an endpoint: the environment does.
        let mut command = marked.site.command(&["sql", "-c", &statement(scheme)]);
        command.env_remove("AWS_ENDPOINT_URL").env("AWS_ENDPOINT_URL", marked.site.server.endpoint());
        command.envs(marked.site.workspace.environment.iter().map(|(name, value)| (name, value)));
        command
            .env("NO_PROXY", "")
            .env("AZURE_ALLOW_HTTP", "true")
            .envs(variables.iter().map(|(name, value)| (name, value)));
        for (name, value) in &variables {
            if value.is_empty() {
                command.env_remove(name);
            }
        }
        let finished = Finished::of(&command.output().expect("the binary starts"));
        let said = [finished.stdout, finished.stderr].concat();
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        eprintln!("{variables:?}\n  {error}");
        if let Some(around) = shown_in(said.as_bytes()) {
            leaks.push(format!("{scheme} with {variables:?}: {around}"));
        }
        assert_ne!(finished.code, 0, "{scheme} with {variables:?}");
        assert!(!error.is_empty() && !said.contains("panicked"), "{scheme} with {variables:?}: {said}");
    }
    for rule in
        ["s3://photos,secret_access_key=a-marked-secret".to_string(), format!("s3://photos,endpoint={with_user}")]
    {
        let finished = marked.site.workspace.pixmill(&["sql", "--store", &rule, "-c", "SELECT 1"]);
        assert!(finished.code == 2 && shown_in(finished.stderr.as_bytes()).is_none(), "{}", finished.stderr);
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_clients_are_shown_no_secret() {
    let marked = Marked::new();
    let token = "a-marked-token-of-clients";
    let server = Server::start_with_token(&marked.site.workspace, &marked.words(&[]), Some(token));
    let mut client = server.client().await;
    client.set_token(token.to_string());
    for statement in statements() {
        match support::server::rows(&mut client, &statement).await {
            Ok(rows) => check(&statement, support::server::lines_of(&rows).join("\n")),
            Err(status) => check(&statement, format!("{status:?}")),
        }
    }
    assert_eq!(lines(&mut client, "SELECT count(*) FROM 's3://photos/set/**/*.jpg'").await, ["9"]);
    let (_, said) = failure(&mut client, "SELECT count(*) FROM 's3://none/set/'").await;
    assert!(said.contains("NoSuchBucket"), "{said}");
    assert!(server.log().contains("TRACE"));
    check("the log", server.log());
    marked.check_files();
}

/// In a process of its own, which has the secrets, this test shows what there is to be shown.
#[tokio::test(flavor = "multi_thread")]
async fn types_show_no_secret() {
    if std::env::var_os("SHOW_TYPES").is_some() {
        return show_types().await;
    }
    let marked = Marked::new();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "types_show_no_secret", "--nocapture"]).env("SHOW_TYPES", &marked.rules[0]);
    command.env("AWS_ENDPOINT_URL", marked.site.server.endpoint());
    command.envs(marked.site.workspace.environment.iter().map(|(name, value)| (name, value)));
    let shown = Finished::of(&command.output().expect("it starts"));
    assert!(
        shown.stdout.contains("LoadContentExec") || shown.stdout.contains("ReadExec"),
        "{}{}",
        shown.stdout,
        shown.stderr
    );
    check("a type", shown.success());
}

async fn show_types() {
    let rule = std::env::var("SHOW_TYPES").expect("a rule");
    let rule: StoreRule = rule.parse().expect("a rule");
    let settings = StoreSettings::default();
    println!("{rule:?} {rule} {settings:?}");
    let engine = Engine::local_within(1, AllowList::default(), settings).expect("an engine");
    for sql in [copy("s3://photos/out"), "SELECT count(*) FROM read_images('s3://photos/set/')".to_string()] {
        for statement in engine.parse(&sql).expect("a statement") {
            println!("{statement:?}");
            let planned = engine.session().prepare(statement).await.expect("a plan");
            println!("{planned:#?}");
            let running = engine.session().run(planned).await.expect("it runs");
            running.collect().await.expect("rows");
        }
    }
    let rows =
        engine.context().sql("SELECT label, content FROM read_images('s3://photos/set/')").await.expect("a plan");
    println!("{:#?}", rows.create_physical_plan().await.expect("a plan"));
    for store in ["s3://photos", "gs://photos", "az://photos"] {
        let url = ObjectStoreUrl::parse(store).expect("a URL");
        let store = engine.context().runtime_env().object_store(url).expect("a store");
        println!("{store:?} {store}");
    }
    println!("{:#?} {:#?}", engine.context().state(), engine.context().task_ctx());
    let error = engine.sql("SELECT count(*) FROM read_images('s3://none/set/')").await.expect_err("no bucket");
    println!("{error:#?} {error}");
}
