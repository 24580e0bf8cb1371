//! Any bytes are decoded or refused, and whatever is wanted of them, it is the same image.

#![no_main]

use std::cell::RefCell;
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use pixmill_jpeg::{Channels, Dct, Decoder, Decoding, Error, Rows, Scale, Warnings, Window, with_each_instance};

/// A damaged header may speak of billions of pixels, which are only zeros, but cost time and memory.
const MOST_PIXELS: u64 = 1 << 15;

type Decoded = Result<(Vec<u8>, Warnings), Error>;

thread_local! {
    /// Has decoded all inputs before.
    static USED: RefCell<Decoder> = RefCell::default();
}

fn decode_in(decoder: &mut Decoder, jpeg: &[u8], decoding: &Decoding) -> Decoded {
    let mut pixels = Vec::new();
    let image = decoder.read(jpeg)?;
    let width = image.header().width as usize;
    let warnings = image.decode(decoding, &mut pixels)?;
    if decoding.channels == Channels::Rgbx {
        // What a row is padded with is left open.
        let rows = pixels.chunks(4 * width.next_multiple_of(16));
        pixels = rows.flat_map(|row| &row[..4 * width]).copied().collect();
    }
    Ok((pixels, warnings))
}

/// By the kernels of each kind of processor, which agree.
fn decode_by_all(jpeg: &[u8], decoding: &Decoding) -> Decoded {
    let mut all = with_each_instance(|| decode_in(&mut Decoder::default(), jpeg, decoding));
    let decoded = all.pop().expect("there is an instance");
    assert!(all.iter().all(|other| *other == decoded), "another image by other kernels");
    decoded
}

fn decode(jpeg: &[u8], dct: Dct, channels: Channels) -> Decoded {
    let decoding = Decoding { dct, channels, ..Decoding::default() };
    let decoded = decode_by_all(jpeg, &decoding);
    let again = USED.with_borrow_mut(|used| decode_in(used, jpeg, &decoding));
    assert!(decoded == again, "another image in a decoder that was used before");
    decoded
}

/// A window that depends on the input, so that an input is all that a finding needs.
fn window(jpeg: &[u8], width: usize, height: usize) -> Window {
    let mut number = jpeg.iter().fold(jpeg.len(), |hash, byte| (hash ^ usize::from(*byte)).wrapping_mul(0x100_0193));
    let mut below = |limit: usize| {
        number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (number >> 33) % limit
    };
    let mut range = |length: usize| -> Range<usize> {
        let start = below(length);
        start..start + 1 + below(length - start)
    };
    Window { columns: range(width), rows: range(height) }
}

/// A window's pixels are those of the whole image.
fn check_window(part: &[u8], whole: &[u8], window: &Window, width: usize, height: usize) {
    let bytes = whole.len() / (width * height);
    for y in window.rows.clone() {
        let columns = (y * width + window.columns.start) * bytes..(y * width + window.columns.end) * bytes;
        assert!(part[columns.clone()] == whole[columns], "row {y}");
    }
}

/// All rows, and a check of their order.
struct Collected {
    row: usize,
    pixels: Vec<u8>,
    finished: usize,
}

impl Rows for Collected {
    fn start(&mut self) {
        self.pixels.clear();
        self.finished = 0;
    }

    fn row(&mut self, y: usize) -> Option<&mut [u8]> {
        let start = self.pixels.len();
        assert!(y * self.row == start && y >= self.finished);
        self.pixels.resize(start + self.row, 0);
        Some(&mut self.pixels[start..])
    }

    fn finish(&mut self, y: usize) {
        assert!(y >= self.finished && y * self.row == self.pixels.len());
        self.finished = y;
    }
}

fuzz_target!(|jpeg: &[u8]| {
    let mut decoder = Decoder::default();
    let Ok(image) = decoder.read(jpeg) else { return };
    let header = image.header().clone();
    if u64::from(header.width) * u64::from(header.height) > MOST_PIXELS {
        return;
    }
    let (width, height) = (header.width as usize, header.height as usize);
    let channels = [Channels::Native, Channels::Gray, Channels::Rgb, Channels::Rgbx];
    let [native, gray, rgb, rgbx] = channels.map(|channels| decode(jpeg, Dct::Fast, channels));
    let accurate = decode(jpeg, Dct::Accurate, Channels::Native);
    for other in [&gray, &rgb, &rgbx, &accurate] {
        let warnings = |decoded: &Decoded| decoded.as_ref().map(|(_, warnings)| warnings.clone()).map_err(Clone::clone);
        assert_eq!(warnings(&native), warnings(other));
    }

    for scale in [Scale::Half, Scale::Quarter, Scale::Eighth] {
        let size = image.size(scale);
        let scaled = Decoding { scale, ..Decoding::default() };
        let smaller = decode_by_all(jpeg, &scaled);
        assert_eq!(smaller.is_err(), native.is_err(), "{scale:?}");
        let Ok((smaller, _)) = smaller else { continue };
        let window = window(jpeg, size.0 as usize, size.1 as usize);
        let windowed = Decoding { window: Some(window.clone()), ..scaled };
        let part = decode_by_all(jpeg, &windowed).expect("what is accepted as a whole is accepted by a window").0;
        check_window(&part, &smaller, &window, size.0 as usize, size.1 as usize);
    }

    let window = window(jpeg, width, height);
    let windowed = Decoding { window: Some(window.clone()), ..Decoding::default() };
    let part = decode_by_all(jpeg, &windowed);
    let mut collected =
        Collected { row: width * usize::from(image.channels(Channels::Native)), pixels: Vec::new(), finished: 0 };
    let by_rows = image.decode_rows(&Decoding::default(), &mut collected);
    let Ok((native, _)) = native else {
        assert!(part.is_err() && by_rows.is_err());
        return;
    };
    assert!(collected.pixels == native && collected.finished == height && by_rows.is_ok());
    let part = part.expect("what is accepted as a whole is accepted by a window").0;
    check_window(&part, &native, &window, width, height);
    let bytes = native.len() / (width * height);

    let rgb = rgb.expect("as the native pixels").0;
    let rgbx = rgbx.expect("as the native pixels").0;
    if bytes == 3 {
        assert!(rgb == native);
    }
    let without = |pixel: &[u8; 4]| {
        assert_eq!(pixel[3], 0);
        [pixel[0], pixel[1], pixel[2]]
    };
    assert!(rgbx.as_chunks().0.iter().flat_map(without).eq(rgb));
});
