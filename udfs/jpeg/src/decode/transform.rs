//! The inverse transform of a component: which one, and with what factors.

use super::Dct;
use super::factors;
use crate::kernels::{Inverse, Kernels, Pair};

/// How pairs of blocks of a component become samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transform {
    factors: Pair,
    inverse: Inverse,
}

impl Transform {
    /// To blocks of `size` by `size` samples: 8, 4, 2 or 1; `dct` counts for 8 only.
    pub(super) fn new(dct: Dct, size: usize, quantization: &[u16; 64], kernels: &Kernels) -> Self {
        let inverse = match (size, dct) {
            (1, _) => kernels.one_by_one,
            (2, _) => kernels.two_by_two,
            (4, _) => kernels.four_by_four,
            (_, Dct::Fast) => return Self { factors: factors::fast(quantization), inverse: kernels.fast },
            (_, Dct::Accurate) => kernels.accurate,
        };
        Self { factors: factors::accurate(quantization), inverse }
    }

    /// Makes samples of two neighbouring blocks, which become zero, in rows of `stride` samples.
    #[inline(always)]
    pub(super) fn apply(&self, coefficients: &mut Pair, samples: &mut [u8], stride: usize) {
        (self.inverse)(coefficients, &self.factors, samples, stride);
    }
}
