//! A directory of objects: all whose keys begin with its own and a slash.
//!
//! An object is there whole or not at all, and stays when a server has confirmed it. It has one name, so a second one is a copy that
//! the server makes.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use datafusion::common::{Result, plan_datafusion_err};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{Error, ObjectMeta, ObjectStoreExt, PutMode};

use super::Placed;
use super::upload::Upload;
use crate::storage::objects::{OpenStore, Stores, check_object_url, reason_for_no_head, split, url};
use crate::words::of_store;

/// Requests about the objects of a directory that are on their way at the same time.
pub(super) const AT_ONCE: usize = 32;

#[derive(Clone)]
pub(crate) struct ObjectDirectory {
    /// With a slash at its end.
    url: String,
    open: Option<Open>,
}

#[derive(Clone)]
struct Open {
    stores: Arc<Stores>,
    store: OpenStore,
}

impl PartialEq for ObjectDirectory {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for ObjectDirectory {}

impl fmt::Debug for ObjectDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl ObjectDirectory {
    pub(super) fn at(url: &str) -> Self {
        Self { url: format!("{}/", url.trim_end_matches('/')), open: None }
    }

    pub(super) fn opened(&self, stores: Option<Arc<Stores>>) -> Result<Self> {
        check_object_url(&self.url)?;
        let stores = stores.ok_or_else(|| plan_datafusion_err!("'{}': this session has no object stores", self.url))?;
        let (bucket, key) = split(&self.url)?;
        Key::parse(key.trim_end_matches('/'))
            .map_err(|error| plan_datafusion_err!("'{}' is no directory of objects: {error}", self.url))?;
        let store = stores.open(&url(bucket)?)?;
        Ok(Self { url: self.url.clone(), open: Some(Open { stores, store }) })
    }

    pub(super) fn url(&self, name: &str) -> String {
        format!("{}{name}", self.url)
    }

    fn key(&self, name: &str) -> io::Result<Key> {
        let url = self.url(name);
        let (_, key) = split(&url).map_err(io::Error::other)?;
        Key::parse(key.trim_end_matches('/')).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    /// Waits for work with the store.
    fn with<T, F>(&self, work: impl FnOnce(OpenStore) -> F) -> io::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let open = self.open.as_ref().ok_or_else(|| io::Error::other("the store isn't open"))?;
        let done = open.stores.wait(work(open.store.clone())).map_err(|error| io::Error::other(error.to_string()))?;
        done.map_err(|error| io_error(&error))
    }

    pub(super) fn head(&self, name: &str) -> io::Result<Option<ObjectMeta>> {
        let key = self.key(name)?;
        self.with(|store| async move {
            match if_there(store.objects.head(&key).await) {
                // The answer to a head has no text that says why.
                Err(error) => Err(reason_for_no_head(store.objects.as_ref(), &key, error).await),
                there => there,
            }
        })
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let key = self.key(name)?;
        self.with(|store| async move {
            let Some(object) = if_there(store.objects.get(&key).await)? else { return Ok(None) };
            let length = object.meta.size;
            let bytes = object.bytes().await?;
            match bytes.len() as u64 == length {
                true => Ok(Some(bytes.to_vec())),
                false => Err(cut(&key, bytes.len() as u64, length)),
            }
        })
    }

    pub(super) fn read_range(&self, name: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let key = self.key(name)?;
        self.with(|store| async move { Ok(store.objects.get_range(&key, range).await?.to_vec()) })
    }

    pub(super) fn write(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        let key = self.key(name)?;
        self.with(|store| async move { store.objects.put(&key, bytes.into()).await.map(|_| ()) })
    }

    pub(super) fn write_new(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        let key = self.key(name)?;
        let written = bytes.clone();
        let put = self.with(|store| async move {
            store.objects.put_opts(&key, bytes.into(), PutMode::Create.into()).await.map(|_| ())
        });
        match put {
            // The answer to the first attempt may have been lost.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if self.read(name)?.is_some_and(|there| there == written) { Ok(()) } else { Err(error) }
            }
            put => put,
        }
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let bytes = self.read(from)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, self.url(from)))?;
        self.write(to, bytes)?;
        self.remove(&[from.to_string()])
    }

    pub(super) fn remove(&self, names: &[String]) -> io::Result<()> {
        let keys: io::Result<Vec<Key>> = names.iter().map(|name| self.key(name)).collect();
        let keys = keys?;
        self.with(|store| async move {
            // One by one: not all that speak S3's protocol know how to delete many.
            let delete = |key: Key| {
                let store = store.clone();
                async move { if_there(store.objects.delete(&key).await) }
            };
            stream::iter(keys).map(delete).buffered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await
        })
    }

    pub(super) fn abort_uploads(&self, is_it: &dyn Fn(&str) -> bool) -> io::Result<()> {
        let begin = self.key("")?;
        let prefix = if begin.as_ref().is_empty() { String::new() } else { format!("{begin}/") };
        let below = prefix.clone();
        let uploads = self.with(|store| async move {
            match &store.uploads {
                Some(uploads) => Ok(uploads.below(&below).await),
                None => Ok(Ok(Vec::new())),
            }
        })?;
        let uploads = match uploads {
            Ok(uploads) => uploads,
            // A dataset is whole without it, and not all who may write may ask, nor do all stores answer.
            Err(reason) => {
                tracing::warn!(
                    "cannot look for uploads below '{}' that runs have given up: {reason}; they may cost money until a lifecycle rule of \
                     the bucket aborts them",
                    self.url
                );
                return Ok(());
            }
        };
        for upload in uploads.into_iter().filter(|upload| upload.key.strip_prefix(&prefix).is_some_and(is_it)) {
            let key = Key::parse(&upload.key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            // It may have come to its end meanwhile.
            let _ = self.with(|store| async move { store.multipart.abort_multipart(&key, &upload.id).await });
        }
        Ok(())
    }

    pub(super) fn names(&self, is_it: &dyn Fn(&str) -> bool) -> io::Result<Vec<String>> {
        let (names, _) = self.list("")?;
        Ok(names.into_iter().filter(|name| is_it(name)).collect())
    }

    /// The names of the objects in a directory below, and of the directories in it.
    fn list(&self, below: &str) -> io::Result<(Vec<String>, Vec<String>)> {
        let key = self.key(below)?;
        let listed = self.with(|store| async move {
            let prefix = Some(&key).filter(|key| !key.as_ref().is_empty());
            store.objects.list_with_delimiter(prefix).await
        })?;
        let name = |key: &Key| key.filename().map(str::to_string);
        let names = listed.objects.iter().filter_map(|meta| name(&meta.location)).collect();
        Ok((names, listed.common_prefixes.iter().filter_map(name).collect()))
    }

    pub(super) fn walk(&self, depth: usize, enters: &dyn Fn(usize, &str) -> bool) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        let mut left = vec![(String::new(), 0)];
        while let Some((below, level)) = left.pop() {
            let (names, directories) = self.list(&below)?;
            files.extend(names.into_iter().map(|name| format!("{below}{name}")));
            let entered = directories.into_iter().filter(|name| level + 1 < depth && enters(level, name));
            left.extend(entered.map(|name| (format!("{below}{name}/"), level + 1)));
        }
        Ok(files)
    }

    pub(super) fn is_empty(&self) -> io::Result<bool> {
        let key = self.key("")?;
        self.with(|store| async move {
            let prefix = Some(&key).filter(|key| !key.as_ref().is_empty());
            Ok(store.objects.list(prefix).try_next().await?.is_none())
        })
    }

    pub(super) fn upload(&self, name: &str, held: &Arc<AtomicUsize>) -> io::Result<Upload> {
        let open = self.open.as_ref().ok_or_else(|| io::Error::other("the store isn't open"))?;
        Ok(Upload::begin(open.store.clone(), open.stores.io(), self.key(name)?, Arc::clone(held)))
    }

    pub(super) fn place(&self, files: &[(&str, &str)]) -> Vec<io::Result<Placed>> {
        let keys = files.iter().map(|(file, place)| Ok((self.key(file)?, self.key(place)?)));
        let keys: io::Result<Vec<(Key, Key)>> = keys.collect();
        let placed = keys.and_then(|keys| {
            self.with(|store| async move {
                let copy = |(file, place): (Key, Key)| {
                    let store = store.clone();
                    async move { copy(&store, &file, &place).await }
                };
                Ok(stream::iter(keys).map(copy).buffered(AT_ONCE).collect::<Vec<_>>().await)
            })
        });
        match placed {
            Ok(placed) => placed.into_iter().map(|placed| placed.map_err(|error| io_error(&error))).collect(),
            Err(error) => files.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect(),
        }
    }

    pub(super) fn are_placed(&self, files: &[(&str, &str, u64, &Placed)]) -> io::Result<Vec<bool>> {
        let expected = files.iter().map(|(_, place, bytes, placed)| Ok((self.key(place)?, *bytes, placed.tag.clone())));
        let expected: io::Result<Vec<(Key, u64, Option<String>)>> = expected.collect();
        let expected = expected?;
        self.with(|store| async move {
            let look = |(key, bytes, tag): (Key, u64, Option<String>)| {
                let store = store.clone();
                async move {
                    let there = if_there(store.objects.head(&key).await)?;
                    Ok(there.is_some_and(|there| there.size == bytes && (tag.is_none() || there.e_tag == tag)))
                }
            };
            stream::iter(expected).map(look).buffered(AT_ONCE).try_collect().await
        })
    }
}

/// Has a store copy an object over another.
async fn copy(store: &OpenStore, file: &Key, place: &Key) -> object_store::Result<Placed> {
    let bytes = store.objects.head(file).await?.size;
    let copied = match store.objects.copy(file, place).await {
        // Google's client refuses to replace an object (object_store 0.13).
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
            if_there(store.objects.delete(place).await)?;
            store.objects.copy(file, place).await
        }
        copied => copied,
    };
    let there = store.objects.head(place).await;
    match (copied, there) {
        (Ok(()), Ok(there)) if there.size != bytes => Err(cut(place, there.size, bytes)),
        (Ok(()), there) => Ok(Placed { tag: there?.e_tag }),
        (Err(error), _) => Err(error),
    }
}

fn if_there<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        // A bucket that isn't there has a text, if not for a head.
        Err(Error::NotFound { source, .. }) if !source.to_string().contains("NoSuchBucket") => Ok(None),
        result => result.map(Some),
    }
}

fn cut(key: &Key, came: u64, expected: u64) -> Error {
    let source = format!("'{key}' has {expected} bytes, and {came} came").into();
    Error::Generic { store: "object store", source }
}

/// The error of a store as one of files.
pub(super) fn io_error(error: &Error) -> io::Error {
    let kind = match error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::InvalidPath { .. } => io::ErrorKind::InvalidInput,
        Error::NotSupported { .. } | Error::NotImplemented { .. } => io::ErrorKind::Unsupported,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, of_store(error))
}
