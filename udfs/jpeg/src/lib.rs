//! JPEG in Rust alone, with the very bytes of libjpeg-turbo: of its decoder (both inverse transforms), and of its encoder.
//!
//! What is specified is ITU-T T.81 (ISO/IEC 10918-1) with JFIF (T.871) and Adobe's colours (T.872); which of the transforms,
//! upsamplings and roundings that those allow is libjpeg-turbo's choice, which TensorFlow, Pillow and browsers share.

mod decode;
mod encode;
mod error;
mod kernels;
mod lanes;
mod standard_codes;
mod zigzag;

pub use decode::{Channels, Dct, Decoder, Decoding, Header, Image, Rows, Scale, Warnings, Window};
pub use encode::{Encoder, Encoding, PixelLayout, Subsampling};
pub use error::Error;
#[cfg(fuzzing)]
pub use kernels::with_each_instance;
