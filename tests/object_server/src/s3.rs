//! The operations on objects, in both dialects.

use std::ops::Range;

use chrono::{DateTime, SecondsFormat, Utc};
use hyper::StatusCode;

use crate::answer::Answer;
use crate::call::{Call, Dialect, Operation, bucket_and_key};
use crate::conditions::{check_read, check_source, check_write, http_date};
use crate::object::{Attributes, Object, Store};
use crate::refusal::Refusal;
use crate::xml::{self, Xml};
use crate::{list, multipart};

/// What the operations go by, besides the request.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) region: String,
    /// The server's time, when the request came.
    pub(crate) now: DateTime<Utc>,
    /// What a part must have at least, the last one excepted.
    pub(crate) minimum_part_bytes: usize,
    /// Whether lists begin with the first key always.
    pub(crate) ignores_start_after: bool,
    /// Whether lists go through folders by the names in them.
    pub(crate) lists_trees: bool,
}

/// Serves a request.
pub(crate) fn serve(store: &mut Store, call: &Call, setting: &Setting) -> Result<Answer, Refusal> {
    match call.operation {
        Operation::Get | Operation::Head => get(store, call),
        Operation::Put => put(store, call, setting),
        Operation::Copy => copy(store, call, setting),
        Operation::Delete => delete(store, call),
        Operation::BulkDelete => bulk_delete(store, call),
        Operation::List => list::list(store, call, setting),
        Operation::HeadBucket => {
            store.bucket(&call.bucket)?;
            Ok(Answer::new(StatusCode::OK).with("x-amz-bucket-region", &setting.region))
        }
        Operation::ListUploads => multipart::list(store, call),
        Operation::Initiate => multipart::initiate(store, call),
        Operation::Part => multipart::part(store, call, setting),
        Operation::Complete => multipart::complete(store, call, setting),
        Operation::Abort => multipart::abort(store, call),
        Operation::Other => Err(Refusal::NotImplemented("the test server has no such operation")),
    }
}

/// A time as XML has it.
pub(crate) fn xml_date(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An answer that tells of a write: the ETag, and in Google's dialect the generation.
pub(crate) fn written(answer: Answer, object: &Object, dialect: Dialect) -> Answer {
    let answer = answer.with("etag", &object.etag);
    match dialect {
        Dialect::S3 => answer,
        Dialect::Gcs => answer.with("x-goog-generation", &object.generation.to_string()),
    }
}

fn get(store: &Store, call: &Call) -> Result<Answer, Refusal> {
    let object = store.object(&call.bucket, &call.key)?;
    check_read(call, object)?;
    let size = object.bytes.len();
    let mut answer = match call.text("range").and_then(asked_range) {
        None => Answer { body: object.bytes.clone(), ..Answer::new(StatusCode::OK) },
        Some(range) => {
            let range = range.within(size).ok_or(Refusal::InvalidRange { size })?;
            let content_range = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            let answer = Answer::new(StatusCode::PARTIAL_CONTENT).with("content-range", &content_range);
            Answer { body: object.bytes.slice(range), ..answer }
        }
    };
    object.attributes.write(&mut answer.headers, call.dialect);
    let answer = answer.with("accept-ranges", "bytes").with("last-modified", &http_date(object.last_modified));
    Ok(written(answer, object, call.dialect))
}

/// A range of bytes as it is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    From(usize),
    Bounded(usize, usize),
    Last(usize),
}

/// Reads a `Range` header. Any that isn't one range of bytes is passed over, and the whole is sent.
pub(crate) fn asked_range(header: &str) -> Option<Asked> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", count) => count.parse().ok().map(Asked::Last),
        (first, "") => first.parse().ok().map(Asked::From),
        (first, last) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(Asked::Bounded(first, last))
        }
    }
}

impl Asked {
    /// Its bytes of an object; none where there are none, and so for every range of an empty object.
    pub(crate) fn within(self, size: usize) -> Option<Range<usize>> {
        let range = match self {
            Self::From(first) => first..size,
            Self::Bounded(first, last) => first..size.min(last.saturating_add(1)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

fn put(store: &mut Store, call: &Call, setting: &Setting) -> Result<Answer, Refusal> {
    check_write(call, store.bucket(&call.bucket)?.get(&call.key))?;
    let content = (call.body.bytes.clone(), call.body.etag());
    let object = store.write(&call.bucket, &call.key, content, Attributes::of(call), setting.now);
    Ok(written(Answer::new(StatusCode::OK), object, call.dialect))
}

/// The object that a copy copies, if its conditions hold.
pub(crate) fn copy_source<'a>(store: &'a Store, call: &Call) -> Result<&'a Object, Refusal> {
    let source = call.header("copy-source").unwrap_or_default();
    let source = source.split_once("?versionId=").map_or(source, |(path, _)| path);
    let (bucket, key) = bucket_and_key(source)?;
    let object = store.object(&bucket, &key)?;
    check_source(call, object)?;
    Ok(object)
}

fn copy(store: &mut Store, call: &Call, setting: &Setting) -> Result<Answer, Refusal> {
    let source = copy_source(store, call)?.clone();
    check_write(call, store.bucket(&call.bucket)?.get(&call.key))?;
    let replaced = call.header("metadata-directive").is_some_and(|word| word.eq_ignore_ascii_case("REPLACE"));
    let attributes = if replaced { Attributes::of(call) } else { source.attributes };
    let object = store.write(&call.bucket, &call.key, (source.bytes, source.etag), attributes, setting.now);
    let document = Xml::document("CopyObjectResult", |xml| {
        xml.text("LastModified", &xml_date(object.last_modified));
        xml.text("ETag", &object.etag);
    });
    Ok(written(Answer::xml(StatusCode::OK, document), object, call.dialect))
}

fn delete(store: &mut Store, call: &Call) -> Result<Answer, Refusal> {
    store.bucket(&call.bucket)?;
    let deleted = store.buckets.get_mut(&call.bucket).and_then(|bucket| bucket.remove(&call.key));
    // S3 says nothing of keys that weren't there.
    if deleted.is_none() && call.dialect == Dialect::Gcs {
        return Err(Refusal::NoSuchKey(call.key.clone()));
    }
    Ok(Answer::new(StatusCode::NO_CONTENT))
}

fn bulk_delete(store: &mut Store, call: &Call) -> Result<Answer, Refusal> {
    store.bucket(&call.bucket)?;
    let body = String::from_utf8_lossy(&call.body.bytes);
    let objects = xml::elements(&body, "Object");
    let keys: Option<Vec<String>> = objects.into_iter().map(|object| xml::text(object, "Key")).collect();
    let keys = keys.filter(|keys| (1..=1_000).contains(&keys.len())).ok_or(Refusal::MalformedXml)?;
    if let Some(bucket) = store.buckets.get_mut(&call.bucket) {
        for key in &keys {
            bucket.remove(key);
        }
    }
    let quiet = xml::text(&body, "Quiet").as_deref() == Some("true");
    let document = Xml::document("DeleteResult", |xml| {
        for key in keys.iter().filter(|_| !quiet) {
            xml.element("Deleted", |xml| xml.text("Key", key));
        }
    });
    Ok(Answer::xml(StatusCode::OK, document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_http_has() {
        let cases = [
            ("bytes=0-0", 10, Some(0..1)),
            ("bytes=2-4", 10, Some(2..5)),
            ("bytes=2-400", 10, Some(2..10)),
            ("bytes=7-", 10, Some(7..10)),
            ("bytes=-3", 10, Some(7..10)),
            ("bytes=-30", 10, Some(0..10)),
            ("bytes=-0", 10, None),
            ("bytes=10-", 10, None),
            ("bytes=10-12", 10, None),
            ("bytes=0-0", 0, None),
            ("bytes=0-", 0, None),
            ("bytes=-1", 0, None),
        ];
        for (header, size, expected) in cases {
            assert_eq!(asked_range(header).expect("a range").within(size), expected, "{header} of {size}");
        }
    }

    #[test]
    fn what_is_not_one_range_of_bytes_is_passed_over() {
        for header in ["", "bytes", "bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b"] {
            assert_eq!(asked_range(header), None, "{header}");
        }
    }
}
