//! Images that are there more than once, by a hash of their bytes: 16 bytes of memory for each image.

use serde::Serialize;
use twox_hash::XxHash3_64;

use super::report::{Fault, FaultKind, FaultPlace};

/// Where an image is, and its hash. Two of ten million different images share a hash once in 400,000 datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HashedImage {
    hash: u64,
    shard: u32,
    record: u32,
}

impl HashedImage {
    pub(super) fn new(content: &[u8], shard: usize, record: u64) -> Self {
        // No dataset comes near to these numbers; one that did would name a wrong place, nothing else.
        let [shard, record] = [shard as u64, record].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Self { hash: XxHash3_64::oneshot(content), shard, record }
    }
}

/// Images that are there more than once.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Duplicates {
    /// Images that were there before.
    pub(crate) images: u64,
    /// Different images that are there more than once.
    pub(crate) groups: u64,
    /// Of the first groups, the first two places.
    pub(crate) listed: Vec<Duplicate>,
}

/// Two places of an image.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Duplicate {
    pub(crate) first: ImagePlace,
    pub(crate) again: ImagePlace,
    /// How many places there are in all.
    pub(crate) places: u64,
}

/// The record that holds an image.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ImagePlace {
    pub(crate) path: String,
    pub(crate) record: u64,
}

impl Duplicates {
    /// A fault for each listed group.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let fault = |duplicate: &Duplicate| {
            let Duplicate { first, again, .. } = duplicate;
            let message = format!("the same image as {}, record {}", first.path, first.record);
            let place = FaultPlace { record: again.record, offset: None };
            Fault::new(&again.path, Some(place), FaultKind::Duplicate, message)
        };
        self.listed.iter().map(fault).collect()
    }
}

/// How many groups are listed.
const MOST_LISTED: usize = 10;

/// Finds what is there more than once; `path` names a shard.
pub(super) fn find(mut images: Vec<HashedImage>, path: impl Fn(usize) -> String) -> Duplicates {
    images.sort_unstable();
    // A record that holds an image twice is one place.
    images.dedup();
    let mut duplicates = Duplicates::default();
    let mut groups = Vec::new();
    for group in images.chunk_by(|left, right| left.hash == right.hash) {
        if let [first, again, ..] = group {
            duplicates.groups += 1;
            duplicates.images += group.len() as u64 - 1;
            groups.push((first.shard, first.record, again.shard, again.record, group.len() as u64));
        }
    }
    groups.sort_unstable();
    let place = |shard: u32, record: u32| ImagePlace { path: path(shard as usize), record: u64::from(record) };
    let listed = groups.into_iter().take(MOST_LISTED);
    duplicates.listed = listed
        .map(|(first_shard, first, again_shard, again, places)| Duplicate {
            first: place(first_shard, first),
            again: place(again_shard, again),
            places,
        })
        .collect();
    duplicates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_names_its_first_two_places() {
        let images = [(&b"a"[..], 1, 5), (b"b", 0, 2), (b"a", 0, 9), (b"a", 1, 7), (b"b", 0, 2), (b"c", 0, 1)];
        let images = images.map(|(content, shard, record)| HashedImage::new(content, shard, record));
        let found = find(images.to_vec(), |shard| format!("shard {shard}"));
        assert_eq!((found.images, found.groups), (2, 1));
        let place = |path: &str, record| ImagePlace { path: path.to_string(), record };
        assert_eq!(found.listed, [Duplicate { first: place("shard 0", 9), again: place("shard 1", 5), places: 3 }]);
    }
}
