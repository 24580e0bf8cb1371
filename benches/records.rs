//! Reading shards: records and megabytes per second, with and without the image bytes, on one thread and on all. Checksums are checked.
//!
//! `cargo bench --bench records`

#![allow(clippy::expect_used, missing_docs, reason = "a bench that can't go on stops; criterion's macros have no docs")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pixmill::Engine;
use pixmill::synthetic::PhotoSet;

const PHOTOS: usize = 400;
/// Each photo is in the shards so many times: they are to be larger than the processor's caches.
const TIMES: usize = 10;

/// What is read, and the query that reads it.
const QUERIES: [(&str, &str); 3] = [
    ("image and class", "SELECT count(image), sum(class)"),
    ("class", "SELECT sum(class)"),
    ("frames", "SELECT count(*)"),
];

fn reading(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let photos = PhotoSet { images: PHOTOS, classes: 5, size: Some((192, 192)), seed: 42 };
    photos.write(&directory.path().join("photos"), cores, &|_| ()).expect("photos");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let all = vec![format!("SELECT content AS image, class FROM read_images('{}')", path("photos")); TIMES];
    let copy = format!("COPY ({}) TO '{}' STORED AS TFRECORD", all.join(" UNION ALL "), path("shards"));
    runtime.block_on(Engine::local(cores).expect("an engine").sql(&copy)).expect("shards");
    // Without the manifest, which would answer the count.
    std::fs::remove_file(directory.path().join("shards/_manifest.json")).expect("removed");
    let sizes = walkdir::WalkDir::new(path("shards")).into_iter();
    let bytes = sizes
        .map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |m| if m.is_file() { m.len() } else { 0 }));
    let bytes: u64 = bytes.sum();
    for (name, select) in QUERIES {
        let sql = format!("{select} FROM read_tfrecord('{}/*.tfrec')", path("shards"));
        let mut group = criterion.benchmark_group(format!("read_tfrecord {name}"));
        let elements = (PHOTOS * TIMES) as u64;
        group.throughput(Throughput::ElementsAndBytes { elements, bytes }).sample_size(20);
        for threads in [1, cores] {
            let engine = Engine::local(threads).expect("an engine");
            group.bench_function(BenchmarkId::from_parameter(format!("{threads} threads")), |bencher| {
                bencher.iter(|| runtime.block_on(engine.sql(&sql)).expect("rows"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, reading);
criterion_main!(benches);
