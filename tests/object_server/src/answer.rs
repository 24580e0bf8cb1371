//! An answer, before faults change it and the connection sends it.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};

/// Status, headers and body of an answer. `Content-Length` is added when it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// An answer without headers and body.
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// An answer that is an XML document.
    pub(crate) fn xml(status: StatusCode, document: Bytes) -> Self {
        let mut answer = Self::new(status);
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        answer.body = document;
        answer
    }

    /// With a header. A value that no header can hold, such as one with a line break, is left out.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}
