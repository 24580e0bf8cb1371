//! What TensorFlow Datasets wants beside shards: `dataset_info.json`, `features.json` and the names of classes.
//!
//! Specification: `dataset_info.proto` and `feature.proto` of TensorFlow Datasets, as JSON.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, Field};
use serde_json::{Map, Value, json};

use super::TfRecordOptions;
use super::features::{element_type, kind_name};
use crate::format::manifest::Shard;
use crate::sink::{Target, holds_images};

/// The files that are there whatever the features are.
const TFDS_FILES: [&str; 2] = ["dataset_info.json", "features.json"];

/// The names of the sidecar files.
pub(crate) fn file_names(target: &Target) -> Vec<String> {
    let classes = target.schema.fields().iter().filter(|field| target.classes_of(field).is_some());
    let labels = classes.map(|field| labels_file(field));
    TFDS_FILES.iter().map(|name| name.to_string()).chain(labels).collect()
}

fn labels_file(field: &Field) -> String {
    format!("{}.labels.txt", field.name())
}

/// The sidecar files by their names.
pub(crate) fn files(
    options: &TfRecordOptions,
    target: &Target,
    shards: &[Shard],
) -> serde_json::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let (dataset, split) = target.options.prefix.split_once('-').unwrap_or((&target.options.prefix, "train"));
    let lengths: Vec<String> = shards.iter().map(|shard| shard.records.to_string()).collect();
    // The bytes of the records, without their frames.
    let payload: u64 = shards.iter().map(|shard| shard.bytes - shard.records * crate::format::tfrecord::OVERHEAD).sum();
    let info = json!({
        "fileFormat": "tfrecord",
        "name": dataset,
        "releaseNotes": {},
        "splits": [{
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            "name": split,
            "numBytes": payload.to_string(),
            "shardLengths": lengths,
        }],
        "version": "1.0.0",
    });
    let images = options.images.as_ref();
    let mut features = Map::new();
    for field in target.schema.fields() {
        let classes = target.classes_of(field);
        let is_image = holds_images(field) && images.is_none_or(|images| images.contains(field.name()));
        features.insert(field.name().clone(), feature(field, classes, is_image));
        if let Some(classes) = classes {
            files.insert(labels_file(field), classes.join("\n") + "\n");
        }
    }
    let features = json!({
        "featuresDict": { "features": features },
        "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
    });
    for (name, value) in TFDS_FILES.iter().zip([info, features]) {
        files.insert(name.to_string(), serde_json::to_string_pretty(&value)? + "\n");
    }
    Ok(files)
}

fn feature(field: &Field, classes: Option<&[String]>, is_image: bool) -> Value {
    let class_name = |name: &str| format!("tensorflow_datasets.core.features.{name}");
    if let Some(classes) = classes {
        return json!({
            "classLabel": { "numClasses": classes.len().to_string() },
            "pythonClassName": class_name("class_label_feature.ClassLabel"),
        });
    }
    if is_image {
        // Of three channels, whatever the file has: gray images are decoded to RGB.
        return json!({
            "image": { "dtype": "uint8", "shape": { "dimensions": ["-1", "-1", "3"] } },
            "pythonClassName": class_name("image_feature.Image"),
        });
    }
    let list = element_type(field.data_type());
    let dtype = match (kind_name(field), list.unwrap_or(field.data_type())) {
        ("float_list", _) => "float32",
        ("int64_list", DataType::Boolean) => "bool",
        ("int64_list", _) => "int64",
        _ => "string",
    };
    // Text is decoded as UTF-8, which bytes aren't.
    if dtype == "string" && list.is_none() && !holds_images(field) {
        return json!({ "pythonClassName": class_name("text_feature.Text"), "text": {} });
    }
    let shape = if list.is_some() { json!({ "dimensions": ["-1"] }) } else { json!({}) };
    json!({
        "pythonClassName": class_name("tensor_feature.Tensor"),
        "tensor": { "dtype": dtype, "encoding": "none", "shape": shape },
    })
}
