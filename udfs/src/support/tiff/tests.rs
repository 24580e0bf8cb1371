//! Files made by hand, to their pixels; `tests/python/compare_with_pillow.py` compares those that others made.

use super::*;
use crate::support::testing::tiff_of;

/// A grey image of 4x2 pixels, with further tags.
fn gray(tags: &[(u16, u32)], strip: &[u8]) -> Vec<u8> {
    tiff_of(&[&[(256, 4), (257, 2), (277, 1), (278, 2)], tags].concat(), strip)
}

fn values(tiff: &[u8]) -> Vec<u8> {
    Tiff::read(tiff).and_then(|tiff| tiff.decode()).and_then(Part::into_whole).expect("an image").values
}

fn fault(tiff: &[u8]) -> (&'static str, String) {
    let error = Tiff::read(tiff).and_then(|tiff| tiff.decode()).and_then(Part::into_whole).expect_err("a fault");
    (error.class.name(), error.reason)
}

#[test]
fn fewer_bits_are_spread_and_of_more_the_upper_are_kept() {
    assert_eq!(values(&gray(&[(258, 1), (262, 1)], &[0xa0, 0x50])), [255, 0, 255, 0, 0, 255, 0, 255]);
    assert_eq!(values(&gray(&[(258, 1), (262, 0)], &[0xa0, 0x50])), [0, 255, 0, 255, 255, 0, 255, 0]);
    assert_eq!(values(&gray(&[(258, 2), (262, 1)], &[0x1b, 0xe4])), [0, 85, 170, 255, 255, 170, 85, 0]);
    assert_eq!(values(&gray(&[(258, 4), (262, 1)], &[0x01, 0xef, 0x10, 0xfe])), [0, 17, 238, 255, 17, 0, 255, 238]);
    let twelve = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc].repeat(2);
    assert_eq!(values(&gray(&[(258, 12), (262, 1)], &twelve)), [0x12, 0x45, 0x78, 0xab].repeat(2));
    let sixteen = [0x00, 0x12, 0xff, 0x34].repeat(4);
    assert_eq!(values(&gray(&[(258, 16), (262, 1)], &sixteen)), [0x12, 0x34].repeat(4));
}

#[test]
fn numbers_without_a_range_get_one() {
    let floats = [0.0_f32, 0.5, 1.0, 0.25, 0.0, 0.0, 0.0, 0.0].map(f32::to_le_bytes).concat();
    assert_eq!(values(&gray(&[(258, 32), (262, 1), (339, 3)], &floats))[..4], [0, 128, 255, 64]);
    let signed = [-100_i16, 0, 100, 50, 0, 0, 0, 0].map(i16::to_le_bytes).concat();
    assert_eq!(values(&gray(&[(258, 16), (262, 1), (339, 2)], &signed))[..4], [0, 128, 255, 191]);
}

#[test]
fn bits_may_come_from_the_lowest_on() {
    assert_eq!(values(&gray(&[(258, 1), (262, 1), (266, 2)], &[0x05, 0x0a])), [255, 0, 255, 0, 0, 255, 0, 255]);
}

#[test]
fn a_strip_that_is_cut_off_has_rows() {
    let tags = [(258, 8), (262, 1)];
    let whole = gray(&tags, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let part = Tiff::read(&whole[..whole.len() - 1]).and_then(|tiff| tiff.decode()).expect("a part");
    assert_eq!(part.rows, 0..1);
    let reason = "truncated tiff: its strip 0 has 1 of 2 rows";
    assert_eq!(fault(&whole[..whole.len() - 1]), ("truncated", reason.to_string()));
}

#[test]
fn packed_and_coded_strips_are_unpacked() {
    let packed = [0xfd, 9, 0x03, 1, 2, 3, 4];
    assert_eq!(values(&gray(&[(258, 8), (262, 1), (259, 32_773)], &packed)), [9, 9, 9, 9, 1, 2, 3, 4]);
    // Two lines of group 4: horizontal, white 1 (000111), black 2 (11), then vertical; the second as the first.
    let coded = [0b0010_0011, 0b1111_1110, 0b0000_0000];
    assert_eq!(values(&gray(&[(258, 1), (262, 0), (259, 4)], &coded)), [255, 0, 0, 255].repeat(2));
}

#[test]
fn what_isnt_decoded_is_named() {
    let named = |tags: &[(u16, u32)]| fault(&gray(tags, &[0; 8]));
    let lzma = "unsupported tiff: compression 34925 (lzma)";
    assert_eq!(named(&[(258, 8), (262, 1), (259, 34_925)]), ("unsupported", lzma.to_string()));
    let raw = "unsupported tiff: photometric interpretation 32803 (a camera's raw data)";
    assert_eq!(named(&[(258, 8), (262, 32_803)]), ("unsupported", raw.to_string()));
    assert_eq!(named(&[(258, 8), (262, 3)]), ("broken", "broken tiff: it has no palette".to_string()));
    let (class, reason) = fault(&tiff_of(&[(256, 60_000), (257, 60_000), (258, 8)], &[]));
    assert_eq!((class, reason.starts_with("too large: 60000x60000")), ("too_large", true));
}

#[test]
fn tiles_larger_than_memory_are_refused() {
    let tags = [(256, 4), (257, 2), (258, 8), (262, 1), (322, 1 << 28), (323, 1 << 28), (324, 8), (325, 8)];
    assert_eq!(fault(&tiff_of(&tags, &[0; 8])).0, "too_large");
}

#[test]
fn a_jpeg_in_a_strip_is_no_larger_than_its_place() {
    let tags = [(256, 4), (257, 2), (258, 8), (259, 7), (262, 2), (277, 3), (278, 2)];
    let reason = "broken tiff: a jpeg of 40x40 pixels in a place of 16x16";
    assert_eq!(fault(&tiff_of(&tags, &crate::support::testing::jpeg(40, 40))), ("broken", reason.to_string()));
    assert_eq!(values(&tiff_of(&tags, &crate::support::testing::jpeg(4, 2))).len(), 4 * 2 * 3);
}
