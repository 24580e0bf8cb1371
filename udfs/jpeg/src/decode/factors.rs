//! What coefficients are multiplied by before an inverse transform.

use crate::kernels::Pair;

/// The scales of the transform of Arai, Agui and Nakajima, for each row and column, in 1/16384.
static SCALES: [i64; 64] = {
    /// cos(k pi / 16) times the root of 2; 1 for k = 0.
    const SCALES: [f64; 8] =
        [1.0, 1.387_039_845, 1.306_562_965, 1.175_875_602, 1.0, 0.785_694_958, 0.541_196_1, 0.275_899_379];
    let mut scales = [0; 64];
    let mut at = 0;
    while at < 64 {
        scales[at] = (SCALES[at / 8] * SCALES[at % 8] * 16384.0 + 0.5) as i64;
        at += 1;
    }
    scales
};

/// For the fast transform: each entry of the quantisation table times its row's and its column's scale, times 4, in 16 bits.
pub(super) fn fast(quantization: &[u16; 64]) -> Pair {
    pair(|at| ((i64::from(quantization[at]) * SCALES[at] + (1 << 11)) >> 12) as i16)
}

/// For the accurate transform: the quantisation table, in 16 bits.
pub(super) fn accurate(quantization: &[u16; 64]) -> Pair {
    pair(|at| quantization[at] as i16)
}

/// The same factor for both blocks of a pair.
fn pair(factor: impl Fn(usize) -> i16) -> Pair {
    std::array::from_fn(|index| factor(index / 16 * 8 + index % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_rounded_to_14_bits() {
        let scales = fast(&[1024; 64]);
        // 1024 * scale / 4096, so four times a scale is what the specification of the transform lists.
        assert_eq!(scales[..8], [4096, 5681, 5352, 4817, 4096, 3218, 2217, 1130]);
        assert_eq!(scales[7 * 16 + 7], 312);
        assert_eq!(accurate(&[65535; 64]), [-1; 128]);
    }
}
