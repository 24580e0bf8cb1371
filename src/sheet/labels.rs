//! How many images each label has, in bounded memory.

use std::collections::BTreeMap;

use indicatif::HumanCount;

use crate::words::counted;

/// Labels that are counted one by one: captions are as many as images.
const MOST: usize = 10_000;

/// Images by label.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    images: u64,
    counts: BTreeMap<String, u64>,
    /// Images whose labels came when there were too many.
    others: u64,
}

impl Labels {
    /// Counts images of a label; those without one are images all the same.
    pub(crate) fn add(&mut self, label: Option<&str>, images: u64) {
        self.images += images;
        let Some(label) = label else { return };
        let is_full = self.counts.len() >= MOST;
        match self.counts.get_mut(label) {
            Some(count) => *count += images,
            None if is_full => self.others += images,
            None => {
                self.counts.insert(label.to_string(), images);
            }
        }
    }

    /// All images, those without a label included.
    pub(crate) fn images(&self) -> u64 {
        self.images
    }

    /// Whether no image has a label.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Whether all images have one label.
    pub(crate) fn is_single(&self) -> bool {
        self.counts.values().next() == Some(&self.images)
    }

    /// Labels and their images, sorted by label.
    pub(super) fn counts(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
        self.counts.iter().map(|(label, count)| (label.as_str(), *count))
    }

    /// How many labels there are, in words.
    pub(super) fn counted(&self) -> String {
        if self.others > 0 {
            return format!("more than {} labels", HumanCount(self.counts.len() as u64));
        }
        counted(self.counts.len() as u64, "label")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_for_each_image_takes_no_more_memory_than_many_labels() {
        let mut labels = Labels::default();
        for image in 0..2 * MOST {
            labels.add(Some(&image.to_string()), 1);
        }
        labels.add(Some("0"), 1);
        assert_eq!((labels.images(), labels.counts().len()), (2 * MOST as u64 + 1, MOST));
        assert_eq!(labels.counts().next(), Some(("0", 2)));
        assert_eq!(labels.counted(), "more than 10,000 labels");
    }
}
