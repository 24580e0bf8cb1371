//! Smoothing across the blocks of a progressive image whose scans end early, as libjpeg-turbo does it.
//!
//! Coefficients that aren't known in full are estimated from the DC coefficients of a block and its 24 neighbours: the idea of
//! ITU-T T.81, K.8, with weights of libjpeg-turbo's own.

use super::progression::{Precision, SMOOTHED};
use super::{CoefficientPlane, Coefficients};
use crate::decode::markers::Component;
use crate::zigzag::ZIGZAG;

/// What the DC coefficients around a block weigh, row by row, in 1/256.
type Weights = [[i32; 5]; 5];

/// For the first coefficients in the order of coding, where no AC coefficient is known.
static WITHOUT_AC: [Weights; SMOOTHED] = [
    [[-2, -6, -8, -6, -2], [-6, 6, 42, 6, -6], [-8, 42, 152, 42, -8], [-6, 6, 42, 6, -6], [-2, -6, -8, -6, -2]],
    [[-1, -1, 0, 1, 1], [-3, 13, 0, -13, 3], [-3, 38, 0, -38, 3], [-3, 13, 0, -13, 3], [-1, -1, 0, 1, 1]],
    [[-1, -3, -3, -3, -1], [-1, 13, 38, 13, -1], [0; 5], [1, -13, -38, -13, 1], [1, 3, 3, 3, 1]],
    [[0, 0, 1, 0, 0], [0, 2, 7, 2, 0], [0, -5, -14, -5, 0], [0, 2, 7, 2, 0], [0, 0, 1, 0, 0]],
    [[-1, 0, 0, 0, 1], [0, 9, 0, -9, 0], [0; 5], [0, -9, 0, 9, 0], [1, 0, 0, 0, -1]],
    [[0; 5], [0, 2, -5, 2, 0], [1, 7, -14, 7, 1], [0, 2, -5, 2, 0], [0; 5]],
    [[0; 5], [0, 1, 0, -1, 0], [0, 2, 0, -2, 0], [0, 1, 0, -1, 0], [0; 5]],
    [[0; 5], [0, 1, -3, 1, 0], [0; 5], [0, -1, 3, -1, 0], [0; 5]],
    [[0; 5], [0, 1, 0, -1, 0], [0, -3, 0, 3, 0], [0, 1, 0, -1, 0], [0; 5]],
    [[0; 5], [0, 1, 2, 1, 0], [0; 5], [0, -1, -2, -1, 0], [0; 5]],
];

/// For the first AC coefficients in the order of coding, where some are known.
static WITH_AC: [Weights; 5] = [
    [[0; 5], [0; 5], [-7, 50, 0, -50, 7], [0; 5], [0; 5]],
    [[0, 0, -7, 0, 0], [0, 0, 50, 0, 0], [0; 5], [0, 0, -50, 0, 0], [0, 0, 7, 0, 0]],
    [[0, 0, -1, 0, 0], [0, 0, 13, 0, 0], [0, 0, -24, 0, 0], [0, 0, 13, 0, 0], [0, 0, -1, 0, 0]],
    [[0, -1, 0, 1, 0], [-1, 10, 0, -10, 1], [0; 5], [1, -10, 0, 10, -1], [0, 1, 0, -1, 0]],
    [[0; 5], [0; 5], [-1, 13, -24, 13, -1], [0; 5], [0; 5]],
];

impl Coefficients {
    /// Estimates what the scans of a progressive image left open; changes nothing where that isn't much or can't be done.
    ///
    /// To be done once, when all scans are read.
    pub(crate) fn smooth(&mut self) {
        let Some(progression) = &self.progression else { return };
        let is_possible = progression.components.iter().zip(&self.planes).all(|(precision, plane)| {
            let divisors =
                ZIGZAG.iter().take(SMOOTHED).filter_map(|position| plane.quantization.get(usize::from(*position)));
            precision.current[0] >= 0 && divisors.into_iter().all(|divisor| *divisor != 0)
        });
        let is_useful = |precision: &Precision| precision.current[1..SMOOTHED].iter().any(|low_bit| *low_bit != 0);
        if !is_possible || !progression.components.iter().any(is_useful) {
            return;
        }
        let before = |precision: &Precision| if progression.scans > 1 { precision.before } else { [-1; SMOOTHED] };
        let interleaved_rows = self.frame.mcus().high;
        for ((plane, component), precision) in
            self.planes.iter_mut().zip(&self.frame.components).zip(&progression.components)
        {
            let blocks = self.frame.blocks(component);
            let now = std::array::from_fn(|index| precision.current[index]);
            let smoother = Smoother::new(plane, blocks.wide);
            for row in 0..blocks.high {
                let is_complete = row / usize::from(component.vertical) <= self.last_row;
                let low_bits = if is_complete { now } else { before(precision) };
                let rows = rows_around(row, component, blocks.high, interleaved_rows);
                smoother.smooth_row(plane, row, rows, &low_bits);
            }
        }
    }
}

/// The rows around a row of blocks, two on either side: the nearest ones where there are no others.
///
/// libjpeg-turbo counts the rows as if all rows of MCUs had as many as this one; that differs at the lower edge.
fn rows_around(row: usize, component: &Component, high: usize, interleaved_rows: usize) -> [usize; 5] {
    let in_mcu = usize::from(component.vertical);
    let (mcu, row_in_mcu) = (row / in_mcu, row % in_mcu);
    let counted = if mcu + 1 < interleaved_rows { in_mcu } else { high - mcu * in_mcu };
    let (place, count) = (mcu * counted + row_in_mcu, counted * interleaved_rows);
    let above = if place > 0 { row - 1 } else { row };
    let below = if place + 1 < count { row + 1 } else { row };
    let far_above = if place > 1 { row - 2 } else { above };
    let far_below = if place + 2 < count { row + 2 } else { below };
    [far_above, above, row, below, far_below]
}

/// The DC coefficients of a component before any were changed.
struct Smoother {
    dc: Vec<i16>,
    blocks_wide: usize,
    /// Without blocks that only complete an MCU.
    wide: usize,
}

impl Smoother {
    fn new(plane: &CoefficientPlane, wide: usize) -> Self {
        Self { dc: plane.blocks.iter().map(|block| block[0]).collect(), blocks_wide: plane.blocks_wide, wide }
    }

    fn smooth_row(&self, plane: &mut CoefficientPlane, row: usize, rows: [usize; 5], low_bits: &[i8; SMOOTHED]) {
        let knows_no_ac = low_bits[1..].iter().all(|low_bit| *low_bit == -1);
        let quantization = plane.quantization;
        let blocks = plane.blocks.iter_mut().skip(row * self.blocks_wide).take(self.wide);
        for (column, block) in blocks.enumerate() {
            let around = self.around(rows, column);
            let weights = if knows_no_ac { &WITHOUT_AC[1..] } else { &WITH_AC };
            for ((weights, position), low_bit) in weights.iter().zip(&ZIGZAG[1..]).zip(&low_bits[1..]) {
                let position = usize::from(*position);
                if *low_bit != 0 && block[position] == 0 {
                    let divisors = (quantization[0], quantization[position]);
                    block[position] = estimate(&around, weights, divisors, *low_bit) as i16;
                }
            }
            if knows_no_ac {
                block[0] = estimate(&around, &WITHOUT_AC[0], (quantization[0], quantization[0]), -1) as i16;
            }
        }
    }

    fn around(&self, rows: [usize; 5], column: usize) -> Weights {
        let last = self.wide.saturating_sub(1);
        let columns = [column.saturating_sub(2), column.saturating_sub(1), column, column + 1, column + 2];
        let dc = |row: usize, column: usize| self.dc.get(row * self.blocks_wide + column).copied().map_or(0, i32::from);
        rows.map(|row| columns.map(|column| dc(row, column.min(last))))
    }
}

/// The weighted sum, rounded, with another divisor; not more than what would have been coded as zero so far.
fn estimate(around: &Weights, weights: &Weights, (dc_divisor, divisor): (u16, u16), low_bit: i8) -> i32 {
    let sum: i32 = around.as_flattened().iter().zip(weights.as_flattened()).map(|(dc, weight)| dc * weight).sum();
    let sum = i64::from(dc_divisor) * i64::from(sum);
    let divisor = i64::from(divisor) << 8;
    // In 32 bits from here on, as libjpeg-turbo has it.
    let mut magnitude = ((divisor / 2 + sum.abs()) / divisor) as i32;
    if low_bit > 0 {
        magnitude = magnitude.min((1 << low_bit) - 1);
    }
    if sum < 0 { magnitude.wrapping_neg() } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_ac_coefficients_cancel_on_even_ground() {
        for weights in WITHOUT_AC[1..].iter().chain(&WITH_AC) {
            assert_eq!(weights.as_flattened().iter().sum::<i32>(), 0);
        }
        assert_eq!(WITHOUT_AC[0].as_flattened().iter().sum::<i32>(), 256);
    }

    #[test]
    fn rows_beyond_the_edge_are_those_at_it() {
        let component = Component { id: 1, horizontal: 1, vertical: 1, quantization: 0 };
        assert_eq!(rows_around(0, &component, 3, 3), [0, 0, 0, 1, 2]);
        assert_eq!(rows_around(1, &component, 3, 3), [0, 0, 1, 2, 2]);
        assert_eq!(rows_around(2, &component, 3, 3), [0, 1, 2, 2, 2]);
    }

    #[test]
    fn a_last_row_of_fewer_blocks_counts_rows_differently() {
        let component = Component { id: 1, horizontal: 1, vertical: 2, quantization: 0 };
        assert_eq!(rows_around(2, &component, 3, 2), [1, 1, 2, 2, 2]);
        assert_eq!(rows_around(1, &component, 3, 2), [0, 0, 1, 2, 3]);
    }

    #[test]
    fn an_estimate_is_rounded_and_limited() {
        let mut around = [[0; 5]; 5];
        around[2] = [0, 64, 32, 0, 0];
        let slope = (64 * 50 * 16 + 128 * 11) / (256 * 11);
        assert_eq!(estimate(&around, &WITH_AC[0], (16, 11), -1), slope);
        assert_eq!(estimate(&around, &WITH_AC[0], (16, 11), 2), 3);
        around[2].reverse();
        assert_eq!(estimate(&around, &WITH_AC[0], (16, 11), 3), -7);
    }
}
