//! Rows to members of a tar file.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use tar::{Builder, Header};

use super::key::{Keys, readable};
use super::member::{Member, key_column};
use crate::sink::Target;
use crate::sink::cast::cast;
use crate::sink::encode::{ChangedKeys, Encoder, FirstRow, Rejection, WriteClass};

/// Writes each row as neighbouring members with one key.
pub(crate) struct WebDatasetEncoder {
    /// Holds no bytes between two rows.
    tar: Builder<Vec<u8>>,
    keys: Keys,
}

/// A batch as keys and members.
pub(crate) struct Samples {
    keys: SampleKeys,
    /// Sorted by extension, as the package's own writer has them.
    members: Vec<Member>,
}

enum SampleKeys {
    Given {
        column: String,
        keys: ArrayRef,
    },
    /// Partition and row, which no other row of the dataset has.
    Counted(FirstRow),
}

impl Samples {
    fn key(&self, row: usize) -> Option<String> {
        match &self.keys {
            SampleKeys::Given { keys, .. } => {
                let keys = keys.as_string::<i32>();
                keys.is_valid(row).then(|| keys.value(row).to_string())
            }
            SampleKeys::Counted(place) => Some(format!("{:06}-{:06}", place.part, place.row + row as u64)),
        }
    }
}

impl Encoder for WebDatasetEncoder {
    type Rows = Samples;

    fn start(_: &Target) -> Result<Self> {
        Ok(Self { tar: Builder::new(Vec::new()), keys: Keys::default() })
    }

    fn prepare(target: &Target, batch: &RecordBatch, place: FirstRow) -> Result<Samples> {
        let schema = batch.schema();
        let columns: Vec<usize> = target.feature_columns().collect();
        let key = key_column(columns.iter().map(|index| schema.field(*index).name().as_str()));
        let key = key.map(|position| columns[position]);
        let keys = match key {
            Some(index) => SampleKeys::Given {
                column: schema.field(index).name().clone(),
                keys: cast(schema.field(index).name(), batch.column(index), &DataType::Utf8)?,
            },
            None => SampleKeys::Counted(place),
        };
        let mut members = Vec::new();
        for index in columns.into_iter().filter(|index| Some(*index) != key) {
            members.push(Member::try_new(&schema.fields()[index], batch.column(index))?);
        }
        members.sort_by(|left, right| left.extension.cmp(&right.extension));
        Ok(Samples { keys, members })
    }

    fn rejection(samples: &Samples, row: usize) -> Option<Rejection> {
        let key = samples.key(row);
        if let SampleKeys::Given { column, .. } = &samples.keys
            && key.as_deref().and_then(readable).is_none()
        {
            let what = key.as_ref().map_or("NULL".to_string(), |key| format!("'{key}', which names no file"));
            let reason = format!("column '{column}' is {what}");
            return Some(Rejection { class: WriteClass::BadKey, reason, is_image: false, key });
        }
        if let Some(missing) = samples.members.iter().find(|member| member.contents.is_null(row)) {
            let reason = format!("column '{}' is NULL", missing.column);
            return Some(Rejection { class: WriteClass::NullValue, reason, is_image: missing.is_image, key });
        }
        let (member, fault) = samples.members.iter().find_map(|member| Some((member, member.fault(row)?)))?;
        let reason = format!("column '{}' {fault}", member.column);
        Some(Rejection { class: WriteClass::BadValue, reason, is_image: false, key })
    }

    fn append(&mut self, samples: &Samples, row: usize, _: usize, out: &mut Vec<u8>) -> Result<()> {
        let key = samples.key(row).unwrap_or_default();
        let claimed = self.keys.claim(&key);
        let claimed = claimed.ok_or_else(|| exec_datafusion_err!("the key '{key}' names no file"))?;
        // The builder appends where the shard's bytes are.
        std::mem::swap(self.tar.get_mut(), out);
        let appended = samples.members.iter().try_for_each(|member| {
            let content = member.contents.value(row);
            self.tar.append_data(&mut header(content.len())?, format!("{claimed}.{}", member.extension), content)
        });
        std::mem::swap(self.tar.get_mut(), out);
        appended.map_err(|error| exec_datafusion_err!("cannot write the sample '{claimed}': {error}"))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        std::mem::swap(self.tar.get_mut(), out);
        let finished = self.tar.finish();
        std::mem::swap(self.tar.get_mut(), out);
        finished.map_err(|error| exec_datafusion_err!("cannot finish the tar file: {error}"))
    }

    fn changed_keys(&mut self) -> ChangedKeys {
        self.keys.take_changed()
    }
}

/// What every member's header has: nothing of when, where and by whom it was made.
fn header(size: usize) -> std::io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o444);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_username("bigdata")?;
    header.set_groupname("bigdata")?;
    Ok(header)
}
