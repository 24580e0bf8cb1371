//! From pass to pass: means and spreads of the columns, then points until the loss is least.

use super::pass::{Derivatives, Evaluate, LogisticPass, LogisticSums, Moments};
use super::problem::{Evaluation, NoMinimum, Problem};
use crate::error::Error;
use crate::estimator::ONE_VS_REST;
use crate::exact_sum::deviations;
use crate::fitted::{Fitted, Numbers};
use crate::functions::ln;

/// Newton's steps are for up to so many parameters.
const MOST_SECOND: usize = 1500;
/// The most second derivatives of all problems together, in whole tiles: 128 MB.
const MOST_SECONDS: usize = 1 << 24;
/// The most parameters.
const MOST_PARAMETERS: usize = 1 << 22;

/// A fit under way.
#[derive(Debug)]
pub(crate) struct Logistic {
    step: &'static str,
    classes: usize,
    l2: f64,
    columns: Vec<String>,
    /// All classes at once; else one problem for each target.
    is_multinomial: bool,
    with_second: bool,
    means: Vec<f64>,
    scales: Vec<f64>,
    problems: Vec<Problem>,
    /// Which problems the pass is about.
    active: Vec<usize>,
    pass: Option<LogisticPass>,
    rows: u64,
}

impl Logistic {
    pub(crate) fn new(
        step: &'static str,
        classes: usize,
        l2: f64,
        one_vs_rest: bool,
        columns: Vec<String>,
    ) -> Result<Self, Error> {
        if !l2.is_finite() || l2 < 0.0 {
            return Err(Error::Argument { step, argument: "l2", allowed: "a number from 0 on", got: l2.to_string() });
        }
        if classes < 2 {
            return Err(Error::TooFewClasses { step, got: classes });
        }
        let size = columns.len() + 1;
        if classes.checked_mul(size).is_none_or(|parameters| parameters > MOST_PARAMETERS) {
            let most = MOST_PARAMETERS / size;
            return Err(Error::TooLarge { step, what: "classes", columns: columns.len(), got: classes, most });
        }
        let is_multinomial = !one_vs_rest && classes > 2;
        let with_second = if is_multinomial {
            classes * size <= MOST_SECOND
        } else {
            let of_class = size.next_multiple_of(8).saturating_mul(size.next_multiple_of(8));
            size <= MOST_SECOND && (!one_vs_rest || classes.saturating_mul(of_class) <= MOST_SECONDS)
        };
        Ok(Self {
            step,
            classes,
            l2,
            columns,
            is_multinomial,
            with_second,
            means: Vec::new(),
            scales: Vec::new(),
            problems: Vec::new(),
            active: Vec::new(),
            pass: Some(LogisticPass::Moments { classes }),
            rows: 0,
        })
    }

    /// The class that each problem tells from the others.
    fn targets(&self) -> Vec<usize> {
        match (self.is_multinomial, self.step) {
            (true, _) => Vec::new(),
            (false, ONE_VS_REST) => (0..self.classes).collect(),
            (false, _) => vec![1],
        }
    }

    pub(crate) fn pass(&self) -> Option<&LogisticPass> {
        self.pass.as_ref()
    }

    pub(crate) fn rounds(&self) -> usize {
        self.problems.iter().map(|problem| problem.rounds).max().unwrap_or_default()
    }

    /// The loss of all problems together, with the penalty.
    pub(crate) fn loss(&self) -> Option<f64> {
        if self.problems.is_empty() {
            return None;
        }
        self.problems.iter().map(Problem::loss).sum()
    }

    pub(crate) fn take(&mut self, sums: &LogisticSums, rows: u64) -> Result<(), Error> {
        if rows == 0 {
            return Err(Error::NoRows { step: self.step });
        }
        let pass = self.pass.take();
        match (pass, sums) {
            (Some(LogisticPass::Moments { .. }), LogisticSums::Moments(moments))
                if moments.class_counts.len() == self.classes && moments.least.len() == self.columns.len() =>
            {
                self.check_labels(moments.strange_labels)?;
                self.rows = rows;
                self.begin(moments)?;
            }
            (Some(LogisticPass::Evaluate(evaluate)), LogisticSums::Evaluate(derivatives))
                if derivatives.fits(&evaluate) && rows == self.rows =>
            {
                self.check_labels(derivatives.strange_labels())?;
                self.go_on(derivatives)?;
            }
            (Some(LogisticPass::Evaluate(_)), LogisticSums::Evaluate(_)) if rows != self.rows => {
                return Err(Error::OtherPass("they are of another number of rows"));
            }
            _ => return Err(Error::OtherPass("they are of another kind")),
        }
        self.pass = self.next_pass();
        Ok(())
    }

    fn check_labels(&self, strange: u64) -> Result<(), Error> {
        if strange == 0 { Ok(()) } else { Err(Error::Label { step: self.step, classes: self.classes }) }
    }

    fn begin(&mut self, moments: &Moments) -> Result<(), Error> {
        let (step, classes) = (self.step, self.classes);
        let present = moments.class_counts.iter().filter(|count| **count > 0).count();
        if present < 2 {
            return Err(Error::TooFewClasses { step, got: present });
        }
        if let Some(class) = moments.class_counts.iter().position(|count| *count == 0) {
            return Err(Error::EmptyClass { step, class, classes });
        }
        let rows = self.rows as f64;
        for (column, name) in self.columns.iter().enumerate() {
            let is_constant = moments.least[column] == moments.most[column];
            if is_constant && self.l2 == 0.0 {
                return Err(Error::Dependent { step, column: name.clone(), is_constant });
            }
            // A constant column is 0 less its mean, which the quotient of rounded sums may miss.
            let mean = if is_constant { moments.least[column] } else { moments.sums.quotient(column, rows) };
            let (sum, rest) = moments.sums.pair(column);
            let (square, square_rest) = moments.sums.pair(self.columns.len() + column);
            let parts = [sum, rest];
            let spread = deviations(self.rows as i64, &[square, square_rest], &parts, &parts);
            if !spread.is_finite() {
                return Err(Error::OutOfRange { step });
            }
            let deviation =
                if spread > 0.0 { spread.sqrt() / rows } else { moments.most[column] - moments.least[column] };
            self.means.push(mean);
            self.scales.push(if is_constant { 1.0 } else { 1.0 / power_of_2(deviation) });
        }
        let penalty: Vec<f64> = self.scales.iter().map(|scale| self.l2 * scale * scale).collect();
        let share = |class: usize| moments.class_counts[class] as f64 / rows;
        let problem = |intercepts: &[f64]| {
            let mut start = Vec::with_capacity(intercepts.len() * (penalty.len() + 1));
            for intercept in intercepts {
                start.resize(start.len() + penalty.len(), 0.0);
                start.push(*intercept);
            }
            Problem::new(start, intercepts.len(), penalty.clone(), self.rows, self.with_second)
        };
        self.problems = if self.is_multinomial {
            let logarithms: Vec<f64> = (0..classes).map(|class| ln(share(class))).collect();
            let mean = logarithms.iter().sum::<f64>() / classes as f64;
            vec![problem(&logarithms.iter().map(|logarithm| logarithm - mean).collect::<Vec<_>>())]
        } else {
            self.targets().iter().map(|class| problem(&[ln(share(*class)) - ln(1.0 - share(*class))])).collect()
        };
        Ok(())
    }

    fn go_on(&mut self, derivatives: &Derivatives) -> Result<(), Error> {
        let size = self.columns.len() + 1;
        for (index, problem) in self.active.iter().enumerate() {
            let parts = if self.is_multinomial { self.classes } else { 1 };
            let first: Vec<f64> = (0..parts).flat_map(|part| derivatives.first(index + part)).collect();
            let total = parts * size;
            let mut second = vec![0.0; if self.with_second { total * total } else { 0 }];
            if self.with_second {
                for i in 0..total {
                    for j in 0..=i {
                        let (row, column) = (i / size, j / size);
                        let block = index + row * (row + 1) / 2 + column;
                        second[i * total + j] = derivatives.second(block, i % size, j % size);
                    }
                }
            }
            let (loss, margin) = (derivatives.loss(index), derivatives.margin(index));
            let outcome = self.problems[*problem].take(Evaluation { loss, first, second, margin });
            outcome.map_err(|error| match error {
                NoMinimum::OutOfRange => Error::OutOfRange { step: self.step },
                NoMinimum::Dependent(column) => {
                    Error::Dependent { step: self.step, column: self.columns[column].clone(), is_constant: false }
                }
                NoMinimum::Separated => {
                    let class = (self.problems.len() > 1).then_some(*problem);
                    Error::Separated { step: self.step, class }
                }
            })?;
        }
        Ok(())
    }

    fn next_pass(&mut self) -> Option<LogisticPass> {
        self.active = (0..self.problems.len()).filter(|index| !self.problems[*index].is_done).collect();
        if self.active.is_empty() {
            return None;
        }
        let all = self.targets();
        Some(LogisticPass::Evaluate(Evaluate {
            classes: self.classes,
            means: self.means.clone(),
            scales: self.scales.clone(),
            is_multinomial: self.is_multinomial,
            with_second: self.with_second,
            targets: self.active.iter().filter_map(|index| all.get(*index).copied()).collect(),
            points: self.active.iter().flat_map(|index| self.problems[*index].point.clone()).collect(),
        }))
    }

    pub(crate) fn finish(self) -> Result<Fitted, Error> {
        let d = self.columns.len();
        let (mut coefficients, mut intercepts) = (Vec::new(), Vec::new());
        let (mut errors, mut intercept_errors) = (Vec::new(), Vec::new());
        let (mut loss, mut gradient): (f64, f64) = (0.0, 0.0);
        // Of the coefficients as they are given: the intercept is that of columns less their means, less what the means come to.
        let mut of_intercept: Vec<f64> =
            self.means.iter().zip(&self.scales).map(|(mean, scale)| -mean * scale).collect();
        of_intercept.push(1.0);
        for problem in &self.problems {
            let not_done = Error::NotDone { step: self.step, rounds: problem.rounds };
            let solution = problem.solution().ok_or(not_done)?;
            loss += solution.loss_without_penalty();
            gradient = gradient.max(solution.largest_gradient());
            for (part, point) in solution.point().chunks_exact(d + 1).enumerate() {
                let own: Vec<f64> = point.iter().zip(&self.scales).map(|(value, scale)| value * scale).collect();
                let at_means = own.iter().zip(&self.means).map(|(coefficient, mean)| coefficient * mean).sum::<f64>();
                intercepts.push(point[d] - at_means);
                coefficients.extend(own);
                for column in 0..d {
                    let mut factors = vec![0.0; d + 1];
                    factors[column] = self.scales[column];
                    errors.push(solution.standard_error(part, &factors, false));
                }
                intercept_errors.push(solution.standard_error(part, &of_intercept, true));
            }
        }
        if self.problems.is_empty() {
            return Err(Error::NotDone { step: self.step, rounds: 0 });
        }
        let m = intercepts.len();
        let converged = self.problems.iter().all(|problem| problem.converged);
        let mut notes = Vec::new();
        if !converged {
            notes.push(format!("the loss could still be lower after {} rounds", self.rounds()));
        }
        if !self.with_second {
            notes.push(format!("standard errors are there for up to {MOST_SECOND} parameters"));
        }
        let mut numbers = vec![
            Numbers::new("coefficients", &[m, d], coefficients),
            Numbers::new("intercepts", &[m], intercepts),
            Numbers::new("standard_errors", &[m, d], errors),
            Numbers::new("intercept_standard_errors", &[m], intercept_errors),
            Numbers::new("log_loss", &[], vec![loss / self.rows as f64]),
            Numbers::new("gradient", &[], vec![gradient]),
        ];
        if !self.is_multinomial && m > 1 {
            let rounds = self.problems.iter().map(|problem| problem.rounds as f64).collect();
            numbers.push(Numbers::new("rounds", &[m], rounds));
        }
        Ok(Fitted { rows: self.rows, rounds: self.rounds(), converged, numbers, notes })
    }
}

/// The largest power of 2 that a number reaches.
fn power_of_2(value: f64) -> f64 {
    const MANTISSA: u64 = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
    let power = f64::from_bits(value.to_bits() & !MANTISSA);
    if power.is_normal() { power } else { 1.0 }
}
