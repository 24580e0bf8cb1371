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
        let (statements, rows) = session.split_once(";\n+").expect("statements and the rows of the last one");
        let statements = statements.replace("\n> ", "\n");
        let statements = statements.trim_start_matches("> ");
        let stdout = workspace.sql(statements).success();
        let tables = stdout.rsplit_once("+\n").map_or("", |(tables, _)| tables);
        // Statements before the last one may have rows, too.
        let table = tables.rsplit_once("row\n").map_or(tables, |(_, table)| table);
        assert_eq!(format!("{table}+"), format!("+{}", rows.trim()), "{name}: {statements}");
    }
}

#[test]
fn every_statement_of_the_guide_to_models_runs() {
    let workspace = Workspace::new();
    let guide = include_str!("../docs/models.md");
    let blocks = guide.split("```sql\n").skip(1).map(|rest| rest.split_once("```").expect("a block's end").0);
    let session: Vec<&str> = blocks.collect();
    assert!(session.len() >= 5, "{} blocks", session.len());
    let stdout = workspace.sql(&session.concat()).success();
    let table = guide.split("```\n+").nth(1).and_then(|rest| rest.split_once("```")).expect("a table").0;
    for part in [&format!("+{table}"), "| kind  |\n+-------+\n| bream |", "| silhouette | "] {
        assert!(stdout.contains(part), "{part}\n{stdout}");
    }
}
