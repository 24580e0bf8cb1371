//! Runs: each has a mark beside the shards while it is under way, and writes nothing without it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use datafusion::common::{Result, exec_err};
use serde::{Deserialize, Serialize};

use super::failure::io_failure;
use super::sweep::{ShardNames, remove_if_there};
use super::{Target, hidden};
use crate::format::manifest::{MANIFEST, UNFINISHED};
use crate::storage::{create_directories, write_whole};

/// What a person who looks into the directory reads.
const NOTICE: &str = "Runs that write here are under way, or have failed. The next COPY to this directory that finishes sweeps what they left.\n";

/// How often, and after which pause, a run that is taken back looks for what its threads still leave.
const TAKE_BACK_TRIES: usize = 20;
const TAKE_BACK_PAUSE: Duration = Duration::from_millis(20);

/// By what a file is known to be the same as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    bytes: u64,
    seconds: u64,
    nanoseconds: u32,
}

impl Stamp {
    /// That of a file; `None` where there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(Self { bytes: metadata.len(), seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
    }
}

impl Target {
    fn mark(&self) -> PathBuf {
        self.directory.join(hidden::run(&self.run))
    }

    /// The mark of a run that another one has ended: it tells its shards' names until they are swept.
    fn ended_mark(&self) -> PathBuf {
        self.directory.join(hidden::run(&format!("{}-0", self.run)))
    }

    /// Ends the runs of others, so that one commit at a time gives names; theirs stop at their next look.
    pub(super) fn end_others(&self, runs: &mut [(PathBuf, Option<ShardNames>)]) -> io::Result<()> {
        for (mark, _) in runs {
            let name = mark.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if *mark == self.mark() || name.ends_with("-0") {
                continue;
            }
            let ended = mark.with_file_name(format!("{name}-0.json"));
            match fs::rename(&*mark, &ended) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => *mark = ended,
            }
        }
        Ok(())
    }

    /// Whether the run's mark is there, as far as that can be known: a disk that doesn't answer ends no run.
    pub(super) fn is_marked(&self) -> bool {
        let is_absent =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        !fs::metadata(self.mark()).is_err_and(|error| is_absent(&error))
    }

    /// Makes the directory and the run's mark, before anything is written.
    ///
    /// # Errors
    /// The run is over: an attempt that comes late makes no mark anew.
    pub(super) fn begin(&self) -> Result<()> {
        if self.is_marked() {
            return self.check_run();
        }
        if Stamp::of(&self.directory.join(MANIFEST)) != self.replaces || self.ended_mark().exists() {
            return self.over();
        }
        let shown = self.directory.display();
        create_directories(&self.directory).map_err(|error| io_failure(format!("cannot create '{shown}'"), &error))?;
        let marked = || -> io::Result<()> {
            write_whole(&self.mark(), &serde_json::to_vec(&ShardNames::of(self))?)?;
            let notice = self.directory.join(UNFINISHED);
            if notice.exists() { Ok(()) } else { write_whole(&notice, NOTICE.as_bytes()) }
        };
        marked().map_err(|error| io_failure(format!("cannot write to '{shown}'"), &error))?;
        self.check_run()
    }

    /// Stops an attempt that comes after the end of its run.
    ///
    /// # Errors
    /// The run is over.
    pub(super) fn check_run(&self) -> Result<()> {
        let manifest = Stamp::of(&self.directory.join(MANIFEST));
        if self.is_marked() && (manifest.is_none() || manifest == self.replaces) {
            return Ok(());
        }
        // A mark behind the commit is that of an attempt that came late. The error that is told is the first.
        let _ = remove_if_there(&self.mark());
        self.over()
    }

    pub(super) fn over<T>(&self) -> Result<T> {
        exec_err!(
            "cannot write to '{}': the run is over, because its dataset is finished or another run has taken its place; run the \
             statement again if it isn't finished",
            self.directory.display()
        )
    }

    /// The runs that have marks, with the names that they give to shards.
    pub(super) fn runs(&self) -> io::Result<Vec<(PathBuf, Option<ShardNames>)>> {
        let marks = hidden_files(&self.directory, hidden::is_run)?;
        let names = |path: &PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
        Ok(marks.into_iter().map(|path| (path.clone(), names(&path))).collect())
    }

    /// Takes away the marks of this run and of those whose leftovers are swept, which ends them.
    pub(super) fn end(&self, swept: &[PathBuf]) -> io::Result<()> {
        for mark in swept.iter().chain([&self.mark()]) {
            remove_if_there(mark)?;
        }
        match hidden_files(&self.directory, hidden::is_run)?.is_empty() {
            true => remove_if_there(&self.directory.join(UNFINISHED)),
            false => Ok(()),
        }
    }
}

impl Target {
    /// Takes back a run that can neither be finished nor resumed, and leaves nothing of it, as far as no other run is under way.
    pub(super) fn take_back(&self) {
        // Attempts that begin now see that the run is over. The error that is told is the first; what stays is swept by the next run.
        let own = [self.mark(), self.ended_mark()];
        if fs::rename(&own[0], &own[1]).is_err() {
            return;
        }
        let is_alone = || self.runs().is_ok_and(|runs| runs.iter().all(|(mark, _)| own.contains(mark)));
        for _ in 0..TAKE_BACK_TRIES {
            // Threads that write shards haven't seen yet that nobody waits for them.
            std::thread::sleep(TAKE_BACK_PAUSE);
            let is_swept = hidden_files(&self.directory, hidden::is_left).is_ok_and(|left| left.is_empty());
            if is_swept || !is_alone() || self.sweep_hidden().is_err() {
                break;
            }
        }
        let is_alone = is_alone();
        own.iter().for_each(|mark| drop(remove_if_there(mark)));
        if is_alone {
            let _ = remove_if_there(&self.directory.join(UNFINISHED));
            // It stays where anything is in it.
            let _ = fs::remove_dir(&self.directory);
        }
    }
}

/// Files of a directory whose names say what they are; none where there is no directory.
pub(super) fn hidden_files(directory: &Path, is_it: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&is_it) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing;

    #[test]
    fn a_run_is_under_way_from_its_first_attempt_to_its_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = testing::target(directory.path());
        target.begin().expect("begun");
        target.begin().expect("begun");
        assert_eq!(target.runs().expect("marks").len(), 1);
        target.end(&[]).expect("ended");
        assert!(target.check_run().is_err());
        assert_eq!(testing::names(directory.path()), [""; 0]);
    }

    #[test]
    fn an_attempt_that_begins_after_the_end_makes_no_mark() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = testing::target(directory.path());
        fs::write(directory.path().join(MANIFEST), "{}").expect("a manifest");
        let message = target.begin().expect_err("over").to_string();
        assert!(message.contains("the run is over"), "{message}");
        assert_eq!(testing::names(directory.path()), [MANIFEST]);
    }

    #[test]
    fn the_notice_stays_while_another_run_is_under_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let (one, two) = (testing::target(directory.path()), testing::target(directory.path()));
        one.begin().expect("begun");
        two.begin().expect("begun");
        one.end(&[]).expect("ended");
        assert_eq!(testing::names(directory.path()), [hidden::run(&two.run), UNFINISHED.to_string()]);
    }
}
