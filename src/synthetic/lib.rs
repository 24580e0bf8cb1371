//! A synthetic photo set: class folders of JPEG flowers with the sizes, compressibility and decode
//! cost of real photos.

mod background;
mod develop;
mod flowers;
mod hostile;
mod layer;
pub mod onnx;
mod paint;
mod random;
mod size;
mod species;

use std::borrow::Cow;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pixmill_jpeg::{Encoder, Encoding, PixelLayout, Subsampling};

use self::background::paint_background;
use self::develop::develop;
use self::flowers::paint_flowers;
pub use self::hostile::{HostileSet, KINDS, Kind};
use self::random::Random;
use self::size::random_size;
use self::species::{FLOWERS, Species};

/// What to generate: the same values give the same bytes on every machine and number of threads.
///
/// Integers and `+ - * /`, `sqrt` of `f32` make all pixels, as these are exact everywhere; `sin`,
/// `exp` and `mul_add` are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoSet {
    /// Number of photos, at least 1, dealt round-robin over the classes.
    pub images: usize,
    /// Number of class folders, 1 to `images`.
    pub classes: usize,
    /// Width and height of every photo, each 1 to 16384 pixels; `None` draws them as in
    /// flower_photos, the flower photos of TensorFlow's tutorials.
    pub size: Option<(u16, u16)>,
    /// Chooses one of the possible sets.
    pub seed: u64,
}

impl PhotoSet {
    /// Relative path of photo `index` with `/` as separator, such as `roses/000017.jpg`.
    pub fn path(&self, index: usize) -> String {
        format!("{}/{index:06}.jpg", class_name(self.class(index)))
    }

    /// The JPEG file of photo `index`, which depends on `seed`, `index`, `size` and `classes` only.
    ///
    /// # Errors
    /// `InvalidInput` if `classes` is 0 or a side of `size` is not 1 to 16384 pixels.
    pub fn jpeg(&self, index: usize) -> Result<Vec<u8>> {
        let (width, height, pixels) = self.pixels(index)?;
        // Flickr, the origin of flower_photos, stored 500 pixels at 96 and smaller copies at 90.
        let quality = if width.max(height) > 400 { 96 } else { 90 };
        let encoding = Encoding { quality, subsampling: Subsampling::Full, optimize: false };
        encode(pixels.as_flattened(), (width.into(), height.into()), PixelLayout::Rgb, &encoding)
    }

    /// Width, height and pixels of photo `index`.
    fn pixels(&self, index: usize) -> Result<(u16, u16, Vec<[u8; 3]>)> {
        self.check_photo()?;
        let mut random = Random::of_photo(self.seed, index);
        let drawn_size = random_size(&mut random);
        let (width, height) = self.size.unwrap_or(drawn_size);
        let mut scene = paint_background(&mut random, (width.into(), height.into()));
        let species = Species::of_class(self.class(index));
        paint_flowers(&mut random, &mut scene, &species);
        Ok((width, height, develop(&mut random, &scene)))
    }

    /// Writes all photos under `dir` with `threads` threads, at least one, and calls `done(bytes)`
    /// after each photo.
    ///
    /// Files of the same path are replaced, others are left as they are.
    ///
    /// # Errors
    /// Those of [`jpeg`](Self::jpeg), `InvalidInput` if `images` is 0 or less than `classes`, or the
    /// first failure to create a folder, a file or a thread.
    pub fn write(&self, dir: &Path, threads: usize, done: &(dyn Fn(u64) + Sync)) -> Result<()> {
        self.check()?;
        for folder in self.folders() {
            let folder = dir.join(folder.as_ref());
            fs::create_dir_all(&folder).map_err(|error| at_path(&folder, "cannot create", &error))?;
        }
        side_by_side(self.images, threads, &|index| self.write_photo(dir, index).map(done))
    }

    /// The folders of its classes.
    pub fn folders(&self) -> impl Iterator<Item = Cow<'static, str>> {
        (0..self.classes).map(class_name)
    }

    /// Writes one photo into its class folder, which exists, and returns its bytes.
    fn write_photo(&self, dir: &Path, index: usize) -> Result<u64> {
        let jpeg = self.jpeg(index)?;
        let path = dir.join(self.path(index));
        fs::write(&path, &jpeg).map_err(|error| at_path(&path, "cannot write", &error))?;
        Ok(jpeg.len() as u64)
    }

    /// Class of photo `index`; without classes, where `path` has no way to fail, the first.
    fn class(&self, index: usize) -> usize {
        index % self.classes.max(1)
    }

    /// Checks that there is such a set.
    ///
    /// # Errors
    /// `InvalidInput` if `images` is 0 or less than `classes`, and those of [`jpeg`](Self::jpeg).
    pub fn check(&self) -> Result<()> {
        self.check_photo()?;
        let (images, classes) = (self.images, self.classes);
        if images == 0 {
            return Err(refusal("images must be 1 or more, got 0"));
        }
        if classes > images {
            return Err(refusal(&format!(
                "{classes} classes need {classes} images or more, got {images}; \
                 ask for more images or fewer classes"
            )));
        }
        Ok(())
    }

    /// Checks what a single photo depends on.
    fn check_photo(&self) -> Result<()> {
        if self.classes == 0 {
            return Err(refusal("classes must be 1 or more, got 0"));
        }
        let sides = 1..=LARGEST_SIDE;
        match self.size {
            Some((width, height)) if !(sides.contains(&width) && sides.contains(&height)) => {
                Err(refusal(&format!("width and height must be 1 to {LARGEST_SIDE} pixels, got {width}x{height}")))
            }
            _ => Ok(()),
        }
    }
}

/// Does `work(index)` for as many indices with `threads` threads, at least one, until the first failure.
///
/// # Errors
/// That failure, or that of a thread which can't be started.
pub fn side_by_side(count: usize, threads: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    let next = AtomicUsize::new(0);
    // Keeps the first failure, which ends all threads; `set` refuses the later ones.
    let failure = OnceLock::new();
    let work_on = || {
        while failure.get().is_none() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            if let Err(error) = work(index) {
                _ = failure.set(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, work_on) {
                _ = failure.set(error);
                break;
            }
        }
        work_on();
    });
    failure.into_inner().map_or(Ok(()), Err)
}

fn encode(pixels: &[u8], (width, height): (u32, u32), layout: PixelLayout, encoding: &Encoding) -> Result<Vec<u8>> {
    let mut jpeg = Vec::with_capacity(pixels.len());
    let encoded = Encoder::default().encode(pixels, width, height, layout, encoding, &mut jpeg);
    encoded.map_err(|error| Error::other(format!("cannot encode {width}x{height} pixels: {error}")))?;
    Ok(jpeg)
}

/// Folder and label of a class: the five of flower_photos, then `class_005` and on.
pub fn class_name(index: usize) -> Cow<'static, str> {
    match FLOWERS.get(index) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("class_{index:03}")),
    }
}

/// Most pixels of a width or height: a square photo of this side takes 6 GiB of memory per thread.
const LARGEST_SIDE: u16 = 16_384;

fn refusal(wrong: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("synthetic photos: {wrong}"))
}

fn at_path(path: &Path, failure: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("'{}': {failure}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn set(images: usize, seed: u64, size: Option<(u16, u16)>) -> PhotoSet {
        PhotoSet { images, classes: 5, size, seed }
    }

    /// Width and height in the frame header of a JPEG.
    fn size_of(jpeg: &[u8]) -> (u16, u16) {
        let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        let side = |at: usize| u16::from_be_bytes([jpeg[frame + at], jpeg[frame + at + 1]]);
        (side(7), side(5))
    }

    fn fnv1a(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Why `write` refuses the set as invalid input, before it creates anything.
    fn refusal_of(photos: &PhotoSet) -> String {
        let dir = tempfile::tempdir().unwrap();
        let error = photos.write(dir.path(), 1, &|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        error.to_string()
    }

    #[test]
    fn writes_the_same_bytes_with_1_and_2_threads() {
        let photos = set(12, 7, Some((64, 48)));
        let written = [1, 2].map(|threads| {
            let dir = tempfile::tempdir().unwrap();
            let reported = AtomicU64::new(0);
            let add = |bytes| _ = reported.fetch_add(bytes, Ordering::Relaxed);
            photos.write(dir.path(), threads, &add).unwrap();
            let files: Vec<_> = (0..12).map(|index| fs::read(dir.path().join(photos.path(index))).unwrap()).collect();
            assert_eq!(reported.into_inner(), files.concat().len() as u64);
            files
        });
        assert_eq!(written[0], written[1]);
    }

    #[test]
    fn gives_other_bytes_for_another_seed_or_index() {
        let size = Some((64, 48));
        let jpeg = set(9, 7, size).jpeg(3).unwrap();
        assert_ne!(jpeg, set(9, 8, size).jpeg(3).unwrap());
        assert_ne!(jpeg, set(9, 7, size).jpeg(8).unwrap());
    }

    /// The hash was made on x86-64. A new one outdates all results stored for a seed.
    #[test]
    fn gives_the_bytes_of_every_other_machine() {
        let photos = PhotoSet { classes: 7, ..set(7, 0, Some((161, 119))) };
        let jpegs: Vec<_> = (0..7).map(|index| photos.jpeg(index).unwrap()).collect();
        assert_eq!(fnv1a(&jpegs.concat()), 0xbd52_55b2_801c_4c12);
    }

    #[test]
    fn keeps_the_bytes_per_pixel_of_real_photos() {
        let photos = set(20, 0, None);
        let mut bytes_per_pixel: Vec<_> = (0..20)
            .map(|index| {
                let jpeg = photos.jpeg(index).unwrap();
                let (width, height) = size_of(&jpeg);
                jpeg.len() as f64 / (f64::from(width) * f64::from(height))
            })
            .collect();
        bytes_per_pixel.sort_by(f64::total_cmp);
        // Of 150 photos of flower_photos: least 0.14, quartiles 0.41 and 0.73, most 1.59.
        let (least, median, most) = (bytes_per_pixel[0], bytes_per_pixel[10], bytes_per_pixel[19]);
        assert!(least > 0.1, "{bytes_per_pixel:?}");
        assert!((0.41..0.73).contains(&median), "{bytes_per_pixel:?}");
        assert!(most < 2.0, "{bytes_per_pixel:?}");
    }

    #[test]
    fn honours_the_size() {
        for size in [(1, 1), (1, 90), (90, 1), (37, 23), (640, 16), (16_384, 1), (1, 16_384)] {
            for index in 0..10 {
                assert_eq!(size_of(&set(10, 0, Some(size)).jpeg(index).unwrap()), size);
            }
        }
    }

    #[test]
    fn deals_photos_round_robin_over_the_classes() {
        let photos = PhotoSet { classes: 7, ..set(14, 0, None) };
        let paths = [0, 1, 2, 3, 4, 5, 6, 7].map(|index| photos.path(index));
        assert_eq!(
            paths,
            [
                "daisy/000000.jpg",
                "dandelion/000001.jpg",
                "roses/000002.jpg",
                "sunflowers/000003.jpg",
                "tulips/000004.jpg",
                "class_005/000005.jpg",
                "class_006/000006.jpg",
                "daisy/000007.jpg",
            ]
        );
    }

    #[test]
    fn refuses_a_set_without_images() {
        assert_eq!(refusal_of(&set(0, 0, None)), "synthetic photos: images must be 1 or more, got 0");
    }

    #[test]
    fn refuses_a_set_without_classes() {
        let photos = PhotoSet { classes: 0, ..set(1, 0, None) };
        let message = "synthetic photos: classes must be 1 or more, got 0";
        assert_eq!(refusal_of(&photos), message);
        assert_eq!(photos.jpeg(0).unwrap_err().to_string(), message);
    }

    #[test]
    fn refuses_more_classes_than_images() {
        assert_eq!(
            refusal_of(&set(4, 0, None)),
            "synthetic photos: 5 classes need 5 images or more, got 4; \
             ask for more images or fewer classes"
        );
    }

    #[test]
    fn refuses_a_side_of_0_or_over_16384_pixels() {
        for (size, got) in [((0, 5), "0x5"), ((5, 0), "5x0"), ((16_385, 5), "16385x5"), ((5, 65_535), "5x65535")] {
            let photos = set(5, 0, Some(size));
            let message = format!("synthetic photos: width and height must be 1 to 16384 pixels, got {got}");
            assert_eq!(refusal_of(&photos), message);
            assert_eq!(photos.jpeg(0).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn names_the_path_it_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "not a folder").unwrap();
        let error = set(5, 0, Some((8, 8))).write(&file, 2, &|_| ()).unwrap_err();
        let start = format!("'{}': cannot create: ", file.join("daisy").display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }

    #[test]
    fn ends_at_the_first_failure() {
        let dir = tempfile::tempdir().unwrap();
        let photos = set(10, 0, Some((8, 8)));
        let taken = dir.path().join(photos.path(3));
        fs::create_dir_all(&taken).unwrap();
        let error = photos.write(dir.path(), 1, &|_| ()).unwrap_err();
        let start = format!("'{}': cannot write: ", taken.display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(!dir.path().join(photos.path(4)).exists());
    }
}
