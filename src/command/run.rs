//! `pixmill run`: a pipeline file.

use std::path::PathBuf;

use clap::Args;

use super::engine::EngineArgs;
use super::generate;
use super::statements::{EarlierRun, run_all};
use super::template::{Template, in_file};
use crate::error::Result;
use crate::output::Format;

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
    earlier: EarlierRun,

    #[command(flatten)]
    engine: EngineArgs,
}

impl Run {
    pub(crate) fn run(self) -> Result<()> {
        let template = Template::open(&self.file, &self.values)?;
        for request in template.generate().map_err(in_file(&self.file))? {
            generate::make_default_input(&request, self.engine.threads.count())?;
        }
        let sql = template.sql().map_err(in_file(&self.file))?;
        run_all(&self.engine, &sql, self.format, &self.earlier)
    }
}
