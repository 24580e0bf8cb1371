//! Which shards there are at a location, and what is known of them without opening them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Column, DFSchema, Result, plan_err};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use percent_encoding::percent_decode_str;

use super::manifests::{Dataset, Listed, Manifests, Objects};
use crate::format::HIVE_NULL;
use crate::format::kind::FileKind;
use crate::format::manifest::{MANIFEST, UNFINISHED};
use crate::format::tfrecord::{is_beside_data, is_index};
use crate::storage::{FoundFile, Input, Location, ObjectLocation, Reach, Version, is_object_url};

/// The shards that a source reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardKind {
    /// The format's name in manifests, in lower case.
    pub(super) format: &'static str,
    /// What their names say that they are.
    pub(super) files: FileKind,
    /// What is said where there are none, behind "no".
    pub(super) missing: fn(&str) -> String,
}

/// A shard.
#[derive(Debug, Clone)]
pub(super) struct ShardPath {
    /// Its path or URL, as it is shown and opened.
    pub(super) shown: String,
    pub(super) version: Version,
    /// What the manifest of its dataset says, if it is about a file of this size.
    pub(super) records: Option<u64>,
    /// Columns and values of its directories; NULL where the value is Hive's word for it.
    pub(super) directories: BTreeMap<String, Option<String>>,
}

/// The shards of a location, sorted by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Shards {
    pub(super) files: Vec<ShardPath>,
    /// The columns that directories make.
    pub(super) directory_columns: BTreeSet<String>,
    /// What the columns hold, where one manifest, or several that agree, say so of all files.
    pub(super) kinds: BTreeMap<String, String>,
    /// The labels in the order of their class numbers, where one manifest, or several that agree, say so of all files.
    pub(super) classes: Option<Vec<String>>,
    /// What was listed beside them in a store.
    pub(super) listed: Option<Listed>,
    /// What may be looked at beside them.
    pub(super) reach: Reach,
}

impl Shards {
    /// Leaves out the files whose directories a filter rules out.
    ///
    /// # Errors
    /// A filter that can't be evaluated.
    pub(super) fn filtered(mut self, names: &[String], session: &dyn Session, filters: &[Expr]) -> Result<Self> {
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(self);
        };
        let value = |file: &ShardPath, name: &String| file.directories.get(name).cloned().flatten();
        let column = |name: &String| -> ArrayRef {
            Arc::new(self.files.iter().map(|file| value(file, name)).collect::<StringArray>())
        };
        let batch = RecordBatch::try_from_iter_with_nullable(names.iter().map(|name| (name, column(name), true)))?;
        let filter = datafusion::logical_expr::expr_rewriter::unnormalize_col(filter);
        let filter = session.create_physical_expr(filter, &DFSchema::try_from(batch.schema())?)?;
        let mask = filter.evaluate(&batch)?.into_array(batch.num_rows())?;
        let mut keeps = as_boolean_array(&mask)?.iter();
        self.files.retain(|_| keeps.next().flatten().unwrap_or(false));
        Ok(self)
    }
}

impl Shards {
    /// Opens the files of a sample one after the other; the beginnings of some are on their way before.
    pub(super) fn begun<'a>(
        &'a self,
        sample: impl Iterator<Item = &'a ShardPath>,
    ) -> impl Iterator<Item = (&'a ShardPath, io::Result<Input>)> {
        let sample: Vec<&ShardPath> = sample.collect();
        let parts: Vec<Vec<&ShardPath>> = sample.chunks(BEGUN_AT_ONCE).map(<[_]>::to_vec).collect();
        parts.into_iter().flat_map(|part| {
            let files: Vec<_> = part.iter().map(|file| (file.shown.as_str(), &file.version)).collect();
            part.iter().copied().zip(self.reach.begin(&files)).collect::<Vec<_>>()
        })
    }
}

/// Files of a sample that are open at the same time.
const BEGUN_AT_ONCE: usize = 10;

/// Which filters are decided by the directories of files alone.
pub(super) fn pushed_down(
    directory_columns: &[String],
    schema: &Schema,
    filters: &[&Expr],
) -> Vec<TableProviderFilterPushDown> {
    let is_about_directories = |filter: &&Expr| {
        let columns = filter.column_refs();
        let is_directory = |column: &&Column| directory_columns.contains(&column.name);
        !filter.is_volatile() && !columns.is_empty() && columns.iter().all(is_directory)
    };
    // A declared type other than text is compared after the cast, by DataFusion.
    let is_text = |filter: &&Expr| {
        let columns = filter.column_refs();
        columns.iter().all(|c| schema.field_with_name(&c.name).is_ok_and(|f| *f.data_type() == DataType::Utf8))
    };
    let support = |filter: &&Expr| match is_about_directories(filter) && is_text(filter) {
        true => TableProviderFilterPushDown::Exact,
        false => TableProviderFilterPushDown::Unsupported,
    };
    filters.iter().map(support).collect()
}

/// The columns of a table with hidden ones behind them (where a row is, NULL, NULL), and the names of those that tell a row's place, its
/// image and why that could not be read. Of several binary columns nobody knows which one was not decoded.
pub(super) fn with_hidden_columns(
    schema: &Schema,
    hidden: [&str; 3],
    projection: Option<&[usize]>,
) -> (SchemaRef, [String; 3]) {
    let types = [DataType::Utf8, DataType::Binary, DataType::Utf8];
    let fields = hidden.into_iter().zip(types).map(|(name, data_type)| Arc::new(Field::new(name, data_type, true)));
    let fields: Vec<_> = schema.fields().iter().cloned().chain(fields).collect();
    let mut columns = hidden.map(str::to_string);
    let is_read = |index: usize| projection.is_none_or(|projection| projection.contains(&index));
    let read = schema.fields().iter().enumerate().filter(|(index, _)| is_read(*index));
    let binary: Vec<_> = read.filter(|(_, field)| *field.data_type() == DataType::Binary).collect();
    if let [(_, content)] = binary.as_slice() {
        columns[1] = content.name().clone();
    }
    (Arc::new(Schema::new(fields)), columns)
}

/// What there is at a location.
struct There {
    base: PathBuf,
    is_directory: bool,
    files: Vec<FoundFile>,
    /// Of a location in a store.
    objects: Option<Objects>,
}

impl There {
    fn find(text: &str, reach: &Reach) -> Result<Self> {
        if is_object_url(text) {
            return Self::find_objects(text, reach);
        }
        let location = Location::parse_within(text, &reach.allow)?;
        let (base, is_directory) = (location.base().to_path_buf(), location.is_directory());
        Ok(Self { base, is_directory, files: reach.files(text)?, objects: None })
    }

    fn find_objects(text: &str, reach: &Reach) -> Result<Self> {
        let location = ObjectLocation::parse_within(text, &reach.allow)?;
        let (mut files, mut beside, mut is_object) = (Vec::new(), HashMap::new(), false);
        let is_beside = |name: &str| [MANIFEST, UNFINISHED].contains(&name) || is_index(Path::new(name));
        location.find_beside(reach, &is_beside, &mut |found, is_meant| {
            let version = Version { bytes: found.length, etag: found.etag };
            if is_beside(found.below.rsplit('/').next().unwrap_or_default()) {
                beside.insert(found.url.clone(), version.clone());
            }
            is_object |= found.is_named && !location.is_pattern();
            if is_meant {
                let path = PathBuf::from(&found.url);
                let (shown, is_named) = (Some(found.url), found.is_named);
                files.push(FoundFile { path, shown, version, is_named, is_there: true });
            }
        })?;
        files.sort_by(|left, right| left.shown.cmp(&right.shown));
        let base = PathBuf::from(location.base());
        let listed = if is_object { Listed::Nothing } else { Listed::Below(base.clone(), beside) };
        Ok(Self {
            base,
            is_directory: !location.is_pattern() && !is_object,
            files,
            objects: Some(Objects { bucket: PathBuf::from(location.bucket()), listed }),
        })
    }
}

/// Finds the shards of a location.
pub(super) fn find(kind: ShardKind, text: &str, has_directories: bool, reach: &Reach) -> Result<Shards> {
    let There { base, is_directory, files, objects } = There::find(text, reach)?;
    let mut manifests = Manifests::new(kind, reach.clone(), objects);
    let mut found = Shards { reach: reach.clone(), ..Shards::default() };
    let (mut classes, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let FoundFile { path, shown, version, .. } = &file;
        let manifest = manifests.of(path, &base)?;
        if !is_wanted(kind, &file, is_directory, manifest.as_deref()) {
            continue;
        }
        let Some(shown) = shown else {
            tracing::warn!("left out '{}': its name is not valid UTF-8", path.display());
            continue;
        };
        let listed = manifest.as_ref().and_then(|dataset| dataset.shards.get(path).copied());
        let records = listed.filter(|(_, size)| *size == version.bytes).map(|(records, _)| records);
        classes.insert(manifest.as_ref().and_then(|dataset| dataset.classes.clone()));
        kinds.insert(manifest.as_ref().map(|dataset| dataset.features.clone()));
        let directories = match has_directories {
            true => directories(path.strip_prefix(&base).unwrap_or(path)),
            false => BTreeMap::new(),
        };
        found.directory_columns.extend(directories.keys().cloned());
        found.files.push(ShardPath { shown: shown.clone(), version: version.clone(), records, directories });
    }
    found.classes = agreed(&classes);
    found.kinds = agreed(&kinds).unwrap_or_default();
    if is_directory {
        manifests.check_whole(&base, &found.files)?;
    }
    found.listed = manifests.into_listed();
    if found.files.is_empty() {
        return plan_err!("no {}", (kind.missing)(text));
    }
    Ok(found)
}

/// Whether a file is a shard, as far as its name and the manifest say.
fn is_wanted(kind: ShardKind, file: &FoundFile, is_directory: bool, manifest: Option<&Dataset>) -> bool {
    if file.is_named && !is_directory {
        return !is_index(&file.path);
    }
    if let Some(dataset) = manifest {
        return dataset.shards.contains_key(&file.path);
    }
    if is_beside_data(&file.path) {
        return false;
    }
    let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !is_directory || FileKind::of_name(name) == Some(kind.files)
}

/// The one value that there is.
fn agreed<T: Ord + Clone>(said: &BTreeSet<Option<T>>) -> Option<T> {
    match said.len() {
        1 => said.first().cloned().flatten(),
        _ => None,
    }
}

/// The columns of directories named `column=value`.
fn directories(below: &Path) -> BTreeMap<String, Option<String>> {
    let parents = below.parent().into_iter().flat_map(Path::components);
    let pairs = parents.filter_map(|part| part.as_os_str().to_str()?.split_once('='));
    let pairs = pairs.filter(|(name, _)| !name.is_empty());
    pairs.map(|(name, value)| (unescaped(name), (value != HIVE_NULL).then(|| unescaped(value)))).collect()
}

/// A directory's value without Hive's percent-encoding.
fn unescaped(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_string(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_columns_whose_values_are_unescaped() {
        let found =
            directories(Path::new("split=train/label=a%2Fb%20c/none=__HIVE_DEFAULT_PARTITION__/x/part=1.tfrec"));
        let expected = [("split", Some("train")), ("label", Some("a/b c")), ("none", None)];
        let expected = expected.map(|(name, value)| (name.to_string(), value.map(str::to_string)));
        assert_eq!(found, BTreeMap::from(expected));
        assert_eq!(unescaped("100%"), "100%");
        assert_eq!(unescaped("%zz%2"), "%zz%2");
    }
}
