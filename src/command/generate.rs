//! `pixmill generate`: a synthetic photo set.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};

use super::engine::Threads;
use super::template::GenerateRequest;
use crate::engine::Progress;
use crate::error::{Error, Result};
use crate::output::ProgressDisplay;
use crate::synthetic::PhotoSet;

/// Write a labelled set of synthetic photos: a folder of JPEGs for each class
///
/// Sizes, bytes and the time to decode are those of photos. The same seed gives the same bytes, on any machine.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pixmill generate photos --images 3000 --classes 5")]
pub(crate) struct Generate {
    /// Where to write the photos; must not exist or be empty
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// How many photos
    #[arg(long, value_name = "N")]
    images: usize,

    /// How many classes
    #[arg(long, value_name = "N", default_value_t = 5)]
    classes: usize,

    /// The size of every photo, in pixels; drawn for each by default
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<(u16, u16)>,

    /// Another seed, other photos
    #[arg(long, value_name = "S", default_value_t = DEFAULT_SEED)]
    seed: u64,

    #[command(flatten)]
    threads: Threads,
}

const DEFAULT_SEED: u64 = 42;

impl Generate {
    pub(crate) fn run(self) -> Result<()> {
        let photos = PhotoSet { images: self.images, classes: self.classes, size: self.size, seed: self.seed };
        write(&photos, &self.directory, self.threads.count())
    }
}

/// Makes the input that a pipeline's header asks for.
pub(super) fn make_default_input(request: &GenerateRequest, threads: usize) -> Result<()> {
    let GenerateRequest { directory, images, classes } = request;
    eprintln!("no photos at {}: generating {} of them", directory.display(), HumanCount(*images as u64));
    let photos = PhotoSet { images: *images, classes: *classes, size: None, seed: DEFAULT_SEED };
    write(&photos, directory, threads)
}

/// Writes the photos beside their place and moves them there whole.
fn write(photos: &PhotoSet, directory: &Path, threads: usize) -> Result<()> {
    let is_taken = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken || directory.is_file() {
        return Err(Error::Usage(format!("'{}' is not empty; choose another directory", directory.display())));
    }
    let started = Instant::now();
    let (images, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let display = std::sync::Mutex::new(ProgressDisplay::new());
    let done = |size: u64| {
        let files_done = images.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes_done = bytes.fetch_add(size, Ordering::Relaxed) + size;
        let files = photos.images as u64;
        // The bytes of what isn't there yet are guessed from what is.
        let progress =
            Progress { files, files_done, bytes: bytes_done * files / files_done, bytes_done, ..Progress::default() };
        if let Ok(mut display) = display.try_lock() {
            display.update(progress);
        }
    };
    let mut unfinished = directory.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let written = photos.write(&unfinished, threads, &done).and_then(|()| {
        if directory.exists() {
            fs::remove_dir(directory)?;
        }
        fs::rename(&unfinished, directory)
    });
    drop(display);
    if let Err(source) = written {
        // What is half there would be taken for the whole by the next reader.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(match source.kind() {
            std::io::ErrorKind::InvalidInput => Error::Usage(source.to_string()),
            _ => Error::File { action: "write", path: directory.to_path_buf(), source },
        });
    }
    eprintln!(
        "generated {} photos, {}, in {} in {:.1} s",
        HumanCount(images.into_inner()),
        HumanBytes(bytes.into_inner()),
        directory.display(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Width and height from a text such as `320x240`.
pub(super) fn parse_size(text: &str) -> std::result::Result<(u16, u16), String> {
    let sides = text.split_once(['x', 'X']);
    let sides = sides.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides
        .filter(|(width, height)| *width > 0 && *height > 0)
        .ok_or_else(|| "expected WIDTHxHEIGHT in pixels, such as 320x240".to_string())
}
