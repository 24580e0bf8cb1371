//! Reading whole objects, many at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result, exec_err, plan_datafusion_err};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as ObjectPath;
use object_store::{Error, GetOptions, GetRange, ObjectStore};
use prost::bytes::Bytes;

use super::find::url;
use super::split;
use super::stores::Stores;
use crate::storage::AllowList;
use crate::words::of_store;

/// Objects of a call that are on their way at the same time.
const AT_ONCE: usize = 32;
/// How often an object is asked for, beside what the store's client does by itself.
const ATTEMPTS: usize = 3;
/// Failures in a row that are no more about single objects.
const MOST_IN_A_ROW: usize = 100;

/// An object that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) url: &'a str,
    /// How many bytes it had when it was listed, where it was.
    pub(crate) listed: Option<u64>,
    /// Only so many of its first bytes.
    pub(crate) beginning: Option<u64>,
    /// It may have no more bytes than that.
    pub(crate) most: usize,
}

/// What became of an object: its bytes, or why there are none.
pub(crate) type Content = std::result::Result<Bytes, String>;

/// Reads objects; in their order. It waits for the store: it is for threads that may.
///
/// # Errors
/// What is about more than single objects: a refusal, a bucket that isn't there, and failures without end.
pub(crate) fn read_objects(
    stores: &Stores,
    allow: &AllowList,
    wanted: &[Wanted<'_>],
    failures: &Failures,
) -> Result<Vec<Content>> {
    let mut buckets: HashMap<&str, Arc<dyn ObjectStore>> = HashMap::new();
    let mut requests = Vec::with_capacity(wanted.len());
    for object in wanted {
        let (bucket, key) = split(object.url)?;
        let path = ObjectPath::parse(key)
            .map_err(|error| plan_datafusion_err!("'{}' names no object: {error}", object.url))?;
        let url = url(bucket)?;
        allow.check_object(&url, &path)?;
        let store = match buckets.get(bucket) {
            Some(store) => Arc::clone(store),
            None => Arc::clone(buckets.entry(bucket).or_insert(stores.store(&url)?)),
        };
        let (listed, beginning, most) = (object.listed, object.beginning, object.most);
        requests.push((store, Request { path, listed, beginning, most }));
    }
    let contents = stream::iter(requests)
        .map(|(store, request)| async move { read(store.as_ref(), &request).await })
        .buffered(AT_ONCE);
    let contents: Vec<Content> = stores.wait(contents.try_collect())??;
    contents.iter().try_for_each(|content| failures.count(content))?;
    Ok(contents)
}

/// How many objects in a row couldn't be read.
#[derive(Debug, Default)]
pub(crate) struct Failures(AtomicUsize);

impl Failures {
    fn count(&self, content: &Content) -> Result<()> {
        let Err(reason) = content else {
            self.0.store(0, Ordering::Relaxed);
            return Ok(());
        };
        match self.0.fetch_add(1, Ordering::Relaxed) + 1 {
            MOST_IN_A_ROW.. => exec_err!("{MOST_IN_A_ROW} objects in a row can't be read, the last: {reason}"),
            _ => Ok(()),
        }
    }
}

/// What is asked of a store.
struct Request {
    path: ObjectPath,
    listed: Option<u64>,
    beginning: Option<u64>,
    most: usize,
}

/// Reads an object, and again where its bytes don't come whole.
async fn read(store: &dyn ObjectStore, request: &Request) -> Result<Content> {
    let mut attempt = 1;
    loop {
        let reason = match once(store, request).await {
            Ok(Ok(bytes)) => return Ok(Ok(bytes)),
            Ok(Err(reason)) => reason,
            Err(error @ Error::NotFound { .. }) if !of_store(&error).contains("NoSuchBucket") => {
                return Ok(Err("there is no such object".to_string()));
            }
            Err(error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. } | Error::NotFound { .. })) => {
                return Err(DataFusionError::from(error));
            }
            Err(error) => of_store(&error),
        };
        if attempt == ATTEMPTS {
            return Ok(Err(reason));
        }
        attempt += 1;
    }
}

/// Why there is no answer to a request for an object's head: that to one for a byte has a text, which says why.
pub(crate) async fn reason_for_no_head(store: &dyn ObjectStore, path: &ObjectPath, error: Error) -> Error {
    let byte = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
    store.get_opts(path, byte).await.err().unwrap_or(error)
}

async fn once(store: &dyn ObjectStore, object: &Request) -> object_store::Result<Content> {
    let range = object.beginning.map(|bytes| GetRange::Bounded(0..bytes));
    let result = store.get_opts(&object.path, GetOptions { range, ..GetOptions::default() }).await?;
    let expected = result.range.end - result.range.start;
    if expected > object.most as u64 {
        return Ok(Err(format!("it has {expected} bytes, and at most {} have a place", object.most)));
    }
    let bytes = result.bytes().await?;
    let length = bytes.len() as u64;
    // What a frame says of its length is right where that is all that came: only the listing knows better.
    let listed = object.listed.map(|listed| object.beginning.map_or(listed, |beginning| beginning.min(listed)));
    if length != expected || listed.is_some_and(|listed| length != listed) {
        let listed = listed.unwrap_or(expected);
        return Ok(Err(format!(
            "it was listed with {listed} bytes, and {length} came: it was changed meanwhile, or cut"
        )));
    }
    Ok(Ok(bytes))
}
