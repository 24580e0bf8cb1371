//! Whether a file of Arrow has what it says that it has: its readers make room for all of that before they look.
//!
//! The layout is that of <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use datafusion::arrow::ipc::{Block, Message, root_as_footer, root_as_message};

const MAGIC: &[u8; 6] = b"ARROW1";
/// The footer's length, and the magic again.
const TRAILER: u64 = 10;
/// What stands before the length of a message, but in files of versions before 0.15.
const CONTINUATION: i32 = -1;
/// Bytes to which a message may unpack, besides so many times its own.
const UNPACKED: u64 = 1 << 30;
const MOST_TIMES: u64 = 100;

/// Checks what stands in a file, columns left out: it takes as long as reading the heads of all batches.
///
/// # Errors
/// What is there can't be read, or is less than what the file says.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Checked { file, length }.check()
}

struct Checked<R> {
    file: R,
    length: u64,
}

impl<R: Read + Seek> Checked<R> {
    fn check(&mut self) -> io::Result<()> {
        let mut magic = [0; MAGIC.len()];
        match self.file.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => self.check_file(),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
            _ => self.check_stream(),
        }
    }

    /// A file has a footer, which tells where its batches are.
    fn check_file(&mut self) -> io::Result<()> {
        let Some(end) = self.length.checked_sub(TRAILER) else { return broken("it is cut") };
        let trailer = self.bytes(end, TRAILER)?;
        let (length, magic) = trailer.split_at(4);
        let length = u64::try_from(number(length)).ok().filter(|length| *length <= end && magic == MAGIC);
        let Some(length) = length else { return broken("it ends without a footer, and may be cut") };
        let footer = self.bytes(end - length, length)?;
        let footer = root_as_footer(&footer).or_else(|_| broken("its footer is damaged"))?;
        let blocks: Vec<Block> =
            footer.dictionaries().iter().flatten().chain(footer.recordBatches().iter().flatten()).copied().collect();
        for block in blocks {
            let parts = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()];
            let [Ok(at), Ok(head), Ok(body)] = parts.map(u64::try_from) else { return broken("a batch is nowhere") };
            self.check_within(at, head.saturating_add(body))?;
            let bytes = self.bytes(at, head)?;
            let start = if number(&bytes) == CONTINUATION { 8 } else { 4 };
            let Ok(message) = root_as_message(bytes.get(start..).unwrap_or_default()) else {
                return broken("the head of a batch is damaged");
            };
            self.check_message(&message, at + head, body)?;
        }
        Ok(())
    }

    /// A stream has its messages one after the other.
    fn check_stream(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.length {
            self.check_within(at, 4)?;
            let mut head = number(&self.bytes(at, 4)?);
            at += 4;
            if head == CONTINUATION {
                self.check_within(at, 4)?;
                head = number(&self.bytes(at, 4)?);
                at += 4;
            }
            let Ok(head) = u64::try_from(head) else { return broken("a message has no length") };
            if head == 0 {
                break;
            }
            self.check_within(at, head)?;
            let bytes = self.bytes(at, head)?;
            let Ok(message) = root_as_message(&bytes) else { return broken("it isn't a file of Arrow, or damaged") };
            let Ok(body) = u64::try_from(message.bodyLength()) else { return broken("a message has no length") };
            self.check_within(at + head, body)?;
            self.check_message(&message, at + head, body)?;
            at += head + body;
        }
        Ok(())
    }

    /// Checks that columns are in their message, and what they unpack to.
    fn check_message(&mut self, message: &Message<'_>, at: u64, length: u64) -> io::Result<()> {
        let batch = message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data());
        let Some(batch) = batch else { return Ok(()) };
        let mut unpacked = 0_u64;
        for buffer in batch.buffers().iter().flatten() {
            let parts = [buffer.offset(), buffer.length()].map(u64::try_from);
            let [Ok(start), Ok(bytes)] = parts else { return broken("a column is nowhere") };
            if start.saturating_add(bytes) > length {
                return broken("a column goes beyond the end of its batch");
            }
            if batch.compression().is_some() && bytes >= 8 {
                let claim = self.bytes(at + start, 8)?;
                let claim = claim.first_chunk().map_or(0, |claim| i64::from_le_bytes(*claim));
                unpacked = unpacked.saturating_add(u64::try_from(claim).unwrap_or(0));
            }
        }
        if unpacked > UNPACKED.saturating_add(length.saturating_mul(MOST_TIMES)) {
            return broken(&format!("a batch of {length} bytes says that it unpacks to {unpacked}"));
        }
        Ok(())
    }

    fn check_within(&self, at: u64, length: u64) -> io::Result<()> {
        match at.saturating_add(length) > self.length {
            true => broken("it is cut: something goes beyond its end"),
            false => Ok(()),
        }
    }

    /// Some bytes of the file, which are there.
    fn bytes(&mut self, at: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn number(bytes: &[u8]) -> i32 {
    bytes.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes))
}

fn broken<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(ErrorKind::InvalidData, what))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::arrow::ipc::CompressionType;
    use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

    use super::*;

    fn check(bytes: &[u8]) -> io::Result<()> {
        Checked { file: Cursor::new(bytes), length: bytes.len() as u64 }.check()
    }

    /// Files and streams, plain and packed.
    fn files() -> Vec<Vec<u8>> {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values((0..500).map(|number| number / 7)));
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..500).map(|number| format!("row {}", number / 9))));
        let words: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().cycle().take(500).collect();
        let columns = [("numbers", numbers), ("texts", texts), ("words", Arc::new(words) as ArrayRef)];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let mut files = Vec::new();
        for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            let options = IpcWriteOptions::default().try_with_compression(compression).expect("options");
            let mut file =
                FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options.clone()).expect("a file");
            let mut stream =
                StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).expect("a stream");
            for batch in [&batch, &batch.slice(3, 100)] {
                file.write(batch).expect("written");
                stream.write(batch).expect("written");
            }
            files.push(file.into_inner().expect("finished"));
            files.push(stream.into_inner().expect("finished"));
        }
        files
    }

    #[test]
    fn whole_files_and_streams_are_sound_and_cut_ones_are_not() {
        for file in files() {
            check(&file).expect("sound");
            for length in [5, 9, 20, file.len() / 2, file.len() - 30, file.len() - 12] {
                let cut = check(&file[..length]);
                // A stream may end behind any of its messages.
                assert!(cut.is_err() || !file.starts_with(MAGIC), "{length} of {}", file.len());
            }
        }
        check(b"").expect("nothing");
        assert!(check(b"ARROW1").is_err() && check(b"hello, I am a text of some length").is_err());
    }

    #[test]
    fn numbers_that_say_more_than_there_is_are_refused() {
        for file in files() {
            let mut refused = 0;
            for at in 0..file.len().saturating_sub(8) {
                let mut damaged = file.clone();
                damaged[at..at + 8].copy_from_slice(&(1_i64 << 40).to_le_bytes());
                refused += usize::from(check(&damaged).is_err());
            }
            assert!(refused > 20, "{refused}");
        }
    }

    #[test]
    fn a_batch_that_says_it_unpacks_to_a_terabyte_is_refused() {
        let file = files().swap_remove(2);
        // The first column of the first batch, before it is packed.
        let claim = 2000_i64.to_le_bytes();
        let at = file.windows(8).position(|bytes| bytes == claim).expect("a claim");
        let mut damaged = file;
        damaged[at..at + 8].copy_from_slice(&(1_i64 << 40).to_le_bytes());
        let message = check(&damaged).expect_err("refused").to_string();
        assert!(message.contains("says that it unpacks to 1099511"), "{message}");
    }
}
