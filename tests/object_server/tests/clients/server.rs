//! The server itself: its log, its limits, and what a test does with it in the same process.

use std::net::TcpStream;
use std::time::Duration;

use futures::future::join_all;
use object_store::ObjectStoreExt;
use object_store::multipart::MultipartStore;
use pixmill_object_server::{Action, Operation, Options, Rule, Server};

use crate::support::{bytes_of, path, raw, raw_get, s3, server};

#[tokio::test]
async fn what_is_put_in_process_is_got_by_clients() {
    let server = server(Options::default());
    server.put("photos", "a", "tulip");
    assert_eq!(bytes_of(&s3(&server), "a").await, b"tulip");
    assert!(server.delete("photos", "a"));
    assert!(!server.delete("photos", "a"));
    assert_eq!(server.get("photos", "a"), None);
}

#[tokio::test]
async fn every_answer_has_another_request_id() {
    let server = server(Options::default());
    server.put("photos", "a", "tulip");
    let mut ids: Vec<_> = ["/photos/a", "/photos/b", "/photos?list-type=2", "/none", "/photos/%ff"]
        .map(|path| raw_get(&server, path).header("x-amz-request-id").expect("an id").to_string())
        .to_vec();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn the_log_has_what_was_asked_and_answered() {
    let server = server(Options::default());
    server.put("photos", "a b", "tulip");
    let store = s3(&server);
    store.get_range(&path("a b"), 1..3).await.expect("a range");
    let _missing = store.head(&path("c")).await.expect_err("no object");
    let requests = server.requests();
    let [get, head] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((get.method.as_str(), get.path.as_str(), get.key.as_str()), ("GET", "/photos/a%20b", "a b"));
    assert_eq!((get.operation, get.range.as_deref(), get.status), (Operation::Get, Some("bytes=1-2"), Some(206)));
    assert!(get.header("user-agent").expect("a header").starts_with("object_store/"));
    assert_eq!((head.operation, head.status, head.faults), (Operation::Head, Some(404), 0));
    let counts = server.counts();
    assert_eq!((counts.requests, counts.most_requests_at_once, counts.connections), (2, 1, 1));
    server.forget_requests();
    assert!(server.requests().is_empty());
    assert_eq!(server.counts().requests, 0);
}

#[tokio::test]
async fn two_hundred_and_fifty_six_requests_are_served_at_once() {
    let server = server(Options::default());
    let bytes = vec![7; 100_000];
    server.put("photos", "a", bytes.clone());
    let store = s3(&server);
    let all = || join_all((0..256).map(|_| bytes_of(&store, "a")));
    assert!(all().await.iter().all(|got| *got == bytes));
    // All of them wait for an answer, until the last has come.
    server.script(Rule::new(Action::DelayHead(Duration::from_secs(60))));
    let all_have_come = async {
        while server.counts().most_requests_at_once < 256 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = all() => panic!("answers before the last request"),
        () = all_have_come => {}
    }
}

#[tokio::test]
async fn a_body_of_100_megabytes_is_put_and_got() {
    let server = server(Options::default());
    let store = s3(&server);
    let bytes = vec![42_u8; 100_000_000];
    store.put(&path("big"), bytes.clone().into()).await.expect("a put");
    assert!(bytes_of(&store, "big").await == bytes);
}

#[tokio::test]
async fn clear_leaves_buckets_and_nothing_in_them() {
    let server = server(Options::default());
    server.put("photos", "a", "tulip");
    s3(&server).create_multipart(&path("b")).await.expect("an upload");
    server.clear();
    assert_eq!((server.keys("photos").len(), server.uploads().len()), (0, 0));
    assert_eq!(raw(&server, "HEAD", "/photos", &[], b"").status, 200);
}

#[test]
fn a_dropped_server_does_not_listen_any_more() {
    let server = Server::start(Options::default());
    let address = server.endpoint().replace("http://", "");
    drop(server);
    TcpStream::connect(address).expect_err("nobody there");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let server = Server::start(Options::default());
    let port = server.endpoint().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    Server::try_start(Options { port, ..Options::default() }).expect_err("a port that is taken");
}
