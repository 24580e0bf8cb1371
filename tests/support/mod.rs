//! What the integration tests share: a working directory with photos, and the binary run in it.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod cluster;
pub(crate) mod faulty_way;
pub(crate) mod network;
pub(crate) mod pty;
pub(crate) mod queries;
pub(crate) mod scripts;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod web;

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use pixmill::synthetic::PhotoSet;
use tempfile::TempDir;

/// A directory for one test, gone when it is dropped.
pub(crate) struct Workspace {
    directory: TempDir,
    /// What processes that run here have in their environment, beside the test's.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Workspace {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), environment: Vec::new() }
    }

    /// One with `photos/<class>/*.jpg`: so many photos of 64x48 in so many classes.
    pub(crate) fn with_photos(images: usize, classes: usize) -> Self {
        let workspace = Self::new();
        let photos = PhotoSet { images, classes, size: Some((64, 48)), seed: 7 };
        photos.write(&workspace.path("photos"), 2, &|_| ()).expect("photos");
        workspace
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, bytes: &[u8]) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).expect("a text file")
    }

    /// The binary, to be run here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixmill"));
        command.current_dir(self.directory.path()).env_remove("PIXMILL_LOG").args(args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the binary here.
    pub(crate) fn pixmill(&self, args: &[&str]) -> Finished {
        Finished::of(&self.command(args).output().expect("the binary starts"))
    }

    /// Runs one SQL text here.
    pub(crate) fn sql(&self, sql: &str) -> Finished {
        self.pixmill(&["sql", "-c", sql])
    }

    /// Paths and contents of every file below a directory, sorted. What a running process has renamed or removed since
    /// it was listed isn't there.
    pub(crate) fn files(&self, below: &str) -> Vec<(String, Vec<u8>)> {
        let read = |name: String| match fs::read(self.path(below).join(&name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            contents => Some((name, contents.expect("a file"))),
        };
        self.names(below).into_iter().filter_map(read).collect()
    }

    /// As [`Workspace::files`], without what runs that haven't finished left for others to find.
    pub(crate) fn visible_files(&self, below: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = self.files(below);
        files.retain(|(name, _)| !name.starts_with('.') && name != "_unfinished");
        files
    }

    /// The shards of TFRecord below a directory.
    pub(crate) fn shards(&self, below: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = self.files(below);
        files.retain(|(name, _)| name.ends_with(".tfrec"));
        files
    }

    /// Names of every file below a directory, sorted.
    pub(crate) fn names(&self, below: &str) -> Vec<String> {
        let root = self.path(below);
        let mut names = Vec::new();
        collect(&root, &root, &mut names);
        names.sort();
        names
    }
}

fn collect(root: &Path, directory: &Path, names: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, names);
        } else {
            names.push(path.strip_prefix(root).expect("below the root").to_str().expect("UTF-8").to_string());
        }
    }
}

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Its stdout, if it was successful.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// Its stderr, if it failed with this code, and without a panic.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}

/// How often a test interrupts runs; more by `PIXMILL_INTERRUPTIONS`.
pub(crate) fn interruptions() -> u64 {
    std::env::var("PIXMILL_INTERRUPTIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(6)
}

/// How long a run goes on before it is interrupted for the so-manieth time: over all of its milliseconds.
pub(crate) fn moment(number: u64, milliseconds: Range<u64>) -> Duration {
    Duration::from_millis(milliseconds.start + number * 2_654_435_761 % (milliseconds.end - milliseconds.start))
}
