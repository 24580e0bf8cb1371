//! Finding objects: a location is an object, a folder or a pattern.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use datafusion::common::{Result, exec_err, plan_datafusion_err, plan_err};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::sync::mpsc;
use url::Url;

use super::list::{Folder, Order, Way, list, names};
use super::read::reason_for_no_head;
use super::reader::Version;
use super::stores::Stores;
use super::{check_object_url, split};
use crate::storage::glob::{Glob, has_wildcard};
use crate::storage::{AllowList, Reach};

/// A location of objects, taken apart; nothing has been asked.
#[derive(Debug)]
pub(crate) struct ObjectLocation {
    text: String,
    /// Scheme and bucket: what stands before keys, with its slash.
    bucket: String,
    /// What keys begin with: a folder without its slash, or an object.
    base: ObjectPath,
    glob: Option<Glob>,
    /// Whether the location can't be an object: it ends in a slash, or is a bucket.
    is_folder: bool,
}

/// An object of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundObject {
    /// The whole URL, the key as it is.
    pub(crate) url: String,
    /// The key from where the search started; of an object that is named itself, its name.
    pub(crate) below: String,
    pub(crate) length: u64,
    /// The version, as [`etag`] has it, where the store tells.
    pub(crate) etag: Option<String>,
    pub(crate) modified: DateTime<Utc>,
    /// Whether the location itself says that this object is meant, by its name or its extension.
    pub(crate) is_named: bool,
}

impl ObjectLocation {
    /// Takes a location apart that must not lead outside of an allow-list.
    ///
    /// # Errors
    /// A URL that is none, holds a secret or leads outside, and a pattern that is none.
    pub(crate) fn parse_within(text: &str, allow: &AllowList) -> Result<Self> {
        check_object_url(text)?;
        // It knows of what leads up, which isn't shown then.
        allow.check(text)?;
        let (bucket, key) = split(text)?;
        let parts: Vec<&str> = key.split('/').collect();
        let fixed = parts.iter().position(|part| has_wildcard(part));
        let (base, glob) = match fixed {
            Some(fixed) => (parts[..fixed].join("/"), Some(Glob::parse(&parts[fixed..].join("/"), text)?)),
            None => (key.trim_end_matches('/').to_string(), None),
        };
        let path =
            ObjectPath::parse(&base).map_err(|error| plan_datafusion_err!("'{text}' names no object: {error}"))?;
        allow.check_object(&url(bucket)?, &path)?;
        Ok(Self {
            text: text.to_string(),
            bucket: format!("{}/", bucket.trim_end_matches('/')),
            base: path,
            glob,
            is_folder: base.is_empty() || key.ends_with('/') || fixed.is_some(),
        })
    }

    /// The URL of where the search starts, without a slash at its end.
    pub(crate) fn base(&self) -> String {
        format!("{}{}", self.bucket, self.base).trim_end_matches('/').to_string()
    }

    /// The URL of the bucket, without a slash at its end.
    pub(crate) fn bucket(&self) -> &str {
        self.bucket.trim_end_matches('/')
    }

    /// Whether the location is a pattern, and no name.
    pub(crate) fn is_pattern(&self) -> bool {
        self.glob.is_some()
    }

    /// The name of the folder of the objects that lie where the search starts.
    pub(crate) fn base_name(&self, found: &FoundObject) -> Option<String> {
        let key = found.url.strip_prefix(&self.bucket)?;
        let folder = key.strip_suffix(&found.below)?.trim_end_matches('/');
        let name = folder.rsplit('/').next().filter(|name| !name.is_empty());
        Some(name.unwrap_or_else(|| bucket_name(&self.bucket)).to_string())
    }

    /// Finds the objects, in the order of their keys or in any, until `each` wants no more. Hidden ones are passed over.
    ///
    /// It waits for the store: it is for threads that may.
    ///
    /// # Errors
    /// Nothing is there, or the store doesn't say what is.
    pub(crate) fn find(&self, reach: &Reach, order: Order, each: &mut dyn FnMut(FoundObject) -> bool) -> Result<()> {
        let prefix = format!("{}{}", self.prefix(), self.glob.as_ref().map_or("", Glob::beginning));
        self.list(reach, (prefix, order), &mut |found, _| match found {
            Some(found) => each(found),
            None => true,
        })
    }

    /// Finds all objects, in any order; those, too, that lie where they are looked for, aren't meant, and whose names are taken by
    /// `is_beside`: behind `false`.
    ///
    /// # Errors
    /// As of [`Self::find`].
    pub(crate) fn find_beside(
        &self,
        reach: &Reach,
        is_beside: &dyn Fn(&str) -> bool,
        each: &mut dyn FnMut(FoundObject, bool),
    ) -> Result<()> {
        self.list(reach, (self.prefix(), Order::Any), &mut |found, meta| {
            match (found, self.below(meta)) {
                (Some(found), _) => each(found, true),
                (None, Some(below)) if is_beside(below.rsplit('/').next().unwrap_or(below)) => {
                    each(self.found(meta, below.to_string(), false), false);
                }
                _ => {}
            }
            true
        })
    }

    /// What all keys begin with.
    fn prefix(&self) -> String {
        if self.base.as_ref().is_empty() { String::new() } else { format!("{}/", self.base) }
    }

    /// Hands over the object that the location names, or all that are listed, until no more is wanted: `None` where one isn't meant.
    fn list(
        &self,
        reach: &Reach,
        (prefix, order): (String, Order),
        each: &mut dyn FnMut(Option<FoundObject>, &ObjectMeta) -> bool,
    ) -> Result<()> {
        let stores = reach.stores()?;
        let store = stores.open(&url(&self.bucket)?)?;
        if !self.is_folder
            && let Some(meta) = stores.wait(named(Arc::clone(&store.objects), self.base.clone()))??
        {
            let below = self.base.filename().unwrap_or_default().to_string();
            each(Some(self.found(&meta, below, true)), &meta);
            return Ok(());
        }
        let way = match (order, store.lists_behind_keys) {
            (Order::OfKeys, _) => Way::InOrder,
            (Order::Any, true) => Way::InRanges(stores.lists_at_once()),
            (Order::Any, false) => Way::ByFolder(stores.lists_at_once()),
        };
        let (sender, mut pages) = mpsc::channel(PAGES_AHEAD);
        stores.io().spawn(list(Folder::new(store.pages, prefix), way, self.text.clone(), sender));
        let mut is_empty = true;
        while let Some(page) = pages.blocking_recv() {
            let Some(page) = page? else {
                return match is_empty {
                    true => plan_err!("nothing at '{}': no such object, and none below it", self.text),
                    false => Ok(()),
                };
            };
            reach.listed.add_objects(page.len());
            for meta in page {
                is_empty = false;
                if !each(self.wanted(&meta), &meta) {
                    return Ok(());
                }
            }
        }
        exec_err!("listing '{}' stopped", self.text)
    }

    /// An object that was listed, if it is one that the location means.
    fn wanted(&self, meta: &ObjectMeta) -> Option<FoundObject> {
        let below = self.below(meta)?;
        let is_marker = meta.size == 0 && Path::new(below).extension().is_none();
        let is_wanted = match &self.glob {
            Some(glob) => glob.is_match_of_object(below),
            None => below.split('/').all(|name| !name.starts_with('.')),
        };
        let is_named = self.glob.as_ref().is_some_and(|glob| glob.names_extension);
        (!below.is_empty() && !is_marker && is_wanted).then(|| self.found(meta, below.to_string(), is_named))
    }

    /// The key from where the search started.
    fn below<'a>(&self, meta: &'a ObjectMeta) -> Option<&'a str> {
        Some(meta.location.as_ref().strip_prefix(self.base.as_ref())?.trim_start_matches('/'))
    }

    fn found(&self, meta: &ObjectMeta, below: String, is_named: bool) -> FoundObject {
        let url = format!("{}{}", self.bucket, meta.location);
        let etag = meta.e_tag.as_deref().map(etag);
        FoundObject { url, below, length: meta.size, etag, modified: meta.last_modified, is_named }
    }
}

impl Stores {
    /// What is known of an object; `None` where there is none. It waits for the store: it is for threads that may.
    ///
    /// # Errors
    /// A URL that is none or leads outside of the allow-list, and a store that doesn't say.
    pub(crate) fn look_at(&self, allow: &AllowList, location: &str) -> Result<Option<Version>> {
        let (bucket, path) = within(allow, location)?;
        let meta = self.wait(named(self.store(&bucket)?, path))??;
        Ok(meta.map(|meta| Version { bytes: meta.size, etag: meta.e_tag.as_deref().map(etag) }))
    }
}

impl Reach {
    /// Names that go on from the beginning of an object's URL, those of folders with a slash; none where the store doesn't say so in
    /// time, or may not be reached. Where the name begins in the URL comes first.
    pub(crate) fn names_of_objects(&self, beginning: &str, time: Duration) -> (usize, Vec<String>) {
        let start = beginning.rfind('/').map_or(0, |slash| slash + 1);
        (start, self.object_names(beginning, time).unwrap_or_default())
    }

    fn object_names(&self, beginning: &str, time: Duration) -> Option<Vec<String>> {
        check_object_url(beginning).ok()?;
        let (bucket, key) = split(beginning).ok().filter(|(bucket, _)| bucket.ends_with('/'))?;
        let folder = key.rfind('/').map_or("", |slash| &key[..slash]);
        let bucket = url(bucket).ok()?;
        self.allow.check_object(&bucket, &ObjectPath::parse(folder).ok()?).ok()?;
        let stores = self.stores().ok()?;
        let folder = Folder::new(stores.open(&bucket).ok()?.pages, key.to_string());
        // The thread that asks may be one of a runtime, which may wait in no other way.
        let (sender, receiver) = std::sync::mpsc::channel();
        stores.io().spawn(async move {
            // Whoever asked doesn't wait any longer.
            let _ = sender.send(tokio::time::timeout(time, names(folder)).await);
        });
        receiver.recv_timeout(time).ok()?.ok()?.ok()
    }
}

/// Pages of a listing that are fetched before they are looked at.
const PAGES_AHEAD: usize = 2;

/// The object of this name, if there is one.
async fn named(store: Arc<dyn ObjectStore>, path: ObjectPath) -> Result<Option<ObjectMeta>> {
    match store.head(&path).await {
        Ok(meta) => Ok(Some(meta)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(reason_for_no_head(store.as_ref(), &path, error).await.into()),
    }
}

fn bucket_name(bucket: &str) -> &str {
    let name = bucket.split_once("://").map_or(bucket, |(_, name)| name).trim_end_matches('/');
    name.split_once('@').map_or(name, |(container, _)| container)
}

/// An ETag in the one form in which those of listings and answers are the same: without quotes and the mark of weak ones.
pub(super) fn etag(told: &str) -> String {
    told.trim_start_matches("W/").trim_matches('"').to_string()
}

/// The bucket and the key of an object's URL.
///
/// # Errors
/// A URL that is none or leads outside of the allow-list.
pub(crate) fn within(allow: &AllowList, location: &str) -> Result<(Url, ObjectPath)> {
    let (bucket, key) = split(location)?;
    let path = ObjectPath::parse(key).map_err(|error| plan_datafusion_err!("'{location}' names no object: {error}"))?;
    let bucket = url(bucket)?;
    allow.check_object(&bucket, &path)?;
    Ok((bucket, path))
}

/// The URL of a bucket.
pub(in crate::storage) fn url(bucket: &str) -> Result<Url> {
    Url::parse(bucket).map_err(|error| plan_datafusion_err!("'{bucket}' names no bucket: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> ObjectLocation {
        ObjectLocation::parse_within(text, &AllowList::default()).expect("a location")
    }

    #[test]
    fn the_fixed_part_of_a_pattern_is_where_the_search_starts() {
        for (text, base, is_pattern, is_folder) in [
            ("s3://b/photos/a.jpg", "photos/a.jpg", false, false),
            ("s3://b/photos/", "photos", false, true),
            ("s3://b", "", false, true),
            ("s3://b/photos/*/x-?.jpg", "photos", true, true),
            ("s3://b/**/*.jpg", "", true, true),
        ] {
            let location = location(text);
            assert_eq!(
                (location.base.as_ref(), location.is_pattern(), location.is_folder),
                (base, is_pattern, is_folder),
                "{text}"
            );
        }
    }

    #[test]
    fn the_folder_of_an_object_where_the_search_starts_has_a_name() {
        let named = |text: &str, key: &str, below: &str| {
            let found = FoundObject {
                url: format!("s3://b/{key}"),
                below: below.to_string(),
                length: 1,
                etag: None,
                modified: Utc::now(),
                is_named: false,
            };
            location(text).base_name(&found)
        };
        assert_eq!(named("s3://b/photos/", "photos/a.jpg", "a.jpg").as_deref(), Some("photos"));
        assert_eq!(named("s3://b/photos/roses/a.jpg", "photos/roses/a.jpg", "a.jpg").as_deref(), Some("roses"));
        assert_eq!(named("s3://b/", "a.jpg", "a.jpg").as_deref(), Some("b"));
    }
}
