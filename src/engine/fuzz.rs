//! What fuzzing and tests run of a whole engine: statements that are planned, and files that are read.

#![allow(clippy::panic, reason = "a test that can't go on stops")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use futures::executor::block_on;

use super::{Engine, PlannedStatement, Session, StatementKind};
use crate::source::SOURCES;
use crate::storage::StoreSettings;

/// An engine that reaches one folder, which is empty but for what a function of this file has put there.
struct Sandbox {
    engine: Arc<Engine>,
    folder: PathBuf,
    /// Held by whoever uses the folder.
    turn: Mutex<()>,
}

static SANDBOX: LazyLock<Option<Sandbox>> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("pixmill-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).ok()?;
    let allow = folder.to_str()?.parse().ok()?;
    let engine = Engine::local_within(1, allow, StoreSettings::default()).ok()?;
    Some(Sandbox { engine: Arc::new(engine), folder, turn: Mutex::default() })
});

fn sandbox() -> &'static Sandbox {
    let Some(sandbox) = SANDBOX.as_ref() else { panic!("there is no folder for fuzzing") };
    sandbox
}

/// An engine that reaches nothing of this machine.
pub(crate) fn engine() -> Arc<Engine> {
    Arc::clone(&sandbox().engine)
}

/// Runs `work` with that engine's session, inside its runtime.
pub(crate) fn with_session(work: impl FnOnce(&Session)) {
    let session = sandbox().engine.session();
    let _entered = session.cpu.enter();
    work(session);
}

/// The text of a statement or several: each is planned, or there is an error.
pub(crate) fn statements(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let session = sandbox().engine.session();
    let Ok(parsed) = session.parse(&text) else { return };
    for statement in parsed.into_iter().take(4) {
        let shown = statement.to_string();
        let Ok(planned) = block_on(session.prepare(statement)) else { continue };
        let _ = (planned.schema(), planned.parameters());
        if planned.kind() == StatementKind::Query {
            let _ = plan(session, planned);
        }
        // What it is shown as is a statement, too.
        assert!(!shown.is_empty());
    }
}

/// Makes the plan that would be run.
fn plan(session: &Session, planned: PlannedStatement) -> bool {
    let ctx = session.ctx.clone();
    let planning = session.cpu.spawn(async move { planned.begin(&ctx).await.is_ok() });
    block_on(planning).unwrap_or_else(|error| panic!("planning stopped: {error}"))
}

/// Files by their extension, and how each is read.
const READS: [(&str, &str); 15] = [
    ("tfrecord", "SELECT * FROM read_tfrecord(?)"),
    ("tfrecord", "SELECT * FROM read_tfrecord(?, on_corrupt => 'skip_record')"),
    ("tfrecord", "SELECT * FROM read_tfrecord(?, record_type => 'sequence_example', lists => '*', text => '*')"),
    ("tfrecord", "SELECT * FROM read_tfrecord(?, record_type => 'bytes', partitions => 3)"),
    ("tar", "SELECT * FROM read_webdataset(?)"),
    ("tar", "SELECT * FROM read_webdataset(?, on_corrupt => 'skip_record', text => '*')"),
    ("bin", "SELECT * FROM read_cifar10(?)"),
    ("bin", "SELECT label FROM read_cifar10(?, partitions => 2)"),
    ("csv", "SELECT * FROM ?"),
    ("json", "SELECT * FROM ?"),
    ("parquet", "SELECT * FROM ?"),
    ("arrow", "SELECT * FROM ?"),
    ("avro", "SELECT * FROM ?"),
    ("jpg", "SELECT *, image_info(content), image_error(content) FROM read_images(?)"),
    ("txt", "SELECT * FROM read_images(?)"),
];

/// A file of records, samples, rows or an image, read by a statement. The first byte says how: the rows are the same twice and as many as
/// are counted, or there is an error.
pub(crate) fn files(input: &[u8]) {
    let Some((kind, content)) = input.split_first() else { return };
    let (extension, read) = READS[usize::from(*kind) % READS.len()];
    with_file(extension, content, |session, place| {
        let rows = |sql: &str| {
            let batches = block_on(session.sql(sql)).ok()?;
            Some(batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
        };
        let sql = read.replace('?', place);
        let read = rows(&sql);
        assert_eq!(read, rows(&sql), "{sql} twice");
        let counted = rows(&format!("SELECT 1 FROM ({sql})"));
        assert!(read.is_none() || counted == read, "{sql} has {read:?} rows, of which {counted:?} are counted");
    });
}

/// Lists of images by their extension, and how each is planned: their rows are read then, and none of the images.
const LISTS: [(&str, &str); 6] = [
    ("csv", "files => ?"),
    ("csv", "files => ?, shuffle_seed => 7"),
    ("csv", "files => ?, url => 'image'"),
    ("json", "files => ?"),
    ("json", "files => ?, shuffle_seed => 1, partitions => 3"),
    ("jsonl", "files => ?, max_bytes => 1000"),
];

/// A list of images. The first byte says which kind: it is planned, sampled and filtered, or there is an error.
pub(crate) fn lists(input: &[u8]) {
    let Some((kind, content)) = input.split_first() else { return };
    let (extension, arguments) = LISTS[usize::from(*kind) % LISTS.len()];
    with_file(extension, content, |session, place| {
        let call = format!("read_images({})", arguments.replace('?', place));
        for behind in ["", " LIMIT 2", " TABLESAMPLE BERNOULLI (50)", " WHERE path LIKE '%a%'"] {
            let Ok(statements) = session.parse(&format!("SELECT * FROM {call}{behind}")) else { continue };
            for statement in statements {
                let _ = block_on(session.prepare(statement)).map(|planned| plan(session, planned));
            }
        }
    });
}

/// Runs `work` with a file of this content, which an SQL constant names.
fn with_file(extension: &str, content: &[u8], work: impl FnOnce(&Session, &str)) {
    let sandbox = sandbox();
    let _turn = sandbox.turn.lock().unwrap_or_else(PoisonError::into_inner);
    let file = sandbox.folder.join(format!("file.{extension}"));
    if let Err(error) = fs::write(&file, content) {
        panic!("cannot write '{}': {error}", file.display());
    }
    work(sandbox.engine.session(), &format!("'{}'", file.display()));
    let _ = fs::remove_file(&file);
}

/// Options of sources. The first byte is the source; names and values stand in lines, as in `partitions=3`.
pub(crate) fn source_options(input: &[u8]) {
    let Some((number, text)) = input.split_first() else { return };
    let source = &SOURCES[usize::from(*number) % SOURCES.len()];
    let text = String::from_utf8_lossy(text);
    let given = text.lines().filter_map(|line| line.split_once('=')).take(10);
    let given: Vec<String> = given.map(|(name, value)| format!("{name} => '{}'", value.replace('\'', "''"))).collect();
    let session = sandbox().engine.session();
    let place = sandbox().folder.display();
    let sql = format!("SELECT * FROM {}('{place}', {})", source.function.name, given.join(", "));
    for statement in session.parse(&sql).unwrap_or_default().into_iter().take(1) {
        let _ = block_on(session.prepare(statement));
    }
}
