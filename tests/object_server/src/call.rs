//! A request as the two dialects read it: which operation, on which key of which bucket.

use bytes::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::object::Content;
use crate::refusal::Refusal;

/// Whose protocol is spoken. They differ in the names of headers, in conditions, and in a few statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// S3's, save for requests with an `x-goog-…` header or a bearer token, which are Google's. Without a token, reads of
    /// Google's clients can't be told from S3's: a server for these needs [`Gcs`](Self::Gcs).
    #[default]
    S3,
    /// Google Cloud Storage's XML interface, for all requests.
    Gcs,
}

impl Dialect {
    /// What names of headers begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::S3 => "x-amz-",
            Self::Gcs => "x-goog-",
        }
    }

    /// That of one request to a server with this one.
    fn of(self, headers: &HeaderMap) -> Self {
        let bearer = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"Bearer"));
        let google = bearer || headers.keys().any(|name| name.as_str().starts_with("x-goog-"));
        if google { Self::Gcs } else { self }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Read an object, or a range of it.
    Get,
    /// Ask for an object's headers.
    Head,
    /// Write an object in one request.
    Put,
    /// Copy an object within the store.
    Copy,
    /// Delete one object.
    Delete,
    /// Delete up to 1,000 objects (`POST ?delete`).
    BulkDelete,
    /// List a page of a bucket's keys (`?list-type=2`).
    List,
    /// Ask whether a bucket is there.
    HeadBucket,
    /// Begin a multipart upload.
    Initiate,
    /// Upload a part, or copy one from an object.
    Part,
    /// Make an object of an upload's parts.
    Complete,
    /// Give an upload up.
    Abort,
    /// List the uploads that are open (`?uploads`).
    ListUploads,
    /// Anything else: it is answered with 501.
    Other,
}

/// Parts of an object that requests may ask for by the query, and that there are not here.
const SUBRESOURCES: [&str; 6] = ["acl", "attributes", "legal-hold", "retention", "tagging", "torrent"];

impl Operation {
    fn of(call: &Call) -> Self {
        let has = |name: &str| call.query.get(name).is_some();
        let uploads = has("uploads") || has("uploadId");
        if call.bucket.is_empty() || SUBRESOURCES.into_iter().any(has) {
            return Self::Other;
        }
        match (call.method.as_str(), call.key.is_empty()) {
            ("GET", true) if call.query.get("list-type") == Some("2") => Self::List,
            ("GET", true) if has("uploads") => Self::ListUploads,
            ("HEAD", true) => Self::HeadBucket,
            ("POST", true) if has("delete") => Self::BulkDelete,
            ("GET", false) if !uploads => Self::Get,
            ("HEAD", false) if !uploads => Self::Head,
            ("PUT", false) if has("uploadId") && has("partNumber") => Self::Part,
            ("PUT", false) if !uploads && call.header("copy-source").is_some() => Self::Copy,
            ("PUT", false) if !uploads => Self::Put,
            ("POST", false) if has("uploads") => Self::Initiate,
            ("POST", false) if has("uploadId") => Self::Complete,
            ("DELETE", false) if has("uploadId") => Self::Abort,
            ("DELETE", false) if !uploads => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// A request, decoded.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// As it was sent, percent-encoded.
    pub(crate) path: String,
    /// As it was sent, without the question mark.
    pub(crate) raw_query: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) bucket: String,
    /// Empty for requests about a bucket.
    pub(crate) key: String,
    pub(crate) dialect: Dialect,
    pub(crate) operation: Operation,
    pub(crate) body: Content,
}

impl Call {
    /// The request of a head, whose body is still to come. Where something can't be decoded, the second of the pair says
    /// what, and the call is an [`Operation::Other`].
    pub(crate) fn of(head: Parts, dialect: Dialect) -> (Self, Option<Refusal>) {
        let path = head.uri.path().to_string();
        let raw_query = head.uri.query().unwrap_or_default().to_string();
        let mut call = Self {
            method: head.method,
            path,
            raw_query,
            query: Query(Vec::new()),
            bucket: String::new(),
            key: String::new(),
            dialect: dialect.of(&head.headers),
            headers: head.headers,
            operation: Operation::Other,
            body: Content::new(Bytes::new()),
        };
        match call.decode() {
            Ok(()) => (call, None),
            Err(refusal) => (call, Some(refusal)),
        }
    }

    fn decode(&mut self) -> Result<(), Refusal> {
        self.query = Query::of(&self.raw_query)?;
        (self.bucket, self.key) = bucket_and_key(&self.path)?;
        if self.key.len() > 1_024 {
            return Err(Refusal::KeyTooLong(self.key.len()));
        }
        self.operation = Operation::of(self);
        Ok(())
    }

    /// A header of the dialect, by its name without `x-amz-` or `x-goog-`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text(&format!("{}{name}", self.dialect.prefix()))
    }

    /// A header's value, where it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }
}

/// The bucket and the key that a path or a copy's source names: `/bucket/key`, percent-encoded.
pub(crate) fn bucket_and_key(path: &str) -> Result<(String, String), Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    Ok((decode(bucket)?, decode(key)?))
}

/// The decoded pairs of a query, in its order.
#[derive(Debug)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    fn of(raw: &str) -> Result<Self, Refusal> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            // A plus is a space here, and itself in paths: object_store writes queries as forms do.
            let pair = pair.replace('+', " ");
            let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, Refusal>>().map(Self)
    }

    /// The first value of a name; empty where the name stands alone.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn decode(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|error| Refusal::InvalidUri(format!("{text}: {error}")))
}
