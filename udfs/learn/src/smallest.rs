//! The different rows whose keys are smallest, however the rows are cut into parts: a sample, where keys are hashes.

use std::cmp::Ordering;

use crate::codec::{Reader, Writer};
use crate::error::Error;

/// Up to `most` rows, and how many rows were equal to each.
#[derive(Debug, Clone)]
pub(crate) struct Smallest {
    most: usize,
    columns: usize,
    /// Beyond `most`, and in no order, between two calls of `settle`.
    keys: Vec<u64>,
    counts: Vec<u64>,
    rows: Vec<f64>,
    /// No key above this one is among the smallest.
    threshold: u64,
}

impl Smallest {
    pub(crate) fn new(most: usize, columns: usize) -> Self {
        Self { most, columns, keys: Vec::new(), counts: Vec::new(), rows: Vec::new(), threshold: u64::MAX }
    }

    /// Keys above this needn't be offered.
    #[inline(always)]
    pub(crate) fn threshold(&self) -> u64 {
        self.threshold
    }

    /// Looks at a row; equal rows must have equal keys.
    #[inline(always)]
    pub(crate) fn offer(&mut self, key: u64, row: &[f64]) {
        if key <= self.threshold {
            self.push(key, 1, row);
        }
    }

    #[inline(never)]
    fn push(&mut self, key: u64, count: u64, row: &[f64]) {
        self.keys.push(key);
        self.counts.push(count);
        self.rows.extend(row.iter().map(|value| value + 0.0));
        if self.keys.len() >= 2 * self.most + 256 {
            self.settle();
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for ((key, count), row) in other.keys.iter().zip(&other.counts).zip(other.rows.chunks_exact(self.columns)) {
            if *key <= self.threshold {
                self.push(*key, *count, row);
            }
        }
    }

    /// Sorts by key, then by values; counts equal rows once, and leaves out what is beyond `most`.
    pub(crate) fn settle(&mut self) {
        let columns = self.columns;
        let row = |index: usize| &self.rows[index * columns..(index + 1) * columns];
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by(|a, b| self.keys[*a].cmp(&self.keys[*b]).then_with(|| compare_rows(row(*a), row(*b))));
        let mut kept = Self::new(self.most, columns);
        let mut last = None;
        for index in order {
            if last.is_some_and(|last: usize| self.keys[last] == self.keys[index] && row(last) == row(index)) {
                if let Some(count) = kept.counts.last_mut() {
                    *count += self.counts[index];
                }
                continue;
            }
            if kept.keys.len() == self.most {
                break;
            }
            kept.keys.push(self.keys[index]);
            kept.counts.push(self.counts[index]);
            kept.rows.extend_from_slice(row(index));
            last = Some(index);
        }
        if kept.keys.len() == self.most {
            kept.threshold = kept.keys.last().copied().unwrap_or_default();
        }
        *self = kept;
    }

    /// The rows, by key, and how many were equal to each.
    pub(crate) fn into_rows(mut self) -> (Vec<f64>, Vec<u64>) {
        self.settle();
        (self.rows, self.counts)
    }

    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.most, self.columns) == (other.most, other.columns)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<u64>() * (self.keys.capacity() + self.counts.capacity() + self.rows.capacity())
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let mut settled = self.clone();
        settled.settle();
        writer.count(settled.most as u64);
        writer.count(settled.keys.len() as u64);
        settled.keys.iter().for_each(|key| writer.word(*key));
        settled.counts.iter().for_each(|count| writer.count(*count));
        writer.numbers(&settled.rows);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<Self, Error> {
        let most = usize::try_from(reader.count()?).unwrap_or(usize::MAX).min(usize::MAX / 4);
        let len = reader.size()?;
        let keys = (0..len).map(|_| reader.word()).collect::<Result<_, _>>()?;
        let counts = (0..len).map(|_| reader.count()).collect::<Result<_, _>>()?;
        let mut smallest = Self { keys, counts, rows: reader.matrix(len, columns)?, ..Self::new(most, columns) };
        smallest.settle();
        Ok(smallest)
    }
}

/// The order of rows by their values, the first one first.
pub(crate) fn compare_rows(a: &[f64], b: &[f64]) -> Ordering {
    let different = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
    different.unwrap_or(Ordering::Equal)
}
