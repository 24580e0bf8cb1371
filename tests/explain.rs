//! What `EXPLAIN ANALYZE` tells about images.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use support::Workspace;

/// The lines of a plan with metrics that are about a kind of node, the uppermost first.
fn analyzed(workspace: &Workspace, query: &str, node: &str) -> Vec<String> {
    let plan = workspace.sql(&format!("EXPLAIN ANALYZE {query}")).success();
    let lines: Vec<String> = plan.lines().filter(|line| line.contains(node)).map(str::to_string).collect();
    assert!(!lines.is_empty(), "{plan}");
    lines
}

/// The value of a metric, as it is written.
fn metric<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, metrics) = line.split_once("metrics=[")?;
    let (metrics, _) = metrics.split_once(']')?;
    metrics.split(", ").find_map(|metric| metric.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn a_copy_is_run_and_measured() {
    let workspace = Workspace::with_photos(20, 3);
    workspace.write("photos/roses/broken.jpg", b"hello");
    let copy = "COPY (SELECT image_encode(image_resize(image_decode(content), 16, 16)) AS image, class \
                FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 2)";
    let plan = workspace.sql(&format!("EXPLAIN ANALYZE {copy}")).success();
    let line = |node: &str| plan.lines().find(|line| line.contains(node)).expect("a node");
    let work = line("ImageWorkExec");
    assert_eq!(metric(work, "images_decoded"), Some("20"));
    assert_eq!(metric(work, "images_encoded"), Some("20"));
    for name in ["decode_time", "resize_time", "encode_time"] {
        assert!(metric(work, name).is_some(), "{name}: {work}");
    }
    assert_eq!(metric(line("ShardSinkExec"), "records_written"), Some("20"));
    let load = line("LoadContentExec");
    assert_eq!(metric(load, "files_read"), Some("21"));
    assert!(metric(load, "bytes_read").is_some() && metric(load, "read_time").is_some(), "{load}");
    assert_eq!(workspace.names("out"), ["_manifest.json", "_rejects.csv", "shard00-11.tfrec", "shard01-9.tfrec"]);
}

#[test]
fn a_copy_that_is_measured_replaces_nothing_that_it_reads() {
    let workspace = Workspace::with_photos(4, 2);
    workspace.sql("COPY (SELECT class FROM read_images('photos')) TO 'out' STORED AS TFRECORD").success();
    let before = workspace.files("out");
    let copy = "COPY (SELECT class FROM read_tfrecord('out')) TO 'out' STORED AS TFRECORD OPTIONS (overwrite true)";
    let message = workspace.sql(&format!("EXPLAIN ANALYZE {copy}")).failure(2);
    assert!(message.contains("it would be replaced before it is read"), "{message}");
    assert_eq!(workspace.files("out"), before);
}

#[test]
fn what_isnt_done_has_no_time() {
    let workspace = Workspace::with_photos(20, 3);
    let query = "SELECT image_decode(content)['width'] AS width FROM read_images('photos')";
    let work = analyzed(&workspace, query, "ImageWorkExec");
    assert_eq!(work.len(), 1);
    assert_eq!(metric(&work[0], "images_decoded"), Some("20"));
    assert_eq!(metric(&work[0], "images_encoded"), Some("0"));
    assert!(metric(&work[0], "decode_time").is_some());
    assert_eq!(metric(&work[0], "resize_time").or(metric(&work[0], "encode_time")), None);
}

#[test]
fn how_much_was_decoded_of_what_is_told() {
    let workspace = Workspace::with_photos(20, 3);
    for (of, is_less) in [
        ("image_decode(content)", false),
        ("image_resize(image_decode(content), 8, 8, filter => 'bicubic')", false),
        ("image_resize(image_decode(content), 8, 3, fit => 'cover', filter => 'bicubic')", true),
        ("image_resize(image_decode(content), 8, 3, fit => 'cover', antialias => false)", true),
        ("image_resize(image_decode(content), 8, 8, filter => 'area')", true),
        ("image_center_crop(image_decode(content), 20, 20)", true),
    ] {
        let query = format!("SELECT octet_length({of}['data']) FROM read_images('photos')");
        let work = analyzed(&workspace, &query, "ImageWorkExec").remove(0);
        let [in_files, decoded] =
            ["pixels_in_files", "pixels_decoded"].map(|name| metric(&work, name).expect("a count"));
        assert_eq!(in_files != decoded, is_less, "{of}: {work}");
    }
}

#[test]
fn each_node_has_its_own_work() {
    let workspace = Workspace::with_photos(20, 3);
    workspace.write("photos/roses/broken.jpg", b"\x89PNG\r\n\x1a\n");
    let query = "SELECT image_resize(image_decode(content), 8, 8) FROM read_images('photos') \
                 WHERE image_error(content) IS NULL AND label <> 'daisy'";
    let work = analyzed(&workspace, query, "ImageWorkExec");
    let decoded: Vec<_> = work.iter().map(|line| metric(line, "images_decoded")).collect();
    assert_eq!(decoded, [Some("13"), Some("13")]);
    assert!(metric(&work[0], "resize_time").is_some());
    assert_eq!(metric(&work[1], "resize_time"), None);
}

#[test]
fn groups_by_pixels_are_measured() {
    let workspace = Workspace::with_photos(20, 3);
    let query = "SELECT image_resize(image_decode(content), 1, 1)['data'] AS colour, count(*) \
                 FROM read_images('photos') GROUP BY colour";
    let work = analyzed(&workspace, query, "ImageWorkExec");
    assert_eq!(work.iter().map(|line| metric(line, "images_decoded")).collect::<Vec<_>>(), [Some("20")]);
}

#[test]
fn sources_of_records_tell_bytes_and_time() {
    let workspace = Workspace::with_photos(4, 2);
    workspace.write("cifar/data_batch_1.bin", &[3; 3073 * 2]);
    workspace.sql("COPY (SELECT class FROM read_images('photos')) TO 'out' STORED AS TFRECORD").success();
    workspace.sql("COPY (SELECT class AS cls FROM read_images('photos')) TO 'wds' STORED AS WEBDATASET").success();
    for (query, node) in [
        ("SELECT class FROM read_tfrecord('out')", "ReadRecordsExec"),
        ("SELECT cls FROM read_webdataset('wds')", "ReadSamplesExec"),
        ("SELECT image FROM read_cifar10('cifar')", "Cifar10Exec"),
    ] {
        let line = analyzed(&workspace, query, node).remove(0);
        assert!(metric(&line, "bytes_read").is_some() && metric(&line, "read_time").is_some(), "{line}");
    }
}
