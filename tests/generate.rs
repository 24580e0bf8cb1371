//! Generated sets: the same everywhere, and with what real folders have among their photos.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::collections::BTreeSet;

use pixmill::synthetic::{HostileSet, KINDS, PhotoSet};
use support::Workspace;
use support::site::Site;

const SMALL: [&str; 6] = ["--classes", "3", "--size", "64x48", "--seed", "5"];

#[test]
fn objects_of_a_store_are_the_files_of_a_directory() {
    let site = Site::new();
    let generate = |place: &str, more: &[&str]| {
        let arguments = [&["generate", place, "--images", "72", "--hostile", "0.5"], &SMALL[..], more].concat();
        support::Finished::of(&site.command(&arguments).output().expect("the binary starts"))
    };
    let said = generate("photos", &[]);
    assert!(said.stderr.starts_with("generated 72 photos, 36 of them hostile, "), "{}", said.stderr);
    said.success();
    generate("s3://photos/set", &["--threads", "1"]).success();
    let keys = site.server.keys("photos").into_iter();
    let objects: Vec<(String, Vec<u8>)> = keys
        .map(|key| (key["set/".len()..].to_string(), site.server.get("photos", &key).expect("an object").to_vec()))
        .collect();
    assert!(objects == site.workspace.files("photos"));
    let refused = generate("s3://photos/set", &[]).failure(2);
    assert_eq!(refused, "error: 's3://photos/set' is not empty; choose another directory\n");
    let refused = generate("s3://nosuch/set", &[]).failure(1);
    assert!(refused.contains("NoSuchBucket"), "{refused}");
    let refused = generate("s3://photos/other", &["--hostile", "2"]).failure(2);
    assert!(refused.contains("cannot be used multiple times"), "{refused}");
}

#[test]
fn every_hostile_file_is_an_image_or_a_reject_with_its_reason() {
    let photos = PhotoSet { images: 2 * KINDS.len(), classes: 3, size: Some((64, 48)), seed: 5 };
    let set = HostileSet { photos, share: 0.5 };
    let workspace = Workspace::new();
    let images = set.photos.images.to_string();
    workspace
        .pixmill(&[&["generate", "photos", "--images", &images, "--hostile", "0.5"], &SMALL[..]].concat())
        .success();
    let expected: BTreeSet<String> = (0..set.photos.images).map(|index| set.path(index)).collect();
    assert_eq!(expected, workspace.names("photos").into_iter().collect());
    let copy = "COPY (SELECT path AS name, image_encode(image_resize(image_decode(content), 16, 16)) AS image FROM read_images('photos')) \
                TO 'out' STORED AS TFRECORD OPTIONS (shards 3)";
    workspace.sql(copy).success();
    let rejects = String::from_utf8(
        workspace.files("out").into_iter().find(|(name, _)| name == "_rejects.csv").expect("rejects").1,
    )
    .expect("UTF-8");
    let accepted = workspace
        .pixmill(&["sql", "--format", "csv", "-c", "SELECT CAST(name AS VARCHAR) FROM read_tfrecord('out')"])
        .success();
    let mut missing = Vec::new();
    for index in 0..set.photos.images {
        let path = format!("photos/{}", set.path(index));
        let (is_accepted, is_rejected) = (accepted.contains(&path), rejects.contains(&path));
        assert!(is_accepted != is_rejected, "{path}: {:?}", set.kind(index));
        let is_image = set.kind(index).map_or(Some(true), |kind| kind.is_image);
        if is_image.is_some_and(|is_image| is_image != is_accepted) {
            missing.push((path, set.kind(index)));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}\n{rejects}");
}
