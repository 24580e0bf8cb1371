//! The order in which a block's coefficients are coded (ITU-T T.81, figure 5).

/// The position of each coded coefficient in natural order: row times 8 plus column.
pub(crate) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_of_the_zigzag_goes_to_a_neighbour() {
        for pair in ZIGZAG.windows(2) {
            let [(y, x), (next_y, next_x)] = [pair[0], pair[1]].map(|at| (i16::from(at / 8), i16::from(at % 8)));
            assert!((y - next_y).abs() <= 1 && (x - next_x).abs() <= 1);
        }
        let mut sorted = ZIGZAG;
        sorted.sort_unstable();
        assert!(sorted.iter().zip(0..).all(|(at, index)| *at == index));
    }
}
