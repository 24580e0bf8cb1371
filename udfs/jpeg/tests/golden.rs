//! Stored JPEGs of every kind, whole and damaged, against libjpeg-turbo's pixels; `golden/README.md` tells who made them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::collections::BTreeSet;
use std::fs;

use pixmill_jpeg::{Channels, Dct, Decoder, Decoding, Error, Rows, Scale, Window};
use support::{Golden, TRANSFORMS, decode, decode_in, decoding, folder, goldens, good, hash, outcome};

#[test]
fn each_file_has_a_row() {
    let stored = fs::read_dir(folder()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let stored: BTreeSet<String> = stored.filter_map(|name| name.into_string().ok()).collect();
    let listed: BTreeSet<String> = goldens().into_iter().map(|golden| golden.file).collect();
    let stored: BTreeSet<String> = stored.into_iter().filter(|name| name.ends_with(".jpg")).collect();
    assert_eq!(stored, listed);
}

#[test]
fn each_file_decodes_to_the_pixels_of_libjpeg_turbo() {
    let columns = [
        ("fast", Dct::Fast, Channels::Native, Scale::Whole),
        ("accurate", Dct::Accurate, Channels::Native, Scale::Whole),
        ("fast_gray", Dct::Fast, Channels::Gray, Scale::Whole),
        ("accurate_gray", Dct::Accurate, Channels::Gray, Scale::Whole),
        ("fast_half", Dct::Fast, Channels::Native, Scale::Half),
        ("accurate_half", Dct::Accurate, Channels::Native, Scale::Half),
        ("quarter", Dct::Fast, Channels::Native, Scale::Quarter),
        ("eighth", Dct::Fast, Channels::Native, Scale::Eighth),
    ];
    for golden in good() {
        for (column, dct, channels, scale) in columns {
            // libjpeg doesn't make grey of CMYK.
            let Some(expected) = golden.hash(column) else { continue };
            let pixels = decode(&golden.jpeg, &Decoding { dct, channels, scale, window: None, deadline: None })
                .expect(&golden.file);
            assert_eq!(hash(&pixels), expected, "{} {column}", golden.file);
        }
    }
}

#[test]
fn headers_tell_the_size_of_the_pixels() {
    for golden in good() {
        let mut decoder = Decoder::default();
        let image = decoder.read(&golden.jpeg).expect(&golden.file);
        assert_eq!((image.header().width, image.header().height), (golden.width, golden.height), "{}", golden.file);
        let pixels = golden.width as usize * golden.height as usize;
        let expected = pixels * usize::from(image.channels(Channels::Native));
        let mut pixels = vec![7; 3];
        image.decode(&Decoding::default(), &mut pixels).expect(&golden.file);
        assert_eq!(pixels.len(), expected, "{}", golden.file);
    }
}

#[test]
fn what_libjpeg_refuses_is_refused() {
    for golden in goldens() {
        for dct in TRANSFORMS {
            for channels in [Channels::Native, Channels::Gray] {
                let result = decode(&golden.jpeg, &decoding(dct, channels));
                assert_eq!(outcome(&result), golden.outcome, "{}: {:?}", golden.file, result.err());
            }
        }
    }
}

#[test]
fn kinds_that_are_not_decoded_are_named() {
    let message = |file: &str| {
        let jpeg = fs::read(folder().join(file)).expect("a stored file");
        decode(&jpeg, &Decoding::default()).expect_err(file).to_string()
    };
    assert_eq!(message("12-bits.jpg"), "not supported: 12 bits a sample; 8 are decoded");
    assert_eq!(message("12-bits-progressive.jpg"), "not supported: 12 bits a sample; 8 are decoded");
    assert_eq!(message("lossless.jpg"), "not supported: lossless jpeg (frame c3)");
    assert_eq!(message("hierarchical.jpg"), "not supported: hierarchical jpeg (frame c5)");
    assert_eq!(message("two-components.jpg"), "not supported: 2 components; 1, 3 and 4 are decoded");
}

#[test]
fn whole_files_have_no_warnings_and_damaged_scans_have_some() {
    let is_whole = |golden: &Golden| golden.file.starts_with("ordinary") || golden.file.starts_with("sampling");
    // Arithmetic coding has no end that could come too early.
    let damaged = ["cut-ended-420.jpg", "cut-ended-prog.jpg", "restart-lost.jpg", "restart-lost-progressive.jpg"];
    for golden in good() {
        let (_, warnings) = decode_in(&mut Decoder::default(), &golden.jpeg, &Decoding::default()).expect(&golden.file);
        assert_eq!(warnings.count == 0, warnings.first.is_none(), "{}: {warnings:?}", golden.file);
        if is_whole(&golden) {
            assert_eq!(warnings.count, 0, "{}: {warnings:?}", golden.file);
        }
        if damaged.contains(&golden.file.as_str()) {
            assert!(warnings.count > 0, "{}", golden.file);
        }
    }
}

#[test]
fn files_in_a_row_decode_as_in_decoders_of_their_own() {
    let goldens = goldens();
    let mut decoder = Decoder::default();
    // Forwards and backwards, so that each comes behind two others.
    for golden in goldens.iter().chain(goldens.iter().rev()) {
        for dct in TRANSFORMS {
            let result = decode_in(&mut decoder, &golden.jpeg, &decoding(dct, Channels::Native));
            let fresh = decode_in(&mut Decoder::default(), &golden.jpeg, &decoding(dct, Channels::Native));
            assert!(result == fresh, "{} {dct:?}", golden.file);
        }
    }
}

/// Ranges within `length`, at its ends and in the middle.
fn ranges(length: usize) -> [std::ops::Range<usize>; 4] {
    [0..length.min(3), length - 1..length, length / 3..(length / 3 + 9).min(length), length / 2..length]
}

#[test]
fn windows_are_parts_of_the_whole() {
    for golden in good() {
        for (dct, channels) in TRANSFORMS.into_iter().zip([Channels::Native, Channels::Gray]) {
            let whole = decode(&golden.jpeg, &decoding(dct, channels)).expect(&golden.file);
            let row = whole.len() / golden.height as usize;
            let bytes = row / golden.width as usize;
            for (columns, rows) in ranges(golden.width as usize).into_iter().zip(ranges(golden.height as usize)) {
                let window = Window { columns: columns.clone(), rows: rows.clone() };
                let windowed = Decoding { window: Some(window), ..decoding(dct, channels) };
                let part = decode(&golden.jpeg, &windowed).expect(&golden.file);
                assert_eq!(part.len(), whole.len());
                for y in rows {
                    let columns = y * row + columns.start * bytes..y * row + columns.end * bytes;
                    assert!(part[columns.clone()] == whole[columns], "{} {windowed:?} row {y}", golden.file);
                }
            }
        }
    }
}

/// Keeps rows, and what is promised about their order.
#[derive(Default)]
struct Collected {
    row: usize,
    rows: Vec<Option<Vec<u8>>>,
    finished: usize,
    is_started: bool,
}

impl Rows for Collected {
    fn start(&mut self) {
        self.is_started = true;
        self.rows.clear();
        self.finished = 0;
    }

    fn row(&mut self, y: usize) -> Option<&mut [u8]> {
        assert!(self.is_started && y >= self.rows.len() && y >= self.finished, "row {y}");
        self.rows.resize_with(y, || None);
        // Every third row isn't wanted.
        self.rows.push((y % 3 != 1).then(|| vec![0; self.row]));
        self.rows.last_mut()?.as_deref_mut()
    }

    fn finish(&mut self, y: usize) {
        assert!(self.is_started && y >= self.finished && y >= self.rows.len(), "finished {y}");
        self.finished = y;
    }
}

#[test]
fn rows_are_those_of_the_whole() {
    for golden in good() {
        for (dct, channels) in TRANSFORMS.into_iter().zip([Channels::Gray, Channels::Native]) {
            let whole = decode(&golden.jpeg, &decoding(dct, channels)).expect(&golden.file);
            let row = whole.len() / golden.height as usize;
            let mut collected = Collected { row, ..Collected::default() };
            let mut decoder = Decoder::default();
            let image = decoder.read(&golden.jpeg).expect(&golden.file);
            image.decode_rows(&decoding(dct, channels), &mut collected).expect(&golden.file);
            assert_eq!((collected.rows.len(), collected.finished), (golden.height as usize, golden.height as usize));
            for (y, (pixels, expected)) in collected.rows.iter().zip(whole.chunks(row)).enumerate() {
                assert!(pixels.as_ref().is_none_or(|pixels| pixels == expected), "{} row {y}", golden.file);
            }
        }
    }
}

#[test]
fn red_green_blue_is_what_colour_is_natively_with_or_without_a_fourth_byte() {
    for golden in good() {
        let decode = |channels| decode(&golden.jpeg, &decoding(Dct::Fast, channels)).expect(&golden.file);
        let rgb = decode(Channels::Rgb);
        let native = decode(Channels::Native);
        let pixels = golden.width as usize * golden.height as usize;
        assert_eq!(rgb.len(), 3 * pixels, "{}", golden.file);
        if native.len() == pixels {
            let copied: Vec<u8> = native.iter().flat_map(|gray| [*gray; 3]).collect();
            assert!(rgb == copied, "{}", golden.file);
        }
        if native.len() == 3 * pixels {
            assert!(rgb == native, "{}", golden.file);
        }
        let width = (golden.width as usize).next_multiple_of(16);
        let rgbx = decode(Channels::Rgbx);
        assert_eq!(rgbx.len(), 4 * width * golden.height as usize, "{}", golden.file);
        let rows = rgbx.chunks(4 * width).map(|row| &row[..4 * golden.width as usize]);
        let without: Vec<u8> = rows.flat_map(|row| row.as_chunks().0).flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        assert!(without == rgb, "{}", golden.file);
    }
}

#[test]
fn a_whole_file_is_refused_wherever_it_breaks_off() {
    for golden in good().into_iter().filter(|golden| golden.file.starts_with("ordinary")) {
        let mut decoder = Decoder::default();
        for length in 0..golden.jpeg.len() {
            for channels in [Channels::Native, Channels::Gray] {
                let result = decode_in(&mut decoder, &golden.jpeg[..length], &decoding(Dct::Fast, channels));
                assert!(result.is_err(), "{} of {} bytes of {}", length, golden.jpeg.len(), golden.file);
            }
        }
    }
}

#[test]
fn a_file_of_another_kind_is_refused_wherever_its_last_scan_breaks_off() {
    let kinds = ["progressive", "arithmetic", "scans", "cmyk", "ycck"];
    for golden in good().into_iter().filter(|golden| kinds.iter().any(|kind| golden.file.starts_with(kind))) {
        let Some(scan) = golden.jpeg.windows(2).rposition(|marker| marker == [0xff, 0xda]) else { continue };
        let data = scan + 2 + usize::from(golden.jpeg[scan + 3]);
        for length in (data..golden.jpeg.len()).step_by(7).chain([golden.jpeg.len() - 1]) {
            let result = decode(&golden.jpeg[..length], &Decoding::default());
            assert!(matches!(result, Err(Error::Truncated { .. })), "{length} bytes of {}", golden.file);
        }
    }
}
