//! Quantisation tables (ITU-T T.81, K.1), scaled by quality as libjpeg does.

use crate::Error;

/// Table K.1, in natural order.
#[rustfmt::skip]
const LUMA: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// Table K.2, in natural order.
#[rustfmt::skip]
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// The steps of luma and of chroma for a quality of 1 to 100, in natural order, each 1 to 255.
pub(super) fn steps(quality: u8) -> Result<[[u8; 64]; 2], Error> {
    let percent = match u32::from(quality) {
        quality @ 1..50 => 5000 / quality,
        quality @ 50..=100 => 200 - quality * 2,
        _ => return Err(Error::unsupported(format!("a quality of {quality}; it must be 1 to 100"))),
    };
    Ok([LUMA, CHROMA].map(|table| table.map(|step| ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as u8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_50_leaves_the_tables_of_the_standard() {
        assert_eq!(steps(50), Ok([LUMA, CHROMA]));
    }

    #[test]
    fn quality_100_has_steps_of_1_and_quality_1_is_limited_to_255() {
        assert_eq!(steps(100), Ok([[1; 64]; 2]));
        assert_eq!(steps(1), Ok([[255; 64]; 2]));
    }

    #[test]
    fn qualities_of_0_and_101_are_refused() {
        for quality in [0, 101] {
            let error = steps(quality).unwrap_err();
            assert_eq!(error.to_string(), format!("not supported: a quality of {quality}; it must be 1 to 100"));
        }
    }
}
