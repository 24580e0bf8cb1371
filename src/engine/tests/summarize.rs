//! What SUMMARIZE reads.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;

use crate::engine::Engine;
use crate::source::images::FORMAT;

/// A JPEG of 2x1 pixels with so many bytes before its frame header, and as many behind it.
fn jpeg(bytes: usize) -> Vec<u8> {
    let comment = [[0xff, 0xfe, 0xff, 0xff].as_slice(), &[0; 0xfffd]].concat();
    let mut jpeg = vec![0xff, 0xd8];
    while jpeg.len() < bytes {
        jpeg.extend(&comment);
    }
    jpeg.extend([0xff, 0xc0, 0, 11, 8, 0, 1, 0, 2, 1, 1, 0x11, 0]);
    jpeg.resize(2 * jpeg.len(), 0);
    jpeg
}

#[tokio::test]
async fn images_are_read_as_far_as_their_headers_go() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, bytes) in [("early.jpg", jpeg(0)), ("late.jpg", jpeg(200_000)), ("none.jpg", vec![0; 200_000])] {
        std::fs::write(directory.path().join(name), bytes).expect("an image");
    }
    let engine = Engine::local(1).expect("an engine");
    let create = format!("CREATE EXTERNAL TABLE t STORED AS {FORMAT} LOCATION '{}'", directory.path().display());
    engine.sql(&create).await.expect("a table");
    for (sql, reads, broken) in [
        ("SUMMARIZE t", "reads=headers", 1),
        ("SUMMARIZE SELECT * FROM t", "reads=headers", 1),
        ("SUMMARIZE SELECT * FROM t WHERE image_info(content) IS NULL", "reads=headers", 1),
        ("SUMMARIZE SELECT * FROM t WHERE image_error(content) IS NOT NULL", "reads=content", 1),
    ] {
        let statement = engine.parse(sql).expect("SQL").remove(0);
        let running = engine.start(statement).await.expect("a plan");
        assert!(running.plan_text().contains(reads), "{sql}: {}", running.plan_text());
        let rows = running.collect().await.expect("rows");
        assert_eq!(rows[0].column(2).as_primitive::<Int64Type>().value(0), broken, "{sql}");
    }
}
