//! Uploads in parts in S3's dialect, as object_store's client makes them.

use object_store::multipart::MultipartStore;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, WriteMultipart};
use pixmill_object_server::{Options, Server};

use crate::support::{bytes_of, path, raw, s3, server};

#[tokio::test]
async fn parts_make_an_object() {
    let server = server(Options::default());
    let store = s3(&server);
    let upload = store.put_multipart(&path("big")).await.expect("an upload");
    let mut writer = WriteMultipart::new_with_chunk_size(upload, 5 << 20);
    let bytes: Vec<u8> = (0..12_u32 << 20).map(|number| (number % 251) as u8).collect();
    writer.write(&bytes);
    writer.finish().await.expect("an object");
    assert_eq!(bytes_of(&store, "big").await, bytes);
    let etag = store.head(&path("big")).await.expect("a head").e_tag.expect("an ETag");
    assert!(etag.ends_with("-3\""), "{etag}");
    assert_eq!(server.uploads(), []);
}

#[tokio::test]
async fn uploads_that_are_left_behind_are_listed_until_they_are_aborted() {
    let server = server(Options::default());
    let store = s3(&server);
    let id = store.create_multipart(&path("a")).await.expect("an upload");
    store.put_part(&path("a"), &id, 1, "second".into()).await.expect("a part");
    store.put_part(&path("a"), &id, 0, "one".into()).await.expect("a part");
    let left = server.uploads();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].key.as_str(), left[0].upload_id.as_str()), ("a", id.as_str()));
    assert_eq!(left[0].parts, [(1, 3), (2, 6)]);
    store.abort_multipart(&path("a"), &id).await.expect("an end");
    assert_eq!(server.uploads(), []);
    let error = store.put_part(&path("a"), &id, 2, "three".into()).await.expect_err("no upload");
    assert!(error.to_string().contains("NoSuchUpload"), "{error}");
    assert_eq!(server.keys("photos"), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_without_parts_is_an_empty_object() {
    let server = server(Options::default());
    let store = s3(&server);
    store.put_multipart(&path("empty")).await.expect("an upload").complete().await.expect("an object");
    assert_eq!(bytes_of(&store, "empty").await, b"");
}

#[tokio::test]
async fn attributes_of_an_upload_are_those_of_the_object() {
    let server = server(Options::default());
    let store = s3(&server);
    let attributes = Attributes::from_iter([(Attribute::ContentType, "image/webp")]);
    let mut upload = store.put_multipart_opts(&path("a"), attributes.clone().into()).await.expect("an upload");
    upload.put_part("tulip".into()).await.expect("a part");
    upload.complete().await.expect("an object");
    assert_eq!(store.get(&path("a")).await.expect("an object").attributes, attributes);
}

/// An upload of two parts to `photos/a` and the document that completes it.
fn two_parts(server: &Server) -> (String, String) {
    let text = raw(server, "POST", "/photos/a?uploads", &[], b"").text();
    let id = text.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).expect("an id").to_string();
    let etag = |number: u32| {
        let path = format!("/photos/a?partNumber={number}&uploadId={id}");
        raw(server, "PUT", &path, &[], b"tulip").header("etag").expect("an ETag").to_string()
    };
    let part = |number: u32| format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", etag(number));
    let document = format!("<CompleteMultipartUpload>{}{}</CompleteMultipartUpload>", part(1), part(2));
    (format!("/photos/a?uploadId={id}"), document)
}

#[tokio::test]
async fn completions_that_are_wrong_are_refused_and_leave_the_upload() {
    let server = server(Options::default());
    let (path, document) = two_parts(&server);
    let swapped = document.replace("<PartNumber>1<", "<PartNumber>3<");
    let cases = [
        (swapped, "InvalidPartOrder"),
        (document.replace("<PartNumber>2<", "<PartNumber>3<"), "InvalidPart"),
        (document.replacen("<ETag>\"", "<ETag>\"0", 1), "InvalidPart"),
        ("<CompleteMultipartUpload/>".to_string(), "MalformedXML"),
    ];
    for (document, code) in cases {
        let reply = raw(&server, "POST", &path, &[], document.as_bytes());
        assert!(reply.status == 400 && reply.text().contains(&format!("<Code>{code}</Code>")), "{}", reply.text());
    }
    assert_eq!(server.uploads().len(), 1);
    assert_eq!(raw(&server, "POST", &path, &[], document.as_bytes()).status, 200);
    // Like S3 some time later: the id is not known any more.
    let again = raw(&server, "POST", &path, &[], document.as_bytes());
    assert!(again.status == 404 && again.text().contains("NoSuchUpload"), "{}", again.text());
}

#[tokio::test]
async fn parts_must_be_as_large_as_the_options_say() {
    let server = server(Options { minimum_part_bytes: 6, ..Options::default() });
    let (path, document) = two_parts(&server);
    let reply = raw(&server, "POST", &path, &[], document.as_bytes());
    assert!(reply.text().contains("<Code>EntityTooSmall</Code>"), "{}", reply.text());
}

#[tokio::test]
async fn a_completion_may_be_create_only() {
    let server = server(Options::default());
    let (path, document) = two_parts(&server);
    server.put("photos", "a", "old");
    let reply = raw(&server, "POST", &path, &[("if-none-match", "*")], document.as_bytes());
    assert_eq!((reply.status, server.uploads().len()), (412, 1));
    server.delete("photos", "a");
    assert_eq!(raw(&server, "POST", &path, &[("if-none-match", "*")], document.as_bytes()).status, 200);
    assert_eq!(server.get("photos", "a").expect("an object"), "tuliptulip");
}

#[tokio::test]
async fn a_part_may_be_a_range_of_an_object() {
    let server = server(Options::default());
    server.put("photos", "source", "0123456789");
    let id = s3(&server).create_multipart(&path("a")).await.expect("an upload");
    let query = format!("/photos/a?partNumber=1&uploadId={id}");
    let headers = [("x-amz-copy-source", "photos/source"), ("x-amz-copy-source-range", "bytes=2-4")];
    let reply = raw(&server, "PUT", &query, &headers, b"");
    assert!(reply.text().contains("<CopyPartResult"), "{}", reply.text());
    assert_eq!(server.uploads()[0].parts, [(1, 3)]);
}
