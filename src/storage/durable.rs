//! Writing so that a file is there whole or not at all, and still there when the power has failed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How often a small file is written that is gone before it has its name.
const PUT_TRIES: usize = 3;

/// Writes a file whose bytes are on the disk before it gets another name.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    #[cfg(test)]
    log::add(path);
    Ok(())
}

/// Makes sure of the names in a directory: those that files were given, and those that are gone.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    // Where directories can't be opened, the system makes sure of them by itself.
    #[cfg(unix)]
    match File::open(here(path)).and_then(|directory| directory.sync_all()) {
        // A file system that knows no such thing.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
        synced => synced?,
    }
    #[cfg(test)]
    log::add(path);
    Ok(())
}

/// Writes a small file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole_by(path, &|unfinished| fs::write(unfinished, bytes))
}

/// As [`write_whole`]; also when the power fails behind it. Its name is for the caller to make sure of.
pub(crate) fn write_whole_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole_by(path, &|unfinished| write_synced(unfinished, bytes))
}

/// As [`write_whole_synced`], of a file whose bytes come one after the other; they may be asked for again.
pub(crate) fn write_large_synced(path: &Path, write: &dyn Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    write_whole_by(path, &|unfinished| {
        let mut file = BufWriter::new(File::create(unfinished)?);
        write(&mut file)?;
        let file = file.into_inner()?;
        file.sync_data()?;
        #[cfg(test)]
        log::add(unfinished);
        Ok(())
    })
}

fn write_whole_by(path: &Path, write: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    // A name that is nobody else's, on any machine, and that a commit sweeps: a user's file beside it stays.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let token = getrandom::u64().map_err(io::Error::other)?;
    let unfinished = path.with_file_name(format!(".unfinished-{name}-{token:016x}.tmp"));
    let mut done = Ok(());
    for _ in 0..PUT_TRIES {
        write(&unfinished).inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
        done = fs::rename(&unfinished, path);
        match &done {
            // Another commit has swept it in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => break,
        }
    }
    // The error that is told is the first.
    done.inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

/// Makes a directory and those above it that are missing, and makes sure of their names.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| !here(above).exists()).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync_directory)
}

/// The empty path is where the process is.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// What was made sure of, for tests.
#[cfg(test)]
pub(crate) mod log {
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    static LOG: Mutex<Vec<(PathBuf, Vec<String>)>> = Mutex::new(Vec::new());

    /// Notes a file, or a directory with the names that are in it.
    pub(super) fn add(path: &Path) {
        let names = std::fs::read_dir(path).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        LOG.lock().unwrap_or_else(PoisonError::into_inner).push((path.to_path_buf(), names.collect()));
    }

    /// What was made sure of at or below a path, in the order of time.
    pub(crate) fn below(path: &Path) -> Vec<(PathBuf, Vec<String>)> {
        let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().filter(|(synced, _)| synced.starts_with(path)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_in_its_place_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().expect("a directory");
        write_whole(&directory.path().join("a"), b"new").expect("written");
        assert!(write_whole(&directory.path().join("none/a"), b"new").is_err());
        fs::create_dir(directory.path().join("b")).expect("a directory");
        assert!(write_whole(&directory.path().join("b"), b"new").is_err());
        let entries = fs::read_dir(directory.path()).expect("a directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_directory_is_made_sure_of_in_the_one_above_it() {
        let root = tempfile::tempdir().expect("a directory");
        create_directories(&root.path().join("a/b")).expect("made");
        create_directories(&root.path().join("a/b")).expect("made");
        let synced: Vec<_> = log::below(root.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(synced, [root.path().join("a"), root.path().to_path_buf()]);
        sync_directory(Path::new("")).expect("synced");
        assert!(sync_directory(&root.path().join("none")).is_err());
    }
}
