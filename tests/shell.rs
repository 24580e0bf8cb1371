//! What a user of the shell sees, in a terminal.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;

use support::Workspace;
use support::cluster::Cluster;
use support::pty::{Terminal, key};

/// Goes on for hours.
const LONG: &str = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3;";

#[test]
fn a_statement_of_several_rows_is_edited_run_and_recalled() {
    let workspace = Workspace::new();
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.press("SELECT 1 AS one,\r2 AS too");
    shell.wait_for("      -> 2 AS too");
    // The typing error, and then one in the row above.
    shell.press(&format!("{}wo{}{}SELECT 10 + 1 AS one,", key::BACKSPACE.repeat(2), key::UP, key::HOME));
    shell.wait_for("pixmill> SELECT 10 + 1 AS one,SELECT 1 AS one,");
    shell.press(&key::DELETE.repeat("SELECT 1 AS one,".len()));
    shell.press(&format!("{}{};{}", key::DOWN, key::END, key::ENTER));
    shell.wait_for_prompt();
    insta::assert_snapshot!("a_statement_of_several_rows", shell.screen());
    shell.clear();
    shell.press(key::UP);
    shell.wait_for("      -> 2 AS two;");
    shell.drop_typed();
    shell.press(key::CTRL_D);
    assert_eq!(shell.wait_for_end(), 0);
    // Another shell knows it, too, and shares nothing but the file, which is its owner's alone.
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.press(key::UP);
    shell.wait_for("      -> 2 AS two;");
    let history = workspace.path("home/state/pixmill/history");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&history).expect("the history").permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_history_is_searched_and_leaves_out_what_begins_with_a_blank() {
    let workspace = Workspace::new();
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("SELECT 'first';");
    shell.run(" SELECT 'secret';");
    shell.run("SELECT 'third';");
    shell.run("SELECT 'third';");
    assert_eq!(workspace.read("home/state/pixmill/history"), "#V2\nSELECT 'first';\nSELECT 'third';\n");
    shell.press(key::CTRL_R);
    shell.press("firs");
    shell.wait_for("(reverse-i-search)`firs': SELECT 'first';");
    shell.drop_typed();
    shell.press("SELECT 'f");
    // What the history goes on with is shown, and taken with the key that leads there.
    shell.wait_for("SELECT 'first';");
    shell.press(&format!("{}{}", key::RIGHT, key::ENTER));
    shell.wait_for_prompt();
}

#[test]
fn a_history_that_cannot_be_written_is_a_note() {
    let workspace = Workspace::new();
    workspace.write("file", b"");
    let mut shell = Terminal::start(&workspace, &["sql"], &[("PIXMILL_HISTORY", "file/history")]);
    shell.wait_for_prompt();
    shell.run("SELECT 1 AS one;");
    shell.wait_for("note: cannot write the history 'file/history'");
    shell.run("\\timing off");
    shell.wait_for("timing is off");
}

#[test]
fn words_are_completed() {
    let workspace = Workspace::with_photos(3, 1);
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("CREATE EXTERNAL TABLE flowers STORED AS IMAGES LOCATION 'photos';");
    shell.clear();
    for (typed, completed) in [
        ("sel", "select "),
        ("SELECT * FROM flo", "SELECT * FROM flowers"),
        ("SELECT modif", "SELECT modification_time"),
        ("SELECT image_dec", "SELECT image_decode("),
        ("SELECT image_resize(image, hei", "SELECT image_resize(image, height => "),
        ("SET pixmill.resu", "SET pixmill.resume "),
        ("COPY flowers TO 'out' STORED AS TFRECORD OPTIONS (name_", "OPTIONS (name_template "),
        ("SELECT * FROM 'pho", "SELECT * FROM 'photos/"),
        ("\\tim", "\\timing "),
    ] {
        shell.press(typed);
        shell.press(key::TAB);
        shell.press("|");
        shell.wait_for(&format!("{completed}|"));
        shell.drop_typed();
    }
    shell.clear();
    shell.press("SELECT image_");
    shell.press(&key::TAB.repeat(2));
    shell.wait_for("image_to_tensor");
    insta::assert_snapshot!("completions_are_listed", shell.screen());
}

#[test]
fn an_error_shows_its_place_and_the_shell_goes_on() {
    let workspace = Workspace::with_photos(3, 1);
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("SELECT path FROM read_images('photos') WHERE labl = 'daisy';");
    shell.run("SELECT 1 FROM FROM; SELECT 'not run';");
    shell.run("\\timng");
    shell.run("SELECT 1; SELECT 2 AS two;");
    insta::assert_snapshot!("errors_show_their_place", shell.screen());
}

#[test]
fn ctrl_c_cancels_the_statement_and_not_the_shell() {
    let workspace = Workspace::new();
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.press(LONG);
    shell.press(key::ENTER);
    shell.wait_for_start();
    shell.press(key::CTRL_C);
    shell.wait_for("cancelled after");
    shell.wait_for_prompt();
    shell.run("SELECT 6 * 7 AS answer;");
    shell.run("\\jobs");
    let screen = shell.screen();
    assert!(screen.contains("42 │"), "{screen}");
    assert!(screen.contains("1       cancelled") && screen.contains("2       done          1"), "{screen}");
}

#[test]
fn tables_are_listed_and_described_and_images_shown_as_what_they_are() {
    let workspace = Workspace::with_photos(4, 2);
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("CREATE EXTERNAL TABLE flowers STORED AS IMAGES LOCATION 'photos' OPTIONS (shuffle_seed 7);");
    shell.run("CREATE TABLE small AS SELECT label, path FROM flowers WHERE length > 0;");
    shell.run("CREATE VIEW daisies AS SELECT * FROM flowers WHERE label = 'daisy';");
    shell.run("\\d");
    shell.run("\\d flowers");
    insta::assert_snapshot!("tables_are_described", shell.screen());
    shell.clear();
    shell.run("SELECT label, content, image_decode(content) AS image FROM daisies ORDER BY path;");
    insta::assert_snapshot!("images_in_cells", shell.screen());
}

#[test]
fn pictures_are_drawn_in_half_blocks_where_the_terminal_can_no_more() {
    let workspace = Workspace::with_photos(3, 1);
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("\\show SELECT path, content FROM read_images('photos') ORDER BY path;");
    let screen = shell.screen();
    assert!(screen.contains('▀') && screen.contains("3 images"), "{screen}");
    shell.clear_and_run("\\show SELECT 1 AS one");
    assert!(shell.screen().contains("error: "), "{}", shell.screen());
}

#[test]
fn points_are_drawn_in_the_terminal_and_into_a_file() {
    let workspace = Workspace::new();
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("\\plot SELECT i AS x, i % 7 AS y, i % 2 = 0 AS color FROM generate_series(1, 40) AS t(i);");
    let screen = shell.screen();
    assert!(screen.contains('▀') && screen.contains("true 20") && screen.contains("40 points, 2 classes"), "{screen}");
    shell.clear_and_run("\\plot -o 'my plot.svg' SELECT 1 AS x, 2 AS y;");
    assert!(shell.screen().contains("wrote 1 point, "), "{}", shell.screen());
    assert!(workspace.read("my plot.svg").contains("</svg>"));
    shell.clear_and_run("\\plot SELECT 1 AS one");
    assert!(shell.screen().contains("a plot needs the columns x and y"), "{}", shell.screen());
}

#[test]
fn functions_are_listed_and_documented() {
    let workspace = Workspace::new();
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("\\df image*");
    shell.clear_and_run("\\df image_decode");
    insta::assert_snapshot!("a_function_is_documented", shell.screen());
}

#[test]
fn results_take_other_forms_and_go_to_files() {
    let workspace = Workspace::new();
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("\\timing off");
    shell.run("\\format json");
    shell.run("SELECT 1 AS one;");
    shell.run("\\o rows.json");
    shell.run("SELECT 2 AS two;");
    shell.run("\\o");
    shell.run("\\format csv");
    shell.run("SELECT 3 AS three;");
    shell.run("\\format yaml");
    shell.run("\\set max_rows 5");
    shell.run("\\set pixmill.resume true");
    shell.run("\\set pixmill.res");
    insta::assert_snapshot!("results_in_other_forms", shell.screen());
    assert_eq!(workspace.read("rows.json"), "[{\"two\":2}]\n");
}

#[test]
fn a_file_of_statements_and_commands_is_run_up_to_its_first_error() {
    let workspace = Workspace::new();
    workspace.write("inner.sql", b"-- a comment; with a semicolon\nSELECT 'inner' AS place;\n");
    workspace.write("outer.sql", b"\\timing off\n\\i inner.sql\n\nSELECT nothing;\nSELECT 'never' AS place;\n");
    workspace.write("loop.sql", b"\\i loop.sql\n");
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("\\i outer.sql");
    shell.run("\\i missing.sql");
    insta::assert_snapshot!("a_file_is_run", shell.screen());
    shell.clear_and_run("\\i loop.sql");
    let screen = shell.screen();
    assert!(screen.contains("16 deep at most"), "{screen}");
}

#[test]
fn a_start_up_file_is_run_and_its_errors_stop_nothing() {
    let workspace = Workspace::new();
    let init =
        "\\timing off\nCREATE VIEW one AS SELECT 1 AS one;\n\nSELECT wrong;\nCREATE VIEW two AS SELECT 2 AS two;\n";
    workspace.write("home/config/pixmill/init.sql", init.as_bytes());
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.run("SELECT one, two FROM one, two;");
    let screen = shell.screen();
    assert!(screen.contains("init.sql, line 4: ") && screen.contains("1 row, 2 columns\n"), "{screen}");
    let mut shell = Terminal::shell(&workspace, &["--no-init"]);
    shell.run("\\d");
    assert!(shell.screen().contains("there are no tables yet"), "{}", shell.screen());
    // Scripts stay what they are.
    workspace.sql("SELECT * FROM one").failure(2);
}

#[test]
fn colours_are_for_those_who_want_them() {
    let workspace = Workspace::new();
    let mut shell = Terminal::shell(&workspace, &[]);
    shell.press("SELECT 'text'");
    shell.wait_for("'text'");
    assert!(shell.is_coloured("SELECT") && shell.is_coloured("'text'"));
    let mut shell = Terminal::start(&workspace, &["sql"], &[("NO_COLOR", "1")]);
    shell.wait_for_prompt();
    shell.press("SELECT 'text',\r1");
    shell.wait_for("      -> 1");
    assert!(!shell.is_coloured("SELECT") && !shell.is_coloured("'text'"));
}

#[test]
fn on_a_cluster_the_shell_is_the_same() {
    let workspace = Workspace::with_photos(24, 2);
    let cluster = Cluster::start(&workspace, 1);
    let mut shell = Terminal::shell(&workspace, &["--cluster", &cluster.address]);
    let greeting = shell.screen();
    assert!(greeting.contains("with 1 executor and 1 vcore; \\? for help"), "{greeting}");
    let slow = "SELECT sum(length(image_encode(image_resize(image_decode(content), 3000, 3000), 'png'))) FROM read_images('photos')";
    shell.press(&format!("{slow};"));
    shell.press(key::ENTER);
    shell.wait_for("of 24 files");
    shell.press(key::CTRL_C);
    shell.wait_for("cancelled after");
    shell.wait_for_prompt();
    shell.clear();
    shell.run("SELECT label, count(*) AS photos FROM read_images('photos') GROUP BY label ORDER BY label;");
    let screen = shell.screen();
    assert!(screen.contains("daisy") && screen.contains("2 rows, 2 columns"), "{screen}");
    shell.clear_and_run("\\jobs");
    let screen = shell.screen();
    assert!(screen.contains("cancelled") && screen.contains("done"), "{screen}");
    shell.clear_and_run("\\cancel");
    assert!(shell.screen().contains("no job is running"), "{}", shell.screen());
}

#[test]
fn what_is_piped_in_is_run_without_a_shell() {
    let workspace = Workspace::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pixmill"));
    command.args(["sql", "--format", "csv"]).current_dir(workspace.path(""));
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("its stdin");
    std::io::Write::write_all(&mut stdin, b"SELECT 1 AS one;\nSELECT 2 AS two;").expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\n1\ntwo\n2\n");
}
