//! Linear regression as a step; the least squares themselves are tested in their file.

#![allow(clippy::unwrap_used, reason = "what is unwrapped is what is tested")]

mod support;

use pixmill_learn::{Error, Estimator, Predictor};
use support::{Table, assert_close, fit, iris, numbers};

#[test]
fn a_line_is_that_of_scikit_learn() {
    let iris = iris();
    let x = iris.x.chunks_exact(4).flat_map(|row| row[1..].to_vec()).collect();
    let table = Table { x, columns: 3, y: iris.x.chunks_exact(4).map(|row| row[0]).collect() };
    let fitted = fit(&Estimator::LinearRegression, &table).unwrap();
    // `data/references.py` made these.
    assert_close(numbers(&fitted, "intercept"), &[1.8559974929175445], 1e-12);
    let expected = [0.6508371593132176, 0.7091319591367289, -0.5564826601670241];
    assert_close(numbers(&fitted, "coefficients"), &expected, 1e-12);
    let mut values = Vec::new();
    Predictor::new("linear_regression", &fitted.numbers).unwrap().predict(table.row(0), &mut values);
    let by_hand = 1.8559974929175445 + 3.5 * expected[0] + 1.4 * expected[1] + 0.2 * expected[2];
    assert_close(&values, &[by_hand], 1e-12);
}

#[test]
fn a_column_that_says_nothing_new_is_left_out_and_named() {
    let x = vec![1.0, 2.0, 2.0, 4.0, 3.0, 6.0, 5.0, 10.0];
    let table = Table { x, columns: 2, y: vec![1.0, 2.0, 3.5, 5.0] };
    let fitted = fit(&Estimator::LinearRegression, &table).unwrap();
    assert!(numbers(&fitted, "coefficients")[1].is_nan());
    assert_eq!(fitted.notes, ["left out, for they are constant or linear combinations of columns before them: 'x2'"]);
    let mut values = Vec::new();
    Predictor::new("linear_regression", &fitted.numbers).unwrap().predict(&[1.0, 1e9], &mut values);
    let (slope, intercept) = (numbers(&fitted, "coefficients")[0], numbers(&fitted, "intercept")[0]);
    assert_eq!(values, [intercept + slope]);
}

#[test]
fn no_rows_are_an_error() {
    let none = Table { x: Vec::new(), columns: 1, y: Vec::new() };
    assert_eq!(fit(&Estimator::LinearRegression, &none).unwrap_err(), Error::NoRows { step: "linear_regression" });
}
