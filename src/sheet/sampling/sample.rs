//! A sample of rows that doesn't depend on the order in which they come, in bounded memory.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use twox_hash::XxHash3_64;

use super::columns::ImageRows;

/// A row of the sample: the hash that chooses it, that of its path, and its number among all rows.
///
/// The path only decides between equal images: where they lie, and how that place is written, changes no sample.
type Key = (u64, u64, u64);

/// Keeps the rows whose hashes are the smallest: every row has the same chance, whenever it comes.
pub(super) struct Sample<T> {
    most: usize,
    seed: u64,
    /// Rows with equal hashes are equal, so that it doesn't matter which one is kept.
    kept: BTreeMap<Key, Option<T>>,
    rows: u64,
}

impl<T> Sample<T> {
    pub(super) fn new(most: usize, seed: u64) -> Self {
        Self { most, seed, kept: BTreeMap::new(), rows: 0 }
    }

    /// Looks at some rows and tells the positions of those that are in the sample by now; [`Self::put`] takes what they become.
    pub(super) fn offer(&mut self, rows: &ImageRows) -> BTreeMap<usize, Key> {
        let mut taken = BTreeMap::new();
        for row in 0..rows.images.len() {
            let path = rows.paths[row].as_deref().unwrap_or_default();
            let key =
                (hash(self.seed, rows, row), XxHash3_64::oneshot_with_seed(self.seed, path.as_bytes()), self.rows);
            self.rows += 1;
            let is_full = self.kept.len() == self.most;
            if is_full && self.kept.last_key_value().is_none_or(|(last, _)| *last < key) {
                continue;
            }
            if is_full {
                self.kept.pop_last();
            }
            self.kept.insert(key, None);
            taken.insert(row, key);
        }
        // What came in with these rows may have gone out with them.
        taken.retain(|_, key| self.kept.contains_key(key));
        taken
    }

    /// What a row of the sample becomes.
    pub(super) fn put(&mut self, key: Key, value: T) {
        if let Some(kept) = self.kept.get_mut(&key) {
            *kept = Some(value);
        }
    }

    /// What is kept, in the order in which the rows came.
    pub(super) fn into_values(self) -> Vec<T> {
        let mut kept: Vec<(u64, T)> =
            self.kept.into_iter().filter_map(|((_, _, row), value)| Some((row, value?))).collect();
        kept.sort_by_key(|(row, _)| *row);
        kept.into_iter().map(|(_, value)| value).collect()
    }
}

/// A stable hash of what a row is, wherever it comes from.
fn hash(seed: u64, rows: &ImageRows, row: usize) -> u64 {
    let image = XxHash3_64::oneshot_with_seed(seed, bytes_of(&rows.images, row));
    XxHash3_64::oneshot_with_seed(image, rows.labels[row].as_deref().unwrap_or_default().as_bytes())
}

/// The bytes of a file, or the pixels of an image.
pub(crate) fn bytes_of(images: &ArrayRef, row: usize) -> &[u8] {
    if images.is_null(row) {
        return &[];
    }
    let pixels = images.as_struct_opt().and_then(|image| image.column_by_name("data"));
    let bytes = pixels.unwrap_or(images).as_binary_opt::<i32>();
    bytes.filter(|bytes| bytes.is_valid(row)).map_or(&[], |bytes| bytes.value(row))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::BinaryArray;

    use super::*;

    /// Samples ten of so many rows, offered in parts.
    fn sampled(numbers: &[u32], part: usize, seed: u64) -> Vec<u32> {
        let mut sample = Sample::new(10, seed);
        for part in numbers.chunks(part) {
            let values: Vec<[u8; 4]> = part.iter().map(|number| number.to_be_bytes()).collect();
            let images: ArrayRef = Arc::new(BinaryArray::from_iter_values(values));
            let none = vec![None; part.len()];
            let rows = ImageRows { images, labels: none.clone(), paths: none };
            for (position, key) in sample.offer(&rows) {
                sample.put(key, part[position]);
            }
        }
        sample.into_values()
    }

    #[test]
    fn the_sample_is_the_same_in_any_order_and_in_any_parts() {
        let numbers: Vec<u32> = (0..1000).collect();
        let backwards: Vec<u32> = (0..1000).rev().collect();
        let expected = sampled(&numbers, 1000, 1);
        assert_eq!((expected.len(), sampled(&numbers, 7, 1)), (10, expected.clone()));
        let mut other = sampled(&backwards, 64, 1);
        other.sort_unstable();
        assert_eq!(other, expected);
        assert_ne!(sampled(&numbers, 7, 2), expected);
        assert!(expected.iter().any(|number| *number > 500), "{expected:?}");
    }

    #[test]
    fn the_sample_is_the_same_wherever_the_rows_come_from() {
        let sampled = |directory: &str| {
            let mut sample = Sample::new(10, 1);
            let images: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..100_u32).map(u32::to_be_bytes)));
            let paths = (0..100).map(|number| Some(format!("{directory}{number}.jpg"))).collect();
            let rows = ImageRows { images, labels: vec![None; 100], paths };
            for (position, key) in sample.offer(&rows) {
                sample.put(key, position);
            }
            sample.into_values()
        };
        for directory in ["./", "/data/", "file:///data/", "other/place/"] {
            assert_eq!(sampled(directory), sampled(""), "{directory}");
        }
    }

    #[test]
    fn a_few_rows_are_all_shown_in_their_order() {
        assert_eq!(sampled(&[5, 3, 9], 2, 1), [5, 3, 9]);
    }
}
