//! How weights follow their gradients.

use super::real::Real;

/// A rule by which weights change in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// By running means of the gradients and of their squares (D. Kingma, J. Ba 2015, ICLR: Adam), with Keras' constants: 0.9, 0.999, 1e-7.
    Adam,
    /// By the gradients, and a part of the last change (Keras' `SGD`, without Nesterov's look ahead).
    Sgd {
        /// The part, from 0 to below 1.
        momentum: f64,
    },
}

const MEAN_STAYS: f64 = 0.9;
const SQUARE_STAYS: f64 = 0.999;
const EPSILON: f64 = 1e-7;

/// How the learning rate changes while a network is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Down to 0 along half a wave of the cosine (I. Loshchilov, F. Hutter 2017, ICLR: SGDR, without restarts).
    Cosine,
    /// Down to 0 in a straight line.
    Linear,
    /// Times a factor, behind each part of the training.
    Steps {
        /// How many parts there are.
        parts: u32,
        /// What the rate is multiplied by.
        factor: f64,
    },
}

impl Schedule {
    /// The learning rate of a step of so many.
    pub fn rate(self, first: f64, step: u64, steps: u64) -> f64 {
        let done = step as f64 / steps.max(1) as f64;
        match self {
            Self::Constant => first,
            Self::Cosine => first * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()),
            Self::Linear => first * (1.0 - done.min(1.0)),
            Self::Steps { parts, factor } => {
                let part = (done * f64::from(parts)).floor().min(f64::from(parts.saturating_sub(1)));
                first * factor.powf(part)
            }
        }
    }
}

/// What an optimizer remembers from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments<T> {
    /// Steps until now.
    pub steps: u64,
    /// Of each weight the mean of its gradients, then of each that of their squares; of SGD the last changes alone.
    pub values: Vec<T>,
}

impl Optimizer {
    /// Nothing to remember yet.
    pub fn moments<T: Real>(self, weights: usize) -> Moments<T> {
        let values = match self {
            Self::Adam => 2 * weights,
            Self::Sgd { .. } => weights,
        };
        Moments { steps: 0, values: vec![T::default(); values] }
    }

    /// Changes the weights by a step.
    #[inline(always)]
    pub(super) fn step<T: Real>(self, rate: f64, weights: &mut [T], gradients: &[T], moments: &mut Moments<T>) {
        moments.steps += 1;
        match self {
            Self::Adam => {
                let (means, squares) = moments.values.split_at_mut(weights.len());
                let steps = moments.steps.min(i32::MAX as u64) as i32;
                let rate = rate * (1.0 - SQUARE_STAYS.powi(steps)).sqrt() / (1.0 - MEAN_STAYS.powi(steps));
                let (rate, epsilon) = (T::of(rate), T::of(EPSILON));
                let (mean_comes, square_comes) = (T::of(1.0 - MEAN_STAYS), T::of(1.0 - SQUARE_STAYS));
                let moments = means.iter_mut().zip(squares);
                for ((weight, gradient), (mean, square)) in weights.iter_mut().zip(gradients).zip(moments) {
                    *mean += (*gradient - *mean) * mean_comes;
                    *square += (*gradient * *gradient - *square) * square_comes;
                    *weight -= *mean * rate / (square.sqrt() + epsilon);
                }
            }
            Self::Sgd { momentum } => {
                let (rate, momentum) = (T::of(rate), T::of(momentum));
                for ((weight, gradient), change) in weights.iter_mut().zip(gradients).zip(&mut moments.values) {
                    *change = *change * momentum - *gradient * rate;
                    *weight += *change;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `keras.optimizers.Adam(0.1)` and `keras.optimizers.SGD(0.1, momentum=0.9)` on the weight 1 with the gradients 0.5, -0.2 and 0.1, whose formulas
    /// were written out in Python, in doubles.
    #[test]
    fn steps_are_those_of_the_formulas() {
        let run = |optimizer: Optimizer| {
            let (mut weights, mut moments) = ([1.0_f64], optimizer.moments(1));
            let steps = [0.5, -0.2, 0.1].map(|gradient| {
                optimizer.step(0.1, &mut weights, &[gradient], &mut moments);
                weights[0]
            });
            steps.map(|weight| (weight * 1e9).round() / 1e9)
        };
        let adam = {
            let (mut m, mut v, mut w) = (0.0_f64, 0.0_f64, 1.0_f64);
            let mut t = 0;
            [0.5, -0.2, 0.1].map(|g: f64| {
                t += 1;
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                let alpha = 0.1 * (1.0 - 0.999_f64.powi(t)).sqrt() / (1.0 - 0.9_f64.powi(t));
                w -= alpha * m / (v.sqrt() + 1e-7);
                (w * 1e9).round() / 1e9
            })
        };
        assert_eq!(run(Optimizer::Adam), adam);
        assert_eq!(run(Optimizer::Sgd { momentum: 0.9 }), [0.95, 0.925, 0.8925]);
    }

    #[test]
    fn schedules_begin_with_the_rate_and_end_as_they_say() {
        let rates =
            |schedule: Schedule| [0, 50, 75, 100].map(|step| (schedule.rate(0.2, step, 100) * 1e6).round() / 1e6);
        assert_eq!(rates(Schedule::Constant), [0.2; 4]);
        assert_eq!(rates(Schedule::Cosine), [0.2, 0.1, 0.029289, 0.0]);
        assert_eq!(rates(Schedule::Linear), [0.2, 0.1, 0.05, 0.0]);
        assert_eq!(rates(Schedule::Steps { parts: 4, factor: 0.5 }), [0.2, 0.05, 0.025, 0.025]);
    }
}
