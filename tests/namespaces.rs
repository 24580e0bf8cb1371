//! A cluster whose processes share nothing but a network and a bucket: each on a machine of its own, in a network namespace. Machines
//! are lost and cut off, and the dataset is the one that a single process writes to a directory.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pixmill_object_server::{Action, Operation, Options, Rule, Server};
use support::cluster::{EXECUTOR_TIMEOUT, ask, eventually, wait_for_end_of_jobs, wait_for_executors, wait_for_tasks};
use support::network::Network;
use support::site::{ACCESS, SECRET};
use support::{Finished, Workspace};

const EXECUTORS: usize = 3;
/// The scheduler's machine; the executors' follow it.
const SCHEDULER: usize = 0;
const CLIENT: usize = EXECUTORS + 1;

/// A process on a machine, killed when this is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It is gone where it ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A scheduler, executors and a bucket.
struct Cluster {
    executors: Vec<Process>,
    _scheduler: Process,
    network: Network,
    server: Server,
    workspace: Workspace,
}

impl Cluster {
    /// A cluster, and photos in the bucket and in a directory. `None` where there are no namespaces.
    fn start(photos: usize) -> Option<Self> {
        let network = Network::of(EXECUTORS + 2)?;
        let options = Options { address: network.address.into(), ..Options::default() };
        let server = Server::start(options.with_credentials(ACCESS, SECRET));
        let workspace = Workspace::with_photos(photos, 4);
        for (name, bytes) in workspace.files("photos") {
            server.put("photos", &format!("set/{name}"), bytes);
        }
        std::fs::create_dir_all(workspace.path("disk")).expect("a folder");
        let address = format!("{}:50050", network.address_of(SCHEDULER));
        let start = |machine: usize, arguments: &[&str]| {
            let mut command = command(&network, &workspace, &server, machine);
            command.stdout(Stdio::null()).stderr(log(&workspace, machine)).args(arguments);
            Process(command.spawn().expect("a process"))
        };
        let scheduler = start(SCHEDULER, &["scheduler", "--bind", &address]);
        let executors = (1..=EXECUTORS).map(|machine| {
            let bind = format!("{}:50051", network.address_of(machine));
            start(
                machine,
                &["executor", "--scheduler", &address, "--bind", &bind, "--vcores", "1", "--work-dir", "work"],
            )
        });
        let executors = executors.collect();
        let cluster = Self { executors, _scheduler: scheduler, network, server, workspace };
        eventually("the scheduler", || std::net::TcpStream::connect(&address).is_ok());
        wait_for_executors(&cluster.address(), EXECUTORS);
        Some(cluster)
    }

    fn address(&self) -> String {
        format!("{}:50050", self.network.address_of(SCHEDULER))
    }

    /// Starts a statement on the client's machine.
    fn client(&self, arguments: &[&str]) -> Child {
        let mut command = command(&self.network, &self.workspace, &self.server, CLIENT);
        command.args(arguments).args(["--cluster", &self.address()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a client")
    }

    /// Starts the main job, from bucket to bucket. Its images come slowly, so that each task takes some seconds and little work.
    fn start_main_job(&self) -> Child {
        self.workspace.pixmill(&main_job("photos", "main").each_ref().map(String::as_str)).success();
        self.server.script(Rule::new(Action::SlowBody { bytes_per_second: 2_000 }).key_contains("set/"));
        self.client(&main_job("s3://photos/set/", "s3://photos/main").each_ref().map(String::as_str))
    }

    /// What machines have said on stderr, for the message of a test that fails.
    fn logs(&self) -> String {
        let machines = (0..=CLIENT).map(|machine| {
            let log = std::fs::read_to_string(self.workspace.path(&format!("log-{machine}"))).unwrap_or_default();
            format!("machine {machine}:\n{log}\n")
        });
        machines.collect()
    }

    #[track_caller]
    fn success(&self, client: Child) -> String {
        let done = Finished::of(&client.wait_with_output().expect("ended"));
        assert_eq!(done.code, 0, "{}\n{}", done.stderr, self.logs());
        done.stdout
    }

    /// Checks that the bucket's dataset is the directory's, whole, with its manifest, and that there is nothing beside it.
    #[track_caller]
    fn check(&self, name: &str) {
        let expected = self.workspace.files(name);
        let keys = self.server.keys("photos");
        let written: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix(name)?.strip_prefix('/')).collect();
        let names: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(written, names, "{}", self.logs());
        let get = |file: &str| self.server.get("photos", &format!("{name}/{file}")).expect("an object");
        for (file, bytes) in &expected {
            assert!(file == "_manifest.json" || get(file) == *bytes, "{file} differs");
        }
        let shards = |manifest: &[u8]| {
            let manifest: serde_json::Value = serde_json::from_slice(manifest).expect("a manifest");
            (manifest["shards"].clone(), manifest["columns"].clone(), manifest["classes"].clone())
        };
        let manifest = expected.iter().find(|(file, _)| file == "_manifest.json").expect("a manifest");
        assert_eq!(shards(&get("_manifest.json")), shards(&manifest.1));
        assert!(self.server.uploads().is_empty(), "{:?}", self.server.uploads());
    }
}

fn command(network: &Network, workspace: &Workspace, server: &Server, machine: usize) -> std::process::Command {
    let mut command = network.command(machine, &workspace.path("disk"));
    command.env("AWS_ACCESS_KEY_ID", ACCESS).env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env("AWS_ENDPOINT_URL", server.endpoint()).env("PIXMILL_EXECUTOR_TIMEOUT", EXECUTOR_TIMEOUT);
    command.env("PIXMILL_LOG", "warn");
    command
}

fn log(workspace: &Workspace, machine: usize) -> File {
    File::create(workspace.path(&format!("log-{machine}"))).expect("a log")
}

fn main_job(input: &str, output: &str) -> [String; 8] {
    let query = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/flowers_to_tfrecord.sql");
    let query = query.to_str().expect("UTF-8").to_string();
    let set = |name: &str, value: &str| ["--set".to_string(), format!("{name}={value}")];
    let [a, b] = set("input", input);
    let [c, d] = set("output", output);
    let [e, f] = set("shards", "9");
    ["run".to_string(), query, a, b, c, d, e, f]
}

#[test]
fn an_executor_that_is_killed_changes_nothing() {
    let Some(mut cluster) = Cluster::start(90) else { return };
    // Each of these shards is several parts of an upload, which take their time.
    let rows = "COPY (SELECT value, repeat(md5(CAST(value AS VARCHAR)), 40) AS text FROM generate_series(1, 20000)) TO 'rows.parquet'";
    cluster.workspace.sql(rows).success();
    cluster.server.put("photos", "rows.parquet", std::fs::read(cluster.workspace.path("rows.parquet")).expect("rows"));
    let large = |from: &str, to: &str| {
        let select = format!("SELECT value, text FROM '{from}' ORDER BY value");
        format!("COPY ({select}) TO '{to}' STORED AS TFRECORD OPTIONS (shards 2)")
    };
    cluster.workspace.sql(&large("rows.parquet", "large")).success();
    cluster.server.script(Rule::new(Action::DelayHead(Duration::from_secs(1))).operation(Operation::Part));
    let client = cluster.start_main_job();
    let other = cluster.client(&["sql", "-c", &large("s3://photos/rows.parquet", "s3://photos/large")]);
    wait_for_tasks(&cluster.address(), 2);
    cluster.executors.remove(0);
    let lost = Instant::now();
    cluster.success(client);
    cluster.success(other);
    assert!(lost.elapsed() < Duration::from_secs(40), "{:?}", lost.elapsed());
    cluster.check("main");
    cluster.check("large");
}

/// Cuts the first executor off in the middle of the main job; `back` says when it is connected again.
fn is_cut_off(back: impl Fn(&Cluster) -> bool) {
    let Some(cluster) = Cluster::start(90) else { return };
    let mut client = cluster.start_main_job();
    wait_for_tasks(&cluster.address(), 2);
    cluster.network.cut(1);
    let lost = Instant::now();
    let mut is_back = false;
    while client.try_wait().expect("a client").is_none() {
        if !is_back && back(&cluster) {
            cluster.network.join(1);
            is_back = true;
        }
        assert!(lost.elapsed() < Duration::from_secs(40), "{}", cluster.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster.success(client);
    cluster.check("main");
    if !is_back {
        cluster.network.join(1);
    }
    let joined = Instant::now();
    // It has been given up, and starts anew.
    wait_for_executors(&cluster.address(), EXECUTORS);
    assert!(joined.elapsed() < Duration::from_secs(20), "{:?}", joined.elapsed());
    let log = std::fs::read_to_string(cluster.workspace.path("log-1")).expect("a log");
    assert!(log.contains("starts anew"), "{}", cluster.logs());
    // What it would have written late.
    std::thread::sleep(Duration::from_secs(3));
    cluster.check("main");
}

fn executors(cluster: &Cluster) -> u64 {
    let report: serde_json::Value = serde_json::from_str(&ask(&cluster.address(), "pixmill/cluster")).expect("JSON");
    report["executors"].as_u64().expect("a number")
}

#[test]
fn an_executor_that_is_cut_off_until_it_is_given_up_changes_nothing() {
    is_cut_off(|cluster| executors(cluster) < EXECUTORS as u64);
}

#[test]
fn an_executor_that_is_cut_off_until_the_dataset_is_there_changes_nothing() {
    is_cut_off(|_| false);
}

#[test]
fn an_executor_that_is_cut_off_for_a_moment_goes_on() {
    let Some(cluster) = Cluster::start(90) else { return };
    let client = cluster.start_main_job();
    wait_for_tasks(&cluster.address(), 2);
    cluster.network.cut(1);
    std::thread::sleep(Duration::from_secs(1));
    cluster.network.join(1);
    let back = Instant::now();
    cluster.success(client);
    assert!(back.elapsed() < Duration::from_secs(40), "{:?}", back.elapsed());
    cluster.check("main");
}

#[test]
fn an_executor_that_only_the_scheduler_cannot_reach_changes_nothing() {
    let Some(cluster) = Cluster::start(90) else { return };
    let client = cluster.start_main_job();
    wait_for_tasks(&cluster.address(), 2);
    cluster.network.part(SCHEDULER, 1);
    let parted = Instant::now();
    cluster.success(client);
    assert!(parted.elapsed() < Duration::from_secs(40), "{:?}", parted.elapsed());
    cluster.network.reunite(SCHEDULER, 1);
    wait_for_executors(&cluster.address(), EXECUTORS);
    std::thread::sleep(Duration::from_secs(3));
    cluster.check("main");
}

#[test]
fn a_client_that_is_cut_off_says_so_and_its_job_goes_on() {
    let Some(cluster) = Cluster::start(90) else { return };
    let client = cluster.start_main_job();
    wait_for_tasks(&cluster.address(), 2);
    cluster.network.cut(CLIENT);
    let cut = Instant::now();
    let done = Finished::of(&client.wait_with_output().expect("ended"));
    assert!(cut.elapsed() < Duration::from_secs(40), "{:?}", cut.elapsed());
    let said = done.failure(1);
    assert!(said.contains("the scheduler is gone"), "{said}");
    eventually("the manifest", || cluster.server.get("photos", "main/_manifest.json").is_some());
    wait_for_end_of_jobs(&cluster.address());
    cluster.check("main");
}

#[test]
fn rows_of_an_executor_that_is_cut_off_are_made_again() {
    let Some(cluster) = Cluster::start(60) else { return };
    let query = |from: &str| {
        format!(
            "SELECT label, count(*), sum(octet_length(encode(image_encode(image_resize(image_decode(c), 300, 300), 'png'), 'hex'))) \
             FROM (SELECT label, right(path, 10) AS name, max(content) AS c FROM read_images('{from}', partitions => 16) \
             GROUP BY label, right(path, 10)) GROUP BY label ORDER BY label"
        )
    };
    let expected = cluster.workspace.sql(&query("photos")).success();
    cluster.server.script(Rule::new(Action::SlowBody { bytes_per_second: 3_000 }).key_contains("set/"));
    let client = cluster.client(&["sql", "-c", &query("s3://photos/set/")]);
    // Three of the four tasks that follow read what it has.
    wait_for_tasks(&cluster.address(), 15);
    cluster.network.cut(1);
    let cut = Instant::now();
    assert_eq!(cluster.success(client), expected);
    assert!(cut.elapsed() < Duration::from_secs(45), "{:?}", cut.elapsed());
}
