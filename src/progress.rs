//! How far a statement is, read from its plan's metrics, and how that is shown.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::Term;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use serde::{Deserialize, Serialize};

use crate::counted::counted;
use crate::role::query::ClusterExec;
use crate::sink::ShardSinkExec;
use crate::source::ReadExec;

/// Files and bytes, done and in all. Totals are known after listing; without files to read they are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Files to read.
    pub files: u64,
    /// Files done: written or rejected where there is a sink, else read.
    pub files_done: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes read.
    pub bytes_done: u64,
    /// Records that were left out because they can't be read.
    pub corrupt_records: u64,
    /// Files that were left out, or whose rest was, because they can't be read.
    pub corrupt_files: u64,
    /// What counts as a file is an image that is read to see how long it takes.
    pub are_images: bool,
}

impl Progress {
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        if let Some(remote) = ClusterExec::in_plan(plan) {
            return remote.progress();
        }
        let mut progress = Self::default();
        let (mut written, mut records) = (None, Self::default());
        let count = |plan: &Arc<dyn ExecutionPlan>, name: &str| {
            let sum = plan.metrics().and_then(|metrics| metrics.sum_by_name(name));
            sum.map_or(0, |sum| sum.as_usize() as u64)
        };
        // The closure never fails, and neither does the walk.
        let _ = plan.apply(|plan| {
            if plan.is::<ShardSinkExec>() {
                written = Some(count(plan, "records_written") + count(plan, "records_rejected"));
            } else if let Some(read) = plan.downcast_ref::<ReadExec>()
                && read.reads_content()
            {
                let (files, bytes) = read.totals();
                let part = if read.counts_rows() { &mut progress } else { &mut records };
                part.files += files as u64;
                part.bytes += bytes;
                part.files_done += count(plan, read.done_metric());
                part.bytes_done += count(plan, "bytes_read");
                part.corrupt_records += count(plan, "corrupt_records");
                part.corrupt_files += count(plan, "corrupt_files");
                part.are_images |= read.counts_images();
            }
            Ok(TreeNodeRecursion::Continue)
        });
        // A row that is written stands for an image file, and a record for a part of one.
        progress.files_done = written.unwrap_or(progress.files_done).min(progress.files);
        // A part that is read twice, after its task failed, is one part.
        records.files_done = records.files_done.min(records.files);
        progress.plus(records)
    }

    /// What is counted, in words.
    fn noun(&self) -> &'static str {
        if self.are_images { "images" } else { "files" }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            files_done: self.files_done + other.files_done,
            bytes: self.bytes + other.bytes,
            bytes_done: self.bytes_done + other.bytes_done,
            corrupt_records: self.corrupt_records + other.corrupt_records,
            corrupt_files: self.corrupt_files + other.corrupt_files,
            are_images: self.are_images || other.are_images,
        }
    }

    /// What was left out, in words.
    pub(crate) fn left_out(&self) -> Option<String> {
        match (self.corrupt_records, self.corrupt_files) {
            (0, 0) => None,
            (records, 0) => Some(format!("left out {} that can't be read", counted(records, "record"))),
            (0, files) => Some(format!("left out all or the rest of {} that can't be read", counted(files, "file"))),
            (records, files) => Some(format!(
                "left out {} and all or the rest of {} that can't be read",
                counted(records, "record"),
                counted(files, "file")
            )),
        }
    }
}

/// Shows progress on stderr: a bar on a terminal, else a line now and then.
pub(crate) struct ProgressDisplay {
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    is_stalled: bool,
}

/// How often a line is printed where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// How often a display is to be updated.
pub(crate) const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

impl ProgressDisplay {
    pub(crate) fn new() -> Self {
        let (bar, now) = (std::io::stderr().is_terminal().then(new_bar), Instant::now());
        Self { bar, started: now, last_line: now, is_stalled: false }
    }

    pub(crate) fn update(&mut self, progress: Progress) {
        if progress.files == 0 {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_length(progress.files);
            bar.set_position(progress.files_done);
            bar.set_prefix(progress.noun());
            bar.set_message(format!("{} of {}", HumanBytes(progress.bytes_done), HumanBytes(progress.bytes)));
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            eprintln!("{}", line(progress, self.started.elapsed()));
        }
    }
}

impl ProgressDisplay {
    /// Names what stands still, once.
    pub(crate) fn stalled(&mut self, stalled: Option<String>) {
        let Some(text) = stalled else {
            self.is_stalled = false;
            return;
        };
        if !std::mem::replace(&mut self.is_stalled, true) {
            match &self.bar {
                Some(bar) => bar.println(text),
                None => eprintln!("{text}"),
            }
        }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar() -> ProgressBar {
    let template = "{bar:30} {human_pos} of {human_len} {prefix}, {msg}, {per_sec}, {eta} left";
    // A template that doesn't parse would show the default bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Narrow(Term::buffered_stderr())), DRAWS);
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// How often a bar is drawn in a second, at most.
const DRAWS: u8 = 20;
/// Columns that a bar leaves free: the terminal writes `^C` there, which would begin a new line otherwise.
const FREE: u16 = 4;

/// A terminal whose last columns stay empty.
#[derive(Debug)]
struct Narrow(Term);

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        TermLike::width(&self.0).saturating_sub(FREE)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

fn line(progress: Progress, elapsed: Duration) -> String {
    let rate = progress.files_done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = progress.files.saturating_sub(progress.files_done) as f64 / rate.max(0.001);
    let noun = progress.noun();
    format!(
        "{} of {} {noun} ({} %), {} of {}, {rate:.0} {noun}/s, {left:.0} s left",
        HumanCount(progress.files_done),
        HumanCount(progress.files),
        100 * progress.files_done / progress.files.max(1),
        HumanBytes(progress.bytes_done),
        HumanBytes(progress.bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_files_bytes_rate_and_time_left() {
        let progress =
            Progress { files: 3000, files_done: 1200, bytes: 200 << 20, bytes_done: 80 << 20, ..Progress::default() };
        assert_eq!(
            line(progress, Duration::from_secs(2)),
            "1,200 of 3,000 files (40 %), 80.00 MiB of 200.00 MiB, 600 files/s, 3 s left"
        );
        let images = line(Progress { are_images: true, ..progress }, Duration::from_secs(2));
        assert!(images.starts_with("1,200 of 3,000 images (40 %)"), "{images}");
    }
}
