//! The rules of the code's layout that a reader relies on.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                files.push((path, text));
            }
        }
    }
    files
}

/// Files of a folder that contain a text.
fn that_say(folder: &str, text: &str) -> Vec<PathBuf> {
    let files = sources(folder).into_iter();
    files.filter(|(_, source)| source.contains(text)).map(|(path, _)| path).collect()
}

#[test]
fn every_function_has_its_file_its_test_and_its_bench_line() {
    let benches = fs::read_to_string(root().join("benches/kernels.rs")).expect("the bench");
    let scalars = pixmill_udfs::all().into_iter().map(|function| function.name().to_string());
    let aggregates = pixmill_udfs::aggregates().into_iter().map(|function| function.name().to_string());
    for name in scalars.chain(aggregates) {
        assert!(root().join(format!("udfs/src/{name}.rs")).exists(), "udfs/src/{name}.rs");
        assert!(root().join(format!("tests/sql/{name}.slt")).exists(), "tests/sql/{name}.slt");
        assert!(benches.contains(&format!("\"{name}\"")), "benches/kernels.rs has no line for {name}");
    }
}

#[test]
fn one_file_builds_sessions() {
    assert_eq!(that_say("src", "SessionStateBuilder::new"), [root().join("src/session.rs")]);
}

#[test]
fn sources_and_sinks_dont_know_each_other_and_functions_know_no_files() {
    let none: [PathBuf; 0] = [];
    assert_eq!(that_say("src/source", "crate::sink"), none);
    assert_eq!(that_say("src/sink", "crate::source"), none);
    assert_eq!(that_say("udfs/src", "std::fs"), none);
}

#[test]
fn every_source_file_says_what_it_is() {
    for folder in ["src", "udfs/src", "tests", "benches"] {
        for (path, source) in sources(folder) {
            assert!(source.starts_with("//! "), "{} has no first sentence", path.display());
        }
    }
}

#[test]
fn queries_and_guides_are_named_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    for folder in ["queries", "docs"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name();
            let name = format!("{folder}/{}", name.to_str().expect("UTF-8"));
            assert!(readme.contains(&name), "README.md doesn't name {name}");
        }
    }
}
