//! The inverse transform of coefficients that were all decoded before.

use super::block::BlockPair;
use super::planes::{Plane, Sampling};
use super::scans::CoefficientPlane;
use super::transform::Transform;

/// Transforms the blocks of a component in one row of MCUs into its plane.
pub(super) fn transform(
    blocks: &CoefficientPlane,
    strip: usize,
    sampling: &Sampling,
    plane: &mut Plane,
    transform: &Transform,
) {
    let mut pair = BlockPair::default();
    let (stride, size) = (plane.stride, sampling.size);
    for row in 0..sampling.blocks.1 {
        let first = (strip * sampling.blocks.1 + row) * blocks.blocks_wide;
        let Some(line) = blocks.blocks.get(first..first + blocks.blocks_wide) else { return };
        for (index, two) in line.chunks(2).enumerate() {
            let coefficients = pair.coefficients();
            for (lane, block) in two.iter().enumerate() {
                for (target, values) in coefficients.as_chunks_mut::<16>().0.iter_mut().zip(block.as_chunks::<8>().0) {
                    target[8 * lane..8 * lane + 8].copy_from_slice(values);
                }
            }
            transform.apply(coefficients, plane.at(size * row, 2 * size * index), stride);
        }
    }
}
