//! What a format has to know: how rows of a batch become bytes of a shard.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use serde::{Deserialize, Serialize};

use super::Target;

/// Turns the rows of one shard into its bytes.
pub(crate) trait Encoder: Sized + Send + 'static {
    /// A batch, ready to be read row by row.
    type Rows: Send + Sync;

    /// An encoder for a new shard.
    fn start(target: &Target) -> Result<Self>;

    /// Makes a batch ready to be read row by row.
    fn prepare(target: &Target, batch: &RecordBatch, place: FirstRow) -> Result<Self::Rows>;

    /// Why a row can't be a record of this format.
    fn rejection(rows: &Self::Rows, row: usize) -> Option<Rejection>;

    /// Adds a row; its bytes are appended to `out` now or later. `open` shards share what may be held back.
    fn append(&mut self, rows: &Self::Rows, row: usize, open: usize, out: &mut Vec<u8>) -> Result<()>;

    /// The batch is over: its rows are not there any more when the next one comes.
    fn end_batch(&mut self, _rows: &Self::Rows, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    /// Appends what was held back and what a whole file ends with.
    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    /// Keys that readers would have misunderstood.
    fn changed_keys(&mut self) -> ChangedKeys {
        ChangedKeys::default()
    }
}

/// Where a batch's first row stands in the dataset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstRow {
    /// The part of the dataset whose rows make one shard, or one in each directory.
    pub(crate) part: usize,
    pub(crate) row: u64,
}

/// Why a row is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) class: WriteClass,
    pub(crate) reason: String,
    /// Whether an image is NULL: then its file can tell more.
    pub(crate) is_image: bool,
    /// What names the row where it has no file.
    pub(crate) key: Option<String>,
}

impl Rejection {
    /// A column that holds images is NULL.
    pub(crate) fn null_image(column: &str) -> Self {
        Self { class: WriteClass::NullValue, reason: format!("column '{column}' is NULL"), is_image: true, key: None }
    }
}

/// Why a row that was read and decoded has no place in the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteClass {
    /// A value is NULL that must not be.
    NullValue,
    /// A value that the format has no place for.
    BadValue,
    /// A key that names no file.
    BadKey,
}

impl WriteClass {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 3] = [Self::NullValue, Self::BadValue, Self::BadKey];

    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NullValue => "null_value",
            Self::BadValue => "bad_value",
            Self::BadKey => "bad_key",
        }
    }
}

/// How many keys were changed, and the first of them before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedKeys {
    pub(crate) count: u64,
    pub(crate) first: Option<(String, String)>,
}

impl ChangedKeys {
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }
}
