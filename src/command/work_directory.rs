//! Where an executor keeps its temporary files: a directory of its own, which is locked as long as the process lives.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What the names of such directories begin with.
const PREFIX: &str = "pixmill-executor-";

/// A directory of this process's own, removed when this is dropped.
#[derive(Debug)]
pub(super) struct WorkDirectory {
    pub(super) path: PathBuf,
    /// Tells other processes that this one is alive.
    _lock: File,
}

impl WorkDirectory {
    /// A new one among the system's temporary files, without those of executors that were killed.
    pub(super) fn new() -> Result<Self> {
        Self::below(&std::env::temp_dir())
    }

    fn below(directory: &Path) -> Result<Self> {
        sweep(directory);
        let process = std::process::id();
        let names = (0..100).map(|number| match number {
            0 => format!("{PREFIX}{process}"),
            // Containers that share a directory have processes of the same number.
            _ => format!("{PREFIX}{process}-{number}"),
        });
        for path in names.map(|name| directory.join(name)) {
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made.map_err(Error::file("create", &path))?,
            }
            // Another process may have swept it before it was locked.
            if let Some(lock) = locked(&path).filter(|_| path.is_dir()) {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(Error::Failed(format!("no directory of its own can be made in '{}'; give --work-dir", directory.display())))
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        // What is left is for the next executor to sweep.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the directories of executors that are no more.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_one = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_one && let Some(_lock) = locked(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The lock of a directory, if no process holds it.
fn locked(path: &Path) -> Option<File> {
    let directory = File::open(path).ok()?;
    directory.try_lock().ok().map(|()| directory)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn directories_of_processes_that_are_no_more_are_swept_and_no_others() {
        let all = tempfile::tempdir().expect("a directory");
        for name in ["pixmill-executor-1", "pixmill-executor-2", "somebody-elses"] {
            fs::create_dir(all.path().join(name)).expect("a directory");
            fs::write(all.path().join(name).join("rows"), b"x").expect("a file");
        }
        let alive = locked(&all.path().join("pixmill-executor-2")).expect("a lock");
        let own = WorkDirectory::below(all.path()).expect("a directory");
        let other = WorkDirectory::below(all.path()).expect("a directory");
        let process = std::process::id();
        let [first, second] = [format!("{PREFIX}{process}"), format!("{PREFIX}{process}-1")];
        let mut expected = ["pixmill-executor-2", &first, &second, "somebody-elses"];
        expected.sort_unstable();
        assert_eq!(names(all.path()), expected);
        assert_eq!((&own.path, &other.path), (&all.path().join(first), &all.path().join(second)));
        drop((own, other, alive));
        assert_eq!(names(all.path()), ["pixmill-executor-2", "somebody-elses"]);
    }
}
