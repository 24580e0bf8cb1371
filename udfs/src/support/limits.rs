//! How large an image may be, and how long decoding it may take: limits of a session, kept by whatever decodes for it.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use datafusion::config::ConfigOptions;

use super::bad_image::BadImage;
use super::pixels::MAX_VALUES;

/// Limits on images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Most pixels, width x height.
    pub pixels: u64,
    /// Most pixels of the longer side.
    pub side: u64,
    /// Most frames of a file.
    pub frames: u64,
    /// Most bytes of memory that decoding takes, as far as the header tells.
    pub decode_bytes: u64,
    /// The longest that decoding may take.
    pub time: Duration,
}

impl ImageLimits {
    /// Frames that there can always be: where there may be so many, they aren't counted.
    pub(crate) const ALL_FRAMES: u64 = u32::MAX as u64;
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self {
            pixels: MAX_VALUES,
            side: 1_000_000,
            frames: Self::ALL_FRAMES,
            // Decoders hold the image, in 16 bits where the file does, and some scratch memory beside it.
            decode_bytes: 3 * MAX_VALUES,
            time: Duration::from_secs(60),
        }
    }
}

static LIMITS_OF: OnceLock<fn(&ConfigOptions) -> ImageLimits> = OnceLock::new();

/// Says how a session's options tell its limits on images. Without it, and for a process that says it twice the first counts, there
/// are the defaults.
pub fn limit_images_by(limits_of: fn(&ConfigOptions) -> ImageLimits) {
    // Whoever was first has said it.
    let _ = LIMITS_OF.set(limits_of);
}

thread_local! {
    static LIMITS: Cell<Option<ImageLimits>> = const { Cell::new(None) };
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The limits that a session's options tell.
pub(crate) fn limits_of(options: &ConfigOptions) -> ImageLimits {
    LIMITS_OF.get().map_or_else(ImageLimits::default, |limits_of| limits_of(options))
}

/// The limits on images of this thread.
pub(crate) fn limits() -> ImageLimits {
    LIMITS.get().unwrap_or_default()
}

/// Does work of this thread within some limits on images.
pub fn within_limits<T>(limits: ImageLimits, work: impl FnOnce() -> T) -> T {
    let _outer = Restored { cell: &LIMITS, outer: LIMITS.replace(Some(limits)) };
    work()
}

/// Decodes an image, which has its time from now on.
pub(crate) fn timed<T>(decode: impl FnOnce() -> T) -> T {
    let deadline = Instant::now().checked_add(limits().time);
    let _outer = Restored { cell: &DEADLINE, outer: DEADLINE.replace(deadline) };
    decode()
}

/// Gives a thread back what it had, also where a codec panics.
struct Restored<T: Copy + 'static> {
    cell: &'static std::thread::LocalKey<Cell<Option<T>>>,
    outer: Option<T>,
}

impl<T: Copy + 'static> Drop for Restored<T> {
    fn drop(&mut self) {
        self.cell.set(self.outer);
    }
}

/// When the time of the image is over that this thread decodes.
pub(crate) fn deadline() -> Option<Instant> {
    DEADLINE.get()
}

/// Why an image was given up.
pub(crate) fn too_slow() -> BadImage {
    BadImage::too_slow(limits().time)
}

/// Checks what an image's header says.
pub(crate) fn check_header(width: u32, height: u32) -> Result<(), BadImage> {
    let limits = limits();
    let (pixels, side) = (u64::from(width) * u64::from(height), u64::from(width.max(height)));
    if pixels > limits.pixels {
        return Err(BadImage::too_large(format!(
            "{width}x{height} are {pixels} pixels, the limit is {}",
            limits.pixels
        )));
    }
    if side > limits.side {
        return Err(BadImage::too_large(format!("{width}x{height} pixels, the limit of a side is {}", limits.side)));
    }
    Ok(())
}

/// Checks what decoding takes.
pub(crate) fn check_memory(bytes: u64) -> Result<(), BadImage> {
    let limit = limits().decode_bytes;
    if bytes > limit {
        return Err(BadImage::too_large(format!("decoding it takes {bytes} bytes of memory, the limit is {limit}")));
    }
    Ok(())
}

/// Checks what an image's header says, and what decoding it takes.
pub(crate) fn check_image(width: u32, height: u32, bytes: u64) -> Result<(), BadImage> {
    check_header(width, height)?;
    check_memory(bytes)
}

/// Checks that the time of the image isn't over.
pub(crate) fn check_time() -> Result<(), BadImage> {
    match deadline() {
        Some(deadline) if Instant::now() > deadline => Err(too_slow()),
        _ => Ok(()),
    }
}

/// Checks how many images a file has.
pub(crate) fn check_frames(count: impl FnOnce() -> u32) -> Result<(), BadImage> {
    let limit = limits().frames;
    if limit >= ImageLimits::ALL_FRAMES {
        return Ok(());
    }
    match u64::from(count()) {
        frames if frames > limit => Err(BadImage::too_large(format!("it has {frames} frames, the limit is {limit}"))),
        _ => Ok(()),
    }
}

/// A file that reads no further when the time of its image is over. Decoders read all along.
#[derive(Debug)]
pub(crate) struct TimedContent<'a> {
    content: Cursor<&'a [u8]>,
    deadline: Option<Instant>,
    calls: u32,
    /// Where the last look at the clock was.
    looked_at: u64,
}

/// Bytes that a decoder gets at a time.
const PIECE_BYTES: usize = 16 << 10;
/// Bytes, and calls, after which somebody looks at the clock: some decoders ask for each byte.
const BYTES_BETWEEN_LOOKS: u64 = 4 << 10;
const CALLS_BETWEEN_LOOKS: u32 = 256;

impl<'a> TimedContent<'a> {
    pub(crate) fn new(content: &'a [u8]) -> Self {
        Self { content: Cursor::new(content), deadline: deadline(), calls: 0, looked_at: 0 }
    }

    /// Looks at the clock where `wanted` bytes more, or those until now, are worth it.
    fn check(&mut self, wanted: usize) -> io::Result<()> {
        let position = self.content.position();
        self.calls += 1;
        let bytes = position.abs_diff(self.looked_at) + wanted as u64;
        if self.calls < CALLS_BETWEEN_LOOKS && bytes < BYTES_BETWEEN_LOOKS {
            return Ok(());
        }
        (self.calls, self.looked_at) = (0, position);
        match self.deadline {
            Some(deadline) if Instant::now() > deadline => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

impl Read for TimedContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check(buffer.len())?;
        self.content.read(buffer)
    }
}

impl BufRead for TimedContent<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check(0)?;
        let left = self.content.fill_buf()?;
        Ok(&left[..left.len().min(PIECE_BYTES)])
    }

    fn consume(&mut self, bytes: usize) {
        self.content.consume(bytes);
    }
}

impl Seek for TimedContent<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.check(0)?;
        self.content.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat, RgbImage};

    use super::*;
    use crate::support::bad_image::ImageErrorClass;
    use crate::support::testing::{file, gif, jpeg, tiff};
    use crate::{image_error, measure};

    fn error_within(limits: ImageLimits, content: &[u8]) -> Option<(ImageErrorClass, String)> {
        within_limits(limits, || image_error(content)).map(|error| (error.class, error.reason))
    }

    /// One file of each format.
    fn files() -> [Vec<u8>; 7] {
        let noise =
            |x: u32, y: u32| image::Rgb([x * y * 31, x * x * 7 + y, y * y * 13 + x].map(|value| (value >> 3) as u8));
        let of = |format| file(DynamicImage::from(RgbImage::from_fn(200, 150, noise)), format);
        let [png, bmp, webp, pnm] = [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Pnm].map(of);
        [jpeg(200, 150), png, gif(200, 150, 2), tiff(200, 150), bmp, webp, pnm]
    }

    /// A progressive grey JPEG of `side` x `side` pixels: a scan of averages, then `scans` that say again that there is nothing else.
    fn many_scans(side: u16, scans: usize) -> Vec<u8> {
        let [high, low] = side.to_be_bytes();
        let mut file = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
        file.extend([1; 64]);
        file.extend([0xFF, 0xC2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
        // A table of one code of one bit, for no difference and for a run of 16384 blocks and more without coefficients.
        for (class, symbol) in [(0x00, 0x00), (0x10, 0xE0)] {
            file.extend([0xFF, 0xC4, 0, 20, class, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, symbol]);
        }
        let blocks = usize::from(side).div_ceil(8).pow(2);
        file.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0]);
        file.resize(file.len() + blocks.div_ceil(8), 0);
        for _ in 0..scans {
            file.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 0]);
            // 16384 blocks each: the code, and 14 bits of 0.
            file.resize(file.len() + (blocks.div_ceil(16_384) * 15).div_ceil(8), 0);
        }
        file.extend([0xFF, 0xD9]);
        file
    }

    #[test]
    fn limits_are_kept_for_every_format_by_its_header() {
        for content in files() {
            assert_eq!(error_within(ImageLimits::default(), &content), None);
            let pixels = ImageLimits { pixels: 29_999, ..ImageLimits::default() };
            let reason = "too large: 200x150 are 30000 pixels, the limit is 29999".to_string();
            assert_eq!(error_within(pixels, &content), Some((ImageErrorClass::TooLarge, reason)));
            assert_eq!(error_within(ImageLimits { pixels: 30_000, ..ImageLimits::default() }, &content), None);
            let side = ImageLimits { side: 199, ..ImageLimits::default() };
            let reason = "too large: 200x150 pixels, the limit of a side is 199".to_string();
            assert_eq!(error_within(side, &content), Some((ImageErrorClass::TooLarge, reason)));
            let memory = ImageLimits { decode_bytes: 30_000, ..ImageLimits::default() };
            let error = error_within(memory, &content);
            assert!(error.as_ref().is_some_and(|(class, _)| *class == ImageErrorClass::TooLarge), "{error:?}");
        }
        let one = ImageLimits { frames: 1, ..ImageLimits::default() };
        let reason = "too large: it has 2 frames, the limit is 1".to_string();
        assert_eq!(error_within(one, &gif(200, 150, 2)), Some((ImageErrorClass::TooLarge, reason)));
        assert_eq!(error_within(one, &gif(200, 150, 1)), None);
    }

    #[test]
    fn an_image_of_any_format_is_given_up_when_its_time_is_over() {
        let no_time = ImageLimits { time: Duration::ZERO, ..ImageLimits::default() };
        let reason = "too slow: decoding took longer than the limit of 0 seconds".to_string();
        for content in files() {
            assert_eq!(error_within(no_time, &content), Some((ImageErrorClass::TooSlow, reason.clone())));
            assert_eq!(error_within(ImageLimits::default(), &content), None, "the next has its own time");
        }
    }

    #[test]
    fn a_jpeg_of_hundreds_of_scans_is_given_up_in_the_middle() {
        let content = many_scans(2000, 480);
        assert!(content.len() < 20_000);
        let (error, whole) = measure(|| error_within(ImageLimits::default(), &content));
        assert_eq!(error, None);
        let short = ImageLimits { time: whole.decode_time / 8, ..ImageLimits::default() };
        let (error, given_up) = measure(|| error_within(short, &content));
        assert_eq!(error.map(|(class, _)| class), Some(ImageErrorClass::TooSlow));
        assert!(given_up.decode_time < whole.decode_time / 2, "{given_up:?} of {whole:?}");
    }
}
