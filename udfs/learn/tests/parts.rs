//! Neither how rows are cut into parts nor how these travel shows in a fit, and damaged numbers are errors.

#![allow(clippy::unwrap_used, reason = "what is unwrapped is what is tested")]

mod support;

use pixmill_learn::{Estimator, Fitted, Numbers, Pass, Predictor, Rows, Sums};
use proptest::prelude::*;
use support::{Table, assert_close, clouds, fit, fit_in_parts, iris};

const ESTIMATORS: [Estimator; 6] = [
    Estimator::KMeans { k: 3, seed: 7 },
    Estimator::LogisticRegression { classes: 3, l2: 1.0 },
    Estimator::LogisticRegression { classes: 2, l2: 0.0 },
    Estimator::OneVsRest { classes: 3, l2: 0.5 },
    Estimator::LinearRegression,
    Estimator::KMeans { k: 1, seed: 0 },
];

/// Irises, or the two species of them that aren't separated.
fn rows_for(estimator: &Estimator) -> Table {
    let iris = iris();
    match estimator {
        Estimator::LogisticRegression { classes: 2, .. } => {
            Table { x: iris.x[200..].to_vec(), columns: 4, y: iris.y[50..].iter().map(|y| y - 1.0).collect() }
        }
        _ => iris,
    }
}

#[track_caller]
fn assert_same(ours: &Fitted, theirs: &Fitted, tolerance: f64) {
    assert_eq!((ours.rows, ours.rounds, ours.converged), (theirs.rows, theirs.rounds, theirs.converged));
    for (ours, theirs) in ours.numbers.iter().zip(&theirs.numbers) {
        if ours.name != "gradient" {
            assert_close(&ours.values, &theirs.values, tolerance);
        }
    }
}

/// All passes of a fit, and their sums.
fn passes(estimator: &Estimator, table: &Table) -> Vec<(Pass, Sums)> {
    let mut fitting = estimator.fitting(vec!["x".to_string(); table.columns]).unwrap();
    let mut all = Vec::new();
    while let Some(pass) = fitting.pass() {
        let mut sums = pass.sums();
        pass.add(&mut sums, table.part(0..table.rows()));
        all.push((pass.clone(), sums.clone()));
        fitting.take(&sums).unwrap();
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_cut_and_any_order_of_parts_gives_the_same_fit(
        cuts in prop::collection::vec(any::<usize>(), 0..9),
        order in Just((0..150).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        for estimator in &ESTIMATORS {
            let table = rows_for(estimator);
            let order: Vec<usize> = order.iter().copied().filter(|row| *row < table.rows()).collect();
            let shuffled = Table {
                x: order.iter().flat_map(|row| table.row(*row).to_vec()).collect(),
                columns: table.columns,
                y: order.iter().map(|row| table.y[*row]).collect(),
            };
            let whole = fit(estimator, &table).unwrap();
            assert_same(&fit_in_parts(estimator, &shuffled, &cuts).unwrap(), &whole, 1e-12);
        }
    }

    #[test]
    fn damaged_numbers_are_errors_or_other_numbers_but_no_panic(
        place in any::<prop::sample::Index>(),
        value in prop_oneof![any::<f64>(), Just(0.0), Just(-1.0), Just(1e18), Just(3.0), Just(9_007_199_254_740_991.0)],
        cut in any::<prop::sample::Index>(),
    ) {
        for estimator in &ESTIMATORS {
            let table = rows_for(estimator);
            for (pass, sums) in passes(estimator, &table) {
                for (numbers, is_pass) in [(pass.to_numbers(), true), (sums.to_numbers(), false)] {
                    let read = |numbers: &[f64]| {
                        if is_pass {
                            let Ok(pass) = Pass::from_numbers(numbers) else { return false };
                            // What can be read can be used.
                            if numbers.len() < 100_000 && pass.to_numbers().len() == numbers.len() && numbers[0] == 4.0 {
                                let finite = pass.to_numbers().iter().all(|number| number.abs() < 1e5);
                                if finite {
                                    let mut sums = pass.sums();
                                    pass.add(&mut sums, table.part(0..70));
                                }
                            }
                            true
                        } else {
                            let Ok(other) = Sums::from_numbers(numbers) else { return false };
                            let mut all = sums.clone();
                            all.merge(&other);
                            let mut fitting = estimator.fitting(vec!["x".to_string(); table.columns]).unwrap();
                            let _ = fitting.take(&other);
                            true
                        }
                    };
                    prop_assert!(!read(&numbers[..cut.index(numbers.len())]), "a part was read");
                    prop_assert!(!read(&[&numbers[..], &[0.0]].concat()), "more was read");
                    let mut damaged = numbers.clone();
                    damaged[place.index(numbers.len())] = value;
                    read(&damaged);
                }
            }
        }
    }

    #[test]
    fn damaged_models_are_errors_or_other_models_but_no_panic(
        place in any::<prop::sample::Index>(), size in prop_oneof![Just(0), Just(1), Just(2), any::<usize>()], dimensions in 0..4usize,
    ) {
        for (estimator, name) in
            ESTIMATORS.iter().zip(["kmeans", "logistic_regression", "logistic_regression", "one_vs_rest", "linear_regression"])
        {
            let table = rows_for(estimator);
            let numbers = fit(estimator, &table).unwrap().numbers;
            let mut damaged = numbers.clone();
            let index = place.index(numbers.len());
            damaged[index].shape = vec![size; dimensions];
            for numbers in [damaged, [&numbers[..index], &numbers[index + 1..]].concat()] {
                if let Ok(predictor) = Predictor::new(name, &numbers) {
                    predictor.predict(&vec![1.0; 3 * predictor.columns()], &mut Vec::new());
                }
            }
        }
    }
}

#[test]
fn large_fits_are_the_same_in_one_and_in_seven_parts() {
    let clouds = clouds(20_000, 5, 4, 4.0, 11);
    let cuts = [1, 63, 64, 5000, 12_345, 19_999];
    for estimator in [
        Estimator::KMeans { k: 4, seed: 1 },
        Estimator::LogisticRegression { classes: 4, l2: 0.0 },
        Estimator::OneVsRest { classes: 4, l2: 1.0 },
    ] {
        let (whole, parts) = (fit(&estimator, &clouds).unwrap(), fit_in_parts(&estimator, &clouds, &cuts).unwrap());
        assert_same(&parts, &whole, 1e-12);
    }
    let kmeans = Estimator::KMeans { k: 4, seed: 1 };
    assert_eq!(fit(&kmeans, &clouds).unwrap(), fit_in_parts(&kmeans, &clouds, &cuts).unwrap(), "to the bit");
}

#[test]
fn what_travels_is_read_as_it_was_to_the_bit() {
    let clouds = clouds(20_000, 3, 3, 4.0, 2);
    for estimator in &ESTIMATORS {
        let table = match estimator {
            Estimator::KMeans { .. } => clouds.clone(),
            _ => rows_for(estimator),
        };
        for (pass, sums) in passes(estimator, &table) {
            let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            let read = Pass::from_numbers(&pass.to_numbers()).unwrap();
            assert_eq!(read, pass);
            assert_eq!(bits(read.to_numbers()), bits(pass.to_numbers()));
            let numbers = sums.to_numbers();
            assert_eq!(bits(Sums::from_numbers(&numbers).unwrap().to_numbers()), bits(numbers));
            assert!(sums.heap_bytes() > 0);
        }
    }
}

#[test]
fn sums_of_another_pass_are_refused() {
    let iris = iris();
    let first = |estimator: &Estimator, columns: usize| {
        let fitting = estimator.fitting(vec!["x".to_string(); columns]).unwrap();
        let mut sums = fitting.pass().unwrap().sums();
        fitting.pass().unwrap().add(&mut sums, iris.part(0..150));
        (fitting, sums)
    };
    for (index, estimator) in ESTIMATORS.iter().enumerate() {
        for (other, other_estimator) in ESTIMATORS.iter().enumerate() {
            let (mut fitting, mut sums) = first(estimator, 4);
            let (_, of_other) = first(other_estimator, 4);
            sums.merge(&of_other);
            let outcome = fitting.take(&sums);
            let is_alike = std::mem::discriminant(estimator) == std::mem::discriminant(other_estimator);
            assert!(outcome.is_err() || is_alike || index / 4 == 0 && other / 4 == 0, "{index} {other}");
        }
        // Rows of 4 columns for a fit of 3.
        let (mut fitting, sums) = first(estimator, 3);
        assert!(fitting.take(&sums).unwrap_err().to_string().contains("another number of columns"));
    }
}

#[test]
fn models_that_are_no_models_are_refused() {
    let numbers = |name: &str, shape: &[usize], values: &[f64]| Numbers {
        name: name.to_string(),
        shape: shape.to_vec(),
        values: values.to_vec(),
    };
    let wrong = |step: &str, numbers: &[Numbers]| Predictor::new(step, numbers).unwrap_err().to_string();
    assert_eq!(wrong("kmeans", &[]), "the model is damaged: 'centres' of kmeans are not there; create it again");
    assert_eq!(
        wrong("kmeans", &[numbers("centres", &[1, 1], &[f64::NAN])]),
        "the model is damaged: 'centres' of kmeans must be finite, got NaN; create it again"
    );
    assert_eq!(
        wrong("kmeans", &[numbers("centres", &[2, 2], &[1.0])]),
        "the model is damaged: 'centres' of kmeans have another shape; create it again"
    );
    assert_eq!(
        wrong("pca", &[]),
        "there is no step 'pca' that predicts: it is one of kmeans, logistic_regression, one_vs_rest, linear_regression"
    );
}

#[test]
fn rows_without_labels_are_refused_where_labels_are_needed() {
    let mut fitting = Estimator::LinearRegression.fitting(vec!["x".to_string()]).unwrap();
    let mut sums = fitting.pass().unwrap().sums();
    fitting.pass().unwrap().add(&mut sums, Rows { x: &[1.0, 2.0], columns: 1, y: &[] });
    assert!(fitting.take(&sums).is_err());
}
