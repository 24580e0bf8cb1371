//! What `pixmill plot` draws: SVGs, PNGs, pages and pictures in a terminal, and what it says about them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use image::{Rgb, RgbImage};
use support::Workspace;

/// Six points, one of which has no place, in two classes and none.
const SIX: &str = "SELECT * FROM (VALUES (0, 0.5, 'a', 'first'), (1, 2.0, 'b', NULL), (2, -1.0, 'a', 'a'), (3, NULL, 'a', 'nowhere'), \
                   (4, 1.5, NULL, NULL), (5, 'nan'::double, 'b', NULL)) AS t(x, y, color, label)";

fn plot(workspace: &Workspace, sql: &str, args: &[&str]) -> support::Finished {
    workspace.pixmill(&[&["plot", "-c", sql], args].concat())
}

/// What is told of a plot that was drawn, without sizes and seconds.
fn told(workspace: &Workspace, sql: &str, args: &[&str]) -> String {
    let finished = plot(workspace, sql, args);
    let stderr = finished.stderr.clone();
    assert_eq!(finished.success(), "");
    stderr
}

fn picture(workspace: &Workspace, name: &str) -> RgbImage {
    image::open(workspace.path(name)).expect("a PNG").into_rgb8()
}

/// The text of every element, each of which ends where it should.
fn assert_well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("the end of a tag");
        rest = after;
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes of <{tag}>");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.starts_with('!') {
            let name = tag.split([' ', '\n']).next().expect("a name");
            // Elements of pages that have no end.
            if !["meta", "img"].contains(&name) {
                open.push(name);
            }
            if name == "script" || name == "style" {
                let end = rest.find("</").expect("the end of a script");
                rest = &rest[end..];
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_small_plot_is_an_svg_with_axes_points_a_legend_and_what_was_left_out() {
    let workspace = Workspace::new();
    let stderr = told(
        &workspace,
        SIX,
        &["--out", "six.svg", "--title", "Six", "--x-title", "n", "--width", "400", "--height", "300"],
    );
    let (note, wrote) = stderr.split_once('\n').expect("two lines");
    assert_eq!(note, "left out 2 rows: x or y is NULL, NaN, infinite or above 1e300 in size");
    assert!(wrote.starts_with("wrote 4 points, 3 classes, ") && wrote.contains(" to six.svg in "), "{wrote}");
    let svg = workspace.read("six.svg");
    assert_well_formed(&svg);
    let (start, rest) = svg.split_once("<style>").expect("a style");
    let (style, rest) = rest.split_once("</style>").expect("its end");
    assert!(
        style.contains("prefers-color-scheme: dark")
            && style.contains("svg [fill=\"#1F6FB5\"] { fill: var(--series-1) }")
    );
    insta::assert_snapshot!(format!("{start}<style></style>{rest}"));
}

#[test]
fn a_chosen_theme_is_kept_whoever_looks_at_it() {
    let workspace = Workspace::new();
    told(&workspace, SIX, &["--out", "dark.svg", "--theme", "dark"]);
    let svg = workspace.read("dark.svg");
    assert!(
        !svg.contains("prefers-color-scheme") && svg.contains("fill=\"#15181D\"") && svg.contains("fill=\"#6CB4F0\"")
    );
    for (theme, paper) in [("dark", [0x15, 0x18, 0x1D]), ("light", [255; 3])] {
        told(&workspace, SIX, &["--out", "six.png", "--theme", theme, "--width", "300", "--height", "200"]);
        let picture = picture(&workspace, "six.png");
        assert_eq!((picture.dimensions(), *picture.get_pixel(2, 2)), ((300, 200), Rgb(paper)));
    }
}

#[test]
fn texts_are_never_markup() {
    let workspace = Workspace::new();
    let evil = "</title><script>alert(1)</script>&\"''";
    let sql = format!("SELECT 1 AS x, 2 AS y, '{evil}' AS color, '{evil}' || chr(0) || chr(65535) || chr(10) AS label");
    for name in ["evil.svg", "evil.html"] {
        told(&workspace, &sql, &["--out", name, "--title", evil, "--y-title", evil]);
        let text = workspace.read(name);
        assert_well_formed(&text);
        assert!(!text.contains("<script>alert") && !text.contains('\0') && !text.contains('\u{ffff}'), "{name}");
        assert!(text.contains("&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;"), "{name}");
    }
}

#[test]
fn a_page_asks_for_nothing_and_shows_each_image_once() {
    let workspace = Workspace::with_photos(6, 2);
    workspace.write("photos/daisy/broken.jpg", b"hello");
    let images =
        "SELECT length AS x, class AS y, label AS color, path AS label, path AS image FROM read_images('photos')";
    let twice = format!(
        "{images} UNION ALL {images} UNION ALL SELECT 1, 1, 'none', NULL, NULL UNION ALL SELECT 2, 2, 'none', NULL, 'no.jpg'"
    );
    let stderr = told(&workspace, &twice, &["--out", "photos.html"]);
    assert!(stderr.contains("broken: 2 images, the first because: "), "{stderr}");
    assert!(stderr.contains("wrote 16 points, 3 classes, 6 thumbnails, "), "{stderr}");
    let page = workspace.read("photos.html");
    assert_well_formed(&page);
    for asking in ["http:", "https:", "url(", "src=", "@import"] {
        assert!(!page.contains(asking), "{asking}");
    }
    assert_eq!((page.matches("data:image/").count(), page.matches("data-picture=").count()), (6, 12));
    let bytes = images.replace("path AS image", "content AS image");
    assert!(told(&workspace, &bytes, &["--out", "photos.html"]).contains(", 6 thumbnails, "));
    let decoded = images.replace("path AS image", "image_decode(content) AS image");
    assert!(told(&workspace, &decoded, &["--out", "photos.html"]).contains(", 6 thumbnails, "));
}

#[test]
fn images_are_read_within_the_allow_list_alone() {
    let workspace = Workspace::with_photos(2, 1);
    workspace.write("elsewhere/nothing", b"");
    let sql = "SELECT 1 AS x, 1 AS y, 'photos/daisy/000000.jpg' AS image";
    let stderr = told(&workspace, sql, &["--out", "one.html", "--allow", "elsewhere"]);
    assert!(stderr.contains("broken: 1 image, the first because: cannot read 'photos/daisy/000000.jpg': "), "{stderr}");
    assert!(!workspace.read("one.html").contains("data:image/"));
}

/// A point of each class, with a name too long to be shown.
const CLASSES: &str = "SELECT i % 12 AS x, i / 12 AS y, 'class ' || lpad(CAST(i AS VARCHAR), 3, '0') || repeat(' of many', 5) AS color \
                       FROM generate_series(0, 130) AS t(i)";

#[test]
fn the_legend_of_131_classes_names_each() {
    let workspace = Workspace::new();
    assert!(told(&workspace, CLASSES, &["--out", "many.svg"]).contains("wrote 131 points, 131 classes, "));
    let svg = workspace.read("many.svg");
    let keys: Vec<&str> = svg.split("<g class=\"key\">").skip(1).collect();
    assert_eq!(keys.len(), 131);
    assert!(keys[7].contains(">class 007\u{2026}") || keys[7].contains("\u{2026}"), "{}", keys[7]);
    let mark = |key: &&str| {
        let (_, path) = key.split_once(" d=\"").expect("a path");
        let (path, rest) = path.split_once('"').expect("its end");
        let (_, fill) = rest.split_once("fill=\"#").expect("a colour");
        format!("{path} {}", &fill[..6])
    };
    let marks: std::collections::HashSet<String> = keys.iter().map(mark).collect();
    assert_eq!(marks.len(), 131);
    told(&workspace, CLASSES, &["--out", "many.png"]);
    let (width, height) = picture(&workspace, "many.png").dimensions();
    assert!(width == 1000 && height > 1000, "{width}x{height}");
}

#[test]
fn numbers_are_a_scale_and_points_without_one_are_grey() {
    let workspace = Workspace::new();
    let sql = "SELECT i AS x, i AS y, CASE WHEN i < 9 THEN i / 4.0 END AS color FROM generate_series(0, 9) AS t(i)";
    let stderr = told(&workspace, sql, &["--out", "scale.svg"]);
    assert!(stderr.starts_with("grey: 1 point whose color is NULL or no finite number\nwrote 10 points, "), "{stderr}");
    let svg = workspace.read("scale.svg");
    assert!(svg.contains("--step-32: ") && svg.contains(">2.0</text>") && svg.contains("<title>0.25</title>"));
}

#[test]
fn of_many_points_an_svg_shows_a_sample_and_a_png_all() {
    let workspace = Workspace::new();
    let sql = "SELECT i AS x, i * i % 1009 AS y FROM generate_series(1, 100000) AS t(i)";
    let stderr = told(&workspace, sql, &["--out", "many.svg"]);
    assert!(stderr.starts_with("drawn: a sample of 20,000 points of 100,000 points; a PNG shows all\n"), "{stderr}");
    let svg = workspace.read("many.svg");
    assert_eq!(svg.matches("<use ").count(), 20_000);
    assert!(svg.contains(">drawn: a sample of 20,000 points"));
    assert!(told(&workspace, sql, &["--out", "many.png"]).starts_with("wrote 100,000 points, "));
}

#[test]
fn every_number_has_its_place() {
    let workspace = Workspace::new();
    for values in ["(7, 7)", "(0, 0), (0, 0)", "(-1e300, 1e300), (1e300, -1e300)", "(1e-300, 1e15), (2e-300, 1e15 + 2)"]
    {
        told(
            &workspace,
            &format!("SELECT * FROM (VALUES {values}) AS t(x, y)"),
            &["--out", "odd.svg", "--width", "200", "--height", "150"],
        );
        let svg = workspace.read("odd.svg");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values}");
        told(&workspace, &format!("SELECT [x, y] AS xy FROM (VALUES {values}) AS t(x, y)"), &["--out", "odd.png"]);
    }
}

#[test]
fn statements_come_from_files_and_pipes_too() {
    let workspace = Workspace::new();
    workspace.write("six.sql", format!("CREATE VIEW six AS {SIX};\nSELECT * FROM six;").as_bytes());
    assert_eq!(workspace.pixmill(&["plot", "six.sql", "--out", "six.svg"]).success(), "");
    let (from_file, direct) = (workspace.read("six.svg"), told(&workspace, SIX, &["--out", "six.svg"]));
    assert!(from_file == workspace.read("six.svg"), "{direct}");
}

#[test]
fn a_terminal_shows_points_and_their_classes() {
    let workspace = Workspace::new();
    let finished = plot(&workspace, SIX, &["--graphics", "blocks"]);
    assert_eq!(
        finished.stderr,
        "left out 2 rows: x or y is NULL, NaN, infinite or above 1e300 in size\n4 points, 3 classes\n"
    );
    let shown = finished.success();
    assert!(
        shown.contains('▀') && shown.contains("x 0 to 4.00, y \u{2212}1.00 to 2.00\n") && shown.contains("NULL 1"),
        "{shown}"
    );
    for (graphics, sequence) in [("kitty", "\x1b_G"), ("iterm2", "\x1b]1337;"), ("sixel", "\x1bP")] {
        assert!(plot(&workspace, SIX, &["--graphics", graphics]).success().contains(sequence), "{graphics}");
    }
}

#[test]
fn what_cant_be_drawn_is_told() {
    let workspace = Workspace::new();
    let failed = |sql: &str, args: &[&str], code| plot(&workspace, sql, args).failure(code);
    let out = ["--out", "a.svg"];
    let no_points = failed("SELECT 1 AS x, 2 AS y WHERE false", &out, 1);
    assert_eq!(no_points, "error: nothing to draw: the query has no rows\n");
    let nowhere = failed("SELECT 1 AS x, NULL AS y", &out, 1);
    assert!(
        nowhere.starts_with("error: nothing to draw: of 1 row none has a place, because x or y is NULL"),
        "{nowhere}"
    );
    let unnamed = failed("SELECT 1 AS lat, 2 AS lon", &out, 2);
    assert!(
        unnamed
            .starts_with("error: a plot needs the columns x and y, or xy, a list of two numbers, or for a confusion matrix label, predicted and rows: the columns are lat")
    );
    assert!(
        failed("SET pixmill.resume = true", &out, 2).starts_with("error: only the rows of a query are drawn, got SET")
    );
    assert!(failed("SELECT oops", &out, 2).contains("oops"));
    assert_eq!(
        failed(SIX, &["--out", "a.gif"], 2),
        "error: a plot's file must end in .svg, .png or .html, got 'a.gif'\n"
    );
    assert!(failed(SIX, &["--out", "none/a.svg"], 2).contains("there is no directory 'none'"));
    assert!(
        failed(SIX, &[], 2).contains("no terminal that shows pictures; give --out FILE.svg, FILE.png or FILE.html")
    );
    assert!(failed("", &out, 2).contains("there is nothing to draw"));
    assert_eq!(workspace.names(""), Vec::<String>::new());
}

/// Three classes, of whose nine cells six have rows, and one row without a class.
const MATRIX: &str = "SELECT * FROM (VALUES ('a', 'a', 8), ('a', 'b', 2), ('b', 'b', 1200), ('b', 'c', 0), ('c', 'a', 1), ('c', 'c', 3), \
                      (NULL, 'a', 1)) AS t(label, predicted, rows)";

#[test]
fn rows_of_label_predicted_and_rows_are_a_confusion_matrix() {
    let workspace = Workspace::new();
    let args = ["--out", "matrix.svg", "--title", "Three classes", "--width", "400", "--height", "300"];
    let stderr = told(&workspace, MATRIX, &args);
    let (note, wrote) = stderr.split_once('\n').expect("two lines");
    assert_eq!(note, "left out 1 row: label, predicted or rows is NULL");
    assert!(wrote.starts_with("wrote 3 classes, 1,214 rows, 99.8 % of them right, "), "{wrote}");
    let svg = workspace.read("matrix.svg");
    assert_well_formed(&svg);
    let (start, rest) = svg.split_once("<style>").expect("a style");
    let (_, rest) = rest.split_once("</style>").expect("its end");
    insta::assert_snapshot!(format!("{start}<style></style>{rest}"));
}

#[test]
fn a_model_is_evaluated_into_a_picture_of_every_kind() {
    let workspace = Workspace::new();
    let sql = "CREATE TABLE t AS SELECT value % 12 AS label, value % 12 + (value * 7 % 11) / 5.0 AS x FROM generate_series(1, 600); \
               CREATE MODEL m USING logistic_regression(label => label, l2 => 1) AS SELECT * FROM t; \
               EVALUATE MODEL m CONFUSION AS SELECT * FROM t";
    for out in ["m.svg", "m.html", "m.png"] {
        let told = told(&workspace, sql, &["--out", out, "--width", "300", "--height", "300"]);
        assert!(told.contains("12 classes, 600 rows, "), "{told}");
    }
    // Numbers are in their order, and names that are wider than their cells stand upright.
    let svg = workspace.read("m.svg");
    let names: Vec<&str> = svg
        .split("rotate(-90")
        .skip(1)
        .map(|rest| {
            let (_, text) = rest.split_once('>').expect("the end of a tag");
            text.split_once('<').expect("the end of a text").0
        })
        .collect();
    assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
    assert_well_formed(&workspace.read("m.html"));
    let picture = picture(&workspace, "m.png");
    let (width, height) = picture.dimensions();
    assert_eq!(width, 300);
    // Of the cells on the diagonal there is something to see: no cell of it has the colour of one without rows.
    let nothing = Rgb([0xE2, 0xE5, 0xEA]);
    assert!(picture.pixels().any(|pixel| *pixel == nothing));
    assert!(*picture.get_pixel(width - 20, height - 20) != nothing);
    let blocks = plot(&workspace, sql, &["--graphics", "blocks"]).success();
    assert_eq!(blocks.lines().count(), 13, "{blocks}");
}

#[test]
fn what_is_no_confusion_matrix_is_told() {
    let workspace = Workspace::new();
    let failed = |sql: &str, code: i32| plot(&workspace, sql, &["--out", "m.svg"]).failure(code);
    let text = failed("SELECT 'a' AS label, 'a' AS predicted, 'x' AS rows", 2);
    assert!(text.starts_with("error: column 'rows' of a confusion matrix must be whole numbers, got Utf8"), "{text}");
    let below = failed("SELECT 'a' AS label, 'a' AS predicted, -1 AS rows", 1);
    assert!(
        below.starts_with("error: column 'rows' of a confusion matrix must be numbers from 0 to 1e15, got -1"),
        "{below}"
    );
    let large = failed("SELECT 'a' AS label, 'a' AS predicted, arrow_cast(18446744073709551615, 'UInt64') AS rows", 1);
    assert!(large.contains("must be numbers from 0 to 1e15, got 9223372036854775807"), "{large}");
    let none = failed("SELECT 'a' AS label, 'a' AS predicted, 1 AS rows WHERE false", 1);
    assert!(none.starts_with("error: nothing to draw: the query has no rows with a class"), "{none}");
    let many = failed("SELECT value AS label, value AS predicted, 1 AS rows FROM generate_series(1, 101)", 1);
    assert!(many.starts_with("error: a confusion matrix is drawn of up to 100 classes, got 101"), "{many}");
    // What has places is drawn as points.
    let points =
        told(&workspace, "SELECT 1 AS x, 2 AS y, 'a' AS label, 'a' AS predicted, 1 AS rows", &["--out", "m.svg"]);
    assert!(points.starts_with("wrote 1 point, "), "{points}");
}
