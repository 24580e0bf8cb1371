//! One shard: written to a hidden file, which gets a hidden name of its own when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;

use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::metrics::Time;
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::attempt::Attempt;
use super::encode::{ChangedKeys, Encoder};
use super::failure::io_failure;
use super::report::{Finished, HiddenFile};
use super::tfrecord::Compression;

/// Bytes that are handed to the writing thread at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes one shard. Dropped before it is finished, it leaves nothing behind.
pub(crate) struct ShardWriter<E> {
    encoder: E,
    buffer: Vec<u8>,
    records: u64,
    /// Bytes before compression that have left the buffer.
    sent: u64,
    index: Option<String>,
    chunks: mpsc::Sender<Chunk>,
    file: JoinHandle<Result<Written>>,
    attempt: Arc<Attempt>,
}

enum Chunk {
    Bytes(Vec<u8>),
    /// The shard is whole: it gets its name, and its index one, too.
    Finish {
        index: Option<String>,
        /// Told when no byte is in memory any more.
        written: oneshot::Sender<()>,
    },
}

/// What the writing thread knows at its end.
struct Written {
    file: HiddenFile,
    index: Option<HiddenFile>,
    crc32c: u32,
}

impl<E: Encoder> ShardWriter<E> {
    /// Starts one of an attempt's shards.
    pub(crate) fn start(encoder: E, attempt: &Arc<Attempt>, number: usize, runtime: &Handle) -> Self {
        let (chunks, receiver) = mpsc::channel(2);
        let writing = Arc::clone(attempt);
        let file = runtime.spawn_blocking(move || {
            let written = write_file(&writing, number, receiver);
            if written.is_err() {
                writing.remove(number);
            }
            written
        });
        Self {
            encoder,
            buffer: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4),
            records: 0,
            sent: 0,
            index: attempt.target.options.has_index().then(String::new),
            chunks,
            file,
            attempt: Arc::clone(attempt),
        }
    }

    /// Bytes before compression, as far as they are encoded.
    pub(crate) fn bytes(&self) -> u64 {
        self.sent + self.buffer.len() as u64
    }

    /// Keys that were changed since this was asked last.
    pub(crate) fn changed_keys(&mut self) -> ChangedKeys {
        self.encoder.changed_keys()
    }

    /// Adds a row; `open` shards are written at the same time by this partition.
    pub(crate) async fn append(&mut self, rows: &E::Rows, row: usize, open: usize) -> Result<()> {
        let start = self.bytes();
        self.encoder.append(rows, row, open, &mut self.buffer)?;
        self.records += 1;
        let end = self.bytes();
        if let Some(index) = &mut self.index {
            index.push_str(&format!("{start} {}\n", end - start));
        }
        self.send_full_buffer().await
    }

    /// Takes in what the rows of a batch still have to give.
    pub(crate) async fn end_batch(&mut self, rows: &E::Rows) -> Result<()> {
        self.encoder.end_batch(rows, &mut self.buffer)?;
        self.send_full_buffer().await
    }

    async fn send_full_buffer(&mut self) -> Result<()> {
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4));
        self.sent += full.len() as u64;
        self.send(Chunk::Bytes(full)).await
    }

    async fn send(&mut self, chunk: Chunk) -> Result<()> {
        if self.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        Err(match (&mut self.file).await {
            Ok(Ok(_)) => self.failure("the writing thread ended early"),
            Ok(Err(error)) => error,
            Err(error) => self.failure(&error.to_string()),
        })
    }

    fn failure(&self, reason: &str) -> DataFusionError {
        exec_datafusion_err!("{}: {reason}", doing(&self.attempt))
    }

    /// Hands over what the shard still lacks, and waits until it is written.
    pub(crate) async fn hand_over(&mut self) -> Result<()> {
        self.encoder.finish(&mut self.buffer)?;
        let rest = std::mem::take(&mut self.buffer);
        self.send(Chunk::Bytes(rest)).await?;
        let index = self.index.take();
        let (written, is_written) = oneshot::channel();
        self.send(Chunk::Finish { index, written }).await?;
        // A writing thread that failed says so at its end.
        let _ = is_written.await;
        Ok(())
    }

    /// Waits until the shard that was handed over is whole; it is for `directory`.
    pub(crate) async fn finish(mut self, directory: String) -> Result<Finished> {
        match (&mut self.file).await {
            Ok(Ok(Written { file, index, crc32c })) => {
                Ok(Finished { directory, file, index, records: self.records, crc32c: format!("{crc32c:08x}") })
            }
            Ok(Err(error)) => Err(error),
            Err(error) => Err(self.failure(&error.to_string())),
        }
    }
}

fn doing(attempt: &Attempt) -> String {
    format!("cannot write a shard to '{}'", attempt.directory().display())
}

/// Writes chunks until the shard is whole and has its name.
fn write_file(attempt: &Attempt, number: usize, mut chunks: mpsc::Receiver<Chunk>) -> Result<Written> {
    let failed = |error: io::Error| io_failure(doing(attempt), &error);
    attempt.check()?;
    let path = attempt.unfinished(number);
    let file = File::create_new(&path).map_err(failed)?;
    let file = Counted { file, bytes: 0, crc32c: 0, write_time: attempt.write_time.clone() };
    let mut compressor = Compressor::new(file, attempt.target.options.file_compression());
    let (index, written) = loop {
        match chunks.blocking_recv() {
            Some(Chunk::Bytes(bytes)) => compressor.write_all(&bytes).map_err(failed)?,
            Some(Chunk::Finish { index, written }) => break (index, written),
            None => return exec_err!("{}: the shard was abandoned", doing(attempt)),
        }
    };
    let Counted { file, bytes, crc32c, .. } = compressor.finish().map_err(failed)?;
    // Nobody waits for a shard that is abandoned.
    let _ = written.send(());
    let timer = attempt.write_time.timer();
    // A full or failing disk is often told only now.
    file.sync_data().map_err(failed)?;
    let index = match index {
        Some(index) => {
            let name = attempt.index(number);
            fs::write(attempt.directory().join(&name), &index).map_err(failed)?;
            Some(HiddenFile { name, bytes: index.len() as u64 })
        }
        None => None,
    };
    timer.done();
    attempt.check()?;
    let name = attempt.finished(number);
    fs::rename(&path, attempt.directory().join(&name)).map_err(failed)?;
    // A commit that has ended meanwhile swept what was there, and not what comes behind it.
    attempt.check()?;
    Ok(Written { file: HiddenFile { name, bytes }, index, crc32c })
}

enum Compressor {
    Plain(Counted),
    Gzip(GzEncoder<Counted>),
    Zlib(ZlibEncoder<Counted>),
}

impl Compressor {
    fn new(file: Counted, compression: Compression) -> Self {
        let level = flate2::Compression::default();
        match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => Self::Gzip(GzEncoder::new(file, level)),
            Compression::Zlib => Self::Zlib(ZlibEncoder::new(file, level)),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(file) => file.write_all(bytes),
            Self::Zlib(file) => file.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<Counted> {
        match self {
            Self::Plain(file) => Ok(file),
            Self::Gzip(file) => file.finish(),
            Self::Zlib(file) => file.finish(),
        }
    }
}

/// A file and the CRC of what was written to it.
struct Counted {
    file: File,
    bytes: u64,
    crc32c: u32,
    write_time: Time,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let timer = self.write_time.timer();
        let written = self.file.write(bytes)?;
        timer.done();
        self.bytes += written as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
