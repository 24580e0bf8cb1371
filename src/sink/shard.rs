//! One shard: written beside its final place and moved there whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use datafusion::common::{Result, exec_datafusion_err};
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::SinkOptions;
use super::encode::{ChangedKeys, Encoder};
use super::tfrecord::Compression;
use crate::format::INDEX_SUFFIX;
use crate::format::manifest::Shard;

/// Bytes that are handed to the writing thread at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What unfinished files begin and end with; readers pass over hidden files.
const UNFINISHED: (&str, &str) = (".unfinished-", ".tmp");

/// Whether a file is one that a writer left behind when it was killed.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1)
}

/// Writes one shard. Dropped before it is finished, it leaves nothing behind.
pub(crate) struct ShardWriter<E> {
    encoder: E,
    buffer: Vec<u8>,
    records: u64,
    /// Bytes before compression that have left the buffer.
    sent: u64,
    index: Option<String>,
    chunks: mpsc::Sender<Chunk>,
    file: JoinHandle<io::Result<Written>>,
    unfinished: PathBuf,
}

enum Chunk {
    Bytes(Vec<u8>),
    /// The shard is whole: its index goes beside its final place, and it to that place.
    Finish {
        name: String,
        index: Option<String>,
        /// Told when no byte is in memory any more.
        written: oneshot::Sender<()>,
    },
}

/// What the writing thread knows at its end.
struct Written {
    name: String,
    bytes: u64,
    crc32c: u32,
}

impl<E: Encoder> ShardWriter<E> {
    /// Starts a shard in `directory`, which must exist. `label` tells unfinished files of one dataset apart.
    pub(crate) fn start(encoder: E, directory: &Path, label: &str, options: &SinkOptions, runtime: &Handle) -> Self {
        let (before, behind) = UNFINISHED;
        let name = format!("{before}{label}-{}{behind}", std::process::id());
        let unfinished = directory.join(name);
        let (chunks, incoming) = mpsc::channel(2);
        let (path, compression) = (unfinished.clone(), options.file_compression());
        let file = runtime.spawn_blocking(move || {
            let written = write_file(&path, compression, incoming);
            if !matches!(written, Ok(Some(_))) {
                // The reason for not finishing is the one to report, not a failure to clean up behind it.
                let _ = fs::remove_file(&path);
            }
            written.and_then(|written| written.ok_or_else(|| io::Error::other("the shard was abandoned")))
        });
        Self {
            encoder,
            buffer: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4),
            records: 0,
            sent: 0,
            index: options.has_index().then(String::new),
            chunks,
            file,
            unfinished,
        }
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
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
            Ok(Err(error)) => self.failure(&error.to_string()),
            Err(error) => self.failure(&error.to_string()),
        })
    }

    fn failure(&self, reason: &str) -> datafusion::error::DataFusionError {
        let directory = self.unfinished.parent().unwrap_or(Path::new(""));
        exec_datafusion_err!("cannot write a shard to '{}': {reason}", directory.display())
    }

    /// Hands over what the shard still lacks and its final name in the directory, and waits until it is written.
    pub(crate) async fn hand_over(&mut self, name: &str) -> Result<()> {
        self.encoder.finish(&mut self.buffer)?;
        let rest = std::mem::take(&mut self.buffer);
        self.send(Chunk::Bytes(rest)).await?;
        let index = self.index.take();
        let (written, is_written) = oneshot::channel();
        self.send(Chunk::Finish { name: name.to_string(), index, written }).await?;
        // A writing thread that failed says so at its end.
        let _ = is_written.await;
        Ok(())
    }

    /// Waits until the shard that was handed over is at its final name, which is its path so far.
    pub(crate) async fn finish(mut self) -> Result<Shard> {
        match (&mut self.file).await {
            Ok(Ok(Written { name, bytes, crc32c })) => {
                Ok(Shard { path: name, records: self.records, bytes, crc32c: format!("{crc32c:08x}") })
            }
            Ok(Err(error)) => Err(self.failure(&error.to_string())),
            Err(error) => Err(self.failure(&error.to_string())),
        }
    }
}

/// Writes chunks until the shard is whole and in its place; `None` if the writer was dropped before that.
fn write_file(path: &Path, compression: Compression, mut chunks: mpsc::Receiver<Chunk>) -> io::Result<Option<Written>> {
    let file = Counted { file: File::create(path)?, bytes: 0, crc32c: 0 };
    let mut compressor = Compressor::new(file, compression);
    let (name, index, written) = loop {
        match chunks.blocking_recv() {
            Some(Chunk::Bytes(bytes)) => compressor.write_all(&bytes)?,
            Some(Chunk::Finish { name, index, written }) => break (name, index, written),
            None => return Ok(None),
        }
    };
    let Counted { file, bytes, crc32c } = compressor.finish()?;
    // Nobody waits for a shard that is abandoned.
    let _ = written.send(());
    // A full or failing disk is often told only now.
    file.sync_data()?;
    if let Some(index) = index {
        fs::write(path.with_file_name(format!("{name}{INDEX_SUFFIX}")), index)?;
    }
    fs::rename(path, path.with_file_name(&name))?;
    Ok(Some(Written { name, bytes, crc32c }))
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
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
