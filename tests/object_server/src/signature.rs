//! Signatures of requests: version 4 of AWS's, in the `Authorization` header.

use std::fmt::Write;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::{digest, hmac};

use crate::call::Call;
use crate::object::hexadecimal;
use crate::refusal::Refusal;
use crate::server::Credentials;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far a request's clock may be from the server's.
const MOST_SKEW: TimeDelta = TimeDelta::minutes(15);

/// What stays as it is in the canonical form of a path; all else is percent-encoded.
const PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The same for names and values of a query.
const QUERY: AsciiSet = PATH.add(b'/');

/// Checks that a request was signed with the credentials, for the region, a short while ago.
pub(crate) fn verify(call: &Call, credentials: &Credentials, region: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
    let authorization = call.text("authorization").ok_or(Refusal::AccessDenied("the request is not signed"))?;
    let signed =
        Signed::read(authorization).ok_or(Refusal::AccessDenied("the request is not signed with AWS4-HMAC-SHA256"))?;
    let scope_region = signed.scope.split('/').nth(1).unwrap_or_default();
    if signed.access_key != credentials.access_key {
        return Err(Refusal::InvalidAccessKeyId(signed.access_key.to_string()));
    }
    if scope_region != region {
        return Err(Refusal::AuthorizationHeaderMalformed(scope_region.to_string(), region.to_string()));
    }
    let date = call.text("x-amz-date").unwrap_or_default();
    let time = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ");
    let time = time.map_err(|error| Refusal::InvalidArgument(format!("x-amz-date '{date}': {error}")))?.and_utc();
    if (now - time).abs() > MOST_SKEW {
        return Err(Refusal::RequestTimeTooSkewed);
    }
    let must_be_signed = |name: &str| name == "host" || name.starts_with("x-amz-");
    let mut unsigned =
        call.headers.keys().filter(|name| !signed.headers.split(';').any(|header| header == name.as_str()));
    if unsigned.any(|name| must_be_signed(name.as_str())) {
        return Err(Refusal::AccessDenied("there were headers present in the request which were not signed"));
    }
    let payload = call.text("x-amz-content-sha256");
    let payload = payload.ok_or(Refusal::InvalidRequest("the header x-amz-content-sha256 is missing"))?;
    if payload.starts_with("STREAMING-") {
        return Err(Refusal::NotImplemented("the test server reads no signed chunks"));
    }
    if signed.signature != signature(call, &signed, payload, date, credentials) {
        return Err(Refusal::SignatureDoesNotMatch);
    }
    if payload != "UNSIGNED-PAYLOAD" && payload != call.body.sha256() {
        return Err(Refusal::ContentSha256Mismatch);
    }
    Ok(())
}

/// The parts of an `Authorization` header.
struct Signed<'a> {
    access_key: &'a str,
    /// `20260801/us-east-1/s3/aws4_request`
    scope: &'a str,
    /// Names of the headers that were signed, with semicolons between them.
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    fn read(authorization: &'a str) -> Option<Self> {
        let parts = authorization.strip_prefix(ALGORITHM)?;
        let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let (access_key, scope) = part("Credential")?.split_once('/')?;
        Some(Self { access_key, scope, headers: part("SignedHeaders")?, signature: part("Signature")? })
    }
}

/// The signature that the request should have.
fn signature(call: &Call, signed: &Signed<'_>, payload: &str, date: &str, credentials: &Credentials) -> String {
    let request = canonical_request(call, signed.headers, payload);
    let request = hexadecimal(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let text = format!("{ALGORITHM}\n{date}\n{}\n{request}", signed.scope);
    // One key makes the next: the secret, the day, the region, the service, `aws4_request`.
    let secret = format!("AWS4{}", credentials.secret_key).into_bytes();
    let key = signed.scope.split('/').fold(secret, |key, part| sign(&key, part));
    hexadecimal(&sign(&key, &text))
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// The request in the one form that both sides can write.
fn canonical_request(call: &Call, signed_headers: &str, payload: &str) -> String {
    // Encoded once more in one way, since clients differ in what they encode.
    let path = percent_decode_str(&call.path).decode_utf8_lossy();
    let path = utf8_percent_encode(&path, &PATH);
    let encoded = |text: &str| utf8_percent_encode(text, &QUERY).to_string();
    let mut query: Vec<_> = call.query.0.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    query.sort_unstable();
    let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in signed_headers.split(';') {
        let values = call.headers.get_all(name).iter().map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            value.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        let values = values.collect::<Vec<_>>().join(",");
        // Writing to a String can't fail.
        let _ = writeln!(headers, "{name}:{values}");
    }
    format!("{}\n{path}\n{}\n{headers}\n{signed_headers}\n{payload}", call.method, query.join("&"))
}
