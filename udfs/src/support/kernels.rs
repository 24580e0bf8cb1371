//! The codecs and scratch memory that one batch of images goes through.

use std::collections::VecDeque;

use datafusion::common::{Result, exec_err};
use fast_image_resize::Resizer;

use super::decode::decode;
use super::encode::encode;
use super::jpeg::JpegCodec;
use super::pixels::{Pixels, PixelsRef};
use super::resize::{center_crop, crop, resize};
use super::step::{Decode, Encode, OnError, Pipeline, Transform};
use super::work::resizing;

/// Decodes, transforms and encodes one image after the other, using the same buffers again.
#[derive(Default)]
pub(crate) struct Kernels {
    jpeg: JpegCodec,
    resizer: Resizer,
    /// First in, first out: what held a decoded photo will hold one again.
    spare: VecDeque<Vec<u8>>,
    encoded: Vec<u8>,
}

impl Kernels {
    /// Decodes; `None` for a bad image that is not to stop the query.
    pub(crate) fn decode(&mut self, content: &[u8], options: &Decode) -> Result<Option<Pixels>> {
        let buffer = self.buffer();
        match decode(content, options, &mut self.jpeg, buffer) {
            Ok(pixels) => Ok(Some(pixels)),
            Err(_) if options.on_error == OnError::Null => Ok(None),
            Err(reason) => exec_err!(
                "image_decode: {reason}; use on_error => 'null' to keep the row and image_error(content) to find it"
            ),
        }
    }

    pub(crate) fn transform(&mut self, image: PixelsRef<'_>, step: &Transform) -> Result<Pixels> {
        let buffer = self.buffer();
        resizing(|| match step {
            Transform::Resize(options) => resize(image, options, &mut self.resizer, buffer),
            Transform::Crop(options) => {
                let start = (i64::from(options.x), i64::from(options.y));
                Ok(crop(image, start, (options.width, options.height), buffer))
            }
            Transform::CenterCrop(options) => Ok(center_crop(image, options.width, options.height, buffer)),
        })
    }

    /// Encodes into a buffer that the next call overwrites.
    pub(crate) fn encode(&mut self, image: PixelsRef<'_>, options: &Encode) -> Result<&[u8]> {
        self.encoded.clear();
        encode(image, options, &mut self.jpeg, &mut self.encoded)?;
        Ok(&self.encoded)
    }

    /// Decodes and transforms as the pipeline says; encoding is left to the caller.
    pub(crate) fn run(&mut self, content: &[u8], pipeline: &Pipeline) -> Result<Option<Pixels>> {
        let Some(mut pixels) = self.decode(content, &pipeline.decode)? else {
            return Ok(None);
        };
        for step in &pipeline.transforms {
            let transformed = self.transform(pixels.as_ref(), step)?;
            self.reuse(pixels);
            pixels = transformed;
        }
        Ok(Some(pixels))
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
