//! Python clients: the ADBC driver for Flight SQL, and the session that docs/python.md shows.
//!
//! They run where a Python with `adbc-driver-flightsql`, `pyarrow`, `pandas` and `pillow` is found: the one that the environment's
//! `PIXMILL_PYTHON` names, else `python3`. Without one a test says so, and passes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::path::Path;
use std::process::Command;

use pixmill::synthetic::PhotoSet;
use support::server::Server;
use support::{Finished, Workspace};

const NEEDED: &str = "import adbc_driver_flightsql.dbapi, adbc_driver_manager, numpy, pandas, PIL, pyarrow";

/// A Python that has what the tests import.
fn python() -> Option<String> {
    let named = std::env::var("PIXMILL_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_string());
    let why = match Command::new(&python).args(["-c", NEEDED]).output() {
        Ok(output) if output.status.success() => return Some(python),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(named.is_none(), "{python}, which PIXMILL_PYTHON names: {why}");
    println!("skipped: {python}: {why}; PIXMILL_PYTHON names another");
    None
}

/// Runs one of the scripts beside this file.
fn run(workspace: &Workspace, python: &str, script: &str, arguments: &[&str]) -> Finished {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let mut command = Command::new(python);
    command.current_dir(workspace.path("")).arg("-W").arg("error").arg(script).args(arguments);
    Finished::of(&command.output().expect("Python starts"))
}

#[test]
fn the_adbc_driver_queries_copies_cancels_and_shows_its_token() {
    let Some(python) = python() else { return };
    let workspace = Workspace::new();
    let photos = PhotoSet { images: 20, classes: 2, size: Some((256, 192)), seed: 7 };
    photos.write(&workspace.path("photos"), 2, &|_| ()).expect("photos");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate");
    workspace.write("cert.pem", made.cert.pem().as_bytes());
    workspace.write("key.pem", made.signing_key.serialize_pem().as_bytes());
    let open = Server::start(&workspace, &[]);
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let secure = Server::start_with_token(&workspace, &tls, Some("s3cret"));
    let secure_uri = secure.uri.replace("127.0.0.1", "localhost");
    run(&workspace, &python, "remote.py", &[&open.uri, &secure_uri, "cert.pem", "s3cret"]).success();
}

#[test]
fn the_session_on_the_page_for_python_gives_what_it_shows() {
    let Some(python) = python() else { return };
    let workspace = Workspace::new();
    workspace.pixmill(&["generate", "photos", "--images", "60", "--classes", "3", "--size", "320x240"]).success();
    let server = Server::start(&workspace, &[]);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/python.md");
    let page = page.to_str().expect("UTF-8");
    run(&workspace, &python, "run_page.py", &[page, "grpc://127.0.0.1:50060", &server.uri]).success();
}
