//! The pipelines of `queries/` from files to shards: images per second, on one thread and on all.
//!
//! `cargo bench --bench pipeline`

#![allow(clippy::expect_used, missing_docs, reason = "a bench that can't go on stops; criterion's macros have no docs")]

use std::fs;
use std::path::Path;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pixmill::Engine;
use pixmill::synthetic::PhotoSet;

const PHOTOS: usize = 600;

fn copy(query: &str, root: &Path) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("queries").join(query)).expect("a query");
    let path = |name: &str| root.join(name).display().to_string();
    let text = text.replace("${input}", &path("photos")).replace("${output}", &path("out"));
    text.replace("${shards}", "16").replace("${seed}", "42").replace("${overwrite}", "true")
}

fn pipelines(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let photos = PhotoSet { images: PHOTOS, classes: 5, size: None, seed: 42 };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    photos.write(&directory.path().join("photos"), cores, &|_| ()).expect("photos");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for query in ["flowers_to_tfrecord.sql", "flowers_to_tfrecord_tf.sql"] {
        let sql = copy(query, directory.path());
        let mut group = criterion.benchmark_group(query);
        group.throughput(Throughput::Elements(PHOTOS as u64)).sample_size(10);
        for threads in [1, cores] {
            group.bench_function(BenchmarkId::from_parameter(format!("{threads} threads")), |bencher| {
                let engine = || Engine::local(threads).expect("an engine");
                bencher.iter_batched(
                    engine,
                    |engine| runtime.block_on(engine.sql(&sql)).expect("shards"),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pipelines);
criterion_main!(benches);
