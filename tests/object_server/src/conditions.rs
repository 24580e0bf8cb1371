//! Conditions of requests: what an object must be like for a request to be served.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::call::Call;
use crate::object::Object;
use crate::refusal::Refusal;

/// Dates as HTTP writes them.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// A time as headers have it.
pub(crate) fn http_date(time: DateTime<Utc>) -> String {
    time.format(HTTP_DATE).to_string()
}

/// Checks the conditions of a read.
pub(crate) fn check_read(call: &Call, object: &Object) -> Result<(), Refusal> {
    check(call, "", object)?;
    if let Some(version) = call.query.get("versionId").filter(|version| *version != "null") {
        return Err(Refusal::NoSuchVersion(version.to_string()));
    }
    if let Some(generation) = call.query.get("generation").filter(|wanted| **wanted != object.generation.to_string()) {
        return Err(Refusal::NoSuchVersion(generation.to_string()));
    }
    Ok(())
}

/// Checks the conditions that a copy has for its source.
pub(crate) fn check_source(call: &Call, source: &Object) -> Result<(), Refusal> {
    let prefix = format!("{}copy-source-", call.dialect.prefix());
    let checked = check(call, &prefix, source).and_then(|()| {
        let generation = call.text("x-goog-copy-source-if-generation-match");
        check_generation(generation, Some(source), "x-goog-copy-source-if-generation-match")
    });
    // A copy isn't a read: what would be "not modified" there has failed here.
    checked.map_err(|refusal| match refusal {
        Refusal::NotModified => Refusal::PreconditionFailed(format!("{prefix}if-…")),
        other => other,
    })
}

/// Checks the conditions of a write over what is there.
pub(crate) fn check_write(call: &Call, existing: Option<&Object>) -> Result<(), Refusal> {
    if let Some(tags) = call.text("if-none-match") {
        if tags != "*" {
            return Err(Refusal::NotImplemented("a write has no If-None-Match but '*'"));
        }
        if existing.is_some() {
            return Err(Refusal::PreconditionFailed("If-None-Match".into()));
        }
    }
    if let Some(tags) = call.text("if-match") {
        // S3 says so, not that the condition has failed.
        let existing = existing.ok_or_else(|| Refusal::NoSuchKey(call.key.clone()))?;
        if !matches(tags, &existing.etag) {
            return Err(Refusal::PreconditionFailed("If-Match".into()));
        }
    }
    check_generation(call.text("x-goog-if-generation-match"), existing, "x-goog-if-generation-match")
}

/// Checks a generation, where 0 stands for an object that isn't there.
fn check_generation(wanted: Option<&str>, existing: Option<&Object>, name: &str) -> Result<(), Refusal> {
    let Some(wanted) = wanted else { return Ok(()) };
    let wanted: u64 = match wanted.parse() {
        Ok(wanted) => wanted,
        Err(error) => return Err(Refusal::InvalidArgument(format!("{name}: '{wanted}': {error}"))),
    };
    if wanted != existing.map_or(0, |object| object.generation) {
        return Err(Refusal::PreconditionFailed(name.into()));
    }
    Ok(())
}

/// Checks the four conditions of HTTP, whose names may have something before them.
fn check(call: &Call, prefix: &str, object: &Object) -> Result<(), Refusal> {
    let condition = |name: &str| call.text(&format!("{prefix}{name}"));
    let failed = |name: &str| Err(Refusal::PreconditionFailed(format!("{prefix}{name}")));
    if let Some(tags) = condition("if-match") {
        if !matches(tags, &object.etag) {
            return failed("if-match");
        }
    } else if date(condition("if-unmodified-since")).is_some_and(|date| object.last_modified > date) {
        return failed("if-unmodified-since");
    }
    let unmodified = match condition("if-none-match") {
        Some(tags) => matches(tags, &object.etag),
        None => date(condition("if-modified-since")).is_some_and(|date| object.last_modified <= date),
    };
    if unmodified { Err(Refusal::NotModified) } else { Ok(()) }
}

/// Whether a list of ETags has one. Their quotes may be left out, as some clients do.
fn matches(tags: &str, etag: &str) -> bool {
    let etag = etag.trim_matches('"');
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == etag)
}

/// A date of a header. HTTP has the ones that can't be read passed over.
fn date(value: Option<&str>) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(value?, HTTP_DATE).ok().map(|date| date.and_utc())
}
