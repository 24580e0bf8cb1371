//! Objects of S3, Google Cloud Storage and Azure Blob Storage.
//!
//! A process has one registry of stores, one HTTP client and one place for credentials: itself. No statement, URL or option of a session
//! holds any.

mod address;
mod answer;
mod aws_profile;
mod connector;
mod find;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod list;
mod open;
mod read;
mod reader;
mod settings;
mod stores;
mod uploads;

pub use settings::{StoreRule, StoreSettings};

pub(crate) use address::{check_object_url, is_object_url};
pub(super) use find::url;
pub(in crate::storage) use find::within;
pub(crate) use find::{FoundObject, ObjectLocation};
pub(crate) use list::Order;
pub(super) use list::stream_below;
pub(super) use open::OpenStore;
pub(crate) use read::{Content, Failures, Wanted, read_objects, reason_for_no_head};
pub(in crate::storage) use reader::StoreFailure;
pub(crate) use reader::{ObjectReader, Ranges, Version, is_of_store};
pub(crate) use stores::Stores;

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use object_store::path::Path as ObjectPath;

/// Refuses a URL that can't be that of an object.
///
/// # Errors
/// A URL without a bucket, and a key that stores don't have.
pub(crate) fn check_object(location: &str) -> Result<()> {
    let (_, key) = split(location)?;
    match ObjectPath::parse(key) {
        Ok(path) if path.as_ref().is_empty() => plan_err!("it names no object"),
        Ok(_) => Ok(()),
        Err(error) => plan_err!("it names no object: {error}"),
    }
}

/// The parts of an object's URL: what names the bucket, its slash included, and the key, which is taken as it is.
pub(super) fn split(location: &str) -> Result<(&str, &str)> {
    let start = location.find("://").map(|scheme| scheme + 3);
    let start = start.ok_or_else(|| plan_datafusion_err!("'{location}' names no bucket, as in s3://bucket/key"))?;
    Ok(match location[start..].find('/') {
        Some(slash) => location.split_at(start + slash + 1),
        None => (location, ""),
    })
}
