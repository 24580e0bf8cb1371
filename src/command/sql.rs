//! `pixmill sql`: one-off statements.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::engine::EngineArgs;
use super::statements::{EarlierRun, piped_input, run_all};
use crate::error::{Error, Result};
use crate::output::Format;

/// Run SQL statements and print their rows; on a terminal and without statements, a shell
///
/// The shell reads a start-up file, $XDG_CONFIG_HOME/pixmill/init.sql (PIXMILL_INIT names another one), and keeps what was typed in
/// $XDG_STATE_HOME/pixmill/history (PIXMILL_HISTORY); \? lists its commands.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill sql -c \"SELECT label, count(*) FROM read_images('photos/**/*.jpg') GROUP BY label\"\n  pixmill sql"
)]
pub(crate) struct Sql {
    /// Statements to run, in order
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    commands: Vec<String>,

    /// A file of statements to run, before those of -c
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Start the shell without its start-up file
    #[arg(long)]
    pub(crate) no_init: bool,

    #[command(flatten)]
    pub(crate) earlier: EarlierRun,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

impl Sql {
    /// The text of all statements; `None` where there are none and a terminal waits for some.
    pub(crate) fn statements(&self) -> Result<Option<String>> {
        let mut texts = Vec::new();
        if let Some(path) = &self.file {
            texts.push(fs::read_to_string(path).map_err(Error::file("read", path))?);
        }
        texts.extend(self.commands.iter().cloned());
        if texts.is_empty() { piped_input() } else { Ok(Some(texts.join("\n;\n"))) }
    }

    /// Runs a text of statements.
    pub(crate) fn run(&self, statements: &str) -> Result<()> {
        run_all(&self.engine, statements, self.format, &self.earlier)
    }
}
