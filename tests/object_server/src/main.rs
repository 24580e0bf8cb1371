//! Starts the object store for tests by hand: for a look with curl, or for clients in other languages.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pixmill_object_server::{Credentials, Dialect, Options, Server};

/// An object store in memory that speaks S3's and Google Cloud Storage's protocols, for tests
#[derive(Debug, Parser)]
#[command(name = "object-server")]
struct Arguments {
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Buckets to begin with
    #[arg(long = "bucket", value_name = "NAME")]
    buckets: Vec<String>,
    /// The access key that requests must be signed with
    #[arg(long, value_name = "KEY", requires = "secret_key")]
    access_key: Option<String>,
    /// The secret key that requests must be signed with
    #[arg(long, value_name = "KEY", requires = "access_key")]
    secret_key: Option<String>,
    /// Whether all requests are read as Google's
    #[arg(long)]
    gcs: bool,
    /// How many milliseconds every request waits
    #[arg(long, default_value_t = 0, value_name = "N")]
    latency_milliseconds: u64,
}

fn main() -> ExitCode {
    match serve(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the object server doesn't start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the standard input ends, or until the process is stopped.
fn serve(arguments: Arguments) -> io::Result<()> {
    let credentials = arguments.access_key.zip(arguments.secret_key);
    let options = Options {
        port: arguments.port,
        dialect: if arguments.gcs { Dialect::Gcs } else { Dialect::S3 },
        credentials: credentials.map(|(access_key, secret_key)| Credentials { access_key, secret_key }),
        latency: Duration::from_millis(arguments.latency_milliseconds),
        ..Options::default()
    };
    let server = Server::try_start(options)?;
    for bucket in &arguments.buckets {
        server.make_bucket(bucket);
    }
    println!("{}", server.endpoint());
    // A script that starts it may keep a pipe open for as long as it needs the server.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
