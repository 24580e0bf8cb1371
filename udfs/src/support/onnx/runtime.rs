//! What runs a model: the few things that pixmill asks of a runtime.

use std::fmt::Debug;

/// Numbers in the order of a shape, the last size counting fastest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Tensor {
    /// A tensor of zeros.
    pub(crate) fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] }
    }
}

/// Runs one model.
pub(super) trait Runtime: Debug + Send + Sync {
    /// Runs the graph for one value of one input, on this thread, as far as an output or any other named value needs it.
    ///
    /// # Errors
    /// What is wrong, in the runtime's words.
    fn run(&self, input: &str, tensor: &Tensor, output: &str) -> Result<Tensor, String>;
}
