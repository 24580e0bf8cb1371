//! What a file is, and its check.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::dataset::{self, Dataset};
use super::places::Places;
use super::report::FaultKind;
use super::shard::{CheckedShard, ShardCheck};
use super::{Options, parquet, tfrecord, webdataset};
use crate::format::kind::FileKind;
use crate::format::tfrecord::{RecordFile, RecordReader, is_beside_data};
use crate::storage::Input;

/// What a shard is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Also what is nothing that is known: the reader of records says what it looks like.
    Records,
    Tar {
        is_gzip: bool,
    },
    Parquet,
}

/// The bytes that tell.
const LOOK_BYTES: u64 = 512;

impl Form {
    fn of(start: &[u8]) -> Self {
        if start.starts_with(b"PAR1") {
            return Self::Parquet;
        }
        if webdataset::is_tar(start) {
            return Self::Tar { is_gzip: false };
        }
        if !start.starts_with(&[0x1f, 0x8b]) {
            return Self::Records;
        }
        let mut inside = Vec::new();
        // What can't be decompressed is told when it is read.
        let _ = MultiGzDecoder::new(start).take(LOOK_BYTES).read_to_end(&mut inside);
        if webdataset::is_tar(&inside) { Self::Tar { is_gzip: true } } else { Self::Records }
    }
}

fn start(path: &Path, places: &Places) -> io::Result<Vec<u8>> {
    // Compressed headers are shorter than what they say.
    places.beginning(path, 4 * LOOK_BYTES)
}

/// Whether a file of a directory is a shard: by its name, else by its first bytes.
pub(super) fn is_shard(path: &Path, places: &Places) -> bool {
    if is_beside_data(path) {
        return false;
    }
    match path.file_name().and_then(|name| FileKind::of_name(name.to_str()?)) {
        Some(FileKind::TfRecord | FileKind::Tar | FileKind::Parquet) => return true,
        Some(FileKind::Image) => return false,
        None => {}
    }
    let Ok(start) = start(path, places) else { return false };
    match Form::of(&start) {
        Form::Tar { .. } | Form::Parquet => true,
        Form::Records => begins_with_a_record(&start),
    }
}

/// Whether a record's header is there, in what may be compressed.
fn begins_with_a_record(start: &[u8]) -> bool {
    let Ok(mut file) = RecordFile::new(Cursor::new(start)) else { return false };
    let mut header = Vec::new();
    let _ = file.by_ref().take(12).read_to_end(&mut header);
    // A header without its data is truncated, which is another error than that of a header that is none.
    let mut reader = RecordReader::new(&header[..]);
    match reader.next() {
        Ok(record) => record.is_some(),
        Err(error) => header.len() == 12 && matches!(error, crate::format::tfrecord::FramingError::Truncated { .. }),
    }
}

/// Checks a file; what it is, is seen by its content.
pub(super) fn check(
    path: &Path,
    shown: &str,
    number: usize,
    (datasets, places): (&[Dataset], &Places),
    options: &Options,
    bytes_read: &AtomicU64,
) -> CheckedShard {
    let mut shard = ShardCheck::new(shown, number, options);
    let size = places.bytes(path);
    match size.and_then(|size| Ok((size, start(path, places)?))) {
        Err(error) => shard.fault(FaultKind::File, None, format!("cannot be read: {error}")),
        Ok((size, start)) => {
            shard.report.bytes = size;
            let form = Form::of(&start);
            let dataset = dataset::over(path, datasets, places);
            check_form((path, places), form, dataset, &mut shard, bytes_read);
            check_name(path, form, &mut shard);
            if let Some(dataset) = dataset {
                dataset.compare(path, places, &mut shard);
            }
        }
    }
    shard.finish()
}

fn check_form(
    (path, places): (&Path, &Places),
    form: Form,
    dataset: Option<&Dataset>,
    shard: &mut ShardCheck<'_>,
    bytes_read: &AtomicU64,
) {
    if shard.report.bytes == 0 {
        return shard.fault(FaultKind::File, None, "empty file (0 bytes)".to_string());
    }
    let open = || Ok(CountedFile { file: places.open(path)?, bytes_read });
    match form {
        Form::Records => tfrecord::check(path, places, open, shard),
        Form::Tar { is_gzip } => match open() {
            Ok(file) => webdataset::check(file, is_gzip, dataset.map(Dataset::features), shard),
            Err(error) => shard.fault(FaultKind::File, None, error.to_string()),
        },
        Form::Parquet => {
            parquet::check(path, places, shard);
            bytes_read.fetch_add(shard.report.bytes, Ordering::Relaxed);
        }
    }
}

/// Whether a file's name tells the truth about what it is.
fn check_name(path: &Path, form: Form, shard: &mut ShardCheck<'_>) {
    // Of what is no shard at all there is a fault that says what it is.
    let (Some(file_name), Some(_)) = (path.file_name().and_then(|name| name.to_str()), shard.report.format) else {
        return;
    };
    let (kind, is) = match form {
        Form::Records => (FileKind::TfRecord, "a TFRecord file"),
        Form::Tar { .. } => (FileKind::Tar, "a tar archive"),
        Form::Parquet => (FileKind::Parquet, "a Parquet file"),
    };
    if let Some(named) = FileKind::of_name(file_name).filter(|named| *named != kind) {
        shard.fault(FaultKind::Name, None, format!("its name says {}, it is {is}", named.name()));
    }
    check_compression(file_name, form, shard);
}

/// TensorFlow doesn't detect compression: what a name says is what a script passes to it.
fn check_compression(file_name: &str, form: Form, shard: &mut ShardCheck<'_>) {
    let name = file_name.to_ascii_lowercase();
    let endings = [(".gz", "gzip"), (".tgz", "gzip"), (".zlib", "zlib")];
    let named = endings.into_iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, named)| named);
    let advice = |compression: &str| match form {
        Form::Records => format!("; TensorFlow reads it with compression_type='{}'", compression.to_uppercase()),
        Form::Tar { .. } | Form::Parquet => String::new(),
    };
    match (shard.report.compression, named) {
        (Some(is), None) => shard.note(format!("{is}, which its name doesn't say{}", advice(is))),
        (Some(is), Some(named)) if is != named => {
            shard.note(format!("{is}, whatever its name says{}", advice(is)));
        }
        (None, Some(_)) => shard.note("not compressed, whatever its name says".to_string()),
        _ => {}
    }
}

/// A file whose bytes are counted as they are read.
struct CountedFile<'a> {
    file: Input,
    bytes_read: &'a AtomicU64,
}

impl Read for CountedFile<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for CountedFile<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch};
    use datafusion::parquet::arrow::ArrowWriter;
    use proptest::prelude::*;

    use super::*;
    use crate::format::tfrecord::append_record;
    use crate::verify::DuplicateRule;

    fn records() -> Vec<u8> {
        let mut bytes = Vec::new();
        for class in 0..5 {
            // A feature 'class' of one integer.
            let example = [10, 16, 10, 14, 10, 5, b'c', b'l', b'a', b's', b's', 18, 5, 26, 3, 10, 1, class];
            append_record(&mut bytes, |out| out.extend_from_slice(&example));
        }
        bytes
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for name in ["a.jpg", "a.cls", "b.jpg", "b.json"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(3);
            builder.append_data(&mut header, name, &b"{1}"[..]).expect("a member");
        }
        builder.into_inner().expect("an archive")
    }

    fn table() -> Vec<u8> {
        let class: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200));
        let image: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..200).map(|row| [row; 40])));
        let batch = RecordBatch::try_from_iter([("class", class), ("image", image)]).expect("a batch");
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.into_inner().expect("written")
    }

    fn check_bytes(bytes: &[u8]) -> CheckedShard {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x");
        std::fs::write(&path, bytes).expect("a file");
        let options = Options { decode_every: 1, label: None, duplicates: DuplicateRule::Report, threads: 1 };
        let places = Places::default();
        let _ = is_shard(&path, &places);
        check(&path, "x", 0, (&[], &places), &options, &AtomicU64::new(0))
    }

    #[test]
    fn shards_are_known_by_their_content() {
        for (bytes, format, rows) in
            [(records(), "tfrecord", 5), (archive(), "webdataset", 2), (table(), "parquet", 200)]
        {
            let report = check_bytes(&bytes).report;
            assert_eq!((report.format, report.records), (Some(format), rows));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_fault_or_a_shard(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            check_bytes(&bytes);
            check_bytes(&[&b"PAR1"[..], &bytes, b"PAR1"].concat());
        }

        #[test]
        fn damaged_shards_never_panic(
            which in 0_usize..3,
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            end in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut bytes = [records, archive, table][which]();
            for (at, byte) in damages {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if is_cut {
                bytes.truncate(end.index(bytes.len()));
            }
            check_bytes(&bytes);
        }

        #[test]
        fn any_message_in_a_sound_frame_is_read(data in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut bytes = records();
            append_record(&mut bytes, |out| out.extend_from_slice(&data));
            append_record(&mut bytes, |out| out.extend_from_slice(&[&[10, data.len() as u8][..], &data].concat()));
            prop_assert_eq!(check_bytes(&bytes).report.records, 7);
        }
    }
}
