//! What tables in memory hold of the session's memory.

use crate::engine::Engine;

/// What the engine's tables hold of its memory.
fn held(engine: &Engine) -> usize {
    engine.context().runtime_env().memory_pool.reserved()
}

#[tokio::test]
async fn rows_count_against_the_memory_as_long_as_they_are_there() {
    let engine = Engine::local(2).expect("an engine");
    let rows = "SELECT value AS n, repeat('x', 100) AS t FROM generate_series(1, 1000)";
    engine.sql("CREATE TABLE t (n BIGINT, t VARCHAR)").await.expect("a table");
    let mut last = held(&engine);
    for sql in [
        format!("INSERT INTO t {rows}"),
        format!("INSERT INTO t {rows}"),
        "UPDATE t SET t = t || t || t".to_string(),
        format!("CREATE TABLE u AS {rows}"),
        "INSERT INTO u SELECT * FROM t".to_string(),
    ] {
        engine.sql(&sql).await.expect("done");
        assert!(held(&engine) > last + 100_000, "{sql}: {last}, {}", held(&engine));
        last = held(&engine);
    }
    for sql in ["DELETE FROM t WHERE n > 10", "DELETE FROM t", "DROP TABLE u"] {
        engine.sql(sql).await.expect("done");
        assert!(held(&engine) < last, "{sql}: {last}, {}", held(&engine));
        last = held(&engine);
    }
    engine.sql("DROP TABLE t").await.expect("done");
    assert_eq!(held(&engine), 0);
}

#[tokio::test]
async fn rows_that_are_there_count_against_a_new_limit_too() {
    let engine = Engine::local(2).expect("an engine");
    engine.sql("CREATE TABLE t AS SELECT value AS n FROM generate_series(1, 10000)").await.expect("a table");
    let before = held(&engine);
    for set in ["SET pixmill.memory_limit = '1G'", "SET datafusion.runtime.memory_limit = '500M'"] {
        engine.sql(set).await.expect("set");
        assert_eq!(held(&engine), before, "{set}");
    }
    engine.sql("INSERT INTO t SELECT * FROM t").await.expect("inserted");
    assert!(held(&engine) > before + 50_000);
    engine.sql("DROP TABLE t").await.expect("dropped");
    assert_eq!(held(&engine), 0);
}

#[tokio::test]
async fn an_insert_that_has_no_room_changes_nothing() {
    let engine = Engine::local(2).expect("an engine");
    engine.sql("SET pixmill.memory_limit = '1M'; CREATE TABLE t (n BIGINT, t VARCHAR)").await.expect("a table");
    let insert = |rows: usize| format!("INSERT INTO t SELECT value, repeat('x', 100) FROM generate_series(1, {rows})");
    engine.sql(&insert(1000)).await.expect("inserted");
    let before = held(&engine);
    let message = engine.sql(&insert(100_000)).await.expect_err("too much").to_string();
    assert!(
        message.contains("table 't' doesn't fit in memory") && message.contains("pixmill.memory_limit of 1M"),
        "{message}"
    );
    let message =
        engine.sql("INSERT INTO t SELECT value, arrow_cast('x' || value, 'Int64') FROM generate_series(1, 9)").await;
    message.expect_err("no number");
    assert_eq!(held(&engine), before);
    let count = engine.sql("SELECT n FROM t").await.expect("rows");
    assert_eq!(count.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1000);
    engine.sql(&insert(1000)).await.expect("inserted");
}
