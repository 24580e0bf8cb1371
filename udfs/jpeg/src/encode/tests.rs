//! The encoder against libjpeg-turbo's bytes, and against itself.

use proptest::prelude::*;

use super::*;
use crate::kernels::instances;
use Subsampling::{Full, HalfWidth, Quarter};

/// A gradient for each channel, wrapping around, with noise.
fn pixels(width: u32, height: u32, channels: u32) -> Vec<u8> {
    let mut noise = 1_u32;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                pixels.push((x * (3 + channel) + y * (5 - channel) + (noise >> 27)) as u8);
            }
        }
    }
    pixels
}

fn encoded(pixels: &[u8], width: u32, height: u32, layout: PixelLayout, encoding: &Encoding) -> Vec<u8> {
    let mut jpeg = Vec::new();
    Encoder::default().encode(pixels, width, height, layout, encoding, &mut jpeg).unwrap();
    jpeg
}

/// FNV-1a of 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Made with libjpeg-turbo 3.1.0 (with its SIMD), from `pixels` as a PPM of 3 channels:
/// `cjpeg -baseline -quality <quality> -sample <1x1, 2x1 or 2x2> [-optimize] image.ppm`,
/// then bytes 13 to 17, the density that cjpeg doesn't know, set to 01 01 2c 01 2c, as TensorFlow has them by default.
#[rustfmt::skip]
const GOLDEN: [(u32, u32, u8, Subsampling, bool, u64); 18] = [
    (192, 192, 95, Full, true, 0x3a1e_4f70_4651_9c7d),
    (192, 192, 95, Full, false, 0x527b_2673_56d0_1295),
    (192, 192, 75, HalfWidth, true, 0x1ab7_b542_1749_abc4),
    (192, 192, 75, Quarter, false, 0xb5e3_bd49_1501_4e09),
    (1, 1, 95, Full, true, 0x67c7_3b6c_9d65_9675),
    (1, 1, 95, Quarter, true, 0x4273_3954_1448_1a9f),
    (2, 17, 100, HalfWidth, false, 0x93ed_8011_0263_a0e8),
    (17, 2, 100, Quarter, true, 0x1528_7ba6_cd5e_8284),
    (8, 8, 1, Quarter, false, 0x12ea_31fd_c11f_eb7b),
    (9, 9, 90, Quarter, true, 0x082d_9052_331a_90af),
    (9, 9, 90, HalfWidth, true, 0x2dd0_191d_2826_7032),
    (9, 9, 90, Full, true, 0x826d_27d4_707c_e254),
    (31, 33, 50, Quarter, true, 0xee92_2969_8897_980c),
    (33, 31, 24, HalfWidth, false, 0x5ba1_89e0_e496_1f07),
    (100, 75, 85, Quarter, false, 0xb79b_9845_9bff_af5d),
    (75, 100, 10, Full, true, 0xe231_5dcd_eb61_6516),
    (1000, 3, 99, Quarter, true, 0xc583_eab4_fcb5_4766),
    (3, 1000, 60, HalfWidth, true, 0x901a_38fe_40bf_893c),
];

#[test]
fn colour_images_have_libjpeg_turbos_bytes() {
    for (width, height, quality, subsampling, optimize, golden) in GOLDEN {
        let encoding = Encoding { quality, subsampling, optimize };
        let jpeg = encoded(&pixels(width, height, 3), width, height, PixelLayout::Rgb, &encoding);
        assert_eq!(hash(&jpeg), golden, "{width}x{height} {encoding:?}: {} bytes", jpeg.len());
    }
}

/// Made as [`GOLDEN`], from a PGM of 1 channel, without `-sample`.
#[rustfmt::skip]
const GOLDEN_GRAY: [(u32, u32, u8, bool, u64); 6] = [
    (192, 192, 95, true, 0x5615_609c_15b4_7562),
    (192, 192, 95, false, 0x0f45_aaf1_6997_4483),
    (1, 1, 95, true, 0xfcc4_13b0_86e9_0c7e),
    (17, 9, 100, false, 0x848f_c2c4_70c3_e576),
    (7, 50, 30, true, 0xc691_0fd4_52fa_4718),
    (300, 2, 1, false, 0x2a18_92e6_587f_7cf0),
];

#[test]
fn gray_images_have_libjpeg_turbos_bytes_whatever_the_subsampling() {
    for (width, height, quality, optimize, golden) in GOLDEN_GRAY {
        for subsampling in [Full, HalfWidth, Quarter] {
            let encoding = Encoding { quality, subsampling, optimize };
            let jpeg = encoded(&pixels(width, height, 1), width, height, PixelLayout::Gray, &encoding);
            assert_eq!(hash(&jpeg), golden, "{width}x{height} {encoding:?}: {} bytes", jpeg.len());
        }
    }
}

/// Luma's steps are 1, 255 and the reciprocals of all kinds between.
#[test]
fn all_qualities_have_libjpeg_turbos_bytes() {
    let pixels = pixels(37, 21, 3);
    let jpegs = (1..=100).flat_map(|quality| {
        let encoding = Encoding { quality, subsampling: Quarter, optimize: true };
        encoded(&pixels, 37, 21, PixelLayout::Rgb, &encoding)
    });
    assert_eq!(hash(&Vec::from_iter(jpegs)), GOLDEN_QUALITIES);
}

/// Made as [`GOLDEN`]: the files of 37x21, `-sample 2x2 -optimize`, of quality 1 to 100, one after the other.
const GOLDEN_QUALITIES: u64 = 0x5d47_2744_3796_236d;

#[test]
fn the_fourth_byte_of_a_pixel_does_not_count() {
    let rgb = pixels(45, 19, 3);
    let rgbx: Vec<u8> =
        rgb.as_chunks().0.iter().zip(0..).flat_map(|([r, g, b], any)| [*r, *g, *b, any as u8]).collect();
    for subsampling in [Full, HalfWidth, Quarter] {
        let encoding = Encoding { subsampling, ..Encoding::default() };
        let expected = encoded(&rgb, 45, 19, PixelLayout::Rgb, &encoding);
        assert!(encoded(&rgbx, 45, 19, PixelLayout::Rgbx, &encoding) == expected, "{subsampling:?}");
    }
}

#[test]
fn a_jpeg_is_appended_and_nothing_is_left_over_from_the_one_before() {
    let mut encoder = Encoder::default();
    let mut jpegs = Vec::new();
    let mut expected = Vec::new();
    let sizes = [(70, 40), (9, 9), (33, 64), (1, 1)];
    for (width, height) in sizes {
        for (subsampling, optimize) in [(Quarter, true), (Full, false), (HalfWidth, true)] {
            let (encoding, pixels) = (Encoding { quality: 80, subsampling, optimize }, pixels(width, height, 3));
            encoder.encode(&pixels, width, height, PixelLayout::Rgb, &encoding, &mut jpegs).unwrap();
            expected.extend(encoded(&pixels, width, height, PixelLayout::Rgb, &encoding));
        }
    }
    assert!(jpegs == expected);
}

#[test]
fn what_cannot_be_encoded_is_refused_and_nothing_appended() {
    let cases: [(usize, u32, u32, u8, &str); 5] = [
        (0, 0, 4, 95, "not supported: a width of 0 pixels; it must be 1 to 65500"),
        (0, 4, 0, 95, "not supported: a height of 0 pixels; it must be 1 to 65500"),
        (3 * 65501, 65501, 1, 95, "not supported: a width of 65501 pixels; it must be 1 to 65500"),
        (47, 4, 4, 95, "not supported: 47 bytes of pixels; an image of 4x4 has 48"),
        (48, 4, 4, 0, "not supported: a quality of 0; it must be 1 to 100"),
    ];
    for (length, width, height, quality, message) in cases {
        let encoding = Encoding { quality, ..Encoding::default() };
        let mut jpeg = vec![1, 2, 3];
        let result = Encoder::default().encode(&vec![0; length], width, height, PixelLayout::Rgb, &encoding, &mut jpeg);
        assert_eq!(result.unwrap_err().to_string(), message);
        assert_eq!(jpeg, [1, 2, 3]);
    }
}

#[test]
fn the_longest_sides_are_encoded() {
    for (width, height) in [(65500, 1), (1, 65500)] {
        let jpeg = encoded(&pixels(width, height, 1), width, height, PixelLayout::Gray, &Encoding::default());
        let sides = [height, width].map(|side| (side as u16).to_be_bytes());
        assert_eq!(jpeg[94..98], *sides.as_flattened());
    }
}

/// What a kind of processor writes.
fn encoded_by(kernels: &Kernels, pixels: &[u8], (width, height): (u32, u32), encoding: Encoding) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let layout = PixelLayout::Rgb;
    let frame = Frame::new(width, height, layout, encoding.subsampling).unwrap();
    let steps = quantization::steps(encoding.quality).unwrap();
    let image = Image { pixels, layout, subsampling: encoding.subsampling };
    let tables = encoder.scan(kernels, &frame, image, &steps, encoding.optimize);
    let mut jpeg = Vec::new();
    header::write(&frame, &steps, &tables, &mut jpeg);
    encoder.bits.finish(&mut jpeg);
    jpeg
}

proptest! {
    #[test]
    fn all_kinds_of_processors_write_the_same_bytes(
        pixels in prop::collection::vec(any::<u8>(), 3 * 50 * 40),
        width in 1..50_u32,
        height in 1..40_u32,
        quality in 1..=100_u8,
        subsampling in prop_oneof![Just(Full), Just(HalfWidth), Just(Quarter)],
        optimize: bool,
    ) {
        let pixels = &pixels[..(3 * width * height) as usize];
        let encoding = Encoding { quality, subsampling, optimize };
        let all: Vec<_> = instances().map(|kernels| encoded_by(kernels, pixels, (width, height), encoding)).collect();
        for jpeg in &all[1..] {
            prop_assert!(*jpeg == all[0]);
        }
    }
}
