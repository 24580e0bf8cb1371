//! How far a statement is, as people see it.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::engine::Progress;

/// Shows progress on stderr: a bar on a terminal, else a line now and then.
pub(crate) struct ProgressDisplay {
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    is_stalled: bool,
    /// The rows of a model are there, and it is fitted to them.
    is_in_rounds: bool,
}

/// How often a line is printed where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
impl ProgressDisplay {
    pub(crate) fn new() -> Self {
        let (bar, now) = (std::io::stderr().is_terminal().then(new_bar), Instant::now());
        Self { bar, started: now, last_line: now, is_stalled: false, is_in_rounds: false }
    }

    pub(crate) fn update(&mut self, progress: Progress) {
        if progress.files == 0 || self.is_in_rounds {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_length(progress.files);
            bar.set_position(progress.files_done);
            bar.set_prefix(progress.noun());
            bar.set_message(bytes(progress));
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            eprintln!("{}", line(progress, self.started.elapsed()));
        }
    }
}

impl ProgressDisplay {
    /// Shows the round that a model is in.
    pub(crate) fn rounds(&mut self, rounds: Option<String>) {
        let Some(text) = rounds else { return };
        let is_first = !std::mem::replace(&mut self.is_in_rounds, true);
        if let Some(bar) = &self.bar {
            if is_first {
                bar.set_style(style("{msg}"));
            }
            bar.set_message(text);
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            eprintln!("{text}");
        }
    }

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

/// Shows on stderr how much is listed while a statement is planned.
pub(crate) struct ListingDisplay {
    bar: Option<ProgressBar>,
    /// What was listed before.
    before: (u64, u64),
    started: Instant,
    last_line: Instant,
}

/// How long a listing isn't shown.
const SHORT: Duration = Duration::from_millis(500);

impl ListingDisplay {
    /// Shows what is listed beyond so many files and objects.
    pub(crate) fn new(before: (u64, u64)) -> Self {
        let bar = || bar("{msg}").with_message("listing");
        let now = Instant::now();
        Self { bar: std::io::stderr().is_terminal().then(bar), before, started: now, last_line: now }
    }

    pub(crate) fn update(&mut self, (files, objects): (u64, u64)) {
        let elapsed = self.started.elapsed();
        let Some(text) = listing((files - self.before.0, objects - self.before.1), elapsed) else { return };
        match &self.bar {
            Some(bar) if elapsed >= SHORT => bar.set_message(text),
            None if self.last_line.elapsed() >= LINE_INTERVAL => {
                self.last_line = Instant::now();
                eprintln!("{text}");
            }
            _ => {}
        }
    }
}

impl Drop for ListingDisplay {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What was listed, in words.
fn listing((files, objects): (u64, u64), elapsed: Duration) -> Option<String> {
    let noun = if objects > 0 { "objects" } else { "files" };
    let count = files + objects;
    let rate = count as f64 / elapsed.as_secs_f64().max(0.001);
    (count > 0).then(|| format!("listing: {} {noun}, {}/s", HumanCount(count), HumanCount(rate as u64)))
}

fn new_bar() -> ProgressBar {
    bar("{bar:30} {human_pos} of {human_len} {prefix}, {msg}, {per_sec}, {eta} left")
}

fn bar(template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Narrow(Term::buffered_stderr())), DRAWS);
    ProgressBar::with_draw_target(None, target).with_style(style(template))
}

fn style(template: &str) -> ProgressStyle {
    // A template that doesn't parse would show the default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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

/// The bytes that are done, and all of them where they are known before.
fn bytes(progress: Progress) -> String {
    match progress.bytes {
        0 => HumanBytes(progress.bytes_done).to_string(),
        all => format!("{} of {}", HumanBytes(progress.bytes_done), HumanBytes(all)),
    }
}

fn line(progress: Progress, elapsed: Duration) -> String {
    let rate = progress.files_done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = progress.files.saturating_sub(progress.files_done) as f64 / rate.max(0.001);
    let noun = progress.noun();
    format!(
        "{} of {} {noun} ({} %), {}, {rate:.0} {noun}/s, {left:.0} s left",
        HumanCount(progress.files_done),
        HumanCount(progress.files),
        100 * progress.files_done / progress.files.max(1),
        bytes(progress),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_told_with_its_rate() {
        assert_eq!(listing((0, 0), Duration::from_secs(1)), None);
        let text = listing((0, 3_200_000), Duration::from_secs(80)).expect("a text");
        assert_eq!(text, "listing: 3,200,000 objects, 40,000/s");
        assert_eq!(listing((10, 0), Duration::from_secs(2)).expect("a text"), "listing: 10 files, 5/s");
    }

    #[test]
    fn a_line_tells_files_bytes_rate_and_time_left() {
        let progress =
            Progress { files: 3000, files_done: 1200, bytes: 200 << 20, bytes_done: 80 << 20, ..Progress::default() };
        assert_eq!(
            line(progress, Duration::from_secs(2)),
            "1,200 of 3,000 files (40 %), 80.00 MiB of 200.00 MiB, 600 files/s, 3 s left"
        );
        let unknown = line(Progress { bytes: 0, ..progress }, Duration::from_secs(2));
        assert!(unknown.contains(", 80.00 MiB, "), "{unknown}");
        let images = line(Progress { are_images: true, ..progress }, Duration::from_secs(2));
        assert!(images.starts_with("1,200 of 3,000 images (40 %)"), "{images}");
    }
}
