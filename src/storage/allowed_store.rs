//! Object stores that check every path against the allow-list, and list local directories as sources do, for DataFusion's own formats.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use datafusion::common::Result as QueryResult;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt};
use prost::bytes::Bytes;
use tokio::runtime::Handle;
use url::Url;

use super::AllowList;
use super::find::files_below;
use super::literal::tell_unnameable;
use super::objects::{OpenStore, Stores, reason_for_no_head, stream_below};
use super::write_failures::WriteFailures;

/// DataFusion's registry, whose stores keep to an allow-list.
#[derive(Debug)]
pub(crate) struct AllowedStores {
    /// The local files, and what was added by a program's own code.
    own: DefaultObjectStoreRegistry,
    /// Those of the process.
    stores: Option<Arc<Stores>>,
    allow: Arc<AllowList>,
}

impl AllowedStores {
    /// A registry of the local files and of a process's stores, to which others can be added.
    pub(crate) fn new(allow: Arc<AllowList>, stores: Option<Arc<Stores>>) -> Self {
        Self { own: DefaultObjectStoreRegistry::new(), stores, allow }
    }
}

impl ObjectStoreRegistry for AllowedStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.own.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> QueryResult<Arc<dyn ObjectStore>> {
        self.own.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> QueryResult<Arc<dyn ObjectStore>> {
        let (store, lister) = match (self.own.get_store(url), &self.stores) {
            (Ok(store), _) => (store, None),
            (Err(_), Some(stores)) => {
                let store = stores.open(url)?;
                (Arc::clone(&store.objects), Some((store, stores.io().clone())))
            }
            (Err(error), None) => return Err(error),
        };
        let gate = Gate { url: url.clone(), allow: Arc::clone(&self.allow) };
        let failures = self.stores.as_ref().map(|stores| stores.write_failures());
        Ok(Arc::new(AllowedStore { store, lister, gate, failures }))
    }
}

/// A store that refuses paths outside of the allow-list.
struct AllowedStore {
    store: Arc<dyn ObjectStore>,
    /// One of the process's, and what its requests run on: what is listed below a folder goes on where a key is no path.
    lister: Option<(OpenStore, Handle)>,
    gate: Gate,
    /// Where writers that don't tell what failed leave it.
    failures: Option<Arc<WriteFailures>>,
}

impl AllowedStore {
    fn written<T>(&self, path: &Path, result: Result<T>) -> Result<T> {
        if let (Some(failures), Err(error)) = (&self.failures, &result) {
            failures.remember(&self.gate.url, path, error);
        }
        result
    }
}

impl fmt::Debug for AllowedStore {
    // Stores show their credentials there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AllowedStore({})", self.store)
    }
}

impl fmt::Display for AllowedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

/// What decides about paths of one store.
#[derive(Debug, Clone)]
struct Gate {
    /// Scheme and host of the store.
    url: Url,
    allow: Arc<AllowList>,
}

impl Gate {
    fn check(&self, path: &Path) -> Result<()> {
        if !self.allow.is_bounded() {
            return Ok(());
        }
        let checked = match self.is_local() {
            true => self.allow.check_path(&LocalFileSystem::new().path_to_filesystem(path)?),
            false => self.allow.check_object(&self.url, path),
        };
        checked.map_err(|error| refused(path, error))
    }

    /// Checks where a listing starts: a directory, whose name needn't be one that a file can have.
    fn check_prefix(&self, prefix: Option<&Path>) -> Result<()> {
        let prefix = prefix.cloned().unwrap_or_default();
        if !self.is_local() {
            return self.check(&prefix);
        }
        let directory = directory(&prefix)?;
        self.allow.check_path(&directory).map_err(|error| refused(&prefix, error))
    }

    fn is_local(&self) -> bool {
        self.url.scheme() == "file"
    }

    /// Checks what a listing finds: links in the listed directories may lead elsewhere.
    fn found(self) -> impl FnMut(&Path) -> Result<()> {
        let mut known: HashSet<PathBuf> = HashSet::new();
        move |path| {
            if !self.is_local() {
                return self.check(path);
            }
            let file = LocalFileSystem::new().path_to_filesystem(path)?;
            // Files of a directory that are no links are where the directory is.
            if file.is_symlink() {
                return self.check(path);
            }
            if let Some(parent) = file.parent().filter(|parent| !known.contains(*parent)) {
                self.allow.check_path(parent).map_err(|error| refused(path, error))?;
                known.insert(parent.to_path_buf());
            }
            Ok(())
        }
    }

    fn listed(self, found: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let mut check = self.found();
        found.map(move |meta| meta.and_then(|meta| check(&meta.location).map(|()| meta))).boxed()
    }
}

/// The directory that a prefix names.
fn directory(prefix: &Path) -> Result<PathBuf> {
    let mut directory = LocalFileSystem::new().path_to_filesystem(&prefix.clone().join("x"))?;
    directory.pop();
    Ok(directory)
}

/// The files below a local directory; none where there is none.
fn local_files(prefix: &Path, allow: &AllowList) -> Result<Vec<ObjectMeta>> {
    let failed = |error: DataFusionError| Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
    let directory = directory(prefix)?;
    if !directory.try_exists().unwrap_or(true) || directory.is_file() {
        return Ok(Vec::new());
    }
    let store = LocalFileSystem::new();
    let (mut files, mut unnameable) = (Vec::new(), Vec::new());
    for found in files_below(&directory, allow) {
        let (path, metadata) = found.map_err(failed)?;
        match Path::from_absolute_path(&path) {
            // What this store can't open are its own unfinished files, named `x#1`.
            Ok(location) if store.path_to_filesystem(&location).is_ok() => files.push(ObjectMeta {
                location,
                last_modified: metadata.modified().map(DateTime::from).unwrap_or_default(),
                size: metadata.len(),
                e_tag: None,
                version: None,
            }),
            Ok(_) => {}
            Err(_) => unnameable.push(path),
        }
    }
    tell_unnameable(&directory.to_string_lossy(), &unnameable);
    Ok(files)
}

fn refused(path: &Path, error: DataFusionError) -> Error {
    Error::PermissionDenied { path: path.to_string(), source: Box::new(error) }
}

#[async_trait]
impl ObjectStore for AllowedStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.gate.check(path)?;
        self.written(path, self.store.put_opts(path, payload, options).await)
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.gate.check(path)?;
        let inner = self.written(path, self.store.put_multipart_opts(path, options).await)?;
        let Some(failures) = self.failures.clone() else { return Ok(inner) };
        Ok(Box::new(ToldUpload { inner, path: path.clone(), store: self.gate.url.clone(), failures }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.gate.check(path)?;
        let asks_for_head = options.head;
        let result = self.store.get_opts(path, options).await;
        match result {
            Err(error) if asks_for_head && !self.gate.is_local() && !matches!(error, Error::NotFound { .. }) => {
                Err(reason_for_no_head(self.store.as_ref(), path, error).await)
            }
            result => result,
        }
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.gate.check(path)?;
        self.store.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let gate = self.gate.clone();
        let checked = paths.map(move |path| path.and_then(|path| gate.check(&path).map(|()| path)));
        self.store.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.gate.check_prefix(prefix) {
            return stream::once(std::future::ready(Err(error))).boxed();
        }
        if !self.gate.is_local() {
            let listed = match &self.lister {
                Some((store, io)) => stream_below(store, io, (&self.gate.url, prefix)),
                None => self.store.list(prefix),
            };
            return self.gate.clone().listed(listed);
        }
        let (prefix, allow) = (prefix.cloned().unwrap_or_default(), Arc::clone(&self.gate.allow));
        let files = tokio::task::spawn_blocking(move || local_files(&prefix, &allow));
        let files = files.map(|listed| Ok::<_, Error>(stream::iter(listed??).map(Ok)));
        files.try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.gate.check_prefix(prefix)?;
        let listed = self.store.list_with_delimiter(prefix).await?;
        let mut check = self.gate.clone().found();
        listed.objects.iter().try_for_each(|meta| check(&meta.location))?;
        listed.common_prefixes.iter().try_for_each(|directory| self.gate.check_prefix(Some(directory)))?;
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.gate.check(from)?;
        self.gate.check(to)?;
        self.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.gate.check(from)?;
        self.gate.check(to)?;
        self.store.rename_opts(from, to, options).await
    }
}

/// An upload whose failures are remembered.
#[derive(Debug)]
struct ToldUpload {
    inner: Box<dyn MultipartUpload>,
    path: Path,
    store: Url,
    failures: Arc<WriteFailures>,
}

#[async_trait]
impl MultipartUpload for ToldUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (failures, store, path) = (Arc::clone(&self.failures), self.store.clone(), self.path.clone());
        self.inner.put_part(data).inspect_err(move |error| failures.remember(&store, &path, error)).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await.inspect_err(|error| self.failures.remember(&self.store, &self.path, error))
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use datafusion::object_store::ObjectStoreExt;
    use datafusion::object_store::memory::InMemory;
    use futures::TryStreamExt;
    use tempfile::TempDir;

    use super::*;

    fn registry(list: &str) -> AllowedStores {
        AllowedStores::new(Arc::new(list.parse().expect("a list")), None)
    }

    /// The local store of a registry that allows `data`, which lies beside `secret`.
    fn local() -> (TempDir, Arc<dyn ObjectStore>) {
        let root = tempfile::tempdir().expect("a directory");
        for folder in ["data", "secret", "data/sub"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
            fs::write(root.path().join(folder).join("x.csv"), b"x").expect("a file");
        }
        let registry = registry(root.path().join("data").to_str().expect("UTF-8"));
        let store = registry.get_store(&Url::parse("file:///").expect("a URL")).expect("a store");
        (root, store)
    }

    fn path(root: &TempDir, below: &str) -> Path {
        Path::parse(format!("{}/{below}", root.path().display())).expect("a path")
    }

    #[track_caller]
    fn assert_refused<T>(result: Result<T>) {
        let error = result.map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains("is outside of what this process may reach"), "{error}");
    }

    #[tokio::test]
    async fn files_outside_are_neither_read_nor_written() {
        let (root, store) = local();
        store.get(&path(&root, "data/x.csv")).await.expect("read");
        store.put(&path(&root, "data/new/y.csv"), "y".into()).await.expect("written");
        let (inside, outside) = (path(&root, "data/x.csv"), path(&root, "secret/x.csv"));
        assert_refused(store.get(&outside).await);
        assert_refused(store.head(&outside).await);
        assert_refused(store.get_ranges(&outside, std::slice::from_ref(&(0..1))).await);
        assert_refused(store.put(&outside, "y".into()).await);
        assert_refused(store.put_multipart(&outside).await);
        assert_refused(store.delete(&outside).await);
        assert_refused(store.copy(&outside, &inside).await);
        assert_refused(store.copy(&inside, &path(&root, "secret/y.csv")).await);
        assert_refused(store.rename(&outside, &inside).await);
        assert_refused(store.rename(&inside, &path(&root, "secret/y.csv")).await);
        // To this store `%2e%2e` is a name.
        store.put(&path(&root, "data/%2e%2e/secret/y.csv"), "y".into()).await.expect("written");
        assert!(root.path().join("data/%2e%2e/secret/y.csv").exists());
        assert_eq!(fs::read(root.path().join("secret/x.csv")).expect("still there"), b"x");
        assert_eq!(fs::read_dir(root.path().join("secret")).expect("a folder").count(), 1);
    }

    #[tokio::test]
    async fn listings_keep_inside() {
        let (root, store) = local();
        let list = async |below: &str| store.list(Some(&path(&root, below))).try_collect::<Vec<_>>().await;
        assert_eq!(list("data").await.expect("listed").len(), 2);
        assert_eq!(list("data/none").await.expect("listed").len(), 0);
        assert_refused(list("secret").await);
        assert_refused(list("").await);
        assert_refused(store.list(None).try_collect::<Vec<_>>().await);
        assert_refused(store.list_with_delimiter(Some(&path(&root, "secret"))).await);
        let from = path(&root, "secret/a");
        assert_refused(store.list_with_offset(Some(&path(&root, "secret")), &from).try_collect::<Vec<_>>().await);
        for (target, name) in [("../../secret", "data/sub/link"), ("../secret/x.csv", "data/link.csv")] {
            let link = root.path().join(name);
            symlink(target, &link).expect("a link");
            assert_refused(list("data").await);
            assert_refused(store.list_with_delimiter(Some(&path(&root, name).parent().expect("a parent"))).await);
            fs::remove_file(link).expect("removed");
        }
        symlink("sub", root.path().join("data/inside")).expect("a link");
        assert_eq!(list("data").await.expect("listed").len(), 3);
    }

    #[tokio::test]
    async fn a_bad_corner_doesnt_end_a_listing() {
        let root = tempfile::tempdir().expect("a directory");
        for folder in ["a", "a/b", ".hidden"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
            fs::write(root.path().join(folder).join("x [1].csv"), b"x").expect("a file");
        }
        for (target, name) in [(".", "circle"), ("../..", "a/b/up"), ("self", "self"), ("none.csv", "dangling.csv")] {
            symlink(target, root.path().join(name)).expect("a link");
        }
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket.csv")).expect("a socket");
        for name in ["line\nbreak.csv", "unfinished.csv#1"] {
            fs::write(root.path().join(name), b"x").expect("a file");
        }
        let stores = AllowedStores::new(Arc::default(), None);
        let store = stores.get_store(&Url::parse("file:///").expect("a URL")).expect("a store");
        let list = async |below: &str| {
            let found = store.list(Some(&path(&root, below))).try_collect::<Vec<_>>().await.expect("listed");
            let names = found.into_iter().map(|meta| format!("/{}", meta.location));
            names.map(|name| name.replace(&format!("{}/", root.path().display()), "")).collect::<Vec<_>>()
        };
        assert_eq!(list("").await, ["a/b/x [1].csv", "a/x [1].csv"]);
        assert_eq!(list("a/b").await, ["a/b/up/a/x [1].csv", "a/b/x [1].csv"]);
        assert_eq!(list("a/b/x [1].csv").await, [""; 0]);
        assert_eq!(list("none").await, [""; 0]);
        let first = store.get(&path(&root, "a/x [1].csv")).await.expect("a file").bytes().await.expect("read");
        assert_eq!(first.as_ref(), b"x");
    }

    #[tokio::test]
    async fn links_that_lead_outside_are_not_followed() {
        let (root, store) = local();
        symlink("../secret/x.csv", root.path().join("data/link.csv")).expect("a link");
        symlink("../secret/new.csv", root.path().join("data/new.csv")).expect("a link");
        symlink("../secret", root.path().join("data/folder")).expect("a link");
        assert_refused(store.get(&path(&root, "data/link.csv")).await);
        assert_refused(store.put(&path(&root, "data/new.csv"), "y".into()).await);
        assert_refused(store.put(&path(&root, "data/folder/y.csv"), "y".into()).await);
        assert_eq!(fs::read_dir(root.path().join("secret")).expect("a folder").count(), 1);
    }

    #[tokio::test]
    async fn other_stores_are_bounded_by_their_prefix() {
        let registry = registry("s3://bucket/photos");
        let url = Url::parse("s3://bucket").expect("a URL");
        registry.register_store(&url, Arc::new(InMemory::new()));
        let store = registry.get_store(&url).expect("a store");
        store.put(&Path::from("photos/a"), "a".into()).await.expect("written");
        assert_refused(store.put(&Path::from("photos2/a"), "a".into()).await);
        let listed: Vec<_> = store.list(Some(&Path::from("photos"))).try_collect().await.expect("listed");
        assert_eq!(listed.len(), 1);
        assert_refused(store.list(None).try_collect::<Vec<_>>().await);
        assert!(registry.get_store(&Url::parse("s3://other").expect("a URL")).is_err());
    }
}
