//! Listing in ranges of keys. A range that turns out long is cut at a key in the middle of what is left of it, as often as a slot is free.
//!
//! No object is lost or comes twice: a range ends with a key that the store has given, and the next one is there once the store has
//! given what comes behind that key. Some stores list keys as the paths of a tree of files, `a/1` before `a.jpg`: there a range goes on
//! until that very key comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, exec_datafusion_err};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::list::PaginatedListOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::pages::{Folder, Odd, Page, Pages};
use super::{Sender, give, next};

/// Pages after which a listing is taken for a long one.
const SHORT: usize = 3;
/// Pages after which a range is cut that couldn't be.
const PAUSE: usize = 16;
/// How often it is asked for what is behind a text, for one cut.
const MOST_PROBES: usize = 16;
/// Objects that an answer to that has: the first ones may be no objects but marks of folders.
const PROBED: usize = 8;

/// Lists a folder, in so many ranges at the same time at most.
pub(super) async fn list(folder: Folder, slots: usize, pages: &Sender) -> Option<Odd> {
    let slots = Arc::new(Semaphore::new(slots.saturating_sub(1)));
    let work = Work { folder: folder.clone(), slots, pages: pages.clone(), is_whole: AtomicBool::new(false) };
    let all = Range { listing: Pages::new(folder), bounds: Arc::default(), first: None, slot: None };
    all.list(Arc::new(work)).await
}

/// Lists a folder as a range that ends with a key, as if the rest had been cut off.
#[cfg(test)]
pub(super) async fn list_until(folder: Folder, last: &str, pages: &Sender) -> Option<Odd> {
    let slots = Arc::new(Semaphore::new(0));
    let work = Work { folder: folder.clone(), slots, pages: pages.clone(), is_whole: AtomicBool::new(false) };
    let bounds = Bounds { last: Some(last.to_string()), ..Bounds::default() };
    let range = Range { listing: Pages::new(folder), bounds: Arc::new(Mutex::new(bounds)), first: None, slot: None };
    range.list(Arc::new(work)).await
}

/// What ranges share.
struct Work {
    folder: Folder,
    /// For ranges that are listed beside the first.
    slots: Arc<Semaphore>,
    pages: Sender,
    /// Whether the store doesn't list from a key on.
    is_whole: AtomicBool,
}

/// A part of the keys, which is being listed.
struct Range {
    listing: Pages,
    bounds: Arc<Mutex<Bounds>>,
    /// Its first page, where that was asked for.
    first: Option<Page>,
    /// What it takes to list it beside others.
    slot: Option<OwnedSemaphorePermit>,
}

/// How far a range goes.
#[derive(Default)]
struct Bounds {
    /// How far it has been listed.
    at: Option<String>,
    /// The key that it ends with; else it goes on to the folder's end.
    last: Option<String>,
    /// Whether that key alone ends it: the store has given greater ones before it.
    is_out_of_order: bool,
    /// A text that no key is behind but the last, as far as is known.
    top: Option<String>,
    is_over: bool,
    is_being_cut: bool,
    /// Pages to be listed before it is cut.
    pause: usize,
}

fn lock(bounds: &Mutex<Bounds>) -> MutexGuard<'_, Bounds> {
    bounds.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Range {
    /// Lists it, and those that are cut off.
    fn list(mut self, work: Arc<Work>) -> BoxFuture<'static, Option<Odd>> {
        async move {
            let mut odd = Odd::default();
            let mut others: JoinSet<Option<Odd>> = JoinSet::new();
            if self.first.is_none() {
                lock(&self.bounds).pause = SHORT;
            }
            loop {
                let page = match self.first.take() {
                    Some(page) => page,
                    None => next(&mut self.listing, &work.pages).await?,
                };
                self.check_order(&page, &work).await?;
                let page = lock(&self.bounds).take(page, &self.listing);
                odd.add(page.odd);
                give(page.objects, &work.pages).await?;
                if lock(&self.bounds).is_over {
                    break;
                }
                if let Some(slot) = self.free_slot(&work) {
                    others.spawn(cut_off(Arc::clone(&work), Arc::clone(&self.bounds), slot));
                }
            }
            // The others may take longer.
            drop(self.slot.take());
            while let Some(other) = others.join_next().await {
                odd.and(other.ok()??);
            }
            Some(odd)
        }
        .boxed()
    }

    /// Looks whether keys have come past the one that this range ends with, though that is there: then the store's order is another
    /// than that of keys, and only the key itself says where the next range begins. `None` where it doesn't come at all, which is told.
    async fn check_order(&self, page: &Page, work: &Work) -> Option<()> {
        let is_over = self.listing.is_over;
        let Some(last) = lock(&self.bounds).passed(page.keys(), is_over) else { return Some(()) };
        let is_there = work.has(&last).await?;
        let is_out_of_order = {
            let mut bounds = lock(&self.bounds);
            bounds.is_out_of_order |= is_there;
            bounds.is_out_of_order
        };
        if is_out_of_order && is_over && !page.keys().any(|key| key == last) {
            let error = exec_datafusion_err!(
                "the store lists keys in an order of its own, and '{last}' not at all; list it with --store-requests 1"
            );
            // Nobody may listen any more.
            let _ = work.pages.send(Err(error)).await;
            return None;
        }
        Some(())
    }

    /// A slot for the rest of this range, where it is to be cut.
    fn free_slot(&self, work: &Work) -> Option<OwnedSemaphorePermit> {
        let mut bounds = lock(&self.bounds);
        bounds.pause = bounds.pause.saturating_sub(1);
        let can_be_cut =
            bounds.pause == 0 && !bounds.is_being_cut && self.listing.is_ordered && !bounds.is_out_of_order;
        if !can_be_cut || work.is_whole.load(Ordering::Relaxed) {
            return None;
        }
        let slot = Arc::clone(&work.slots).try_acquire_owned().ok()?;
        bounds.is_being_cut = true;
        Some(slot)
    }
}

impl Bounds {
    /// The key that the range ends with, where greater ones come before it, or the listing ends without it.
    fn passed<'k>(&self, mut keys: impl Iterator<Item = &'k str>, is_over: bool) -> Option<String> {
        let last = self.last.as_ref()?;
        let is_passed = match self.is_out_of_order {
            true => is_over && !keys.any(|key| key == last),
            false => keys.find(|key| *key >= last.as_str()).map_or(is_over, |key| key != last),
        };
        is_passed.then(|| last.clone())
    }

    /// Of a page what is in the range.
    fn take(&mut self, page: Page, listing: &Pages) -> Page {
        self.at.clone_from(&listing.after);
        let Page { mut objects, mut odd } = page;
        let is_end = |key: &str, last: &str| if self.is_out_of_order { key == last } else { key >= last };
        let end = self.last.as_ref().and_then(|last| {
            let at = objects.iter().position(|meta| is_end(meta.location.as_ref(), last))?;
            Some(at + usize::from(objects[at].location.as_ref() == last.as_str()))
        });
        self.is_over = end.is_some() || listing.is_over;
        match (end, &self.last) {
            (Some(end), Some(last)) if end > 0 && objects[end - 1].location.as_ref() == last.as_str() => {
                odd.retain(|odd| odd.before < end);
            }
            // The last key itself is gone.
            (_, Some(last)) if !self.is_out_of_order => odd.retain(|odd| odd.key <= *last),
            _ => {}
        }
        objects.truncate(end.unwrap_or(objects.len()));
        Page { objects, odd }
    }
}

/// Cuts the rest of a range in two, and lists the second half.
async fn cut_off(work: Arc<Work>, bounds: Arc<Mutex<Bounds>>, slot: OwnedSemaphorePermit) -> Option<Odd> {
    let Some(half) = second_half(&work, &bounds).await else {
        let mut bounds = lock(&bounds);
        (bounds.is_being_cut, bounds.pause) = (false, PAUSE);
        return Some(Odd::default());
    };
    Range { slot: Some(slot), ..half }.list(work).await
}

/// The second half of what is left of a range, where it can be cut: it is that range's no more then.
async fn second_half(work: &Work, bounds: &Mutex<Bounds>) -> Option<Range> {
    let (at, last, top) = {
        let bounds = lock(bounds);
        (bounds.at.clone()?, bounds.last.clone(), bounds.top.clone())
    };
    let top = match top.or_else(|| last.clone()) {
        Some(top) => top,
        None => work.top(&at).await?,
    };
    let (middle, key) = work.middle(&at, &top, last.as_deref()).await?;
    let mut listing = Pages::behind(work.folder.clone(), key.clone());
    let first = listing.next().await.ok()?;
    if !listing.is_ordered {
        work.is_whole.store(true, Ordering::Relaxed);
        return None;
    }
    let mut bounds = lock(bounds);
    if first.objects.is_empty()
        || bounds.is_over
        || bounds.is_out_of_order
        || bounds.at.as_ref().is_none_or(|at| *at >= key)
    {
        return None;
    }
    bounds.is_being_cut = false;
    bounds.top = Some(middle);
    let last = bounds.last.replace(key);
    let half = Bounds { last, top: Some(top), ..Bounds::default() };
    Some(Range { listing, bounds: Arc::new(Mutex::new(half)), first: Some(first), slot: None })
}

/// What comes behind a text.
enum Behind {
    Nothing,
    /// Something that no range can end with: a mark of a folder, say.
    Something,
    Key(String),
}

impl Work {
    /// Whether there is an object of this key; `None` where the store doesn't say, which is told.
    async fn has(&self, key: &str) -> Option<bool> {
        let named = Folder { prefix: key.to_string(), ..self.folder.clone() };
        match named.asked(PaginatedListOptions::default()).await {
            Ok((page, _)) => Some(page.result.objects.iter().any(|meta| meta.location.as_ref() == key)),
            Err(error) => {
                // Nobody may listen any more.
                let _ = self.pages.send(Err(DataFusionError::from(error))).await;
                None
            }
        }
    }

    /// What comes behind a text; `None` where that can't be known.
    async fn behind(&self, text: &str) -> Option<Behind> {
        let options = PaginatedListOptions {
            offset: Some(text.to_string()),
            max_keys: Some(PROBED),
            ..PaginatedListOptions::default()
        };
        let objects = self.folder.asked(options).await.ok()?.0.result.objects;
        let mut keys = objects.iter().filter(|meta| meta.size > 0).map(|meta| meta.location.as_ref());
        Some(match keys.next() {
            Some(key) if key <= text => {
                self.is_whole.store(true, Ordering::Relaxed);
                return None;
            }
            Some(key) => Behind::Key(key.to_string()),
            None if objects.is_empty() => Behind::Nothing,
            None => Behind::Something,
        })
    }

    /// A text that no key is behind, close to a key that is no more than so far.
    async fn top(&self, at: &str) -> Option<String> {
        // How keys go on behind their beginnings, the longer of which have more behind them.
        let ends: Vec<usize> = at.char_indices().map(|(start, letter)| start + letter.len_utf8()).collect();
        let ends: Vec<usize> = ends.into_iter().filter(|end| *end > self.folder.prefix.len()).collect();
        let (mut low, mut high) = (0, ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.behind(&next_text(&at[..ends[middle]])?).await? {
                Behind::Nothing => low = middle + 1,
                Behind::Something | Behind::Key(_) => high = middle,
            }
        }
        ends.get(low)?;
        match low.checked_sub(1) {
            Some(shorter) => next_text(&at[..ends[shorter]]),
            None => Some(next_text(&self.folder.prefix).unwrap_or_else(|| char::MAX.to_string())),
        }
    }

    /// A key about in the middle between `at` and `top`, before `last`, and a text that no key lies between.
    async fn middle(&self, at: &str, top: &str, last: Option<&str>) -> Option<(String, String)> {
        let mut top = top.to_string();
        for _ in 0..MOST_PROBES {
            let middle = between(at, &top)?;
            match self.behind(&middle).await? {
                Behind::Key(key) if last.is_none_or(|last| key.as_str() < last) => return Some((middle, key)),
                _ => top = middle,
            }
        }
        None
    }
}

/// The text of the same length behind all that begin with this one, if there is one.
fn next_text(text: &str) -> Option<String> {
    let mut next = text.to_string();
    let last = next.pop()?;
    next.push((last..=char::MAX).nth(1)?);
    Some(next)
}

/// The letter behind those that are likely to stand where this one does.
fn end_of_likely(letter: char) -> char {
    match letter {
        '0'..='9' => ':',
        'A'..='Z' => '[',
        'a'..='z' => '{',
        letter if letter < '\u{7f}' => '\u{7f}',
        _ => char::MAX,
    }
}

/// A text between two, in the middle of them as far as their letters tell; `None` where there is none.
fn between(low: &str, high: &str) -> Option<String> {
    if low >= high {
        return None;
    }
    let common = low.chars().zip(high.chars()).take_while(|(low, high)| low == high).count();
    let mut bound = high.chars().nth(common);
    let mut text: String = low.chars().take(common).collect();
    for first in low.chars().skip(common).chain([' ']) {
        let likely = end_of_likely(first);
        let end = bound.map_or(likely, |bound| bound.min(likely));
        let middle = u32::midpoint(first as u32, end as u32);
        if middle > first as u32 {
            text.push(char::from_u32(middle)?);
            return Some(text);
        }
        // All that is behind the lower text and begins as it does.
        text.push(first);
        bound = None;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_texts_is_one_that_is_in_the_middle() {
        let cases = [
            ("a/1000", "a/9000", Some("a/5")),
            ("a/1999", "a/2", Some("a/1999O")),
            ("a/1", "a/2", Some("a/1O")),
            ("a", "a/b", Some("a'")),
            ("ä", "ü", Some("ð")),
            ("b", "a", None),
            ("a", "a", None),
            ("a", "a ", None),
            ("a~~", "b", Some("a~~O")),
        ];
        for (low, high, expected) in cases {
            let middle = between(low, high);
            assert_eq!(middle.as_deref(), expected, "{low:?} {high:?}");
            assert!(middle.is_none_or(|middle| low < middle.as_str() && middle.as_str() < high), "{low:?} {high:?}");
        }
    }
}
