//! What a user sees of the commands: output, messages, exit codes, and what is left on disk.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fs;

use pixmill::format::manifest::Manifest;
use pixmill::format::tfrecord::RecordReader;
use support::Workspace;

const TO_SHARDS: &str = "COPY (SELECT image_encode(image_decode(content), 'png') AS image, class FROM read_images('photos', \
                         shuffle_seed => 1)) TO 'out' STORED AS TFRECORD OPTIONS (shards 4, prefix 'p')";

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let workspace = Workspace::with_photos(30, 3);
    workspace.pixmill(&["sql", "--threads", "1", "-c", TO_SHARDS]).success();
    let one = workspace.files("out");
    fs::remove_dir_all(workspace.path("out")).expect("removed");
    workspace.pixmill(&["sql", "--threads", "2", "-c", TO_SHARDS]).success();
    assert!(one == workspace.files("out"));
    assert_eq!(one.len(), 5);
}

#[test]
fn a_manifest_lists_what_is_there() {
    let workspace = Workspace::with_photos(30, 3);
    workspace.sql(TO_SHARDS).success();
    let manifest = Manifest::read(&workspace.path("out")).expect("readable").expect("there");
    assert_eq!((manifest.records, manifest.rejected, manifest.shuffle_seed), (30, 0, Some(1)));
    let classes = ["daisy", "dandelion", "roses"].map(str::to_string);
    assert_eq!(manifest.classes.as_deref(), Some(&classes[..]));
    let counts: Vec<u64> = manifest.shards.iter().map(|shard| shard.records).collect();
    assert_eq!(counts, [8, 8, 7, 7]);
    for shard in &manifest.shards {
        let bytes = fs::read(workspace.path("out").join(&shard.path)).expect("a shard");
        assert_eq!((shard.bytes, &shard.crc32c), (bytes.len() as u64, &format!("{:08x}", crc32c::crc32c(&bytes))));
    }
}

#[test]
fn one_bad_image_is_listed_and_the_others_are_written() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("photos/daisy/broken.jpg", b"hello");
    std::os::unix::fs::symlink("/no/such/file", workspace.path("photos/daisy/dangling.jpg")).expect("a link");
    let finished = workspace.sql(TO_SHARDS);
    assert!(finished.stderr.contains("wrote 8 records in 4 shards"), "{}", finished.stderr);
    assert!(finished.stderr.contains("2 rejected, listed in _rejects.csv"), "{}", finished.stderr);
    insta::assert_snapshot!(workspace.read("out/_rejects.csv"), @r#"
    path,stage,class,reason
    photos/daisy/broken.jpg,decode,not_an_image,"not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image (starts with 68 65 6c 6c)"
    photos/daisy/dangling.jpg,read,missing,cannot be read: No such file or directory (os error 2)
    "#);
    workspace.pixmill(&["verify", "out"]).success();
}

#[test]
fn a_bad_images_tensor_is_listed_with_the_images_reason() {
    let workspace = Workspace::with_photos(3, 1);
    workspace.write("photos/daisy/bad.jpg", b"hello");
    let tensor = "image_to_tensor(image_resize(image_decode(content), 8, 6), 8, 6)";
    let copy = format!("COPY (SELECT {tensor} AS image FROM read_images('photos')) TO 'out' STORED AS TFRECORD");
    workspace.sql(&copy).success();
    let rejects = workspace.read("out/_rejects.csv");
    assert!(rejects.contains("photos/daisy/bad.jpg,decode,not_an_image,\"not a jpeg"), "{rejects}");
    workspace.pixmill(&["verify", "out"]).success();
}

#[test]
fn long_tensors_are_shown_by_their_size() {
    let workspace = Workspace::with_photos(1, 1);
    let shown =
        |tensor: &str| workspace.sql(&format!("SELECT {tensor} AS tensor FROM read_images('photos')")).success();
    let long = shown("image_to_tensor(image_decode(content), 64, 48)");
    assert!(long.contains("| <9,216 x Float32> |"), "{long}");
    let short = shown("image_to_tensor(image_resize(image_decode(content), 2, 2), 2, 2, dtype => 'uint8')");
    assert!(short.contains("| [") && !short.contains('<'), "{short}");
}

#[test]
fn a_failed_run_leaves_no_manifest_and_no_half_shard() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("photos/daisy/broken.jpg", b"hello");
    let sql = TO_SHARDS.replace("shards 4", "shards 4, on_reject 'fail'");
    let message = workspace.sql(&sql).failure(1);
    assert!(message.contains("'photos/daisy/broken.jpg' is rejected: not a jpeg"), "{message}");
    let names = workspace.names("out");
    assert!(names.iter().all(|name| name == "_unfinished" || name.starts_with('.')), "{names:?}");
    // The next run sweeps what was left.
    let sql = TO_SHARDS.replace("shards 4", "shards 2");
    workspace.sql(&sql).success();
    assert_eq!(workspace.names("out"), ["_manifest.json", "_rejects.csv", "p00-4.tfrec", "p01-4.tfrec"]);
}

#[test]
fn shards_of_somebody_else_are_not_swept() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.write("out/p07-230.tfrec", b"theirs");
    let message = workspace.sql(TO_SHARDS).failure(1);
    assert!(message.contains("'out' already holds 'p07-230.tfrec', which no manifest lists"), "{message}");
    assert_eq!(workspace.names("out"), ["p07-230.tfrec"]);
}

#[test]
fn overwriting_replaces_a_dataset_whole() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(TO_SHARDS).success();
    workspace.write("out/notes.txt", b"mine");
    let sql = TO_SHARDS.replace("shards 4, prefix 'p'", "shards 2, prefix 'q', overwrite true, index true");
    workspace.sql(&sql).success();
    let expected = ["_manifest.json", "notes.txt", "q00-4.tfrec", "q00-4.tfrec.idx", "q01-4.tfrec", "q01-4.tfrec.idx"];
    assert_eq!(workspace.names("out"), expected);
    workspace.pixmill(&["verify", "out/*.tfrec"]).success();
}

#[test]
fn an_index_tells_where_each_record_is() {
    let workspace = Workspace::with_photos(5, 1);
    workspace.sql(&TO_SHARDS.replace("shards 4", "shards 1, index true")).success();
    let shard = fs::read(workspace.path("out/p00-5.tfrec")).expect("a shard");
    let mut reader = RecordReader::new(&shard[..]);
    let mut expected = String::new();
    let mut offset = 0;
    while reader.next().expect("a record").is_some() {
        expected.push_str(&format!("{offset} {}\n", reader.offset() - offset));
        offset = reader.offset();
    }
    assert_eq!(workspace.read("out/p00-5.tfrec.idx"), expected);
}

#[test]
fn compressed_shards_verify() {
    let workspace = Workspace::with_photos(6, 1);
    for (compression, name) in [("gzip", "p00-6.tfrec.gz"), ("zlib", "p00-6.tfrec.zlib")] {
        workspace
            .sql(&TO_SHARDS.replace("shards 4", &format!("shards 1, overwrite true, compression '{compression}'")))
            .success();
        assert_eq!(workspace.names("out"), ["_manifest.json", name]);
        let stdout = workspace.pixmill(&["verify", "out"]).success();
        assert!(stdout.contains("1 shard, 6 records"), "{stdout}");
    }
}

#[test]
fn directories_are_those_of_the_partition_columns() {
    let workspace = Workspace::with_photos(6, 2);
    let sql = "COPY (SELECT content AS image, class, label AS split FROM read_images('photos')) TO 'out' STORED AS TFRECORD \
               PARTITIONED BY (split) OPTIONS (shards 1)";
    let stdout = workspace.sql(sql).success();
    assert!(stdout.contains("| split=daisy/shard00-3.tfrec "), "{stdout}");
    let expected = ["_manifest.json", "split=daisy/shard00-3.tfrec", "split=dandelion/shard00-3.tfrec"];
    assert_eq!(workspace.names("out"), expected);
    let stdout = workspace.pixmill(&["verify", "out"]).success();
    assert!(!stdout.contains("split bytes_list"), "a partition column is no feature: {stdout}");
}

#[test]
fn verify_names_each_fault() {
    let workspace = Workspace::with_photos(12, 2);
    workspace.sql(TO_SHARDS).success();
    let mut shard = fs::read(workspace.path("out/p01-3.tfrec")).expect("a shard");
    let middle = shard.len() / 2;
    shard[middle] ^= 1;
    workspace.write("out/p01-3.tfrec", &shard);
    fs::remove_file(workspace.path("out/p02-3.tfrec")).expect("removed");
    fs::rename(workspace.path("out/p03-3.tfrec"), workspace.path("out/p03-9.tfrec")).expect("renamed");
    let finished = workspace.pixmill(&["verify", "out"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    for expected in [
        ": corrupted record: the checksum of its data is ",
        "out/p02-3.tfrec: the manifest lists it, and it isn't there",
        "out/p03-9.tfrec: note: its name may say 9 records, it holds 3",
        "out/p03-9.tfrec: the manifest doesn't list it",
    ] {
        assert!(finished.stdout.contains(expected), "{expected}\n{}", finished.stdout);
    }
    let json = workspace.pixmill(&["verify", "out", "--format", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["shards"][0]["records"], 3);
}

#[test]
fn what_was_asked_wrongly_exits_with_2_and_says_what_to_do() {
    let workspace = Workspace::with_photos(4, 1);
    workspace.write("q.sql", b"-- set: n = 3\nSELECT ${n}\n");
    let cases: [(&[&str], &str); 12] = [
        (&["sql", "-c", "SELECT * FROM read_images('nowhere')"], "nothing at 'nowhere': no such file or directory"),
        (&["sql", "-c", "SELECT * FROM read_images('photos/*.jpg')"], "no images match 'photos/*.jpg'"),
        (&["sql", "-c", "SELEC 1"], "syntax error: expected an SQL statement, found SELEC\nline 1: SELEC 1\n        ^"),
        (&["sql", "-c", "SELECT lenght FROM read_images('photos')"], "No field named lenght"),
        (&["sql", "-c", "SET pixmill.batch_byte = 1"], "batch_byte"),
        (&["sql", "-c", "SET pixmill.memory_limit = 'lots'"], "lots"),
        (
            &["sql", "-c", "SET pixmill.batch_bytes = 3000000000"],
            "pixmill.batch_bytes: must be 1 to 1073741824 bytes, got 3000000000",
        ),
        (
            &["executor", "--scheduler", "127.0.0.1:9", "--bind", "127.0.0.1:65535"],
            "--bind 127.0.0.1:65535: an executor listens on two ports, this one and the next, and 65535 is the last; give 1 to 65534, or 0",
        ),
        (
            &["executor", "--scheduler", "127.0.0.1:9", "--bind", "[::1]:65535"],
            "--bind [::1]:65535: an executor listens on two ports",
        ),
        (&["run", "q.sql", "--set", "m=4"], "there is no name 'm' to set; its header declares n"),
        (&["run", "q.sql", "--set", "n"], "--set takes NAME=VALUE, got 'n'"),
        (&["generate", "photos", "--images", "3"], "'photos' is not empty; choose another directory"),
    ];
    for (args, expected) in cases {
        let message = workspace.pixmill(args).failure(2);
        assert!(message.starts_with("error: ") && message.contains(expected), "{args:?}: {message}");
    }
}

#[test]
fn what_failed_exits_with_1() {
    let workspace = Workspace::with_photos(4, 1);
    workspace.write("file", b"x");
    let message = workspace.sql(&TO_SHARDS.replace("'out'", "'file/out'")).failure(1);
    assert!(message.contains("cannot create 'file/out'"), "{message}");
    let message = workspace.pixmill(&["run", "nowhere.sql"]).failure(1);
    assert_eq!(message, "error: cannot read 'nowhere.sql': No such file or directory (os error 2)\n");
    let message = workspace.sql(&TO_SHARDS.replace("'out'", "'file'")).failure(1);
    assert!(message.contains("cannot write shards to 'file': it is a file, not a directory"), "{message}");
}

#[test]
fn rows_are_printed_in_every_format() {
    let workspace = Workspace::with_photos(4, 2);
    let sql = "SELECT label, class, X'0102' AS bytes, [1, 2] AS list FROM read_images('photos') LIMIT 2";
    let print = |format: &str| workspace.pixmill(&["sql", "-c", sql, "--format", format]).success();
    insta::assert_snapshot!(print("table"), @"
    +-------+-------+-------+--------+
    | label | class | bytes | list   |
    +-------+-------+-------+--------+
    | daisy | 0     | <2 B> | [1, 2] |
    | daisy | 0     | <2 B> | [1, 2] |
    +-------+-------+-------+--------+
    2 rows
    ");
    insta::assert_snapshot!(print("csv"), @r#"
    label,class,bytes,list
    daisy,0,0102,"[1, 2]"
    daisy,0,0102,"[1, 2]"
    "#);
    insta::assert_snapshot!(print("jsonl"), @r#"
    {"label":"daisy","class":0,"bytes":"0102","list":[1,2]}
    {"label":"daisy","class":0,"bytes":"0102","list":[1,2]}
    "#);
    insta::assert_snapshot!(print("json"), @r#"[{"label":"daisy","class":0,"bytes":"0102","list":[1,2]},{"label":"daisy","class":0,"bytes":"0102","list":[1,2]}]"#);
    insta::assert_snapshot!(print("markdown"), @"
    | label | class | bytes | list |
    |---|---|---|---|
    | daisy | 0 | <2 B> | [1, 2] |
    | daisy | 0 | <2 B> | [1, 2] |
    ");
}

#[test]
fn generated_photos_are_the_same_for_the_same_seed() {
    let workspace = Workspace::new();
    for (directory, seed, threads) in [("a", "1", "1"), ("b", "1", "2"), ("c", "2", "2")] {
        let args = [
            "generate",
            directory,
            "--images",
            "6",
            "--classes",
            "2",
            "--size",
            "64x48",
            "--seed",
            seed,
            "--threads",
            threads,
        ];
        workspace.pixmill(&args).success();
    }
    assert_eq!(workspace.names("a").len(), 6);
    assert!(workspace.files("a") == workspace.files("b"));
    assert!(workspace.files("a") != workspace.files("c"));
}

#[test]
fn options_bound_the_batches_without_changing_the_rows() {
    let workspace = Workspace::with_photos(12, 2);
    let count = "SELECT count(*), sum(length) = sum(length(encode(content, 'hex')) / 2) FROM read_images('photos')";
    for option in ["batch_bytes = 1", "decoded_batch_bytes = 1", "prefetch_bytes = 0", "prefetch_batches = 1"] {
        let stdout = workspace
            .pixmill(&["sql", "--format", "csv", "-c", &format!("SET pixmill.{option}"), "-c", count])
            .success();
        assert!(stdout.ends_with("12,true\n"), "{option}: {stdout}");
    }
}
