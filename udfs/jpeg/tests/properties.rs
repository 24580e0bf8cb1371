//! What holds for every image and for any bytes, whoever wrote them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::ops::Range;
use std::sync::LazyLock;

use pixmill_jpeg::{Channels, Dct, Decoder, Decoding, Encoder, Encoding, Error, PixelLayout, Subsampling, Window};
use proptest::prelude::*;
use support::{Golden, TRANSFORMS, decode, decode_in, decoding, goldens};

static GOLDENS: LazyLock<Vec<Golden>> = LazyLock::new(goldens);

/// More pixels than any stored file has, few enough to be decoded often: a damaged header may speak of billions.
const MOST_PIXELS: u64 = 1 << 16;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn subsamplings() -> impl Strategy<Value = Subsampling> {
    prop_oneof![Just(Subsampling::Full), Just(Subsampling::HalfWidth), Just(Subsampling::Quarter)]
}

fn encode(pixels: &[u8], (width, height): (u32, u32), layout: PixelLayout, encoding: &Encoding) -> Vec<u8> {
    let mut jpeg = Vec::new();
    Encoder::default().encode(pixels, width, height, layout, encoding, &mut jpeg).expect("a jpeg");
    jpeg
}

/// How far a block's samples can be from what was encoded, as the root of the sum of squares: the transform keeps it, so it is that of
/// half the quantiser's steps. A coefficient is up to 1 off by the forward transform's rounding, a sample by the inverse one's.
fn bounds(jpeg: &[u8]) -> Vec<f64> {
    let starts = jpeg.windows(4).enumerate().filter(|(_, start)| *start == [0xff, 0xdb, 0, 67]).map(|(at, _)| at + 5);
    let bound = |start: usize| {
        let steps = jpeg[start..start + 64].iter();
        steps.map(|step| (f64::from(*step) / 2.0 + 1.0).powi(2)).sum::<f64>().sqrt() + 8.0
    };
    starts.map(bound).collect()
}

/// The largest distance of a block's channel between two images.
fn distance(one: &[u8], other: &[u8], width: usize, channels: usize, channel: usize) -> f64 {
    let row = width * channels;
    let height = one.len() / row;
    let block = |rows: Range<usize>, columns: Range<usize>| {
        let places = rows.flat_map(|y| columns.clone().map(move |x| y * row + x * channels + channel));
        places.map(|at| (f64::from(one[at]) - f64::from(other[at])).powi(2)).sum::<f64>().sqrt()
    };
    let rows = (0..height).step_by(8).map(|y| y..(y + 8).min(height));
    rows.flat_map(|rows| (0..width).step_by(8).map(move |x| (rows.clone(), x..(x + 8).min(width))))
        .map(|(rows, columns)| block(rows, columns))
        .fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn gray_comes_back_within_the_quantisers_bound(
        pixels in prop::collection::vec(any::<u8>(), 40 * 30),
        width in 1..=40_u32,
        height in 1..=30_u32,
        quality in 1..=100_u8,
        optimize: bool,
    ) {
        let pixels = &pixels[..(width * height) as usize];
        let encoding = Encoding { quality, optimize, ..Encoding::default() };
        let jpeg = encode(pixels, (width, height), PixelLayout::Gray, &encoding);
        let decoded = decode(&jpeg, &decoding(Dct::Accurate, Channels::Native)).expect("pixels");
        let distance = distance(pixels, &decoded, width as usize, 1, 0);
        prop_assert!(distance <= bounds(&jpeg)[0], "{distance} of {}", bounds(&jpeg)[0]);
    }

    #[test]
    fn colour_comes_back_within_the_quantisers_bound(
        pixels in prop::collection::vec(any::<u8>(), 3 * 30 * 20),
        width in 1..=30_u32,
        height in 1..=20_u32,
        quality in 1..=100_u8,
        optimize: bool,
    ) {
        let pixels = &pixels[..(3 * width * height) as usize];
        let encoding = Encoding { quality, optimize, subsampling: Subsampling::Full };
        let jpeg = encode(pixels, (width, height), PixelLayout::Rgb, &encoding);
        let decoded = decode(&jpeg, &decoding(Dct::Accurate, Channels::Native)).expect("pixels");
        let [luma, chroma] = bounds(&jpeg)[..] else { return Err(TestCaseError::fail("two tables")) };
        // The weights of both chromas in red, green and blue; both conversions round.
        for (channel, weight) in [1.402, 0.344 + 0.714, 1.772].into_iter().enumerate() {
            let bound = luma + weight * chroma + 8.0 * (1.0 + 0.5 * weight);
            let distance = distance(pixels, &decoded, width as usize, 3, channel);
            prop_assert!(distance <= bound, "{distance} of {bound}");
        }
    }

    #[test]
    fn gray_pixels_stay_gray_and_within_the_bound_at_every_subsampling(
        gray in prop::collection::vec(any::<u8>(), 40 * 30),
        width in 1..=40_u32,
        height in 1..=30_u32,
        quality in 1..=100_u8,
        subsampling in subsamplings(),
    ) {
        let pixels: Vec<u8> = gray[..(width * height) as usize].iter().flat_map(|gray| [*gray; 3]).collect();
        let encoding = Encoding { quality, subsampling, ..Encoding::default() };
        let jpeg = encode(&pixels, (width, height), PixelLayout::Rgb, &encoding);
        let decoded = decode(&jpeg, &decoding(Dct::Accurate, Channels::Native)).expect("pixels");
        prop_assert!(decoded.as_chunks().0.iter().all(|[red, green, blue]| red == green && green == blue));
        prop_assert!(distance(&pixels, &decoded, width as usize, 3, 0) <= bounds(&jpeg)[0]);
    }

    #[test]
    fn what_is_encoded_breaks_off_nowhere_unnoticed(
        pixels in prop::collection::vec(any::<u8>(), 3 * 20 * 20),
        width in 1..=20_u32,
        height in 1..=20_u32,
        subsampling in subsamplings(),
        optimize: bool,
    ) {
        let pixels = &pixels[..(3 * width * height) as usize];
        let jpeg = encode(pixels, (width, height), PixelLayout::Rgb, &Encoding { quality: 75, subsampling, optimize });
        for length in 0..jpeg.len() {
            prop_assert!(decode(&jpeg[..length], &Decoding::default()).is_err(), "{length} of {} bytes", jpeg.len());
        }
    }
}

/// A change of some bytes of a file.
#[derive(Debug, Clone)]
enum Damage {
    Replace(u8),
    Flip(u8),
    Remove(usize),
    Insert(Vec<u8>),
    Repeat(usize),
    BreakOff,
}

fn damage() -> impl Strategy<Value = (prop::sample::Index, Damage)> {
    let marker = any::<u8>().prop_map(|marker| vec![0xff, marker]);
    let damage = prop_oneof![
        3 => prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()].prop_map(Damage::Replace),
        3 => (0..8_u8).prop_map(Damage::Flip),
        1 => (1..40_usize).prop_map(Damage::Remove),
        1 => prop_oneof![marker, prop::collection::vec(any::<u8>(), 1..9)].prop_map(Damage::Insert),
        1 => (1..200_usize).prop_map(Damage::Repeat),
        1 => Just(Damage::BreakOff),
    ];
    (any::<prop::sample::Index>(), damage)
}

fn damaged(jpeg: &[u8], damages: Vec<(prop::sample::Index, Damage)>) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    for (at, damage) in damages {
        if jpeg.is_empty() {
            break;
        }
        let at = at.index(jpeg.len());
        let until = |length: usize| at..jpeg.len().min(at + length);
        match damage {
            Damage::Replace(byte) => jpeg[at] = byte,
            Damage::Flip(bit) => jpeg[at] ^= 1 << bit,
            Damage::Remove(length) => drop(jpeg.drain(until(length))),
            Damage::Insert(bytes) => drop(jpeg.splice(at..at, bytes)),
            Damage::Repeat(length) => {
                let bytes = jpeg[until(length)].to_vec();
                drop(jpeg.splice(at..at, bytes));
            }
            Damage::BreakOff => jpeg.truncate(at),
        }
    }
    jpeg
}

/// The size of the image, if it is to be decoded.
fn small_size(jpeg: &[u8]) -> Option<(usize, usize)> {
    let mut decoder = Decoder::default();
    let image = decoder.read(jpeg).ok()?;
    let (width, height) = (image.header().width, image.header().height);
    (u64::from(width) * u64::from(height) <= MOST_PIXELS).then_some((width as usize, height as usize))
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn damaged_files_are_decoded_or_refused_whatever_is_wanted_of_them(
        golden in 0..GOLDENS.len(),
        damages in prop::collection::vec(damage(), 1..4),
        window in any::<[prop::sample::Index; 4]>(),
    ) {
        let jpeg = damaged(&GOLDENS[golden].jpeg, damages);
        let Some((width, height)) = small_size(&jpeg) else { return Ok(()) };
        let mut decoder = Decoder::default();
        let native = TRANSFORMS.map(|dct| decode_in(&mut decoder, &jpeg, &decoding(dct, Channels::Native)));
        let gray = decode_in(&mut decoder, &jpeg, &decoding(Dct::Fast, Channels::Gray));
        prop_assert_eq!(native[0].as_ref().err(), native[1].as_ref().err());
        prop_assert_eq!(native[0].as_ref().err(), gray.as_ref().err());
        let range = |one: usize, other: usize| one.min(other)..one.max(other) + 1;
        let window = Window {
            columns: range(window[0].index(width), window[1].index(width)),
            rows: range(window[2].index(height), window[3].index(height)),
        };
        let windowed = Decoding { window: Some(window.clone()), ..Decoding::default() };
        let part = decode_in(&mut decoder, &jpeg, &windowed);
        prop_assert_eq!(part.as_ref().err(), native[0].as_ref().err());
        let (Ok((part, _)), Ok((whole, _))) = (&part, &native[0]) else { return Ok(()) };
        let bytes = whole.len() / (width * height);
        for y in window.rows {
            let columns = (y * width + window.columns.start) * bytes..(y * width + window.columns.end) * bytes;
            prop_assert!(part[columns.clone()] == whole[columns], "row {y}");
        }
    }

    #[test]
    fn any_bytes_are_refused_or_decoded(bytes in prop::collection::vec(any::<u8>(), 0..300), has_start: bool) {
        let jpeg = if has_start { [&[0xff, 0xd8, 0xff], bytes.as_slice()].concat() } else { bytes };
        let result = Decoder::default().read(&jpeg).map(|_| ());
        prop_assert_eq!(result == Err(Error::NotJpeg), !jpeg.starts_with(&[0xff, 0xd8]));
    }
}
