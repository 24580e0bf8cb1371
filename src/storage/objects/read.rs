//! Reading objects and parts of them, many at a time, and again where their bytes don't come whole.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result, exec_err, plan_datafusion_err};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as ObjectPath;
use object_store::{Error, GetOptions, GetRange, ObjectStore};
use prost::bytes::Bytes;

use super::find::{etag, url};
use super::split;
use super::stores::Stores;
use crate::storage::{AllowList, ReadClass, Unread};
use crate::words::{Advised, of_store};

/// Objects of a call that are asked for at the same time; the client bounds those of all.
const AT_ONCE: usize = 128;
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
pub(crate) type Content = std::result::Result<Bytes, Unread>;

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
        let range = object.beginning.map(|bytes| 0..bytes);
        requests.push((store, Request { path, range, listed: object.listed, most: object.most }));
    }
    let contents = stream::iter(requests)
        .map(|(store, request)| async move {
            match read(store.as_ref(), &request).await {
                Ok(part) => Ok(Ok(part.bytes)),
                Err(Fault::Gone) => Ok(Err(Unread::new(ReadClass::Missing, GONE))),
                Err(Fault::OfObject(unread)) => Ok(Err(unread)),
                Err(Fault::OfStore(error)) => Err(DataFusionError::from(error)),
            }
        })
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
        let reason = match content {
            Err(unread) if unread.class != ReadClass::TooLarge => &unread.reason,
            _ => {
                self.0.store(0, Ordering::Relaxed);
                return Ok(());
            }
        };
        match self.0.fetch_add(1, Ordering::Relaxed) + 1 {
            MOST_IN_A_ROW.. => exec_err!("{MOST_IN_A_ROW} objects in a row can't be read, the last: {reason}"),
            _ => Ok(()),
        }
    }
}

impl Failures {
    /// Counts what became of a local file.
    ///
    /// # Errors
    /// What says more of the machine, or of its disk, than of the file.
    pub(crate) fn of_file(&self, path: &str, read: &io::Result<()>) -> Result<()> {
        let Err(error) = read else {
            self.0.store(0, Ordering::Relaxed);
            return Ok(());
        };
        if is_of_process(error) {
            return exec_err!(
                "cannot read '{path}': {error}; this is no fault of the file: more is open or in use than this process may have"
            );
        }
        let is_of_file =
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::FileTooLarge);
        if !is_of_file && self.0.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_IN_A_ROW {
            return exec_err!("{MOST_IN_A_ROW} files in a row can't be read, the last '{path}': {error}");
        }
        Ok(())
    }
}

/// What the system has said, among the causes of an error.
fn causes<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'a io::Error> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>())
}

/// Whether the system refuses this to a process that has too much open already, or has no memory left.
fn is_of_process(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        let refused = [Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(Errno::raw_os_error);
        error.raw_os_error().is_some_and(|code| refused.contains(&code))
    }
    #[cfg(not(unix))]
    {
        error.kind() == ErrorKind::OutOfMemory
    }
}

/// What is said of an object that isn't there.
pub(super) const GONE: &str = "there is no such object";

/// What is asked of a store.
pub(super) struct Request {
    pub(super) path: ObjectPath,
    /// Only these bytes, as far as the object goes.
    pub(super) range: Option<Range<u64>>,
    /// How many bytes the object had when it was listed.
    pub(super) listed: Option<u64>,
    /// There may be no more bytes than that.
    pub(super) most: usize,
}

/// What a store answered.
pub(super) struct Part {
    pub(super) bytes: Bytes,
    /// The version that they are of, where the store tells.
    pub(super) etag: Option<String>,
}

/// Why there are no bytes.
pub(super) enum Fault {
    /// There is no such object.
    Gone,
    /// Its bytes don't come, or they are others than were listed.
    OfObject(Unread),
    /// It is about more than this object.
    OfStore(Error),
}

/// Reads an object or a part of it, and again where the bytes don't come whole.
pub(super) async fn read(store: &dyn ObjectStore, request: &Request) -> std::result::Result<Part, Fault> {
    let mut attempt = 1;
    loop {
        let unread = match once(store, request).await {
            Ok(Ok(part)) => return Ok(part),
            Ok(Err(unread)) => unread,
            Err(error @ Error::NotFound { .. }) if !of_store(&error).contains("NoSuchBucket") => {
                return Err(Fault::Gone);
            }
            Err(error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. } | Error::NotFound { .. })) => {
                return Err(Fault::OfStore(error));
            }
            Err(error) if causes(&error).any(is_of_process) => return Err(Fault::OfStore(error)),
            Err(error) => Unread::new(ReadClass::ReadError, of_store(&error)),
        };
        if attempt == ATTEMPTS {
            return Err(Fault::OfObject(unread));
        }
        attempt += 1;
    }
}

/// Why there is no answer to a request for an object's head: that to one for a byte has a text, which says why.
pub(crate) async fn reason_for_no_head(store: &dyn ObjectStore, path: &ObjectPath, error: Error) -> Error {
    if Advised::of(&error).is_some() {
        return error;
    }
    let byte = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
    store.get_opts(path, byte).await.err().unwrap_or(error)
}

async fn once(store: &dyn ObjectStore, request: &Request) -> object_store::Result<std::result::Result<Part, Unread>> {
    let range = request.range.clone().map(GetRange::Bounded);
    let result = store.get_opts(&request.path, GetOptions { range, ..GetOptions::default() }).await?;
    let expected = result.range.end - result.range.start;
    if expected > request.most as u64 {
        let reason = format!("it has {expected} bytes, and at most {} have a place", request.most);
        return Ok(Err(Unread::new(ReadClass::TooLarge, reason)));
    }
    let (size, etag) = (result.meta.size, result.meta.e_tag.as_deref().map(etag));
    let bytes = result.bytes().await?;
    let length = bytes.len() as u64;
    let listed = request.listed.unwrap_or(size);
    if request.range.is_some() && size != listed {
        let reason = format!("it was listed with {listed} bytes, and has {size}: it was changed meanwhile");
        return Ok(Err(Unread::new(ReadClass::Changed, reason)));
    }
    // What a frame says of its length is right where that is all that came: only the listing knows better.
    let wanted = match &request.range {
        Some(range) => range.end.min(listed).saturating_sub(range.start),
        None => listed,
    };
    if length == expected && length == wanted {
        return Ok(Ok(Part { bytes, etag }));
    }
    let reason = match &request.range {
        Some(range) if range.start > 0 => {
            format!("of {wanted} bytes from byte {} on {length} came: it was changed meanwhile, or cut", range.start)
        }
        _ => format!("it was listed with {wanted} bytes, and {length} came: it was changed meanwhile, or cut"),
    };
    Ok(Err(Unread::new(ReadClass::Changed, reason)))
}
