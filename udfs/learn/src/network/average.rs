//! Workers that have trained the same network on rows of their own become one.

use std::collections::BTreeMap;

use super::optimizer::Moments;

/// What a worker has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Rows that it has learned from.
    pub rows: u64,
    /// The sum of their losses, each before the step that its row was in.
    pub loss: f64,
    /// The weights.
    pub weights: Vec<f32>,
    /// What the optimizer remembers.
    pub moments: Moments<f32>,
}

/// Workers by their numbers, which are those of their partitions: whatever the order in which they come, what they become has the same bits.
///
/// Weights, those of `batch_norm` included, and moments are means, to which a worker adds by its rows (H. B. McMahan et al. 2017, AISTATS:
/// federated averaging).
#[derive(Debug, Clone, Default)]
pub struct Average {
    workers: BTreeMap<u64, Worker>,
}

impl Average {
    /// Adds a worker. One of the same number is the same: a partition that was worked on twice.
    pub fn add(&mut self, number: u64, worker: Worker) {
        self.workers.insert(number, worker);
    }

    /// Adds the workers of another part.
    pub fn merge(&mut self, other: Self) {
        self.workers.extend(other.workers);
    }

    /// The workers, in the order of their numbers.
    pub fn workers(&self) -> impl Iterator<Item = (u64, &Worker)> {
        self.workers.iter().map(|(number, worker)| (*number, worker))
    }

    /// What they become; `None` where nobody had a row.
    pub fn result(&self) -> Option<Worker> {
        let workers: Vec<&Worker> = self.workers.values().filter(|worker| worker.rows > 0).collect();
        let first = match workers.as_slice() {
            [] => return None,
            [only] => return Some((*only).clone()),
            [first, ..] => *first,
        };
        let rows: u64 = workers.iter().map(|worker| worker.rows).sum();
        let mean = |of: fn(&Worker) -> &[f32]| -> Vec<f32> {
            let mut sums = vec![0.0_f64; of(first).len()];
            for worker in &workers {
                let share = worker.rows as f64 / rows as f64;
                sums.iter_mut().zip(of(worker)).for_each(|(sum, value)| *sum += f64::from(*value) * share);
            }
            sums.into_iter().map(|sum| sum as f32).collect()
        };
        let steps =
            workers.iter().map(|worker| u128::from(worker.moments.steps) * u128::from(worker.rows)).sum::<u128>();
        Some(Worker {
            rows,
            loss: workers.iter().map(|worker| worker.loss).sum(),
            weights: mean(|worker| &worker.weights),
            moments: Moments {
                steps: u64::try_from(steps / u128::from(rows)).unwrap_or(u64::MAX),
                values: mean(|worker| &worker.moments.values),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(rows: u64, weights: &[f32]) -> Worker {
        let moments = Moments { steps: rows / 10, values: weights.iter().map(|weight| weight * 2.0).collect() };
        Worker { rows, loss: rows as f64 * 0.5, weights: weights.to_vec(), moments }
    }

    #[test]
    fn workers_add_by_their_rows() {
        let mut average = Average::default();
        average.add(0, worker(30, &[1.0, -4.0]));
        average.add(1, worker(10, &[5.0, 4.0]));
        average.add(2, worker(0, &[f32::NAN, 100.0]));
        let result = average.result().expect("a worker");
        assert_eq!((result.rows, result.loss), (40, 20.0));
        assert_eq!(result.weights, [2.0, -2.0]);
        assert_eq!(result.moments, Moments { steps: 2, values: vec![4.0, -4.0] });
    }

    #[test]
    fn one_worker_stays_as_it_is_and_of_none_there_is_nothing() {
        let mut average = Average::default();
        assert_eq!(average.result(), None);
        average.add(7, worker(3, &[0.1, 0.7]));
        assert_eq!(average.result(), Some(worker(3, &[0.1, 0.7])));
    }

    #[test]
    fn any_order_gives_the_same_bits_and_a_repeated_partition_counts_once() {
        let part = |number: u64| {
            let mut part = Average::default();
            part.add(number, worker(number * 7 + 3, &[number as f32 * 0.1 + 1e-3, 1.0 / (number as f32 + 3.0)]));
            part
        };
        let in_order = |numbers: &[u64]| {
            let mut whole = Average::default();
            numbers.iter().for_each(|number| whole.merge(part(*number)));
            whole.result()
        };
        let expected = in_order(&[0, 1, 2, 3, 4]);
        assert_eq!(in_order(&[4, 2, 0, 3, 1]), expected);
        assert_eq!(in_order(&[1, 1, 0, 4, 3, 2, 3]), expected);
    }
}
