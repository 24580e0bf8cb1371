//! Tests of what is printed.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Int64Type, Schema};
use datafusion::arrow::util::pretty::pretty_format_batches_with_schema;
use proptest::prelude::*;

use super::*;
use crate::words::width;

const GIF: &[u8] = b"GIF89a\x01\0\x02\0\0\0\0,\0\0\0\0\x01\0\x02\0\0\x02\x02D\x01\0;";

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .expect("a batch")
}

fn texts(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn numbers(numbers: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(numbers.to_vec()))
}

/// A terminal of so many columns, without colours.
fn terminal(width: usize) -> Look {
    Look { width: Some(width), max_rows: Some(100), unicode: true, colour: false, types: true }
}

fn printed_with(format: Format, look: &Look, batches: &[RecordBatch]) -> (String, Shown) {
    let mut out = Vec::new();
    let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    let mut printer = RowPrinter::new(&mut out, schema, format, look);
    for batch in batches {
        printer.print(batch.clone()).expect("printed");
    }
    let shown = printer.finish().expect("finished");
    (String::from_utf8(out).expect("UTF-8"), shown)
}

fn printed(look: &Look, batches: &[RecordBatch]) -> String {
    printed_with(Format::Table, look, batches).0
}

/// Photos as sources give them.
fn photos() -> RecordBatch {
    let times = [Some(1_700_000_000_000_000), None];
    let lists = [Some(vec![Some(1), None, Some(3)]), None];
    batch(vec![
        ("path", texts(&[Some("photos/daisy/000000.jpg"), Some("photos/タンポポ/000001.jpg")])),
        ("modification_time", Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC"))),
        ("length", numbers(&[Some(13_824), Some(5)])),
        ("label", texts(&[Some("daisy"), Some("タンポポ")])),
        ("class", numbers(&[Some(0), None])),
        ("quality", Arc::new(Float64Array::from(vec![0.5, 12.25]))),
        ("boxes", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("content", Arc::new(BinaryArray::from(vec![GIF, b"hello"]))),
    ])
}

#[test]
fn a_wide_terminal_shows_everything() {
    insta::assert_snapshot!(printed(&terminal(120), &[photos()]), @"
    ┌─────────────────────────┬──────────────────────┬────────┬──────────┬───────┬─────────┬──────────────┬────────────────┐
    │ path                    │ modification_time    │ length │ label    │ class │ quality │ boxes        │ content        │
    │ utf8                    │ timestamp(us, UTC)   │  int64 │ utf8     │ int64 │ float64 │ list<int64>  │ binary         │
    ├─────────────────────────┼──────────────────────┼────────┼──────────┼───────┼─────────┼──────────────┼────────────────┤
    │ photos/daisy/000000.jpg │ 2023-11-14T22:13:20Z │  13824 │ daisy    │     0 │     0.5 │ [1, NULL, 3] │ <gif 1x2 29 B> │
    │ photos/…ポポ/000001.jpg │ NULL                 │      5 │ タンポポ │  NULL │   12.25 │ NULL         │ <5 B>          │
    └─────────────────────────┴──────────────────────┴────────┴──────────┴───────┴─────────┴──────────────┴────────────────┘
    ");
}

#[test]
fn a_narrower_one_cuts_texts_and_then_hides_columns() {
    insta::assert_snapshot!(printed(&terminal(80), &[photos()]), @"
    ┌────────────┬──────────────────────┬────────┬───┬────────────┬────────────────┐
    │ path       │ modification_time    │ length │ … │ boxes      │ content        │
    │ utf8       │ timestamp(us, UTC)   │  int64 │ … │ list<int6… │ binary         │
    ├────────────┼──────────────────────┼────────┼───┼────────────┼────────────────┤
    │ pho…00.jpg │ 2023-11-14T22:13:20Z │  13824 │ … │ [1, NULL,… │ <gif 1x2 29 B> │
    │ pho…01.jpg │ NULL                 │      5 │ … │ NULL       │ <5 B>          │
    └────────────┴──────────────────────┴────────┴───┴────────────┴────────────────┘
    3 columns hidden: label, class, quality; select them by name, or write to a file or a pipe
    ");
    insta::assert_snapshot!(printed(&terminal(40), &[photos()]), @"
    ┌─────────────────┬───┬────────────────┐
    │ path            │ … │ content        │
    │ utf8            │ … │ binary         │
    ├─────────────────┼───┼────────────────┤
    │ phot…000000.jpg │ … │ <gif 1x2 29 B> │
    │ phot…000001.jpg │ … │ <5 B>          │
    └─────────────────┴───┴────────────────┘
    6 columns hidden: modification_time, length, label, class, quality, boxes; select them by name, or write to a file or a pipe
    ");
}

#[test]
fn plain_output_cuts_and_hides_nothing() {
    insta::assert_snapshot!(printed(&Look::plain(), &[photos()]), @"
    +----------------------------+----------------------+--------+----------+-------+---------+--------------+----------------+
    | path                       | modification_time    | length | label    | class | quality | boxes        | content        |
    +----------------------------+----------------------+--------+----------+-------+---------+--------------+----------------+
    | photos/daisy/000000.jpg    | 2023-11-14T22:13:20Z | 13824  | daisy    | 0     | 0.5     | [1, NULL, 3] | <gif 1x2 29 B> |
    | photos/タンポポ/000001.jpg | NULL                 | 5      | タンポポ | NULL  | 12.25   | NULL         | <5 B>          |
    +----------------------------+----------------------+--------+----------+-------+---------+--------------+----------------+
    ");
}

#[test]
fn plain_output_is_drawn_as_arrow_draws_it() {
    let rows = batch(vec![
        ("a", texts(&[Some("daisy"), Some(""), Some("タンポポ")])),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
                Some([Some(1)]),
                Some([Some(2)]),
                Some([Some(3)]),
            ])),
        ),
        ("nothing", numbers(&[Some(-1), Some(1_000_000), Some(7)])),
    ]);
    for batches in [vec![rows.clone()], vec![rows.clone(), rows.slice(1, 1)], vec![rows.slice(0, 0)]] {
        let arrow = pretty_format_batches_with_schema(rows.schema(), &batches).expect("a table");
        assert_eq!(printed(&Look::plain(), &batches), format!("{arrow}\n"));
    }
}

#[test]
fn no_value_breaks_the_table_or_commands_the_terminal() {
    let rows = batch(vec![
        ("a\u{1b}[2J", texts(&[Some("one\r\ntwo\tthree"), Some("\u{1b}]0;title\u{7}")])),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)]), None]))),
        ("c", texts(&[Some("\u{202e}gpj"), Some("\u{9b}31m")])),
    ]);
    for look in [terminal(120), Look::plain()] {
        let table = printed(&look, std::slice::from_ref(&rows));
        assert!(table.chars().all(|character| character == '\n' || !character.is_control()), "{table:?}");
        assert_eq!(table.lines().count(), if look.types { 7 } else { 6 }, "{table}");
    }
    insta::assert_snapshot!(printed_with(Format::Markdown, &Look::plain(), &[rows]).0, @r#"
    | a\u{1b}[2J | list | c |
    |---|---|---|
    | one\r\ntwo\tthree | [1] | \u{202e}gpj |
    | \u{1b}]0;title\u{7} | NULL | \u{9b}31m |
    "#);
}

#[test]
fn null_is_neither_empty_nor_a_text() {
    let rows = batch(vec![("a", texts(&[None, Some(""), Some("NULL")]))]);
    insta::assert_snapshot!(printed(&Look::plain(), std::slice::from_ref(&rows)), @"
    +------+
    | a    |
    +------+
    | NULL |
    |      |
    | NULL |
    +------+
    ");
    let colours = Look { colour: true, ..terminal(40) };
    let table = printed(&colours, &[rows]).replace('\u{1b}', "<ESC>");
    insta::assert_snapshot!(table, @"
    ┌──────┐
    │ a    │
    │ <ESC>[2mutf8<ESC>[0m │
    ├──────┤
    │ <ESC>[2mNULL<ESC>[0m │
    │      │
    │ NULL │
    └──────┘
    ");
}

#[test]
fn a_plan_keeps_its_lines_and_is_wrapped() {
    let plan = "ProjectionExec: expr=[image_info(content)]\n  ReadExec: files=3\n";
    let rows = batch(vec![("plan_type", texts(&[Some("physical_plan")])), ("plan", texts(&[Some(plan)]))]);
    let arrow = pretty_format_batches_with_schema(rows.schema(), std::slice::from_ref(&rows)).expect("a table");
    assert_eq!(printed(&Look::plain(), std::slice::from_ref(&rows)), format!("{arrow}\n"));
    insta::assert_snapshot!(printed(&terminal(50), &[rows]), @"
    ┌───────────────┬────────────────────────────────┐
    │ plan_type     │ plan                           │
    ├───────────────┼────────────────────────────────┤
    │ physical_plan │ ProjectionExec: expr=[image_in │
    │               │ fo(content)]                   │
    │               │   ReadExec: files=3            │
    └───────────────┴────────────────────────────────┘
    ");
}

#[test]
fn a_terminal_shows_the_first_rows_and_counts_the_others() {
    let rows = batch(vec![("n", numbers(&[Some(1), Some(2), Some(3)]))]);
    let look = Look { max_rows: Some(4), ..terminal(80) };
    let (table, shown) = printed_with(Format::Table, &look, &[rows.clone(), rows.clone(), rows]);
    insta::assert_snapshot!(table, @"
    ┌───────┐
    │     n │
    │ int64 │
    ├───────┤
    │     1 │
    │     2 │
    │     3 │
    │     1 │
    └───────┘
    the first 4 rows are shown; a file or a pipe gets all of them, OFFSET shows others
    ");
    assert_eq!(shown, Shown { rows: 9, columns: 1, hidden: 0 });
    let shown = Shown { rows: 1, columns: 7, hidden: 2 };
    assert_eq!(shown.summary(), "1 row, 7 columns (2 hidden)");
}

#[test]
fn rows_that_are_not_shown_are_not_kept() {
    let content: ArrayRef = Arc::new(BinaryArray::from(vec![vec![7_u8; 1 << 16].as_slice(); 64]));
    let rows = batch(vec![("content", Arc::clone(&content))]);
    let look = Look { max_rows: Some(10), ..terminal(80) };
    let mut printer = RowPrinter::new(Vec::new(), rows.schema(), Format::Table, &look);
    for _ in 0..3 {
        printer.print(rows.clone()).expect("printed");
    }
    drop(rows);
    assert_eq!(Arc::strong_count(&content), 1, "the printer holds on to bytes that it doesn't show");
    assert_eq!(printer.finish().expect("finished").rows, 192);
}

#[test]
fn other_formats_are_as_they_were() {
    let rows = [photos().project(&[2, 3, 6, 7]).expect("columns")];
    let print = |format| printed_with(format, &terminal(20), &rows).0;
    insta::assert_snapshot!(print(Format::Csv), @r#"
    length,label,boxes,content
    13824,daisy,"[1, , 3]",474946383961010002000000002c00000000010002000002024401003b
    5,タンポポ,,68656c6c6f
    "#);
    insta::assert_snapshot!(print(Format::Json), @r#"[{"length":13824,"label":"daisy","boxes":[1,null,3],"content":"474946383961010002000000002c00000000010002000002024401003b"},{"length":5,"label":"タンポポ","boxes":null,"content":"68656c6c6f"}]"#);
    insta::assert_snapshot!(print(Format::Jsonl), @r#"
    {"length":13824,"label":"daisy","boxes":[1,null,3],"content":"474946383961010002000000002c00000000010002000002024401003b"}
    {"length":5,"label":"タンポポ","boxes":null,"content":"68656c6c6f"}
    "#);
    insta::assert_snapshot!(print(Format::Markdown), @"
    | length | label | boxes | content |
    |---|---|---|---|
    | 13824 | daisy | [1, NULL, 3] | <gif 1x2 29 B> |
    | 5 | タンポポ | NULL | <5 B> |
    ");
}

#[test]
fn a_statement_without_columns_prints_nothing() {
    for format in Format::value_variants() {
        let (text, shown) = printed_with(*format, &Look::plain(), &[]);
        assert_eq!((text.as_str(), shown), ("", Shown { rows: 0, columns: 0, hidden: 0 }));
    }
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(
        cells in prop::collection::vec("(.|\n|\u{1b}|❤\u{fe0f}|タ|e\u{301}){0,40}", 1..12),
        most in 12..100_usize,
    ) {
        let names: Vec<String> = (0..cells.len()).map(|column| format!("column {column}")).collect();
        let columns = names.iter().zip(&cells).map(|(name, cell)| (name.as_str(), texts(&[Some(cell), None])));
        let table = printed(&terminal(most), &[batch(columns.collect())]);
        let drawn: Vec<&str> = table.lines().filter(|line| !line.contains(" hidden: ")).collect();
        prop_assert_eq!(drawn.len(), 7);
        for line in drawn {
            prop_assert!(width(line) <= most, "{} columns of {most}: {line}", width(line));
        }
    }
}
