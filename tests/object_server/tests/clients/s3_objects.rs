//! Objects in S3's dialect, as object_store's client reads and writes them.

use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::S3CopyIfNotExists;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};
use pixmill_object_server::{Operation, Options, Server};

use crate::support::{bytes_of, path, raw, raw_get, s3, s3_builder, server};

#[tokio::test]
async fn what_is_put_is_got() {
    let server = server(Options::default());
    let store = s3(&server);
    let put = store.put(&path("a/b.jpg"), "tulip".into()).await.expect("a put");
    let got = store.get(&path("a/b.jpg")).await.expect("an object");
    assert_eq!((got.meta.size, got.meta.e_tag.clone()), (5, put.e_tag));
    assert_eq!(got.bytes().await.expect("bytes"), "tulip");
    assert_eq!(server.get("photos", "a/b.jpg").expect("an object"), "tulip");
    let head = store.head(&path("a/b.jpg")).await.expect("a head");
    assert_eq!((head.size, head.version), (5, None));
    assert!((chrono::Utc::now() - head.last_modified).num_seconds() < 60, "{}", head.last_modified);
}

#[tokio::test]
async fn an_empty_object_is_got_and_has_no_ranges() {
    let server = server(Options::default());
    let store = s3(&server);
    store.put(&path("empty"), PutPayload::new()).await.expect("a put");
    assert_eq!(bytes_of(&store, "empty").await, b"");
    for range in ["bytes=0-0", "bytes=0-", "bytes=-1"] {
        let reply = raw(&server, "GET", "/photos/empty", &[("range", range)], b"");
        assert_eq!((reply.status, reply.header("content-range")), (416, Some("bytes */0")), "{range}");
    }
}

#[tokio::test]
async fn ranges_are_parts_of_the_object() {
    let server = server(Options::default());
    server.put("photos", "a", "0123456789");
    let store = s3(&server);
    let cases: [(GetRange, &str); 4] =
        [((2..5).into(), "234"), ((7..70).into(), "789"), (GetRange::Offset(6), "6789"), (GetRange::Suffix(2), "89")];
    for (range, expected) in cases {
        let options = GetOptions { range: Some(range.clone()), ..GetOptions::default() };
        let got = store.get_opts(&path("a"), options).await.expect("a range");
        assert_eq!(got.meta.size, 10);
        assert_eq!(got.bytes().await.expect("bytes"), expected, "{range}");
    }
    let ranges = store.get_ranges(&path("a"), &[0..2, 8..10]).await.expect("ranges");
    assert_eq!(ranges, ["01", "89"]);
    let past = GetOptions { range: Some(GetRange::Offset(10)), ..GetOptions::default() };
    let error = store.get_opts(&path("a"), past).await.expect_err("no bytes").to_string();
    assert!(error.contains("InvalidRange"), "{error}");
}

#[tokio::test]
async fn attributes_are_kept() {
    let server = server(Options::default());
    let store = s3(&server);
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "image/jpeg"),
        (Attribute::CacheControl, "no-store"),
        (Attribute::ContentDisposition, "inline"),
        (Attribute::ContentLanguage, "en"),
        (Attribute::Metadata("licence".into()), "CC0"),
    ]);
    let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
    store.put_opts(&path("a"), "tulip".into(), options).await.expect("a put");
    assert_eq!(store.get(&path("a")).await.expect("an object").attributes, attributes);
    store.copy(&path("a"), &path("b")).await.expect("a copy");
    assert_eq!(store.get(&path("b")).await.expect("an object").attributes, attributes);
}

#[tokio::test]
async fn create_only_refuses_what_is_there() {
    let server = server(Options::default());
    let store = s3(&server);
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&path("a"), "one".into(), create()).await.expect("a put");
    let error = store.put_opts(&path("a"), "two".into(), create()).await.expect_err("an object that is there");
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(server.get("photos", "a").expect("an object"), "one");
}

#[tokio::test]
async fn update_wants_the_etag_that_is_there() {
    let server = server(Options::default());
    let store = s3(&server);
    let one = store.put(&path("a"), "one".into()).await.expect("a put");
    let update = |e_tag| {
        let version = UpdateVersion { e_tag, version: None };
        PutOptions { mode: PutMode::Update(version), ..PutOptions::default() }
    };
    store.put_opts(&path("a"), "two".into(), update(one.e_tag.clone())).await.expect("a put");
    let error = store.put_opts(&path("a"), "three".into(), update(one.e_tag.clone())).await.expect_err("another ETag");
    assert!(matches!(error, Error::Precondition { .. }), "{error}");
    let error = store.put_opts(&path("b"), "three".into(), update(one.e_tag)).await.expect_err("no object");
    assert!(matches!(error, Error::Precondition { .. }), "{error}");
    assert_eq!(server.requests().last().expect("a request").status, Some(404));
    assert_eq!(server.get("photos", "a").expect("an object"), "two");
}

#[tokio::test]
async fn reads_have_conditions() {
    let server = server(Options::default());
    let store = s3(&server);
    let etag = store.put(&path("a"), "tulip".into()).await.expect("a put").e_tag;
    let modified = store.head(&path("a")).await.expect("a head").last_modified;
    let second = chrono::TimeDelta::seconds(1);
    let none = GetOptions::default;
    let served = [
        GetOptions { if_match: etag.clone(), ..none() },
        GetOptions { if_none_match: Some("\"x\"".into()), ..none() },
        GetOptions { if_modified_since: Some(modified - second), ..none() },
        GetOptions { if_unmodified_since: Some(modified), ..none() },
        // The ETag decides, where there are both.
        GetOptions { if_match: etag.clone(), if_unmodified_since: Some(modified - second), ..none() },
        GetOptions { if_none_match: Some("\"x\"".into()), if_modified_since: Some(modified), ..none() },
    ];
    for options in served {
        store.get_opts(&path("a"), options).await.expect("an object");
    }
    let not_modified = [
        GetOptions { if_none_match: etag, ..none() },
        GetOptions { if_none_match: Some("*".into()), ..none() },
        GetOptions { if_modified_since: Some(modified), ..none() },
    ];
    for options in not_modified {
        let error = store.get_opts(&path("a"), options).await.expect_err("not modified");
        assert!(matches!(error, Error::NotModified { .. }), "{error}");
    }
    let failed = [
        GetOptions { if_match: Some("\"x\"".into()), ..none() },
        GetOptions { if_unmodified_since: Some(modified - second), ..none() },
    ];
    for options in failed {
        let error = store.get_opts(&path("a"), options).await.expect_err("another object");
        assert!(matches!(error, Error::Precondition { .. }), "{error}");
    }
}

/// Keys that some servers get wrong.
const ODD_KEYS: [&str; 12] = [
    "a b",
    "a%20b",
    "a+b=c",
    "ä/é",
    "a#b?",
    "a&b",
    "a'b\"c",
    "[x]{y}~",
    "<a>",
    "日本/花.jpg",
    "a:b@c;d,e!f$g(h)*",
    "a\\b|c^`d",
];

#[tokio::test]
async fn keys_of_any_letters_are_kept_and_listed() {
    let server = server(Options::default());
    let store = s3(&server);
    for key in ODD_KEYS {
        store.put(&path(key), key.to_string().into()).await.expect("a put");
        let got = store.get(&path(key)).await.expect("an object").bytes().await.expect("bytes");
        assert_eq!(got, key);
    }
    let mut expected = ODD_KEYS.map(str::to_string).to_vec();
    expected.sort_unstable();
    assert_eq!(server.keys("photos"), expected);
    let listed: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.expect("a list");
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn copies_overwrite_or_do_not() {
    let server = server(Options::default());
    let store = s3(&server);
    let from = path("ä b%20/+&");
    server.put("photos", "ä b%20/+&", "tulip");
    store.copy(&from, &path("b")).await.expect("a copy");
    assert_eq!(server.get("photos", "b").expect("an object"), "tulip");
    // Two ways: a part that is copied (the client's default), and a header.
    let by_header = s3_builder(&server)
        .with_skip_signature(true)
        .with_copy_if_not_exists(S3CopyIfNotExists::Header("if-none-match".into(), "*".into()))
        .build()
        .expect("a client");
    for (store, target) in [(&store, "c"), (&by_header, "d")] {
        store.copy_if_not_exists(&from, &path(target)).await.expect("a copy");
        let error = store.copy_if_not_exists(&from, &path(target)).await.expect_err("an object that is there");
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    }
    let error = store.copy(&path("missing"), &path("e")).await.expect_err("no source");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_eq!(server.uploads(), []);
}

#[tokio::test]
async fn copies_have_conditions_for_their_source() {
    let server = server(Options::default());
    server.put("photos", "a", "tulip");
    let etag = raw(&server, "HEAD", "/photos/a", &[], b"").header("etag").expect("an ETag").to_string();
    let copy = |name: &str, value: &str| {
        raw(&server, "PUT", "/photos/b", &[("x-amz-copy-source", "/photos/a"), (name, value)], b"").status
    };
    assert_eq!(copy("x-amz-copy-source-if-match", &etag), 200);
    assert_eq!(copy("x-amz-copy-source-if-match", "\"x\""), 412);
    assert_eq!(copy("x-amz-copy-source-if-none-match", &etag), 412);
    assert_eq!(copy("x-amz-copy-source-if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"), 412);
}

#[tokio::test]
async fn deletes_one_by_one_and_many_at_once() {
    let server = server(Options::default());
    let store = s3(&server);
    let keys: Vec<_> = (0..1_500).map(|number| format!("a&b/{number}")).collect();
    for key in keys.iter().chain([&"kept".to_string()]) {
        server.put("photos", key, "");
    }
    let paths = stream::iter(keys.clone()).map(|key| Ok(path(&key))).boxed();
    let deleted: Vec<_> = store.delete_stream(paths).try_collect().await.expect("deletes");
    assert_eq!(deleted.len(), 1_500);
    assert_eq!(server.keys("photos"), ["kept"]);
    let operations: Vec<_> = server.requests().iter().map(|request| request.operation).collect();
    assert_eq!(operations, [Operation::BulkDelete; 2]);
    assert_eq!(raw(&server, "DELETE", "/photos/kept", &[], b"").status, 204);
    assert_eq!(raw(&server, "DELETE", "/photos/kept", &[], b"").status, 204);
    assert_eq!(server.keys("photos"), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_that_nobody_made_is_not_there() {
    let server = Server::start(Options::default());
    let reply = raw_get(&server, "/photos/a");
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("<Code>NoSuchBucket</Code>"), "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/xml"));
    assert_eq!(raw(&server, "PUT", "/photos/a", &[], b"tulip").status, 404);
    assert_eq!(raw(&server, "HEAD", "/photos", &[], b"").status, 404);
    server.make_bucket("photos");
    assert_eq!(raw(&server, "HEAD", "/photos", &[], b"").status, 200);
    let reply = raw_get(&server, "/photos/a");
    assert!(reply.text().contains("<Code>NoSuchKey</Code>"), "{}", reply.text());
}

#[tokio::test]
async fn what_the_server_does_not_have_is_not_implemented() {
    let server = server(Options::default());
    for (method, path) in [("GET", "/"), ("GET", "/photos?acl"), ("PUT", "/photos/a?tagging"), ("PATCH", "/photos/a")] {
        assert_eq!(raw(&server, method, path, &[], b"").status, 501, "{method} {path}");
    }
    assert_eq!(server.keys("photos"), Vec::<String>::new());
}
