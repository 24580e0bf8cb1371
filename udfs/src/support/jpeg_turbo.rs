//! The JPEG codec of the feature `turbo`: libjpeg-turbo with its fast DCT, which is what TensorFlow decodes with.
#![expect(unsafe_code, reason = "libjpeg-turbo is a C library")]

use std::ffi::{CStr, c_int};
use std::ptr;

use turbojpeg_sys as tj;

use super::encode::{Encoding, Subsampling};
use super::jpeg_segments::has_adobe_segment;
use super::pixels::{BadImage, Mode, Pixels, PixelsRef, checked_size, cmyk_to_rgb};

/// The libraries behind this codec, as a dataset's manifest names them.
pub const JPEG_CODEC: &str = "libjpeg-turbo 3.1";

/// More scans than any encoder writes; a progressive JPEG may otherwise keep a decoder busy for minutes.
const SCAN_LIMIT: c_int = 500;

/// Decodes and encodes JPEG.
pub(crate) struct JpegCodec {
    decompressor: Handle,
    compressor: Handle,
    /// Room for the largest JPEG so far; an image's worst case is many times what it takes.
    encoded: Vec<u8>,
}

impl Default for JpegCodec {
    fn default() -> Self {
        Self {
            encoded: Vec::new(),
            decompressor: Handle::new(tj::TJINIT_TJINIT_DECOMPRESS as c_int),
            compressor: Handle::new(tj::TJINIT_TJINIT_COMPRESS as c_int),
        }
    }
}

impl JpegCodec {
    /// Decodes to the channels of `mode`, or to those of the file where converting is left to the caller.
    pub(crate) fn decode(&mut self, jpeg: &[u8], mode: Mode, buffer: Vec<u8>) -> Result<Pixels, BadImage> {
        let handle = &self.decompressor;
        let broken = |error: TurboError| BadImage(format!("broken jpeg: {}", error.message));
        handle.set(tj::TJPARAM_TJPARAM_FASTDCT, 1).map_err(broken)?;
        handle.set(tj::TJPARAM_TJPARAM_SCANLIMIT, SCAN_LIMIT).map_err(broken)?;
        // SAFETY: the handle is a live decompressor and the pointer and length are those of one slice.
        let status = unsafe { tj::tj3DecompressHeader(handle.0, jpeg.as_ptr(), jpeg.len() as tj::size_t) };
        handle.check(status).or_else(TurboError::unless_fatal).map_err(broken)?;
        let width = handle.get(tj::TJPARAM_TJPARAM_JPEGWIDTH);
        let height = handle.get(tj::TJPARAM_TJPARAM_JPEGHEIGHT);
        let color = handle.get(tj::TJPARAM_TJPARAM_COLORSPACE) as tj::TJCS;
        let is_gray = color == tj::TJCS_TJCS_GRAY || (mode == Mode::Gray && color == tj::TJCS_TJCS_YCbCr);
        let (format, channels) = match color {
            tj::TJCS_TJCS_CMYK | tj::TJCS_TJCS_YCCK => (tj::TJPF_TJPF_CMYK, 4),
            _ if is_gray => (tj::TJPF_TJPF_GRAY, 1),
            _ => (tj::TJPF_TJPF_RGB, 3),
        };
        let size = checked_size(width, height, channels)?;
        let mut values = buffer;
        values.resize(size, 0);
        // SAFETY: `values` holds width x height x channels bytes, which is what a pitch of 0 (no padding) asks for,
        // for the size that the header of this same slice gave.
        let status = unsafe {
            tj::tj3Decompress8(handle.0, jpeg.as_ptr(), jpeg.len() as tj::size_t, values.as_mut_ptr(), 0, format)
        };
        match handle.check(status) {
            Err(error) if error.is_truncation() => {
                return Err(BadImage(format!(
                    "truncated jpeg: the data ends before the image does ({} bytes)",
                    jpeg.len()
                )));
            }
            result => result.or_else(TurboError::unless_fatal).map_err(broken)?,
        }
        let mut channels = channels;
        if format == tj::TJPF_TJPF_CMYK {
            cmyk_to_rgb(&mut values, has_adobe_segment(jpeg));
            channels = 3;
        }
        Ok(Pixels { width, height, channels, values })
    }

    /// Appends a JPEG of a grey or RGB image to `jpeg`.
    pub(crate) fn encode(
        &mut self,
        image: PixelsRef<'_>,
        encoding: &Encoding,
        jpeg: &mut Vec<u8>,
    ) -> Result<(), String> {
        let handle = &self.compressor;
        let (format, subsampling) = match (image.channels, encoding.subsampling) {
            (1, _) => (tj::TJPF_TJPF_GRAY, tj::TJSAMP_TJSAMP_GRAY),
            (_, Subsampling::Full) => (tj::TJPF_TJPF_RGB, tj::TJSAMP_TJSAMP_444),
            (_, Subsampling::HalfWidth) => (tj::TJPF_TJPF_RGB, tj::TJSAMP_TJSAMP_422),
            (_, Subsampling::Quarter) => (tj::TJPF_TJPF_RGB, tj::TJSAMP_TJSAMP_420),
        };
        let parameters = [
            (tj::TJPARAM_TJPARAM_NOREALLOC, 1),
            (tj::TJPARAM_TJPARAM_QUALITY, c_int::from(encoding.quality)),
            (tj::TJPARAM_TJPARAM_SUBSAMP, subsampling),
            (tj::TJPARAM_TJPARAM_OPTIMIZE, c_int::from(encoding.optimize)),
            (tj::TJPARAM_TJPARAM_XDENSITY, 300),
            (tj::TJPARAM_TJPARAM_YDENSITY, 300),
            (tj::TJPARAM_TJPARAM_DENSITYUNITS, 1),
        ];
        for (parameter, value) in parameters {
            handle.set(parameter, value).map_err(|error| error.message)?;
        }
        let (width, height) = (image.width as c_int, image.height as c_int);
        // SAFETY: a pure computation.
        let most = unsafe { tj::tj3JPEGBufSize(width, height, subsampling) };
        let most = most as usize;
        if self.encoded.len() < most {
            self.encoded.resize(most, 0);
        }
        let mut target = self.encoded.as_mut_ptr();
        let mut written = most as tj::size_t;
        // SAFETY: the source holds width x height x channels values (checked where image arrays are read), the target
        // `most` bytes, the most that such an image can need, and NOREALLOC keeps the library from replacing it.
        let status = unsafe {
            tj::tj3Compress8(
                handle.0,
                image.values.as_ptr(),
                width,
                0,
                height,
                format,
                ptr::from_mut(&mut target),
                ptr::from_mut(&mut written),
            )
        };
        handle.check(status).map_err(|error| error.message)?;
        jpeg.extend_from_slice(&self.encoded[..written as usize]);
        Ok(())
    }
}

struct TurboError {
    message: String,
    is_warning: bool,
}

impl TurboError {
    /// libjpeg's warnings leave a whole image behind; only truncation, which is one of them, loses pixels.
    fn unless_fatal(self) -> Result<(), Self> {
        if self.is_warning { Ok(()) } else { Err(self) }
    }

    fn is_truncation(&self) -> bool {
        self.message.contains("Premature end of JPEG file")
    }
}

/// A libjpeg-turbo instance; one thread at a time uses it.
struct Handle(tj::tjhandle);

// SAFETY: an instance has no ties to the thread that made it, and `JpegCodec` is used through `&mut` only.
unsafe impl Send for Handle {}

impl Handle {
    fn new(kind: c_int) -> Self {
        // SAFETY: no preconditions; a null handle is answered with an error by every call.
        Self(unsafe { tj::tj3Init(kind) })
    }

    fn set(&self, parameter: tj::TJPARAM, value: c_int) -> Result<(), TurboError> {
        // SAFETY: the handle is live or null, and both are allowed.
        self.check(unsafe { tj::tj3Set(self.0, parameter as c_int, value) })
    }

    fn get(&self, parameter: tj::TJPARAM) -> u32 {
        // SAFETY: as in `set`.
        let value = unsafe { tj::tj3Get(self.0, parameter as c_int) };
        u32::try_from(value).unwrap_or(0)
    }

    fn check(&self, status: c_int) -> Result<(), TurboError> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the library returns a zero-terminated string that lives until the next call with this handle.
        let message = unsafe { CStr::from_ptr(tj::tj3GetErrorStr(self.0)) };
        // SAFETY: as in `set`.
        let code = unsafe { tj::tj3GetErrorCode(self.0) };
        Err(TurboError {
            message: message.to_string_lossy().into_owned(),
            is_warning: code == tj::TJERR_TJERR_WARNING as c_int,
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is not used afterwards; null is allowed.
        unsafe { tj::tj3Destroy(self.0) }
    }
}
