//! What the encoder writes at every quality, against libjpeg-turbo's bytes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use pixmill_jpeg::{Encoder, Encoding, PixelLayout, Subsampling};
use support::hash;

/// What the samples are, of a random number and of the place.
type Content = fn(u32, u32) -> u8;

/// The contents and their sizes: noise, noise of the darkest and the brightest, and a checkerboard that is shifted from channel to channel.
const IMAGES: [(Content, u32, u32); 3] = [
    (|random, _| (random >> 24) as u8, 23, 41),
    (|random, _| if random >> 31 == 1 { 255 } else { 0 }, 50, 7),
    (|_, place| if place % 2 == 1 { 255 } else { 0 }, 9, 8),
];

fn pixels(content: Content, width: u32, height: u32, channels: u32) -> Vec<u8> {
    let mut random = 1_u32;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                pixels.push(content(random, x + y + channel));
            }
        }
    }
    pixels
}

/// Made with libjpeg-turbo 3.1.0 (with its SIMD): for each ten qualities, the files of each quality, of each image in turn, as 4:4:4,
/// 4:2:2, 4:2:0 and grey, with tables of their own and then with the standard's, one after the other.
/// `cjpeg -baseline -quality <quality> [-sample <1x1, 2x1 or 2x2>] [-optimize] <image>` makes each, of a PPM, or of a PGM if grey;
/// then bytes 13 to 17, the density that cjpeg doesn't know, are set to 01 01 2c 01 2c.
const GOLDEN: [u64; 10] = [
    0xdbcc_6b72_d111_d346,
    0x27b7_9af8_8ceb_ada0,
    0x3567_d5f9_9961_7650,
    0x3e2a_0c74_75b3_21ea,
    0xa07c_81be_406a_72dc,
    0x744e_f121_17b9_e6bf,
    0x721f_d55a_8d71_d3d8,
    0x4886_af2e_0446_2d39,
    0xdc9f_40bf_bdbc_15a2,
    0x6f46_0334_29c8_2826,
];

#[test]
fn each_quality_and_subsampling_has_libjpeg_turbos_bytes() {
    let kinds = [
        (PixelLayout::Rgb, 3, Subsampling::Full),
        (PixelLayout::Rgb, 3, Subsampling::HalfWidth),
        (PixelLayout::Rgb, 3, Subsampling::Quarter),
        (PixelLayout::Gray, 1, Subsampling::Full),
    ];
    let mut encoder = Encoder::default();
    for (golden, first) in GOLDEN.into_iter().zip((1_u8..).step_by(10)) {
        let mut jpegs = Vec::new();
        for quality in first..first + 10 {
            for (content, width, height) in IMAGES {
                for (layout, channels, subsampling) in kinds {
                    let pixels = pixels(content, width, height, channels);
                    for optimize in [true, false] {
                        let encoding = Encoding { quality, subsampling, optimize };
                        encoder.encode(&pixels, width, height, layout, &encoding, &mut jpegs).expect("a jpeg");
                    }
                }
            }
        }
        assert_eq!(hash(&jpegs), golden, "qualities from {first}: {} bytes", jpegs.len());
    }
}
