//! The sizes of the photos of flower_photos.

use std::ops::RangeInclusive;

use super::random::Random;

/// Width and height in pixels, as often as among 150 photos of flower_photos.
pub(super) fn random_size(random: &mut Random) -> (u16, u16) {
    let (widths, heights) = match random.below(150) {
        0..35 => (320..=320, 240..=240),
        35..50 => (320..=320, 212..=213),
        50..67 => (320..=320, 210..=255),
        67..94 => (500..=500, 332..=335),
        94..103 => (500..=500, 375..=376),
        103..116 => (500..=500, 281..=400),
        116..127 => (240..=240, 240..=240),
        127..135 => (180..=180, 240..=240),
        135..140 => (159..=159, 240..=240),
        _ => (182..=239, 240..=240),
    };
    let mut side = |range: RangeInclusive<u16>| range.start() + random.below(range.len()) as u16;
    (side(widths), side(heights))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_159_to_500_pixels_wide_and_210_to_400_high() {
        for index in 0..200 {
            let (width, height) = random_size(&mut Random::of_photo(0, index));
            assert!((159..=500).contains(&width), "{width}x{height}");
            assert!((210..=400).contains(&height), "{width}x{height}");
        }
    }

    #[test]
    fn are_portrait_for_23_of_150_photos() {
        let portraits = (0..200)
            .map(|index| random_size(&mut Random::of_photo(0, index)))
            .filter(|(width, height)| width < height)
            .count();
        assert!((10..60).contains(&portraits), "{portraits} of 200");
    }
}
