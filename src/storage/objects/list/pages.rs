//! The pages of a listing: one that comes cut is asked for again, and a key that is no path doesn't end it.

use std::sync::Arc;

use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Error as PathError;
use object_store::{Error, ObjectMeta};

/// Objects of a page, as stores have them.
pub(in crate::storage::objects) const PAGE: usize = 1000;

/// What is listed.
#[derive(Clone)]
pub(in crate::storage::objects) struct Folder {
    pub(in crate::storage::objects) store: Arc<dyn PaginatedListStore>,
    /// What keys begin with: nothing, or a folder with its slash and perhaps the beginning of a name.
    pub(in crate::storage::objects) prefix: String,
    /// Objects that are asked for at a time.
    pub(in crate::storage::objects) page: usize,
}

impl Folder {
    pub(in crate::storage::objects) fn new(store: Arc<dyn PaginatedListStore>, prefix: String) -> Self {
        Self { store, prefix, page: PAGE }
    }

    /// What the store answers. The connector asks again where that doesn't come whole.
    pub(super) async fn asked(&self, options: PaginatedListOptions) -> object_store::Result<PaginatedListResult> {
        let options = PaginatedListOptions { max_keys: options.max_keys.filter(|most| *most < PAGE), ..options };
        let prefix = Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        self.store.list_paginated(prefix, options).await
    }
}

/// A part of a listing.
pub(super) enum Page {
    Objects(Vec<ObjectMeta>),
    /// A key that is no path; what is before it was given.
    Odd(String),
}

/// Keys that were left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Odd {
    pub(super) count: u64,
    /// The smallest.
    pub(super) first: Option<String>,
}

impl Odd {
    pub(super) fn add(&mut self, key: String) {
        self.and(Self { count: 1, first: Some(key) });
    }

    pub(super) fn and(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().into_iter().chain(other.first).min();
    }
}

/// How far a listing has come.
pub(super) struct Pages {
    folder: Folder,
    /// The greatest path that was listed, or key that was left out.
    pub(super) after: Option<String>,
    /// Where the store says that the next page begins.
    token: Option<String>,
    /// Whether keys come in their order, behind where it was to begin: not all stores have one.
    pub(super) is_ordered: bool,
    /// Objects that are asked for at a time.
    most: usize,
    /// Whether there is nothing more.
    pub(super) is_over: bool,
    /// Whether a key was left out.
    has_odd: bool,
}

impl Pages {
    /// All of a folder.
    pub(super) fn new(folder: Folder) -> Self {
        let most = folder.page;
        Self { folder, after: None, token: None, is_ordered: true, most, is_over: false, has_odd: false }
    }

    /// What of a folder is behind a key.
    pub(super) fn behind(folder: Folder, key: String) -> Self {
        Self { after: Some(key), ..Self::new(folder) }
    }

    /// The next page, or the key that stands before it.
    pub(super) async fn next(&mut self) -> object_store::Result<Page> {
        loop {
            let options = PaginatedListOptions {
                // Behind a token nothing else says where it goes on.
                offset: self.after.clone().filter(|_| self.token.is_none()),
                max_keys: Some(self.most),
                page_token: self.token.clone(),
                ..PaginatedListOptions::default()
            };
            match self.folder.asked(options).await {
                Ok(page) => return Ok(Page::Objects(self.took(page))),
                // Nothing is given of a page with such a key: smaller ones lead up to it.
                Err(Error::InvalidPath { .. }) if self.most > 1 && self.is_ordered => {
                    self.most = (self.most / 8).max(1);
                }
                Err(Error::InvalidPath { source }) => {
                    let Some(key) = odd_key(&source) else { return Err(Error::InvalidPath { source }) };
                    if !self.is_ordered || self.after.as_ref().is_some_and(|after| key <= *after) {
                        return Err(self.no_way_around(&key));
                    }
                    (self.after, self.token, self.has_odd) = (Some(key.clone()), None, true);
                    return Ok(Page::Odd(key));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Behind a key that is no path a listing goes on by its name, which says nothing where keys have another order.
    fn no_way_around(&self, key: &str) -> Error {
        let source = format!(
            "below '{}' the key {key:?} is no path, and the store lists keys in an order of its own, so that nothing behind it can be \
             listed; give it another name",
            self.folder.prefix
        );
        Error::Generic { store: "object store", source: source.into() }
    }

    fn took(&mut self, page: PaginatedListResult) -> Vec<ObjectMeta> {
        let mut objects = page.result.objects;
        // What a path loses of its key is a slash at the end: only such keys come behind paths that are greater.
        objects.retain(|meta| !self.has_odd || self.is_behind(meta));
        for meta in &objects {
            self.is_ordered &= meta.size == 0 || self.is_behind(meta);
            if self.is_behind(meta) {
                self.after = Some(meta.location.to_string());
            }
        }
        self.is_over = page.page_token.is_none();
        self.token = page.page_token;
        self.most = (self.most * 4).min(self.folder.page);
        objects
    }

    /// Whether an object's path comes behind all that were listed.
    fn is_behind(&self, meta: &ObjectMeta) -> bool {
        self.after.as_ref().is_none_or(|after| meta.location.as_ref() > after.as_str())
    }
}

/// The key that is no path.
fn odd_key(error: &PathError) -> Option<String> {
    match error {
        PathError::EmptySegment { path } | PathError::BadSegment { path, .. } => Some(path.clone()),
        _ => None,
    }
}
