//! The command line: which commands there are.

use clap::{Parser, Subcommand};

use crate::command::engine::on_engine;
use crate::command::{
    cluster, config, contact_sheet, executor, experiment, functions, generate, jobs, plot, report, run, scheduler,
    serve, speed_test, sql, verify,
};
use crate::error::Result;
use crate::shell::{self, Start};

/// SQL pipelines for image datasets.
#[derive(Debug, Parser)]
#[command(name = "pixmill", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Sql(sql::Sql),
    Generate(generate::Generate),
    Verify(verify::Verify),
    ContactSheet(contact_sheet::ContactSheet),
    Plot(plot::PlotCommand),
    Scheduler(scheduler::Scheduler),
    Executor(executor::Executor),
    Cluster(cluster::Cluster),
    Jobs(jobs::Jobs),
    Serve(serve::Serve),
    Experiment(experiment::Experiment),
    SpeedTest(speed_test::SpeedTest),
    Report(report::Report),
    Functions(functions::Functions),
    Config(config::Config),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What the command says.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Run(command) => command.run(),
            Command::Sql(command) => sql(&command),
            Command::Generate(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::ContactSheet(command) => command.run(),
            Command::Plot(command) => command.run(),
            Command::Scheduler(command) => command.run(),
            Command::Executor(command) => command.run(),
            Command::Cluster(command) => command.run(),
            Command::Jobs(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Experiment(command) => command.run(),
            Command::SpeedTest(command) => command.run(),
            Command::Report(command) => command.run(),
            Command::Functions(command) => command.run(),
            Command::Config(command) => command.run(),
        }
    }
}

/// Runs statements, or a shell where there are none.
fn sql(command: &sql::Sql) -> Result<()> {
    match command.statements()? {
        Some(statements) => command.run(&statements),
        None => {
            let (format, reads_start_up) = (command.format, !command.no_init);
            let start = Start { format, reads_start_up, setting: command.earlier.setting() };
            on_engine(&command.engine, async |engine| shell::run(engine, &start).await)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_has_an_example() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:\n  pixmill "), "{} has no example", command.get_name());
        }
    }
}
