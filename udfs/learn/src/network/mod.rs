//! Networks of layers: trained by gradients of small batches, in any number of workers whose weights are averaged.
//!
//! A network is a list of layers. Its weights are one list of numbers, those of a layer behind those of the one before it, so that what optimizers,
//! averages and files do is the same whatever the layers are. Everything runs on the thread that calls it, with the same bits each time on the
//! same kind of processor.
//!
//! ```
//! use pixmill_learn::network::{Layer, Loss, Network, Optimizer, Shape, Step};
//!
//! # fn main() -> Result<(), pixmill_learn::network::NetworkError> {
//! let network = Network::new(Shape::List(2), &[Layer::Dense { units: 8 }, Layer::Relu, Layer::Dense { units: 2 }])?;
//! let mut weights: Vec<f32> = network.initial(1);
//! let mut moments = Optimizer::Adam.moments(weights.len());
//! let (x, classes) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]);
//! let mut work = network.work();
//! for _ in 0..300 {
//!     let step = Step { loss: Loss::CrossEntropy, optimizer: Optimizer::Adam, rate: 0.05, seed: 1 };
//!     work.step(step, &mut weights, &mut moments, &x, &classes);
//! }
//! let logits = work.outputs(&weights, &x);
//! assert!(logits.chunks_exact(2).zip(classes).all(|(logits, class)| (logits[1] > logits[0]) == (class == 1.0)));
//! # Ok(())
//! # }
//! ```

mod average;
mod conv;
mod layer;
mod loss;
mod norm;
mod optimizer;
mod pool;
mod real;
#[cfg(test)]
mod tests;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use self::conv::{Conv, add_columns};
use self::layer::Windows;
use self::norm::Normalized;
use self::pool::Pool;
use self::real::{matrix, turned};
use crate::strip::mix;

pub use self::average::{Average, Worker};
pub use self::layer::{Layer, Padding, Shape};
pub use self::loss::Loss;
pub use self::optimizer::{Moments, Optimizer, Schedule};
pub use self::real::{Matrix, Out, Real};

/// The most numbers of a network, and of what a row becomes in it.
const MOST_NUMBERS: usize = 1 << 28;

/// What is wrong with a layer.
#[derive(Debug, Clone, PartialEq)]
struct LayerError {
    layer: &'static str,
    problem: String,
}

/// Why layers are no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A layer can't be, or can't stand where it stands.
    #[error("layer {number}, {layer}: {problem}")]
    Layer {
        /// Its number, from 1.
        number: usize,
        /// Its name.
        layer: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// There are no weights to be trained.
    #[error("a network needs a layer with weights, such as dense(10), got none")]
    NoWeights,
}

/// A layer at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The layer.
    pub layer: Layer,
    /// What it takes.
    pub input: Shape,
    /// What it gives.
    pub output: Shape,
    /// Where its weights are among all.
    pub weights: Range<usize>,
}

/// A network, without its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Placed>,
}

impl Network {
    /// Layers, one on top of the other.
    ///
    /// # Errors
    /// A layer that can't take what the one before it gives; more numbers than any memory holds; no weights.
    pub fn new(input: Shape, layers: &[Layer]) -> Result<Self, NetworkError> {
        let (mut shape, mut weights, mut placed) = (input, 0_usize, Vec::with_capacity(layers.len()));
        for (place, layer) in layers.iter().enumerate() {
            let refuse = |LayerError { layer, problem }| NetworkError::Layer { number: place + 1, layer, problem };
            let output = layer.output(shape).map_err(refuse)?;
            let end = weights.saturating_add(layer.weights(shape));
            if end > MOST_NUMBERS || output.numbers() > MOST_NUMBERS {
                let problem = format!("{end} weights and {} numbers of a row are too many", output.numbers());
                return Err(refuse(LayerError { layer: layer.name(), problem }));
            }
            placed.push(Placed { layer: *layer, input: shape, output, weights: weights..end });
            (shape, weights) = (output, end);
        }
        if weights == 0 {
            return Err(NetworkError::NoWeights);
        }
        Ok(Self { layers: placed })
    }

    /// The layers at their places.
    pub fn layers(&self) -> &[Placed] {
        &self.layers
    }

    /// How many weights there are.
    pub fn weights(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.weights.end)
    }

    /// What a row is.
    pub fn input(&self) -> Shape {
        self.layers.first().map_or(Shape::List(0), |layer| layer.input)
    }

    /// How many numbers come out for a row.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.output.numbers())
    }

    /// Weights to begin with: evenly from -a to a, where a is the root of 6 by the numbers that go in and out of a unit (X. Glorot, Y. Bengio
    /// 2010, AISTATS; Keras' default), constants 0, factors 1.
    pub fn initial<T: Real>(&self, seed: u64) -> Vec<T> {
        let mut weights = vec![T::default(); self.weights()];
        for (place, placed) in self.layers.iter().enumerate() {
            let own = &mut weights[placed.weights.clone()];
            let inputs = placed.input.channels();
            let (ins, outs, factors) = match placed.layer {
                Layer::Conv { filters, size, .. } => {
                    (size * size * inputs, size * size * filters, size * size * inputs * filters)
                }
                Layer::Dense { units } => (inputs, units, inputs * units),
                Layer::BatchNorm => {
                    own[..inputs].fill(T::of(1.0));
                    own[3 * inputs..].fill(T::of(1.0));
                    continue;
                }
                _ => continue,
            };
            let most = (6.0 / (ins + outs) as f64).sqrt();
            let seed = mix(seed ^ mix(place as u64 + 1));
            for (number, weight) in own[..factors].iter_mut().enumerate() {
                *weight = T::of((2.0 * unit(mix(seed ^ number as u64)) - 1.0) * most);
            }
        }
        weights
    }

    /// Memory to work in.
    pub fn work<T: Real>(&self) -> Work<'_, T> {
        let kept = self.layers.iter().map(|_| Kept::default()).collect();
        Work { network: self, kept, gradients: Vec::new(), of_output: Vec::new(), of_input: Vec::new() }
    }
}

/// A number from 0 to below 1 of the upper bits of a word.
fn unit(word: u64) -> f64 {
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// What a step is taken by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// What is made small.
    pub loss: Loss,
    /// How.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: f64,
    /// What dropout is chosen by, with the number of the step.
    pub seed: u64,
}

/// Memory for what a network makes of some rows, used again and again.
#[derive(Debug)]
pub struct Work<'a, T> {
    network: &'a Network,
    kept: Vec<Kept<T>>,
    gradients: Vec<T>,
    of_output: Vec<T>,
    of_input: Vec<T>,
}

/// What a layer has given, and what its way back needs.
#[derive(Debug, Clone, Default)]
struct Kept<T> {
    out: Vec<T>,
    columns: Vec<T>,
    places: Vec<u32>,
    normalized: Normalized<T>,
}

impl<T: Real> Work<'_, T> {
    /// What comes out for some rows, when nothing is trained: [`Network::outputs`] numbers for each, row after row.
    ///
    /// # Panics
    /// Weights that aren't [`Network::weights`], or a last row that isn't whole.
    pub fn outputs(&mut self, weights: &[T], x: &[T]) -> &[T] {
        self.forward(weights, x, None);
        self.kept.last().map_or(&[], |kept| &kept.out)
    }

    /// Takes a step; the sum of the rows' losses before it. It is NaN where a target is no class, and weights become NaN or infinite where it is.
    ///
    /// # Panics
    /// As [`Self::outputs`]; moments of another optimizer, or fewer targets than [`Loss::targets`] for each row.
    pub fn step(&mut self, step: Step, weights: &mut [T], moments: &mut Moments<T>, x: &[T], targets: &[T]) -> f64 {
        let seed = mix(step.seed ^ mix(moments.steps + 1));
        let loss = self.gradients(step.loss, weights, x, targets, seed);
        Arch::new().dispatch(Change { step, weights, gradients: &self.gradients, moments });
        for (placed, kept) in self.network.layers.iter().zip(&self.kept) {
            if placed.layer == Layer::BatchNorm {
                kept.normalized.remember(&mut weights[placed.weights.clone()]);
            }
        }
        loss
    }

    /// The sum of the rows' losses; [`Self::gradients`] become those of their mean.
    fn gradients(&mut self, loss: Loss, weights: &[T], x: &[T], targets: &[T], seed: u64) -> f64 {
        let rows = x.len() / self.network.input().numbers().max(1);
        self.forward(weights, x, Some(seed));
        let Some(last) = self.kept.last() else { return 0.0 };
        self.of_output.resize(last.out.len(), T::default());
        let loss = loss.of(&last.out, targets, rows, &mut self.of_output);
        self.gradients.clear();
        self.gradients.resize(weights.len(), T::default());
        for place in (0..self.network.layers.len()).rev() {
            self.backward(place, weights, x, rows, seed);
        }
        loss
    }

    fn forward(&mut self, weights: &[T], x: &[T], seed: Option<u64>) {
        let rows = x.len() / self.network.input().numbers().max(1);
        for (place, placed) in self.network.layers.iter().enumerate() {
            let (before, behind) = self.kept.split_at_mut(place);
            let x = before.last().map_or(x, |kept| &kept.out);
            let Some(kept) = behind.first_mut() else { return };
            kept.out.resize(rows * placed.output.numbers(), T::default());
            let (own, seed) = (&weights[placed.weights.clone()], seed.map(|seed| mix(seed ^ place as u64)));
            Arch::new().dispatch(Forward { placed, weights: own, x, rows, kept, seed });
        }
    }

    fn backward(&mut self, place: usize, weights: &[T], x: &[T], rows: usize, seed: u64) {
        let placed = &self.network.layers[place];
        let (before, behind) = self.kept.split_at_mut(place);
        let x = before.last().map_or(x, |kept| &kept.out);
        // Nobody asks for the gradient of the rows themselves.
        let of_input = (place > 0).then_some(&mut self.of_input);
        let own = placed.weights.clone();
        let seed = mix(seed ^ place as u64);
        let (kept, of_output, of_weights) = (&mut behind[0], &mut self.of_output, &mut self.gradients[own.clone()]);
        let weights = &weights[own];
        Arch::new().dispatch(Backward { placed, weights, x, rows, kept, seed, of_output, of_weights, of_input });
        if place > 0 && !placed.works_in_place() {
            std::mem::swap(&mut self.of_output, &mut self.of_input);
        }
    }
}

impl Placed {
    fn image(shape: Shape) -> [usize; 3] {
        match shape {
            Shape::Image { height, width, channels } => [height, width, channels],
            Shape::List(numbers) => [1, 1, numbers],
        }
    }

    fn conv(&self, filters: usize, windows: Windows) -> Conv {
        let [height, width, _] = Self::image(self.output);
        Conv { windows, filters, input: Self::image(self.input), output: [height, width] }
    }

    fn pool(&self, size: usize) -> Pool {
        let [height, width, _] = Self::image(self.output);
        Pool { size, input: Self::image(self.input), output: [height, width] }
    }

    /// Whether the gradient of what comes in stands where that of what goes out stood.
    fn works_in_place(&self) -> bool {
        matches!(self.layer, Layer::Relu | Layer::Flatten | Layer::Dropout { .. })
    }
}

/// What becomes of rows in a layer; with a seed while they are learned from.
///
/// Its loops, and those of the others below, are compiled for the widest vectors of a processor, too. No sum changes its order: the bits are the same.
struct Forward<'a, T> {
    placed: &'a Placed,
    weights: &'a [T],
    x: &'a [T],
    rows: usize,
    kept: &'a mut Kept<T>,
    seed: Option<u64>,
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { placed, weights, x, rows, kept, seed } = self;
        let out = &mut kept.out;
        match placed.layer {
            Layer::Conv { filters, size, stride, padding } => {
                let conv = placed.conv(filters, Windows { size, stride, padding });
                conv.forward(weights, x, rows, &mut kept.columns, out);
            }
            Layer::Relu => {
                let zero = T::default();
                // NaN stays, for somebody to see.
                out.iter_mut().zip(x).for_each(|(out, value)| *out = if *value < zero { zero } else { *value });
            }
            Layer::MaxPool { size } => placed.pool(size).largest(x, rows, &mut kept.places, out),
            Layer::AveragePool { size } => placed.pool(size).mean(x, rows, out),
            Layer::Flatten => out.copy_from_slice(x),
            Layer::Dense { units } => {
                let inputs = placed.input.numbers();
                let (factors, constants) = weights.split_at(inputs * units);
                out.chunks_exact_mut(units).for_each(|row| row.copy_from_slice(constants));
                T::multiply(Out { values: out, rows, adds: true }, matrix(x, rows), matrix(factors, inputs));
            }
            Layer::Dropout { rate } => match seed {
                Some(seed) => {
                    let scale = T::of(1.0 / (1.0 - rate));
                    for (number, (out, value)) in out.iter_mut().zip(x).enumerate() {
                        *out = if is_dropped(seed, number, rate) { T::default() } else { *value * scale };
                    }
                }
                None => out.copy_from_slice(x),
            },
            Layer::BatchNorm => match seed {
                Some(_) => kept.normalized.forward(weights, x, out),
                None => norm::apply(weights, x, out),
            },
        }
    }
}

/// Adds the gradients of a layer's weights, and gives that of what came in, where it is asked for: in its own memory, or in that of the output's, if the
/// layer works in place.
struct Backward<'a, T> {
    placed: &'a Placed,
    weights: &'a [T],
    x: &'a [T],
    rows: usize,
    kept: &'a mut Kept<T>,
    seed: u64,
    of_output: &'a mut [T],
    of_weights: &'a mut [T],
    of_input: Option<&'a mut Vec<T>>,
}

impl<T: Real> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { placed, weights, x, rows, kept, seed, of_output, of_weights, of_input } = self;
        let of_input = of_input.filter(|_| !placed.works_in_place()).map(|of_input| {
            of_input.resize(rows * placed.input.numbers(), T::default());
            of_input.as_mut_slice()
        });
        match placed.layer {
            Layer::Conv { filters, size, stride, padding } => {
                let conv = placed.conv(filters, Windows { size, stride, padding });
                conv.backward(weights, rows, &mut kept.columns, of_output, of_weights, of_input);
            }
            Layer::Relu => {
                let zero = T::default();
                for (gradient, value) in of_output.iter_mut().zip(&kept.out) {
                    *gradient = if *value > zero { *gradient } else { zero };
                }
            }
            Layer::MaxPool { size } => {
                if let Some(of_input) = of_input {
                    placed.pool(size).largest_backward(rows, &kept.places, of_output, of_input);
                }
            }
            Layer::AveragePool { size } => {
                if let Some(of_input) = of_input {
                    placed.pool(size).mean_backward(rows, of_output, of_input);
                }
            }
            Layer::Flatten => {}
            Layer::Dense { units } => {
                let inputs = placed.input.numbers();
                let (of_factors, of_constants) = of_weights.split_at_mut(inputs * units);
                add_columns(of_output, of_constants);
                let product = Out { values: of_factors, rows: inputs, adds: true };
                T::multiply(product, turned(x, rows), matrix(of_output, rows));
                if let Some(of_input) = of_input {
                    let factors = turned(&weights[..inputs * units], inputs);
                    T::multiply(Out { values: of_input, rows, adds: false }, matrix(of_output, rows), factors);
                }
            }
            Layer::Dropout { rate } => {
                let scale = T::of(1.0 / (1.0 - rate));
                for (number, gradient) in of_output.iter_mut().enumerate() {
                    *gradient = if is_dropped(seed, number, rate) { T::default() } else { *gradient * scale };
                }
            }
            Layer::BatchNorm => kept.normalized.backward(weights, of_output, of_weights, of_input),
        }
    }
}

/// A step of the optimizer.
struct Change<'a, T> {
    step: Step,
    weights: &'a mut [T],
    gradients: &'a [T],
    moments: &'a mut Moments<T>,
}

impl<T: Real> WithSimd for Change<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.step.optimizer.step(self.step.rate, self.weights, self.gradients, self.moments);
    }
}

fn is_dropped(seed: u64, number: usize, rate: f64) -> bool {
    unit(mix(seed ^ number as u64)) < rate
}
