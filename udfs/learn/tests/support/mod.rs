//! Rows that tests learn from, and how they are cut into parts.

#![allow(dead_code, reason = "each test file uses some of it")]

use pixmill_learn::{Error, Estimator, Fitted, Pass, Rows, Sums};

/// Rows, and a number of each.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) x: Vec<f64>,
    pub(crate) columns: usize,
    pub(crate) y: Vec<f64>,
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.x.len() / self.columns
    }

    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Rows<'_> {
        let y = if self.y.is_empty() { &[] } else { &self.y[range.clone()] };
        Rows { x: &self.x[range.start * self.columns..range.end * self.columns], columns: self.columns, y }
    }

    pub(crate) fn row(&self, index: usize) -> &[f64] {
        &self.x[index * self.columns..(index + 1) * self.columns]
    }
}

/// Fisher's irises: four lengths in cm, and the species.
pub(crate) fn iris() -> Table {
    let lines = include_str!("../data/iris.csv").lines().skip(2);
    let rows: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(|value| value.parse().unwrap()).collect()).collect();
    Table {
        x: rows.iter().flat_map(|row| row[..4].to_vec()).collect(),
        columns: 4,
        y: rows.iter().map(|row| row[4]).collect(),
    }
}

fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// A number from 0 to 1, as data/references.py makes them.
pub(crate) fn uniform(seed: u64, index: u64) -> f64 {
    (mix((seed << 32).wrapping_add(index)) >> 11) as f64 / 9_007_199_254_740_992.0
}

/// A nearly normal number.
pub(crate) fn normal(seed: u64, index: u64) -> f64 {
    (0..12).map(|part| uniform(seed, 12 * index + part)).sum::<f64>() - 6.0
}

/// Rows around random centres, and which centre each is around.
pub(crate) fn clouds(rows: usize, columns: usize, clusters: usize, width: f64, seed: u64) -> Table {
    let y: Vec<usize> =
        (0..rows).map(|row| ((uniform(seed + 1, row as u64) * clusters as f64) as usize).min(clusters - 1)).collect();
    let x = (0..rows * columns).map(|index| {
        let centre = uniform(seed, (y[index / columns] * columns + index % columns) as u64) - 0.5;
        centre * width + normal(seed + 2, index as u64)
    });
    Table { x: x.collect(), columns, y: y.iter().map(|class| *class as f64).collect() }
}

/// Fits in one part.
pub(crate) fn fit(estimator: &Estimator, table: &Table) -> Result<Fitted, Error> {
    fit_by(estimator, table.columns, |pass| {
        let mut sums = pass.sums();
        pass.add(&mut sums, table.part(0..table.rows()));
        sums
    })
}

/// Fits, each pass by `sums_of`.
pub(crate) fn fit_by(estimator: &Estimator, columns: usize, sums_of: impl Fn(&Pass) -> Sums) -> Result<Fitted, Error> {
    let mut fitting = estimator.fitting((1..=columns).map(|column| format!("x{column}")).collect())?;
    while let Some(pass) = fitting.pass() {
        let sums = sums_of(pass);
        fitting.take(&sums)?;
    }
    fitting.finish()
}

/// Fits with the rows cut at these places, the parts merged from the last to the first, and all that travels sent as numbers.
pub(crate) fn fit_in_parts(estimator: &Estimator, table: &Table, cuts: &[usize]) -> Result<Fitted, Error> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (table.rows() + 1)).chain([0, table.rows()]).collect();
    places.sort_unstable();
    fit_by(estimator, table.columns, |pass| {
        let pass = Pass::from_numbers(&pass.to_numbers()).unwrap();
        let mut all = pass.sums();
        for range in places.windows(2).rev() {
            let mut sums = pass.sums();
            pass.add(&mut sums, table.part(range[0]..range[1]));
            all.merge(&Sums::from_numbers(&sums.to_numbers()).unwrap());
        }
        all
    })
}

/// Some numbers of a fit.
pub(crate) fn numbers<'a>(fitted: &'a Fitted, name: &str) -> &'a [f64] {
    &fitted.numbers.iter().find(|numbers| numbers.name == name).unwrap().values
}

/// Asserts that numbers agree, relative to those above 1.
#[track_caller]
pub(crate) fn assert_close(values: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(values.len(), expected.len());
    for (value, expected) in values.iter().zip(expected) {
        let is_close = (value - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(is_close || value.is_nan() && expected.is_nan(), "{value} is not {expected}: {values:?}");
    }
}
