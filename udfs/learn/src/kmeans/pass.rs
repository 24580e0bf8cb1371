//! What the passes of k-means over the rows look for.

use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::functions::ln;
use crate::precise::PreciseSums;
use crate::smallest::{Smallest, compare_rows};
use crate::strip::{ROWS, Strip, hashes, mix, nearest};

/// A pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KMeansPass {
    /// Keeps different rows by their hash, and counts the rows that are equal to them.
    Sample { most: usize, seed: u64 },
    /// Keeps rows that are far from the candidates so far: the farther, the likelier.
    ///
    /// Only rows whose hash is at most `share` are looked at.
    Draw { most: usize, seed: u64, share: u64, candidates: Vec<f64> },
    /// Counts for each candidate the rows that are nearest to it, of the same rows.
    Weigh { share: u64, candidates: Vec<f64> },
    /// The cost of each of some sets of `k` centres.
    Compare { k: usize, starts: Vec<f64> },
    /// A round of Lloyd's.
    Round { centres: Vec<f64> },
}

/// What a pass has found.
#[derive(Debug, Clone)]
pub(crate) enum KMeansSums {
    Sample(Smallest),
    Draw { cost: PreciseSums, drawn: Smallest },
    Weigh { counts: Vec<u64> },
    Compare { costs: PreciseSums },
    Round(Clusters),
}

/// The rows of each cluster.
#[derive(Debug, Clone)]
pub(crate) struct Clusters {
    pub(crate) counts: Vec<u64>,
    pub(crate) sums: PreciseSums,
    /// Sums of squared distances.
    pub(crate) costs: PreciseSums,
    /// The squared distance of the row that is farthest; -1 without rows.
    pub(crate) farthest: Vec<f64>,
    pub(crate) farthest_rows: Vec<f64>,
}

impl KMeansPass {
    pub(crate) fn sums(&self, columns: usize) -> KMeansSums {
        match self {
            Self::Sample { most, .. } => KMeansSums::Sample(Smallest::new(*most, columns)),
            Self::Draw { most, .. } => {
                KMeansSums::Draw { cost: PreciseSums::new(1), drawn: Smallest::new(*most, columns) }
            }
            Self::Weigh { candidates, .. } => KMeansSums::Weigh { counts: vec![0; candidates.len() / columns] },
            Self::Compare { k, starts } => {
                KMeansSums::Compare { costs: PreciseSums::new(starts.len() / (k * columns)) }
            }
            Self::Round { centres } => KMeansSums::Round(Clusters::new(centres.len() / columns, columns)),
        }
    }

    /// Adds rows; false if the sums are those of another pass.
    #[inline(always)]
    pub(crate) fn add(&self, sums: &mut KMeansSums, rows: &[f64], columns: usize, strip: &mut Strip) -> bool {
        let mut is_mine = true;
        let share = match self {
            Self::Draw { share, .. } | Self::Weigh { share, .. } => *share,
            _ => u64::MAX,
        };
        if share == u64::MAX {
            for rows in rows.chunks(ROWS * columns) {
                is_mine &= self.add_strip(sums, rows, columns, strip);
            }
            return is_mine;
        }
        let mut kept = Vec::with_capacity(2 * ROWS * columns);
        let mut words = [0; ROWS];
        for rows in rows.chunks(ROWS * columns) {
            strip.fill(rows, columns);
            hashes(&strip.columns, &mut words);
            for (word, row) in words.iter().zip(rows.chunks_exact(columns)) {
                if mix(*word) <= share {
                    kept.extend_from_slice(row);
                }
            }
            if kept.len() >= ROWS * columns {
                is_mine &= self.add_strip(sums, &kept[..ROWS * columns], columns, strip);
                kept.drain(..ROWS * columns);
            }
        }
        is_mine && (kept.is_empty() || self.add_strip(sums, &kept, columns, strip))
    }

    /// Adds up to [`ROWS`] rows.
    #[inline(always)]
    fn add_strip(&self, sums: &mut KMeansSums, rows: &[f64], columns: usize, strip: &mut Strip) -> bool {
        strip.fill(rows, columns);
        let count = rows.len() / columns;
        let (mut least, mut places) = ([0.0; ROWS], [0.0; ROWS]);
        match (self, sums) {
            (Self::Sample { seed, .. }, KMeansSums::Sample(smallest)) => {
                let mut words = [0; ROWS];
                hashes(&strip.columns, &mut words);
                for (word, row) in words.iter().zip(rows.chunks_exact(columns)) {
                    smallest.offer(mix(word ^ mix(*seed)), row);
                }
            }
            (Self::Draw { seed, candidates, .. }, KMeansSums::Draw { cost, drawn }) => {
                nearest(&strip.columns, candidates, &mut least, &mut places);
                let mut words = [0; ROWS];
                hashes(&strip.columns, &mut words);
                cost.add_all(0, &least[..count]);
                for lane in 0..count {
                    let word = mix(words[lane] ^ mix(*seed));
                    draw(drawn, word, least[lane], &rows[lane * columns..(lane + 1) * columns]);
                }
            }
            (Self::Weigh { candidates, .. }, KMeansSums::Weigh { counts }) => {
                nearest(&strip.columns, candidates, &mut least, &mut places);
                for place in &places[..count] {
                    if let Some(count) = counts.get_mut(*place as usize) {
                        *count += 1;
                    }
                }
            }
            (Self::Compare { k, starts }, KMeansSums::Compare { costs }) => {
                for (index, start) in starts.chunks_exact(k * columns).take(costs.len()).enumerate() {
                    nearest(&strip.columns, start, &mut least, &mut places);
                    costs.add_all(index, &least[..count]);
                }
            }
            (Self::Round { centres }, KMeansSums::Round(clusters)) => {
                nearest(&strip.columns, centres, &mut least, &mut places);
                for ((place, distance), row) in places.iter().zip(&least).zip(rows.chunks_exact(columns)) {
                    clusters.add(*place as usize, *distance, row);
                }
            }
            _ => return false,
        }
        true
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Sample { most, seed } => {
                writer.count(0);
                writer.count(*most as u64);
                writer.word(*seed);
            }
            Self::Draw { most, seed, share, candidates } => {
                writer.count(1);
                writer.count(*most as u64);
                writer.word(*seed);
                writer.word(*share);
                writer.count(candidates.len() as u64);
                writer.numbers(candidates);
            }
            Self::Weigh { share, candidates } => {
                writer.count(2);
                writer.word(*share);
                writer.count(candidates.len() as u64);
                writer.numbers(candidates);
            }
            Self::Compare { k, starts } => {
                writer.count(3);
                writer.count(*k as u64);
                writer.count(starts.len() as u64);
                writer.numbers(starts);
            }
            Self::Round { centres } => {
                writer.count(4);
                writer.count(centres.len() as u64);
                writer.numbers(centres);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<Self, Error> {
        let kind = reader.count()?;
        let most = match kind {
            0 | 1 => usize::try_from(reader.count()?).unwrap_or(usize::MAX).min(usize::MAX / 4),
            _ => 0,
        };
        let seed = if kind < 2 { reader.word()? } else { 0 };
        if kind == 0 {
            return Ok(Self::Sample { most, seed });
        }
        let share = if matches!(kind, 1 | 2) { reader.word()? } else { 0 };
        let k = if kind == 3 { reader.size()? } else { 1 };
        let len = reader.size()?;
        let rows = reader.numbers(len)?;
        let is_whole = k.checked_mul(columns).is_some_and(|one| one > 0 && len > 0 && len.is_multiple_of(one));
        match kind {
            _ if !is_whole => Err(Error::Damaged("its centres have another number of columns")),
            1 => Ok(Self::Draw { most, seed, share, candidates: rows }),
            2 => Ok(Self::Weigh { share, candidates: rows }),
            3 => Ok(Self::Compare { k, starts: rows }),
            4 => Ok(Self::Round { centres: rows }),
            _ => Err(Error::Damaged("there is no such pass")),
        }
    }
}

/// Offers a row with the key of weighted sampling without replacement, -ln(u) / weight, where u is drawn by the row's hash
/// (P. Efraimidis, P. Spirakis 2006, Information Processing Letters 97, 181-185).
#[inline(always)]
fn draw(drawn: &mut Smallest, word: u64, weight: f64, row: &[f64]) {
    if weight > 0.0 {
        // From 0 to 1, without either.
        let u = ((word >> 12) as f64 + 0.5) * (1.0 / 4_503_599_627_370_496.0);
        // -ln u is at least 1 - u: most rows need no logarithm.
        if drawn.threshold() == u64::MAX || 1.0 - u <= f64::from_bits(drawn.threshold()) * weight * (1.0 + 1e-12) {
            // Doubles from 0 on are in the order of their bits.
            drawn.offer((-ln(u) / weight).max(0.0).to_bits(), row);
        }
    }
}

impl KMeansSums {
    /// False if the other sums are those of another pass.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sample(ours), Self::Sample(theirs)) if ours.is_like(theirs) => ours.merge(theirs),
            (Self::Draw { cost, drawn }, Self::Draw { cost: other_cost, drawn: other }) if drawn.is_like(other) => {
                cost.merge(other_cost);
                drawn.merge(other);
            }
            (Self::Weigh { counts }, Self::Weigh { counts: others }) if counts.len() == others.len() => {
                counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
            }
            (Self::Compare { costs }, Self::Compare { costs: others }) if costs.len() == others.len() => {
                costs.merge(others);
            }
            (Self::Round(ours), Self::Round(theirs)) if ours.is_like(theirs) => ours.merge(theirs),
            _ => return false,
        }
        true
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Sample(smallest) => smallest.heap_bytes(),
            Self::Draw { cost, drawn } => cost.heap_bytes() + drawn.heap_bytes(),
            Self::Weigh { counts } => counts.capacity() * size_of::<u64>(),
            Self::Compare { costs } => costs.heap_bytes(),
            Self::Round(clusters) => clusters.heap_bytes(),
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Sample(smallest) => {
                writer.count(0);
                smallest.write(writer);
            }
            Self::Draw { cost, drawn } => {
                writer.count(1);
                cost.write(writer);
                drawn.write(writer);
            }
            Self::Weigh { counts } => {
                writer.count(2);
                writer.count(counts.len() as u64);
                counts.iter().for_each(|count| writer.count(*count));
            }
            Self::Compare { costs } => {
                writer.count(3);
                writer.count(costs.len() as u64);
                costs.write(writer);
            }
            Self::Round(clusters) => {
                writer.count(4);
                writer.count(clusters.counts.len() as u64);
                clusters.counts.iter().for_each(|count| writer.count(*count));
                clusters.sums.write(writer);
                clusters.costs.write(writer);
                writer.numbers(&clusters.farthest);
                writer.numbers(&clusters.farthest_rows);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<Self, Error> {
        match reader.count()? {
            0 => Ok(Self::Sample(Smallest::read(reader, columns)?)),
            1 => Ok(Self::Draw { cost: PreciseSums::read(reader, 1)?, drawn: Smallest::read(reader, columns)? }),
            2 => {
                let len = reader.size()?;
                Ok(Self::Weigh { counts: (0..len).map(|_| reader.count()).collect::<Result<_, _>>()? })
            }
            3 => {
                let len = reader.size()?;
                Ok(Self::Compare { costs: PreciseSums::read(reader, len)? })
            }
            4 => {
                let k = reader.size()?;
                let size = k.checked_mul(columns).ok_or(Error::Damaged("a size is too large"))?;
                Ok(Self::Round(Clusters {
                    counts: (0..k).map(|_| reader.count()).collect::<Result<_, _>>()?,
                    sums: PreciseSums::read(reader, size)?,
                    costs: PreciseSums::read(reader, k)?,
                    farthest: reader.numbers(k)?,
                    farthest_rows: reader.numbers(size)?,
                }))
            }
            _ => Err(Error::Damaged("there is no such pass")),
        }
    }
}

impl Clusters {
    fn new(k: usize, columns: usize) -> Self {
        Self {
            counts: vec![0; k],
            sums: PreciseSums::new(k * columns),
            costs: PreciseSums::new(k),
            farthest: vec![-1.0; k],
            farthest_rows: vec![0.0; k * columns],
        }
    }

    #[inline(always)]
    fn add(&mut self, place: usize, distance: f64, row: &[f64]) {
        self.counts[place] += 1;
        self.costs.add(place, distance);
        self.sums.add_row(place * row.len(), row);
        if distance >= self.farthest[place] {
            self.keep_farthest(place, distance, row);
        }
    }

    /// Of equally far rows the one whose values come first is kept.
    #[inline(never)]
    fn keep_farthest(&mut self, place: usize, distance: f64, row: &[f64]) {
        let kept = &mut self.farthest_rows[place * row.len()..(place + 1) * row.len()];
        let is_tie = distance == self.farthest[place];
        if distance > self.farthest[place] || is_tie && compare_rows(row, kept).is_lt() {
            self.farthest[place] = distance;
            kept.copy_from_slice(row);
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.counts.len() == other.counts.len() && self.sums.len() == other.sums.len()
    }

    fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.costs.merge(&other.costs);
        let columns = self.sums.len() / self.counts.len().max(1);
        for place in 0..self.counts.len() {
            self.counts[place] += other.counts[place];
            if other.farthest[place] >= 0.0 {
                let row = &other.farthest_rows[place * columns..(place + 1) * columns];
                self.keep_farthest(place, other.farthest[place], row);
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        let numbers = self.counts.capacity() + self.farthest.capacity() + self.farthest_rows.capacity();
        numbers * size_of::<f64>() + self.sums.heap_bytes() + self.costs.heap_bytes()
    }
}
