//! A picture in kitty's graphics protocol.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most characters of a chunk.
const CHUNK: usize = 4096;

/// Shows a PNG over so many columns, as high as it is then; the terminal is asked not to answer.
pub(super) fn picture(png: &[u8], columns: usize) -> String {
    let encoded = STANDARD.encode(png);
    let mut sequence = String::with_capacity(encoded.len() + encoded.len() / CHUNK * 16 + 64);
    let mut keys = format!("a=T,f=100,q=2,c={columns},");
    let mut rest = encoded.as_str();
    loop {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK));
        let has_more = u8::from(!after.is_empty());
        sequence.push_str(&format!("\x1b_G{keys}m={has_more};{chunk}\x1b\\"));
        if after.is_empty() {
            return sequence;
        }
        keys.clear();
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_picture_is_one_chunk() {
        assert_eq!(picture(b"\x89PNG", 40), "\x1b_Ga=T,f=100,q=2,c=40,m=0;iVBORw==\x1b\\");
    }

    #[test]
    fn a_larger_one_is_cut_into_chunks_that_give_the_same_bytes() {
        for length in [3071_usize, 3072, 3073, 10_000] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let sequence = picture(&bytes, 7);
            let mut encoded = String::new();
            let chunks: Vec<&str> = sequence.split_terminator("\x1b\\").collect();
            for (index, chunk) in chunks.iter().enumerate() {
                let (keys, data) = chunk.split_once(';').expect("keys and data");
                let first = if index == 0 { "a=T,f=100,q=2,c=7," } else { "" };
                assert_eq!(keys, format!("\x1b_G{first}m={}", u8::from(index + 1 < chunks.len())));
                assert!(data.len() <= CHUNK);
                encoded.push_str(data);
            }
            assert_eq!(chunks.len(), length.div_ceil(3072));
            assert!(STANDARD.decode(encoded).expect("base64") == bytes);
        }
    }
}
