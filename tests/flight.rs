//! Remote clients: what they are answered, who they are, and what is left of them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on stops")]

mod support;

use std::sync::Arc;

use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables, SqlInfo};
use arrow_flight::{Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus};
use datafusion::arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use support::Workspace;
use support::cluster::{Cluster, eventually};
use support::server::{FlightClient, Server, failure, fetch, lines, lines_of, rows, serve, status, ticket};
use tonic::{Code, IntoRequest};

/// A statement that doesn't come to its end by itself.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000000000) WHERE value % 7 = 8";

const TO_SHARDS: &str =
    "COPY (SELECT content AS image, class FROM read_images('photos')) TO 'out' STORED AS TFRECORD OPTIONS (shards 3)";

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("a batch")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_gives_its_rows_with_the_columns_that_were_promised() {
    let workspace = Workspace::with_photos(9, 3);
    let server = Server::start(&workspace, &[]);
    let mut client = server.client().await;
    let sql = "SELECT label, count(*) AS photos, min(image_info(content)['width']) AS width FROM read_images('photos') \
               GROUP BY label ORDER BY label";
    let info = client.execute(sql.to_string(), None).await.unwrap();
    let promised = info.clone().try_decode_schema().unwrap();
    let rows = fetch(&mut client, info).await.unwrap();
    assert_eq!(rows[0].schema().fields(), promised.fields());
    assert_eq!(lines_of(&rows), ["daisy | 3 | 64", "dandelion | 3 | 64", "roses | 3 | 64"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_whose_types_planning_changes_are_promised_as_they_come() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    let sql = "SELECT * FROM (SELECT 1 AS n UNION ALL SELECT 1.5) ORDER BY n";
    let info = client.execute(sql.to_string(), None).await.unwrap();
    let promised = info.clone().try_decode_schema().unwrap();
    assert_eq!(promised.field(0).data_type(), &DataType::Float64);
    let rows = fetch(&mut client, info).await.unwrap();
    assert_eq!((rows[0].schema().fields(), lines_of(&rows)), (promised.fields(), vec!["1.0".into(), "1.5".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn dictionaries_and_views_are_sent_as_plain_columns() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    let sql = "SELECT arrow_cast('a', 'Dictionary(Int32, Utf8)') AS d, arrow_cast('b', 'Utf8View') AS v";
    let rows = rows(&mut client, sql).await.unwrap();
    let types: Vec<String> = rows[0].schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!((types, lines_of(&rows)), (vec!["Utf8".to_string(); 2], vec!["a | b".to_string()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_larger_than_a_message_should_be_arrives_and_small_ones_share_theirs() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    let sql = "SELECT repeat('x', CASE WHEN value = 7 THEN 9000000 ELSE 100 END) AS t FROM generate_series(1, 60)";
    let rows = rows(&mut client, sql).await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 60);
    assert!(rows.len() < 20, "{} messages", rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_done_when_it_is_answered() {
    let workspace = Workspace::with_photos(9, 3);
    let server = Server::start(&workspace, &[]);
    let mut client = server.client().await;
    let info = client.execute(TO_SHARDS.to_string(), None).await.unwrap();
    assert!(workspace.path("out/_manifest.json").exists());
    let columns: Vec<String> =
        info.clone().try_decode_schema().unwrap().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(columns, ["path", "records", "bytes", "rejected"]);
    let shards = lines_of(&fetch(&mut client, info).await.unwrap());
    assert_eq!(shards.len(), 3);
    assert!(shards[0].starts_with("shard00-3.tfrec | 3 | "), "{}", shards[0]);
    workspace.pixmill(&["verify", "out"]).success();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_tells_how_many_records_it_has_written() {
    let workspace = Workspace::with_photos(9, 3);
    let server = Server::start(&workspace, &[]);
    let mut client = server.client().await;
    let mut update = async |sql: &str| client.execute_update(sql.to_string(), None).await.unwrap();
    assert_eq!(update(TO_SHARDS).await, 9);
    assert_eq!(update("CREATE TABLE t AS SELECT * FROM generate_series(1, 5)").await, 0);
    assert_eq!(update("INSERT INTO t VALUES (6), (7)").await, 2);
    assert_eq!(update("SELECT * FROM t").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_statements_say_what_the_command_line_says() {
    let workspace = Workspace::new();
    let server = Server::start(&workspace, &[]);
    let mut client = server.client().await;
    for sql in [
        "SELECT nonsense FROM read_images('.')",
        "SELEC 1",
        "SELECT image_resize(NULL, 0, 1)",
        "SELECT * FROM 'no.csv'",
    ] {
        let said = workspace.sql(sql).failure(2);
        let (code, message) = failure(&mut client, sql).await;
        assert_eq!((code, format!("error: {message}\n")), (Code::InvalidArgument, said), "{sql}");
    }
    let (code, message) = failure(&mut client, "SELECT 1; SELECT 2").await;
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(message, "one statement at a time: the text has 2; send them one after the other");
    let (_, message) = failure(&mut client, " -- nothing").await;
    assert_eq!(message, "there is no statement in the text");
    let (code, message) = failure(&mut client, "SELECT arrow_cast('x' || now(), 'Int64')").await;
    assert_eq!(code, Code::Unknown, "{message}");
    assert!(message.starts_with("Cast error"), "{message}");
    assert_eq!(lines(&mut client, "SELECT 1").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_take_parameters() {
    let workspace = Workspace::with_photos(9, 3);
    let server = Server::start(&workspace, &[]);
    let mut client = server.client().await;
    rows(&mut client, "CREATE TABLE t (name VARCHAR, n BIGINT)").await.unwrap();
    let mut insert = client.prepare("INSERT INTO t VALUES ($1, $2)".to_string(), None).await.unwrap();
    let parameters = insert.parameter_schema().unwrap();
    let types: Vec<&DataType> = parameters.fields().iter().map(|field| field.data_type()).collect();
    assert_eq!(types, [&DataType::Utf8, &DataType::Int64]);
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b'; DROP TABLE t", "c"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
    insert.set_parameters(batch(vec![("1", names), ("2", numbers)])).unwrap();
    assert_eq!(insert.execute_update().await.unwrap(), 3);
    insert.close().await.unwrap();

    let mut select = client.prepare("SELECT name FROM t WHERE n > ? ORDER BY name".to_string(), None).await.unwrap();
    assert_eq!(select.dataset_schema().unwrap().field(0).name(), "name");
    for (least, expected) in [(0, vec!["a", "b'; DROP TABLE t"]), (1, vec!["b'; DROP TABLE t"])] {
        select.set_parameters(batch(vec![("1", Arc::new(Int64Array::from(vec![least])))])).unwrap();
        let info = select.execute().await.unwrap();
        assert_eq!(lines_of(&fetch(&mut client, info).await.unwrap()), expected);
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    select.set_parameters(batch(vec![("1", numbers)])).unwrap();
    let refused = status(select.execute().await.unwrap_err());
    assert!(refused.message().contains("one row of parameters, got 2"), "{refused}");

    let mut copy = client.prepare(TO_SHARDS.to_string(), None).await.unwrap();
    assert_eq!(copy.dataset_schema().unwrap().field(0).name(), "path");
    assert_eq!(copy.execute_update().await.unwrap(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_what_the_server_can_do_are_listed() {
    let workspace = Workspace::with_photos(3, 1);
    let server = Server::start(&workspace, &[]);
    let mut client = server.client().await;
    rows(&mut client, "CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION 'photos'").await.unwrap();
    rows(&mut client, "CREATE VIEW labels AS SELECT DISTINCT label FROM photos").await.unwrap();
    let info = client.get_catalogs().await.unwrap();
    assert_eq!(lines_of(&fetch(&mut client, info).await.unwrap()), ["datafusion"]);
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
    assert_eq!(lines_of(&fetch(&mut client, info).await.unwrap()), ["datafusion | public"]);
    let query = CommandGetTables { table_name_filter_pattern: Some("l%".to_string()), ..CommandGetTables::default() };
    let info = client.get_tables(query).await.unwrap();
    assert_eq!(lines_of(&fetch(&mut client, info).await.unwrap()), ["datafusion | public | labels | VIEW"]);
    let info =
        client.get_tables(CommandGetTables { include_schema: true, ..CommandGetTables::default() }).await.unwrap();
    let tables = fetch(&mut client, info).await.unwrap();
    assert_eq!((tables[0].num_rows(), tables[0].num_columns()), (2, 5));
    let info = client.get_table_types().await.unwrap();
    assert_eq!(fetch(&mut client, info).await.unwrap()[0].num_rows(), 3);
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName]).await.unwrap();
    assert_eq!(lines_of(&fetch(&mut client, info).await.unwrap()), ["0 | {string_value=pixmill}"]);
    let info = client.get_xdbc_type_info(Default::default()).await.unwrap();
    assert!(fetch(&mut client, info).await.unwrap()[0].num_rows() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_client_sends_become_a_table_of_its_own() {
    use arrow_flight::sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption};
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    let numbers = |from: i64| batch(vec![("n", Arc::new(Int64Array::from_iter_values(from..from + 3)) as ArrayRef)]);
    for (if_exists, expected) in [
        (TableExistsOption::Fail, Some("3 | 6")),
        (TableExistsOption::Append, Some("6 | 12")),
        (TableExistsOption::Fail, None),
        (TableExistsOption::Replace, Some("3 | 6")),
    ] {
        let options =
            TableDefinitionOptions { if_not_exist: TableNotExistOption::Create.into(), if_exists: if_exists.into() };
        let command = CommandStatementIngest {
            table_definition_options: Some(options),
            table: "mine".to_string(),
            ..CommandStatementIngest::default()
        };
        let sent = client.execute_ingest(command, futures::stream::iter([Ok(numbers(1))])).await;
        match expected {
            Some(expected) => {
                assert_eq!(sent.unwrap(), 3);
                assert_eq!(lines(&mut client, "SELECT count(*), sum(n) FROM mine").await, [expected]);
            }
            None => assert_eq!(status(sent.unwrap_err()).code(), Code::AlreadyExists),
        }
    }
}

/// Adds rows to a table that is there.
async fn append(
    client: &mut FlightClient,
    table: &str,
    rows: RecordBatch,
) -> Result<i64, arrow_flight::error::FlightError> {
    use arrow_flight::sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption};
    let options = TableDefinitionOptions {
        if_not_exist: TableNotExistOption::Fail.into(),
        if_exists: TableExistsOption::Append.into(),
    };
    let command = CommandStatementIngest {
        table_definition_options: Some(options),
        table: table.to_string(),
        ..CommandStatementIngest::default()
    };
    let rows = futures::stream::iter([Ok(rows)]);
    client.execute_ingest(command, rows).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_added_to_every_table_that_is_in_memory() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    let numbers = |numbers: Vec<Option<i64>>| batch(vec![("n", Arc::new(Int64Array::from(numbers)) as ArrayRef)]);
    for create in [
        "CREATE TABLE t (n BIGINT)",
        "CREATE TABLE t AS SELECT 1 AS n",
        "CREATE TABLE t AS SELECT value AS n FROM generate_series(1, 300000)",
        "CREATE TABLE t (n BIGINT) AS VALUES (1)",
    ] {
        rows(&mut client, create).await.unwrap();
        let before: i64 = lines(&mut client, "SELECT count(*) FROM t").await[0].parse().unwrap();
        assert_eq!(append(&mut client, "t", numbers(vec![Some(7), Some(8)])).await.unwrap(), 2, "{create}");
        assert_eq!(append(&mut client, "t", numbers(vec![Some(9)])).await.unwrap(), 1, "{create}");
        let after = lines(&mut client, "SELECT count(*) FROM t").await;
        assert_eq!(after, [(before + 3).to_string()], "{create}");
        rows(&mut client, "INSERT INTO t VALUES (10)").await.unwrap();
        rows(&mut client, "DROP TABLE t").await.unwrap();
    }
    rows(&mut client, "CREATE TABLE t AS SELECT 1 AS n").await.unwrap();
    let refused = status(append(&mut client, "t", numbers(vec![None])).await.unwrap_err());
    assert!(refused.message().contains("column 'n' of 't' takes no NULL"), "{refused}");
    let texts = batch(vec![("n", Arc::new(StringArray::from(vec!["a"])) as ArrayRef)]);
    let refused = status(append(&mut client, "t", texts).await.unwrap_err());
    assert!(refused.message().contains("the rows for 't' have other columns than it has"), "{refused}");
    rows(&mut client, "CREATE VIEW v AS SELECT 1 AS n").await.unwrap();
    let refused = status(append(&mut client, "v", numbers(vec![Some(1)])).await.unwrap_err());
    assert!(refused.message().contains("rows can only be added to tables"), "{refused}");
    assert_eq!(lines(&mut client, "SELECT * FROM t").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_see_nothing_of_each_other_and_a_session_ends_with_its_connection() {
    let server = Server::start(&Workspace::new(), &[]);
    let (mut one, mut two) = (server.client().await, server.client().await);
    for (client, value) in [(&mut one, 17), (&mut two, 23)] {
        rows(client, &format!("SET pixmill.batch_bytes = {value}000")).await.unwrap();
        rows(client, &format!("CREATE TABLE mine AS SELECT {value} AS value")).await.unwrap();
    }
    rows(&mut one, "CREATE VIEW only_ones AS SELECT 1").await.unwrap();
    for (client, value) in [(&mut one, 17), (&mut two, 23)] {
        assert_eq!(lines(client, "SELECT value FROM mine").await, [format!("{value}")]);
        assert_eq!(lines(client, "SHOW pixmill.batch_bytes").await, [format!("pixmill.batch_bytes | {value}000")]);
    }
    assert_eq!(failure(&mut two, "SELECT * FROM only_ones").await.0, Code::InvalidArgument);
    let info = one.execute("SELECT 1".to_string(), None).await.unwrap();
    let stolen = status(two.do_get(ticket(&info)).await.map(drop).unwrap_err());
    assert_eq!(stolen.code(), Code::NotFound);
    assert_eq!(lines_of(&fetch(&mut one, info).await.unwrap()), ["1"]);

    let cookie = cookie(&mut two).await;
    drop(two);
    eventually("the end of a session", || server.log().contains("the session has ended"));
    let mut three = client_with(&server, &cookie).await;
    assert_eq!(failure(&mut three, "SELECT * FROM mine").await.0, Code::InvalidArgument);
}

/// The cookie that the server answers with.
async fn cookie(client: &mut FlightClient) -> String {
    let mut action = Action::new("GetSessionOptions", Vec::new()).into_request();
    if let Some(token) = client.token() {
        action.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let response = client.inner_mut().do_action(action).await.unwrap();
    let cookie = response.metadata().get("set-cookie").expect("a cookie").to_str().unwrap().to_string();
    assert!(cookie.starts_with("pixmill_session=") && cookie.contains("HttpOnly"), "{cookie}");
    cookie.split(';').next().unwrap().to_string()
}

async fn client_with(server: &Server, cookie: &str) -> FlightClient {
    let mut client = server.client().await;
    client.set_header("cookie", cookie);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_client_with_cookies_goes_on_after_a_reconnect_until_it_is_closed() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    rows(&mut client, "CREATE TABLE mine AS SELECT 5 AS value").await.unwrap();
    let cookie = cookie(&mut client).await;
    client.set_header("cookie", &cookie);
    assert_eq!(lines(&mut client, "SELECT value FROM mine").await, ["5"]);
    drop(client);
    let mut again = client_with(&server, &cookie).await;
    assert_eq!(lines(&mut again, "SELECT value FROM mine").await, ["5"]);
    let mut close = Action::new("CloseSession", Vec::new()).into_request();
    close.metadata_mut().insert("cookie", cookie.parse().unwrap());
    again.inner_mut().do_action(close).await.unwrap().into_inner().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(failure(&mut again, "SELECT * FROM mine").await.0, Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_stops() {
    let server = Server::start(&Workspace::new(), &[]);
    let (mut client, mut canceller) = (server.client().await, server.client().await);
    let cookie = cookie(&mut client).await;
    client.set_header("cookie", &cookie);
    canceller.set_header("cookie", &cookie);
    let info = client.execute("SELECT * FROM generate_series(1, 1000000000000)".to_string(), None).await.unwrap();
    let mut stream = client.do_get(ticket(&info)).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    let request = CancelFlightInfoRequest::new(info);
    let mut action = Action::new("CancelFlightInfo", request.encode_to_vec()).into_request();
    action.metadata_mut().insert("cookie", cookie.parse().unwrap());
    let answers = canceller.inner_mut().do_action(action).await.unwrap().into_inner();
    let answers: Vec<arrow_flight::Result> = answers.try_collect().await.unwrap();
    let result = CancelFlightInfoResult::decode(answers[0].body.as_ref()).unwrap();
    assert_eq!(result.status(), CancelStatus::Cancelled);
    let end = loop {
        match stream.next().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    assert_eq!(status(end.expect("an end").unwrap_err()).code(), Code::Cancelled);
    server.wait_until_idle();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_stops() {
    let workspace = Workspace::new();
    let server = Server::start(&workspace, &[]);
    for sql in [ENDLESS.to_string(), format!("CREATE TABLE t AS {ENDLESS}"), format!("COPY ({ENDLESS}) TO 'x.csv'")] {
        let mut client = server.client().await;
        let waiting = tokio::spawn(async move { rows(&mut client, &sql).await.map(drop) });
        let before = server.ticks();
        eventually("work", || server.ticks() > before + 20);
        waiting.abort();
        server.wait_until_idle();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_server_whatever_it_does() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    let waiting = tokio::spawn(async move { rows(&mut client, ENDLESS).await.map(drop) });
    let before = server.ticks();
    eventually("work", || server.ticks() > before + 20);
    let started = std::time::Instant::now();
    assert_eq!(server.stop(), 0);
    assert!(started.elapsed().as_secs() < 5);
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nobody_comes_in() {
    let server = Server::start_with_token(&Workspace::new(), &[], Some("s3cret"));
    let mut client = server.client().await;
    let refused = failure(&mut client, "SELECT 1").await;
    assert!(refused.0 == Code::Unauthenticated && refused.1.starts_with("this server asks for a token"), "{refused:?}");
    client.set_token("s3cre".to_string());
    assert_eq!(failure(&mut client, "SELECT 1").await, (Code::Unauthenticated, "the token is wrong".to_string()));
    client.set_token("s3cret".to_string());
    assert_eq!(lines(&mut client, "SELECT 1").await, ["1"]);

    let mut client = server.client().await;
    client.handshake("ann", "wrong").await.unwrap_err();
    assert_eq!(failure(&mut client, "SELECT 1").await.0, Code::Unauthenticated);
    client.handshake("ann", "s3cret").await.unwrap();
    assert_eq!(lines(&mut client, "SELECT 1").await, ["1"]);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let workspace = Workspace::new();
    let said = serve(&workspace, &["--bind", "0.0.0.0:0"], None).failure(2);
    assert!(said.contains("--token-file FILE or in the environment's PIXMILL_TOKEN, or bind to 127.0.0.1"), "{said}");
    workspace.write("token", b" \n");
    let said = serve(&workspace, &["--token-file", "token"], None).failure(2);
    assert_eq!(
        said,
        "error: the token in 'token' must be one line of letters, digits and punctuation in ASCII, and not empty\n"
    );
    serve(&workspace, &["--token-file", "none"], None).failure(1);
    workspace.write("cert.pem", b"no certificate");
    let said = serve(&workspace, &["--bind", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "cert.pem"], None);
    let said = said.failure(2);
    assert!(said.contains("--tls-cert and --tls-key make no certificate"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_where_there_is_a_certificate() {
    let workspace = Workspace::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    workspace.write("cert.pem", made.cert.pem().as_bytes());
    workspace.write("key.pem", made.signing_key.serialize_pem().as_bytes());
    workspace.write("token", b"s3cret\n");
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--token-file", "token"];
    let server = Server::start(&workspace, &tls);
    assert!(server.uri.starts_with("grpc+tls://"), "{}", server.uri);
    let mut client = server.secure_client(&made.cert.pem()).await.unwrap();
    assert_eq!(failure(&mut client, "SELECT 1").await.0, Code::Unauthenticated);
    client.set_token("s3cret".to_string());
    rows(&mut client, "CREATE TABLE mine AS SELECT 5 AS value").await.unwrap();
    assert_eq!(lines(&mut client, "SELECT value FROM mine").await, ["5"]);
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    assert!(server.secure_client(&other.cert.pem()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_writes_no_files() {
    let workspace = Workspace::with_photos(3, 1);
    let server = Server::start(&workspace, &["--read-only"]);
    let mut client = server.client().await;
    let mut expected = workspace.names("");
    expected.sort();
    rows(&mut client, "CREATE TABLE t AS SELECT 1 AS n").await.unwrap();
    rows(&mut client, "CREATE EXTERNAL TABLE c (n BIGINT) STORED AS CSV LOCATION 'c/'").await.unwrap();
    rows(&mut client, "PREPARE p AS INSERT INTO t VALUES (2)").await.unwrap();
    for sql in [
        TO_SHARDS,
        &format!("EXPLAIN ANALYZE {TO_SHARDS}"),
        "EXECUTE p",
        "COPY t TO 't.csv'",
        "INSERT INTO t VALUES (2)",
        "INSERT INTO c VALUES (2)",
    ] {
        let (code, message) = failure(&mut client, sql).await;
        assert_eq!(code, Code::PermissionDenied, "{sql}: {message}");
        assert!(message.contains("this server is read-only"), "{message}");
        let updated = status(client.execute_update(sql.to_string(), None).await.unwrap_err());
        assert_eq!(updated.code(), Code::PermissionDenied);
        let prepared = status(client.prepare(sql.to_string(), None).await.map(drop).unwrap_err());
        assert_eq!(prepared.code(), Code::PermissionDenied);
    }
    assert_eq!(lines(&mut client, "SELECT n FROM t").await, ["1"]);
    assert_eq!(workspace.names(""), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_the_session_are_those_that_set_sets() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    rows(&mut client, "SET pixmill.batch_bytes = 12345").await.unwrap();
    let action = Action::new("GetSessionOptions", Vec::new());
    let answers = client.inner_mut().do_action(action).await.unwrap().into_inner();
    let answers: Vec<arrow_flight::Result> = answers.try_collect().await.unwrap();
    let text = String::from_utf8_lossy(&answers[0].body).into_owned();
    assert!(text.contains("pixmill.batch_bytes") && text.contains("12345") && text.contains("public"));
    let unknown = Action::new("Nonsense", Vec::new());
    let refused = client.inner_mut().do_action(unknown).await.map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_not_change_the_memory_that_all_share() {
    let server = Server::start(&Workspace::new(), &[]);
    let mut client = server.client().await;
    for sql in [
        "SET pixmill.memory_limit = '1K'",
        "SET datafusion.runtime.memory_limit = '1K'",
        "RESET datafusion.runtime.memory_limit",
    ] {
        let (code, message) = failure(&mut client, sql).await;
        assert!(code == Code::InvalidArgument && message.contains("share"), "{sql}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_front_of_a_cluster_runs_statements_there() {
    let workspace = Workspace::with_photos(60, 3);
    let cluster = tokio::task::block_in_place(|| Cluster::start(&workspace, 2));
    let server = Server::start(&workspace, &["--cluster", &cluster.address]);
    let (mut one, mut two) = (server.client().await, server.client().await);
    rows(&mut one, "CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION 'photos'").await.unwrap();
    let sql = "SELECT label, count(*) FROM photos GROUP BY label ORDER BY label";
    assert_eq!(lines(&mut one, sql).await, ["daisy | 20", "dandelion | 20", "roses | 20"]);
    assert_eq!(failure(&mut two, sql).await.0, Code::InvalidArgument);
    assert_eq!(rows(&mut two, TO_SHARDS).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    workspace.pixmill(&["verify", "out"]).success();
    let slow = "SELECT sum(image_info(image_encode(image_resize(image_decode(content), 4000, 4000), 'png'))['width']) FROM photos";
    let waiting = tokio::spawn(async move { rows(&mut one, slow).await.map(drop) });
    let states = || tokio::task::block_in_place(|| cluster.get("pixmill/jobs")).replace(' ', "");
    eventually("a job", || states().contains("\"state\":\"running\""));
    waiting.abort();
    eventually("no job", || !states().contains("\"state\":\"running\""));
    assert!(states().contains("\"state\":\"cancelled\""), "{}", states());
}

/// As many clients for as many seconds as the environment's `PIXMILL_CLIENTS` and `PIXMILL_SECONDS` say: 20 for one by default.
#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_have_their_own_sessions_in_bounded_memory() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (clients, seconds) = (number("PIXMILL_CLIENTS", 20), number("PIXMILL_SECONDS", 1));
    let workspace = Workspace::with_photos(60, 3);
    let server = Arc::new(Server::start(&workspace, &[]));
    let started = std::time::Instant::now();
    let until = started + std::time::Duration::from_secs(seconds);
    let work = (0..clients).map(|number| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let mut client = server.client().await;
            let mut rounds = 0;
            while rounds == 0 || std::time::Instant::now() < until {
                one_round(&mut client, number, rounds).await;
                rounds += 1;
            }
            rounds
        })
    });
    let rounds: Vec<u64> = futures::future::try_join_all(work).await.expect("no client fails");
    let (_, most) = server.memory();
    println!(
        "{clients} clients, {} rounds of 5 statements in {:.1} s, at most {most} MiB",
        rounds.iter().sum::<u64>(),
        started.elapsed().as_secs_f64()
    );
    assert!(most < 1500, "{most} MiB");
}

async fn one_round(client: &mut FlightClient, number: u64, round: u64) {
    let value = number * 1_000_000 + round;
    rows(client, &format!("SET pixmill.batch_bytes = {}", value + 1)).await.unwrap();
    rows(client, &format!("CREATE OR REPLACE TABLE mine AS SELECT {value} AS value")).await.unwrap();
    let images = rows(client, "SELECT path, content FROM read_images('photos')").await.unwrap();
    assert_eq!(images.iter().map(RecordBatch::num_rows).sum::<usize>(), 60);
    let content = images[0].column(1).as_any().downcast_ref::<BinaryArray>().expect("bytes");
    assert!(content.value(0).starts_with(&[0xff, 0xd8]));
    assert_eq!(lines(client, "SELECT value FROM mine").await, [value.to_string()]);
    assert_eq!(lines(client, "SHOW pixmill.batch_bytes").await, [format!("pixmill.batch_bytes | {}", value + 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_those_of_a_session() {
    let server = Server::start(&Workspace::new(), &[]);
    let (mut one, mut other) = (server.client().await, server.client().await);
    let create = |centre: u32| format!("CREATE MODEL m USING kmeans(k => 1) AS SELECT {centre} AS x");
    let told = rows(&mut one, &create(5)).await.unwrap();
    assert_eq!(told[0].num_rows(), 1);
    rows(&mut other, &create(7)).await.unwrap();
    for (client, centre) in [(&mut one, "5.0"), (&mut other, "7.0")] {
        assert_eq!(lines(client, "SELECT centre[1] FROM model('m')").await, [centre]);
        assert_eq!(lines(client, "SELECT predict('m', 9)").await, ["0"]);
    }
    rows(&mut one, "DROP MODEL m").await.unwrap();
    assert!(failure(&mut one, "SELECT predict('m', 9)").await.1.contains("there is no model 'm'"));
    assert_eq!(lines(&mut other, "SELECT predict('m', 9)").await, ["0"]);
}
