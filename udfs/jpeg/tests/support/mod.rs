//! The stored JPEGs, and what is done with them in every test file.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::PathBuf;

use pixmill_jpeg::{Channels, Dct, Decoder, Decoding, Error, Warnings};

/// A row of `golden.csv`, and its file.
pub(crate) struct Golden {
    pub(crate) file: String,
    pub(crate) jpeg: Vec<u8>,
    /// `ok`, or the kind of the error.
    pub(crate) outcome: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Hashes by column; what libjpeg-turbo doesn't decode is left out.
    pub(crate) hashes: Vec<(&'static str, u64)>,
}

impl Golden {
    pub(crate) fn hash(&self, column: &str) -> Option<u64> {
        self.hashes.iter().find(|(name, _)| *name == column).map(|(_, hash)| *hash)
    }
}

pub(crate) const COLUMNS: [&str; 8] =
    ["fast", "accurate", "fast_gray", "accurate_gray", "fast_half", "accurate_half", "quarter", "eighth"];

/// Where the stored JPEGs are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// All stored JPEGs.
pub(crate) fn goldens() -> Vec<Golden> {
    let table = fs::read_to_string(folder().join("golden.csv")).expect("the table");
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some(format!("file,outcome,width,height,{}", COLUMNS.join(",")).as_str()));
    lines.map(golden).collect()
}

fn golden(line: &str) -> Golden {
    let cells: Vec<&str> = line.split(',').collect();
    let hash = |(name, cell): (&'static str, &&str)| u64::from_str_radix(cell, 16).ok().map(|hash| (name, hash));
    Golden {
        file: cells[0].to_owned(),
        jpeg: fs::read(folder().join(cells[0])).expect("a stored file"),
        outcome: cells[1].to_owned(),
        width: cells[2].parse().unwrap_or(0),
        height: cells[3].parse().unwrap_or(0),
        hashes: COLUMNS.into_iter().zip(&cells[4..]).filter_map(hash).collect(),
    }
}

/// Those that are decoded.
pub(crate) fn good() -> Vec<Golden> {
    goldens().into_iter().filter(|golden| golden.outcome == "ok").collect()
}

/// FNV-1a of 64 bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

pub(crate) fn decoding(dct: Dct, channels: Channels) -> Decoding {
    Decoding { dct, channels, ..Decoding::default() }
}

/// Decodes in a decoder that was used before.
pub(crate) fn decode_in(decoder: &mut Decoder, jpeg: &[u8], decoding: &Decoding) -> Result<(Vec<u8>, Warnings), Error> {
    let mut pixels = Vec::new();
    let warnings = decoder.read(jpeg)?.decode(decoding, &mut pixels)?;
    Ok((pixels, warnings))
}

/// Decodes in a decoder of its own.
pub(crate) fn decode(jpeg: &[u8], decoding: &Decoding) -> Result<Vec<u8>, Error> {
    decode_in(&mut Decoder::default(), jpeg, decoding).map(|(pixels, _)| pixels)
}

/// What [`Golden::outcome`] says.
pub(crate) fn outcome(result: &Result<Vec<u8>, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::NotJpeg) => "not-jpeg",
        Err(Error::Truncated { .. }) => "truncated",
        Err(Error::Broken { .. }) => "broken",
        Err(Error::Unsupported { .. } | Error::TooLarge { .. }) => "unsupported",
        Err(_) => "an error of another kind",
    }
}

pub(crate) const TRANSFORMS: [Dct; 2] = [Dct::Fast, Dct::Accurate];
