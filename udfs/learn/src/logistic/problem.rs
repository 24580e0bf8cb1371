//! From point to point: Newton's steps, or those of L-BFGS where second derivatives are too many.

use std::collections::VecDeque;

use super::cholesky::Cholesky;

/// Steps of Newton's, and of L-BFGS.
const MOST_NEWTON_ROUNDS: usize = 100;
const MOST_LBFGS_ROUNDS: usize = 1000;
/// How many steps L-BFGS remembers.
const MEMORY: usize = 10;
/// A column of which no more than this part is left beside the others, in squares, says nothing.
const DEPENDENT: f64 = 1e-12;

/// What a pass says of a point, without the penalty.
#[derive(Debug, Clone)]
pub(crate) struct Evaluation {
    pub(crate) loss: f64,
    pub(crate) first: Vec<f64>,
    /// The lower triangle, in a square; empty for L-BFGS.
    pub(crate) second: Vec<f64>,
    /// How far the row that is worst off is on its right side.
    pub(crate) margin: f64,
}

/// Why there is no minimum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NoMinimum {
    Separated,
    /// The column.
    Dependent(usize),
    OutOfRange,
}

/// A loss to be minimised.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Parameters of a class: coefficients, and the intercept.
    size: usize,
    /// Classes of it, each with its parameters; 1 for two classes.
    parts: usize,
    /// Half of this times the square of a coefficient, for each column, is added to the loss.
    penalty: Vec<f64>,
    rows: f64,
    pub(crate) point: Vec<f64>,
    /// Where the last step began.
    accepted: Option<Accepted>,
    step: Vec<f64>,
    line: Line,
    memory: VecDeque<(Vec<f64>, Vec<f64>)>,
    last_length: f64,
    pub(crate) rounds: usize,
    pub(crate) is_done: bool,
    pub(crate) converged: bool,
    with_second: bool,
}

#[derive(Debug)]
struct Accepted {
    point: Vec<f64>,
    /// With the penalty.
    loss: f64,
    gradient: Vec<f64>,
    /// Without.
    plain_loss: f64,
    factor: Option<Cholesky>,
}

/// How far along a step the line search is.
#[derive(Debug, Clone, Copy)]
struct Line {
    length: f64,
    least: f64,
    most: f64,
    tries: usize,
}

impl Line {
    const WHOLE: Self = Self { length: 1.0, least: 0.0, most: f64::INFINITY, tries: 0 };
}

impl Problem {
    pub(crate) fn new(start: Vec<f64>, parts: usize, penalty: Vec<f64>, rows: u64, with_second: bool) -> Self {
        Self {
            size: penalty.len() + 1,
            parts,
            penalty,
            rows: rows as f64,
            point: start,
            accepted: None,
            step: Vec::new(),
            line: Line::WHOLE,
            memory: VecDeque::new(),
            last_length: f64::INFINITY,
            rounds: 0,
            is_done: false,
            converged: false,
            with_second,
        }
    }

    fn is_free(&self) -> bool {
        self.penalty.iter().all(|penalty| *penalty == 0.0)
    }

    /// The loss at the last point that was better than the ones before, with the penalty.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.accepted.as_ref().map(|accepted| accepted.loss)
    }

    /// Takes what a pass says of `point`, and moves on.
    pub(crate) fn take(&mut self, evaluation: Evaluation) -> Result<(), NoMinimum> {
        let plain_loss = evaluation.loss;
        let (mut loss, mut gradient) = (evaluation.loss, evaluation.first);
        for (part, values) in self.point.chunks_exact(self.size).enumerate() {
            for (column, (value, penalty)) in values.iter().zip(&self.penalty).enumerate() {
                loss += 0.5 * penalty * value * value;
                gradient[part * self.size + column] += penalty * value;
            }
        }
        if !loss.is_finite() || !gradient.iter().all(|value| value.is_finite()) {
            return Err(NoMinimum::OutOfRange);
        }
        if self.is_free() && evaluation.margin > 0.0 {
            return Err(NoMinimum::Separated);
        }
        if !self.is_accepted(loss, &gradient) {
            return Ok(());
        }
        if let Some(before) = &self.accepted {
            self.rounds += 1;
            if !self.with_second {
                let moved = difference(&self.point, &before.point);
                let turned = difference(&gradient, &before.gradient);
                if dot(&moved, &turned) > 0.0 {
                    self.memory.push_back((moved, turned));
                }
                if self.memory.len() > MEMORY {
                    self.memory.pop_front();
                }
            }
        }
        self.line = Line::WHOLE;
        let mut accepted = Accepted { point: self.point.clone(), loss, gradient, plain_loss, factor: None };
        if self.with_second {
            self.newton(&mut accepted, evaluation.second)?;
        } else {
            self.lbfgs(&accepted);
        }
        self.accepted = Some(accepted);
        self.move_on();
        Ok(())
    }

    /// Whether the step went far enough, and not too far; else tries another length of it.
    fn is_accepted(&mut self, loss: f64, gradient: &[f64]) -> bool {
        const MOST_TRIES: usize = 40;
        let Some(before) = &self.accepted else { return true };
        let slope = -dot(&self.step, &before.gradient);
        let noise = before.loss.abs() * 1e-13;
        let is_lower = if self.with_second {
            loss <= before.loss + noise
        } else {
            loss <= before.loss + 1e-4 * self.line.length * slope + noise
        };
        let is_too_short = !self.with_second && -dot(&self.step, gradient) < 0.9 * slope;
        if is_lower && !is_too_short {
            return true;
        }
        self.line.tries += 1;
        if self.line.tries == MOST_TRIES {
            if is_lower {
                return true;
            }
            // Nothing along the step is lower: rounding hides what is left.
            self.converged = self.is_flat(&before.gradient, 1e-6);
            self.is_done = true;
            return false;
        }
        if is_lower {
            self.line.least = self.line.length;
            self.line.length = if self.line.most.is_finite() {
                0.5 * (self.line.least + self.line.most)
            } else {
                2.0 * self.line.length
            };
        } else {
            self.line.most = self.line.length;
            self.line.length = 0.5 * (self.line.least + self.line.most);
        }
        self.move_on();
        false
    }

    fn move_on(&mut self) {
        if let Some(accepted) = &self.accepted
            && !self.is_done
        {
            let length = self.line.length;
            self.point = accepted.point.iter().zip(&self.step).map(|(value, step)| value - length * step).collect();
        }
    }

    fn is_flat(&self, gradient: &[f64], tolerance: f64) -> bool {
        largest(gradient) <= tolerance * self.rows.max(1.0)
    }

    fn newton(&mut self, accepted: &mut Accepted, mut matrix: Vec<f64>) -> Result<(), NoMinimum> {
        let total = self.size * self.parts;
        for part in 0..self.parts {
            for (column, penalty) in self.penalty.iter().enumerate() {
                matrix[(part * self.size + column) * (total + 1)] += penalty;
            }
        }
        self.fill_level_directions(&mut matrix);
        let is_free = self.is_free();
        let tolerance = if is_free { DEPENDENT } else { 1e-15 };
        let factor = Cholesky::new(matrix, total, tolerance).map_err(|place| {
            let is_column = place % self.size < self.size - 1;
            if self.accepted.is_none() && is_column {
                NoMinimum::Dependent(place % self.size)
            } else {
                NoMinimum::Separated
            }
        })?;
        self.step = factor.solve(&accepted.gradient);
        accepted.factor = Some(factor);
        let gain = dot(&self.step, &accepted.gradient);
        let length = largest(&self.step) / largest(&accepted.point).max(1.0);
        let is_small = gain <= 1e-14 * accepted.loss.max(1.0);
        let no_longer_shrinks = length > 0.25 * self.last_length;
        if is_free && gain <= 1e-6 && length > 0.3 * self.last_length && length > 1e-4 {
            // Near a minimum steps shrink by their square: these go on to where classes are apart, or no nearer.
            return Err(NoMinimum::Separated);
        }
        self.last_length = length;
        self.converged = length <= 1e-11 || is_small && no_longer_shrinks;
        self.is_done = self.converged || self.rounds >= MOST_NEWTON_ROUNDS;
        Ok(())
    }

    /// More than two classes: adding the same to all of their intercepts, and without a penalty to their coefficients, changes no
    /// probability. The matrix gets a value in those directions, in which the gradient is 0; so steps have no part in them.
    fn fill_level_directions(&self, matrix: &mut [f64]) {
        if self.parts == 1 {
            return;
        }
        let total = self.size * self.parts;
        for column in 0..self.size {
            if self.penalty.get(column).is_some_and(|penalty| *penalty > 0.0) {
                continue;
            }
            let places = (0..self.parts).map(|part| part * self.size + column);
            let level = places.clone().map(|place| matrix[place * (total + 1)]).sum::<f64>() / self.parts as f64;
            for i in places.clone() {
                for j in places.clone().take_while(|j| *j <= i) {
                    matrix[i * total + j] += level;
                }
            }
        }
    }

    fn lbfgs(&mut self, accepted: &Accepted) {
        let mut step = accepted.gradient.clone();
        let mut factors = Vec::with_capacity(self.memory.len());
        for (moved, turned) in self.memory.iter().rev() {
            let factor = dot(moved, &step) / dot(moved, turned);
            step.iter_mut().zip(turned).for_each(|(step, turned)| *step -= factor * turned);
            factors.push(factor);
        }
        // A quarter of the rows is the most that a second derivative of scaled columns is.
        let scale = self
            .memory
            .back()
            .map_or(4.0 / self.rows.max(1.0), |(moved, turned)| dot(moved, turned) / dot(turned, turned));
        step.iter_mut().for_each(|step| *step *= scale);
        for ((moved, turned), factor) in self.memory.iter().zip(factors.iter().rev()) {
            let other = dot(turned, &step) / dot(moved, turned);
            step.iter_mut().zip(moved).for_each(|(step, moved)| *step += (factor - other) * moved);
        }
        self.step = step;
        self.converged = self.is_flat(&accepted.gradient, 1e-9);
        self.is_done = self.converged || self.rounds >= MOST_LBFGS_ROUNDS;
    }

    /// What is known at the end; `None` before.
    pub(crate) fn solution(&self) -> Option<Solution<'_>> {
        let accepted = self.accepted.as_ref().filter(|_| self.is_done)?;
        Some(Solution { problem: self, accepted })
    }
}

/// A point, and what is known of it.
pub(crate) struct Solution<'a> {
    problem: &'a Problem,
    accepted: &'a Accepted,
}

impl Solution<'_> {
    pub(crate) fn point(&self) -> &[f64] {
        &self.accepted.point
    }

    pub(crate) fn loss_without_penalty(&self) -> f64 {
        self.accepted.plain_loss
    }

    pub(crate) fn largest_gradient(&self) -> f64 {
        largest(&self.accepted.gradient)
    }

    /// The standard error of a sum of parameters of a class, each times its factor; NaN where there are no second derivatives.
    ///
    /// Of an intercept of more than two classes, and without a penalty of a coefficient, it is that of the difference from the mean over
    /// the classes: nothing else is known of them.
    pub(crate) fn standard_error(&self, part: usize, factors: &[f64], is_intercept: bool) -> f64 {
        let Some(factor) = &self.accepted.factor else { return f64::NAN };
        let mut vector = vec![0.0; self.accepted.point.len()];
        let start = part * factors.len();
        vector[start..start + factors.len()].copy_from_slice(factors);
        let parts = self.problem.parts;
        let mut first = start + factors.iter().position(|factor| *factor != 0.0).unwrap_or_default();
        if parts > 1 && (is_intercept || self.problem.is_free()) {
            first = 0;
            for class in vector.chunks_exact_mut(factors.len()) {
                class.iter_mut().zip(factors).for_each(|(value, factor)| *value -= factor / parts as f64);
            }
        }
        factor.inverse_form(vector, first).sqrt()
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
