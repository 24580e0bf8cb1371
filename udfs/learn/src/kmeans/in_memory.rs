//! k-means of rows that lie in memory, each with a weight, from many starts.

use pulp::{Arch, Simd, WithSimd};

use crate::strip::{Lanes, ROWS, Strip, distances, mix, nearest};

/// Rows with weights.
pub(crate) struct Points<'a> {
    rows: &'a [f64],
    columns: usize,
    weights: &'a [f64],
    strips: Vec<Strip>,
}

/// Centres, and what they cost: the weighted sum of squared distances.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clustering {
    pub(crate) centres: Vec<f64>,
    pub(crate) cost: f64,
}

impl<'a> Points<'a> {
    pub(crate) fn new(rows: &'a [f64], columns: usize, weights: &'a [f64]) -> Self {
        let strips = rows.chunks(ROWS * columns).map(|rows| {
            let mut strip = Strip::default();
            strip.fill(rows, columns);
            strip
        });
        Self { rows, columns, weights, strips: strips.collect() }
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.rows[index * self.columns..(index + 1) * self.columns]
    }

    /// The cheapest of some starts, at most `most`, of which each goes on until a round gains little, and the best one to its end.
    ///
    /// There are fewer than `most` where rows times k are so many that each start takes long.
    pub(crate) fn cluster(&self, k: usize, seed: u64, most: usize) -> Clustering {
        const MOST_STEPS: f64 = 1e9;
        const ROUNDS: usize = 100;
        let steps = self.rows.len() as f64 * k as f64 * 30.0;
        let starts = ((MOST_STEPS / steps) as usize).clamp(2, most);
        let mut best: Option<Clustering> = None;
        for start in 0..starts as u64 {
            let mut random = Random(mix(seed ^ mix(start)));
            let clustering = self.improve(self.start(k, &mut random), 1e-4, ROUNDS);
            if best.as_ref().is_none_or(|best| clustering.cost < best.cost) {
                best = Some(clustering);
            }
        }
        self.improve(best.map(|best| best.centres).unwrap_or_default(), 0.0, ROUNDS)
    }

    /// k-means++ with some tries for each centre (D. Arthur, S. Vassilvitskii 2007, SODA; the tries as scikit-learn has them).
    fn start(&self, k: usize, random: &mut Random) -> Vec<f64> {
        let tries = 2 + (k as f64).ln() as usize;
        let mut centres = Vec::with_capacity(k * self.columns);
        let mut potential = self.weights.to_vec();
        let mut distances = vec![f64::INFINITY; self.weights.len()];
        let mut with_new = vec![0.0; distances.len()];
        let mut with_best = distances.clone();
        for centre in 0..k {
            let tries = if centre == 0 { 1 } else { tries };
            let mut least = f64::INFINITY;
            let mut chosen = None;
            for _ in 0..tries {
                let index = random.pick(&potential);
                let cost = self.distances_with(self.row(index), &distances, &mut with_new);
                if chosen.is_none() || cost < least {
                    least = cost;
                    chosen = Some(index);
                    std::mem::swap(&mut with_new, &mut with_best);
                }
            }
            std::mem::swap(&mut distances, &mut with_best);
            centres.extend_from_slice(self.row(chosen.unwrap_or_default()));
            for ((potential, weight), distance) in potential.iter_mut().zip(self.weights).zip(&distances) {
                *potential = weight * distance;
            }
        }
        centres
    }

    /// Distances to the nearest centre with one more; what they cost.
    fn distances_with(&self, centre: &[f64], before: &[f64], after: &mut [f64]) -> f64 {
        Arch::new().dispatch(DistancesWith { points: self, centre, before, after })
    }

    /// Lloyd's rounds from these centres, until one gains no more than `tolerance` of the cost, or nothing moves.
    pub(crate) fn improve(&self, mut centres: Vec<f64>, tolerance: f64, rounds: usize) -> Clustering {
        let mut cost = f64::INFINITY;
        for _ in 0..rounds {
            let (next, now) = self.round(&centres);
            let is_done = next == centres || cost - now <= tolerance * now;
            cost = now;
            if is_done {
                break;
            }
            centres = next;
        }
        Clustering { centres, cost }
    }

    /// The centres after one round, and what the ones before it cost.
    fn round(&self, centres: &[f64]) -> (Vec<f64>, f64) {
        let k = centres.len() / self.columns;
        let (sums, weights, mut all_distances) =
            (vec![0.0; centres.len()], vec![0.0; k], vec![0.0; self.weights.len()]);
        let round = Round { points: self, centres, sums, weights, distances: &mut all_distances };
        let (sums, weights, cost) = Arch::new().dispatch(round);
        let mut next = Vec::with_capacity(centres.len());
        for (place, sums) in sums.chunks_exact(self.columns).enumerate() {
            if weights[place] > 0.0 {
                next.extend(sums.iter().map(|sum| sum / weights[place]));
            } else {
                let largest = all_distances.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
                let farthest = largest.map_or(0, |(index, _)| index);
                next.extend_from_slice(self.row(farthest));
                all_distances[farthest] = 0.0;
            }
        }
        (next, cost)
    }
}

/// Compiled for each width of vectors, as the next one.
struct DistancesWith<'a> {
    points: &'a Points<'a>,
    centre: &'a [f64],
    before: &'a [f64],
    after: &'a mut [f64],
}

impl WithSimd for DistancesWith<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut costs = [0.0; ROWS];
        let parts = self.before.chunks(ROWS).zip(self.after.chunks_mut(ROWS)).zip(self.points.weights.chunks(ROWS));
        for (strip, ((before, after), weights)) in self.points.strips.iter().zip(parts) {
            let mut to_centre = [0.0; ROWS];
            distances(&strip.columns, self.centre, &mut to_centre);
            let lanes = after.iter_mut().zip(before).zip(&to_centre).zip(weights).zip(&mut costs);
            for ((((after, before), to_centre), weight), cost) in lanes {
                *after = if to_centre < before { *to_centre } else { *before };
                *cost += weight * *after;
            }
        }
        costs.iter().sum()
    }
}

struct Round<'a> {
    points: &'a Points<'a>,
    centres: &'a [f64],
    sums: Vec<f64>,
    weights: Vec<f64>,
    distances: &'a mut [f64],
}

impl WithSimd for Round<'_> {
    /// Sums of the rows of each cluster, of their weights, and what they cost.
    type Output = (Vec<f64>, Vec<f64>, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { points, centres, mut sums, mut weights, distances } = self;
        let columns = points.columns;
        let mut cost = 0.0;
        let (mut least, mut places): (Lanes, Lanes) = ([0.0; ROWS], [0.0; ROWS]);
        let rows = points.rows.chunks(ROWS * columns).zip(points.weights.chunks(ROWS));
        for ((strip, (rows, of_rows)), kept) in points.strips.iter().zip(rows).zip(distances.chunks_mut(ROWS)) {
            nearest(&strip.columns, centres, &mut least, &mut places);
            kept.copy_from_slice(&least[..kept.len()]);
            for (lane, (row, weight)) in rows.chunks_exact(columns).zip(of_rows).enumerate() {
                let place = places[lane] as usize;
                cost += weight * least[lane];
                weights[place] += weight;
                for (sum, value) in sums[place * columns..(place + 1) * columns].iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
        (sums, weights, cost)
    }
}

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    /// A number from 0 to 1, without 1.
    fn next(&mut self) -> f64 {
        let word = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (word >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A place, the likelier the larger its weight is.
    fn pick(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut left = self.next() * total;
        let mut last = 0;
        for (index, weight) in weights.iter().enumerate() {
            if *weight > 0.0 {
                last = index;
                left -= weight;
                if left < 0.0 {
                    return index;
                }
            }
        }
        last
    }
}
