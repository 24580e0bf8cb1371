//! One shard: written to a hidden file, which gets a hidden name of its own when it is whole.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{Result, exec_datafusion_err};
use datafusion::physical_plan::metrics::Time;
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;

use super::Compression;
use super::attempt::Attempt;
use super::encode::{ChangedKeys, Encoder};
use super::failure::io_failure;
use super::report::{Finished, HiddenFile};
use crate::storage::NewFile;

/// Bytes that the open shards of a partition gather before they are written.
const CHUNK_BYTES: usize = 1 << 20;
/// Of many open shards each gathers so many at least.
const LEAST_CHUNK_BYTES: usize = 16 << 10;
/// Of so many bytes is made sure while others are decoded, so that little is left for the end.
const SYNC_BYTES: u64 = 8 << 20;
/// What a compressor holds, about.
const COMPRESSOR_BYTES: usize = 300 << 10;

/// Writes one shard. Dropped before it is finished, it leaves nothing behind once its attempt is abandoned.
///
/// Each full buffer is a job on the threads for writing, one at a time; between two of them no thread has to do with the shard.
pub(crate) struct ShardWriter<E> {
    encoder: E,
    buffer: Vec<u8>,
    records: u64,
    /// Bytes before compression that have left the buffer.
    sent: u64,
    index: Option<String>,
    number: usize,
    stage: Stage,
    runtime: Handle,
    attempt: Arc<Attempt>,
    /// Bytes that are on their way to a store.
    on_their_way: Arc<AtomicUsize>,
}

/// How far the shard's file is.
enum Stage {
    /// There is none.
    New,
    /// So many bytes are being written, or are written already.
    Writing(JoinHandle<Result<Compressor>>, usize),
    /// It gets what it still lacks, and its name.
    Finishing(JoinHandle<Result<Written>>),
}

/// What is known of a whole shard.
struct Written {
    file: HiddenFile,
    index: Option<HiddenFile>,
    crc32c: u32,
}

impl<E: Encoder> ShardWriter<E> {
    /// Starts one of an attempt's shards.
    pub(crate) fn start(encoder: E, attempt: &Arc<Attempt>, number: usize, runtime: &Handle) -> Self {
        Self {
            encoder,
            buffer: Vec::new(),
            records: 0,
            sent: 0,
            index: attempt.target.options.own().has_index().then(String::new),
            number,
            stage: Stage::New,
            runtime: runtime.clone(),
            attempt: Arc::clone(attempt),
            on_their_way: Arc::default(),
        }
    }

    /// Bytes before compression, as far as they are encoded.
    pub(crate) fn bytes(&self) -> u64 {
        self.sent + self.buffer.len() as u64
    }

    /// Bytes of memory that the shard holds on their way to its file; what the encoder holds back is not among them.
    pub(crate) fn held(&self) -> usize {
        let being_written = match &self.stage {
            Stage::Writing(job, bytes) if !job.is_finished() => *bytes,
            _ => 0,
        };
        let compressor = match self.attempt.target.options.own().file_compression() {
            Compression::None => 0,
            Compression::Gzip | Compression::Zlib => COMPRESSOR_BYTES,
        };
        let on_their_way = self.on_their_way.load(Ordering::Relaxed);
        self.buffer.capacity()
            + being_written
            + on_their_way
            + compressor
            + self.index.as_ref().map_or(0, String::capacity)
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
        self.write_full_buffer(open).await
    }

    /// Takes in what the rows of a batch still have to give.
    pub(crate) async fn end_batch(&mut self, rows: &E::Rows, open: usize) -> Result<()> {
        self.encoder.end_batch(rows, &mut self.buffer)?;
        self.write_full_buffer(open).await
    }

    /// Has the buffer written where it holds the shard's part of what a partition may gather.
    async fn write_full_buffer(&mut self, open: usize) -> Result<()> {
        if self.buffer.len() < (CHUNK_BYTES / open.max(1)).max(LEAST_CHUNK_BYTES) {
            return Ok(());
        }
        let (file, turn) = self.turn().await?;
        let bytes = std::mem::take(&mut self.buffer);
        self.sent += bytes.len() as u64;
        let (attempt, number, held) = (Arc::clone(&self.attempt), self.number, bytes.capacity());
        let on_their_way = Arc::clone(&self.on_their_way);
        let job = self.runtime.spawn_blocking(move || {
            let _turn = turn;
            leaving_nothing(&attempt, number, || write(&attempt, number, file, &bytes, &on_their_way))
        });
        self.stage = Stage::Writing(job, held);
        Ok(())
    }

    /// Hands over what the shard still lacks, and waits until it is written.
    pub(crate) async fn hand_over(&mut self) -> Result<()> {
        self.encoder.finish(&mut self.buffer)?;
        let (file, turn) = self.turn().await?;
        let (bytes, index) = (std::mem::take(&mut self.buffer), self.index.take());
        self.sent += bytes.len() as u64;
        let (written, is_written) = oneshot::channel();
        let (attempt, number, on_their_way) = (Arc::clone(&self.attempt), self.number, Arc::clone(&self.on_their_way));
        let job = self.runtime.spawn_blocking(move || {
            let _turn = turn;
            leaving_nothing(&attempt, number, || {
                let file = write(&attempt, number, file, &bytes, &on_their_way)?;
                drop(bytes);
                finish(&attempt, number, file, index, written)
            })
        });
        self.stage = Stage::Finishing(job);
        // A job that failed says so at its end.
        let _ = is_written.await;
        Ok(())
    }

    /// Waits until the shard that was handed over is whole; it is for `directory`.
    pub(crate) async fn finish(mut self, directory: String) -> Result<Finished> {
        let Stage::Finishing(job) = std::mem::replace(&mut self.stage, Stage::New) else {
            return Err(self.failure("the shard was not handed over"));
        };
        let Written { file, index, crc32c } = job.await.map_err(|error| self.failure(&error.to_string()))??;
        Ok(Finished { directory, file, index, records: self.records, crc32c: format!("{crc32c:08x}") })
    }

    /// Waits until the file may be written to: what is there of it, and the right to a thread.
    async fn turn(&mut self) -> Result<(Option<Compressor>, OwnedSemaphorePermit)> {
        let file = match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New => None,
            Stage::Writing(job, _) => Some(job.await.map_err(|error| self.failure(&error.to_string()))??),
            Stage::Finishing(_) => return Err(self.failure("the shard was handed over")),
        };
        let turn = Arc::clone(&self.attempt.turns).acquire_owned().await;
        Ok((file, turn.map_err(|error| self.failure(&error.to_string()))?))
    }

    fn failure(&self, reason: &str) -> datafusion::error::DataFusionError {
        exec_datafusion_err!("{}: {reason}", doing(&self.attempt))
    }
}

fn doing(attempt: &Attempt) -> String {
    format!("cannot write a shard to '{}'", attempt.directory())
}

/// Does a part of the work for a shard; where that fails, or nobody waits for it any more, all that there is of the shard goes.
fn leaving_nothing<T>(attempt: &Attempt, number: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = work().and_then(|done| attempt.check_wanted().map(|()| done));
    done.inspect_err(|_| attempt.remove(number))
}

/// Writes to a shard's file, which is made where it isn't there yet.
fn write(
    attempt: &Attempt,
    number: usize,
    file: Option<Compressor>,
    bytes: &[u8],
    on_their_way: &Arc<AtomicUsize>,
) -> Result<Compressor> {
    let failed = |error: io::Error| io_failure(doing(attempt), &error);
    let mut file = match file {
        Some(file) => file,
        None => {
            // An object isn't seen before it is whole, and that is asked for then.
            match attempt.directory().local() {
                Some(_) => attempt.check()?,
                None => attempt.check_wanted()?,
            }
            let names = (attempt.unfinished(number), attempt.finished(number));
            let file = attempt.directory().begin(&names.0, &names.1, on_their_way).map_err(failed)?;
            let file = Counted { file, bytes: 0, synced: 0, crc32c: 0, write_time: attempt.write_time.clone() };
            Compressor::new(file, attempt.target.options.own().file_compression())
        }
    };
    file.write_all(bytes).map_err(failed)?;
    Ok(file)
}

/// Makes sure of a shard, writes its index, and gives it its hidden name.
fn finish(
    attempt: &Attempt,
    number: usize,
    file: Compressor,
    index: Option<String>,
    written: oneshot::Sender<()>,
) -> Result<Written> {
    let failed = |error: io::Error| io_failure(doing(attempt), &error);
    let Counted { file, bytes, crc32c, .. } = file.finish().map_err(failed)?;
    // Nobody waits for a shard that is abandoned.
    let _ = written.send(());
    let timer = attempt.write_time.timer();
    file.sync().map_err(failed)?;
    let index = match index {
        Some(index) => {
            let name = attempt.index(number);
            let bytes = index.len() as u64;
            attempt.directory().write_hidden(&name, index.into_bytes()).map_err(failed)?;
            Some(HiddenFile { name, bytes })
        }
        None => None,
    };
    attempt.check()?;
    let name = attempt.finished(number);
    attempt.directory().finish(file, &attempt.unfinished(number), &name).map_err(failed)?;
    timer.done();
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
    file: NewFile,
    bytes: u64,
    /// How many of them are sure.
    synced: u64,
    crc32c: u32,
    write_time: Time,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let timer = self.write_time.timer();
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        if self.bytes - self.synced >= SYNC_BYTES {
            self.file.sync()?;
            self.synced = self.bytes;
        }
        timer.done();
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_same_bytes_however_it_is_handed_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let bytes: Vec<u8> =
            (0..200_000_u32).flat_map(|number| (number.wrapping_mul(number) >> 7).to_le_bytes()).collect();
        for compression in [Compression::None, Compression::Gzip, Compression::Zlib] {
            let written = |chunk: usize| {
                let path = directory.path().join(format!("{compression:?}-{chunk}"));
                let file = NewFile::Local(std::fs::File::create_new(&path).expect("a file"));
                let file = Counted { file, bytes: 0, synced: 0, crc32c: 0, write_time: Time::new() };
                let mut file = Compressor::new(file, compression);
                bytes.chunks(chunk).for_each(|chunk| file.write_all(chunk).expect("written"));
                file.finish().expect("finished");
                std::fs::read(path).expect("a file")
            };
            let whole = written(bytes.len());
            assert!([1000, 16 << 10, 1 << 20].iter().all(|chunk| written(*chunk) == whole), "{compression:?}");
        }
    }
}
