//! Scaled images, and windows of them.

use proptest::prelude::*;

use super::*;
use crate::{Encoder, Encoding, PixelLayout, Subsampling};

const SCALES: [Scale; 4] = [Scale::Whole, Scale::Half, Scale::Quarter, Scale::Eighth];
const SUBSAMPLINGS: [Subsampling; 3] = [Subsampling::Full, Subsampling::HalfWidth, Subsampling::Quarter];

fn encoded(pixels: &[u8], width: u32, height: u32, layout: PixelLayout, subsampling: Subsampling) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let encoding = Encoding { quality: 90, subsampling, optimize: true };
    Encoder::default().encode(pixels, width, height, layout, &encoding, &mut jpeg).unwrap();
    jpeg
}

fn decoded(jpeg: &[u8], decoding: &Decoding) -> Vec<u8> {
    let mut pixels = Vec::new();
    Decoder::default().read(jpeg).unwrap().decode(decoding, &mut pixels).unwrap();
    pixels
}

/// Gradients with noise.
fn pixels(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut noise = seed;
    let mut pixels = Vec::new();
    for at in 0..3 * width * height {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        pixels.push((at / 3 % width * (2 + at % 3) + at / (3 * width) * 3 + (noise >> 27)) as u8);
    }
    pixels
}

#[test]
fn what_a_window_has_outside_of_the_image_is_left_out() {
    let jpeg = encoded(&pixels(40, 20, 1), 40, 20, PixelLayout::Rgb, Subsampling::Quarter);
    let whole = decoded(&jpeg, &Decoding::default());
    for (columns, rows) in [(30..99, 10..77), (40..50, 20..21), (500..600, 0..20), (9..9, 3..3)] {
        let window =
            Window { columns: columns.start.min(40)..columns.end.min(40), rows: rows.start.min(20)..rows.end.min(20) };
        let pixels = decoded(&jpeg, &Decoding { window: Some(Window { columns, rows }), ..Decoding::default() });
        assert_eq!(part(&pixels, 120, &window, 3), part(&whole, 120, &window, 3));
    }
}

/// The pixels of all rows within the columns and rows.
fn part(pixels: &[u8], row: usize, window: &Window, channels: usize) -> Vec<u8> {
    let columns = window.columns.start * channels..window.columns.end * channels;
    window.rows.clone().flat_map(|y| &pixels[y * row..][columns.clone()]).copied().collect()
}

#[test]
fn sides_of_scaled_images_are_rounded_up() {
    for (width, height) in [(1, 1), (8, 9), (15, 16), (17, 33)] {
        for subsampling in SUBSAMPLINGS {
            let jpeg = encoded(&pixels(width, height, 1), width, height, PixelLayout::Rgb, subsampling);
            for (scale, denominator) in SCALES.into_iter().zip([1, 2, 4, 8]) {
                let mut decoder = Decoder::default();
                let image = decoder.read(&jpeg).unwrap();
                assert_eq!(image.size(scale), (width.div_ceil(denominator), height.div_ceil(denominator)));
                let mut pixels = Vec::new();
                image.decode(&Decoding { scale, ..Decoding::default() }, &mut pixels).unwrap();
                assert_eq!(pixels.len() as u32, 3 * width.div_ceil(denominator) * height.div_ceil(denominator));
            }
        }
    }
}

#[test]
fn images_of_one_colour_keep_it_at_every_scale() {
    for subsampling in SUBSAMPLINGS {
        let jpeg = encoded(&[200; 3 * 37 * 21], 37, 21, PixelLayout::Rgb, subsampling);
        for scale in SCALES {
            for dct in [Dct::Fast, Dct::Accurate] {
                let pixels = decoded(&jpeg, &Decoding { scale, dct, ..Decoding::default() });
                assert!(pixels.iter().all(|value| *value == 200), "{scale:?} {subsampling:?}");
            }
        }
    }
}

/// Chroma of blocks that are transformed to as many samples as luma's pixels needs no filter.
#[test]
fn chroma_of_a_quarter_is_transformed_to_the_size_of_luma() {
    let component = |id, factor| markers::Component { id, horizontal: factor, vertical: factor, quantization: 0 };
    let jpeg = encoded(&pixels(33, 17, 1), 33, 17, PixelLayout::Rgb, Subsampling::Quarter);
    let reader = &mut Reader::try_new(&jpeg).unwrap();
    reader.next_scan().unwrap();
    let mut frame = reader.frame().unwrap().clone();
    frame.components = vec![component(1, 2), component(2, 1)];
    let sizes = |frame: &Frame, scale| {
        samplings(frame, scale).into_iter().map(|sampling| (sampling.size, sampling.pixels)).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&frame, Scale::Whole), [(8, (1, 1)), (8, (2, 2))]);
    assert_eq!(sizes(&frame, Scale::Half), [(4, (1, 1)), (8, (1, 1))]);
    assert_eq!(sizes(&frame, Scale::Eighth), [(1, (1, 1)), (2, (1, 1))]);
    // Half the width alone isn't made up for.
    frame.components[1].vertical = 2;
    assert_eq!(sizes(&frame, Scale::Quarter), [(2, (1, 1)), (2, (2, 1))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_of_scaled_images_are_parts_of_the_whole(
        (width, height) in (1..150_u32, 1..90_u32),
        scale in prop::sample::select(&SCALES[..]),
        subsampling in prop::sample::select(&SUBSAMPLINGS[..]),
        channels in prop::sample::select(&[Channels::Rgb, Channels::Rgbx, Channels::Gray][..]),
        dct in prop::sample::select(&[Dct::Fast, Dct::Accurate][..]),
        ends in [0..1000_usize, 0..1000, 0..1000, 0..1000],
    ) {
        let jpeg = encoded(&pixels(width, height, 1), width, height, PixelLayout::Rgb, subsampling);
        let (wide, high) = Decoder::default().read(&jpeg).unwrap().size(scale);
        let range = |one: usize, other: usize, most: u32| {
            let (one, other) = (one % most as usize, other % most as usize);
            one.min(other)..one.max(other) + 1
        };
        let window = Window { columns: range(ends[0], ends[1], wide), rows: range(ends[2], ends[3], high) };
        let decoding = Decoding { dct, channels, scale, window: None, deadline: None };
        let whole = decoded(&jpeg, &decoding);
        let windowed = decoded(&jpeg, &Decoding { window: Some(window.clone()), ..decoding });
        let (row, channels) = (whole.len() / high as usize, match channels { Channels::Rgb => 3, Channels::Gray => 1, _ => 4 });
        prop_assert_eq!(part(&windowed, row, &window, channels), part(&whole, row, &window, channels));
    }
}
