//! `pixmill sql`: one-off statements.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::Place;
use super::statements::{Resume, piped_input, run_all};
use crate::error::{Error, Result};
use crate::output::Format;

/// Run SQL statements and print their rows
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill sql -c \"SELECT label, count(*) FROM read_images('photos/**/*.jpg') GROUP BY label\""
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
    format: Format,

    #[command(flatten)]
    resume: Resume,

    #[command(flatten)]
    place: Place,
}

impl Sql {
    pub(crate) fn run(self) -> Result<()> {
        let mut texts = Vec::new();
        if let Some(path) = self.file {
            texts.push(fs::read_to_string(&path).map_err(Error::file("read", path))?);
        }
        texts.extend(self.commands);
        if texts.is_empty() {
            let Some(text) = piped_input()? else {
                return Err(Error::Usage(
                    "nothing to run: give statements with -c, a file with -f, or pipe them in".to_string(),
                ));
            };
            texts.push(text);
        }
        run_all(&self.place, &texts.join("\n;\n"), self.format, &self.resume)
    }
}
