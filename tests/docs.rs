//! The generated reference pages are up to date, and the examples in them were really run.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;
use std::path::Path;

use pixmill::synthetic::onnx::{color_classifier, line};
use support::Workspace;

#[track_caller]
fn assert_page(command: &str) {
    let page = format!("docs/{command}.md");
    let stored = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&page)).expect("the page");
    let generated = Workspace::new().pixmill(&[command, "--format", "markdown"]).success();
    assert!(stored == generated, "{page} is out of date: cargo run -- {command} --format markdown > {page}");
}

#[test]
fn the_functions_page_is_up_to_date() {
    assert_page("functions");
}

#[test]
fn the_options_page_is_up_to_date() {
    assert_page("config");
}

#[test]
fn every_example_gives_what_its_page_shows() {
    let workspace = Workspace::new();
    workspace.pixmill(&["generate", "photos", "--images", "6", "--classes", "2", "--size", "320x240"]).success();
    workspace.write("colors.onnx", &color_classifier().file());
    workspace.write("line.onnx", &line().file());
    for (name, page) in pixmill_udfs::pages() {
        let page = page.expect("a page");
        let example = page.sql_example.expect("an example");
        let session = example.trim_start_matches("```sql\n").trim_end_matches("```").trim();
        let (statement, rows) = session.split_once(";\n").expect("a statement and its rows");
        let statement = statement.trim_start_matches("> ");
        let stdout = workspace.sql(statement).success();
        let table = stdout.rsplit_once("+\n").map_or("", |(table, _)| table);
        assert_eq!(format!("{table}+"), rows.trim(), "{name}: {statement}");
    }
}
