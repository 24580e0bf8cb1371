//! Runs a text of statements, one after the other.

use std::io::IsTerminal;

use clap::Args;

use super::engine::{EngineArgs, with_engine};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::output::{Format, Look, Printing, run_one};

/// What a COPY makes of that which an earlier run of it has written.
#[derive(Debug, Args)]
pub(crate) struct EarlierRun {
    /// Keep the finished shards that an interrupted run of the same COPY has left, and write only the others
    #[arg(long)]
    resume: bool,

    /// Try the rows again that the same COPY has rejected, and add those that come through to its dataset
    #[arg(long, conflicts_with = "resume")]
    retry_rejects: bool,
}

impl EarlierRun {
    /// The statement that a session begins with.
    pub(crate) fn setting(&self) -> Option<&'static str> {
        let resume = self.resume.then_some("SET pixmill.resume = true");
        resume.or(self.retry_rejects.then_some("SET pixmill.retry_rejects = true"))
    }
}

/// Runs a text of statements; Ctrl-C cancels the one under way.
pub(super) fn run_all(engine: &EngineArgs, sql: &str, format: Format, earlier: &EarlierRun) -> Result<()> {
    with_engine(engine, async |engine| {
        if let Some(setting) = earlier.setting() {
            engine.sql(setting).await?;
        }
        print_all(engine, sql, format).await
    })
}

/// Runs a text of statements, and prints their rows.
pub(super) async fn print_all(engine: &Engine, sql: &str, format: Format) -> Result<()> {
    let printing = Printing { format, look: Look::of_stdout(), is_counted: true };
    let run = async || {
        for statement in engine.parse(sql)? {
            run_one(engine.session(), statement, std::io::stdout(), &printing).await?;
        }
        Ok(())
    };
    run().await.map_err(|error: Error| error.pointed(sql))
}

/// Reads all of stdin where it is not a terminal.
pub(super) fn piped_input() -> Result<Option<String>> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stdin, &mut text).map_err(Error::file("read", "stdin"))?;
    Ok(Some(text))
}
