//! Channels of mean 0 and variance 1 (S. Ioffe, C. Szegedy 2015, ICML: Batch Normalization).

use super::layer::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};
use super::real::Real;

/// What the way back needs: the normalized values, and for each channel what they were divided by.
#[derive(Debug, Clone, Default)]
pub(super) struct Normalized<T> {
    values: Vec<T>,
    deviations: Vec<T>,
    /// Mean and variance of the step's rows, for those of all rows.
    seen: Vec<T>,
}

/// The weights of the layer: factors, constants, and the means and variances of all that came by.
struct Parts<'a, T> {
    factors: &'a [T],
    constants: &'a [T],
    means: &'a [T],
    variances: &'a [T],
}

fn parts<T>(weights: &[T]) -> Parts<'_, T> {
    let channels = weights.len() / 4;
    let (factors, rest) = weights.split_at(channels);
    let (constants, rest) = rest.split_at(channels);
    let (means, variances) = rest.split_at(channels);
    Parts { factors, constants, means, variances }
}

impl<T: Real> Normalized<T> {
    /// By the means and variances of these rows.
    pub(super) fn forward(&mut self, weights: &[T], x: &[T], out: &mut [T]) {
        let Parts { factors, constants, .. } = parts(weights);
        let channels = factors.len();
        let rows = x.len() / channels.max(1);
        let (mut means, mut variances) = (vec![0.0; channels], vec![0.0; channels]);
        for row in x.chunks_exact(channels) {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value.to_f64());
        }
        means.iter_mut().for_each(|mean| *mean /= rows as f64);
        for row in x.chunks_exact(channels) {
            for ((variance, mean), value) in variances.iter_mut().zip(&means).zip(row) {
                *variance += (value.to_f64() - mean).powi(2);
            }
        }
        variances.iter_mut().for_each(|variance| *variance /= rows as f64);
        self.deviations = variances.iter().map(|variance| T::of((variance + BATCH_NORM_EPSILON).sqrt())).collect();
        self.values.clear();
        for row in x.chunks_exact(channels) {
            let scaled = row.iter().zip(&means).zip(&self.deviations);
            self.values.extend(scaled.map(|((value, mean), deviation)| (*value - T::of(*mean)) / *deviation));
        }
        for (out, values) in out.chunks_exact_mut(channels).zip(self.values.chunks_exact(channels)) {
            for (((out, value), factor), constant) in out.iter_mut().zip(values).zip(factors).zip(constants) {
                *out = *value * *factor + *constant;
            }
        }
        self.seen = means.into_iter().chain(variances).map(T::of).collect();
    }

    pub(super) fn backward(&self, weights: &[T], of_output: &[T], of_weights: &mut [T], of_input: Option<&mut [T]>) {
        let factors = parts(weights).factors;
        let channels = factors.len();
        let (of_factors, rest) = of_weights.split_at_mut(channels);
        let of_constants = &mut rest[..channels];
        let rows = of_output.len() / channels.max(1);
        // Of the step alone, whatever was there.
        let (mut products, mut sums) = (vec![T::default(); channels], vec![T::default(); channels]);
        for (gradients, values) in of_output.chunks_exact(channels).zip(self.values.chunks_exact(channels)) {
            for (channel, (gradient, value)) in gradients.iter().zip(values).enumerate() {
                products[channel] += *gradient * *value;
                sums[channel] += *gradient;
            }
        }
        of_factors.iter_mut().zip(&products).for_each(|(of_factor, product)| *of_factor += *product);
        of_constants.iter_mut().zip(&sums).for_each(|(of_constant, sum)| *of_constant += *sum);
        let Some(of_input) = of_input else { return };
        let share = T::of(1.0 / rows as f64);
        let rows = of_input.chunks_exact_mut(channels).zip(of_output.chunks_exact(channels));
        for ((of_input, of_output), values) in rows.zip(self.values.chunks_exact(channels)) {
            for channel in 0..channels {
                let less = (sums[channel] + values[channel] * products[channel]) * share;
                of_input[channel] = (of_output[channel] - less) * factors[channel] / self.deviations[channel];
            }
        }
    }

    /// Mixes what the last step has seen into the means and variances of all rows.
    pub(super) fn remember(&self, weights: &mut [T]) {
        let all = weights.len() / 2;
        let (stays, comes) = (T::of(BATCH_NORM_MOMENTUM), T::of(1.0 - BATCH_NORM_MOMENTUM));
        for (known, seen) in weights[all..].iter_mut().zip(&self.seen) {
            *known = *known * stays + *seen * comes;
        }
    }
}

/// By the means and variances of all that came by.
pub(super) fn apply<T: Real>(weights: &[T], x: &[T], out: &mut [T]) {
    let Parts { factors, constants, means, variances } = parts(weights);
    let channels = factors.len();
    let deviations: Vec<T> = variances.iter().map(|variance| (*variance + T::of(BATCH_NORM_EPSILON)).sqrt()).collect();
    for (out, row) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        for channel in 0..channels {
            let value = (row[channel] - means[channel]) / deviations[channel];
            out[channel] = value * factors[channel] + constants[channel];
        }
    }
}
