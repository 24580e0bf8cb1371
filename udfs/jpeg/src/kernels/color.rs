//! From luma and chroma to red, green and blue, as JFIF (ITU-T T.871, section 7) has them.

use crate::lanes::{Lanes, Wide};

/// Pixels of three bytes: red, green, blue. `pixels` is as long as the row; the samples' rows are padded to 16.
#[inline(always)]
pub(crate) fn ycc_to_rgb<L: Lanes>(luma: &[u8], blue: &[u8], red: &[u8], pixels: &mut [u8]) {
    let samples = vectors(luma, blue, red);
    let (whole, rest) = pixels.as_chunks_mut::<48>();
    let mut samples = samples.map(|[luma, blue, red]| convert::<L>(luma, blue, red));
    for (pixels, channels) in whole.iter_mut().zip(&mut samples) {
        L::to_rgb(channels, pixels);
    }
    if let (false, Some(channels)) = (rest.is_empty(), samples.next()) {
        let mut pixels = [0; 48];
        L::to_rgb(channels, &mut pixels);
        rest.copy_from_slice(&pixels[..rest.len()]);
    }
}

/// Pixels of four bytes: red, green, blue, 0. All rows are padded to 16 pixels.
#[inline(always)]
pub(crate) fn ycc_to_rgbx<L: Lanes>(luma: &[u8], blue: &[u8], red: &[u8], pixels: &mut [u8]) {
    for (pixels, [luma, blue, red]) in pixels.as_chunks_mut::<64>().0.iter_mut().zip(vectors(luma, blue, red)) {
        L::to_rgbx(convert::<L>(luma, blue, red), pixels);
    }
}

#[inline(always)]
fn vectors<'a>(luma: &'a [u8], blue: &'a [u8], red: &'a [u8]) -> impl Iterator<Item = [&'a [u8; 16]; 3]> {
    let chroma = blue.as_chunks::<16>().0.iter().zip(red.as_chunks::<16>().0);
    luma.as_chunks::<16>().0.iter().zip(chroma).map(|(luma, (blue, red))| [luma, blue, red])
}

/// `R = Y + 1.402 Cr`, `G = Y - 0.344136 Cb - 0.714136 Cr`, `B = Y + 1.772 Cb` in 16-bit fixed point, each product rounded, except
/// that green's two are rounded together.
#[inline(always)]
fn convert<L: Lanes>(luma: &[u8; 16], blue: &[u8; 16], red: &[u8; 16]) -> [L; 3] {
    let centre = L::splat(128);
    let luma = L::from_bytes(luma);
    let (blue, red) = (L::from_bytes(blue).sub(centre), L::from_bytes(red).sub(centre));
    // The factors less whole numbers, so that they fit 16 bits: 1.402 is 0.402 + 1, 1.772 is 2 - 0.228.
    let product =
        |lanes: L, factor: i16| lanes.add(lanes).multiply_high(L::splat(factor)).add(L::splat(1)).shift_right::<1>();
    let red_more = product(red, 26345).add(red);
    let blue_more = product(blue, -14942).add(blue).add(blue);
    // -0.714136 is 0.285864 - 1.
    let green_more = blue.multiply_add(-22554, red, 18734).add_scalar(1 << 15).shift_right::<16>().narrow().sub(red);
    [luma.add(red_more), luma.add(green_more), luma.add(blue_more)]
}

#[cfg(test)]
mod tests {
    use crate::kernels::instances;

    /// The formula in 32 bits.
    fn pixel(luma: u8, blue: u8, red: u8) -> [u8; 3] {
        let [luma, blue, red] = [luma, blue, red].map(i32::from);
        let (blue, red) = (blue - 128, red - 128);
        let channels = [
            luma + ((91_881 * red + 32_768) >> 16),
            luma + ((-22_554 * blue - 46_802 * red + 32_768) >> 16),
            luma + ((116_130 * blue + 32_768) >> 16),
        ];
        channels.map(|value| value.clamp(0, 255) as u8)
    }

    #[test]
    fn all_chroma_values_become_the_colours_of_the_formula() {
        for kernels in instances() {
            for luma in [0, 1, 100, 200, 255] {
                for blue in 0..=255 {
                    let reds: Vec<u8> = (0..=255).collect();
                    let (lumas, blues) = ([luma; 256], [blue; 256]);
                    // 250 pixels: not a multiple of 16.
                    let expected: Vec<[u8; 3]> = reds.iter().map(|red| pixel(luma, blue, *red)).collect();
                    let mut rgb = [0; 3 * 250];
                    (kernels.ycc_to_rgb)(&lumas, &blues, &reds, &mut rgb);
                    assert_eq!(rgb.as_chunks().0, &expected[..250], "{} {luma} {blue}", kernels.name);
                    let mut rgbx = [1; 4 * 256];
                    (kernels.ycc_to_rgbx)(&lumas, &blues, &reds, &mut rgbx);
                    for (pixel, expected) in rgbx.as_chunks::<4>().0.iter().zip(&expected) {
                        assert_eq!((&pixel[..3], pixel[3]), (&expected[..], 0), "{}", kernels.name);
                    }
                }
            }
        }
    }
}
