//! Ordinary least squares, row by row and in parts, without normal equations.
//!
//! Of the rows [1, x1, ..., xn, y] only the triangular factor R of their QR decomposition is kept. A row is rotated into it
//! (W. Givens 1958, J. SIAM 6, 26-50), and so are the rows of another part's factor, which is how tall matrices are factored on many
//! machines (TSQR: J. Demmel, L. Grigori, M. Hoemmen, J. Langou 2012, SIAM J. Sci. Comput. 34, A206-A239).
//! R's first row is sqrt(rows) times [1, the means]; the means are kept instead, to twice the precision, so that values far from 0, as
//! times are, lose no digits (updated and merged as in T. F. Chan, G. H. Golub, R. J. LeVeque 1983, Am. Stat. 37, 242-247).

/// A predictor is a linear combination of the ones before it if the rest, as a length, is at most this part of its own length.
///
/// In NIST's Filip, a polynomial of degree 10, 5e-8 is left of the last power (R's `lm` draws the line at 1e-7). Of a sum or a multiple of
/// other columns rounding leaves 1e-15 over a thousand rows, 5e-13 over ten million: it grows with the root of the rows of a partition.
pub const TOLERANCE: f64 = 1e-11;

/// What is known of the rows so far: enough to fit a line, and to go on.
#[derive(Debug, Clone)]
pub struct LeastSquares {
    rows: i64,
    /// The means of the predictors and of y, then what rounding has left of each.
    means: Vec<f64>,
    /// R without its first row: the factor of the columns less their means.
    triangle: Triangle,
    /// The row that is rotated in.
    row: Vec<f64>,
}

/// The numbers in [`LeastSquares`], as they travel.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// How many rows there were.
    pub rows: i64,
    /// Two for each column.
    pub means: &'a [f64],
    /// An upper triangle, row by row, of as many rows as columns.
    pub triangle: &'a [f64],
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The constant term.
    pub intercept: f64,
    /// `None` for a predictor that is a linear combination of the ones before it.
    pub coefficients: Vec<Option<f64>>,
    /// `None` if y is constant.
    pub r2: Option<f64>,
    /// `None`, as the other two, without degrees of freedom.
    pub intercept_standard_error: Option<f64>,
    /// Of the coefficients.
    pub standard_errors: Vec<Option<f64>>,
    /// The root of the residual variance, in the unit of y.
    pub residual_standard_error: Option<f64>,
    /// How many rows there were.
    pub rows: i64,
}

impl LeastSquares {
    /// No rows yet.
    pub fn new(predictors: usize) -> Self {
        let columns = predictors + 1;
        Self { rows: 0, means: vec![0.0; 2 * columns], triangle: Triangle::new(columns), row: vec![0.0; columns] }
    }

    /// How many predictors a row has.
    pub fn predictors(&self) -> usize {
        self.row.len() - 1
    }

    /// Adds a row: the predictors, then y.
    pub fn add(&mut self, values: impl Iterator<Item = f64>) {
        let before = self.rows as f64;
        self.rows += 1;
        let after = self.rows as f64;
        let weight = (before / after).sqrt();
        let (means, rests) = self.means.split_at_mut(self.row.len());
        for (((value, mean), rest), deviation) in values.zip(means).zip(rests).zip(&mut self.row) {
            let difference = (value - *mean) - *rest;
            add_exactly(mean, rest, difference / after);
            *deviation = difference * weight;
        }
        self.triangle.rotate_in(&mut self.row, 0);
    }

    /// Adds the rows of another part, which has as many columns.
    pub fn merge(&mut self, other: Part<'_>) {
        if other.rows == 0 {
            return;
        }
        if self.rows == 0 {
            self.rows = other.rows;
            self.means.copy_from_slice(other.means);
            self.triangle.values.copy_from_slice(other.triangle);
            return;
        }
        let (ours, theirs) = (self.rows as f64, other.rows as f64);
        self.rows += other.rows;
        let part = theirs / self.rows as f64;
        let weight = (ours * part).sqrt();
        let columns = self.row.len();
        let (means, rests) = self.means.split_at_mut(columns);
        for (column, deviation) in self.row.iter_mut().enumerate() {
            let (mean, rest) = (&mut means[column], &mut rests[column]);
            let difference = (other.means[column] - *mean) + (other.means[columns + column] - *rest);
            add_exactly(mean, rest, difference * part);
            *deviation = difference * weight;
        }
        self.triangle.rotate_in(&mut self.row, 0);
        let mut rest = other.triangle;
        for column in 0..columns {
            let (row, below) = rest.split_at(columns - column);
            self.row[column..].copy_from_slice(row);
            self.triangle.rotate_in(&mut self.row, column);
            rest = below;
        }
    }

    /// What there is to send.
    pub fn part(&self) -> Part<'_> {
        Part { rows: self.rows, means: &self.means, triangle: &self.triangle.values }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        (self.means.capacity() + self.triangle.values.capacity() + self.row.capacity()) * size_of::<f64>()
    }

    /// Fits y; `None` without a row. All numbers are NaN if a value was NaN or infinite.
    pub fn fit(&self) -> Option<Fit> {
        if self.rows == 0 {
            return None;
        }
        let predictors = self.predictors();
        if !self.means.iter().chain(&self.triangle.values).all(|value| value.is_finite()) {
            return Some(Fit::not_a_number(predictors, self.rows));
        }
        let mut triangle = self.triangle.clone();
        let kept = self.leave_out_dependent(&mut triangle);
        let coefficients = triangle.solve(&kept);
        let mean = |column: usize| self.means[column] + self.means[predictors + 1 + column];
        let intercept =
            mean(predictors) - kept.iter().zip(&coefficients).map(|(column, b)| b * mean(*column)).sum::<f64>();

        let explained = length(kept.iter().map(|row| triangle.at(*row, predictors)));
        let residual = triangle.at(predictors, predictors).abs();
        let total = hypotenuse(explained, residual);
        let freedom = self.rows - 1 - kept.len() as i64;
        let scale = (freedom > 0).then(|| residual / (freedom as f64).sqrt());
        let of_intercept = hypotenuse(1.0 / (self.rows as f64).sqrt(), triangle.length_behind(&kept, mean));
        let mut fit = Fit {
            intercept,
            coefficients: vec![None; predictors],
            r2: (total > 0.0).then(|| (explained / total).powi(2)),
            intercept_standard_error: scale.map(|scale| scale * of_intercept),
            standard_errors: vec![None; predictors],
            residual_standard_error: scale,
            rows: self.rows,
        };
        for (column, coefficient) in kept.iter().zip(coefficients) {
            let unit = |other: usize| if other == *column { 1.0 } else { 0.0 };
            fit.coefficients[*column] = Some(coefficient);
            fit.standard_errors[*column] = scale.map(|scale| scale * triangle.length_behind(&kept, unit));
        }
        Some(fit)
    }

    /// Takes out of `triangle` what depends on the columns before it; the predictors that stay.
    fn leave_out_dependent(&self, triangle: &mut Triangle) -> Vec<usize> {
        let predictors = self.predictors();
        let root = (self.rows as f64).sqrt();
        let mut row = vec![0.0; self.row.len()];
        let mut kept = Vec::with_capacity(predictors);
        for column in 0..predictors {
            let deviation = length((0..=column).map(|row| self.triangle.at(row, column)));
            let norm = hypotenuse(self.means[column] * root, deviation);
            if triangle.at(column, column).abs() > TOLERANCE * norm {
                kept.push(column);
                continue;
            }
            // What its row holds of the columns behind belongs to them.
            let values = triangle.row_mut(column);
            row[column..].copy_from_slice(values);
            values.fill(0.0);
            triangle.rotate_in(&mut row, column + 1);
        }
        kept
    }
}

impl Fit {
    fn not_a_number(predictors: usize, rows: i64) -> Self {
        let (value, values) = (Some(f64::NAN), vec![Some(f64::NAN); predictors]);
        Self {
            intercept: f64::NAN,
            coefficients: values.clone(),
            r2: value,
            intercept_standard_error: value,
            standard_errors: values,
            residual_standard_error: value,
            rows,
        }
    }
}

/// An upper triangular matrix, its rows one behind the other without the zeros.
#[derive(Debug, Clone)]
struct Triangle {
    columns: usize,
    values: Vec<f64>,
}

impl Triangle {
    fn new(columns: usize) -> Self {
        Self { columns, values: vec![0.0; triangle_len(columns)] }
    }

    fn start(&self, row: usize) -> usize {
        triangle_len(self.columns) - triangle_len(self.columns - row)
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[self.start(row) + column - row]
    }

    /// A row from the diagonal on.
    fn row_mut(&mut self, row: usize) -> &mut [f64] {
        let start = self.start(row);
        &mut self.values[start..start + self.columns - row]
    }

    /// Rotates a row in whose values before `first` are zeros; what is left in `row` is of no use.
    fn rotate_in(&mut self, row: &mut [f64], first: usize) {
        let start = self.start(first);
        let mut below = &mut self.values[start..];
        for column in first..self.columns {
            let (ours, rest) = below.split_at_mut(self.columns - column);
            below = rest;
            if let ([diagonal, ours @ ..], [value, theirs @ ..]) = (ours, &mut row[column..])
                && *value != 0.0
            {
                let radius = hypotenuse(*diagonal, *value);
                let (cosine, sine) = (*diagonal / radius, *value / radius);
                *diagonal = radius;
                for (our, their) in ours.iter_mut().zip(theirs) {
                    let old = *our;
                    *our = cosine * old + sine * *their;
                    *their = cosine * *their - sine * old;
                }
            }
        }
    }

    /// The coefficients of the columns that are kept, for the last column.
    fn solve(&self, kept: &[usize]) -> Vec<f64> {
        let mut solution = vec![0.0; kept.len()];
        for (index, &row) in kept.iter().enumerate().rev() {
            let behind = kept[index + 1..].iter().zip(&solution[index + 1..]);
            let known: f64 = behind.map(|(column, value)| self.at(row, *column) * value).sum();
            solution[index] = (self.at(row, self.columns - 1) - known) / self.at(row, row);
        }
        solution
    }

    /// The length of z, where z T = `right` and T is this triangle's kept columns.
    fn length_behind(&self, kept: &[usize], right: impl Fn(usize) -> f64) -> f64 {
        let mut solution: Vec<f64> = Vec::with_capacity(kept.len());
        for &column in kept {
            let known: f64 = kept.iter().zip(&solution).map(|(row, value)| self.at(*row, column) * value).sum();
            solution.push((right(column) - known) / self.at(column, column));
        }
        length(solution.into_iter())
    }
}

/// How many values a triangle of so many columns has.
pub const fn triangle_len(columns: usize) -> usize {
    columns * (columns + 1) / 2
}

/// Adds to a sum whose rounding error is kept beside it (D. Knuth, The Art of Computer Programming 2, 4.2.2).
fn add_exactly(sum: &mut f64, rest: &mut f64, value: f64) {
    let added = *sum + value;
    let part = added - *sum;
    let error = (*sum - (added - part)) + (value - part) + *rest;
    *sum = added + error;
    *rest = error - (*sum - added);
}

/// The square root of a^2 + b^2, also where the squares are out of range.
fn hypotenuse(a: f64, b: f64) -> f64 {
    let square = a * a + b * b;
    if (1e-280..1e280).contains(&square) { square.sqrt() } else { a.hypot(b) }
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, hypotenuse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rows of a data set: y, then the predictors.
    fn strd(file: &str) -> Vec<Vec<f64>> {
        let lines = file.lines().filter(|line| !line.starts_with(['#', 'y']));
        lines.map(|line| line.split(',').map(|value| value.parse().expect("a number")).collect()).collect()
    }

    fn longley() -> Vec<Vec<f64>> {
        strd(include_str!("strd/longley.csv"))
    }

    fn filip() -> Vec<Vec<f64>> {
        let powers = |x: f64| std::iter::successors(Some(x), move |power| Some(power * x)).take(10);
        let rows = strd(include_str!("strd/filip.csv")).into_iter();
        rows.map(|row| std::iter::once(row[0]).chain(powers(row[1])).collect()).collect()
    }

    /// Three predictors that have little to do with each other, exactly the same wherever they are computed.
    fn well_conditioned() -> Vec<Vec<f64>> {
        let row = |i: u32| {
            let part = |factor: u32, modulus: u32| f64::from(i * factor % modulus) / f64::from(modulus);
            let (x1, x2, x3) = (part(37, 101), part(53, 89) * 5.0 - 2.0, part(17, 97) * 100.0);
            vec![1.5 + 2.0 * x1 - 0.5 * x2 + 0.01 * x3 + part(71, 103), x1, x2, x3]
        };
        (0..200).map(row).collect()
    }

    fn squares(rows: &[Vec<f64>], predictors: usize) -> LeastSquares {
        let mut squares = LeastSquares::new(predictors);
        for row in rows {
            squares.add(row[1..].iter().copied().chain([row[0]]));
        }
        squares
    }

    fn fit(rows: &[Vec<f64>]) -> Fit {
        squares(rows, rows[0].len() - 1).fit().expect("a fit")
    }

    /// The numbers of a fit: intercept, coefficients, their standard errors in that order, residual standard error, r2.
    fn values(fit: &Fit) -> Vec<f64> {
        let value = |value: &Option<f64>| value.expect("a value");
        let mut values = vec![fit.intercept];
        values.extend(fit.coefficients.iter().map(value));
        values.push(value(&fit.intercept_standard_error));
        values.extend(fit.standard_errors.iter().map(value));
        values.extend([fit.residual_standard_error, fit.r2].iter().map(value));
        values
    }

    /// The least number of digits that agree, as NIST counts them: -log10 of the relative error.
    fn digits(values: &[f64], certified: &[f64]) -> f64 {
        assert_eq!(values.len(), certified.len());
        let digits =
            values.iter().zip(certified).map(|(value, certified)| -((value - certified) / certified).abs().log10());
        digits.fold(15.0, f64::min)
    }

    const LONGLEY: [f64; 16] = [
        -3482258.63459582,
        15.0618722713733,
        -0.358191792925910E-01,
        -2.02022980381683,
        -1.03322686717359,
        -0.511041056535807E-01,
        1829.15146461355,
        890420.383607373,
        84.9149257747669,
        0.334910077722432E-01,
        0.488399681651699,
        0.214274163161675,
        0.226073200069370,
        455.478499142212,
        304.854073561965,
        0.995479004577296,
    ];

    const FILIP: [f64; 24] = [
        -1467.48961422980,
        -2772.17959193342,
        -2316.37108160893,
        -1127.97394098372,
        -354.478233703349,
        -75.1242017393757,
        -10.8753180355343,
        -1.06221498588947,
        -0.670191154593408E-01,
        -0.246781078275479E-02,
        -0.402962525080404E-04,
        298.084530995537,
        559.779865474950,
        466.477572127796,
        227.204274477751,
        71.6478660875927,
        15.2897178747400,
        2.23691159816033,
        0.221624321934227,
        0.142363763154724E-01,
        0.535617408889821E-03,
        0.896632837373868E-05,
        0.334801051324544E-02,
        0.996727416185620,
    ];

    /// 13.7, the least of all certified values, which 80 digits of mpmath give, too, from the stored rows.
    #[test]
    fn longley_has_13_certified_digits() {
        let fit = fit(&longley());
        assert!(digits(&values(&fit), &LONGLEY) >= 13.0, "{fit:?}");
        assert_eq!(fit.rows, 16);
    }

    /// 7.3, the least; exact arithmetic comes to 7.9 with the powers as doubles.
    #[test]
    fn filip_has_7_certified_digits_and_no_dependent_power() {
        let fit = fit(&filip());
        assert!(digits(&values(&fit), &FILIP) >= 7.0, "{fit:?}");
    }

    /// Filip in parts of 26 rows comes to 6.7, the least.
    #[test]
    fn certified_digits_survive_any_split() {
        for (rows, certified, least) in [(longley(), &LONGLEY[..], 13.0), (filip(), &FILIP[..], 6.5)] {
            for size in 1..rows.len() {
                let mut whole = LeastSquares::new(rows[0].len() - 1);
                for part in rows.chunks(size) {
                    whole.merge(squares(part, whole.predictors()).part());
                }
                let reached = digits(&values(&whole.fit().expect("a fit")), certified);
                assert!(reached >= least, "{reached} digits in parts of {size}");
            }
        }
    }

    /// numpy 2.4.6: `lstsq` and `inv(X.T @ X)`; scikit-learn 1.9.1's `LinearRegression` gives the same coefficients and r2.
    #[test]
    fn agrees_with_numpy_to_nine_digits() {
        let numpy = [
            2.0340314494718243,
            1.9943531615262793,
            -0.5001330525477584,
            0.009213419740253137,
            0.05312783608162394,
            0.07123672871721752,
            0.01425816281465952,
            0.000712839026558696,
            0.2911518415058491,
            0.914987263924254,
        ];
        assert!(digits(&values(&fit(&well_conditioned())), &numpy) >= 9.0);
    }

    proptest! {
        #[test]
        fn parts_in_any_order_give_what_one_gives(
            parts in prop::collection::vec(0..8_usize, 200),
            order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let rows = well_conditioned();
            let mut whole = LeastSquares::new(3);
            for part in order {
                let theirs: Vec<Vec<f64>> =
                    rows.iter().zip(&parts).filter(|(_, of)| **of == part).map(|(row, _)| row.clone()).collect();
                whole.merge(squares(&theirs, 3).part());
            }
            let whole = whole.fit().expect("a fit");
            prop_assert!(digits(&values(&whole), &values(&fit(&rows))) >= 9.0);
            prop_assert_eq!(whole.rows, 200);
        }
    }

    #[test]
    fn an_empty_part_changes_nothing() {
        let rows = well_conditioned();
        let (mut filled, empty) = (squares(&rows, 3), LeastSquares::new(3));
        filled.merge(empty.part());
        assert_eq!(filled.fit(), Some(fit(&rows)));
        let mut empty = empty;
        empty.merge(filled.part());
        assert_eq!(empty.fit(), Some(fit(&rows)));
        assert_eq!(LeastSquares::new(3).fit(), None);
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        let rows = |offset: f64| -> Vec<Vec<f64>> {
            let rows = (0..1000_u32).map(|i| (f64::from(i), f64::from(i * 7919 % 1000)));
            rows.map(|(x, noise)| vec![3.0 * x + noise, x + offset]).collect()
        };
        let (near, far) = (fit(&rows(0.0)), fit(&rows(1.7e12)));
        assert!(digits(&[far.coefficients[0].expect("a slope")], &[near.coefficients[0].expect("a slope")]) >= 13.0);
        assert!(digits(&[far.r2.expect("an r2")], &[near.r2.expect("an r2")]) >= 13.0);
    }

    #[test]
    fn dependent_columns_are_left_out_and_the_others_fitted() {
        let expected = fit(&well_conditioned());
        let rows: Vec<Vec<f64>> = well_conditioned()
            .into_iter()
            .map(|row| vec![row[0], 7.3, row[1], 1.1 * row[1] - 0.2, row[2], row[3], row[1] + row[2] - row[3]])
            .collect();
        let fit = fit(&rows);
        let given = |values: &[Option<f64>]| values.iter().map(Option::is_some).collect::<Vec<_>>();
        let kept = [false, true, false, true, true, false];
        assert_eq!((given(&fit.coefficients), given(&fit.standard_errors)), (kept.to_vec(), kept.to_vec()));
        let without = Fit {
            coefficients: fit.coefficients.iter().flatten().map(|value| Some(*value)).collect(),
            standard_errors: fit.standard_errors.iter().flatten().map(|value| Some(*value)).collect(),
            ..fit
        };
        assert!(digits(&values(&without), &values(&expected)) >= 9.0);
    }

    #[test]
    fn dependent_columns_are_found_in_a_million_rows() {
        let mut squares = LeastSquares::new(3);
        for i in 0..1_000_000_u32 {
            let (a, b) = (f64::from(i), f64::from(i % 1000) / 7.0);
            squares.add([a, b, 0.1 * a - 3.0 * b + 1e6, b].into_iter());
        }
        let given: Vec<bool> = squares.fit().expect("a fit").coefficients.iter().map(Option::is_some).collect();
        assert_eq!(given, [true, true, false]);
    }

    #[test]
    fn with_few_rows_the_first_predictors_are_fitted_and_nothing_is_known_of_errors() {
        let rows = [vec![1.0, 0.0, 1.0], vec![3.0, 1.0, 5.0]];
        let two = fit(&rows);
        assert_eq!((two.intercept, &two.coefficients[..]), (1.0, &[Some(2.0), None][..]));
        assert_eq!((two.r2, two.residual_standard_error), (Some(1.0), None));
        assert_eq!((two.intercept_standard_error, &two.standard_errors[..]), (None, &[None, None][..]));
        let one = fit(&rows[..1]);
        assert_eq!((one.intercept, &one.coefficients[..], one.r2, one.rows), (1.0, &[None, None][..], None, 1));
    }

    #[test]
    fn a_constant_y_has_no_r2() {
        let fit = fit(&[vec![0.1, 1.0], vec![0.1, 2.0], vec![0.1, 4.0]]);
        assert_eq!((fit.intercept, &fit.coefficients[..], fit.r2), (0.1, &[Some(0.0)][..], None));
        assert_eq!((fit.residual_standard_error, &fit.standard_errors[..]), (Some(0.0), &[Some(0.0)][..]));
    }

    #[test]
    fn no_number_in_gives_no_number() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for row in [0, 2] {
                for column in 0..3 {
                    let mut rows =
                        vec![vec![1.0, 2.0, 1.0], vec![2.0, 3.0, 5.0], vec![0.0, 1.0, 2.0], vec![4.0, 9.0, 8.0]];
                    rows[row][column] = bad;
                    let fit = fit(&rows);
                    assert!(values(&fit).iter().all(|value| value.is_nan()), "{fit:?}");
                    assert_eq!(fit.rows, 4);
                }
            }
        }
    }

    #[test]
    fn neither_tiny_nor_huge_values_leave_the_range() {
        for scale in [1e-200, 1e200] {
            let rows: Vec<Vec<f64>> =
                well_conditioned().iter().map(|row| row.iter().map(|value| value * scale).collect()).collect();
            let (scaled, expected) = (fit(&rows), fit(&well_conditioned()));
            assert!(digits(&[scaled.r2.expect("an r2")], &[expected.r2.expect("an r2")]) >= 9.0, "{scaled:?}");
            assert!(
                scaled.coefficients.iter().zip(&expected.coefficients).all(|(ours, theirs)| {
                    digits(&[ours.unwrap_or(f64::NAN)], &[theirs.unwrap_or(f64::NAN)]) >= 9.0
                })
            );
        }
    }
}
