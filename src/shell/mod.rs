//! The shell of `pixmill sql`: statements and commands, one after the other, from a terminal.

mod command;
mod complete;
mod describe;
mod editor;
mod execute;
mod files;
mod functions;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod highlight;
mod interrupt;
mod keywords;
mod lex;
mod recent;
mod rows;
mod settings;
mod statement;

use std::path::Path;
use std::time::Instant;

use self::complete::{Completion, Names};
use self::editor::{Editor, Typed};
use self::interrupt::Interrupt;
use self::lex::{Piece, Pieces, Position};
use self::recent::Recent;
use self::settings::Settings;
use self::statement::{Output, seconds};
use crate::engine::{Engine, Session};
use crate::error::{Error, Result};
use crate::output::Format;
use crate::words::counted;

/// How a shell begins.
pub(crate) struct Start {
    /// How rows are printed.
    pub(crate) format: Format,
    /// Whether the start-up file is read.
    pub(crate) reads_start_up: bool,
    /// The statement that comes before all others.
    pub(crate) setting: Option<&'static str>,
}

/// Runs a shell until its user leaves it.
///
/// # Errors
/// A cluster that can't be reached, a terminal that can't be used.
pub(crate) async fn run(engine: &Engine, start: &Start) -> Result<()> {
    let mut shell = Shell::new(engine, start).await?;
    let greeting = greeting(&shell.session).await?;
    match shell.talk(&greeting, start.reads_start_up).await {
        Err(Error::ClosedOutput) => Ok(()),
        other => other,
    }
}

/// The version, where statements run, and where help is.
async fn greeting(session: &Session) -> Result<String> {
    let runs_on = match session.cluster() {
        None => counted(session.context().state().config().target_partitions() as u64, "thread"),
        Some(cluster) => {
            let report = cluster.report().await?;
            let (executors, vcores) =
                (counted(report.executors as u64, "executor"), counted(report.vcores as u64, "vcore"));
            format!("{} with {executors} and {vcores}", cluster.address())
        }
    };
    Ok(format!("pixmill {}, {runs_on}; \\? for help", env!("CARGO_PKG_VERSION")))
}

/// A dialogue with a user.
struct Shell {
    session: Session,
    names: Names,
    settings: Settings,
    output: Output,
    recent: Recent,
    is_left: bool,
}

/// How deep files may include files.
const DEEPEST: usize = 16;

impl Shell {
    async fn new(engine: &Engine, start: &Start) -> Result<Self> {
        if let Some(setting) = start.setting {
            engine.sql(setting).await?;
        }
        Ok(Self {
            session: engine.session().clone(),
            names: Names::new(engine.session().context()),
            settings: Settings::new(start.format),
            output: Output::Terminal,
            recent: Recent::default(),
            is_left: false,
        })
    }

    /// Reads and runs, until the end.
    async fn talk(&mut self, greeting: &str, reads_start_up: bool) -> Result<()> {
        // Stdout is for rows.
        eprintln!("{greeting}");
        let mut interrupt =
            Interrupt::listen().map_err(|error| Error::Failed(format!("cannot listen to Ctrl-C: {error}")))?;
        let mut editor = Editor::open(Completion::new(self.names.clone()), files::history_file())?;
        if let Some(path) = files::start_up_file().filter(|path| reads_start_up && path.exists()) {
            self.obey(Source::File { path: &path, goes_on: true }, &mut interrupt).await?;
        }
        while !self.is_left {
            interrupt.forget().await;
            match editor.read()? {
                Typed::Text(text) => self.obey(Source::Typed(&text), &mut interrupt).await?,
                Typed::Nothing => {}
                Typed::End => break,
            }
        }
        Ok(())
    }

    /// Runs what there is to run, and says what went wrong; Ctrl-C cancels it.
    ///
    /// # Errors
    /// Only an output that is closed.
    async fn obey(&mut self, source: Source<'_>, interrupt: &mut Interrupt) -> Result<()> {
        let started = Instant::now();
        let result = tokio::select! {
            result = self.run(source, 0) => result,
            () = interrupt.pressed() => Err(Error::Interrupted),
        };
        match result {
            Ok(()) => Ok(()),
            Err(Error::ClosedOutput) => Err(Error::ClosedOutput),
            Err(Error::Interrupted) => {
                let elapsed = self.recent.end("cancelled", None).unwrap_or_else(|| started.elapsed());
                // The terminal has written ^C where the progress was; where there is no terminal, there is nothing to clear.
                let _ = console::Term::stderr().clear_line();
                eprintln!("cancelled after {}", seconds(elapsed));
                Ok(())
            }
            Err(error) => {
                complain(&error);
                Ok(())
            }
        }
    }

    /// Runs what there is to run, up to the first error.
    async fn run(&mut self, source: Source<'_>, depth: usize) -> Result<()> {
        let (text, path, goes_on) = match source {
            Source::Typed(text) => (text.to_string(), None, false),
            Source::File { path, goes_on } => {
                if depth > DEEPEST {
                    let path = path.display();
                    return Err(Error::Usage(format!("\\i '{path}': files include files {DEEPEST} deep at most")));
                }
                (std::fs::read_to_string(path).map_err(Error::file("read", path))?, Some(path), goes_on)
            }
        };
        for (piece, place) in Pieces::of(&text).pieces {
            let result = match piece {
                Piece::Statement(sql) => self.run_statement(sql, place).await,
                Piece::Command(command) => Box::pin(self.execute(command, depth)).await,
            };
            let result = match path {
                Some(path) => result.map_err(|error| in_line(path, place.line, error)),
                None => result,
            };
            match result {
                Err(error) if goes_on && !matches!(error, Error::ClosedOutput) => complain(&error),
                other => other?,
            }
            if self.is_left {
                break;
            }
        }
        Ok(())
    }

    async fn run_statement(&mut self, sql: &str, place: Position) -> Result<()> {
        self.recent.begin(sql);
        // Lines and columns of errors are those of the whole text.
        let sql = format!("{}{}{sql}", "\n".repeat(place.line - 1), " ".repeat(place.column - 1));
        let result = statement::run(&self.session, &sql, &self.settings, &mut self.output).await;
        match result {
            Ok(rows) => self.recent.end("done", rows),
            Err(_) => self.recent.end("failed", None),
        };
        result.map(drop)
    }
}

/// Where statements and commands come from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// The terminal.
    Typed(&'a str),
    /// A file.
    File {
        path: &'a Path,
        /// Whether what stands behind an error is run.
        goes_on: bool,
    },
}

fn complain(error: &Error) {
    eprintln!("{} {error}", console::style("error:").for_stderr().red().bold());
}

/// The error with the place of what failed in a file.
fn in_line(path: &Path, line: usize, error: Error) -> Error {
    match error {
        Error::ClosedOutput | Error::Interrupted => error,
        error => Error::Failed(format!("{}, line {line}: {error}", path.display())),
    }
}
