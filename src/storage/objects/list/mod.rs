//! Listing a folder: one page after the other, in the order of keys, or many at the same time, in whatever order they come.

mod folders;
mod odd;
mod pages;
mod ranges;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::list::PaginatedListOptions;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectMeta};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use url::Url;

pub(super) use self::odd::OddKeys;
pub(super) use self::pages::Folder;
use self::pages::{Odd, Page, Pages};
use super::open::OpenStore;
use crate::words::counted;

/// Whether objects are wanted in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The first ones first: it may be that no more are wanted.
    OfKeys,
    /// All of them are wanted.
    Any,
}

/// How a folder is listed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// Page after page.
    InOrder,
    /// In ranges of keys, so many at the same time: the store lists behind any key.
    InRanges(usize),
    /// Folder by folder, so many at the same time.
    ByFolder(usize),
}

/// What comes of a listing: pages, and behind the last one that it was the last.
pub(super) type Sender = mpsc::Sender<Result<Option<Vec<ObjectMeta>>>>;

/// Lists what is below a folder, until nobody wants more.
pub(super) async fn list(folder: Folder, way: Way, shown: String, pages: Sender) {
    let listed = match way {
        Way::InOrder => rest(Pages::new(folder), &pages).await,
        Way::InRanges(slots) => ranges::list(folder, slots, &pages).await,
        Way::ByFolder(slots) => folders::list(folder, slots, &pages).await,
    };
    let Some(Odd { count, first }) = listed else { return };
    if let Some(first) = first {
        tracing::warn!(
            "{} below '{shown}' {} left out, because parts of their keys are empty, '.', '..' or not printable, the first '{}'",
            counted(count, "object"),
            if count == 1 { "is" } else { "are" },
            first.escape_default()
        );
    }
    // Nobody may listen any more.
    let _ = pages.send(Ok(None)).await;
}

/// What is below a folder, in the order of keys, for those who take it as a stream.
pub(in crate::storage) fn stream_below(
    store: &OpenStore,
    io: &Handle,
    (bucket, folder): (&Url, Option<&ObjectPath>),
) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
    let prefix = folder.filter(|folder| !folder.as_ref().is_empty()).map_or(String::new(), |path| format!("{path}/"));
    let (sender, pages) = mpsc::channel(1);
    let folder = Folder::new(Arc::clone(&store.pages), prefix);
    let shown = format!("{}/{}", bucket.as_str().trim_end_matches('/'), folder.prefix);
    io.spawn(list(folder, Way::InOrder, shown, sender));
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Generic { store: "list", source };
    let pages = stream::unfold(Some(pages), move |pages| async move {
        let mut pages = pages?;
        match pages.recv().await {
            Some(Ok(Some(page))) => Some((Ok(page), Some(pages))),
            Some(Ok(None)) => None,
            Some(Err(DataFusionError::ObjectStore(error))) => Some((Err(*error), None)),
            Some(Err(error)) => Some((Err(failed(Box::new(error))), None)),
            None => Some((Err(failed("the listing stopped".into())), None)),
        }
    });
    pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
}

/// Names in a folder that begin so, those of folders with a slash: of one page, by one request.
///
/// # Errors
/// What the store says.
pub(super) async fn names(folder: Folder) -> object_store::Result<Vec<String>> {
    let start = folder.prefix.rfind('/').map_or(0, |slash| slash + 1);
    let options = PaginatedListOptions { delimiter: Some("/".into()), ..PaginatedListOptions::default() };
    let page = folder.asked(options).await?.0.result;
    let folders = page.common_prefixes.iter().map(|path| format!("{path}/"));
    let objects = page.objects.iter().map(|meta| meta.location.to_string());
    // The mark of the folder itself is shorter.
    let mut names: Vec<String> =
        folders.chain(objects).filter_map(|path| path.get(start..).map(str::to_string)).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    Ok(names)
}

/// Gives the rest of some pages, and says which keys were left out; `None` where it has failed or nobody wants more.
async fn rest(mut listing: Pages, pages: &Sender) -> Option<Odd> {
    let mut odd = Odd::default();
    while !listing.is_over {
        let page = next(&mut listing, pages).await?;
        odd.add(page.odd);
        give(page.objects, pages).await?;
    }
    Some(odd)
}

/// The next page; `None` where that has failed, which is told.
async fn next(listing: &mut Pages, pages: &Sender) -> Option<Page> {
    match listing.next().await {
        Ok(page) => Some(page),
        Err(error) => {
            // Nobody may listen any more.
            let _ = pages.send(Err(DataFusionError::from(error))).await;
            None
        }
    }
}

/// Gives objects; `None` where nobody wants them.
async fn give(objects: Vec<ObjectMeta>, pages: &Sender) -> Option<()> {
    pages.send(Ok(Some(objects))).await.ok()
}
