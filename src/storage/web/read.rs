//! Reading images of the web, many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::Result;
use futures::{StreamExt, stream};

use super::options::WebOptions;
use super::outage::Outage;
use crate::storage::objects::Content;
use crate::storage::{AllowList, Stores, Unread};

/// Images of a call that are on their way at the same time.
const AT_ONCE: usize = 256;

/// Reads images, in the order of their URLs, from the first on until `most_bytes` have come; of one at least. It waits: it is for
/// threads that may.
///
/// # Errors
/// The network is down, as far as anybody can tell.
pub(crate) fn read_web(
    stores: &Stores,
    urls: Vec<String>,
    options: &Arc<WebOptions>,
    allow: &Arc<AllowList>,
    most_bytes: usize,
    outage: &Outage,
) -> Result<Vec<Content>> {
    let web = stores.web()?;
    let came = Arc::new(AtomicUsize::new(0));
    let so_far = Arc::clone(&came);
    let (options, allow) = (Arc::clone(options), Arc::clone(allow));
    // Those that were asked for are all waited for: none is asked for twice.
    let wanted = urls.into_iter().enumerate();
    let wanted = wanted.take_while(move |(index, _)| *index == 0 || so_far.load(Ordering::Relaxed) < most_bytes);
    let requests = wanted.map(move |(index, url)| {
        let (web, came) = (Arc::clone(&web), Arc::clone(&came));
        let (options, allow) = (Arc::clone(&options), Arc::clone(&allow));
        async move {
            let got = web.get(&url, &options, &allow).await;
            came.fetch_add(got.as_ref().map_or(0, |bytes| bytes.len()), Ordering::Relaxed);
            (index, url, got)
        }
    });
    let mut got = stores.wait(stream::iter(requests).buffer_unordered(AT_ONCE).collect::<Vec<_>>())?;
    got.sort_by_key(|(index, ..)| *index);
    // In the order of the list: hosts that are gone are known sooner than others answer.
    got.iter().try_for_each(|(_, url, got)| outage.count(url, got))?;
    Ok(got.into_iter().map(|(.., got)| got.map_err(|failure| Unread::new(failure.class, failure.reason))).collect())
}
