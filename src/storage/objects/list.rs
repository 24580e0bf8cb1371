//! Listing a folder, page by page: a page that comes cut is asked for again, and a key that is no path doesn't end it.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::{Error as PathError, Path as ObjectPath};
use object_store::{Error, ObjectMeta};
use tokio::sync::mpsc;

use crate::words::{counted, is_answer};

/// Objects of a page, as stores have them.
const PAGE: usize = 1000;
/// How often a page is asked for that doesn't come whole.
const ATTEMPTS: usize = 4;

/// Lists what is below a folder, until nobody wants more.
pub(super) async fn list(
    store: Arc<dyn PaginatedListStore>,
    base: ObjectPath,
    shown: String,
    pages: mpsc::Sender<Result<Vec<ObjectMeta>>>,
) {
    let prefix = if base.as_ref().is_empty() { String::new() } else { format!("{base}/") };
    let mut listing = Listing {
        store,
        prefix,
        after: None,
        token: None,
        is_ordered: true,
        most: PAGE,
        is_over: false,
        odd: 0,
        first_odd: None,
    };
    while !listing.is_over {
        let page = listing.page().await.map_err(DataFusionError::from);
        let is_failed = page.is_err();
        if pages.send(page).await.is_err() || is_failed {
            return;
        }
    }
    if let Some(first) = listing.first_odd {
        tracing::warn!(
            "{} below '{shown}' {} left out, because parts of their keys are empty, '.', '..' or not printable, the first '{}'",
            counted(listing.odd, "object"),
            if listing.odd == 1 { "is" } else { "are" },
            first.escape_default()
        );
    }
}

/// How far a listing has come.
struct Listing {
    store: Arc<dyn PaginatedListStore>,
    prefix: String,
    /// The greatest path that was listed, or key that was left out.
    after: Option<String>,
    /// Where the store says that the next page begins.
    token: Option<String>,
    /// Whether keys come in their order: not all stores have one.
    is_ordered: bool,
    /// Objects that are asked for at a time.
    most: usize,
    /// Whether there is nothing more.
    is_over: bool,
    /// Keys that were left out, and the first of them.
    odd: u64,
    first_odd: Option<String>,
}

impl Listing {
    /// The next page.
    async fn page(&mut self) -> object_store::Result<Vec<ObjectMeta>> {
        loop {
            match self.asked().await {
                Ok((mut objects, token)) => {
                    // What a path loses of its key is a slash at the end: only such keys come behind paths that are greater.
                    objects.retain(|meta| self.odd == 0 || self.is_behind(meta));
                    for meta in &objects {
                        self.is_ordered &= meta.size == 0 || self.is_behind(meta);
                        if self.is_behind(meta) {
                            self.after = Some(meta.location.to_string());
                        }
                    }
                    self.is_over = token.is_none();
                    self.token = token;
                    self.most = (self.most * 4).min(PAGE);
                    return Ok(objects);
                }
                // Nothing is given of a page with such a key: smaller ones lead up to it.
                Err(Error::InvalidPath { .. }) if self.most > 1 && self.is_ordered => {
                    self.most = (self.most / 8).max(1);
                }
                Err(Error::InvalidPath { source }) => {
                    let Some(key) = odd_key(&source)
                        .filter(|key| self.is_ordered && self.after.as_ref().is_none_or(|after| key > after))
                    else {
                        return Err(Error::InvalidPath { source });
                    };
                    self.odd += 1;
                    self.first_odd.get_or_insert_with(|| key.clone());
                    (self.after, self.token) = (Some(key), None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether an object's path comes behind all that were listed.
    fn is_behind(&self, meta: &ObjectMeta) -> bool {
        self.after.as_ref().is_none_or(|after| meta.location.as_ref() > after.as_str())
    }

    /// What the store answers, and again where that doesn't come whole.
    async fn asked(&self) -> object_store::Result<(Vec<ObjectMeta>, Option<String>)> {
        let mut attempt = 1;
        loop {
            let options = PaginatedListOptions {
                // Behind a token nothing else says where it goes on.
                offset: self.after.clone().filter(|_| self.token.is_none()),
                max_keys: Some(self.most).filter(|most| *most < PAGE),
                page_token: self.token.clone(),
                ..PaginatedListOptions::default()
            };
            let prefix = Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty());
            match self.store.list_paginated(prefix, options).await {
                Ok(page) => return Ok((page.result.objects, page.page_token)),
                Err(error @ Error::Generic { .. }) if attempt < ATTEMPTS && !is_answer(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

/// The key that is no path.
fn odd_key(error: &PathError) -> Option<String> {
    match error {
        PathError::EmptySegment { path } | PathError::BadSegment { path, .. } => Some(path.clone()),
        _ => None,
    }
}
