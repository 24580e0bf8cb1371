//! `pixmill generate`: a synthetic photo set.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};

use super::engine::{PATIENCE, StoreArgs, Threads};
use super::template::GenerateRequest;
use crate::engine::{Engine, Progress};
use crate::error::{Error, Result};
use crate::output::ProgressDisplay;
use crate::storage::{AllowList, Directory, is_object_url};
use crate::synthetic::onnx::texture_model;
use crate::synthetic::{HostileSet, PhotoSet, side_by_side};

/// Write a labelled set of synthetic photos: a folder of JPEGs for each class
///
/// Sizes, bytes and the time to decode are those of photos. The same seed gives the same bytes, on any machine.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  pixmill generate photos --images 3000 --classes 5
  pixmill generate s3://bucket/photos --images 3000
  pixmill generate photos --images 20000 --hostile 0.05")]
pub(crate) struct Generate {
    /// Where to write the photos, a directory or a URL of an object store; must not exist or be empty
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

    /// The share of files, 0 to 1, that are broken, something else than their names say, or odd: what real folders have among them
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    hostile: f64,

    /// Another seed, other photos
    #[arg(long, value_name = "S", default_value_t = DEFAULT_SEED)]
    seed: u64,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    stores: StoreArgs,
}

const DEFAULT_SEED: u64 = 42;

impl Generate {
    pub(crate) fn run(self) -> Result<()> {
        let photos = PhotoSet { images: self.images, classes: self.classes, size: self.size, seed: self.seed };
        let set = HostileSet { photos, share: self.hostile };
        match self.directory.to_str().filter(|location| is_object_url(location)) {
            Some(url) => write_objects(&set, url, self.threads.count(), &self.stores),
            None => write_files(&set, &self.directory, self.threads.count()),
        }
    }
}

/// Makes what a pipeline's header asks for.
pub(super) fn make_default_input(request: &GenerateRequest, threads: usize) -> Result<()> {
    match request {
        GenerateRequest::Photos { directory, images, classes } => {
            eprintln!("no photos at {}: generating {} of them", directory.display(), HumanCount(*images as u64));
            let photos = PhotoSet { images: *images, classes: *classes, size: None, seed: DEFAULT_SEED };
            write_files(&HostileSet { photos, share: 0.0 }, directory, threads)
        }
        GenerateRequest::Model { file } => {
            eprintln!("no model at {}: generating a small one", file.display());
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            folder.map_or(Ok(()), fs::create_dir_all).map_err(Error::file("create the directory of", file))?;
            fs::write(file, texture_model().file()).map_err(Error::file("write", file))
        }
    }
}

/// Writes the photos beside their place and moves them there whole.
fn write_files(set: &HostileSet, directory: &Path, threads: usize) -> Result<()> {
    let is_taken = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken || directory.is_file() {
        return Err(taken(directory));
    }
    let mut unfinished = directory.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let write = |name: &str, bytes: Vec<u8>| fs::write(unfinished.join(name), bytes);
    let make_folders = || set.photos.folders().try_for_each(|folder| fs::create_dir_all(unfinished.join(&*folder)));
    let move_there = || {
        if directory.exists() {
            fs::remove_dir(directory)?;
        }
        fs::rename(&unfinished, directory)
    };
    write_all(set, directory, (threads, threads), &make_folders, &write, &move_there).inspect_err(|_| {
        // What is half there would be taken for the whole by the next reader.
        let _ = fs::remove_dir_all(&unfinished);
    })
}

/// Writes the photos to an object store, where each is there as soon as it is written.
fn write_objects(set: &HostileSet, url: &str, threads: usize, stores: &StoreArgs) -> Result<()> {
    let engine = Engine::local_within(1, AllowList::default(), stores.settings()?)?;
    let config = engine.context().state().config().clone();
    let written = Directory::from(url.to_string()).opened(&config).map_err(Error::Query).and_then(|directory| {
        let failed = |source| Error::File { action: "look at", path: url.into(), source };
        if !directory.is_empty().map_err(failed)? {
            return Err(taken(url.as_ref()));
        }
        let write = |name: &str, bytes| directory.write(name, bytes);
        let threads = (threads, threads.max(WRITERS));
        write_all(set, url.as_ref(), threads, &|| Ok(()), &write, &|| Ok(())).inspect_err(|_| {
            let names: Vec<String> = (0..set.photos.images).map(|index| set.path(index)).collect();
            let _ = directory.remove(&names);
        })
    });
    engine.close(PATIENCE);
    written
}

/// Threads that write photos to a store, and mostly wait for its answers.
const WRITERS: usize = 32;

/// How many threads may make a photo just now, which takes memory for all its pixels.
struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Turns {
    fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner) -= 1;
        let done = work();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        done
    }
}

fn taken(directory: &Path) -> Error {
    Error::Usage(format!("'{}' is not empty; choose another directory", directory.display()))
}

/// Makes every file of the set with so many threads, writes them with so many, and tells how far that is and at last how it went.
fn write_all(
    set: &HostileSet,
    directory: &Path,
    (makers, writers): (usize, usize),
    before: &dyn Fn() -> std::io::Result<()>,
    write: &(dyn Fn(&str, Vec<u8>) -> std::io::Result<()> + Sync),
    after: &dyn Fn() -> std::io::Result<()>,
) -> Result<()> {
    let started = Instant::now();
    let files = set.photos.images as u64;
    let (files_written, bytes_written) = (AtomicU64::new(0), AtomicU64::new(0));
    let display = Mutex::new(ProgressDisplay::new());
    let turns = Turns { free: Mutex::new(makers), freed: Condvar::new() };
    let write_one = |index: usize| {
        let bytes = turns.take(|| set.file(index))?;
        let size = bytes.len() as u64;
        let path = set.path(index);
        write(&path, bytes).map_err(|error| std::io::Error::new(error.kind(), format!("'{path}': {error}")))?;
        let files_done = files_written.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes_done = bytes_written.fetch_add(size, Ordering::Relaxed) + size;
        // The bytes of what isn't there yet are guessed from what is.
        let bytes = bytes_done * files / files_done;
        if let Ok(mut display) = display.try_lock() {
            display.update(Progress { files, files_done, bytes, bytes_done, ..Progress::default() });
        }
        Ok(())
    };
    let all = || side_by_side(set.photos.images, writers, &write_one);
    let written = set.check().and_then(|()| before()).and_then(|()| all()).and_then(|()| after());
    drop(display);
    written.map_err(|source| match source.kind() {
        std::io::ErrorKind::InvalidInput => Error::Usage(source.to_string()),
        _ => Error::File { action: "write", path: directory.to_path_buf(), source },
    })?;
    let hostile = (0..set.photos.images).filter(|index| set.kind(*index).is_some()).count() as u64;
    let hostile = if hostile > 0 { format!(", {} of them hostile", HumanCount(hostile)) } else { String::new() };
    eprintln!(
        "generated {} photos{hostile}, {}, in {} in {:.1} s",
        HumanCount(files),
        HumanBytes(bytes_written.into_inner()),
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
