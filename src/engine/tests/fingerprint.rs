//! What makes one statement another.

use crate::engine::Engine;
use crate::format::manifest::Manifest;

/// The fingerprint of a `COPY` of a table that is made by `create`.
async fn copied(engine: &Engine, create: &str, directory: &std::path::Path) -> String {
    let copy = format!("COPY t TO '{}' STORED AS TFRECORD OPTIONS (overwrite true)", directory.display());
    engine.sql(&format!("CREATE OR REPLACE TABLE t AS {create}; {copy}")).await.expect("written");
    Manifest::read(directory).expect("a manifest").expect("there").statement.expect("a statement")
}

#[tokio::test]
async fn rows_of_a_table_in_memory_count_by_their_values_wherever_they_stand() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = Engine::local(2).expect("an engine");
    // 1000 rows, of which one in the middle is another.
    let rows = |number: &str| {
        format!("SELECT CASE WHEN value = 500 THEN {number} ELSE value END AS n FROM generate_series(1, 1000)")
    };
    let of = async |create: &str| copied(&engine, create, directory.path()).await;
    let first = of(&rows("1")).await;
    assert_eq!(of(&rows("1")).await, first);
    for other in ["2", "NULL"] {
        assert_ne!(of(&rows(other)).await, first, "{other}");
    }
    let texts = |text: &str| {
        format!("SELECT CASE WHEN value = 500 THEN {text} ELSE 'a' END AS n FROM generate_series(1, 1000)")
    };
    assert_ne!(of(&texts("'b'")).await, of(&texts("'c'")).await);
    assert_ne!(of(&texts("''")).await, of(&texts("NULL")).await);
    let lists = |list: &str| {
        format!("SELECT CASE WHEN value = 500 THEN {list} ELSE [1, 2] END AS n FROM generate_series(1, 1000)")
    };
    assert_ne!(of(&lists("[1, 3]")).await, of(&lists("[1]")).await);
    let bytes = |byte: &str| format!("SELECT decode(repeat('00', 500) || '{byte}' || repeat('00', 500), 'hex') AS n");
    assert_ne!(of(&bytes("01")).await, of(&bytes("02")).await);
}
