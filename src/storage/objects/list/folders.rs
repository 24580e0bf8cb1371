//! Listing folder by folder, where a store doesn't list from a key on: those of a long listing side by side.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::list::PaginatedListOptions;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::pages::{Folder, Odd, Page, Pages};
use super::{Sender, give, next, rest};

/// Folders that are listed one by one at most: each takes a request at least, however little is in it.
const MOST_FOLDERS: usize = 256;

/// Lists a folder, with so many requests at the same time at most.
pub(super) async fn list(folder: Folder, slots: usize, pages: &Sender) -> Option<Odd> {
    below(folder, Arc::new(Semaphore::new(slots.max(1))), pages.clone()).await
}

fn below(folder: Folder, slots: Arc<Semaphore>, pages: Sender) -> BoxFuture<'static, Option<Odd>> {
    async move {
        let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
        let mut listing = Pages::new(folder.clone());
        let mut odd = Odd::default();
        let first = next(&mut listing, &pages).await?;
        let parts = if listing.is_over { None } else { parts(&folder).await };
        let Some((page, folders)) = parts else {
            odd.add(first.odd);
            give(first.objects, &pages).await?;
            odd.and(rest(listing, &pages).await?);
            return Some(odd);
        };
        odd.add(page.odd);
        give(page.objects, &pages).await?;
        drop(slot);
        let mut others = JoinSet::new();
        for prefix in folders {
            others.spawn(below(Folder { prefix, ..folder.clone() }, Arc::clone(&slots), pages.clone()));
        }
        while let Some(other) = others.join_next().await {
            odd.and(other.ok()??);
        }
        Some(odd)
    }
    .boxed()
}

/// The objects and the folders of a folder; `None` where it has no folders, or too many, or some whose names are no paths.
async fn parts(folder: &Folder) -> Option<(Page, Vec<String>)> {
    let options = PaginatedListOptions { delimiter: Some("/".into()), ..PaginatedListOptions::default() };
    let (page, odd) = folder.asked(options).await.ok()?;
    let folders: Vec<String> = page.result.common_prefixes.iter().map(|path| format!("{path}/")).collect();
    let is_all = page.page_token.is_none() && (1..=MOST_FOLDERS).contains(&folders.len());
    // Paths lose a slash at their beginning, and would lead to other folders.
    let are_below = folders.iter().all(|below| below != "/" && below.starts_with(&folder.prefix));
    (is_all && are_below).then_some((Page { objects: page.result.objects, odd }, folders))
}
