//! What codecs and kernels have done on a thread: how many images, and how long it took.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::decode::Decoded;

/// How many images went through codecs, and the time that took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Images that were decoded; those that can't be only cost time.
    pub images_decoded: usize,
    /// Images that were encoded.
    pub images_encoded: usize,
    /// Pixels of the images that were decoded, as large as they are in their files.
    pub pixels_in_files: usize,
    /// Pixels that were made of them: fewer where only a part, or a smaller image, is asked for.
    pub pixels_decoded: usize,
    /// Time in decoders, orientation and mode included.
    pub decode_time: Duration,
    /// Time in resizing and cropping.
    pub resize_time: Duration,
    /// Time in encoders.
    pub encode_time: Duration,
    /// Models that were loaded: each is told of once in a process, by the first that runs it.
    pub models_loaded: usize,
    /// How long loading them took.
    pub model_load_time: Duration,
    /// How often models were run.
    pub model_runs: usize,
    /// Time in models.
    pub model_time: Duration,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work {
        images_decoded: 0,
        images_encoded: 0,
        pixels_in_files: 0,
        pixels_decoded: 0,
        decode_time: Duration::ZERO,
        resize_time: Duration::ZERO,
        encode_time: Duration::ZERO,
        models_loaded: 0,
        model_load_time: Duration::ZERO,
        model_runs: 0,
        model_time: Duration::ZERO,
    }) };
}

/// Runs `work` and tells what this crate's functions did in it, on this thread.
///
/// What a measurement inside `work` has told is not told again: of nested plan nodes, each gets its own.
///
/// ```
/// let (reason, work) = pixmill_udfs::measure(|| pixmill_udfs::image_error(b"GIF89a"));
/// assert!(reason.is_some());
/// assert_eq!(work.images_decoded, 0);
/// assert!(!work.decode_time.is_zero());
/// ```
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Work) {
    let outer = WORK.take();
    let result = work();
    (result, WORK.replace(outer))
}

/// Adds what another thread did for this one.
pub(crate) fn add(other: Work) {
    let mut work = WORK.get();
    work.images_decoded += other.images_decoded;
    work.images_encoded += other.images_encoded;
    work.pixels_in_files += other.pixels_in_files;
    work.pixels_decoded += other.pixels_decoded;
    work.decode_time += other.decode_time;
    work.resize_time += other.resize_time;
    work.encode_time += other.encode_time;
    work.models_loaded += other.models_loaded;
    work.model_load_time += other.model_load_time;
    work.model_runs += other.model_runs;
    work.model_time += other.model_time;
    WORK.set(work);
}

/// Counts and times the decoding of an image.
pub(crate) fn decoding<E>(decode: impl FnOnce() -> Result<Decoded, E>) -> Result<Decoded, E> {
    // What is resized on the way has its own time.
    let before = WORK.get().resize_time;
    timed(decode, |work, time, result| {
        if let Ok(decoded) = result {
            work.images_decoded += 1;
            work.pixels_in_files += decoded.in_file;
            work.pixels_decoded += decoded.computed;
        }
        work.decode_time += time.saturating_sub(work.resize_time.saturating_sub(before));
    })
}

/// Times the change of an image's size.
pub(crate) fn resizing<T>(resize: impl FnOnce() -> T) -> T {
    timed(resize, |work, time, _| work.resize_time += time)
}

/// Counts and times the encoding of an image.
pub(crate) fn encoding<T, E>(encode: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    timed(encode, |work, time, result| {
        work.images_encoded += usize::from(result.is_ok());
        work.encode_time += time;
    })
}

/// Counts and times a model's run.
pub(crate) fn modelling<T>(run: impl FnOnce() -> T) -> T {
    timed(run, |work, time, _| {
        work.model_runs += 1;
        work.model_time += time;
    })
}

/// Counts a model that was loaded.
pub(crate) fn model_loaded(time: Duration) {
    let mut work = WORK.get();
    work.models_loaded += 1;
    work.model_load_time += time;
    WORK.set(work);
}

fn timed<T>(run: impl FnOnce() -> T, add: impl FnOnce(&mut Work, Duration, &T)) -> T {
    let start = Instant::now();
    let result = run();
    let mut work = WORK.get();
    add(&mut work, start.elapsed(), &result);
    WORK.set(work);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_pipeline::Pipeline;
    use crate::support::kernels::Kernels;
    use crate::support::testing::png;

    fn photo() -> Vec<u8> {
        png(64, 64)
    }

    /// Takes some contents through a pipeline of all steps.
    fn run(contents: &[&[u8]]) -> Work {
        let steps = "image_decode(rgb, apply, null, fast) | image_resize(8, 8, stretch, bilinear, true) | image_center_crop(4, 4) \
                     | image_encode(jpeg, 95, 4:4:4, true)";
        let pipeline = Pipeline::parse(steps).expect("a pipeline");
        let encode = pipeline.encode.as_ref().expect("a step");
        let mut kernels = Kernels::default();
        let ((), work) = measure(|| {
            for content in contents {
                if let Some(image) = pipeline.run(Some(content), &mut kernels).expect("no failure") {
                    kernels.encode(image.as_ref(), &encode.encoding, &mut Vec::new()).expect("a file");
                }
            }
        });
        work
    }

    #[test]
    fn images_are_counted_and_each_step_has_its_time() {
        let photo = photo();
        let work = run(&[&photo, &photo, &photo]);
        assert_eq!((work.images_decoded, work.images_encoded), (3, 3));
        assert!([work.decode_time, work.resize_time, work.encode_time].iter().all(|time| !time.is_zero()), "{work:?}");
    }

    #[test]
    fn an_image_that_cant_be_decoded_costs_time_alone() {
        let photo = photo();
        let work = run(&[&photo[..photo.len() / 2]]);
        assert!(!work.decode_time.is_zero());
        assert_eq!(work, Work { decode_time: work.decode_time, ..Work::default() });
    }

    #[test]
    fn nested_measurements_share_nothing() {
        let photo = photo();
        let (inner, outer) = measure(|| {
            let before = kernels_decode(&photo);
            let ((), inner) = measure(|| (0..2).for_each(|_| assert!(kernels_decode(&photo))));
            assert!(before && kernels_decode(&photo));
            inner
        });
        assert_eq!((inner.images_decoded, outer.images_decoded), (2, 2));
        assert_eq!(measure(|| ()).1, Work::default());
    }

    fn kernels_decode(content: &[u8]) -> bool {
        crate::image_error(content).is_none()
    }
}
