//! Runs: each has a mark beside the shards while it is under way, and writes nothing without it.

use std::io;
use std::time::Duration;

use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;

use super::failure::io_failure;
use super::sweep::ShardNames;
use super::{Target, hidden};
use crate::format::manifest::{MANIFEST, UNFINISHED};
use crate::storage::Directory;

/// What a person who looks into the directory reads.
const NOTICE: &str = "Runs that write here are under way, or have failed. The next COPY to this directory that finishes sweeps what they left.\n";

/// How often, and after which pause, a run that is taken back looks for what its threads still leave.
const TAKE_BACK_TRIES: usize = 20;
const TAKE_BACK_PAUSE: Duration = Duration::from_millis(20);

/// A run that has a mark: the mark's name, and the names that it gives to shards.
pub(super) type Run = (String, Option<ShardNames>);

impl Target {
    fn mark(&self) -> String {
        hidden::run(&self.run)
    }

    /// The mark of a run that another one has ended: it tells its shards' names until they are swept.
    fn ended_mark(&self) -> String {
        hidden::run(&format!("{}-0", self.run))
    }

    /// Ends the runs of others, so that one commit at a time gives names; theirs stop at their next look.
    pub(super) fn end_others(&self, runs: &mut [Run]) -> io::Result<()> {
        for (mark, _) in runs {
            let name = mark.trim_end_matches(".json");
            if *mark == self.mark() || name.ends_with("-0") {
                continue;
            }
            let ended = format!("{name}-0.json");
            match self.directory.rename(mark, &ended) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => *mark = ended,
            }
        }
        Ok(())
    }

    /// Whether the run's mark is there, as far as that can be known: a disk or a store that doesn't answer ends no run.
    pub(super) fn is_marked(&self) -> bool {
        !self.directory.length(&self.mark()).is_ok_and(|length| length.is_none())
    }

    /// Makes the directory and the run's mark, before anything is written.
    ///
    /// # Errors
    /// The run is over: an attempt that comes late makes no mark anew.
    pub(super) fn begin(&self) -> Result<()> {
        if self.is_marked() {
            return self.check_run();
        }
        let directory = &self.directory;
        let is_over = || Ok(directory.stamp(MANIFEST)? != self.replaces || directory.has(&self.ended_mark())?);
        if is_over().map_err(|error| self.unknown(&error))? {
            return self.over();
        }
        directory.make("").map_err(|error| io_failure(format!("cannot create '{directory}'"), &error))?;
        let marked = || -> io::Result<()> {
            directory.write(&self.mark(), serde_json::to_vec(&ShardNames::of(self))?)?;
            if directory.has(UNFINISHED)? { Ok(()) } else { directory.write(UNFINISHED, NOTICE.into()) }
        };
        marked().map_err(|error| io_failure(format!("cannot write to '{directory}'"), &error))?;
        self.check_run()
    }

    /// Stops an attempt that comes after the end of its run.
    ///
    /// # Errors
    /// The run is over.
    pub(super) fn check_run(&self) -> Result<()> {
        let manifest = self.directory.stamp(MANIFEST).map_err(|error| self.unknown(&error))?;
        if self.is_marked() && (manifest.is_none() || manifest == self.replaces) {
            return Ok(());
        }
        // A mark behind the commit is that of an attempt that came late. The error that is told is the first.
        let _ = self.directory.remove(&[self.mark()]);
        self.over()
    }

    /// The error of a place that doesn't tell what is in it.
    fn unknown(&self, error: &io::Error) -> DataFusionError {
        io_failure(format!("cannot look into '{}'", self.directory), error)
    }

    pub(super) fn over<T>(&self) -> Result<T> {
        exec_err!(
            "cannot write to '{}': the run is over, because its dataset is finished or another run has taken its place; run the \
             statement again if it isn't finished",
            self.directory
        )
    }

    /// The runs that have marks, with the names that they give to shards.
    pub(super) fn runs(&self) -> io::Result<Vec<Run>> {
        runs(&self.directory)
    }

    /// Takes away the marks of this run and of those whose leftovers are swept, which ends them.
    pub(super) fn end(&self, mut swept: Vec<String>) -> io::Result<()> {
        swept.push(self.mark());
        self.directory.remove(&swept)?;
        match self.directory.names(&hidden::is_run)?.is_empty() {
            true => self.directory.remove(&[UNFINISHED.to_string()]),
            false => Ok(()),
        }
    }
}

impl Target {
    /// Takes back a run that can neither be finished nor resumed, and leaves nothing of it, as far as no other run is under way.
    pub(super) fn take_back(&self) {
        // Attempts that begin now see that the run is over. The error that is told is the first; what stays is swept by the next run.
        let own = [self.mark(), self.ended_mark()];
        if self.directory.rename(&own[0], &own[1]).is_err() {
            return;
        }
        let is_alone = || self.runs().is_ok_and(|runs| runs.iter().all(|(mark, _)| own.contains(mark)));
        for _ in 0..TAKE_BACK_TRIES {
            // Threads that write shards haven't seen yet that nobody waits for them.
            std::thread::sleep(TAKE_BACK_PAUSE);
            let is_swept = self.directory.names(&hidden::is_left).is_ok_and(|left| left.is_empty());
            if is_swept || !is_alone() || self.sweep_hidden().is_err() {
                break;
            }
        }
        let _ = self.directory.abort_uploads(&hidden::is_left);
        let is_alone = is_alone();
        let _ = self.directory.remove(&own);
        if is_alone {
            let _ = self.directory.remove(&[UNFINISHED.to_string()]);
            self.directory.remove_empty();
        }
    }
}

/// The runs that have marks in a directory, with the names that they give to shards.
pub(super) fn runs(directory: &Directory) -> io::Result<Vec<Run>> {
    let marks = directory.names(&hidden::is_run)?;
    let names = |mark: &String| serde_json::from_slice(&directory.read(mark).ok()??).ok();
    Ok(marks.into_iter().map(|mark| (mark.clone(), names(&mark))).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sink::testing;

    #[test]
    fn a_run_is_under_way_from_its_first_attempt_to_its_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = testing::target(directory.path());
        target.begin().expect("begun");
        target.begin().expect("begun");
        assert_eq!(target.runs().expect("marks").len(), 1);
        target.end(Vec::new()).expect("ended");
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
        one.end(Vec::new()).expect("ended");
        assert_eq!(testing::names(directory.path()), [hidden::run(&two.run), UNFINISHED.to_string()]);
    }
}
