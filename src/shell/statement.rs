//! Runs statements: rows go where they are wanted, and below them stands what there was.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::settings::Settings;
use crate::engine::Session;
use crate::error::{Error, Result};
use crate::output::{Look, Printing, Shown, run_one};

/// Where rows go.
pub(super) enum Output {
    /// To stdout.
    Terminal,
    /// To a file.
    File {
        /// Its name, as it was given.
        path: PathBuf,
        /// What is open for writing.
        file: BufWriter<File>,
    },
}

impl Output {
    /// A new file, or an old one made empty.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(super) fn file(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::file("write", path))?;
        Ok(Self::File { path: path.to_path_buf(), file: BufWriter::new(file) })
    }

    /// Prints a text.
    ///
    /// # Errors
    /// An output that can't be written.
    pub(super) fn print(&mut self, text: &str) -> Result<()> {
        let written = self.write_all(text.as_bytes()).and_then(|()| self.flush());
        written.map_err(|error| self.named(Error::output(error)))
    }

    fn look(&self, settings: &Settings) -> Look {
        match self {
            Self::Terminal => settings.look(),
            Self::File { .. } => Look::plain(),
        }
    }

    /// An error of writing, of the file where it is one.
    fn named(&self, error: Error) -> Error {
        match (self, error) {
            (Self::File { path, .. }, Error::Output(source)) => Error::file("write", path)(source),
            (_, error) => error,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Terminal => io::stdout().write(bytes),
            Self::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Terminal => io::stdout().flush(),
            Self::File { file, .. } => file.flush(),
        }
    }
}

/// Runs a text of statements, and says below each what there was; the rows of the last one, if it has a result. Dropped, it cancels
/// the one that runs.
///
/// # Errors
/// What stopped it, with the place in the text where that is known.
pub(super) async fn run(session: &Session, sql: &str, settings: &Settings, output: &mut Output) -> Result<Option<u64>> {
    let printing = Printing { format: settings.format, look: output.look(settings), is_counted: false };
    let mut rows = None;
    for statement in session.parse(sql).map_err(|error| error.pointed(sql))? {
        let started = Instant::now();
        let shown = run_one(session, statement, &mut *output, &printing).await;
        let shown = shown.map_err(|error| output.named(error).pointed(sql))?;
        if let Some(text) = below(&shown, output, settings.is_timed.then(|| started.elapsed())) {
            eprintln!("{text}");
        }
        rows = (shown.columns > 0).then_some(shown.rows);
    }
    Ok(rows)
}

/// What there was and how long it took, in words.
fn below(shown: &Shown, output: &Output, elapsed: Option<Duration>) -> Option<String> {
    let mut said = match (shown.columns, output) {
        (0, _) => elapsed.map(|_| "done".to_string())?,
        (_, Output::Terminal) => shown.summary(),
        (_, Output::File { path, .. }) => format!("{} to {}", shown.summary(), path.display()),
    };
    if let Some(elapsed) = elapsed {
        said.push_str(&format!(" in {}", seconds(elapsed)));
    }
    Some(said)
}

/// A time, as it is told.
pub(super) fn seconds(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if seconds < 1.0 { format!("{seconds:.3} s") } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_was_is_said_in_one_line() {
        let (shown, nothing) = (Shown { rows: 3, columns: 7, hidden: 2 }, Shown { rows: 0, columns: 0, hidden: 0 });
        let said = |shown, elapsed: Option<u64>| below(shown, &Output::Terminal, elapsed.map(Duration::from_millis));
        assert_eq!(said(&shown, Some(12)).as_deref(), Some("3 rows, 7 columns (2 hidden) in 0.012 s"));
        assert_eq!(said(&shown, None).as_deref(), Some("3 rows, 7 columns (2 hidden)"));
        assert_eq!(said(&nothing, Some(1250)).as_deref(), Some("done in 1.2 s"));
        assert_eq!(said(&nothing, None), None);
    }
}
