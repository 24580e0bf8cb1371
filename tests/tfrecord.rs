//! What a user sees of record files that somebody else wrote, or that were damaged on the way.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;

use pixmill::format::tfrecord::{BytesList, Example, Feature, Features, FloatList, Int64List, Values, masked_crc32c};
use prost::Message;
use support::Workspace;

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(masked_crc32c(&length).to_le_bytes());
    bytes.extend(data);
    bytes.extend(masked_crc32c(data).to_le_bytes());
    bytes
}

fn example(features: &[(&str, Values)]) -> Vec<u8> {
    let feature = features.iter().map(|(name, values)| {
        let feature = Feature { values: Some(values.clone()) };
        ((*name).to_string(), feature)
    });
    Example { features: Some(Features { feature: feature.collect() }) }.encode_to_vec()
}

fn integers(value: &[i64]) -> Values {
    Values::Int64(Int64List { value: value.to_vec() })
}

fn texts(value: &[&str]) -> Values {
    let value = value.iter().map(|text| text.as_bytes().to_vec().into()).collect();
    Values::Bytes(BytesList { value })
}

/// A file of records with a feature `n`, numbered from `first`.
fn numbered(first: i64, count: i64) -> Vec<u8> {
    (first..first + count).flat_map(|n| record(&example(&[("n", integers(&[n]))]))).collect()
}

/// The size of each of those records.
fn record_size() -> usize {
    numbered(0, 1).len()
}

#[track_caller]
fn csv(workspace: &Workspace, sql: &str) -> String {
    workspace.pixmill(&["sql", "--format", "csv", "-c", sql]).success()
}

#[test]
fn records_of_all_compressions_are_read_whatever_their_names_say() {
    let workspace = Workspace::new();
    let bytes = numbered(0, 5);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&bytes).expect("compressed");
    let gzip = gzip.finish().expect("compressed");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&bytes).expect("compressed");
    workspace.write("data/plain.tfrecord.gz", &bytes);
    workspace.write("data/gzip.tfrecord", &gzip);
    workspace.write("data/zlib.tfrecord", &zlib.finish().expect("compressed"));
    // Concatenated files are a file of both.
    workspace.write("data/twice.tfrecord", &[gzip.clone(), gzip].concat());
    let counted = csv(&workspace, "SELECT count(*), count(n), sum(n) FROM read_tfrecord('data')");
    assert_eq!(counted, "count(*),count(read_tfrecord.n),sum(read_tfrecord.n)\n25,25,50\n");
}

#[test]
fn an_absent_feature_is_null_and_an_empty_one_is_empty() {
    let workspace = Workspace::new();
    let records = [
        example(&[("many", integers(&[1, 2])), ("one", integers(&[7]))]),
        example(&[("many", integers(&[]))]),
        example(&[("one", integers(&[8]))]),
        example(&[]),
    ];
    workspace.write("a.tfrecord", &records.iter().flat_map(|data| record(data)).collect::<Vec<u8>>());
    insta::assert_snapshot!(csv(&workspace, "SELECT many, array_length(many) AS length, one FROM read_tfrecord('a.tfrecord')"), @r#"
    many,length,one
    "[1, 2]",2,7
    [],0,
    ,,8
    ,,
    "#);
}

#[test]
fn features_whose_kinds_dont_agree_are_named_with_their_places() {
    let workspace = Workspace::new();
    workspace.write("d/a.tfrecord", &record(&example(&[("label", integers(&[1])), ("x", integers(&[1]))])));
    workspace.write("d/b.tfrecord", &record(&example(&[("label", texts(&["rose"])), ("x", integers(&[2]))])));
    let message = workspace.sql("SELECT * FROM read_tfrecord('d')").failure(2);
    insta::assert_snapshot!(message, @"error: feature 'label' is bytes_list in record 0 of d/b.tfrecord and int64_list in record 0 of d/a.tfrecord; read the files apart, or give the table columns and use on_corrupt 'skip_record'");
    // Columns say which kind is meant; the records that have another are told or left out.
    let table = "CREATE EXTERNAL TABLE t (label VARCHAR, x BIGINT) STORED AS TFRECORD LOCATION 'd'";
    let message = workspace.pixmill(&["sql", "-c", table, "-c", "SELECT * FROM t"]).failure(1);
    assert!(
        message.contains("d/a.tfrecord: record 0 at byte 0: feature 'label' is int64_list, the column is Utf8"),
        "{message}"
    );
    let table = format!("{table} OPTIONS (on_corrupt 'skip_record')");
    let finished = workspace.pixmill(&["sql", "--format", "csv", "-c", &table, "-c", "SELECT * FROM t"]);
    assert_eq!(finished.stdout, "label,x\nrose,2\n");
    assert!(finished.stderr.ends_with("left out 1 record that can't be read\n"), "{}", finished.stderr);
    // Records whose odd feature isn't looked at fit.
    assert_eq!(csv(&workspace, "SELECT sum(x) AS sum FROM read_tfrecord('d/a*')"), "sum\n1\n");
}

#[test]
fn a_column_without_a_value_goes_with_every_kind() {
    let workspace = Workspace::new();
    let empty = record(&example(&[("a", Values::Float(FloatList { value: Vec::new() }))]));
    let full = record(&example(&[("a", integers(&[3]))]));
    workspace.write("d.tfrecord", &[empty, full].concat());
    assert_eq!(csv(&workspace, "SELECT a FROM read_tfrecord('d.tfrecord')"), "a\n[]\n[3]\n");
}

/// A flipped bit in each part of the second of three records, and what becomes of the three.
#[test]
fn damage_is_named_and_left_out_as_asked() {
    let size = record_size();
    let data = size - 16;
    assert_eq!(size, 30);
    let of_length = "corrupted record at byte 30: the checksum of its length";
    let of_data = "corrupted record at byte 30: the checksum of its data";
    let cases = [
        // part, byte to flip, what is said, records left with skip_record, what that says
        ("length", 0, of_length, 1, "left out all or the rest of 1 file"),
        ("length's checksum", 8, of_length, 1, "left out all or the rest of 1 file"),
        ("data", 12 + data / 2, of_data, 2, "left out 1 record"),
        ("data's checksum", size - 1, of_data, 2, "left out 1 record"),
    ];
    for (part, at, message, left, note) in cases {
        let workspace = Workspace::new();
        let mut bytes = numbered(0, 3);
        bytes[size + at] ^= 1;
        workspace.write("d/bad.tfrecord", &bytes);
        workspace.write("d/good.tfrecord", &numbered(10, 3));
        let said = workspace.sql("SELECT sum(n) FROM read_tfrecord('d/bad.tfrecord', sample_records => 1)").failure(1);
        assert!(said.contains("d/bad.tfrecord: record 1: ") && said.contains(message), "{part}: {said}");
        let sql = "SELECT count(n) AS n FROM read_tfrecord('d', on_corrupt => 'skip_record')";
        let finished = workspace.pixmill(&["sql", "--format", "csv", "-c", sql]);
        assert_eq!(finished.stdout, format!("n\n{}\n", 3 + left), "{part}: {}", finished.stderr);
        assert!(finished.stderr.contains(note), "{part}: {}", finished.stderr);
        let counted = csv(&workspace, "SELECT count(*) AS n FROM read_tfrecord('d', on_corrupt => 'skip_record')");
        assert_eq!(counted, format!("n\n{}\n", 3 + left), "{part}");
        let sql = "SELECT count(n) AS n FROM read_tfrecord('d', on_corrupt => 'skip_file')";
        let finished = workspace.pixmill(&["sql", "--format", "csv", "-c", sql]);
        assert_eq!(finished.stdout, "n\n3\n", "{part}: {}", finished.stderr);
        assert!(finished.stderr.contains("left out all or the rest of 1 file"), "{part}: {}", finished.stderr);
    }
}

#[test]
fn a_truncated_tail_and_a_claimed_length_cost_the_rest_of_the_file() {
    let workspace = Workspace::new();
    let whole = numbered(0, 3);
    workspace.write("cut.tfrecord", &whole[..whole.len() - 3]);
    let message = workspace.sql("SELECT sum(n) FROM read_tfrecord('cut.tfrecord', sample_records => 1)").failure(1);
    assert!(
        message.contains("cut.tfrecord: record 2: truncated record at byte 60: 1 of 4 bytes of the data's checksum"),
        "{message}"
    );
    let message = workspace.sql("SELECT count(*) FROM read_tfrecord('cut.tfrecord', sample_records => 1)").failure(1);
    assert!(message.contains("cut.tfrecord: record 2: truncated record at byte 60"), "{message}");
    let sql = "SELECT sum(n) AS n FROM read_tfrecord('cut.tfrecord', on_corrupt => 'skip_record')";
    assert_eq!(csv(&workspace, sql), "n\n1\n");
    // Two gigabytes are claimed, and their checksum is right.
    let length = (2_u64 << 30).to_le_bytes();
    let mut huge = numbered(0, 1);
    huge.extend(length);
    huge.extend(masked_crc32c(&length).to_le_bytes());
    huge.extend(b"not that many");
    workspace.write("huge.tfrecord", &huge);
    let message = workspace.sql("SELECT sum(n) FROM read_tfrecord('huge.tfrecord')").failure(1);
    assert!(message.contains("truncated record at byte 30: 13 of 2147483648 data bytes"), "{message}");
    let sql = "SELECT sum(n) AS n FROM read_tfrecord('huge.tfrecord', on_corrupt => 'skip_record')";
    assert_eq!(csv(&workspace, sql), "n\n0\n");
}

#[test]
fn what_only_has_the_name_of_a_record_file_is_told() {
    let workspace = Workspace::new();
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    workspace.write("d/tar.tfrecord", &tar);
    workspace.write("d/zip.tfrecord", b"PK\x03\x04 and more of it");
    workspace.write("d/pointer.tfrec", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    workspace.write("d/empty.tfrec", b"");
    workspace.write("d/sound.tfrec", &numbered(0, 2));
    for (file, said) in [
        ("tar.tfrecord", "it looks like a tar archive"),
        ("zip.tfrecord", "it looks like a zip archive"),
        ("pointer.tfrec", "it looks like a git-lfs pointer; fetch the file itself with 'git lfs pull'"),
        ("empty.tfrec", "empty file (0 bytes)"),
    ] {
        let message = workspace.sql(&format!("SELECT * FROM read_tfrecord('d/{file}')")).failure(1);
        assert!(message.contains(said), "{file}: {message}");
    }
    let sql = "SELECT count(n) AS n FROM read_tfrecord('d', on_corrupt => 'skip_file')";
    let finished = workspace.pixmill(&["sql", "--format", "csv", "-c", sql]);
    assert_eq!(finished.stdout, "n\n2\n", "{}", finished.stderr);
    assert!(finished.stderr.contains("left out all or the rest of 4 files that can't be read"), "{}", finished.stderr);
}

#[test]
fn a_damaged_gzip_file_is_an_error_at_its_place() {
    let workspace = Workspace::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&numbered(0, 1000)).expect("compressed");
    let gzip = gzip.finish().expect("compressed");
    workspace.write("cut.tfrecord", &gzip[..gzip.len() / 2]);
    let message = workspace.sql("SELECT sum(n) FROM read_tfrecord('cut.tfrecord', sample_records => 1)").failure(1);
    assert!(message.contains("cut.tfrecord: record ") && message.contains("cannot read at byte "), "{message}");
}

#[test]
fn an_index_that_is_anothers_is_not_used() {
    let workspace = Workspace::new();
    workspace.write("a.tfrecord", &numbered(0, 3));
    workspace.write("a.tfrecord.idx", b"0 20\n20 20\n");
    let finished = workspace.sql("SELECT n FROM read_tfrecord('a.tfrecord', partitions => 3) ORDER BY n");
    assert!(finished.stderr.contains("'a.tfrecord.idx' is not the index of 'a.tfrecord'"), "{}", finished.stderr);
    assert!(finished.stdout.contains("3 rows"), "{}", finished.stdout);
}

#[test]
fn a_dataset_that_lacks_a_shard_is_not_read_as_a_whole() {
    let workspace = Workspace::with_photos(6, 1);
    let sql =
        "COPY (SELECT content AS image FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 3)";
    workspace.sql(sql).success();
    workspace.write("out/left_over.tfrec", &numbered(0, 1));
    assert_eq!(csv(&workspace, "SELECT count(image) AS n FROM read_tfrecord('out')"), "n\n6\n");
    std::fs::remove_file(workspace.path("out/shard01-2.tfrec")).expect("removed");
    let message = workspace.sql("SELECT count(image) FROM read_tfrecord('out')").failure(2);
    assert!(
        message.contains("'out' is not whole: its manifest lists 'out/shard01-2.tfrec', which isn't there"),
        "{message}"
    );
    assert_eq!(csv(&workspace, "SELECT count(image) AS n FROM read_tfrecord('out/shard*.tfrec')"), "n\n4\n");
}

#[test]
fn an_index_is_believed_only_if_records_start_where_it_says() {
    let workspace = Workspace::new();
    let bytes = numbered(0, 6);
    workspace.write("a.tfrecord", &bytes);
    workspace.write("a.tfrecord.idx", format!("0 {}\n", bytes.len()).as_bytes());
    let finished =
        workspace.pixmill(&["sql", "--format", "csv", "-c", "SELECT count(*) AS n FROM read_tfrecord('a.tfrecord')"]);
    assert_eq!(finished.stdout, "n\n6\n");
    assert!(finished.stderr.contains("no record of 180 bytes starts at byte 0"), "{}", finished.stderr);
}

#[test]
fn values_without_a_place_in_their_column_cost_their_record() {
    let workspace = Workspace::new();
    let records = [Some(1), Some(300), None, Some(4)].map(|n| match n {
        Some(n) => record(&example(&[("n", integers(&[n]))])),
        None => record(&example(&[("other", integers(&[0]))])),
    });
    workspace.write("a.tfrecord", &records.concat());
    let run = |columns: &str, on_corrupt: &str, select: &str| {
        let table = format!(
            "CREATE EXTERNAL TABLE t ({columns}) STORED AS TFRECORD LOCATION 'a.tfrecord' OPTIONS (on_corrupt '{on_corrupt}')"
        );
        workspace.pixmill(&["sql", "--format", "csv", "-c", &table, "-c", select])
    };
    let message = run("n TINYINT", "error", "SELECT * FROM t").failure(1);
    assert!(
        message.contains("a.tfrecord: record 1 at byte 30: column 'n': Cast error: Can't cast value 300 to type Int8"),
        "{message}"
    );
    assert_eq!(run("n TINYINT", "skip_record", "SELECT * FROM t").success(), "n\n1\n\"\"\n4\n");
    assert_eq!(run("n TINYINT NOT NULL", "skip_record", "SELECT * FROM t").success(), "n\n1\n4\n");
    let message = run("n BIGINT NOT NULL", "error", "SELECT * FROM t").failure(1);
    assert!(
        message.contains("a.tfrecord: record 2 at byte 61: column 'n' is NOT NULL, and it has no value"),
        "{message}"
    );
    let left_out = run("n TINYINT", "skip_file", "SELECT count(n) AS n FROM t");
    assert_eq!(left_out.stdout, "n\n0\n");
    assert!(left_out.stderr.contains("left out a.tfrecord: record 1 at byte 30: "), "{}", left_out.stderr);
}

#[test]
fn counting_leaves_out_the_records_that_reading_leaves_out() {
    let workspace = Workspace::new();
    let odd = record(&[10, 200, 1]);
    workspace.write("d/a.tfrecord", &[numbered(0, 3), odd, numbered(3, 2)].concat());
    workspace.write("d/b.tfrecord", &numbered(10, 4));
    for (on_corrupt, count) in [("skip_record", 9), ("skip_file", 4)] {
        let count_of = |what: &str, partitions: usize| {
            let sql = format!(
                "SELECT count({what}) AS n FROM read_tfrecord('d', on_corrupt => '{on_corrupt}', partitions => {partitions})"
            );
            let finished = workspace.pixmill(&["sql", "--format", "csv", "-c", &sql]);
            assert_eq!(finished.stderr.matches("left out d/a.tfrecord").count(), 1, "{}", finished.stderr);
            finished.stdout
        };
        for partitions in [1, 3] {
            assert_eq!(count_of("*", partitions), format!("n\n{count}\n"), "{on_corrupt}");
            assert_eq!(count_of("n", partitions), format!("n\n{count}\n"), "{on_corrupt}");
        }
    }
}

#[test]
fn directories_may_have_the_names_of_anything() {
    let workspace = Workspace::new();
    for name in ["path", "first", "records"] {
        workspace.write(&format!("{name}/{name}=a/x.tfrecord"), &numbered(0, 2));
        workspace.write(&format!("{name}/{name}=b/x.tfrecord"), &numbered(2, 3));
        let counted = csv(&workspace, &format!("SELECT count(n) AS n FROM read_tfrecord('{name}') WHERE {name} = 'b'"));
        assert_eq!(counted, "n\n3\n", "{name}");
    }
    // A filter that rules out all files leaves a dataset without records.
    let sql = "COPY (SELECT n FROM read_tfrecord('path') WHERE path = 'none') TO 'out' STORED AS TFRECORD";
    workspace.sql(sql).success();
    assert_eq!(workspace.names("out"), ["_manifest.json"]);
    let table = |columns: &str, partitions: &str| {
        workspace
            .sql(&format!("CREATE EXTERNAL TABLE t ({columns}) STORED AS TFRECORD {partitions} LOCATION 'path'"))
            .failure(2)
    };
    assert!(
        table("n BIGINT, path VARCHAR", "")
            .contains("column 'path' is named by directories; say so: PARTITIONED BY (path)")
    );
}

#[test]
fn a_dataset_is_not_replaced_by_what_is_read_from_it() {
    let workspace = Workspace::with_photos(6, 2);
    let sql = "COPY (SELECT content AS image, label AS split FROM read_images('photos')) TO 'out' STORED AS TFRECORD PARTITIONED BY (split)";
    workspace.sql(sql).success();
    let before = workspace.files("out");
    let sql = "COPY (SELECT * FROM read_tfrecord('out')) TO 'out' STORED AS TFRECORD OPTIONS (overwrite true)";
    let message = workspace.sql(sql).failure(2);
    assert!(message.contains("and it would be replaced before it is read; write to another directory"), "{message}");
    assert!(before == workspace.files("out"));
}

#[test]
fn sequences_are_lists_of_steps() {
    let workspace = Workspace::new();
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let feature = |value: &[i64]| {
        let features = BTreeMap::from([(String::new(), Feature { values: Some(integers(value)) })]);
        features[""].encode_to_vec()
    };
    let list = |name: &str, steps: &[&[i64]]| {
        let steps: Vec<u8> = steps.iter().flat_map(|step| field(1, &feature(step))).collect();
        field(1, &[field(1, name.as_bytes()), field(2, &steps)].concat())
    };
    let context = example(&[("id", integers(&[5]))]);
    let lists = field(2, &[list("tokens", &[&[1], &[2], &[3]]), list("boxes", &[&[1, 2], &[], &[3]])].concat());
    workspace.write("a.tfrecord", &record(&[context, lists].concat()));
    let sql = "SELECT id, tokens, boxes FROM read_tfrecord('a.tfrecord')";
    assert_eq!(csv(&workspace, sql), "id,tokens,boxes\n5,\"[1, 2, 3]\",\"[[1, 2], [], [3]]\"\n");
    let table = "CREATE EXTERNAL TABLE t (boxes INT[][], tokens DOUBLE[]) STORED AS TFRECORD LOCATION 'a.tfrecord' OPTIONS \
                 (recordType 'SequenceExample')";
    let message = workspace.pixmill(&["sql", "-c", table, "-c", "SELECT * FROM t"]).failure(1);
    assert!(message.contains("feature 'tokens' is int64_list, the column is List(Float64)"), "{message}");
    let table = table.replace("DOUBLE[]", "INT[]");
    let stdout = workspace.pixmill(&["sql", "--format", "csv", "-c", &table, "-c", "SELECT * FROM t"]).success();
    assert_eq!(stdout, "boxes,tokens\n\"[[1, 2], [], [3]]\",\"[1, 2, 3]\"\n");
}
