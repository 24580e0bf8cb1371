//! Faults: what the script says is what clients see.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use object_store::multipart::MultipartStore;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use pixmill_object_server::{Action, Operation, Options, Rule, Server};

use crate::support::{Reply, gcs, path, raw, raw_get, s3, s3_with_timeout, server};

/// A server with the object `photos/a`, whose bytes are `0123456789`, and with a script.
fn scripted(rules: impl IntoIterator<Item = Rule>) -> Server {
    let server = server(Options::default());
    server.put("photos", "a", "0123456789");
    for rule in rules {
        server.script(rule);
    }
    server
}

async fn text_of(store: &dyn ObjectStore, key: &str) -> Result<String, Error> {
    let bytes = store.get(&path(key)).await?.bytes().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The statuses of all requests so far; 0 where the connection was closed instead.
fn statuses(server: &Server) -> Vec<u16> {
    server.requests().iter().map(|request| request.status.unwrap_or(0)).collect()
}

#[tokio::test]
async fn a_status_is_an_answer_with_its_code() {
    let slow_down = Action::Status { status: 503, code: "SlowDown".into(), retry_after_seconds: Some(7) };
    let server = scripted([Rule::new(slow_down)]);
    let reply = raw_get(&server, "/photos/a");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("7")));
    assert!(reply.text().contains("<Code>SlowDown</Code>"), "{}", reply.text());
    let id = reply.header("x-amz-request-id").expect("an id");
    assert!(reply.text().contains(&format!("<RequestId>{id}</RequestId>")), "{}", reply.text());
    assert!(!reply.closed);
}

#[tokio::test]
async fn statuses_are_for_clients_what_they_are_with_s3() {
    let server = scripted([]);
    let store = s3(&server);
    let of = async |status, code| {
        server.clear_script();
        server.script(Rule::new(Action::status(status, code)));
        text_of(&store, "a").await.expect_err("a refusal")
    };
    assert!(matches!(of(403, "AccessDenied").await, Error::PermissionDenied { .. }));
    assert!(matches!(of(403, "RequestTimeTooSkewed").await, Error::PermissionDenied { .. }));
    assert!(matches!(of(404, "NoSuchBucket").await, Error::NotFound { .. }));
    assert!(matches!(of(409, "ConditionalRequestConflict").await, Error::AlreadyExists { .. }));
    assert!(of(400, "RequestTimeout").await.to_string().contains("RequestTimeout"));
    assert_eq!(statuses(&server).len(), 5);
    assert!(of(500, "InternalError").await.to_string().contains("InternalError"));
    // Three retries.
    assert_eq!(statuses(&server).len(), 9);
}

#[tokio::test]
async fn the_first_requests_fail_and_the_next_is_served() {
    let server = scripted([Rule::new(Action::status(503, "SlowDown")).operation(Operation::Get).first(2)]);
    assert_eq!(text_of(&s3(&server), "a").await.expect("an object"), "0123456789");
    assert_eq!(statuses(&server), [503, 503, 200]);
    let faults: Vec<_> = server.requests().iter().map(|request| request.faults).collect();
    assert_eq!(faults, [1, 1, 0]);
}

#[tokio::test]
async fn only_the_nth_request_fails() {
    let server = scripted([Rule::new(Action::status(500, "InternalError")).nth(2)]);
    let statuses = [(); 4].map(|()| raw_get(&server, "/photos/a").status);
    assert_eq!(statuses, [200, 500, 200, 200]);
}

#[tokio::test]
async fn a_fraction_of_requests_fails_the_same_way_each_time() {
    let run = |seed| {
        let server = scripted([Rule::new(Action::status(500, "InternalError")).fraction(0.3, seed)]);
        (0..60).map(|_| raw_get(&server, "/photos/a").status).collect::<Vec<_>>()
    };
    let one = run(1);
    assert_eq!(one, run(1));
    assert_ne!(one, run(2));
    let failed = one.iter().filter(|status| **status == 500).count();
    assert!((8..30).contains(&failed), "{failed} of 60");
}

#[tokio::test]
async fn rules_hold_for_the_requests_that_fit() {
    let fails = |rule: Rule| {
        let server = scripted([rule]);
        server.put("photos", "b/c", "tulip");
        let requests = [
            ("GET", "/photos/a"),
            ("GET", "/photos/b/c"),
            ("HEAD", "/photos/b/c"),
            ("PUT", "/photos/b/d"),
            ("GET", "/photos?list-type=2&prefix=b/"),
            ("DELETE", "/photos/a"),
        ];
        requests.map(|(method, path)| raw(&server, method, path, &[], b"").status == 418)
    };
    let teapot = || Rule::new(Action::status(418, "Teapot"));
    assert_eq!(fails(teapot()), [true; 6]);
    assert_eq!(fails(teapot().method("GET")), [true, true, false, false, true, false]);
    assert_eq!(fails(teapot().operation(Operation::Get)), [true, true, false, false, false, false]);
    assert_eq!(fails(teapot().operation(Operation::Head)), [false, false, true, false, false, false]);
    assert_eq!(fails(teapot().operation(Operation::List)), [false, false, false, false, true, false]);
    assert_eq!(fails(teapot().operation(Operation::Put)), [false, false, false, true, false, false]);
    assert_eq!(fails(teapot().key("a")), [true, false, false, false, false, true]);
    assert_eq!(fails(teapot().key("b/")), [false, false, false, false, true, false]);
    assert_eq!(fails(teapot().key_contains("b/")), [false, true, true, true, true, false]);
    assert_eq!(fails(teapot().key_contains("c").method("get")), [false, true, false, false, false, false]);
}

#[tokio::test]
async fn parts_and_completions_have_rules_of_their_own() {
    let server = scripted([
        Rule::new(Action::status(500, "InternalError")).operation(Operation::Part).nth(1),
        Rule::new(Action::status(500, "InternalError")).operation(Operation::Complete).nth(1),
        Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Abort),
        Rule::new(Action::status(403, "AccessDenied")).operation(Operation::Initiate).nth(2),
    ]);
    let store = s3(&server);
    let id = store.create_multipart(&path("b")).await.expect("an upload");
    let part = store.put_part(&path("b"), &id, 0, "tulip".into()).await.expect("a part");
    let error = store.abort_multipart(&path("b"), &id).await.expect_err("a refusal");
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    store.complete_multipart(&path("b"), &id, vec![part]).await.expect("an object");
    store.create_multipart(&path("c")).await.expect_err("a refusal");
    assert_eq!(statuses(&server), [200, 500, 200, 403, 500, 200, 403]);
    assert_eq!(server.get("photos", "b").expect("an object"), "tulip");
}

#[tokio::test]
async fn a_script_that_is_cleared_does_nothing() {
    let server = scripted([Rule::new(Action::CloseAtOnce)]);
    assert_eq!(raw_get(&server, "/photos/a").status, 0);
    server.clear_script();
    assert_eq!(raw_get(&server, "/photos/a").status, 200);
}

#[tokio::test]
async fn a_200_may_hold_an_error() {
    let error_body = |operation| Rule::new(Action::OkWithErrorBody("SlowDown".into())).operation(operation).nth(1);
    let server = scripted([error_body(Operation::Copy), error_body(Operation::Complete)]);
    let reply = raw(&server, "PUT", "/photos/b", &[("x-amz-copy-source", "photos/a")], b"");
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("<Error><Code>SlowDown</Code>"), "{}", reply.text());
    assert_eq!(server.get("photos", "b"), None);
    let store = s3(&server);
    let mut upload = store.put_multipart(&path("c")).await.expect("an upload");
    upload.put_part("tulip".into()).await.expect("a part");
    upload.complete().await.expect("an object, after a retry");
    let completions = server.requests().iter().filter(|request| request.operation == Operation::Complete).count();
    assert_eq!(completions, 2);
}

#[tokio::test]
async fn a_head_may_come_late() {
    let delay = Duration::from_millis(200);
    let server = scripted([Rule::new(Action::DelayHead(delay)).nth(1)]);
    let start = Instant::now();
    assert_eq!(raw_get(&server, "/photos/a").status, 200);
    assert!(start.elapsed() >= delay);
    // A client that waits for less tries again.
    server.script(Rule::new(Action::DelayHead(Duration::from_secs(60))).nth(1));
    let store = s3_with_timeout(&server, Duration::from_secs(1));
    assert_eq!(text_of(&store, "a").await.expect("an object"), "0123456789");
    assert_eq!(statuses(&server), [200, 0, 200]);
}

#[tokio::test]
async fn every_request_has_the_latency_of_the_options() {
    let latency = Duration::from_millis(100);
    let server = server(Options { latency, ..Options::default() });
    let start = Instant::now();
    raw_get(&server, "/photos/a");
    raw_get(&server, "/photos?list-type=2");
    assert!(start.elapsed() >= 2 * latency, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_cut_body_has_exactly_so_many_bytes() {
    let server = server(Options::default());
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    server.put("photos", "a", bytes.clone());
    for cut in [0, 1, 100_000, 2_999_999] {
        server.clear_script();
        server.script(Rule::new(Action::CutBody(cut)));
        let reply = raw_get(&server, "/photos/a");
        assert_eq!((reply.status, reply.header("content-length"), reply.closed), (200, Some("3000000"), true));
        assert!(reply.body == bytes[..cut], "{} of {cut}", reply.body.len());
    }
    server.clear_script();
    server.script(Rule::new(Action::CutBody(3_000_000)));
    let reply = raw_get(&server, "/photos/a");
    assert_eq!((reply.body.len(), reply.closed), (3_000_000, false));
}

#[tokio::test]
async fn a_cut_body_is_resumed_if_its_etag_is_known() {
    let cut = || Rule::new(Action::CutBody(4)).nth(1);
    let server = scripted([cut()]);
    assert_eq!(text_of(&s3(&server), "a").await.expect("an object"), "0123456789");
    let ranges: Vec<_> = server.requests().iter().map(|request| request.range.clone()).collect();
    assert_eq!(ranges, [None, Some("bytes=4-9".to_string())]);
    // Two rules may meet at one request.
    let server = scripted([cut(), Rule::new(Action::NoETag)]);
    text_of(&s3(&server), "a").await.expect_err("half an object");
    assert_eq!((server.requests().len(), server.requests()[0].faults), (1, 2));
}

#[tokio::test]
async fn a_page_of_a_list_may_be_cut() {
    let server = scripted([Rule::new(Action::CutBody(1_000)).operation(Operation::List).nth(2)]);
    for number in 0..1_500 {
        server.put("photos", &format!("l/{number:04}"), "");
    }
    let mut listed = 0;
    let list = s3(&server).list(Some(&path("l"))).try_for_each(|_| {
        listed += 1;
        futures::future::ok(())
    });
    list.await.expect_err("half a page");
    assert_eq!(listed, 1_000);
}

#[tokio::test]
async fn a_stalled_body_leaves_the_connection_open() {
    let server = scripted([Rule::new(Action::StallBody(4)).nth(1)]);
    let reply = raw_get(&server, "/photos/a");
    assert_eq!((reply.text().as_str(), reply.header("content-length"), reply.closed), ("0123", Some("10"), false));
    server.script(Rule::new(Action::StallBody(4)).nth(1));
    let store = s3_with_timeout(&server, Duration::from_secs(1));
    assert_eq!(text_of(&store, "a").await.expect("an object"), "0123456789");
    assert_eq!(server.requests().last().and_then(|request| request.range.clone()).as_deref(), Some("bytes=4-9"));
}

#[tokio::test]
async fn a_slow_body_keeps_its_pace() {
    let server = scripted([Rule::new(Action::SlowBody { bytes_per_second: 50 })]);
    let start = Instant::now();
    assert_eq!(text_of(&s3(&server), "a").await.expect("an object"), "0123456789");
    let slow = start.elapsed();
    assert!(slow >= Duration::from_millis(200), "{slow:?}");
    // Slower than a byte in each step of the server's.
    server.clear_script();
    server.script(Rule::new(Action::SlowBody { bytes_per_second: 20 }));
    let start = Instant::now();
    assert_eq!(raw_get(&server, "/photos/a").text(), "0123456789");
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_short_frame_is_good_http_with_too_few_bytes() {
    let server = scripted([Rule::new(Action::ShortFrame(3))]);
    let reply = raw(&server, "GET", "/photos/a", &[("range", "bytes=2-8")], b"");
    let length = reply.header("content-length");
    assert_eq!((reply.status, reply.header("content-range"), length), (206, Some("bytes 2-8/10"), Some("3")));
    assert_eq!((reply.text().as_str(), reply.closed), ("234", false));
    // What makes it worth a test: object_store takes it.
    assert_eq!(s3(&server).get_range(&path("a"), 2..9).await.expect("some bytes"), "234");
}

#[tokio::test]
async fn a_short_range_says_how_short_it_is() {
    let server = scripted([Rule::new(Action::ShortRange(3))]);
    let reply = raw(&server, "GET", "/photos/a", &[("range", "bytes=2-8")], b"");
    assert_eq!((reply.header("content-range"), reply.text().as_str()), (Some("bytes 2-4/10"), "234"));
    let error = s3(&server).get_range(&path("a"), 2..9).await.expect_err("another range").to_string();
    assert!(error.contains("Requested 2..9, got 2..5"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_followed() {
    let other = server(Options::default());
    other.put("photos", "a", "elsewhere");
    let server = scripted([Rule::new(Action::Redirect(format!("{}/photos/a", other.endpoint())))]);
    let reply = raw_get(&server, "/photos/a");
    assert_eq!((reply.status, reply.header("location").is_some()), (307, true));
    assert_eq!(text_of(&s3(&server), "a").await.expect("an object"), "elsewhere");
    assert_eq!(other.requests().len(), 1);
}

#[tokio::test]
async fn a_wrong_region_is_a_redirect_to_nowhere() {
    let server = scripted([Rule::new(Action::WrongRegion("eu-west-1".into()))]);
    let reply = raw_get(&server, "/photos/a");
    assert_eq!((reply.status, reply.header("location")), (301, None));
    assert_eq!(reply.header("x-amz-bucket-region"), Some("eu-west-1"));
    let error = text_of(&s3(&server), "a").await.expect_err("a refusal").to_string();
    assert!(error.contains("incorrectly configured region"), "{error}");
}

#[tokio::test]
async fn a_wrong_signing_region_is_named() {
    let server = scripted([Rule::new(Action::WrongSigningRegion("eu-west-1".into()))]);
    let reply = raw_get(&server, "/photos/a");
    assert_eq!(reply.status, 400);
    let text = reply.text();
    assert!(
        text.contains("<Code>AuthorizationHeaderMalformed</Code>") && text.contains("<Region>eu-west-1<"),
        "{text}"
    );
}

#[tokio::test]
async fn an_etag_may_be_missing() {
    let server = scripted([Rule::new(Action::NoETag)]);
    assert_eq!(raw(&server, "HEAD", "/photos/a", &[], b"").header("etag"), None);
    assert_eq!(s3(&server).head(&path("a")).await.expect("a head").e_tag, None);
}

#[tokio::test]
async fn a_chunked_body_has_no_content_length() {
    let server = scripted([Rule::new(Action::Chunked)]);
    let reply = raw_get(&server, "/photos/a");
    assert_eq!((reply.header("content-length"), reply.header("transfer-encoding")), (None, Some("chunked")));
    assert_eq!(reply.text(), "A\r\n0123456789\r\n0\r\n\r\n");
    let error = text_of(&s3(&server), "a").await.expect_err("no length").to_string();
    assert!(error.contains("Content-Length"), "{error}");
}

/// Create-only puts are where a client can't know what became of its request.
#[tokio::test]
async fn a_put_may_be_done_without_an_answer() {
    let server = scripted([Rule::new(Action::AcceptThenDrop).operation(Operation::Put).nth(1)]);
    let reply = raw(&server, "PUT", "/photos/b", &[], b"tulip");
    assert_eq!((reply.status, reply.closed), (0, true));
    assert_eq!(server.get("photos", "b").expect("an object"), "tulip");
    server.clear_script();
    server.script(Rule::new(Action::AcceptThenDrop).operation(Operation::Put).nth(1));
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    for store in [&s3(&server) as &dyn ObjectStore, &gcs(&server)] {
        server.delete("photos", "c");
        server.clear_script();
        server.script(Rule::new(Action::AcceptThenDrop).operation(Operation::Put).nth(1));
        let error = store.put_opts(&path("c"), "tulip".into(), create.clone()).await.expect_err("its own object");
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert_eq!(server.get("photos", "c").expect("an object"), "tulip");
    }
}

#[tokio::test]
async fn a_completion_may_be_done_without_an_answer() {
    let server = scripted([Rule::new(Action::AcceptThenDrop).operation(Operation::Complete).nth(1)]);
    let store = s3(&server);
    let id = store.create_multipart(&path("b")).await.expect("an upload");
    let part = store.put_part(&path("b"), &id, 0, "tulip".into()).await.expect("a part");
    let error = store.complete_multipart(&path("b"), &id, vec![part]).await.expect_err("no such upload any more");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_eq!(server.get("photos", "b").expect("an object"), "tulip");
}

#[tokio::test]
async fn a_connection_may_be_closed_before_anything_is_done() {
    let server = scripted([Rule::new(Action::CloseAtOnce).first(1)]);
    let reply = raw(&server, "PUT", "/photos/b", &[], b"");
    assert_eq!((reply.status, reply.closed, server.get("photos", "b")), (0, true, None));
    server.script(Rule::new(Action::CloseAtOnce).first(2));
    assert_eq!(text_of(&s3(&server), "a").await.expect("an object"), "0123456789");
    assert_eq!(statuses(&server), [0, 0, 0, 200]);
    assert_eq!(server.counts().connections, 4);
}

#[tokio::test]
async fn of_two_answers_the_first_in_the_script_is_given() {
    let rules =
        [(500, "InternalError"), (503, "SlowDown")].map(|(status, code)| Rule::new(Action::status(status, code)));
    let server = scripted(rules);
    assert_eq!(raw_get(&server, "/photos/a").status, 500);
}

#[tokio::test]
async fn clients_that_leave_are_not_in_flight_any_more() {
    let server = scripted([Rule::new(Action::StallBody(4))]);
    let _reply: Reply = raw_get(&server, "/photos/a");
    let start = Instant::now();
    while server.counts().open_connections > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", server.counts());
        tokio::task::yield_now().await;
    }
}
