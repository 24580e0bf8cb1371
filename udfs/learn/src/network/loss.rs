//! How wrong a network is.

use super::real::Real;

/// What is made as small as can be: the mean over the rows of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The logarithm of the probability of the right class, less than zero, where the outputs are the logarithms of probabilities but for a constant
    /// (logits); a row's target is the number of its class.
    CrossEntropy,
    /// The mean of the squared differences; a row has as many targets as outputs.
    SquaredError,
}

impl Loss {
    /// How many targets a row has.
    pub fn targets(self, outputs: usize) -> usize {
        match self {
            Self::CrossEntropy => 1,
            Self::SquaredError => outputs,
        }
    }

    /// The sum of the rows' losses. `gradients` becomes that of their mean by each output.
    pub(super) fn of<T: Real>(self, outputs: &[T], targets: &[T], rows: usize, gradients: &mut [T]) -> f64 {
        let count = outputs.len() / rows.max(1);
        let share = 1.0 / rows.max(1) as f64;
        let mut sum = 0.0;
        for (row, (outputs, gradients)) in
            outputs.chunks_exact(count).zip(gradients.chunks_exact_mut(count)).enumerate()
        {
            match self {
                Self::CrossEntropy => {
                    let class = targets[row].to_f64() as usize;
                    let (probabilities, loss) = softmax(outputs, class);
                    sum += loss;
                    for (place, (gradient, probability)) in gradients.iter_mut().zip(probabilities).enumerate() {
                        let right = if place == class { 1.0 } else { 0.0 };
                        *gradient = T::of((probability - right) * share);
                    }
                }
                Self::SquaredError => {
                    let targets = &targets[row * count..(row + 1) * count];
                    for ((gradient, output), target) in gradients.iter_mut().zip(outputs).zip(targets) {
                        let difference = output.to_f64() - target.to_f64();
                        sum += difference * difference / count as f64;
                        *gradient = T::of(2.0 * difference * share / count as f64);
                    }
                }
            }
        }
        sum
    }
}

/// The probabilities of logits, and the loss where this class is right.
fn softmax<T: Real>(logits: &[T], class: usize) -> (impl Iterator<Item = f64>, f64) {
    let most = logits.iter().map(|logit| logit.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit.to_f64() - most).exp()).sum();
    let loss = sum.ln() - (logits.get(class).map_or(f64::NAN, |logit| logit.to_f64()) - most);
    (logits.iter().map(move |logit| (logit.to_f64() - most).exp() / sum), loss)
}
