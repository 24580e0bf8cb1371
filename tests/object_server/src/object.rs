//! Objects, and the buckets that hold them in memory.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use hyper::HeaderMap;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES, HeaderName,
    HeaderValue,
};
use ring::digest;

use crate::call::{Call, Dialect};
use crate::multipart::Uploads;
use crate::refusal::Refusal;

/// Bytes with their SHA-256, which is taken when first asked for.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    sha256: OnceLock<String>,
}

impl Content {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, sha256: OnceLock::new() }
    }

    /// In 64 hexadecimal digits.
    pub(crate) fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| hexadecimal(digest::digest(&digest::SHA256, &self.bytes).as_ref()))
    }

    /// In quotes, as headers have it. It is no MD5, and too long to be taken for one.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.sha256())
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from(b"0123456789abcdef"[usize::from(number)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Headers that are kept with an object, and sent with it.
const KEPT_HEADERS: [HeaderName; 6] =
    [CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES];

/// Of the dialects' headers, what names of kept ones begin with, behind `x-amz-` or `x-goog-`.
const KEPT_ENDS: [&str; 2] = ["meta-", "storage-class"];

/// The headers that are kept with an object; those of a dialect without its prefix, so that the other can read them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    headers: Vec<(HeaderName, HeaderValue)>,
    of_dialect: Vec<(String, HeaderValue)>,
}

impl Attributes {
    /// Those that a request brings.
    pub(crate) fn of(call: &Call) -> Self {
        let headers = KEPT_HEADERS.iter().filter_map(|name| Some((name.clone(), call.headers.get(name)?.clone())));
        let of_dialect = call.headers.iter().filter_map(|(name, value)| {
            let end = name.as_str().strip_prefix(call.dialect.prefix())?;
            KEPT_ENDS.iter().any(|kept| end.starts_with(kept)).then(|| (end.to_string(), value.clone()))
        });
        Self { headers: headers.collect(), of_dialect: of_dialect.collect() }
    }

    /// Adds them to an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap, dialect: Dialect) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("binary/octet-stream"));
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        for (end, value) in &self.of_dialect {
            // What was read as a name is one.
            if let Ok(name) = HeaderName::try_from(format!("{}{end}", dialect.prefix())) {
                headers.append(name, value.clone());
            }
        }
    }
}

/// An object: its bytes and what is said about them.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
    /// To the second, as headers have it.
    pub(crate) last_modified: DateTime<Utc>,
    /// Another number for each write of the whole store, as GCS has it.
    pub(crate) generation: u64,
    pub(crate) attributes: Attributes,
}

/// A bucket's objects by their keys, in the order of the keys' bytes.
pub(crate) type Bucket = BTreeMap<String, Object>;

/// All that a server holds.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) buckets: BTreeMap<String, Bucket>,
    pub(crate) uploads: Uploads,
    last_generation: u64,
}

impl Store {
    /// A bucket that a request names.
    pub(crate) fn bucket(&self, name: &str) -> Result<&Bucket, Refusal> {
        self.buckets.get(name).ok_or_else(|| Refusal::NoSuchBucket(name.to_string()))
    }

    /// An object that a request names.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Result<&Object, Refusal> {
        self.bucket(bucket)?.get(key).ok_or_else(|| Refusal::NoSuchKey(key.to_string()))
    }

    /// Writes an object, over one that may be there, into a bucket that is made if it isn't.
    pub(crate) fn write(
        &mut self,
        bucket: &str,
        key: &str,
        content: (Bytes, String),
        attributes: Attributes,
        now: DateTime<Utc>,
    ) -> &Object {
        self.last_generation += 1;
        let (bytes, etag) = content;
        let last_modified = now.trunc_subsecs(0);
        let object = Object { bytes, etag, last_modified, generation: self.last_generation, attributes };
        let bucket = self.buckets.entry(bucket.to_string()).or_default();
        bucket.entry(key.to_string()).insert_entry(object).into_mut()
    }
}
