//! The pages of a listing.

use std::sync::Arc;

use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::{Extensions, ObjectMeta};

use super::odd::{OddKey, OddKeys};

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

    /// What the store answers, and the keys of it that are no paths. The connector asks again where that doesn't come whole.
    pub(super) async fn asked(
        &self,
        options: PaginatedListOptions,
    ) -> object_store::Result<(PaginatedListResult, Vec<OddKey>)> {
        let odd = OddKeys::default();
        let mut extensions = Extensions::new();
        extensions.insert(odd.clone());
        let max_keys = options.max_keys.filter(|most| *most < PAGE);
        let options = PaginatedListOptions { max_keys, extensions, ..options };
        let prefix = Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let page = self.store.list_paginated(prefix, options).await?;
        Ok((page, odd.taken()))
    }
}

/// A part of a listing.
pub(super) struct Page {
    pub(super) objects: Vec<ObjectMeta>,
    /// Keys that are no paths.
    pub(super) odd: Vec<OddKey>,
}

impl Page {
    /// All keys, as they stand in the listing.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let mut odd = self.odd.iter().peekable();
        let (mut objects, mut given) = (self.objects.iter(), 0);
        std::iter::from_fn(move || {
            if let Some(odd) = odd.next_if(|odd| odd.before <= given) {
                return Some(odd.key.as_str());
            }
            given += 1;
            objects.next().map(|meta| meta.location.as_ref())
        })
    }
}

/// Keys that were left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Odd {
    pub(super) count: u64,
    /// The smallest.
    pub(super) first: Option<String>,
}

impl Odd {
    pub(super) fn add(&mut self, keys: Vec<OddKey>) {
        self.and(Self { count: keys.len() as u64, first: keys.into_iter().map(|odd| odd.key).min() });
    }

    pub(super) fn and(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().into_iter().chain(other.first).min();
    }
}

/// How far a listing has come.
pub(super) struct Pages {
    folder: Folder,
    /// The greatest path that was listed.
    pub(super) after: Option<String>,
    /// Where the store says that the next page begins.
    token: Option<String>,
    /// Whether keys come in their order, behind where it was to begin: not all stores have one.
    pub(super) is_ordered: bool,
    /// Whether there is nothing more.
    pub(super) is_over: bool,
}

impl Pages {
    /// All of a folder.
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder, after: None, token: None, is_ordered: true, is_over: false }
    }

    /// What of a folder is behind a key.
    pub(super) fn behind(folder: Folder, key: String) -> Self {
        Self { after: Some(key), ..Self::new(folder) }
    }

    /// The next page.
    pub(super) async fn next(&mut self) -> object_store::Result<Page> {
        let options = PaginatedListOptions {
            // Behind a token nothing else says where it goes on.
            offset: self.after.clone().filter(|_| self.token.is_none()),
            max_keys: Some(self.folder.page),
            page_token: self.token.take(),
            ..PaginatedListOptions::default()
        };
        let (page, odd) = self.folder.asked(options).await?;
        for meta in &page.result.objects {
            let is_behind = self.is_behind(meta);
            // What a path loses of its key is a slash at the end, which marks a folder: only such keys come behind greater paths.
            self.is_ordered &= meta.size == 0 || is_behind;
            if is_behind {
                self.after = Some(meta.location.to_string());
            }
        }
        self.is_over = page.page_token.is_none();
        self.token = page.page_token;
        Ok(Page { objects: page.result.objects, odd })
    }

    /// Whether an object's path comes behind all that were listed.
    fn is_behind(&self, meta: &ObjectMeta) -> bool {
        self.after.as_ref().is_none_or(|after| meta.location.as_ref() > after.as_str())
    }
}
