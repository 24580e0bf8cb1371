//! Looks for wrong answers: random queries have the same rows with one thread, with four, on a cluster, and in DuckDB; and what
//! `COPY` writes of them is read again with these rows.
//!
//! The environment makes a longer run of it: `PIXMILL_QUERIES` (how many), `PIXMILL_SEED` (the first seed; tables and queries change
//! with it every 1,000 queries), `PIXMILL_ON=process` (without a cluster). DuckDB is asked where the Python that
//! `PIXMILL_PYTHON` names (else `python3`) has it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use pixmill::Engine;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use support::Workspace;
use support::cluster::Cluster;
use support::queries::{Queries, column_list};

/// Queries of a run that nothing else is said of, and those of them that a cluster answers, too.
const QUERIES: usize = 400;
/// After so many queries there are other tables.
const ROUND: usize = 1000;
/// The rows of one query in so many are written to files, too.
const COPIED: usize = 8;
/// What takes longer than this never ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names of the tables, and how many files each has.
const TABLES: [(&str, usize); 5] = [("t1", 2), ("t2", 4), ("t3", 4), ("t4", 1), ("t5", 1)];
/// Relations that are made of something else than Parquet.
const OTHERS: [&str; 5] = ["csv", "rows", "photos", "shards", "kept"];

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Whether all rows of a query are in an order.
fn is_ordered(query: &str) -> bool {
    query.rsplit_once(" ORDER BY ").is_some_and(|(_, order)| !order.contains(')'))
}

/// Rows as text, in their order.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let cell = |column: &dyn Array, row: usize| match column.data_type() {
            // Sums of the same numbers in another order differ behind the ninth digit.
            DataType::Float64 if !column.is_null(row) => {
                format!("{:.8e}", column.as_primitive::<Float64Type>().value(row))
            }
            _ => ArrayFormatter::try_new(column, &options).expect("a formatter").value(row).to_string(),
        };
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch.columns().iter().map(|column| cell(column, row)).collect();
            rows.push(cells.join("|"));
        }
    }
    rows
}

/// Makes the files of all tables from a seed.
async fn make_tables(workspace: &Workspace, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x7ab1e5);
    let engine = Engine::local(1).expect("an engine");
    let mut values = |rows: usize| {
        let mut text = String::new();
        for row in 0..rows {
            let mut cell = |most: u32, null: u32| match random.next_u32() % null {
                0 => "NULL".to_string(),
                _ => (i64::from(random.next_u32() % most) - 2).to_string(),
            };
            let (k, v, x) = (cell(9, 8), cell(12, 6), cell(7, 20));
            let mut one_of = |texts: &[&str]| match random.next_u32() as usize % (texts.len() + 1) {
                0 => "NULL".to_string(),
                at => texts[at - 1].to_string(),
            };
            let s = one_of(&["''", "'a'", "'b'", "'c'", "'a b'"]);
            let d = one_of(&["'2024-01-01'", "'2024-01-03'", "'2024-02-29'", "'1969-12-31'"]);
            let (b, m) = (one_of(&["true", "false"]), one_of(&["0.00", "1.50", "-0.50", "2.00", "1234567.89"]));
            write!(text, "{}({k}, {v}, {x}, {s}, {d}, {b}, {m})", if row == 0 { "" } else { ", " }).expect("written");
        }
        text
    };
    let typed = |values: &str| {
        format!(
            "SELECT CAST(column1 AS BIGINT) AS k, CAST(column2 AS BIGINT) AS v, CAST(column3 AS BIGINT) AS x, \
             CAST(column4 AS VARCHAR) AS s, CAST(column5 AS DATE) AS d, CAST(column6 AS BOOLEAN) AS b, \
             CAST(column7 AS DECIMAL(9, 2)) AS m FROM (VALUES {values}) t"
        )
    };
    let root = workspace.path("").display().to_string();
    for (at, (table, files)) in TABLES.iter().enumerate() {
        std::fs::create_dir_all(workspace.path(table)).expect("a folder");
        for file in 0..*files {
            // Empty tables, empty files and tables of one row are among them.
            let rows = match (at, (seed as usize + file) % 5) {
                (3, _) => 0,
                (4, _) => seed as usize % 3,
                (_, 0) => 1,
                (_, size) => 4 * size,
            };
            let query = match rows {
                0 => format!("{} LIMIT 0", typed("(1, 1, 1, 'a', '2024-01-01', true, 1.5)")),
                rows => typed(&values(rows)),
            };
            let copy = format!("COPY ({query}) TO '{root}{table}/{file}.parquet'");
            engine.sql(&copy).await.expect("a file");
        }
    }
    let query = typed(&values(9));
    engine.sql(&format!("COPY ({query}) TO '{root}rows.csv' OPTIONS (format.has_header true)")).await.expect("a file");
    let rows = values(5);
    std::fs::write(workspace.path("rows.sql"), typed(&rows)).expect("a file");
    pixmill::synthetic::PhotoSet { images: 11, classes: 3, size: Some((32, 24)), seed }
        .write(&workspace.path("images"), 2, &|_| ())
        .expect("photos");
    let shards = format!(
        "COPY (SELECT class, length, label FROM read_images('{root}images/**/*.jpg')) TO '{root}records' STORED AS TFRECORD \
         OPTIONS (shards 3)"
    );
    engine.sql(&shards).await.expect("shards");
}

/// Tells an engine of the tables.
async fn register(engine: &Engine, workspace: &Workspace) {
    let root = workspace.path("").display().to_string();
    let rows = workspace.read("rows.sql");
    let mut statements: Vec<String> = TABLES
        .iter()
        .map(|(table, _)| format!("CREATE EXTERNAL TABLE {table} STORED AS PARQUET LOCATION '{root}{table}/'"))
        .collect();
    statements.extend([
        format!(
            "CREATE EXTERNAL TABLE csv (k BIGINT, v BIGINT, x BIGINT, s VARCHAR, d DATE, b BOOLEAN, m DECIMAL(9, 2)) STORED AS CSV LOCATION '{root}rows.csv' OPTIONS \
             (format.has_header true)"
        ),
        format!("CREATE VIEW rows AS {rows}"),
        format!(
            "CREATE EXTERNAL TABLE images STORED AS IMAGES LOCATION '{root}images/**/*.jpg' OPTIONS (partitions 4)"
        ),
        "CREATE VIEW photos AS SELECT class AS k, CAST(length % 7 AS BIGINT) AS v, CAST(image_info(content)['width'] % 5 AS BIGINT) \
         AS x, CASE WHEN class = 0 THEN NULL ELSE substr(label, 1, 1) END AS s, CASE WHEN class = 1 THEN DATE '2024-01-03' END AS d, length % 2 = 0 AS b, \
         CAST(length % 3 AS DECIMAL(9, 2)) AS m FROM images"
            .to_string(),
        format!("CREATE EXTERNAL TABLE records (class BIGINT, length BIGINT, label VARCHAR) STORED AS TFRECORD LOCATION '{root}records'"),
        "CREATE VIEW shards AS SELECT class AS k, CAST(length % 5 AS BIGINT) AS v, class + 1 AS x, substr(label, 2, 1) AS s, CASE WHEN class > 0 THEN DATE '2024-01-01' END AS d, class = 1 AS b, \
         CAST(length % 4 AS DECIMAL(9, 2)) AS m FROM records"
            .to_string(),
        format!("CREATE TABLE kept AS {rows}"),
    ]);
    for statement in statements {
        if let Err(error) = engine.sql(&statement).await {
            panic!("{statement}: {error}");
        }
    }
}

/// DuckDB in a Python of its own, which answers one query after the other.
struct DuckDb {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl DuckDb {
    /// Loads the tables from Parquet files; `None` where there is no DuckDB.
    fn start(workspace: &Workspace) -> Option<Self> {
        let named = std::env::var("PIXMILL_PYTHON").ok();
        let python = named.clone().unwrap_or_else(|| "python3".to_string());
        let has_it =
            Command::new(&python).args(["-c", "import duckdb"]).output().is_ok_and(|output| output.status.success());
        assert!(has_it || named.is_none(), "{python}, which PIXMILL_PYTHON names, has no duckdb");
        if !has_it {
            println!("no second opinion: {python} has no duckdb (pip install duckdb)");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/duckdb_rows.py");
        let mut command = Command::new(python);
        command.arg(script).arg(workspace.path("duckdb")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("Python starts");
        let input = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        Some(Self { process, input, output })
    }

    /// The rows, or what is wrong with the query.
    fn ask(&mut self, query: &str) -> Result<Vec<String>, String> {
        writeln!(self.input, "{}", serde_json::to_string(query).expect("JSON")).expect("sent");
        self.input.flush().expect("sent");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("an answer");
        let answer: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        if let Some(error) = answer.as_str() {
            return Err(error.to_string());
        }
        let rows = answer.as_array().expect("rows").iter();
        let mut rows: Vec<String> = rows.map(|row| row.as_str().expect("a row").to_string()).collect();
        if !is_ordered(query) {
            rows.sort_unstable();
        }
        Ok(rows)
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // One that has ended already needs no more than this.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn ask(engine: &Engine, query: &str) -> Result<Vec<String>, String> {
    match tokio::time::timeout(PATIENCE, engine.sql(query)).await {
        Ok(Ok(batches)) => {
            let mut rows = texts(&batches);
            if !is_ordered(query) {
                rows.sort_unstable();
            }
            Ok(rows)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no end within {} s", PATIENCE.as_secs())),
    }
}

/// What was asked, and what differed.
#[derive(Default)]
struct Account {
    asked: usize,
    refused: usize,
    by_duckdb: usize,
    copied: usize,
    faults: Vec<String>,
    /// That of the round under way.
    seed: u64,
}

impl Account {
    fn compare(
        &mut self,
        query: &str,
        expected: &Result<Vec<String>, String>,
        who: &str,
        got: &Result<Vec<String>, String>,
    ) {
        let fault = match (expected, got) {
            (Ok(expected), Ok(got)) if expected == got => return,
            (Err(_), Err(_)) => return,
            (Ok(expected), Ok(got)) => format!("{} rows with one thread, {} {who}", expected.len(), got.len()),
            (Ok(_), Err(error)) => format!("{who}: {error}"),
            (Err(error), Ok(_)) => format!("fails with one thread, not {who}: {error}"),
        };
        let fault = format!("seed {}: {fault}\n    {query};", self.seed);
        println!("{fault}");
        self.faults.push(fault);
    }
}

/// Writes the rows of a query, and reads what was written.
async fn write_and_read(engine: &Engine, query: &str, format: &str, target: &str) -> Result<Vec<String>, String> {
    ask(engine, &format!("COPY ({query}) TO '{target}' {format}")).await?;
    // Files are read by name, datasets as a table.
    if target.ends_with(".parquet") {
        return ask(engine, &format!("SELECT * FROM '{target}'")).await;
    }
    match ask(engine, &format!("SELECT CAST(c0 AS VARCHAR) FROM read_tfrecord('{target}')")).await {
        // A dataset without records has no shards.
        Err(error) if error.contains("no record files match") => Ok(Vec::new()),
        answer => answer,
    }
}

/// What is written of a query is what it answers, whoever writes.
async fn compare_copies(
    workspace: &Workspace,
    at: usize,
    query: &str,
    asked: &[(&str, &Engine)],
    account: &mut Account,
) {
    let first_column = match asked[0].1.sql(&format!("DESCRIBE {query}")).await {
        Ok(batches) => batches[0].column(0).as_string::<i32>().value(0).to_string(),
        // The query itself was refused.
        Err(_) => return,
    };
    let kinds = [
        (".parquet", "", query.to_string()),
        (
            "",
            "STORED AS TFRECORD OPTIONS (shards 3)",
            format!("SELECT coalesce(CAST(\"{first_column}\" AS VARCHAR), 'nothing') AS c0 FROM ({query}) written"),
        ),
    ];
    let (ending, format, query) = &kinds[at / COPIED % kinds.len()];
    let sorted = |mut rows: Vec<String>| {
        rows.sort_unstable();
        rows
    };
    let expected = ask(asked[0].1, query).await.map(sorted);
    for (number, (who, engine)) in asked.iter().enumerate() {
        let target = workspace.path(&format!("copies/{at}-{number}{ending}")).display().to_string();
        let got = write_and_read(engine, query, format, &target).await.map(sorted);
        account.compare(query, &expected, &format!("written {who}"), &got);
    }
    account.copied += 1;
}

/// One round: tables and queries of a seed.
async fn round(seed: u64, queries: usize, on_cluster: bool, account: &mut Account) {
    account.seed = seed;
    let workspace = Workspace::new();
    make_tables(&workspace, seed).await;
    let (one, four) = (Engine::local(1).expect("an engine"), Engine::local(4).expect("an engine"));
    register(&one, &workspace).await;
    register(&four, &workspace).await;
    let cluster = on_cluster.then(|| Cluster::start_wide(&workspace, 3, 2));
    let remote = match &cluster {
        Some(cluster) => Some(Engine::cluster(&cluster.address.parse().expect("an address")).await.expect("a cluster")),
        None => None,
    };
    if let Some(remote) = &remote {
        register(remote, &workspace).await;
    }
    let names: Vec<&str> = TABLES.iter().map(|(table, _)| *table).chain(OTHERS).collect();
    std::fs::create_dir_all(workspace.path("duckdb")).expect("a folder");
    for name in &names {
        let copy = format!(
            "COPY (SELECT {} FROM {name}) TO '{}/{name}.parquet'",
            column_list(),
            workspace.path("duckdb").display()
        );
        one.sql(&copy).await.expect("a copy");
    }
    let mut duckdb = DuckDb::start(&workspace);
    let mut made = Queries::new(seed, &names);
    for at in 0..queries {
        let query = made.next();
        let expected = ask(&one, &query).await;
        account.asked += 1;
        if let Err(error) = &expected {
            account.refused += 1;
            println!("refused: {}\n    {query};", error.lines().next().unwrap_or_default());
        }
        account.compare(&query, &expected, "with four threads", &ask(&four, &query).await);
        if let Some(remote) = &remote {
            account.compare(&query, &expected, "on a cluster", &ask(remote, &query).await);
        }
        if at % COPIED == 0 {
            let mut asked = vec![("with one thread", &one), ("with four threads", &four)];
            asked.extend(remote.as_ref().map(|remote| ("on a cluster", remote)));
            compare_copies(&workspace, at, &query, &asked, account).await;
        }
        if let (Some(duckdb), Ok(expected)) = (&mut duckdb, &expected) {
            match duckdb.ask(&query) {
                Ok(rows) => {
                    account.by_duckdb += 1;
                    account.compare(&query, &Ok(expected.clone()), "in DuckDB's eyes", &Ok(rows));
                }
                Err(error) => println!("DuckDB refuses: {error}\n    {query};"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_queries_have_one_answer() {
    let queries = number("PIXMILL_QUERIES").unwrap_or(QUERIES);
    let seed = number("PIXMILL_SEED").unwrap_or(1) as u64;
    let on = std::env::var("PIXMILL_ON").unwrap_or_default();
    let (started, mut account) = (Instant::now(), Account::default());
    for number in 0..queries.div_ceil(ROUND) {
        let here = ROUND.min(queries - number * ROUND);
        round(seed + number as u64, here, on != "process", &mut account).await;
    }
    println!(
        "{} queries from seed {seed} in {:.0} s: {} refused, {} copied, {} compared with DuckDB, {} faults",
        account.asked,
        started.elapsed().as_secs_f64(),
        account.refused,
        account.copied,
        account.by_duckdb,
        account.faults.len()
    );
    assert!(account.refused * 20 < account.asked, "{} of {} queries were refused", account.refused, account.asked);
    assert!(account.faults.is_empty(), "{}", account.faults.join("\n"));
}

/// The files below `tests/tpc` that make tables or ask.
fn tpc(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tpc").join(name);
    std::fs::read_to_string(path).expect("a file")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_in_the_shapes_of_tpc_have_one_answer() {
    let workspace = Workspace::new();
    let root = workspace.path("tables").display().to_string();
    let (one, four) = (Engine::local(1).expect("an engine"), Engine::local(4).expect("an engine"));
    let copies = tpc("tables.sql").replace("${root}", &root);
    for copy in copies.split(';').filter(|copy| !copy.trim().is_empty()) {
        if let Some((_, rest)) = copy.split_once(&format!("'{root}/")) {
            let table = rest.split('/').next().expect("a table");
            std::fs::create_dir_all(workspace.path("tables").join(table)).expect("a folder");
        }
        if let Err(error) = one.sql(copy).await {
            panic!("{copy}: {error}");
        }
    }
    let cluster = Cluster::start_wide(&workspace, 3, 2);
    let remote = Engine::cluster(&cluster.address.parse().expect("an address")).await.expect("a cluster");
    let tables = std::fs::read_dir(workspace.path("tables")).expect("tables");
    let mut tables: Vec<String> =
        tables.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    tables.sort();
    std::fs::create_dir_all(workspace.path("duckdb")).expect("a folder");
    for table in &tables {
        let create = format!("CREATE EXTERNAL TABLE {table} STORED AS PARQUET LOCATION '{root}/{table}/'");
        for engine in [&one, &four, &remote] {
            engine.sql(&create).await.expect("a table");
        }
        let copy = format!("COPY {table} TO '{}/{table}.parquet'", workspace.path("duckdb").display());
        one.sql(&copy).await.expect("a copy");
    }
    let mut duckdb = DuckDb::start(&workspace);
    let mut account = Account::default();
    let names = (1..=22).map(|number| format!("h{number:02}.sql"));
    for name in names.chain(["ds04.sql", "ds38.sql", "ds78.sql", "ds87.sql"].map(str::to_string)) {
        let query = tpc(&name);
        let query = query.trim().trim_end_matches(';');
        let expected = ask(&one, query).await;
        assert!(expected.as_ref().is_ok_and(|rows| !rows.is_empty()), "{name}: {expected:?}");
        account.compare(query, &expected, "with four threads", &ask(&four, query).await);
        account.compare(query, &expected, "on a cluster", &ask(&remote, query).await);
        if let Some(duckdb) = &mut duckdb {
            account.compare(query, &duckdb.ask(query), "in DuckDB's eyes", &expected);
        }
    }
    assert!(account.faults.is_empty(), "{}", account.faults.join("\n"));
}
