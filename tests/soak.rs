//! Hours of hostile images, changing statements, executors that are killed and clients that come and go: no wrong dataset, no wrong row,
//! and nothing that grows or is left behind.
//!
//! It is off unless the environment says for how many seconds: `PIXMILL_SOAK=3600 cargo test --test soak -- --nocapture`. `PIXMILL_SEED`
//! makes another run of it. What it has measured is printed, a line for each minute.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use support::cluster::{Cluster, eventually, send};
use support::server::Server;
use support::{Finished, Workspace};

const IMAGES: usize = 600;
/// Executors; the first is left alone, so that it is seen whether it grows.
const EXECUTORS: usize = 3;
/// How long an executor lives on average.
const LIFE: f64 = 20.0;
/// How often a statement that was interrupted, or whose executors were, is run again until it must be done.
const ATTEMPTS: usize = 12;
/// How long a finished dataset is watched for what comes too late.
const WATCHED: Duration = Duration::from_secs(60);

const IMAGE: &str = "image_encode(image_resize(image_decode(content), 64, 64)) AS image";

/// What clients ask for; `{to}` is a directory.
fn statements() -> Vec<String> {
    vec![
        format!(
            "COPY (SELECT {IMAGE}, class, path AS name FROM read_images('photos', shuffle_seed => 7)) TO '{{to}}' STORED AS TFRECORD \
             OPTIONS (shards 12, index true)"
        ),
        format!("COPY (SELECT {IMAGE}, class, label FROM read_images('photos')) TO '{{to}}' STORED AS WEBDATASET OPTIONS (shards 5)"),
        format!(
            "COPY (SELECT {IMAGE}, class, label FROM read_images('photos')) TO '{{to}}' STORED AS PARQUET PARTITIONED BY (label) \
             OPTIONS (huggingface true, shards 3)"
        ),
        format!(
            "COPY (SELECT {IMAGE}, class FROM read_images('photos') ORDER BY length, path) TO '{{to}}' STORED AS TFRECORD \
             OPTIONS (shards 3)"
        ),
        "SELECT label, count(*), count(image_decode(content)) FROM read_images('photos') GROUP BY label ORDER BY label".to_string(),
        "SELECT image_error_class(content) AS why, count(*), min(path) FROM read_images('photos') GROUP BY why ORDER BY why".to_string(),
        "SELECT p.label, count(*), sum(q.length) FROM read_images('photos') p JOIN read_images('photos') q ON p.class = q.class AND \
         p.length < q.length GROUP BY p.label ORDER BY p.label"
            .to_string(),
        "SELECT class, count(*), sum(octet_length(image)) FROM read_tfrecord('records') GROUP BY class ORDER BY class".to_string(),
        "SELECT path, image_error(content) FROM read_images('photos') WHERE image_decode(content) IS NULL ORDER BY path LIMIT 40".to_string(),
    ]
}

struct Random(ChaCha8Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn below(&mut self, count: usize) -> usize {
        (self.0.next_u64() % count as u64) as usize
    }

    fn share(&mut self) -> f64 {
        self.0.next_u32() as f64 / 4_294_967_296.0
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// What a statement gives where nothing disturbs it: rows, or the files of a dataset.
#[derive(Debug, PartialEq)]
enum Outcome {
    Rows(String),
    Files(Vec<(String, Vec<u8>)>),
}

struct Soak<'a> {
    workspace: &'a Workspace,
    cluster: String,
    statements: Vec<String>,
    expected: Vec<Outcome>,
    ends: Instant,
    /// What has happened, by its name.
    counts: Mutex<BTreeMap<&'static str, usize>>,
    wrong: Mutex<Vec<String>>,
    datasets: AtomicUsize,
}

impl Soak<'_> {
    fn count(&self, what: &'static str) {
        *self.counts.lock().expect("not poisoned").entry(what).or_default() += 1;
    }

    fn is_wrong(&self, what: String) {
        eprintln!("WRONG: {what}");
        self.wrong.lock().expect("not poisoned").push(what);
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.ends
    }

    /// Runs a statement here or on the cluster; with a signal after a while, where one is given.
    fn run(&self, sql: &str, on_cluster: bool, resume: bool, signal: Option<(&str, Duration)>) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
        command.current_dir(self.workspace.path("")).env_remove("PIXMILL_LOG").env("PIXMILL_EXECUTOR_TIMEOUT", "4");
        command.envs(self.workspace.environment.iter().map(|(name, value)| (name, value)));
        command.args(["sql", "--format", "csv", "-c", sql]);
        if on_cluster {
            command.args(["--cluster", &self.cluster]);
        }
        if resume {
            command.arg("--resume");
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        if let Some((signal, after)) = signal {
            thread::sleep(after);
            // One that has ended is still to be waited for, so that its number is its own.
            send(child.id(), signal);
        }
        Finished::of(&child.wait_with_output().expect("it ends"))
    }

    /// A client that asks one thing after the other.
    fn client(&self, seed: u64) {
        let mut random = Random::new(seed);
        let mut finished: Vec<(Instant, String, usize)> = Vec::new();
        while self.goes_on() {
            let which = random.below(self.statements.len());
            let on_cluster = random.share() < 0.75;
            let signal = ["INT", "TERM", "KILL"][random.below(3)];
            let signal = (random.share() < 0.4).then(|| (signal, Duration::from_millis(random.below(2500) as u64)));
            match &self.expected[which] {
                Outcome::Rows(rows) => self.query(which, rows, on_cluster, signal),
                Outcome::Files(files) => {
                    let name = format!("out/{}", self.datasets.fetch_add(1, Ordering::Relaxed));
                    if self.dataset(which, &name, files, on_cluster, signal) {
                        finished.push((Instant::now(), name, which));
                    }
                }
            }
            self.look_back(&mut finished, WATCHED);
        }
        while !finished.is_empty() {
            thread::sleep(Duration::from_secs(1));
            self.look_back(&mut finished, WATCHED);
        }
    }

    fn query(&self, which: usize, rows: &str, on_cluster: bool, signal: Option<(&str, Duration)>) {
        let run = self.run(&self.statements[which], on_cluster, false, signal);
        let sql = &self.statements[which];
        match run.code {
            0 if run.stdout == rows => self.count("queries answered"),
            0 => self.is_wrong(format!("{sql}\n{}\ninstead of\n{rows}", run.stdout)),
            _ if signal.is_some() => self.count("queries interrupted"),
            1 if on_cluster => {
                eprintln!("failed on the cluster: {}", run.stderr);
                self.count("queries that lost executors too often");
            }
            _ => self.is_wrong(format!("{sql}\n{run:?}")),
        }
        if run.stderr.contains("panicked") {
            self.is_wrong(run.stderr);
        }
    }

    /// Whether a dataset was written, after as many attempts as that takes.
    fn dataset(
        &self,
        which: usize,
        name: &str,
        files: &[(String, Vec<u8>)],
        on_cluster: bool,
        signal: Option<(&str, Duration)>,
    ) -> bool {
        let sql = self.statements[which].replace("{to}", name);
        let mut run = self.run(&sql, on_cluster, false, signal);
        for attempt in 1.. {
            if run.stderr.contains("panicked") {
                self.is_wrong(run.stderr.clone());
            }
            let there = self.workspace.visible_files(name);
            if there.iter().any(|(file, _)| file == "_manifest.json") && there != files {
                let names: Vec<&String> = there.iter().map(|(file, _)| file).collect();
                self.is_wrong(format!("{name}: {names:?}\n{sql}\n{run:?}"));
                return false;
            }
            if run.code == 0 {
                self.count("datasets written");
                return true;
            }
            if attempt > ATTEMPTS {
                self.is_wrong(format!("{name} isn't completed after {attempt} attempts\n{sql}\n{run:?}"));
                return false;
            }
            self.count("datasets resumed");
            // A job whose client was killed goes on for a while, and so does one whose executors are gone.
            thread::sleep(Duration::from_millis(500 * attempt as u64));
            run = self.run(&sql, on_cluster, true, None);
        }
        false
    }

    /// Looks at datasets that have been finished for a while, and removes them.
    fn look_back(&self, finished: &mut Vec<(Instant, String, usize)>, after: Duration) {
        finished.retain(|(since, name, which)| {
            if since.elapsed() < after {
                return true;
            }
            let there = Outcome::Files(self.workspace.files(name));
            if there != self.expected[*which] {
                self.is_wrong(format!("{name}, later: {:?}", self.workspace.names(name)));
            }
            fs::remove_dir_all(self.workspace.path(name)).expect("removed");
            false
        });
    }

    /// Clients of Flight SQL that connect, ask, and often don't wait for the end.
    fn flight_clients(&self, server: &Server, seed: u64) {
        let mut random = Random::new(seed);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        while self.goes_on() {
            let sql = "SELECT label, count(*), count(image_decode(content)) FROM read_images('photos') GROUP BY label";
            let patience = Duration::from_millis(random.below(3000) as u64);
            let asked = runtime.block_on(async {
                tokio::time::timeout(patience, async {
                    let mut client = server.client().await;
                    support::server::rows(&mut client, sql).await.expect("rows")
                })
                .await
            });
            self.count(if asked.is_ok() {
                "queries answered by serve"
            } else {
                "queries given up by clients of serve"
            });
        }
    }

    /// Kills executors, tells them to stop, and holds them up.
    fn reaper(&self, cluster: &Mutex<Cluster<'_>>, seed: u64) {
        let mut random = Random::new(seed);
        let mut alive: Vec<usize> = (1..EXECUTORS).collect();
        loop {
            let wait = -(1.0 - random.share()).ln() * LIFE / alive.len() as f64;
            let until = Instant::now() + Duration::from_secs_f64(wait.clamp(0.5, 60.0));
            while Instant::now() < until {
                if !self.goes_on() {
                    return;
                }
                thread::sleep(Duration::from_millis(100));
            }
            let place = random.below(alive.len());
            let what = random.share();
            let mut cluster = cluster.lock().expect("not poisoned");
            if what < 0.15 {
                cluster.signal(alive[place], "STOP");
                thread::sleep(Duration::from_secs(6));
                cluster.signal(alive[place], "CONT");
                self.count("executors held up");
                continue;
            }
            if what < 0.3 {
                cluster.signal(alive[place], "TERM");
                cluster.wait_for_end(alive[place]);
                self.count("executors stopped");
            } else {
                cluster.kill(alive[place]);
                self.count("executors killed");
            }
            alive[place] = cluster.add_executor();
        }
    }
}

/// What a process holds: MiB of memory, open files, threads.
fn held(pid: u32) -> [u64; 3] {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).expect("a number")
    };
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process").count();
    [number("VmRSS:") / 1024, files as u64, number("Threads:")]
}

#[test]
fn hours_of_hostile_input_and_dying_machines_leave_nothing_wrong_and_nothing_behind() {
    let Some(seconds) = number("PIXMILL_SOAK") else {
        eprintln!("skipped: PIXMILL_SOAK says for how many seconds it runs");
        return;
    };
    let seed = number("PIXMILL_SEED").unwrap_or(1);
    let mut workspace = Workspace::new();
    fs::create_dir_all(workspace.path("temporary")).expect("a directory");
    workspace.environment.push(("TMPDIR", workspace.path("temporary").display().to_string()));
    let images = IMAGES.to_string();
    workspace.pixmill(&["generate", "photos", "--images", &images, "--size", "128x96", "--hostile", "0.05"]).success();
    let records = format!(
        "COPY (SELECT {IMAGE}, class FROM read_images('photos')) TO 'records' STORED AS TFRECORD OPTIONS (shards 6)"
    );
    workspace.sql(&records).success();
    let statements = statements();
    let expected = statements.iter().enumerate().map(|(number, sql)| {
        let place = format!("expected/{number}");
        let rows = workspace.pixmill(&["sql", "--format", "csv", "-c", &sql.replace("{to}", &place)]).success();
        if sql.contains("{to}") { Outcome::Files(workspace.files(&place)) } else { Outcome::Rows(rows) }
    });
    let expected = expected.collect();
    let cluster = Cluster::start(&workspace, EXECUTORS);
    let server = Server::start(&workspace, &[]);
    let (scheduler, executor) = cluster.processes();
    let watched = [("scheduler", scheduler), ("executor", executor), ("serve", server.process())];
    let address = cluster.address.clone();
    let cluster = Mutex::new(cluster);
    let started = Instant::now();
    let soak = Soak {
        workspace: &workspace,
        cluster: address,
        statements,
        expected,
        ends: started + Duration::from_secs(seconds),
        counts: Mutex::default(),
        wrong: Mutex::default(),
        datasets: AtomicUsize::new(0),
    };
    let mut samples = Vec::new();
    thread::scope(|scope| {
        for client in 0..3 {
            let soak = &soak;
            scope.spawn(move || soak.client(seed * 1000 + client));
        }
        scope.spawn(|| soak.flight_clients(&server, seed * 1000 + 100));
        scope.spawn(|| soak.reaper(&cluster, seed * 1000 + 200));
        while soak.goes_on() {
            let sample = watched.map(|(_, pid)| held(pid));
            let minute = started.elapsed().as_secs() / 60;
            if samples.last().is_none_or(|(last, _)| *last != minute) {
                let words = watched.iter().zip(&sample).map(|((name, _), [mib, files, threads])| {
                    format!("{name} {mib} MiB, {files} files, {threads} threads")
                });
                println!("minute {minute}: {}", words.collect::<Vec<_>>().join("; "));
            }
            samples.push((minute, sample));
            thread::sleep(Duration::from_secs(2));
        }
    });
    println!("{:#?}", soak.counts.lock().expect("not poisoned"));
    let wrong = soak.wrong.into_inner().expect("not poisoned");
    assert!(wrong.is_empty(), "{} wrong results, the first: {}", wrong.len(), wrong[0]);

    // At rest nothing is busy, and nobody holds more than when it had just warmed up.
    let cluster = cluster.into_inner().expect("not poisoned");
    eventually("all vcores free", || {
        let state: serde_json::Value = serde_json::from_str(&cluster.get("pixmill/cluster")).expect("JSON");
        state["vcores"] == state["free_vcores"]
    });
    thread::sleep(Duration::from_secs(15));
    let quarter = samples.len() / 4;
    for (place, (name, pid)) in watched.iter().enumerate() {
        let mut early: Vec<[u64; 3]> =
            samples[quarter / 2..quarter + quarter / 2].iter().map(|(_, sample)| sample[place]).collect();
        let [mib, files, threads] = held(*pid);
        let most = |what: usize, early: &mut Vec<[u64; 3]>| early.iter().map(|held| held[what]).max().unwrap_or(0);
        println!("{name} at the end: {mib} MiB, {files} files, {threads} threads");
        assert!(mib <= most(0, &mut early) * 5 / 4 + 20, "{name} has grown to {mib} MiB");
        assert!(files <= most(1, &mut early) + 5, "{name} has {files} files open");
        assert!(threads <= most(2, &mut early) + 5, "{name} has {threads} threads");
    }
    assert_eq!(workspace.names("out"), [""; 0], "left behind");
    let mut cluster = cluster;
    cluster.stop_executors();
    // Who comes next sweeps what killed executors have left.
    let last = cluster.add_executor();
    cluster.wait_for(1);
    cluster.signal(last, "TERM");
    assert_eq!(cluster.wait_for_end(last), 0);
    assert_eq!(workspace.names("temporary"), [""; 0], "left behind");
}
