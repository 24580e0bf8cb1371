//! What `pixmill contact-sheet` draws: pictures, pages, and what it says about them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;

use image::RgbImage;
use support::Workspace;

fn picture(workspace: &Workspace, name: &str) -> RgbImage {
    image::open(workspace.path(name)).expect("a PNG").into_rgb8()
}

/// The page with its style and its images left out: what is in them has tests of its own.
fn structure(page: &str) -> String {
    let (start, rest) = page.split_once("<style>").expect("a style");
    let (_, rest) = rest.split_once("</style>").expect("its end");
    let mut text = format!("{start}<style></style>");
    for (index, part) in rest.split(";base64,").enumerate() {
        let part = if index == 0 { part } else { part.split_once('"').expect("the end of an image").1 };
        text.push_str(part);
        if rest.split(";base64,").nth(index + 1).is_some() {
            text.push_str(";base64,...\"");
        }
    }
    text
}

const PINK: image::Rgb<u8> = image::Rgb([253, 235, 233]);

#[test]
fn a_folder_becomes_a_picture_of_a_sample() {
    let workspace = Workspace::with_photos(30, 3);
    let args = ["contact-sheet", "photos", "--out", "sheet.png", "--rows", "2", "--columns", "4", "--size", "64"];
    let finished = workspace.pixmill(&args);
    assert!(finished.stderr.starts_with("wrote 8 of 30 images, 3 labels, seed 42, "), "{}", finished.stderr);
    let picture = picture(&workspace, "sheet.png");
    // Margins of 16, cells of 64 with 14 between them, at least 480 wide; captions of 40, a head of 46.
    assert_eq!(picture.dimensions(), (480, 32 + 46 + 2 * (64 + 40 + 14) - 14));
    // Photos of 64x48 stand in the middle of their boxes.
    let boxes = image::Rgb([241, 242, 244]);
    assert_eq!([*picture.get_pixel(16, 62), *picture.get_pixel(16, 69)], [boxes; 2]);
    assert_ne!(*picture.get_pixel(16, 70), boxes);
    assert_eq!(workspace.names("").iter().filter(|name| name.starts_with("sheet")).count(), 1);
}

#[test]
fn the_same_seed_draws_the_same_bytes_and_another_one_others() {
    let workspace = Workspace::with_photos(30, 3);
    workspace.sql(TO_SHARDS).success();
    for source in ["photos/**/*.jpg", "out"] {
        for (name, seed, threads) in [("a.png", "1", "1"), ("b.png", "1", "2"), ("c.png", "2", "2")] {
            let args = ["contact-sheet", source, "--out", name, "--rows", "1", "--seed", seed, "--threads", threads];
            workspace.pixmill(&args).success();
        }
        let [a, b, c] = ["a.png", "b.png", "c.png"].map(|name| fs::read(workspace.path(name)).expect("a picture"));
        assert!(a == b && a != c, "{source}");
    }
}

const TO_SHARDS: &str = "COPY (SELECT image_encode(image_decode(content), 'png') AS image, class FROM read_images('photos', \
                         shuffle_seed => 1)) TO 'out' STORED AS TFRECORD OPTIONS (shards 4)";

#[test]
fn a_broken_image_is_a_marked_cell_with_its_reason() {
    let workspace = Workspace::with_photos(2, 1);
    workspace.write("photos/daisy/0.jpg", b"hello");
    let args = ["contact-sheet", "photos", "--columns", "3", "--out"];
    let png = workspace.pixmill(&[&args[..], &["sheet.png"]].concat());
    let html = workspace.pixmill(&[&args[..], &["sheet.html"]].concat());
    for finished in [png, html] {
        let (first, second) = finished.stderr.split_once('\n').expect("two lines");
        assert_eq!(
            first,
            "broken: photos/daisy/0.jpg: not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image (starts with 68 65 6c 6c)"
        );
        assert!(second.starts_with("wrote 3 images, 1 label, 1 broken, "), "{second}");
    }
    let picture = picture(&workspace, "sheet.png");
    assert_eq!(*picture.get_pixel(18, 63), PINK);
    assert_ne!(*picture.get_pixel(16 + 174 + 2, 63), PINK);
    let page = workspace.read("sheet.html");
    assert!(page.contains("<figure class=\"broken\" title=\"photos/daisy/0.jpg&#10;5 B&#10;not a jpeg,"));
}

#[test]
fn files_beside_the_sheet_stay_as_they_are() {
    let workspace = Workspace::with_photos(2, 1);
    for name in ["sheet.png.tmp", ".sheet.png.tmp", "sheet.tmp"] {
        workspace.write(&format!("sheets/{name}"), b"mine");
    }
    workspace.pixmill(&["contact-sheet", "photos", "--out", "sheets/sheet.png"]).success();
    assert_eq!(workspace.names("sheets"), [".sheet.png.tmp", "sheet.png", "sheet.png.tmp", "sheet.tmp"]);
    for name in ["sheet.png.tmp", ".sheet.png.tmp", "sheet.tmp"] {
        assert_eq!(workspace.read(&format!("sheets/{name}")), "mine");
    }
}

#[test]
fn a_page_is_one_file_with_escaped_labels() {
    let workspace = Workspace::with_photos(2, 1);
    fs::rename(workspace.path("photos/daisy"), workspace.path("photos/<script>alert(1)<")).expect("renamed");
    workspace.write("photos/タンポポ/1.jpg", &fs::read(first_photo(&workspace)).expect("a photo"));
    workspace.pixmill(&["contact-sheet", "photos", "--out", "sheet.html", "--size", "64"]).success();
    let page = structure(&workspace.read("sheet.html"));
    insta::assert_snapshot!(page);
}

/// A photo, whatever its folder is called by now.
fn first_photo(workspace: &Workspace) -> std::path::PathBuf {
    let names = workspace.names("photos");
    workspace.path("photos").join(names.first().expect("a photo"))
}

#[test]
fn shards_show_the_names_of_their_classes() {
    let workspace = Workspace::with_photos(12, 3);
    workspace.sql(TO_SHARDS).success();
    for source in ["out", "out/*.tfrec"] {
        let finished =
            workspace.pixmill(&["contact-sheet", source, "--out", "sheet.html", "--columns", "5", "--rows", "1"]);
        assert!(finished.stderr.starts_with("wrote 5 of 12 images, 3 labels, seed 42, "), "{}", finished.stderr);
        let page = workspace.read("sheet.html");
        for label in ["daisy", "dandelion", "roses"] {
            assert!(page.contains(&format!("<li>{label} <b>4</b></li>")), "{source}: {label}");
        }
    }
}

#[test]
fn parquet_files_are_shards_too() {
    let workspace = Workspace::with_photos(6, 2);
    let sql = "COPY (SELECT named_struct('bytes', content, 'path', path) AS image, label FROM read_images('photos')) \
               TO 'parquet/train.parquet' STORED AS PARQUET";
    workspace.sql(sql).success();
    let finished = workspace.pixmill(&["contact-sheet", "parquet", "--out", "sheet.html"]);
    assert!(finished.stderr.starts_with("wrote 6 images, 2 labels, "), "{}", finished.stderr);
    assert!(workspace.read("sheet.html").contains("title=\"photos/daisy/000000.jpg&#10;64\u{d7}48"));
}

#[test]
fn tar_files_are_shards_too() {
    let workspace = Workspace::with_photos(12, 3);
    let copy = |columns: &str, to: &str| {
        let images = "read_images('photos')";
        workspace
            .sql(&format!("COPY (SELECT {columns} FROM {images}) TO '{to}' STORED AS WEBDATASET OPTIONS (shards 2)"))
            .success();
    };
    copy("path AS __key__, content AS jpg, class AS cls", "wds");
    let sheet = |source: &str, args: &[&str]| {
        let args = [&["contact-sheet", source, "--out", "sheet.html", "--columns", "5", "--rows", "1"], args].concat();
        (workspace.pixmill(&args), workspace.read("sheet.html"))
    };
    let (finished, page) = sheet("wds", &[]);
    assert!(finished.stderr.starts_with("wrote 5 of 12 images, 3 labels, seed 42, "), "{}", finished.stderr);
    for label in ["daisy", "dandelion", "roses"] {
        assert!(page.contains(&format!("<li>{label} <b>4</b></li>")), "{label}");
    }
    assert!(page.contains("&#10;64\u{d7}48"), "{page}");
    assert_eq!(sheet("wds/*.tar", &["--threads", "1"]).1.replace("wds/*.tar", "wds"), page);
    copy("path AS __key__, content AS \"left.jpg\", content AS \"right.jpg\", label AS txt", "pairs");
    let (finished, page) = sheet("pairs", &["--image", "right.jpg", "--label", "txt"]);
    assert!(finished.stderr.starts_with("wrote 5 of 12 images, 3 labels, seed 42, "), "{}", finished.stderr);
    assert!(page.contains("<li>roses <b>4</b></li>"));
    let message = workspace.pixmill(&["contact-sheet", "pairs", "--out", "x.png", "--image", "png"]).failure(2);
    assert_eq!(message, "error: no sample of 'pairs' has a member 'png'\n");
}

#[test]
fn a_query_gives_images_or_files_and_keeps_its_order() {
    let workspace = Workspace::with_photos(6, 2);
    let captions = |query: &str| {
        workspace.pixmill(&["contact-sheet", "--query", query, "--out", "sheet.html"]).success();
        let page = workspace.read("sheet.html");
        let captions = page.split("<figcaption><span>").skip(1);
        captions.map(|rest| rest.split('<').next().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    let images = "SELECT image_decode(content) AS thing, label FROM read_images('photos') ORDER BY path DESC LIMIT 4;";
    assert_eq!(captions(images), ["dandelion", "dandelion", "dandelion", "daisy"]);
    let files = "CREATE EXTERNAL TABLE p STORED AS IMAGES LOCATION 'photos'; SELECT label, content AS x FROM p LIMIT 1";
    assert_eq!(captions(files), ["daisy"]);
    assert_eq!(captions("SELECT NULL::BYTEA AS image, 'none' AS label"), ["none"]);
}

#[test]
fn what_cant_be_drawn_is_refused_before_anything_is_read() {
    let workspace = Workspace::with_photos(2, 1);
    workspace
        .sql("COPY (SELECT path AS __key__, label AS cls FROM read_images('photos')) TO 'texts' STORED AS WEBDATASET")
        .success();
    fs::rename(workspace.path("texts/train-000000.tar"), workspace.path("texts.tar")).expect("renamed");
    let out: [&str; 2] = ["--out", "sheet.png"];
    let cases: [(&[&str], &str); 9] = [
        (&["photos", "--out", "sheet.jpg"], "--out must end in .png or .html, got 'sheet.jpg'"),
        (&["photos", "--out", "no/sheet.png"], "cannot write 'no/sheet.png': there is no directory 'no'"),
        (&["nowhere", out[0], out[1]], "nothing at 'nowhere': no such file or directory"),
        (&["texts.tar", out[0], out[1]], "no sample of 'texts.tar' has an image; name its extension with --image EXT"),
        (&["photos", out[0], out[1], "--image", "content"], "--image names a column of shards or of a query"),
        (
            &["photos", out[0], out[1], "--rows", "1000", "--columns", "1000"],
            "1000 rows and 1000 columns of 160 pixels make a picture of 174018x214064; the most is 268435456 pixels",
        ),
        (
            &["--query", "SELECT 1 AS n, X'00' AS b", out[0], out[1]],
            "no column holds images: the columns are n (Int64), b (Binary); name one with --image COLUMN",
        ),
        (
            &["--query", "SELECT 1 AS n", out[0], out[1], "--image", "m"],
            "there is no column 'm'; the columns are n (Int64)",
        ),
        (&["--query", "SET pixmill.batch_bytes = 1", out[0], out[1]], "--query must end in a SELECT, got SET "),
    ];
    for (args, expected) in cases {
        let message = workspace.pixmill(&[&["contact-sheet"], args].concat()).failure(2);
        assert!(message.starts_with("error: ") && message.contains(expected), "{args:?}: {message}");
    }
    assert!(!workspace.path("sheet.png").exists());
    let message = workspace.pixmill(&["contact-sheet", out[0], out[1]]).failure(2);
    assert!(message.contains("<SOURCE>"), "{message}");
    let none = "SELECT content FROM read_images('photos') WHERE label = 'x'";
    let message = workspace.pixmill(&["contact-sheet", "--query", none, out[0], out[1]]).failure(1);
    assert!(message.contains("no images to show: "), "{message}");
}

#[test]
fn without_a_file_the_images_are_shown_where_there_is_a_terminal_or_where_it_is_asked_for() {
    let workspace = Workspace::with_photos(4, 2);
    workspace.write("photos/roses/broken.jpg", b"hello");
    let message = workspace.pixmill(&["contact-sheet", "photos"]).failure(2);
    assert!(
        message.contains("no terminal that shows pictures; give --out FILE.png or FILE.html, or --graphics"),
        "{message}"
    );
    let shown =
        |graphics: &str| workspace.pixmill(&["contact-sheet", "photos", "--columns", "3", "--graphics", graphics]);
    let finished = shown("kitty");
    assert!(finished.stderr.contains("5 images, 3 labels, 1 broken"), "{}", finished.stderr);
    // Two rows of the grid.
    assert_eq!(finished.success().matches("\x1b_Ga=T,f=100,").count(), 2);
    assert_eq!(shown("iterm2").success().matches("\x1b]1337;File=inline=1;").count(), 2);
    assert_eq!(shown("sixel").success().matches("\x1bP").count(), 2);
    let blocks = shown("blocks").success();
    assert!(blocks.contains('▀') && blocks.contains("daisy") && blocks.contains("not a jpeg"), "{blocks}");
}
