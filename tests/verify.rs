//! What `pixmill verify` finds: shards are damaged one byte at a time, and each fault names its place.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use pixmill::format::tfrecord::{BytesList, Example, Feature, Features, FloatList, Int64List, Values, masked_crc32c};
use prost::Message;
use support::{Finished, Workspace};

/// A BMP file of one pixel.
fn image(color: u8) -> Vec<u8> {
    let mut file = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
    file.resize(54, 0);
    file.extend([color, 0, 0, 0]);
    file
}

fn bytes(values: &[&[u8]]) -> Values {
    Values::Bytes(BytesList { value: values.iter().map(|value| value.to_vec().into()).collect() })
}

fn int64(value: i64) -> Values {
    Values::Int64(Int64List { value: vec![value] })
}

fn floats(values: &[f32]) -> Values {
    Values::Float(FloatList { value: values.to_vec() })
}

fn example(features: &[(&str, Values)]) -> Vec<u8> {
    let feature = features.iter().cloned().map(|(name, values)| (name.to_string(), Feature { values: Some(values) }));
    Example { features: Some(Features { feature: feature.collect() }) }.encode_to_vec()
}

/// A record with an image and a class.
fn flower(class: u8) -> Vec<u8> {
    record(&example(&[("image", bytes(&[&image(class)])), ("class", int64(i64::from(class)))]))
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc32c(&length).to_le_bytes(), data, &masked_crc32c(data).to_le_bytes()].concat()
}

/// Three records of 107 bytes.
fn shard() -> Vec<u8> {
    (0..3).flat_map(flower).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o444);
        builder.append_data(&mut header, name, *content).expect("a member");
    }
    builder.into_inner().expect("an archive")
}

/// What verify says of one file, in which all images are decoded.
fn verify(name: &str, content: &[u8]) -> Finished {
    let workspace = Workspace::new();
    workspace.write(name, content);
    workspace.pixmill(&["verify", name, "--decode-every", "1"])
}

/// The faults of one file.
fn faults(name: &str, content: &[u8]) -> String {
    faults_of(verify(name, content))
}

/// The lines that tell of faults.
fn faults_of(finished: Finished) -> String {
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    let lines = finished.stdout.lines().filter(|line| line.contains(": ") && !is_finding(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_finding(line: &str) -> bool {
    ["feature ", "images ", "label ", "same image: "].iter().any(|start| line.starts_with(start))
        || line.contains("note: ")
}

fn flipped(at: usize) -> Vec<u8> {
    let mut shard = shard();
    shard[at] ^= 4;
    shard
}

#[test]
fn a_sound_shard_has_no_faults() {
    insta::assert_snapshot!(verify("x.tfrec", &shard()).success(), @"
    shard    format    records  bytes  images  decoded  state
    x.tfrec  tfrecord        3    321       3        3  ok
    feature class: int64_list
    feature image: bytes_list
    images bmp 1x1: 3
    label class 0: 1
    label class 1: 1
    label class 2: 1
    1 shard, 3 records, 321 B, 3 of 3 images decoded, 0 faults
    ");
}

#[test]
fn a_flipped_bit_is_placed_and_the_records_behind_it_are_read() {
    insta::assert_snapshot!(faults("x.tfrec", &flipped(150)), @"x.tfrec: record 1 at byte 107: corrupted record: the checksum of its data is 0cec2db1, it should be 47d5cfb4");
    insta::assert_snapshot!(faults("x.tfrec", &flipped(211)), @"x.tfrec: record 1 at byte 107: corrupted record: the checksum of its data is 0cec29b1, it should be 0cec2db1");
}

#[test]
fn a_flipped_bit_in_a_length_or_its_checksum_costs_the_rest_of_the_file() {
    insta::assert_snapshot!(faults("x.tfrec", &flipped(112)), @"x.tfrec: record 1 at byte 107: corrupted record: the checksum of its length is 8a02011b, it should be 51cd16d6; the last 214 of 321 bytes can't be read as records");
    insta::assert_snapshot!(faults("x.tfrec", &flipped(117)), @"x.tfrec: record 1 at byte 107: corrupted record: the checksum of its length is 8a06011b, it should be 8a02011b; the last 214 of 321 bytes can't be read as records");
    insta::assert_snapshot!(faults("x.tfrec", &gzip(&flipped(112))), @"x.tfrec: record 1 at byte 107: corrupted record: the checksum of its length is 8a02011b, it should be 51cd16d6; the last 214 of 321 uncompressed bytes can't be read as records");
}

#[test]
fn truncation_tells_what_is_missing_and_what_is_lost() {
    insta::assert_snapshot!(faults("x.tfrec", &shard()[..300]), @"x.tfrec: record 2 at byte 214: truncated record: 74 of 91 data bytes; the last 86 of 300 bytes can't be read as records");
    insta::assert_snapshot!(faults("x.tfrec", &shard()[..225]), @"x.tfrec: record 2 at byte 214: truncated record: 11 of 12 header bytes; the last 11 of 225 bytes can't be read as records");
    let compressed = gzip(&shard());
    insta::assert_snapshot!(faults("x.tfrec.gz", &compressed[..compressed.len() - 20]), @"x.tfrec.gz: record 2 at byte 214: cannot be read: incomplete deflate stream; nothing behind it can be read");
}

#[test]
fn a_length_of_two_gigabytes_allocates_nothing() {
    let length = (2_u64 << 30).to_le_bytes();
    let header = [&length[..], &masked_crc32c(&length).to_le_bytes()].concat();
    insta::assert_snapshot!(faults("x.tfrec", &[shard(), header, vec![0; 50]].concat()), @"x.tfrec: record 3 at byte 321: truncated record: 50 of 2147483648 data bytes; the last 62 of 383 bytes can't be read as records");
}

#[test]
fn what_is_no_shard_is_called_what_it_is() {
    insta::assert_snapshot!(faults("x.tfrec", b""), @"x.tfrec: empty file (0 bytes)");
    insta::assert_snapshot!(faults("x.tfrec", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n"), @"x.tfrec: not a TFRecord file: it looks like a git-lfs pointer; fetch the file itself with 'git lfs pull'");
    insta::assert_snapshot!(faults("x.tfrec", b"<!DOCTYPE html><html></html>"), @"x.tfrec: not a TFRecord file: it looks like a page of HTML; download the file again");
    insta::assert_snapshot!(faults("x.tfrec", b"PK\x03\x04 and so on"), @"x.tfrec: not a TFRecord file: it looks like a zip archive; unpack it");
    insta::assert_snapshot!(faults("x.tfrec", &tar(&[("a.jpg", b"x"), ("b.cls", b"1")])), @"
    x.tfrec: its name says TFRecord, it is a tar archive
    x.tfrec: record 0 at byte 0: feature 'jpg': not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image (starts with 78)
    x.tfrec: record 1 at byte 1024: sample 'b' has cls, the first has jpg
    ");
}

#[test]
fn a_gzip_file_of_another_name_is_read_and_noted() {
    let stdout = verify("x.tfrecord", &gzip(&shard())).success();
    let note = "x.tfrecord: note: gzip, which its name doesn't say; TensorFlow reads it with compression_type='GZIP'\n";
    assert!(stdout.contains(note), "{stdout}");
    assert!(stdout.contains("1 shard, 3 records"), "{stdout}");
    let stdout = verify("x.tfrecord.gz", &shard()).success();
    assert!(stdout.contains("x.tfrecord.gz: note: not compressed, whatever its name says\n"), "{stdout}");
}

#[test]
fn a_name_that_says_another_compression_is_noted() {
    let zlib = |bytes: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("compressed");
        encoder.finish().expect("compressed")
    };
    let note = |name: &str, content: &[u8]| {
        let stdout = verify(name, content).success();
        stdout.lines().find_map(|line| Some(line.split_once(": note: ")?.1.to_string())).unwrap_or_default()
    };
    assert_eq!(note("x.tfrec.zlib", &zlib(&shard())), "");
    assert_eq!(note("x.tfrec.zlib", &shard()), "not compressed, whatever its name says");
    let advice = "TensorFlow reads it with compression_type='ZLIB'";
    assert_eq!(note("x.tfrec", &zlib(&shard())), format!("zlib, which its name doesn't say; {advice}"));
    assert_eq!(note("x.tfrec.gz", &zlib(&shard())), format!("zlib, whatever its name says; {advice}"));
    let samples = tar(&[("a.bmp", &image(1))]);
    assert_eq!(note("x.tgz", &gzip(&samples)), "");
    assert_eq!(note("x.tar.gz", &samples), "not compressed, whatever its name says");
    assert_eq!(note("x.tar", &gzip(&samples)), "gzip, which its name doesn't say");
}

#[test]
fn a_name_of_another_format_is_a_fault() {
    let samples = tar(&[("a.bmp", &image(1))]);
    insta::assert_snapshot!(faults("x.parquet", &samples), @"x.parquet: its name says Parquet, it is a tar archive");
    insta::assert_snapshot!(faults("x.tar", &shard()), @"x.tar: its name says tar, it is a TFRecord file");
    insta::assert_snapshot!(faults("x.parquet", &shard()), @"x.parquet: its name says Parquet, it is a TFRecord file");
}

#[test]
fn names_that_lie_are_faults() {
    assert!(verify("x-00004.tfrecord", &shard()).code == 0);
    let workspace = Workspace::new();
    for name in ["in/x00-3.tfrec", "in/x01-4.tfrec", "in/x02-3.tfrec"] {
        workspace.write(name, &shard());
    }
    insta::assert_snapshot!(faults_of(workspace.pixmill(&["verify", "in"])), @"in/x01-4.tfrec: its name says 4 records, it holds 3");
    workspace.write("out/x.tfrecord-00001-of-00003", &shard());
    insta::assert_snapshot!(faults_of(workspace.pixmill(&["verify", "out"])), @"out/x.tfrecord-00000-of-00003: it isn't there, nor 1 more of its series");
    workspace.pixmill(&["verify", "out/x.tfrecord-00001-of-00003"]).success();
}

#[test]
fn numbers_in_names_may_be_others_than_counts() {
    let stdout = verify("photos-2024-11.tfrec", &shard()).success();
    assert!(stdout.contains("photos-2024-11.tfrec: note: its name may say 11 records, it holds 3\n"), "{stdout}");
    let workspace = Workspace::with_photos(6, 2);
    workspace
        .sql(
            "COPY (SELECT content AS image, class FROM read_images('photos')) TO 'out' STORED AS TFRECORD \
             OPTIONS (shards 2, prefix 'cifar10', name_template '{prefix}-{shard}.tfrec')",
        )
        .success();
    let stdout = workspace.pixmill(&["verify", "out"]).success();
    assert!(stdout.contains("out/cifar10-0.tfrec") && !stdout.contains("note: "), "{stdout}");
}

#[test]
fn a_name_of_our_own_that_was_changed_with_its_manifest_is_a_fault() {
    let workspace = Workspace::with_photos(6, 2);
    workspace
        .sql("COPY (SELECT content AS image FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 1)")
        .success();
    let name = workspace.names("out").into_iter().find(|name| name.ends_with("0-6.tfrec")).expect("a shard");
    let other = name.replace("-6", "-7");
    std::fs::rename(workspace.path("out").join(&name), workspace.path("out").join(&other)).expect("renamed");
    let manifest = workspace.read("out/_manifest.json").replace(&name, &other);
    workspace.write("out/_manifest.json", manifest.as_bytes());
    let faults = faults_of(workspace.pixmill(&["verify", "out"]));
    let expected = "its name, by the template '{prefix}{shard:02}-{records}.tfrec', isn't that of 6 records";
    assert!(faults.ends_with(&format!("{other}: {expected}")), "{faults}");
}

/// The faults of a dataset of ours whose manifest is changed.
fn faults_of_changed(format: &str, columns: &str, from: &str, to: &str) -> String {
    let workspace = Workspace::with_photos(6, 2);
    workspace.sql(&format!("COPY (SELECT {columns} FROM read_images('photos')) TO 'out' STORED AS {format}")).success();
    workspace.pixmill(&["verify", "out"]).success();
    let manifest = workspace.read("out/_manifest.json");
    assert!(manifest.contains(from), "{manifest}");
    workspace.write("out/_manifest.json", manifest.replacen(from, to, 1).as_bytes());
    faults_of(workspace.pixmill(&["verify", "out"]))
}

#[test]
fn features_of_all_formats_are_those_of_the_manifest() {
    let [tfrecord, webdataset, parquet] = [
        ("TFRECORD OPTIONS (shards 1)", "content AS image, class"),
        ("WEBDATASET OPTIONS (shards 1)", "path AS __key__, content AS bin, label AS cls"),
        ("PARQUET OPTIONS (huggingface true, shards 1)", "content AS image, class, label AS caption"),
    ];
    let changed = |(format, columns): (&str, &str), from: &str, to: &str| faults_of_changed(format, columns, from, to);
    insta::assert_snapshot!(changed(tfrecord, "\"class\": \"int64_list\"", "\"label\": \"int64_list\""), @"
    out/shard00-6.tfrec: record 0 at byte 0: feature 'class' is not in the manifest
    out/_manifest.json: it lists the feature 'label', which no record has
    ");
    insta::assert_snapshot!(changed(webdataset, "\"cls\": \"text\"", "\"txt\": \"text\""), @"
    out/train-000000.tar: record 0 at byte 4096: feature 'cls' is not in the manifest
    out/_manifest.json: it lists the feature 'txt', which no record has
    ");
    let first = |faults: String| faults.lines().next().unwrap_or_default().to_string();
    insta::assert_snapshot!(first(changed(webdataset, "\"cls\": \"text\"", "\"cls\": \"json\"")), @"out/train-000000.tar: record 0 at byte 4096: member 'cls' is no JSON: expected value at line 1 column 1");
    insta::assert_snapshot!(first(changed(webdataset, "\"bin\": \"bytes\"", "\"bin\": \"text\"")), @"out/train-000000.tar: record 0 at byte 0: member 'bin' is no text, as the manifest says: invalid utf-8 sequence of 1 bytes from index 0");
    insta::assert_snapshot!(changed(parquet, "\"caption\": \"string\"", "\"text\": \"string\""), @"
    out/train-00000-of-00001.parquet: record 0: feature 'caption' is not in the manifest
    out/_manifest.json: it lists the feature 'text', which no record has
    ");
    insta::assert_snapshot!(changed(parquet, "\"caption\": \"string\"", "\"caption\": \"int64\""), @"out/train-00000-of-00001.parquet: record 0: feature 'caption' is Utf8 here, the manifest says int64");
    insta::assert_snapshot!(changed(parquet, "\"class\": \"ClassLabel\"", "\"class\": \"Image\""), @"out/train-00000-of-00001.parquet: record 0: feature 'class' is Int64 here, the manifest says Image");
}

#[test]
fn what_our_sinks_write_has_no_fault() {
    let workspace = Workspace::with_photos(12, 3);
    let cases = [
        (
            "path AS __key__, content AS jpg, class AS cls, named_struct('a', [1, 2]) AS json",
            "WEBDATASET OPTIONS (shards 2)",
        ),
        ("path AS __key__, content AS jpg, label", "WEBDATASET PARTITIONED BY (label)"),
        (
            "content AS image, class, label AS caption, CAST(NULL AS VARCHAR) AS remark, [1.5, 2] AS box",
            "PARQUET OPTIONS (huggingface true)",
        ),
        ("content AS image, class, label", "PARQUET PARTITIONED BY (label) OPTIONS (huggingface true)"),
        (
            "content AS image, class AS label",
            "TFRECORD OPTIONS (name_template 'tfds', prefix 'flowers-train', shards 3)",
        ),
        ("content AS image, class, label", "TFRECORD PARTITIONED BY (label)"),
        ("content AS image, class", "TFRECORD OPTIONS (compression 'gzip', shards 2)"),
        ("content AS image, class", "TFRECORD OPTIONS (compression 'zlib', shards 2)"),
        ("content AS image, class", "TFRECORD OPTIONS (index true, shards 2)"),
        ("content AS image, class", "TFRECORD OPTIONS (name_template 'spark', shards 2)"),
    ];
    for (number, (columns, format)) in cases.into_iter().enumerate() {
        let query = format!("COPY (SELECT {columns} FROM read_images('photos')) TO 'out{number}' STORED AS {format}");
        workspace.sql(&query).success();
        let stdout = workspace.pixmill(&["verify", &format!("out{number}"), "--decode-every", "1"]).success();
        assert!(stdout.contains("12 of 12 images decoded, 0 faults\n"), "{query}: {stdout}");
        assert!(!stdout.contains("note: ") && !stdout.contains("passed over"), "{query}: {stdout}");
    }
}

#[test]
fn an_index_of_another_file_is_a_fault() {
    let workspace = Workspace::new();
    workspace.write("x.tfrec", &shard());
    let verify = |index: &str| {
        workspace.write("x.tfrec.idx", index.as_bytes());
        workspace.pixmill(&["verify", "x.tfrec"])
    };
    verify("0 107\n107 107\n214 107\n").success();
    insta::assert_snapshot!(faults_of(verify("0 107\n107 108\n215 107\n")), @"x.tfrec: record 1 at byte 107: the index 'x.tfrec.idx' isn't this file's: line 2 is '107 108', the record is '107 107'");
    insta::assert_snapshot!(faults_of(verify("0 107\n107 107\n")), @"x.tfrec: record 2 at byte 214: the index 'x.tfrec.idx' isn't this file's: it ends before this record");
    insta::assert_snapshot!(faults_of(verify("0 107\n107 107\n214 107\n321 107\n")), @"x.tfrec: the index 'x.tfrec.idx' isn't this file's: it goes on with '321 107' behind the last record");
    insta::assert_snapshot!(faults_of(verify("hello")), @"x.tfrec: record 0 at byte 0: the index 'x.tfrec.idx' isn't this file's: line 1 is 'hello', the record is '0 107'");
}

#[test]
fn ragged_and_absent_features_are_told_by_name() {
    let boxes = |count: usize| record(&example(&[("bbox", floats(&[0.5; 9][..count])), ("size", floats(&[1.0, 2.0]))]));
    let content = [boxes(0), boxes(7), record(&example(&[("size", floats(&[1.0, 2.0]))]))].concat();
    let stdout = verify("x.tfrec", &content).success();
    assert!(
        stdout.contains("feature bbox: float_list[0..7] (not in 1 record)\nfeature size: float_list[2]\n"),
        "{stdout}"
    );
}

#[test]
fn a_feature_of_two_kinds_names_both_places() {
    let workspace = Workspace::new();
    workspace.write("a.tfrec", &shard());
    let other = record(&example(&[("class", bytes(&[b"daisy"]))]));
    workspace.write("b.tfrec", &[flower(7), other].concat());
    insta::assert_snapshot!(faults_of(workspace.pixmill(&["verify", "a.tfrec", "b.tfrec"])), @"b.tfrec: record 1 at byte 107: feature 'class' is bytes_list here, and int64_list in a.tfrec, record 0 at byte 0");
}

#[test]
fn the_label_that_is_asked_for_must_be_there() {
    let workspace = Workspace::new();
    let bare = record(&example(&[("image", bytes(&[&image(9)]))]));
    workspace.write("x.tfrec", &[flower(3), bare.clone(), flower(3), bare].concat());
    let stdout = workspace.pixmill(&["verify", "x.tfrec"]).success();
    assert!(stdout.contains("label class 3: 2\n"), "{stdout}");
    insta::assert_snapshot!(faults_of(workspace.pixmill(&["verify", "x.tfrec", "--label", "class"])), @"x.tfrec: record 1 at byte 107: no feature 'class', 2 such records in all");
}

#[test]
fn class_numbers_have_the_names_of_the_manifest() {
    let workspace = Workspace::with_photos(6, 2);
    workspace
        .sql("COPY (SELECT content AS image, class FROM read_images('photos')) TO 'out' STORED AS TFRECORD")
        .success();
    let stdout = workspace.pixmill(&["verify", "out"]).success();
    assert!(stdout.contains("label class 0 daisy: 3\nlabel class 1 dandelion: 3\n"), "{stdout}");
    assert!(stdout.contains("images jpeg 64x48: 6\n"), "{stdout}");
}

/// What is said of two datasets, each of a query of its own, and stdout.
fn of_two(train: &str, val: &str) -> (String, String) {
    let workspace = Workspace::with_photos(6, 2);
    for (name, query) in [("train", train), ("val", val)] {
        workspace.sql(&query.replace("$", name)).success();
    }
    let finished = workspace.pixmill(&["verify", "train", "val", "--duplicates", "ignore"]);
    let stdout = finished.stdout.clone();
    (if finished.code == 0 { String::new() } else { faults_of(finished) }, stdout)
}

#[test]
fn datasets_that_disagree_are_named_with_what_differs_first() {
    let copy = |source: &str, columns: &str, format: &str| {
        format!("COPY (SELECT {columns} FROM read_images('photos'{source})) TO '$' STORED AS {format}")
    };
    let one = copy("", "content AS jpg, class AS cls", "TFRECORD");
    let swapped = ", classes => ['dandelion', 'daisy']";
    let cases = [
        (
            copy(swapped, "content AS jpg, class AS cls", "TFRECORD"),
            "class 0 is 'dandelion', and 'daisy' in 'train/_manifest.json'",
        ),
        (
            copy(", classes => ['daisy', 'dandelion', 'roses']", "content AS jpg, class AS cls", "TFRECORD"),
            "class 2 is 'roses', and 'train/_manifest.json' has 2 class names",
        ),
        (
            copy(", classes => ['daisy']", "content AS jpg, class AS cls", "TFRECORD"),
            "it has 1 class name, and class 1 is 'dandelion' in 'train/_manifest.json'",
        ),
        (
            copy("", "content AS jpg, class + 0 AS class, class + 0 AS cls", "TFRECORD"),
            "it has no class names, and class 0 is 'daisy' in 'train/_manifest.json'",
        ),
        (
            copy("", "content AS jpg, class AS cls, label", "TFRECORD"),
            "feature 'label' is not in 'train/_manifest.json'",
        ),
        (copy("", "class AS cls", "TFRECORD"), "it has no feature 'jpg', which is in 'train/_manifest.json'"),
        (
            copy("", "content AS jpg, CAST(class AS VARCHAR) AS cls", "TFRECORD"),
            "feature 'cls' is bytes_list, and int64_list in 'train/_manifest.json'",
        ),
        (
            copy("", "content AS jpg, class AS cls", "WEBDATASET"),
            "the format is webdataset, and tfrecord in 'train/_manifest.json'",
        ),
        (
            copy("", "content AS jpg, class AS cls, label", "TFRECORD PARTITIONED BY (label)"),
            "the columns that name directories are label, and none in 'train/_manifest.json'",
        ),
    ];
    for (other, message) in cases {
        let (faults, stdout) = of_two(&one, &other);
        let expected = format!("val/_manifest.json: {message}");
        assert!(faults.lines().any(|line| line == expected), "{other}: {faults}");
        let has_names = stdout.contains("label cls 0 daisy");
        assert!(!has_names || !message.contains("class"), "{stdout}");
    }
    // Those that agree are one dataset.
    let (faults, stdout) = of_two(&one, &one);
    assert_eq!(faults, "");
    assert!(stdout.contains("label cls 0 daisy: 6\n"), "{stdout}");
}

#[test]
fn images_that_are_there_twice_are_told_and_a_fault_where_asked() {
    let workspace = Workspace::new();
    workspace.write("a.tfrec", &shard());
    workspace.write("b.tfrec", &[flower(9), flower(1)].concat());
    let verify = |rule: &str| workspace.pixmill(&["verify", "a.tfrec", "b.tfrec", "--duplicates", rule]);
    let stdout = verify("report").success();
    let expected = "same image: a.tfrec, record 1; b.tfrec, record 1\n1 image is a copy of 1 other\n";
    assert!(stdout.contains(expected), "{stdout}");
    assert!(!verify("ignore").success().contains("same image"));
    insta::assert_snapshot!(faults_of(verify("fail")), @"b.tfrec: record 1: the same image as a.tfrec, record 1");
}

#[test]
fn an_image_that_cant_be_decoded_is_a_fault() {
    let broken = |content: &[u8]| record(&example(&[("image", bytes(&[content])), ("class", int64(0))]));
    let content = [shard(), broken(&image(5)[..40]), broken(b"\xff\xd8\xff\xe0"), broken(b"")].concat();
    insta::assert_snapshot!(faults("x.tfrec", &content), @"
    x.tfrec: record 3 at byte 321: feature 'image': truncated bmp: failed to fill whole buffer
    x.tfrec: record 4 at byte 410: feature 'image': truncated jpeg: the data ends before the image does (4 bytes)
    x.tfrec: record 5 at byte 463: feature 'image': empty file (0 bytes)
    ");
}

#[test]
fn pixels_that_are_said_to_be_raw_are_no_broken_images() {
    let of = |format: &str, content: &[u8]| {
        record(&example(&[("image/encoded", bytes(&[content])), ("image/format", bytes(&[format.as_bytes()]))]))
    };
    let stdout =
        verify("x.tfrec", &[of("bmp", &image(1)), of("bmp", &image(2)), of("raw", &[0; 9])].concat()).success();
    assert!(stdout.contains("2 of 2 images decoded, 0 faults"), "{stdout}");
}

#[test]
fn sequences_and_bytes_are_said_not_faults() {
    let stdout = verify("x.tfrec", &record(b"hello")).success();
    assert!(stdout.contains("its records are bytes, neither tf.train.Example nor SequenceExample"), "{stdout}");
    let steps = example(&[("s", int64(3))]);
    // The features message in the place of the feature lists: a list of no steps.
    let lists = [&b"\x12"[..], &steps[1..]].concat();
    let stdout = verify("x.tfrec", &record(&lists)).success();
    assert!(stdout.contains("its records are tf.train.SequenceExample"), "{stdout}");
    insta::assert_snapshot!(faults("x.tfrec", &[shard(), record(b"hello")].concat()), @"x.tfrec: record 3 at byte 321: not a tf.train.Example, as others are: a field has an unknown wire type");
}

#[test]
fn tar_shards_are_samples() {
    let members: [(&str, &[u8]); 4] = [("a.bmp", &image(1)), ("a.cls", b"1"), ("b.bmp", &image(2)), ("b.cls", b"0\n")];
    insta::assert_snapshot!(verify("x-000001.tar", &tar(&members)).success(), @"
    shard         format      records  bytes  images  decoded  state
    x-000001.tar  webdataset        2   5120       2        2  ok
    feature bmp: bytes
    feature cls: bytes
    images bmp 1x1: 2
    label cls 0: 1
    label cls 1: 1
    1 shard, 2 records, 5.00 KiB, 2 of 2 images decoded, 0 faults
    ");
    verify("x.tar.gz", &gzip(&tar(&members))).success();
}

#[test]
fn faults_of_tar_shards_name_the_sample() {
    let (one, two) = (image(1), image(2));
    let uneven = tar(&[("a.bmp", &one), ("a.cls", b"1"), ("b.bmp", &two), ("c.bmp", b"x"), ("c.json", b"{")]);
    insta::assert_snapshot!(faults("x.tar", &uneven), @"
    x.tar: record 1 at byte 2048: sample 'b' has bmp, the first has bmp, cls
    x.tar: record 2 at byte 3072: feature 'bmp': not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image (starts with 78)
    x.tar: record 2 at byte 3072: sample 'c' has bmp, json, the first has bmp, cls
    x.tar: record 2 at byte 4096: member 'json' is no JSON: EOF while parsing an object at line 1 column 1
    ");
    let scattered = tar(&[("a.bmp", &one), ("b.bmp", &two), ("a.bmp", &one), ("a.bmp", &one)]);
    insta::assert_snapshot!(faults("x.tar", &scattered), @"
    x.tar: record 2 at byte 2048: the key 'a' is that of record 0, too: its members aren't adjacent
    x.tar: record 2 at byte 3072: the member 'a.bmp' is there twice
    ");
    let sound = tar(&[("a.bmp", &one), ("b.bmp", &two)]);
    insta::assert_snapshot!(faults("x.tar", &sound[..1540]), @"x.tar: record 1 at byte 1024: truncated member 'b.bmp': 4 of 58 bytes; nothing behind it can be read");
    insta::assert_snapshot!(faults("x.tar", &sound[..2048]), @"x.tar: record 1 at byte 1024: the archive has no end mark behind this sample: it may be truncated");
    insta::assert_snapshot!(faults("x.tar", &[sound.clone(), sound.clone()].concat()), @"x.tar: record 1 at byte 1024: the archive ends behind this sample, at byte 2560, and readers stop there; 3584 bytes follow");
    let mut flipped = sound;
    flipped[1100] ^= 1;
    insta::assert_snapshot!(faults("x.tar", &flipped), @"x.tar: record 0 at byte 0: behind this member: archive header checksum mismatch; nothing behind it can be read");
}

#[test]
fn parquet_shards_are_rows() {
    let workspace = Workspace::with_photos(6, 2);
    let sql = "COPY (SELECT named_struct('bytes', content, 'path', path) AS image, class FROM read_images('photos')) \
               TO 'out.parquet' STORED AS PARQUET";
    workspace.sql(sql).success();
    let stdout = workspace.pixmill(&["verify", "out.parquet", "--decode-every", "1"]).success();
    assert!(stdout.contains("label class 0: 3\nlabel class 1: 3\n"), "{stdout}");
    assert!(stdout.contains("6 of 6 images decoded, 0 faults\n"), "{stdout}");
    let whole = std::fs::read(workspace.path("out.parquet")).expect("a file");
    insta::assert_snapshot!(faults("x.parquet", &whole[..whole.len() - 9]), @"x.parquet: cannot be read as Parquet: Parquet error: Invalid Parquet file. Corrupt footer");
}

#[test]
fn findings_as_json_have_this_shape() {
    let workspace = Workspace::new();
    workspace.write("out/a00-3.tfrec", &shard());
    workspace.write("out/b.tfrec", &[flower(1), record(&example(&[("class", bytes(&[b"x"]))]))].concat());
    workspace.write("out/LICENSE", b"free");
    let finished = workspace.pixmill(&["verify", "out", "--format", "json"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (1, "error: 1 fault found\n"));
    insta::assert_snapshot!(finished.stdout, @r#"
    {
      "shards": [
        {
          "path": "out/a00-3.tfrec",
          "format": "tfrecord",
          "compression": null,
          "record_type": "example",
          "records": 3,
          "bytes": 321,
          "features": {
            "class": {
              "kinds": [
                "int64_list"
              ],
              "records": 3,
              "values": {
                "min": 1,
                "max": 1
              },
              "steps": null
            },
            "image": {
              "kinds": [
                "bytes_list"
              ],
              "records": 3,
              "values": {
                "min": 1,
                "max": 1
              },
              "steps": null
            }
          },
          "images": 3,
          "images_decoded": 1,
          "notes": [],
          "faults": 0
        },
        {
          "path": "out/b.tfrec",
          "format": "tfrecord",
          "compression": null,
          "record_type": "example",
          "records": 2,
          "bytes": 141,
          "features": {
            "class": {
              "kinds": [
                "bytes_list",
                "int64_list"
              ],
              "records": 2,
              "values": {
                "min": 1,
                "max": 1
              },
              "steps": null
            },
            "image": {
              "kinds": [
                "bytes_list"
              ],
              "records": 1,
              "values": {
                "min": 1,
                "max": 1
              },
              "steps": null
            }
          },
          "images": 1,
          "images_decoded": 1,
          "notes": [],
          "faults": 1
        }
      ],
      "features": {
        "class": {
          "kinds": [
            "bytes_list",
            "int64_list"
          ],
          "records": 5,
          "values": {
            "min": 1,
            "max": 1
          },
          "steps": null
        },
        "image": {
          "kinds": [
            "bytes_list"
          ],
          "records": 4,
          "values": {
            "min": 1,
            "max": 1
          },
          "steps": null
        }
      },
      "labels": {
        "feature": "class",
        "values": [
          {
            "value": 0,
            "name": null,
            "count": 1
          },
          {
            "value": 1,
            "name": null,
            "count": 2
          },
          {
            "value": 2,
            "name": null,
            "count": 1
          },
          {
            "value": "x",
            "name": null,
            "count": 1
          }
        ]
      },
      "image_sizes": [
        {
          "format": "bmp",
          "width": 1,
          "height": 1,
          "count": 4
        }
      ],
      "duplicates": {
        "images": 1,
        "groups": 1,
        "listed": [
          {
            "first": {
              "path": "out/a00-3.tfrec",
              "record": 1
            },
            "again": {
              "path": "out/b.tfrec",
              "record": 0
            },
            "places": 2
          }
        ]
      },
      "passed_over": [
        "out/LICENSE"
      ],
      "faults": [
        {
          "path": "out/b.tfrec",
          "record": 1,
          "offset": 107,
          "kind": "feature",
          "message": "feature 'class' is bytes_list here, and int64_list in out/a00-3.tfrec, record 0 at byte 0"
        }
      ],
      "summary": {
        "shards": 2,
        "records": 5,
        "bytes": 462,
        "images": 4,
        "images_decoded": 2,
        "faults": 1
      }
    }
    "#);
}

#[test]
fn nothing_to_check_is_a_wrong_question() {
    let workspace = Workspace::new();
    workspace.write("out/notes.txt", b"mine");
    assert_eq!(workspace.pixmill(&["verify", "out"]).failure(2), "error: no shards at 'out'\n");
    workspace.write("out/x.tfrec", &shard());
    let stdout = workspace.pixmill(&["verify", "out", "out/x.tfrec"]).success();
    assert!(stdout.contains("1 shard, 3 records"), "{stdout}");
}

#[test]
fn threads_dont_change_the_findings() {
    let workspace = Workspace::new();
    for number in 0..6 {
        workspace.write(&format!("out/x{number}.tfrec"), &flipped(100 + 20 * number));
    }
    let one = workspace.pixmill(&["verify", "out", "--threads", "1"]);
    assert_eq!(one.stdout, workspace.pixmill(&["verify", "out", "--threads", "3"]).stdout);
}

#[test]
fn a_folder_of_images_is_told_by_label_and_fault_with_its_copies_and_look_alikes() {
    let workspace = Workspace::with_photos(6, 2);
    let sound = workspace.pixmill(&["verify", "--images", "photos"]);
    assert_eq!(sound.code, 0, "{}", sound.stderr);
    let photo = std::fs::read(workspace.path("photos/daisy/000000.jpg")).expect("a photo");
    workspace.write("photos/daisy/copy.jpg", &photo);
    // Other bytes of the same pixels, and half an image.
    workspace.write("photos/daisy/same.jpg", &[&photo[..2], &b"\xFF\xFE\x00\x04ab"[..], &photo[2..]].concat());
    workspace.write("photos/roses/half.jpg", &photo[..photo.len() / 2]);
    workspace.write("photos/roses/none.jpg", b"");
    let checked = workspace.pixmill(&["verify", "--images", "photos", "--format", "json", "--look-alike-bits", "0"]);
    assert_eq!(checked.code, 1, "{}", checked.stderr);
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).expect("JSON");
    let labels = report["labels"].as_array().expect("labels");
    let states: Vec<String> = labels.iter().map(|label| format!("{} {}", label["label"], label["states"])).collect();
    assert!(states[0].contains(r#""daisy" {"ok":5}"#), "{states:?}");
    assert!(states[1].contains(r#""dandelion" {"ok":3}"#), "{states:?}");
    assert!(states[2].contains(r#""roses" {"empty":1,"truncated":1}"#), "{states:?}");
    let alike = |first: &str, again: &str| serde_json::json!({ "bits": 0, "first": first, "again": again });
    let copies = &report["copies"];
    assert_eq!(copies["listed"][0], alike("photos/daisy/000000.jpg", "photos/daisy/copy.jpg"), "{copies}");
    assert_eq!((&copies["images"], &report["look_alikes"]["images"]), (&1.into(), &2.into()), "{report}");
    assert_eq!(report["look_alikes"]["listed"][0]["again"], "photos/daisy/same.jpg");
    let faults = report["faults"].as_array().expect("faults");
    assert_eq!(
        (faults[0]["path"].as_str(), faults[0]["class"].as_str()),
        (Some("photos/roses/half.jpg"), Some("truncated"))
    );
    assert_eq!(report["summary"]["faults"], 2);
    let text = workspace.pixmill(&["verify", "--images", "photos"]);
    assert!(text.stdout.contains("photos/roses/none.jpg: empty: empty file (0 bytes)\n"), "{}", text.stdout);
    assert!(text.stdout.ends_with("2 faults\n"), "{}", text.stdout);
}
