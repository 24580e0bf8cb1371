//! The binary: reads the arguments, runs a command, prints what went wrong.

use std::io::IsTerminal;
use std::panic;
use std::process::ExitCode;

use clap::Parser;
use pixmill::cli::Cli;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("PIXMILL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
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
