//! k-means, against the best that scikit-learn finds from 50 starts: `data/references.py` made the costs.

#![allow(clippy::unwrap_used, reason = "what is unwrapped is what is tested")]

mod support;

use pixmill_learn::{Error, Estimator, Predictor};
use support::{Table, assert_close, clouds, fit, iris, numbers};

fn kmeans(k: usize, seed: u64) -> Estimator {
    Estimator::KMeans { k, seed }
}

fn costs_are_within_half_a_percent(columns: usize, width: f64, best: f64) {
    let table = clouds(20_000, columns, 8, width, 20 + columns as u64);
    for seed in 1..=10 {
        let fitted = fit(&kmeans(8, seed), &table).unwrap();
        let cost = numbers(&fitted, "cost")[0];
        assert!(cost <= 1.005 * best && cost >= 0.999 * best, "seed {seed}: {cost}, {best}");
        assert!(fitted.converged);
    }
}

#[test]
fn clusters_of_two_columns_cost_no_more_than_the_best_of_fifty_starts() {
    costs_are_within_half_a_percent(2, 6.0, 21780.994056732332);
}

#[test]
fn clusters_of_ten_columns_cost_no_more_than_the_best_of_fifty_starts() {
    costs_are_within_half_a_percent(10, 3.0, 187042.02345614845);
}

#[test]
fn rare_rows_far_off_get_a_cluster_of_their_own() {
    let mut table = clouds(20_000, 2, 3, 4.0, 5);
    table.x.extend([1e4, 1e4, -1e4, 1e4]);
    table.y.clear();
    let fitted = fit(&kmeans(5, 1), &table).unwrap();
    assert_eq!(numbers(&fitted, "sizes")[3..], [1.0, 1.0]);
    assert_eq!(numbers(&fitted, "centres")[6..], [-1e4, 1e4, 1e4, 1e4]);
    assert_eq!(numbers(&fitted, "costs")[3..], [0.0, 0.0]);
}

#[test]
fn clusters_come_by_size_then_by_coordinates() {
    let table = Table { x: vec![9.0, 5.0, 5.0, 1.0, 1.0, 7.0], columns: 1, y: Vec::new() };
    let fitted = fit(&kmeans(4, 3), &table).unwrap();
    assert_eq!(numbers(&fitted, "centres"), [1.0, 5.0, 7.0, 9.0]);
    assert_eq!(numbers(&fitted, "sizes"), [2.0, 2.0, 1.0, 1.0]);
    assert_eq!(numbers(&fitted, "cost"), [0.0]);
}

#[test]
fn predictions_come_to_the_sizes_and_costs_of_the_fit() {
    let iris = iris();
    let fitted = fit(&kmeans(3, 1), &iris).unwrap();
    let predictor = Predictor::new("kmeans", &fitted.numbers).unwrap();
    let (mut clusters, mut distances) = (Vec::new(), Vec::new());
    predictor.predict(&iris.x, &mut clusters);
    assert!(predictor.distances(&iris.x, &mut distances));
    assert!(!predictor.probabilities(&iris.x, &mut Vec::new()));
    let (mut sizes, mut costs) = ([0.0; 3], [0.0; 3]);
    for (cluster, distance) in clusters.iter().zip(&distances) {
        sizes[*cluster as usize] += 1.0;
        costs[*cluster as usize] += distance;
    }
    assert_eq!(numbers(&fitted, "sizes"), sizes);
    assert_close(numbers(&fitted, "costs"), &costs, 1e-13);
    // scikit-learn's KMeans(3).fit(iris).inertia_
    assert_close(numbers(&fitted, "cost"), &[78.85144142614601], 1e-13);
}

#[test]
fn fewer_different_rows_than_clusters_are_an_error_that_counts_them() {
    // -0 and 0 are the same.
    let table = Table { x: [0.0, -0.0, 1.0, 1.0].repeat(50), columns: 1, y: Vec::new() };
    assert_eq!(fit(&kmeans(3, 1), &table).unwrap_err(), Error::TooFewRows { k: 3, distinct: 2 });
    assert_eq!(fit(&kmeans(2, 1), &table).unwrap().rows, 200);
    let none = Table { x: Vec::new(), columns: 1, y: Vec::new() };
    assert_eq!(fit(&kmeans(2, 1), &none).unwrap_err(), Error::NoRows { step: "kmeans" });
    assert!(matches!(fit(&kmeans(0, 1), &table).unwrap_err(), Error::Argument { .. }));
    assert!(matches!(fit(&kmeans(usize::MAX, 1), &table).unwrap_err(), Error::TooLarge { .. }));
}

#[test]
fn values_whose_squares_are_out_of_range_are_an_error() {
    let table = Table { x: vec![1e200, -1e200, 0.0, 5.0], columns: 1, y: Vec::new() };
    assert_eq!(fit(&kmeans(2, 1), &table).unwrap_err(), Error::OutOfRange { step: "kmeans" });
}
