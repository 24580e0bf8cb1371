//! From pass to pass: the sample, the candidates, the start, Lloyd's rounds, the result.

use super::STEP;
use super::in_memory::Points;
use super::pass::{Clusters, KMeansPass, KMeansSums};
use crate::error::Error;
use crate::exact_sum::two_sum;
use crate::fitted::{Fitted, Numbers};
use crate::precise::quotient;
use crate::smallest::compare_rows;
use crate::strip::mix;

/// Passes that draw candidates, 2 k of them each.
const DRAWS: usize = 5;
/// Of so many rows on, all but the first two of these passes look at a share of them, which is as good as so many. Rows far off everything
/// are drawn by the first two.
const ENOUGH_ROWS: u64 = 1 << 17;
/// Starts from the candidates, and from the sample.
const STARTS: usize = 20;
/// Rounds of Lloyd's over all rows.
const MOST_ROUNDS: usize = 300;
/// The most numbers of a model: candidates are ten times as many.
const MOST_NUMBERS: usize = 1 << 22;

/// A fit under way.
#[derive(Debug)]
pub(crate) struct KMeans {
    k: usize,
    seed: u64,
    columns: usize,
    most: usize,
    pass: Option<KMeansPass>,
    /// Different rows, and how many are equal to each.
    sample: Vec<f64>,
    sample_weights: Vec<f64>,
    draws: usize,
    rows: u64,
    pub(crate) rounds: usize,
    pub(crate) cost: Option<f64>,
    result: Option<(Vec<f64>, Clusters)>,
    converged: bool,
}

impl KMeans {
    pub(crate) fn new(k: usize, seed: u64, columns: usize) -> Result<Self, Error> {
        if k == 0 {
            return Err(Error::Argument {
                step: STEP,
                argument: "k",
                allowed: "1 or more clusters",
                got: k.to_string(),
            });
        }
        if k.checked_mul(columns).is_none_or(|numbers| numbers > MOST_NUMBERS) {
            let most = MOST_NUMBERS / columns;
            return Err(Error::TooLarge { step: STEP, what: "clusters", columns, got: k, most });
        }
        // 2 MB where that is enough for candidates; rows of few columns are more than enough at 16,384.
        let most = ((1 << 18) / columns).min(1 << 14).max(10 * k);
        Ok(Self {
            k,
            seed,
            columns,
            most,
            pass: Some(KMeansPass::Sample { most, seed }),
            sample: Vec::new(),
            sample_weights: Vec::new(),
            draws: 0,
            rows: 0,
            rounds: 0,
            cost: None,
            result: None,
            converged: false,
        })
    }

    pub(crate) fn pass(&self) -> Option<&KMeansPass> {
        self.pass.as_ref()
    }

    pub(crate) fn take(&mut self, sums: &KMeansSums, rows: u64) -> Result<(), Error> {
        if rows == 0 {
            return Err(Error::NoRows { step: STEP });
        }
        self.rows = rows;
        let pass = self.pass.take();
        self.pass = match (pass, sums) {
            (Some(KMeansPass::Sample { .. }), KMeansSums::Sample(smallest)) => {
                let (sample, counts) = smallest.clone().into_rows();
                self.after_sample(sample, &counts)?
            }
            (Some(KMeansPass::Draw { candidates, share, .. }), KMeansSums::Draw { cost, drawn }) => {
                let of_all = self.cost.filter(|_| share != u64::MAX);
                self.check(cost.value(0))?;
                // What a share of the rows costs is nothing to compare.
                self.cost = of_all.or(self.cost);
                let (drawn, _) = drawn.clone().into_rows();
                self.after_draw(candidates, &drawn)
            }
            (Some(KMeansPass::Weigh { candidates, .. }), KMeansSums::Weigh { counts }) => {
                let weights: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
                self.after_weighing(&candidates, &weights)
            }
            (Some(KMeansPass::Compare { starts, .. }), KMeansSums::Compare { costs }) => {
                let costs = costs.values();
                let best = (0..costs.len()).min_by(|a, b| costs[*a].total_cmp(&costs[*b])).unwrap_or_default();
                self.check(costs[best])?;
                let size = self.k * self.columns;
                Some(KMeansPass::Round { centres: starts[best * size..(best + 1) * size].to_vec() })
            }
            (Some(KMeansPass::Round { centres }), KMeansSums::Round(clusters)) => {
                self.after_round(centres, clusters)?
            }
            _ => return Err(Error::OtherPass("they are of another kind")),
        };
        Ok(())
    }

    fn check(&mut self, cost: f64) -> Result<(), Error> {
        self.cost = Some(cost);
        if cost.is_finite() { Ok(()) } else { Err(Error::OutOfRange { step: STEP }) }
    }

    fn after_sample(&mut self, sample: Vec<f64>, counts: &[u64]) -> Result<Option<KMeansPass>, Error> {
        if counts.len() < self.k {
            return Err(Error::TooFewRows { k: self.k, distinct: counts.len() });
        }
        let first = sample[..self.columns].to_vec();
        (self.sample, self.sample_weights) = sorted(&sample, counts, self.columns);
        if counts.len() < self.most {
            // These are all rows: no pass can say more than they do.
            let points = Points::new(&self.sample, self.columns, &self.sample_weights);
            return Ok(Some(KMeansPass::Round { centres: points.cluster(self.k, self.seed, STARTS).centres }));
        }
        Ok(Some(self.draw(first)))
    }

    fn draw(&self, candidates: Vec<f64>) -> KMeansPass {
        let seed = mix(self.seed ^ mix(self.draws as u64 + 1));
        let share = if self.draws < 2 { u64::MAX } else { self.share() };
        KMeansPass::Draw { most: 2 * self.k, seed, share, candidates }
    }

    /// Hashes up to this one are those of [`ENOUGH_ROWS`], or of all rows.
    fn share(&self) -> u64 {
        // Starts stay good if each cluster has some hundred rows.
        let enough = ENOUGH_ROWS.max(256 * self.k as u64);
        if self.rows <= enough { u64::MAX } else { u64::MAX / self.rows * enough }
    }

    fn after_draw(&mut self, mut candidates: Vec<f64>, drawn: &[f64]) -> Option<KMeansPass> {
        self.draws += 1;
        candidates.extend_from_slice(drawn);
        let enough = candidates.len() / self.columns >= self.k;
        if !drawn.is_empty() && (self.draws < DRAWS || !enough) {
            return Some(self.draw(candidates));
        }
        if !enough {
            // Distances of different rows that are so near that their squares are 0.
            candidates.extend_from_slice(&self.sample);
        }
        let ones = vec![1; candidates.len() / self.columns];
        let (mut candidates, _) = sorted(&candidates, &ones, self.columns);
        let mut kept: Vec<f64> = Vec::with_capacity(candidates.len());
        for row in candidates.chunks_exact(self.columns) {
            if !kept.ends_with(row) {
                kept.extend_from_slice(row);
            }
        }
        std::mem::swap(&mut candidates, &mut kept);
        Some(KMeansPass::Weigh { share: self.share(), candidates })
    }

    /// The candidates know the far ends of the rows, the sample where they are dense: the rows tell which start is better.
    fn after_weighing(&self, candidates: &[f64], weights: &[f64]) -> Option<KMeansPass> {
        let of_candidates = Points::new(candidates, self.columns, weights).cluster(self.k, self.seed, STARTS).centres;
        let points = Points::new(&self.sample, self.columns, &self.sample_weights);
        let improved = points.improve(of_candidates.clone(), 0.0, 100).centres;
        let of_sample = points.cluster(self.k, self.seed, STARTS).centres;
        Some(KMeansPass::Compare { k: self.k, starts: [of_sample, improved, of_candidates].concat() })
    }

    fn after_round(&mut self, centres: Vec<f64>, clusters: &Clusters) -> Result<Option<KMeansPass>, Error> {
        let cost: f64 = clusters.costs.values().iter().sum();
        self.check(cost)?;
        self.rounds += 1;
        let next = self.next_centres(clusters);
        self.converged = next.iter().zip(&centres).all(|(next, centre)| next.to_bits() == centre.to_bits());
        if self.converged || self.rounds == MOST_ROUNDS {
            self.result = Some((centres, clusters.clone()));
            return Ok(None);
        }
        Ok(Some(KMeansPass::Round { centres: next }))
    }

    /// The means of the clusters; one without rows gets the row that is farthest from its centre, which its own cluster loses.
    fn next_centres(&self, clusters: &Clusters) -> Vec<f64> {
        let d = self.columns;
        let row = |place: usize| &clusters.farthest_rows[place * d..(place + 1) * d];
        let mut givers: Vec<usize> = (0..self.k).filter(|place| clusters.counts[*place] > 1).collect();
        givers.sort_by(|a, b| {
            clusters.farthest[*b].total_cmp(&clusters.farthest[*a]).then_with(|| compare_rows(row(*a), row(*b)))
        });
        let empty: Vec<usize> = (0..self.k).filter(|place| clusters.counts[*place] == 0).collect();
        let pairs: Vec<(usize, usize)> = empty.into_iter().zip(givers).collect();
        let mut centres = Vec::with_capacity(self.k * d);
        for place in 0..self.k {
            if let Some((_, giver)) = pairs.iter().find(|(empty, _)| *empty == place) {
                centres.extend_from_slice(row(*giver));
                continue;
            }
            let gives = pairs.iter().any(|(_, giver)| *giver == place);
            for column in 0..d {
                let (sum, rest) = clusters.sums.pair(place * d + column);
                if gives {
                    let (sum, lost) = two_sum(sum, -row(place)[column]);
                    centres.push(quotient((sum, lost + rest), (clusters.counts[place] - 1) as f64) + 0.0);
                } else {
                    centres.push(quotient((sum, rest), (clusters.counts[place].max(1)) as f64) + 0.0);
                }
            }
        }
        centres
    }

    pub(crate) fn finish(self) -> Result<Fitted, Error> {
        let (centres, clusters) = self.result.ok_or(Error::NotDone { step: STEP, rounds: self.rounds })?;
        let d = self.columns;
        let row = |place: usize| &centres[place * d..(place + 1) * d];
        let mut order: Vec<usize> = (0..self.k).collect();
        order
            .sort_by(|a, b| clusters.counts[*b].cmp(&clusters.counts[*a]).then_with(|| compare_rows(row(*a), row(*b))));
        let costs: Vec<f64> = order.iter().map(|place| clusters.costs.value(*place)).collect();
        let cost = costs.iter().sum();
        let mut notes = Vec::new();
        if !self.converged {
            notes.push(format!("centres still moved after {MOST_ROUNDS} rounds"));
        }
        Ok(Fitted {
            rows: self.rows,
            rounds: self.rounds,
            converged: self.converged,
            numbers: vec![
                Numbers::new("centres", &[self.k, d], order.iter().flat_map(|place| row(*place).to_vec()).collect()),
                Numbers::new("sizes", &[self.k], order.iter().map(|place| clusters.counts[*place] as f64).collect()),
                Numbers::new("costs", &[self.k], costs),
                Numbers::new("cost", &[], vec![cost]),
            ],
            notes,
        })
    }
}

/// Rows in the order of their values, and their counts as weights.
fn sorted(rows: &[f64], counts: &[u64], columns: usize) -> (Vec<f64>, Vec<f64>) {
    let row = |index: usize| &rows[index * columns..(index + 1) * columns];
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|a, b| compare_rows(row(*a), row(*b)));
    let sorted = order.iter().flat_map(|index| row(*index).to_vec()).collect();
    (sorted, order.iter().map(|index| counts[*index] as f64).collect())
}
