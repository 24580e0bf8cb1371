//! The codecs and scratch memory that one batch of images goes through.

use std::collections::VecDeque;

use datafusion::common::Result;
use fast_image_resize::Resizer;

use super::bad_image::BadImage;
use super::decode::{DecodeOptions, Decoded, decode, decode_partly};
use super::encode::{Encoding, encode};
use super::jpeg::JpegCodec;
use super::pixels::{Pixels, PixelsRef};
use super::step::AnyTransform;
use super::work::resizing;

/// Decodes, transforms and encodes one image after the other, using the same buffers again.
#[derive(Default)]
pub(crate) struct Kernels {
    jpeg: JpegCodec,
    resizer: Resizer,
    /// First in, first out: what held a decoded photo will hold one again.
    spare: VecDeque<Vec<u8>>,
}

impl Kernels {
    /// Decodes; does the step behind it, too, where that can be done on the way.
    pub(crate) fn decode(
        &mut self,
        content: &[u8],
        options: DecodeOptions,
        next: Option<&dyn AnyTransform>,
    ) -> Result<Decoded, BadImage> {
        let buffer = self.buffer();
        decode(content, options, next, &mut self.jpeg, buffer)
    }

    /// Decodes what there is of an image that can't be decoded as a whole.
    pub(crate) fn decode_partly(&mut self, content: &[u8], options: DecodeOptions) -> Option<Decoded> {
        decode_partly(content, options, &mut self.jpeg).map(|(decoded, _)| decoded)
    }

    pub(crate) fn transform(&mut self, image: PixelsRef<'_>, step: &dyn AnyTransform) -> Result<Pixels> {
        let buffer = self.buffer();
        resizing(|| step.apply(image, &mut self.resizer, buffer))
    }

    /// Encodes; appends the file to `bytes`.
    pub(crate) fn encode(&mut self, image: PixelsRef<'_>, encoding: &Encoding, bytes: &mut Vec<u8>) -> Result<()> {
        encode(image, encoding, &mut self.jpeg, bytes)
    }

    /// Gives an image's memory to one of the next.
    pub(crate) fn reuse(&mut self, pixels: Pixels) {
        /// Larger buffers are given back to the allocator: one huge photo shouldn't hold its memory for the whole batch.
        const MOST_BYTES: usize = 16 << 20;
        if pixels.values.capacity() <= MOST_BYTES {
            self.spare.push_back(pixels.values);
        }
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop_front().unwrap_or_default()
    }
}
