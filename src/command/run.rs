//! `pixmill run`: a pipeline file.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::generate;
use super::output::Format;
use super::statements::run_all;
use super::template::Template;
use super::{Allow, Threads};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Run a pipeline file
///
/// The file's header declares names, `-- set: name = value`; each `${name}` in the statements is replaced by the value
/// that --set gives, else by the header's.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill run queries/flowers_to_tfrecord.sql --set input=photos --set output=shards"
)]
pub(crate) struct Run {
    /// The pipeline: a file of SQL statements
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// A value for a name of the file's header
    #[arg(long = "set", value_name = "NAME=VALUE")]
    values: Vec<String>,

    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    #[command(flatten)]
    allow: Allow,

    #[command(flatten)]
    threads: Threads,
}

impl Run {
    pub(crate) fn run(self) -> Result<()> {
        let text = fs::read_to_string(&self.file).map_err(Error::file("read", &self.file))?;
        let mut template = Template::parse(&text).map_err(|error| in_file(&self.file, error))?;
        for value in &self.values {
            let Some((name, value)) = value.split_once('=') else {
                return Err(Error::Usage(format!("--set takes NAME=VALUE, got '{value}'")));
            };
            template.set(name.trim(), value).map_err(|error| in_file(&self.file, error))?;
        }
        if let Some(request) = template.generate().map_err(|error| in_file(&self.file, error))? {
            generate::make_default_input(&request, self.threads.count())?;
        }
        let sql = template.sql().map_err(|error| in_file(&self.file, error))?;
        run_all(Engine::local_within(self.threads.count(), self.allow.list())?, &sql, self.format)
    }
}

fn in_file(file: &std::path::Path, error: String) -> Error {
    Error::Usage(format!("{}: {error}", file.display()))
}
