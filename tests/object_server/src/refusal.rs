//! Why a request isn't served, in S3's words.

use hyper::StatusCode;

use crate::answer::Answer;
use crate::xml;

/// A request that isn't served: each variant is one of S3's error codes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    AccessDenied(&'static str),
    #[error("the region '{0}' is wrong; expecting '{1}'")]
    AuthorizationHeaderMalformed(String, String),
    #[error("the x-amz-content-sha256 you specified did not match what we received")]
    ContentSha256Mismatch,
    #[error("a part is smaller than the {0} bytes that each part but the last must have")]
    EntityTooSmall(usize),
    #[error("the access key '{0}' does not exist")]
    InvalidAccessKeyId(String),
    #[error("{0}")]
    InvalidArgument(String),
    #[error("part {0} was not uploaded, or its ETag is another one")]
    InvalidPart(u32),
    #[error("the list of parts is not in ascending order")]
    InvalidPartOrder,
    #[error("the requested range is not satisfiable")]
    InvalidRange { size: usize },
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("the URI can't be parsed: '{0}'")]
    InvalidUri(String),
    #[error("the key is {0} bytes long; it may have 1,024")]
    KeyTooLong(usize),
    #[error("the XML you provided was not well-formed or did not validate against our published schema")]
    MalformedXml,
    #[error("the bucket '{0}' does not exist")]
    NoSuchBucket(String),
    #[error("the key '{0}' does not exist")]
    NoSuchKey(String),
    #[error("the upload '{0}' does not exist; it may have been aborted or completed")]
    NoSuchUpload(String),
    #[error("the object has no version '{0}'")]
    NoSuchVersion(String),
    #[error("{0}")]
    NotImplemented(&'static str),
    #[error("the object was not modified")]
    NotModified,
    #[error("at least one of the preconditions you specified did not hold: {0}")]
    PreconditionFailed(String),
    #[error("the difference between the request time and the server's time is too large")]
    RequestTimeTooSkewed,
    #[error("the request signature we calculated does not match the signature you provided")]
    SignatureDoesNotMatch,
}

impl Refusal {
    /// Status and code, as S3 has them.
    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::AccessDenied(_) => (StatusCode::FORBIDDEN, "AccessDenied"),
            Self::AuthorizationHeaderMalformed(..) => (StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed"),
            Self::ContentSha256Mismatch => (StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch"),
            Self::EntityTooSmall(_) => (StatusCode::BAD_REQUEST, "EntityTooSmall"),
            Self::InvalidAccessKeyId(_) => (StatusCode::FORBIDDEN, "InvalidAccessKeyId"),
            Self::InvalidArgument(_) => (StatusCode::BAD_REQUEST, "InvalidArgument"),
            Self::InvalidPart(_) => (StatusCode::BAD_REQUEST, "InvalidPart"),
            Self::InvalidPartOrder => (StatusCode::BAD_REQUEST, "InvalidPartOrder"),
            Self::InvalidRange { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            Self::InvalidUri(_) => (StatusCode::BAD_REQUEST, "InvalidURI"),
            Self::KeyTooLong(_) => (StatusCode::BAD_REQUEST, "KeyTooLongError"),
            Self::MalformedXml => (StatusCode::BAD_REQUEST, "MalformedXML"),
            Self::NoSuchBucket(_) => (StatusCode::NOT_FOUND, "NoSuchBucket"),
            Self::NoSuchKey(_) => (StatusCode::NOT_FOUND, "NoSuchKey"),
            Self::NoSuchUpload(_) => (StatusCode::NOT_FOUND, "NoSuchUpload"),
            Self::NoSuchVersion(_) => (StatusCode::NOT_FOUND, "NoSuchVersion"),
            Self::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            Self::NotModified => (StatusCode::NOT_MODIFIED, "NotModified"),
            Self::PreconditionFailed(_) => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
            Self::RequestTimeTooSkewed => (StatusCode::FORBIDDEN, "RequestTimeTooSkewed"),
            Self::SignatureDoesNotMatch => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
        }
    }

    /// The answer that says it.
    pub(crate) fn answer(&self, request_id: &str) -> Answer {
        let (status, code) = self.code();
        if status == StatusCode::NOT_MODIFIED {
            return Answer::new(status);
        }
        let details = match self {
            Self::AuthorizationHeaderMalformed(_, region) => vec![("Region", region.clone())],
            Self::NoSuchBucket(bucket) => vec![("BucketName", bucket.clone())],
            Self::NoSuchKey(key) => vec![("Key", key.clone())],
            _ => Vec::new(),
        };
        let answer = Answer::xml(status, xml::error(code, &self.to_string(), &details, request_id));
        match self {
            Self::InvalidRange { size } => answer.with("content-range", &format!("bytes */{size}")),
            _ => answer,
        }
    }
}
