//! Uploads in parts: begun, filled, and then completed or given up.

use std::collections::BTreeMap;

use bytes::BytesMut;
use hyper::StatusCode;
use ring::digest;

use crate::answer::Answer;
use crate::call::Call;
use crate::conditions::check_write;
use crate::object::{Attributes, Content, Store, hexadecimal};
use crate::refusal::Refusal;
use crate::s3::{Setting, asked_range, copy_source, written, xml_date};
use crate::xml::{self, Xml};

/// An upload that was begun and neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where the object would be.
    pub bucket: String,
    /// What the object would be called.
    pub key: String,
    /// What the server called the upload.
    pub upload_id: String,
    /// Numbers and bytes of the parts that were uploaded, in the order of the numbers.
    pub parts: Vec<(u32, usize)>,
}

/// An upload as the server holds it.
#[derive(Debug)]
struct Pending {
    bucket: String,
    key: String,
    attributes: Attributes,
    parts: BTreeMap<u32, Content>,
}

/// The uploads that are open, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    open: BTreeMap<String, Pending>,
    begun: u64,
}

impl Uploads {
    /// The open uploads, in the order in which they were begun.
    pub(crate) fn list(&self) -> Vec<Upload> {
        let uploads = self.open.iter().map(|(upload_id, pending)| Upload {
            bucket: pending.bucket.clone(),
            key: pending.key.clone(),
            upload_id: upload_id.clone(),
            parts: pending.parts.iter().map(|(number, part)| (*number, part.bytes.len())).collect(),
        });
        uploads.collect()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    /// The open upload of a request, with its id.
    fn of<'c>(&mut self, call: &'c Call) -> Result<(&'c str, &mut Pending), Refusal> {
        let upload_id = call.query.get("uploadId").unwrap_or_default();
        let open = self.open.get_mut(upload_id);
        let open = open.filter(|pending| pending.bucket == call.bucket && pending.key == call.key);
        open.map(|pending| (upload_id, pending)).ok_or_else(|| Refusal::NoSuchUpload(upload_id.to_string()))
    }
}

/// Lists the open uploads whose keys begin as is asked, after a marker's, as many as are asked for.
pub(crate) fn list(store: &mut Store, call: &Call) -> Result<Answer, Refusal> {
    store.bucket(&call.bucket)?;
    let asked = |name: &str| call.query.get(name).unwrap_or_default();
    let most = call.query.get("max-uploads").and_then(|most| most.parse().ok()).unwrap_or(1000);
    let after = (asked("key-marker"), asked("upload-id-marker"));
    let mut uploads = store.uploads.list();
    uploads.retain(|upload| upload.bucket == call.bucket && upload.key.starts_with(asked("prefix")));
    uploads.sort_by(|left, right| (&left.key, &left.upload_id).cmp(&(&right.key, &right.upload_id)));
    uploads.retain(|upload| (upload.key.as_str(), upload.upload_id.as_str()) > after);
    let is_truncated = uploads.len() > most;
    uploads.truncate(most);
    let document = Xml::document("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", &call.bucket);
        xml.text("IsTruncated", if is_truncated { "true" } else { "false" });
        if let Some(last) = uploads.last().filter(|_| is_truncated) {
            xml.text("NextKeyMarker", &last.key);
            xml.text("NextUploadIdMarker", &last.upload_id);
        }
        for upload in &uploads {
            xml.element("Upload", |xml| {
                xml.text("Key", &upload.key);
                xml.text("UploadId", &upload.upload_id);
            });
        }
    });
    Ok(Answer::xml(StatusCode::OK, document))
}

/// Begins an upload.
pub(crate) fn initiate(store: &mut Store, call: &Call) -> Result<Answer, Refusal> {
    store.bucket(&call.bucket)?;
    let uploads = &mut store.uploads;
    uploads.begun += 1;
    let upload_id = format!("upload-{:06}", uploads.begun);
    let attributes = Attributes::of(call);
    let pending = Pending { bucket: call.bucket.clone(), key: call.key.clone(), attributes, parts: BTreeMap::new() };
    uploads.open.insert(upload_id.clone(), pending);
    let document = Xml::document("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("UploadId", &upload_id);
    });
    Ok(Answer::xml(StatusCode::OK, document))
}

/// Takes a part, from the request or from another object. One that was there under the same number is replaced.
pub(crate) fn part(store: &mut Store, call: &Call, setting: &Setting) -> Result<Answer, Refusal> {
    store.bucket(&call.bucket)?;
    let number = call.query.get("partNumber").and_then(|number| number.parse().ok());
    let number: u32 = number
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| Refusal::InvalidArgument("partNumber must be 1 to 10000".into()))?;
    let copied = call.header("copy-source").is_some();
    let content = if copied {
        let source = copy_source(store, call)?;
        let size = source.bytes.len();
        let bytes = match call.header("copy-source-range").map(asked_range) {
            None => source.bytes.clone(),
            Some(range) => {
                let range = range.and_then(|range| range.within(size)).ok_or(Refusal::InvalidRange { size })?;
                source.bytes.slice(range)
            }
        };
        Content::new(bytes)
    } else {
        call.body.clone()
    };
    let etag = content.etag();
    let (_, pending) = store.uploads.of(call)?;
    pending.parts.insert(number, content);
    if !copied {
        return Ok(Answer::new(StatusCode::OK).with("etag", &etag));
    }
    let document = Xml::document("CopyPartResult", |xml| {
        xml.text("LastModified", &xml_date(setting.now));
        xml.text("ETag", &etag);
    });
    Ok(Answer::xml(StatusCode::OK, document))
}

/// Makes an object of the parts that the request lists. Where it is refused, the upload stays open.
pub(crate) fn complete(store: &mut Store, call: &Call, setting: &Setting) -> Result<Answer, Refusal> {
    let existing = store.bucket(&call.bucket)?.get(&call.key);
    let checked = check_write(call, existing);
    let (upload_id, pending) = store.uploads.of(call)?;
    checked?;
    let listed = listed_parts(call)?;
    if !listed.is_sorted_by(|(one, _), (other, _)| one < other) {
        return Err(Refusal::InvalidPartOrder);
    }
    let mut bytes = BytesMut::new();
    let mut etags = String::new();
    for (index, (number, etag)) in listed.iter().enumerate() {
        let part = pending.parts.get(number).filter(|part| part.sha256() == etag.trim_matches('"'));
        let part = part.ok_or(Refusal::InvalidPart(*number))?;
        if part.bytes.len() < setting.minimum_part_bytes && index + 1 < listed.len() {
            return Err(Refusal::EntityTooSmall(setting.minimum_part_bytes));
        }
        bytes.extend_from_slice(&part.bytes);
        etags.push_str(part.sha256());
    }
    let digest = hexadecimal(digest::digest(&digest::SHA256, etags.as_bytes()).as_ref());
    let content = (bytes.freeze(), format!("\"{digest}-{}\"", listed.len()));
    let attributes = pending.attributes.clone();
    store.uploads.open.remove(upload_id);
    let object = store.write(&call.bucket, &call.key, content, attributes, setting.now);
    let document = Xml::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", &call.path);
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("ETag", &object.etag);
    });
    Ok(written(Answer::xml(StatusCode::OK, document), object, call.dialect))
}

/// Numbers and ETags of the parts that are to make the object.
fn listed_parts(call: &Call) -> Result<Vec<(u32, String)>, Refusal> {
    let body = String::from_utf8_lossy(&call.body.bytes);
    let parts = xml::elements(&body, "Part").into_iter().map(|part| {
        let number = xml::text(part, "PartNumber")?.trim().parse().ok()?;
        Some((number, xml::text(part, "ETag")?.trim().to_string()))
    });
    let parts: Option<Vec<_>> = parts.collect();
    parts.filter(|parts| !parts.is_empty()).ok_or(Refusal::MalformedXml)
}

/// Gives an upload up, and forgets its parts.
pub(crate) fn abort(store: &mut Store, call: &Call) -> Result<Answer, Refusal> {
    store.bucket(&call.bucket)?;
    let (upload_id, _) = store.uploads.of(call)?;
    store.uploads.open.remove(upload_id);
    Ok(Answer::new(StatusCode::NO_CONTENT))
}
