//! The binary: reads the arguments, runs a command, prints what went wrong.

use std::io::IsTerminal;
use std::panic;
use std::process::ExitCode;

use clap::Parser;
use pixmill::cli::Cli;
use tracing_subscriber::EnvFilter;

/// What is told where nobody asks for more: Ballista's warnings and errors are either this program's own or no news to a user.
const QUIET: &str = "warn,ballista=off,ballista_core=off,ballista_scheduler=off,ballista_executor=off";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("PIXMILL_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        .init();
    let report_panic = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // A codec that panics on one image costs that image, not a page of text.
        if !pixmill_udfs::is_guarded() {
            report_panic(info);
        }
    }));
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, pixmill::Error::ClosedOutput) {
                eprintln!("error: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
