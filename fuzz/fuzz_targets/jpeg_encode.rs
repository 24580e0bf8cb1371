//! What is encoded is decoded, within the bound of its quantiser, whatever was encoded before.

#![no_main]

use std::cell::RefCell;
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use pixmill_jpeg::{
    Channels, Dct, Decoder, Decoding, Encoder, Encoding, PixelLayout, Subsampling, with_each_instance,
};

thread_local! {
    /// Has encoded all inputs before.
    static USED: RefCell<Encoder> = RefCell::default();
}

/// How far a block's samples can be from what was encoded, as the root of the sum of squares, for each quantisation table: the transform
/// keeps it, so it is that of half the steps. A coefficient is up to 1 off by the forward transform's rounding, a sample by the inverse
/// one's.
fn bounds(jpeg: &[u8]) -> Vec<f64> {
    let mut bounds = Vec::new();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] == 0xdb {
            let steps = jpeg[at + 5..end].iter();
            bounds.push(steps.map(|step| (f64::from(*step) / 2.0 + 1.0).powi(2)).sum::<f64>().sqrt() + 8.0);
        }
        at = end;
    }
    bounds
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

fn decode(jpeg: &[u8], dct: Dct) -> Vec<u8> {
    let mut decoder = Decoder::default();
    let mut pixels = Vec::new();
    let decoding = Decoding { dct, channels: Channels::Native, ..Decoding::default() };
    let warnings = decoder.read(jpeg).expect("a header").decode(&decoding, &mut pixels).expect("an image");
    assert_eq!(warnings.count, 0);
    pixels
}

// The first bytes are the size, the quality, the kind, and where the file is cut; then come the pixels, again and again.
fuzz_target!(|input: &[u8]| {
    let ([width, height, quality, kind, cut], content) = match input.split_first_chunk() {
        Some((settings, content)) if !content.is_empty() => (*settings, content),
        _ => return,
    };
    let (width, height) = (u32::from(width % 80) + 1, u32::from(height % 80) + 1);
    let layout = [PixelLayout::Rgb, PixelLayout::Gray, PixelLayout::Rgbx][usize::from(kind % 3)];
    let channels = [3, 1, 4][usize::from(kind % 3)];
    let subsampling = [Subsampling::Full, Subsampling::HalfWidth, Subsampling::Quarter][usize::from(kind / 3 % 3)];
    let is_gray = kind & 0x40 != 0;
    let encoding = Encoding { quality: quality % 100 + 1, subsampling, optimize: kind & 0x80 != 0 };
    let mut pixels: Vec<u8> = content.iter().copied().cycle().take((width * height * channels) as usize).collect();
    if is_gray {
        pixels.chunks_mut(channels as usize).for_each(|pixel| pixel.fill(pixel[0]));
    }

    let encode = |encoder: &mut Encoder| {
        let mut jpeg = vec![7];
        encoder.encode(&pixels, width, height, layout, &encoding, &mut jpeg).expect("a jpeg");
        jpeg.split_off(1)
    };
    let mut all = with_each_instance(|| encode(&mut Encoder::default()));
    let jpeg = all.pop().expect("there is an instance");
    assert!(all.iter().all(|other| *other == jpeg), "another file by other kernels");
    USED.with_borrow_mut(|used| {
        for _ in 0..2 {
            assert!(encode(used) == jpeg, "another file by an encoder that was used before");
        }
    });

    let bounds = bounds(&jpeg);
    let decoded = decode(&jpeg, Dct::Accurate);
    assert_eq!(decode(&jpeg, Dct::Fast).len(), decoded.len());
    let without: Vec<u8> = match layout {
        PixelLayout::Rgbx => pixels.as_chunks().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect(),
        _ => pixels.clone(),
    };
    assert_eq!(decoded.len(), without.len());
    let decoded_channels = channels.min(3) as usize;
    for (channel, weight) in [1.402, 0.344 + 0.714, 1.772].into_iter().enumerate().take(decoded_channels) {
        let bound = match (layout, is_gray, subsampling) {
            (PixelLayout::Gray, ..) | (_, true, _) => bounds[0],
            // Both conversions of colour round.
            (_, _, Subsampling::Full) => bounds[0] + weight * bounds[1] + 8.0 * (1.0 + 0.5 * weight),
            // Chroma is a mean of pixels, so there is no bound.
            _ => f64::INFINITY,
        };
        let distance = distance(&without, &decoded, width as usize, decoded_channels, channel);
        assert!(distance <= bound, "a block's distance is {distance}, with a bound of {bound}");
    }

    let part = &jpeg[..(jpeg.len() - 1) * (usize::from(cut) + 1) / 256];
    let mut decoder = Decoder::default();
    let result = decoder.read(part).and_then(|image| image.decode(&Decoding::default(), &mut Vec::new()));
    assert!(result.is_err(), "{} of {} bytes were accepted", part.len(), jpeg.len());
});
