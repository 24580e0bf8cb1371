//! The shards of every format: their names, their bytes, and what a reader finds in them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::metadata::{KeyValue, PageIndexPolicy};
use datafusion::parquet::file::properties::WriterProperties;
use pixmill::format::manifest::Manifest;
use support::Workspace;

const TO_TAR: &str = "COPY (SELECT path AS __key__, content AS jpg, class AS cls FROM read_images('photos', shuffle_seed => 1)) \
                      TO 'out' STORED AS WEBDATASET OPTIONS (shards 3, prefix 'p')";
const TO_PARQUET: &str = "COPY (SELECT content AS image, class, label AS name FROM read_images('photos', shuffle_seed => 1)) \
                          TO 'out' STORED AS PARQUET OPTIONS (huggingface true, shards 3)";
const TO_TFDS: &str = "COPY (SELECT content AS image, class, label AS name, length % 2 = 0 AS even, [1, 2] AS list, \
                       0.5 AS score FROM read_images('photos', shuffle_seed => 1)) TO 'out' STORED AS TFRECORD \
                       OPTIONS (shards 3, name_template 'tfds', prefix 'flowers-test')";

/// A member of a tar file.
struct Member {
    name: String,
    header: tar::Header,
    content: Vec<u8>,
}

fn members(workspace: &Workspace, shard: &str) -> Vec<Member> {
    let mut archive = tar::Archive::new(File::open(workspace.path(shard)).expect("a shard"));
    let mut members = Vec::new();
    for entry in archive.entries().expect("members") {
        let mut entry = entry.expect("a member");
        let name = entry.path().expect("a name").to_str().expect("UTF-8").to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        members.push(Member { name, header: entry.header().clone(), content });
    }
    members
}

fn manifest(workspace: &Workspace) -> Manifest {
    Manifest::read(&workspace.path("out")).expect("readable").expect("there")
}

#[test]
fn a_sample_is_neighbouring_members_with_one_key() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(TO_TAR).success();
    assert_eq!(workspace.names("out"), ["_manifest.json", "p-000000.tar", "p-000001.tar", "p-000002.tar"]);
    let mut photos: BTreeMap<String, Vec<u8>> = workspace.files("photos").into_iter().collect();
    for shard in manifest(&workspace).shards {
        let members = members(&workspace, &format!("out/{}", shard.path));
        assert_eq!(members.len() as u64, 2 * shard.records);
        for sample in members.chunks(2) {
            let [cls, jpg] = sample else { panic!("two members") };
            let (key, _) = cls.name.split_once('.').expect("a key");
            assert_eq!((&cls.name, &jpg.name), (&format!("{key}.cls"), &format!("{key}.jpg")));
            let path = key.strip_prefix("photos/").and_then(|path| path.strip_suffix("_jpg")).expect("a photo's path");
            assert_eq!(photos.remove(&format!("{path}.jpg")).expect("a photo, once"), jpg.content);
            assert_eq!(cls.content, if path.starts_with("daisy/") { b"0" } else { b"1" });
        }
    }
    assert!(photos.is_empty(), "{:?}", photos.keys());
}

#[test]
fn members_say_nothing_of_when_and_by_whom_they_were_written() {
    let workspace = Workspace::with_photos(2, 1);
    workspace.sql(TO_TAR).success();
    for Member { header, .. } in members(&workspace, "out/p-000000.tar") {
        assert_eq!((header.mode().expect("a mode"), header.mtime().expect("a time")), (0o444, 0));
        assert_eq!((header.uid().expect("an id"), header.gid().expect("an id")), (0, 0));
        assert_eq!(header.username().expect("UTF-8"), Some("bigdata"));
        assert_eq!(header.groupname().expect("UTF-8"), Some("bigdata"));
    }
}

#[test]
fn long_keys_stay_whole() {
    let workspace = Workspace::with_photos(1, 1);
    for length in [80, 95, 96, 97, 99, 100, 101, 300] {
        // Dots in a folder's name stay; in the last part they would cut the key.
        let fills = if length % 4 == 0 { &["a", "ä", "ab/", "a../"][..] } else { &["a", "ä", "ab/"] };
        for fill in fills {
            let key: String = fill.chars().cycle().take(length).chain(['x']).collect();
            let sql = TO_TAR.replace("path AS", &format!("'{key}' AS")).replace("shards 3", "shards 1, overwrite true");
            workspace.sql(&sql).success();
            let names: Vec<String> = members(&workspace, "out/p-000000.tar").into_iter().map(|m| m.name).collect();
            assert_eq!(names, [format!("{key}.cls"), format!("{key}.jpg")]);
        }
    }
}

#[test]
fn keys_that_readers_would_misunderstand_are_changed_and_told_once() {
    let workspace = Workspace::with_photos(4, 2);
    let sql = TO_TAR.replace("path AS", "label || '.v2' AS").replace("shards 3", "shards 1");
    let finished = workspace.sql(&sql);
    assert_eq!(finished.stderr.matches("were changed").count(), 1, "{}", finished.stderr);
    let expected = "4 keys were changed, because readers cut a key at the first dot of its file name and take neighbours \
                    with one key as one sample: 'd";
    assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    let mut names: Vec<String> =
        members(&workspace, "out/p-000000.tar").into_iter().map(|member| member.name).collect();
    names.retain(|name| name.ends_with(".jpg"));
    names.sort();
    assert_eq!(names, ["daisy_v2.jpg", "daisy_v2_1.jpg", "dandelion_v2.jpg", "dandelion_v2_1.jpg"]);
}

#[test]
fn samples_without_a_key_are_counted() {
    let workspace = Workspace::with_photos(4, 1);
    workspace.sql(&TO_TAR.replace("path AS __key__, ", "").replace("shards 3", "shards 2")).success();
    let names: Vec<String> = members(&workspace, "out/p-000001.tar").into_iter().map(|member| member.name).collect();
    assert_eq!(names, ["000001-000000.cls", "000001-000000.jpg", "000001-000001.cls", "000001-000001.jpg"]);
}

#[test]
fn a_sample_without_one_of_its_members_is_rejected() {
    let workspace = Workspace::with_photos(3, 1);
    workspace.write("photos/daisy/broken.jpg", b"hello");
    let sql = TO_TAR
        .replace("content AS jpg", "image_encode(image_decode(content)) AS jpg")
        .replace("class AS cls", "CASE WHEN path LIKE '%000001%' THEN NULL ELSE class END AS cls");
    let finished = workspace.sql(&sql);
    assert!(finished.stderr.contains("wrote 2 records in "), "{}", finished.stderr);
    insta::assert_snapshot!(workspace.read("out/_rejects.csv"), @r#"
    path,stage,class,reason
    photos/daisy/000001.jpg,write,null_value,column 'cls' is NULL
    photos/daisy/broken.jpg,decode,not_an_image,"not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image (starts with 68 65 6c 6c)"
    "#);
}

#[test]
fn every_format_gives_the_same_bytes_on_any_number_of_threads_and_in_batches_of_any_size() {
    let workspace = Workspace::with_photos(40, 3);
    for copy in [TO_TAR, TO_PARQUET, TO_TFDS] {
        let copy = copy.replace("shards 3", "shards 2, overwrite true");
        let mut first = None;
        for (threads, batch_bytes) in [("1", "32000000"), ("2", "32000000"), ("2", "1"), ("2", "20000")] {
            let set = format!("SET pixmill.batch_bytes = {batch_bytes}");
            workspace.pixmill(&["sql", "--threads", threads, "-c", &set, "-c", &copy]).success();
            let files = workspace.files("out");
            assert!(files == *first.get_or_insert_with(|| files.clone()), "{threads} threads, {batch_bytes}: {copy}");
        }
        fs::remove_dir_all(workspace.path("out")).expect("removed");
    }
}

#[test]
fn a_parquet_file_tells_what_its_columns_are() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(TO_PARQUET).success();
    let names = [0, 1, 2].map(|shard| format!("train-{shard:05}-of-00003.parquet"));
    assert_eq!(workspace.names("out")[1..], names);
    let file = File::open(workspace.path("out").join(&names[0])).expect("a shard");
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).expect("a Parquet file");
    let features = reader.schema().metadata().get("huggingface").expect("the features");
    let features: serde_json::Value = serde_json::from_str(features).expect("JSON");
    let expected = serde_json::json!({ "info": { "features": {
        "image": { "_type": "Image" },
        "class": { "_type": "ClassLabel", "names": ["daisy", "dandelion"] },
        "name": { "_type": "Value", "dtype": "string" },
    } } });
    assert_eq!(features, expected);
    let columns = reader.metadata().row_group(0).columns();
    let image = columns.iter().find(|column| column.column_path().string() == "image.bytes").expect("the images");
    assert_eq!(image.compression(), Compression::UNCOMPRESSED);
    assert!(reader.metadata().offset_index().is_some());
}

/// A `hf/*.parquet` of Hugging Face: images, one of them without bytes, one NULL; classes, one of them not known; boxes with classes.
fn huggingface_file(workspace: &Workspace) -> serde_json::Value {
    let photo = fs::read(workspace.path("photos/daisy/000000.jpg")).expect("a photo");
    let bytes = BinaryArray::from(vec![Some(photo.as_slice()), None, None, Some(&photo)]);
    let paths = StringArray::from(vec![None, Some("/elsewhere/1.jpg"), None, Some("x.jpg")]);
    let fields =
        Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)]);
    let nulls = NullBuffer::from(vec![true, true, false, true]);
    let images = StructArray::new(fields, vec![Arc::new(bytes), Arc::new(paths)], Some(nulls));
    let labels = Int64Array::from(vec![Some(0), Some(-1), None, Some(1)]);
    let boxes =
        ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)]), None, Some(vec![]), Some(vec![None])]);
    let raw = BinaryArray::from(vec![Some(b"\xff".as_slice()), None, Some(b""), Some(b"x")]);
    let columns: [(&str, ArrayRef); 4] =
        [("image", Arc::new(images)), ("label", Arc::new(labels)), ("boxes", Arc::new(boxes)), ("raw", Arc::new(raw))];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let names = serde_json::json!({ "_type": "ClassLabel", "names": ["cat", "dog"] });
    let features = serde_json::json!({
        "image": { "_type": "Image", "decode": false },
        "label": names,
        "boxes": [names],
        "raw": { "_type": "Value", "dtype": "binary" },
    });
    let metadata = serde_json::json!({ "info": { "features": features } }).to_string();
    let metadata = vec![KeyValue::new("huggingface".to_string(), metadata)];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata)).build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    workspace.write("hf/train-00000-of-00001.parquet", &file);
    features
}

/// The features of the first shard that a query writes.
fn features_of(workspace: &Workspace, query: &str) -> serde_json::Value {
    let copy = format!("COPY ({query}) TO 'out' STORED AS PARQUET OPTIONS (huggingface true, overwrite true)");
    workspace.sql(&copy).success();
    let file = File::open(workspace.path("out").join(&workspace.names("out")[1])).expect("a shard");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let features = reader.schema().metadata().get("huggingface").expect("the features");
    let features: serde_json::Value = serde_json::from_str(features).expect("JSON");
    features["info"]["features"].clone()
}

#[test]
fn features_of_hugging_face_come_through_a_copy_as_they_were() {
    let workspace = Workspace::with_photos(2, 1);
    let features = huggingface_file(&workspace);
    for query in [
        "SELECT * FROM 'hf/*.parquet'",
        "SELECT * FROM 'hf/*.parquet' WHERE label = 0 OR label IS NULL",
        "SELECT * FROM 'hf/*.parquet' ORDER BY label DESC LIMIT 3",
        "WITH t AS (SELECT * FROM 'hf/*.parquet') SELECT raw, boxes, label, image FROM t",
        "SELECT * FROM 'hf/*.parquet' UNION ALL SELECT * FROM 'hf/train-00000-of-00001.parquet'",
    ] {
        assert_eq!(features_of(&workspace, query), features, "{query}");
        let stdout = workspace.pixmill(&["verify", "out", "--duplicates", "ignore"]).success();
        assert!(stdout.contains(" 0 faults"), "{query}: {stdout}");
    }
    // Every row comes through, NULLs and what is no class included, also the second time.
    for (from, to) in [("hf/*.parquet", "one"), ("one/*.parquet", "two")] {
        let copy = format!("COPY (SELECT * FROM '{from}') TO '{to}' STORED AS PARQUET OPTIONS (huggingface true)");
        workspace.sql(&copy).success();
    }
    let rows = |place: &str| {
        let query = format!(
            "SELECT image, image IS NULL AS is_null, label, boxes, raw FROM '{place}' ORDER BY label NULLS FIRST, image['path']"
        );
        workspace.pixmill(&["sql", "--format", "jsonl", "-c", &query]).success()
    };
    assert_eq!(rows("two/*.parquet"), rows("hf/*.parquet"));
    assert_eq!(rows("two/*.parquet").lines().count(), 4);
    let manifest = Manifest::read(&workspace.path("two")).expect("readable").expect("there");
    assert_eq!(manifest.classes, Some(vec!["cat".to_string(), "dog".to_string()]));
    let kinds = manifest.features.values().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(kinds, ["List(ClassLabel)", "Image", "ClassLabel", "binary"]);
}

#[test]
fn features_that_a_query_changed_are_those_of_what_it_made() {
    let workspace = Workspace::with_photos(2, 1);
    let features = huggingface_file(&workspace);
    let (image, label) = (&features["image"], &features["label"]);
    let number = serde_json::json!({ "_type": "Value", "dtype": "int64" });
    let query = "SELECT image AS picture, label AS animal, label + 0 AS label, -label AS other, image['path'] AS path FROM 'hf/*.parquet'";
    let expected = serde_json::json!({
        "picture": image, "animal": label, "label": number, "other": number,
        "path": { "_type": "Value", "dtype": "string" },
    });
    assert_eq!(features_of(&workspace, query), expected);
    let query = "SELECT label, count(*) AS images, max(label) AS most FROM 'hf/*.parquet' GROUP BY label";
    assert_eq!(features_of(&workspace, query), serde_json::json!({ "label": label, "images": number, "most": number }));
    // Bytes that are taken out of an image are one.
    let query = "SELECT image['bytes'] AS image FROM 'hf/*.parquet' WHERE image['bytes'] IS NOT NULL";
    assert_eq!(features_of(&workspace, query), serde_json::json!({ "image": { "_type": "Image" } }));
    // Columns that swap their names, and rows of files that say something else.
    let query = "SELECT label AS raw, raw AS label FROM 'hf/*.parquet'";
    assert_eq!(features_of(&workspace, query), serde_json::json!({ "raw": label, "label": features["raw"] }));
    let query = "SELECT label FROM 'hf/*.parquet' UNION ALL SELECT 1";
    assert_eq!(features_of(&workspace, query), serde_json::json!({ "label": number }));
    workspace.sql("COPY (SELECT 1 AS label) TO 'hf/other.parquet' STORED AS PARQUET").success();
    assert_eq!(features_of(&workspace, "SELECT label FROM 'hf/*.parquet'"), serde_json::json!({ "label": number }));
}

#[test]
fn class_names_of_hugging_face_come_into_other_formats() {
    let workspace = Workspace::with_photos(2, 1);
    huggingface_file(&workspace);
    for format in ["TFRECORD", "WEBDATASET"] {
        let copy = format!(
            "COPY (SELECT label AS cls FROM 'hf/*.parquet' WHERE label >= 0) TO 'out' STORED AS {format} OPTIONS (overwrite true)"
        );
        workspace.sql(&copy).success();
        assert_eq!(manifest(&workspace).classes, Some(vec!["cat".to_string(), "dog".to_string()]), "{format}");
    }
}

#[test]
fn row_groups_hold_at_most_the_bytes_asked_for() {
    let workspace = Workspace::with_photos(20, 2);
    let sql = TO_PARQUET.replace("shards 3", "shards 1, row_group_bytes 10000");
    workspace.sql(&sql).success();
    let file = File::open(workspace.path("out/train-00000-of-00001.parquet")).expect("a shard");
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).expect("a Parquet file");
    let (groups, pages) = (reader.metadata().row_groups(), reader.metadata().offset_index().expect("pages"));
    assert!(groups.len() > 2, "{}", groups.len());
    for (group, columns) in groups.iter().zip(pages) {
        let images: i64 = group.columns()[0].uncompressed_size();
        assert!(group.num_rows() == 1 || images <= 10_500, "{images} bytes in {} rows", group.num_rows());
        // Some readers take a page without rows for the end of the column.
        for column in columns {
            let mut starts: Vec<i64> = column.page_locations().iter().map(|page| page.first_row_index).collect();
            starts.push(group.num_rows());
            assert!(starts.is_sorted_by(|left, right| left < right), "{starts:?}");
        }
    }
}

#[test]
fn a_split_in_directories_is_named_by_its_files() {
    let workspace = Workspace::with_photos(8, 2);
    let sql = TO_PARQUET.replace("label AS name", "CASE class WHEN 0 THEN 'test' ELSE 'train' END AS split");
    let sql =
        sql.replace("STORED AS PARQUET", "STORED AS PARQUET PARTITIONED BY (split)").replace("shards 3", "shards 1");
    workspace.sql(&sql).success();
    let expected =
        ["_manifest.json", "split=test/test-00000-of-00001.parquet", "split=train/train-00000-of-00001.parquet"];
    assert_eq!(workspace.names("out"), expected);
    workspace.sql(&sql.replace("shards 1", "shards 2, prefix 'x', overwrite true")).success();
    let names = workspace.names("out");
    assert!(names[1..].iter().all(|name| name.contains("/x-")), "{names:?}");
}

#[test]
fn a_directory_names_shards_only_where_its_value_is_a_split() {
    let workspace = Workspace::with_photos(4, 2);
    let sql = TO_PARQUET
        .replace("label AS name", "label")
        .replace("STORED AS PARQUET", "STORED AS PARQUET PARTITIONED BY (label)")
        .replace("shards 3", "shards 1");
    workspace.sql(&sql).success();
    let expected =
        ["_manifest.json", "label=daisy/train-00000-of-00001.parquet", "label=dandelion/train-00000-of-00001.parquet"];
    assert_eq!(workspace.names("out"), expected);
}

#[test]
fn the_manifest_says_what_the_features_of_a_format_are() {
    let workspace = Workspace::with_photos(4, 2);
    let cases = [
        (TO_TAR, "webdataset", [("cls", "text"), ("jpg", "bytes")]),
        (TO_PARQUET, "parquet", [("class", "ClassLabel"), ("image", "Image")]),
        (TO_TFDS, "tfrecord", [("class", "int64_list"), ("image", "bytes_list")]),
    ];
    for (copy, format, features) in cases {
        workspace.sql(&copy.replace("shards 3", "shards 3, overwrite true")).success();
        let manifest = manifest(&workspace);
        assert_eq!((manifest.format.as_str(), manifest.records), (format, 4));
        for (name, kind) in features {
            assert_eq!(manifest.features.get(name).map(String::as_str), Some(kind), "{name}");
        }
    }
}

#[test]
fn shards_are_numbered_without_gaps() {
    let workspace = Workspace::with_photos(12, 3);
    // Every partition has one row; those of one class are left out behind the listing, where partitions are made.
    let filter = "TO 'out'";
    for (copy, shown, unpadded) in
        [(TO_TAR, "p-", ".tar"), (TO_PARQUET, "train-", ".parquet"), (TO_TFDS, "flowers-", "")]
    {
        let copy = copy
            .replace(&format!(") {filter}"), &format!(" WHERE image_info(content)['width'] + class <> 65) {filter}"))
            .replace("shards 3", "shards 12, overwrite true");
        workspace.sql(&copy).success();
        let shards = manifest(&workspace).shards;
        assert_eq!(shards.len(), 8, "{shards:?}");
        for (number, shard) in shards.iter().enumerate() {
            assert!(shard.path.starts_with(shown) && shard.path.contains(&format!("0000{number}")), "{}", shard.path);
            assert!(shard.path.ends_with(unpadded) && workspace.path("out").join(&shard.path).exists());
            let of = shard.path.contains("-of-00008");
            assert!(of || unpadded == ".tar", "{}", shard.path);
        }
        let files = workspace.names("out").into_iter().filter(|name| name.starts_with(shown));
        assert_eq!(files.count(), 8);
    }
}

#[test]
fn an_index_keeps_to_its_shard() {
    let workspace = Workspace::with_photos(6, 3);
    let sql = "COPY (SELECT content AS image, class FROM read_images('photos') WHERE image_info(content)['width'] + class <> 64) \
               TO 'out' STORED AS TFRECORD OPTIONS (shards 6, index true)";
    let stdout = workspace.sql(sql).success();
    assert!(stdout.contains("| shard00-1.tfrec | 1 "), "{stdout}");
    let mut expected = vec!["_manifest.json".to_string()];
    for shard in 0..4 {
        expected.extend([format!("shard{shard:02}-1.tfrec"), format!("shard{shard:02}-1.tfrec.idx")]);
    }
    assert_eq!(workspace.names("out"), expected);
    workspace.pixmill(&["verify", "out"]).success();
    // An index of the dataset that was replaced is not one of the new shards.
    workspace.sql(&sql.replace("index true", "overwrite true")).success();
    assert!(workspace.names("out").iter().all(|name| !name.ends_with(".idx")));
}

#[test]
fn tensorflow_datasets_finds_its_files() {
    let workspace = Workspace::with_photos(8, 2);
    workspace.sql(TO_TFDS).success();
    let expected = [
        "_manifest.json",
        "class.labels.txt",
        "dataset_info.json",
        "features.json",
        "flowers-test.tfrecord-00000-of-00003",
        "flowers-test.tfrecord-00001-of-00003",
        "flowers-test.tfrecord-00002-of-00003",
    ];
    assert_eq!(workspace.names("out"), expected);
    assert_eq!(workspace.read("out/class.labels.txt"), "daisy\ndandelion\n");
    let info: serde_json::Value = serde_json::from_str(&workspace.read("out/dataset_info.json")).expect("JSON");
    let split = &info["splits"][0];
    assert_eq!((&info["name"], &split["name"]), (&"flowers".into(), &"test".into()));
    assert_eq!(split["shardLengths"], serde_json::json!(["3", "3", "2"]));
    let features: serde_json::Value = serde_json::from_str(&workspace.read("out/features.json")).expect("JSON");
    let features = &features["featuresDict"]["features"];
    assert_eq!(features["class"]["classLabel"]["numClasses"], "2");
    assert_eq!(features["image"]["image"]["shape"]["dimensions"], serde_json::json!(["-1", "-1", "3"]));
    for (name, dtype) in [("even", "bool"), ("list", "int64"), ("score", "float32")] {
        assert_eq!(features[name]["tensor"]["dtype"], dtype);
    }
    // Bytes that are no image are a tensor of bytes.
    let bytes = TO_TFDS.replace("content AS image", "content AS image, arrow_cast('raw', 'Binary') AS mask");
    workspace.sql(&bytes.replace("shards 3", "shards 3, images 'image', overwrite true")).success();
    let features: serde_json::Value = serde_json::from_str(&workspace.read("out/features.json")).expect("JSON");
    let features = &features["featuresDict"]["features"];
    assert_eq!(features["mask"]["tensor"], serde_json::json!({ "dtype": "string", "encoding": "none", "shape": {} }));
    assert_eq!(features["image"]["image"]["dtype"], "uint8");
    let with_null = TO_TFDS
        .replace("label AS name", "nullif(label, 'daisy') AS name")
        .replace("shards 3", "shards 1, overwrite true");
    assert!(workspace.sql(&with_null).stderr.contains("wrote 4 records in 1 shard"));
    let rejects = workspace.read("out/_rejects.csv");
    assert_eq!(
        rejects.matches("\"column 'name' is NULL, which TensorFlow Datasets has no place for\"").count(),
        4,
        "{rejects}"
    );
    // They go with the dataset that they describe.
    workspace.sql(&TO_TAR.replace("shards 3", "shards 1, overwrite true")).success();
    assert_eq!(workspace.names("out"), ["_manifest.json", "p-000000.tar"]);
    workspace.write("other/dataset_info.json", b"{}");
    let message = workspace.sql(&TO_TFDS.replace("'out'", "'other'")).failure(1);
    assert!(message.contains("'other' already holds 'dataset_info.json', which no manifest lists"), "{message}");
}
