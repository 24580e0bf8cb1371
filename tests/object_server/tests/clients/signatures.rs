//! Signatures, as object_store's client makes them.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, S3CopyIfNotExists};
use object_store::{Attribute, Attributes, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use pixmill_object_server::{Options, Server};

use crate::support::{gcs_with_token, path, raw, raw_get, raw_with_host, s3, s3_builder, server};

const SECRET: &str = "sksksksk";

fn signed_server() -> Server {
    server(Options::default().with_credentials("akakak", SECRET))
}

/// A client with these keys; it signs bodies, too.
fn client(server: &Server, access_key: &str, secret_key: &str) -> AmazonS3 {
    let builder = s3_builder(server).with_access_key_id(access_key).with_secret_access_key(secret_key);
    builder.build().expect("a client")
}

/// Everything that the client can do.
async fn use_all(store: &dyn ObjectStore) {
    for key in ["a b/ä+&=%20.jpg", "(x)!*'~"] {
        let attributes = Attributes::from_iter([(Attribute::Metadata("note".into()), "two  spaces")]);
        let options = PutOptions { attributes, mode: PutMode::Create, ..PutOptions::default() };
        store.put_opts(&path(key), "tulip".into(), options).await.expect("a put");
        assert_eq!(store.get_range(&path(key), 1..3).await.expect("a range"), "ul");
    }
    let mut upload = store.put_multipart(&path("big")).await.expect("an upload");
    upload.put_part("one".into()).await.expect("a part");
    upload.complete().await.expect("an object");
    store.copy(&path("a b/ä+&=%20.jpg"), &path("c")).await.expect("a copy");
    store.copy_if_not_exists(&path("c"), &path("d")).await.expect("a copy");
    let listed = store.list_with_offset(Some(&path("a b")), &path("a b/%"));
    assert_eq!(listed.try_collect::<Vec<_>>().await.expect("a list").len(), 1);
    let paths = stream::iter(["c", "d"].map(|key| Ok(path(key)))).boxed();
    store.delete_stream(paths).try_collect::<Vec<_>>().await.expect("deletes");
    store.put_multipart(&path("left")).await.expect("an upload").abort().await.expect("an end");
}

#[tokio::test]
async fn requests_that_are_signed_are_served() {
    let server = signed_server();
    use_all(&client(&server, "akakak", SECRET)).await;
    assert_eq!(server.keys("photos"), ["(x)!*'~", "a b/ä+&=%20.jpg", "big"]);
}

#[tokio::test]
async fn bodies_may_be_unsigned() {
    let server = signed_server();
    let builder = s3_builder(&server).with_access_key_id("akakak").with_secret_access_key(SECRET);
    let copy = S3CopyIfNotExists::Header("if-none-match".into(), "*".into());
    let store = builder.with_unsigned_payload(true).with_copy_if_not_exists(copy).build().expect("a client");
    use_all(&store).await;
    let put = server.requests()[0].clone();
    assert_eq!(put.header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
}

#[tokio::test]
async fn a_session_token_may_come_along() {
    let server = signed_server();
    let builder = s3_builder(&server).with_access_key_id("akakak").with_secret_access_key(SECRET);
    let store = builder.with_token("token").build().expect("a client");
    store.put(&path("a"), "tulip".into()).await.expect("a put");
    assert_eq!(server.requests()[0].header("x-amz-security-token"), Some("token"));
}

/// The code of the refusal of a put.
async fn refusal(store: impl ObjectStore) -> String {
    let error = store.put(&path("a"), "tulip".into()).await.expect_err("a refusal");
    let text = error.to_string();
    let code = text.split("<Code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a code").to_string();
    assert!(matches!(error, Error::PermissionDenied { .. } | Error::Generic { .. }), "{error:?}");
    code
}

#[tokio::test]
async fn a_wrong_secret_does_not_match() {
    let server = signed_server();
    assert_eq!(refusal(client(&server, "akakak", "another")).await, "SignatureDoesNotMatch");
    assert_eq!(server.keys("photos"), Vec::<String>::new());
}

#[tokio::test]
async fn an_unknown_access_key_is_invalid() {
    let server = signed_server();
    assert_eq!(refusal(client(&server, "another", SECRET)).await, "InvalidAccessKeyId");
}

#[tokio::test]
async fn requests_without_a_signature_are_denied() {
    let server = signed_server();
    assert_eq!(refusal(s3(&server)).await, "AccessDenied");
    assert_eq!(refusal(gcs_with_token(&server, "token")).await, "AccessDenied");
    let denied = raw_get(&server, "/photos/a");
    assert_eq!((denied.status, server.requests().last().and_then(|request| request.status)), (403, Some(403)));
}

#[tokio::test]
async fn another_region_is_told_which_one_it_is() {
    let server =
        server(Options { region: "eu-west-1".into(), ..Options::default().with_credentials("akakak", SECRET) });
    let error = client(&server, "akakak", SECRET).get(&path("a")).await.expect_err("a refusal").to_string();
    assert!(error.contains("AuthorizationHeaderMalformed") && error.contains("<Region>eu-west-1</Region>"), "{error}");
}

#[tokio::test]
async fn clocks_may_be_fifteen_minutes_apart() {
    for (clock_ahead_seconds, refused) in [(14 * 60, false), (16 * 60, true), (-14 * 60, false), (-16 * 60, true)] {
        let options = Options { clock_ahead_seconds, ..Options::default() };
        let server = server(options.with_credentials("akakak", SECRET));
        let store = client(&server, "akakak", SECRET);
        match refused {
            true => assert_eq!(refusal(store).await, "RequestTimeTooSkewed", "{clock_ahead_seconds}"),
            false => drop(store.put(&path("a"), "tulip".into()).await.expect("a put")),
        }
    }
}

/// Sends a request of object_store's again, with something of it changed.
async fn sent_again(change: impl Fn(&mut Vec<(String, String)>, &mut String, &mut Vec<u8>)) -> (u16, String) {
    let server = signed_server();
    let store = Arc::new(client(&server, "akakak", SECRET));
    store.put(&path("a"), "tulip".into()).await.expect("a put");
    let request = server.requests()[0].clone();
    let (mut headers, mut target, mut body) = (request.headers, request.path, b"tulip".to_vec());
    headers.retain(|(name, _)| name != "content-length");
    change(&mut headers, &mut target, &mut body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let reply = raw_with_host(&server, "PUT", &target, &headers, &body);
    (reply.status, reply.text())
}

#[tokio::test]
async fn what_was_signed_can_not_be_changed() {
    let (status, text) = sent_again(|_, _, _| ()).await;
    assert_eq!(status, 200, "{text}");
    let (status, text) = sent_again(|_, target, _| target.push('b')).await;
    assert!(status == 403 && text.contains("SignatureDoesNotMatch"), "{text}");
    let (status, text) = sent_again(|_, target, _| target.push_str("?x=y")).await;
    assert!(status == 403 && text.contains("SignatureDoesNotMatch"), "{text}");
    let (status, text) = sent_again(|_, _, body| body.reverse()).await;
    assert!(status == 400 && text.contains("XAmzContentSHA256Mismatch"), "{text}");
    let (status, text) = sent_again(|headers, _, _| headers.push(("x-amz-meta-a".into(), "b".into()))).await;
    assert!(status == 403 && text.contains("were not signed"), "{text}");
    let (status, text) = sent_again(|headers, _, _| headers.retain(|(name, _)| name != "x-amz-content-sha256")).await;
    assert!(status == 400 && text.contains("InvalidRequest"), "{text}");
}

#[tokio::test]
async fn without_credentials_every_signature_is_accepted() {
    let server = server(Options::default());
    client(&server, "any", "thing").put(&path("a"), "tulip".into()).await.expect("a put");
    assert_eq!(raw(&server, "DELETE", "/photos/a", &[], b"").status, 204);
}
