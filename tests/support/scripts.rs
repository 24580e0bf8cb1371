//! The scripts in `tests/sql`, and the directory with photos that they are run in.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::future::BoxFuture;
use pixmill::Engine;
use pixmill::synthetic::onnx::{FLOAT16, FLOAT32, INT8, Onnx, color_classifier, line};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner, default_column_validator, default_validator};

use super::Workspace;

/// What an engine says is wrong.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Answers a statement. As an object, because the compiler would prove over seconds, in each test, that an engine may be sent to
/// another thread.
type Ask = Box<dyn Fn(String) -> BoxFuture<'static, Result<Vec<RecordBatch>, Failure>> + Send + Sync>;

fn asking(engine: Engine) -> Ask {
    let engine = Arc::new(engine);
    Box::new(move |sql| {
        let engine = Arc::clone(&engine);
        Box::pin(async move { engine.sql(&sql).await.map_err(|error| Failure(error.to_string())) })
    })
}

/// A session that scripts run in, and where it runs: `local` or `cluster`, by which lines are left out with `skipif` and `onlyif`.
struct Session {
    ask: Ask,
    place: &'static str,
}

#[async_trait]
impl AsyncDB for Session {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let batches = (self.ask)(sql.to_string()).await?;
        let columns = batches.first().map_or(0, RecordBatch::num_columns);
        if columns == 0 {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows: rows(&batches) })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        self.place
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn rows(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).expect("a formatter"));
        let columns: Vec<ArrayFormatter> = columns.collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            // A plan is a cell of several lines, which a script has one below the other.
            match cells.iter().any(|cell| cell.contains('\n')) {
                true => rows.extend(cells.join(" ").lines().map(|line| vec![line.trim().to_string()])),
                false => rows.push(cells),
            }
        }
    }
    rows
}

/// Photos, names that look like something else, and files that aren't what their names say.
pub(crate) fn fixtures() -> Workspace {
    let workspace = Workspace::with_photos(20, 3);
    let photo = fs::read(workspace.path("photos/daisy/000000.jpg")).expect("a photo");
    for name in ["a b.jpg", "a%20b.jpg", "a#b.jpg", "a?b.jpg", "a+b=c.jpg", "[1].jpg", "ä.JPG"] {
        workspace.write(&format!("names/odd/{name}"), &photo);
    }
    for path in ["[2024] Images/daisy/1.jpg", "[2024] Images/[a]/{b}/2.jpg", "2 Images/daisy/3.jpg", "circle/a/4.jpg"] {
        workspace.write(path, &photo);
    }
    for (target, link) in [("..", "circle/a/up"), (".", "circle/again"), ("self", "circle/self")] {
        std::os::unix::fs::symlink(target, workspace.path(link)).expect("a link");
    }
    workspace.write("circle/a/rows.csv", b"a\n1\n");
    workspace.write("cifar [1]/data_batch_1.bin", &[0; 3073]);
    workspace.write("bad/empty.jpg", b"");
    workspace.write("bad/text.jpg", b"hello");
    workspace.write("bad/truncated.jpg", &photo[..photo.len() / 2]);
    workspace.write("bad/whole.jpg", &photo);
    // A frame header that claims 65535x65535 pixels.
    let mut huge =
        vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
    huge.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    workspace.write("bad/huge.jpg", &huge);
    cifar(&workspace);
    models(&workspace);
    workspace
}

/// Models, good and bad.
fn models(workspace: &Workspace) {
    let of_two = |element, sizes: &[&str]| Onnx::default().input("x", element, sizes).output("y", &["batch", "2"]);
    let relu = |element, sizes: &[&str]| of_two(element, sizes).node("Relu", &["x"], "y");
    for (name, model) in [
        ("colors", color_classifier()),
        ("line", line()),
        ("padded", line().metadata("note", &"x".repeat(2000))),
        ("any_length", relu(FLOAT32, &["batch", "length"])),
        ("two_sizes", relu(FLOAT32, &["batch", "height", "width"])),
        ("int8", relu(INT8, &["batch", "2"])),
        ("float16", relu(FLOAT16, &["batch", "2"])),
        ("batch_of_8", relu(FLOAT32, &["8", "3", "4", "4"])),
        ("four_channels", relu(FLOAT32, &["batch", "4", "4", "4"])),
        ("any_size", relu(FLOAT32, &["batch", "3", "height", "width"])),
        ("unknown_operator", of_two(FLOAT32, &["batch", "2"]).node("Frobnicate", &["x"], "y")),
        ("two_inputs", relu(FLOAT32, &["batch", "2"]).input("mask", FLOAT32, &["batch", "2"])),
        ("fails", of_two(FLOAT32, &["batch", "2"]).weights("w", &[3], &[1.0; 3]).node("Add", &["x", "w"], "y")),
        ("wrong_labels", color_classifier().metadata("labels", r#"["red", "green"]"#)),
        (
            "elsewhere",
            of_two(FLOAT32, &["batch", "2"]).weights_elsewhere("w", &[2], "w.bin").node("Add", &["x", "w"], "y"),
        ),
    ] {
        workspace.write(&format!("models/{name}.onnx"), &model.file());
    }
    workspace.write("models/text.onnx", b"hello");
    workspace.write("models/empty.onnx", b"");
    let whole = color_classifier().file();
    workspace.write("models/half.onnx", &whole[..whole.len() / 2]);
    workspace.write("models/huge.onnx", b"");
    let huge = fs::File::options().write(true).open(workspace.path("models/huge.onnx")).expect("a file");
    huge.set_len(3 << 30).expect("a file of a hole");
}

/// Batches of CIFAR-10, good and bad. Record `n` of a batch has the label `n`; red is ten times that, green and blue are 1 and 2.
fn cifar(workspace: &Workspace) {
    let record = |label: u8| [&[label], [10 * label; 1024].as_slice(), &[1; 1024], &[2; 1024]].concat();
    let batch = |labels: std::ops::Range<u8>| labels.flat_map(record).collect::<Vec<u8>>();
    let names = b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    workspace.write("cifar/data_batch_1.bin", &batch(0..10));
    workspace.write("cifar/data_batch_2.bin", &batch(0..6));
    workspace.write("cifar/test_batch.bin", &batch(0..4));
    workspace.write("cifar/batches.meta.txt", names);
    workspace.write("cifar/readme.html", b"<html>");
    workspace.write("nameless/data_batch_1.bin", &batch(0..10));
    workspace.write("fewer_names/data_batch_1.bin", &batch(0..10));
    workspace.write("fewer_names/batches.meta.txt", b"airplane\nautomobile\n");
    workspace.write("blank_name/data_batch_1.bin", &batch(0..10));
    workspace.write("blank_name/batches.meta.txt", b"airplane\n\nbird\n");
    workspace.write("bad_cifar/empty.bin", b"");
    workspace.write("bad_cifar/label.bin", &[batch(0..2), vec![77; 3073]].concat());
    workspace.write("bad_cifar/short.bin", &batch(0..3)[..9000]);
    workspace.write("bad_cifar/cifar-100.bin", &[1; 2 * 3074]);
    workspace.write("bad_cifar/data_batch_1", b"\x80\x02}q\x01U\x0bbatch_label");
    workspace.write("bad_cifar/batch.bin.gz", b"\x1f\x8b\x08\x00");
}

/// All scripts, in their order.
pub(crate) fn all() -> Vec<PathBuf> {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(files).expect("scripts").map(|entry| entry.expect("an entry").path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    scripts
}

/// Runs a script in the current directory; each connection that it opens is an engine of its own.
///
/// # Errors
/// The first line that doesn't answer as written down.
pub(crate) async fn run<F: Future<Output = pixmill::Result<Engine>>>(
    script: &Path,
    place: &'static str,
    open: impl Fn() -> F,
) -> Result<(), String> {
    let connect = async || match open().await {
        Ok(engine) => Ok(Session { ask: asking(engine), place }),
        Err(error) => Err(Failure(error.to_string())),
    };
    let mut runner = Runner::new(connect);
    if place == "local" && std::env::var_os("UPDATE_SLT").is_some() {
        let updated = runner
            .update_test_file(
                script,
                " ",
                default_validator,
                sqllogictest::default_normalizer,
                default_column_validator,
            )
            .await;
        return updated.map_err(|error| error.to_string());
    }
    runner.run_file_async(script).await.map_err(|error| error.to_string())
}
