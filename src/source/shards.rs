//! Which shards there are at a location, and what is known of them without opening them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Column, DFSchema, Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use percent_encoding::percent_decode_str;

use crate::format::HIVE_NULL;
use crate::format::kind::FileKind;
use crate::format::manifest::{MANIFEST, MOST_ABOVE, Manifest, UNFINISHED};
use crate::format::tfrecord::is_beside_data;
use crate::storage::{AllowList, Found, Location};

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
    /// As it is opened.
    pub(super) path: PathBuf,
    /// As it is shown.
    pub(super) shown: String,
    pub(super) bytes: u64,
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
    /// What may be looked at beside them.
    pub(super) allow: Arc<AllowList>,
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

/// Finds the shards of a location.
pub(super) fn find(kind: ShardKind, text: &str, has_directories: bool, allow: &Arc<AllowList>) -> Result<Shards> {
    let location = Location::parse_within(text, allow)?;
    let mut manifests = Manifests { kind, allow: Arc::clone(allow), read: HashMap::new() };
    let mut found = Shards { allow: Arc::clone(allow), ..Shards::default() };
    let (mut classes, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for file in location.files(true) {
        let file = file?;
        let manifest = manifests.of(&file.path, location.base())?;
        if !is_wanted(kind, &file, location.is_directory(), manifest.as_deref()) {
            continue;
        }
        let Some(shown) = location.shown(&file.path) else {
            tracing::warn!("left out '{}': its name is not valid UTF-8", file.path.display());
            continue;
        };
        let bytes = file.metadata.as_ref().map_or(0, std::fs::Metadata::len);
        let listed = manifest.as_ref().and_then(|dataset| dataset.shards.get(&file.path).copied());
        let records = listed.filter(|(_, size)| *size == bytes).map(|(records, _)| records);
        classes.insert(manifest.as_ref().and_then(|dataset| dataset.classes.clone()));
        kinds.insert(manifest.as_ref().map(|dataset| dataset.features.clone()));
        let directories = match has_directories {
            true => directories(file.path.strip_prefix(location.base()).unwrap_or(&file.path)),
            false => BTreeMap::new(),
        };
        found.directory_columns.extend(directories.keys().cloned());
        found.files.push(ShardPath { path: file.path, shown, bytes, records, directories });
    }
    found.classes = agreed(&classes);
    found.kinds = agreed(&kinds).unwrap_or_default();
    if location.is_directory() {
        check_whole(location.base(), &mut manifests)?;
    }
    if found.files.is_empty() {
        return plan_err!("no {}", (kind.missing)(text));
    }
    Ok(found)
}

/// Whether a file is a shard, as far as its name and the manifest say.
fn is_wanted(kind: ShardKind, file: &Found, is_directory: bool, manifest: Option<&Dataset>) -> bool {
    if file.is_named && !is_directory {
        return !crate::format::tfrecord::is_index(&file.path);
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

/// What a manifest says of a dataset: its files' records and bytes, its features and its classes.
struct Dataset {
    format: String,
    shards: HashMap<PathBuf, (u64, u64)>,
    features: BTreeMap<String, String>,
    classes: Option<Vec<String>>,
}

/// Manifests that have been looked for, by directory.
struct Manifests {
    kind: ShardKind,
    read: HashMap<PathBuf, Option<Arc<Dataset>>>,
    allow: Arc<AllowList>,
}

impl Manifests {
    /// The dataset that a file is in: one that lists it, or any of a directory that is searched.
    fn of(&mut self, file: &Path, base: &Path) -> Result<Option<Arc<Dataset>>> {
        for directory in file.ancestors().skip(1).take(MOST_ABOVE) {
            let Some(dataset) = self.at(directory)? else { continue };
            if !directory.starts_with(base) && !dataset.shards.contains_key(file) {
                continue;
            }
            if dataset.format != self.kind.format {
                return plan_err!(
                    "'{}' holds shards of the format {}, which is not read as {}",
                    directory.display(),
                    dataset.format,
                    self.kind.format.to_uppercase()
                );
            }
            return Ok(Some(dataset));
        }
        Ok(None)
    }

    fn at(&mut self, directory: &Path) -> Result<Option<Arc<Dataset>>> {
        if let Some(known) = self.read.get(directory) {
            return Ok(known.clone());
        }
        // Above the files that were asked for there may be directories that nobody may look into.
        if self.allow.check_path(directory).is_err() {
            return Ok(None);
        }
        let place = directory.join(MANIFEST);
        self.allow.check_path(&place)?;
        let manifest = Manifest::read(directory)
            .map_err(|error| exec_datafusion_err!("cannot read '{}': {error}", place.display()))?;
        let dataset = match manifest {
            Some(manifest) => {
                let shard = |shard: &crate::format::manifest::Shard| {
                    (directory.join(&shard.path), (shard.records, shard.bytes))
                };
                let shards = manifest.shards.iter().map(shard).collect();
                Some(Arc::new(Dataset {
                    format: manifest.format,
                    shards,
                    features: manifest.features,
                    classes: manifest.classes,
                }))
            }
            None => {
                if directory.join(UNFINISHED).exists() {
                    tracing::warn!(
                        "'{}' is not finished: the run that writes it goes on, or it failed",
                        directory.display()
                    );
                }
                None
            }
        };
        self.read.insert(directory.to_path_buf(), dataset.clone());
        Ok(dataset)
    }
}

/// Refuses a dataset that lacks shards of its manifest.
fn check_whole(directory: &Path, manifests: &mut Manifests) -> Result<()> {
    let Some(dataset) = manifests.at(directory)? else {
        return Ok(());
    };
    // Whether something is there that nobody may reach is not told.
    let is_there = |path: &Path| manifests.allow.check_path(path).is_ok() && path.exists();
    match dataset.shards.keys().filter(|path| !is_there(path)).min() {
        Some(first) => plan_err!(
            "'{}' is not whole: its manifest lists '{}', which isn't there; name the shards by a glob to read the others",
            directory.display(),
            first.display()
        ),
        None => Ok(()),
    }
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
