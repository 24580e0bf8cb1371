//! Clients of the server: object_store's two, and one that sees every byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig, StaticCredentialProvider};
use pixmill_object_server::{Options, Server};

/// A path that is the key to the letter.
pub(crate) fn path(key: &str) -> Path {
    Path::parse(key).expect("a path")
}

/// An object's bytes.
pub(crate) async fn bytes_of(store: &dyn ObjectStore, key: &str) -> Vec<u8> {
    store.get(&path(key)).await.expect("an object").bytes().await.expect("its bytes").to_vec()
}

/// A server with an empty bucket `photos`.
pub(crate) fn server(options: Options) -> Server {
    let server = Server::start(options);
    server.make_bucket("photos");
    server
}

/// Three retries, after 1 to 2 ms each.
fn retries() -> RetryConfig {
    let (least, most) = (Duration::from_millis(1), Duration::from_millis(2));
    let backoff = BackoffConfig { init_backoff: least, max_backoff: most, base: 2.0 };
    RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(60) }
}

fn client_options(timeout: Duration) -> ClientOptions {
    ClientOptions::new().with_allow_http(true).with_timeout(timeout)
}

/// Settings of an S3 client for the bucket `photos`, which gives a request up after 20 seconds.
pub(crate) fn s3_builder(server: &Server) -> AmazonS3Builder {
    AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_bucket_name("photos")
        .with_region("us-east-1")
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .with_client_options(client_options(Duration::from_secs(20)))
        .with_retry(retries())
}

/// An S3 client for the bucket `photos` that signs nothing.
pub(crate) fn s3(server: &Server) -> AmazonS3 {
    s3_builder(server).with_skip_signature(true).build().expect("a client")
}

/// As [`s3`], but a request has so long.
pub(crate) fn s3_with_timeout(server: &Server, timeout: Duration) -> AmazonS3 {
    let builder = s3_builder(server).with_skip_signature(true);
    builder.with_client_options(client_options(timeout)).build().expect("a client")
}

/// A GCS client for the bucket `photos` without a token: its writes have an empty one, and its reads have none.
pub(crate) fn gcs(server: &Server) -> GoogleCloudStorage {
    gcs_builder(server).build().expect("a client")
}

/// As [`gcs`], but all requests have this token.
pub(crate) fn gcs_with_token(server: &Server, token: &str) -> GoogleCloudStorage {
    let credential = GcpCredential { bearer: token.to_string() };
    let builder = gcs_builder(server).with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    builder.build().expect("a client")
}

fn gcs_builder(server: &Server) -> GoogleCloudStorageBuilder {
    let key = format!(
        r#"{{"gcs_base_url":"{}","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}}"#,
        server.endpoint()
    );
    GoogleCloudStorageBuilder::new()
        .with_service_account_key(key)
        .with_bucket_name("photos")
        .with_client_options(client_options(Duration::from_secs(20)))
        .with_retry(retries())
}

/// What came back to a raw request.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 where there was no answer.
    pub(crate) status: u16,
    /// The status line and the headers, as they came.
    pub(crate) head: String,
    /// What came behind them.
    pub(crate) body: Vec<u8>,
    /// Whether the server closed the connection; it had two seconds for it.
    pub(crate) closed: bool,
}

impl Reply {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request on a connection of its own, and reads until the server closes it or says nothing for two seconds.
pub(crate) fn raw(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    raw_with_host(server, method, path, &[headers, &[("host", "x")]].concat(), body)
}

/// As [`raw`], but the headers have a `host` already.
pub(crate) fn raw_with_host(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(server.endpoint().trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).expect("a request that is sent");
    let mut bytes = Vec::new();
    let closed = loop {
        let mut buffer = [0; 65_536];
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
        if end_of_head(&bytes).is_some_and(|end| is_whole(method, &bytes[..end], &bytes[end..])) {
            break false;
        }
    };
    let end = end_of_head(&bytes).unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Reply { status, head, body: bytes[end..].to_vec(), closed }
}

/// A GET without headers.
pub(crate) fn raw_get(server: &Server, path: &str) -> Reply {
    raw(server, "GET", path, &[], b"")
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Whether nothing more is to come, by what the head says.
fn is_whole(method: &str, head: &[u8], body: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let without_body = method == "HEAD" || head.starts_with("HTTP/1.1 204") || head.starts_with("HTTP/1.1 304");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    match length {
        _ if without_body => true,
        Some(length) => body.len() >= length,
        None => body.ends_with(b"\r\n0\r\n\r\n"),
    }
}
