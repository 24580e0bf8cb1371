//! The listing: which files there are, filtered, sampled, shuffled and cut into partitions. No file is opened.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use twox_hash::XxHash3_64;

use super::options::ImagesOptions;
use super::{CONTENT, ImagesTable, READ_ERROR, metadata_fields};
use crate::exec::most_items;
use crate::format::kind::IMAGE_EXTENSIONS;
use crate::source::Sample;
use crate::source::work::{Load, cut};
use crate::storage::{Found, FoundObject, Listed, Location, ObjectLocation, Order, Reach, is_object_url};

/// What there is.
pub(super) struct Listing {
    /// The leaf of the scan: one batch of work items for each partition.
    pub(super) leaf: Arc<dyn ExecutionPlan>,
    /// The labels in the order of their class numbers, where the query looks at those.
    pub(super) classes: Option<Arc<[String]>>,
}

/// What a scan wants listed.
pub(super) struct Request {
    location: String,
    reach: Reach,
    options: ImagesOptions,
    filter: Option<Arc<dyn PhysicalExpr>>,
    limit: Option<usize>,
    cores: usize,
    reads_content: bool,
    /// The most work items that a partition may have.
    most_items: Option<usize>,
    /// Class numbers are looked at; without a class list they take a look at every label there is.
    needs_classes: bool,
}

impl Request {
    pub(super) fn try_new(
        table: &ImagesTable,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Self> {
        let schema = items_schema();
        let filter = conjunction(filters.iter().cloned())
            .map(|filter| {
                // Filters come with the table's name or alias on their columns; the listing has none.
                let filter = datafusion::logical_expr::expr_rewriter::unnormalize_col(filter);
                session.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)
            })
            .transpose()?;
        let is_projected = |column: &str| match (projection, table.schema.index_of(column)) {
            (Some(projection), Ok(index)) => projection.contains(&index),
            (_, index) => index.is_ok(),
        };
        let is_filtered = filters.iter().any(|f| f.column_refs().iter().any(|c| c.name == "class"));
        Ok(Self {
            location: table.location.clone(),
            reach: Reach::of(session.config()),
            options: table.options.clone(),
            filter,
            limit,
            cores: session.config().target_partitions(),
            reads_content: is_projected(CONTENT) || is_projected(READ_ERROR),
            most_items: most_items(session.config()),
            needs_classes: is_filtered || is_projected("class"),
        })
    }

    /// Lists the files.
    pub(super) fn list(self) -> Result<Listing> {
        let (items, classes) = self.items()?;
        let partitions = self.partition(&items);
        let largest = partitions.iter().flatten().map(RecordBatch::num_rows).max().unwrap_or(0);
        if let Some(most) = self.most_items.filter(|most| largest > *most) {
            return plan_err!(
                "'{}' has {} images in {} partitions, and a task of a cluster takes at most {most}; use more partitions (option \
                 partitions, or shards of COPY)",
                self.location,
                items.num_rows(),
                partitions.len()
            );
        }
        Ok(Listing {
            leaf: MemorySourceConfig::try_new_exec(&partitions, items_schema(), None)?,
            classes: self.needs_classes.then(|| classes.into()),
        })
    }

    fn items(&self) -> Result<(RecordBatch, Vec<String>)> {
        // What takes a look at all of them: an order, a number of them, and the labels that there are.
        let takes_all = matches!(self.options.sample, Some(Sample::Rows { .. }))
            || self.options.shuffle_seed.is_some()
            || (self.options.classes.is_none() && self.needs_classes);
        match self.limit {
            Some(limit) if !takes_all => self.first_items(limit),
            _ => self.all_items(),
        }
    }

    /// The first items that are wanted: no more is listed than that takes.
    fn first_items(&self, limit: usize) -> Result<(RecordBatch, Vec<String>)> {
        let classes = self.options.classes.clone().unwrap_or_default();
        let (mut chosen, mut rows, mut is_empty) = (Vec::new(), 0, true);
        let mut open: Vec<File> = Vec::new();
        let mut failed = None;
        let mut close = |files: Vec<File>, rows: &mut usize| -> Result<()> {
            let items = self.filtered(batch(files, &classes)?)?;
            *rows += items.num_rows();
            chosen.push(items);
            Ok(())
        };
        find_each(&self.location, &self.options, Order::OfKeys, &self.reach, &mut |file| {
            is_empty = false;
            if is_of_fraction(self.options.sample, &file) {
                open.push(file);
            }
            let enough = if self.filter.is_some() { CHUNK } else { limit.saturating_sub(rows) };
            if open.len() >= enough {
                failed = close(std::mem::take(&mut open), &mut rows).err();
            }
            failed.is_none() && rows < limit
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if is_empty {
            return nothing_found(&self.location, &self.options);
        }
        close(open, &mut rows)?;
        let items = concat_batches(&items_schema(), &chosen)?;
        Ok((items.slice(0, limit.min(items.num_rows())), classes))
    }

    fn all_items(&self) -> Result<(RecordBatch, Vec<String>)> {
        let mut files = find_at(&self.location, &self.options, usize::MAX, &self.reach)?;
        if files.is_empty() {
            return nothing_found(&self.location, &self.options);
        }
        let classes = self.options.classes.clone().unwrap_or_else(|| labels(&files));
        if let Some(sample) = self.options.sample {
            files = sampled(files, sample);
        }
        if let Some(seed) = self.options.shuffle_seed {
            shuffle(&mut files, seed);
        }
        let items = self.filtered(batch(files, &classes)?)?;
        let rows = self.limit.unwrap_or(usize::MAX).min(items.num_rows());
        Ok((items.slice(0, rows), classes))
    }

    fn filtered(&self, items: RecordBatch) -> Result<RecordBatch> {
        let Some(filter) = &self.filter else { return Ok(items) };
        let mask = filter.evaluate(&items)?.into_array(items.num_rows())?;
        Ok(filter_record_batch(&items, as_boolean_array(&mask)?)?)
    }

    fn partition(&self, items: &RecordBatch) -> Vec<Vec<RecordBatch>> {
        let load = Load {
            rows: items.num_rows(),
            bytes: lengths(items).values().iter().map(|length| length.unsigned_abs()).sum(),
            cores: self.cores,
            is_local: self.most_items.is_none(),
            reads_content: self.reads_content,
        };
        let count = load.partitions(self.options.partitions);
        cut(items.num_rows(), count).map(|(start, length)| vec![items.slice(start, length)]).collect()
    }
}

/// The columns of a work item: all that is known of a file without opening it.
pub(super) fn items_schema() -> SchemaRef {
    Arc::new(Schema::new(metadata_fields()))
}

/// The path of each work item.
pub(super) fn paths(items: &RecordBatch) -> &StringArray {
    items.column(0).as_string()
}

/// The bytes of each work item.
pub(super) fn lengths(items: &RecordBatch) -> &Int64Array {
    items.column(2).as_primitive()
}

/// There is no image where there should be.
pub(super) fn nothing_found<T>(location: &str, options: &ImagesOptions) -> Result<T> {
    plan_err!(
        "no images match '{location}': no file there has an extension of {}; name others with the option extensions",
        options.extensions.as_ref().map_or_else(|| IMAGE_EXTENSIONS.join(", "), |e| e.join(", "))
    )
}

/// A file of the listing.
pub(super) struct File {
    pub(super) path: String,
    modification_time: Option<i64>,
    pub(super) length: i64,
    /// The version of an object, where its store tells, and it is kept.
    pub(super) etag: Option<String>,
    label: Option<Arc<str>>,
    below: Below,
}

/// The path from where the search started: the same wherever the images are, and however that place is written.
enum Below {
    /// The end of the path from this byte on.
    End(usize),
    Own(Box<[u8]>),
}

impl File {
    fn below(&self) -> &[u8] {
        match &self.below {
            Below::End(start) => &self.path.as_bytes()[*start..],
            Below::Own(below) => below,
        }
    }
}

impl Below {
    fn of(path: &str, below: &[u8]) -> Self {
        match path.as_bytes().ends_with(below) {
            true => Self::End(path.len() - below.len()),
            false => Self::Own(below.into()),
        }
    }
}

/// Labels, of which those of neighbours are one.
#[derive(Default)]
struct Labels(Option<Arc<str>>);

impl Labels {
    fn of(&mut self, name: &str) -> Arc<str> {
        match &self.0 {
            Some(label) if label.as_ref() == name => Arc::clone(label),
            _ => Arc::clone(self.0.insert(name.into())),
        }
    }
}

/// Files that a filter looks at together, where a limit may end the listing.
const CHUNK: usize = 1000;

/// Finds the images of a location of files or of objects, sorted by path: at most `most`, with their versions, or all, without.
pub(super) fn find_at(location: &str, options: &ImagesOptions, most: usize, reach: &Reach) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let order = if most == usize::MAX { Order::Any } else { Order::OfKeys };
    find_each(location, options, order, reach, &mut |file| {
        // Of many files versions take much room, and nothing looks at them.
        let etag = file.etag.filter(|_| most < usize::MAX);
        files.push(File { etag, ..file });
        files.len() < most
    })?;
    if is_object_url(location) {
        files.sort_by(|left, right| left.below().cmp(right.below()));
    }
    Ok(files)
}

/// Finds the images of a location, sorted by path, or objects in any order, until `each` wants no more.
fn find_each(
    location: &str,
    options: &ImagesOptions,
    order: Order,
    reach: &Reach,
    each: &mut dyn FnMut(File) -> bool,
) -> Result<()> {
    match is_object_url(location) {
        true => find_objects(&ObjectLocation::parse_within(location, &reach.allow)?, options, order, reach, each),
        false => find(&Location::parse_within(location, &reach.allow)?, options, &reach.listed, each),
    }
}

/// Finds the images of a location of files, sorted by path.
fn find(
    location: &Location,
    options: &ImagesOptions,
    listed: &Listed,
    each: &mut dyn FnMut(File) -> bool,
) -> Result<()> {
    let is_recursive = options.is_recursive.unwrap_or(true);
    let (base_label, mut labels) = (location.base_name(), Labels::default());
    for found in location.files(is_recursive) {
        let found = found?;
        listed.add_file();
        if !is_wanted(&found, options) {
            continue;
        }
        match file(&found, location, base_label.as_deref(), &mut labels) {
            Some(file) => {
                if !each(file) {
                    break;
                }
            }
            None => tracing::warn!("left out '{}': its name is not valid UTF-8", found.path.display()),
        }
    }
    Ok(())
}

/// Finds the images of a location in an object store, as [`find`] does.
fn find_objects(
    location: &ObjectLocation,
    options: &ImagesOptions,
    order: Order,
    reach: &Reach,
    each: &mut dyn FnMut(File) -> bool,
) -> Result<()> {
    let is_recursive = options.is_recursive.unwrap_or(true);
    let mut labels = Labels::default();
    location.find(reach, order, &mut |found| {
        let is_deep = found.below.contains('/');
        let is_wanted = (is_recursive || !is_deep) && is_image(Path::new(&found.below), found.is_named, options);
        !is_wanted || each(object(found, location, &mut labels))
    })
}

fn is_wanted(found: &Found, options: &ImagesOptions) -> bool {
    is_image(&found.path, found.is_named, options)
}

/// Whether a name is that of an image; all are that the location names.
fn is_image(name: &Path, is_named: bool, options: &ImagesOptions) -> bool {
    let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_it = |wanted: &str| wanted == "*" || wanted.eq_ignore_ascii_case(extension);
    match &options.extensions {
        Some(wanted) => wanted.iter().any(|wanted| is_it(wanted)),
        None => is_named || IMAGE_EXTENSIONS.into_iter().any(is_it),
    }
}

/// What is known of an object; its label is the name of its folder.
fn object(found: FoundObject, location: &ObjectLocation, labels: &mut Labels) -> File {
    let label = match found.below.rsplit_once('/') {
        Some((folders, _)) => folders.rsplit('/').next().map(|name| labels.of(name)),
        None => location.base_name(&found).map(|name| labels.of(&name)),
    };
    File {
        below: Below::of(&found.url, found.below.as_bytes()),
        path: found.url,
        modification_time: Some(found.modified.timestamp_micros()),
        length: i64::try_from(found.length).unwrap_or(i64::MAX),
        etag: found.etag,
        label,
    }
}

/// What is known of a file; the label of one that lies where the search started is given.
fn file(found: &Found, location: &Location, base_label: Option<&OsStr>, labels: &mut Labels) -> Option<File> {
    let below = location.below(&found.path);
    let is_at_base = below.parent().is_none_or(|parent| parent.as_os_str().is_empty());
    let parent = if is_at_base { base_label } else { found.path.parent().and_then(Path::file_name) };
    let metadata = found.metadata.as_ref();
    let modified = metadata.and_then(|metadata| metadata.modified().ok());
    let micros = modified.and_then(|time| match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).ok(),
        Err(before) => i64::try_from(before.duration().as_micros()).ok().map(|micros| -micros),
    });
    let path = location.shown(&found.path)?;
    Some(File {
        below: Below::of(&path, below.as_os_str().as_encoded_bytes()),
        path,
        modification_time: micros,
        length: metadata.and_then(|metadata| i64::try_from(metadata.len()).ok()).unwrap_or(0),
        etag: None,
        label: parent.and_then(|name| name.to_str()).map(|name| labels.of(name)),
    })
}

/// The labels found, sorted.
fn labels(files: &[File]) -> Vec<String> {
    let labels: BTreeSet<&str> = files.iter().filter_map(|file| file.label.as_deref()).collect();
    labels.into_iter().map(str::to_string).collect()
}

fn batch(files: Vec<File>, classes: &[String]) -> Result<RecordBatch> {
    let numbers: HashMap<&str, i64> = classes.iter().map(String::as_str).zip(0..).collect();
    let class = |file: &File| numbers.get(file.label.as_deref()?).copied();
    let class_numbers: Int64Array = files.iter().map(class).collect();
    let times: TimestampMicrosecondArray = files.iter().map(|file| file.modification_time).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(files.iter().map(|file| &file.path))),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(Int64Array::from_iter_values(files.iter().map(|file| file.length))),
        Arc::new(files.iter().map(|file| file.label.as_deref()).collect::<StringArray>()),
        Arc::new(class_numbers),
    ];
    Ok(RecordBatch::try_new(items_schema(), columns)?)
}

/// A stable hash of seed and path: shuffles and samples must not change with versions, with machines, or when a dataset is moved.
fn hash(seed: u64, file: &File) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, file.below())
}

/// Orders the files by their hashes. They come sorted by path, so that equal hashes keep an order that is the same everywhere.
fn shuffle(files: &mut [File], seed: u64) {
    files.sort_by_cached_key(|file| hash(seed, file));
}

/// Whether a file is in the fraction that is wanted, where one is.
fn is_of_fraction(sample: Option<Sample>, file: &File) -> bool {
    match sample {
        // 2^53 steps are what a double holds exactly.
        Some(Sample::Fraction { fraction, seed }) => hash(!seed, file) >> 11 < (fraction * (1_u64 << 53) as f64) as u64,
        _ => true,
    }
}

/// A part of the files, in their order.
fn sampled(mut files: Vec<File>, sample: Sample) -> Vec<File> {
    match sample {
        Sample::Fraction { .. } => {
            files.retain(|file| is_of_fraction(Some(sample), file));
            files
        }
        Sample::Rows { rows, seed } => {
            let mut order: Vec<usize> = (0..files.len()).collect();
            order.sort_by_cached_key(|index| hash(!seed, &files[*index]));
            let mut is_chosen = vec![false; files.len()];
            order.into_iter().take(rows).for_each(|index| is_chosen[index] = true);
            let mut is_chosen = is_chosen.into_iter();
            files.retain(|_| is_chosen.next().unwrap_or(false));
            files
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The names of a location's files, in the order of the listing.
    fn listed(text: &str, options: &ImagesOptions) -> Vec<String> {
        let mut files = find_at(text, options, usize::MAX, &Reach::default()).expect("files");
        if let Some(sample) = options.sample {
            files = sampled(files, sample);
        }
        if let Some(seed) = options.shuffle_seed {
            shuffle(&mut files, seed);
        }
        files.iter().map(|file| String::from_utf8_lossy(file.below()).into_owned()).collect()
    }

    #[test]
    fn samples_and_shuffles_stay_the_same_however_a_place_is_written_and_wherever_it_is() {
        let directories = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
        let mut places = Vec::new();
        for directory in &directories {
            let photos = directory.path().join("pho tos");
            for number in 0..60 {
                let folder = photos.join(if number % 2 == 0 { "daisy" } else { "ro%ses" });
                fs::create_dir_all(&folder).expect("a folder");
                fs::write(folder.join(format!("{number}.jpg")), "x").expect("a file");
            }
            std::os::unix::fs::symlink(&photos, directory.path().join("link")).expect("a link");
            let (root, photos) = (directory.path().to_str().expect("UTF-8"), photos.to_str().expect("UTF-8"));
            places.extend([
                photos.to_string(),
                format!("{photos}/"),
                format!("{photos}//"),
                format!("{photos}/."),
                format!("{photos}/daisy/.."),
                format!("{photos}/**/*.jpg"),
                format!("{photos}/*/*"),
                format!("{photos}//**"),
                format!("{root}/./pho tos/{{daisy,ro%ses}}/*.jpg"),
                format!("{root}/link"),
                crate::storage::path_to_file_url(Path::new(photos)).expect("absolute"),
                format!("FILE://{}/**/*.jpg", photos.replace(' ', "%20")),
            ]);
        }
        let shuffled = ImagesOptions { shuffle_seed: Some(7), ..ImagesOptions::default() };
        let with = |sample| ImagesOptions { sample: Some(sample), ..ImagesOptions::default() };
        let some = [with(Sample::Rows { rows: 9, seed: 1 }), with(Sample::Fraction { fraction: 0.3, seed: 1 })];
        for options in [shuffled].into_iter().chain(some).chain([ImagesOptions::default()]) {
            let expected = listed(&places[0], &options);
            assert!(!expected.is_empty() && expected.len() <= 60);
            for place in &places {
                assert_eq!(listed(place, &options), expected, "{place}");
            }
        }
    }

    #[test]
    fn the_label_of_a_file_is_its_folder_however_that_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let roses = directory.path().join("roses");
        fs::create_dir_all(roses.join("deep")).expect("a folder");
        fs::write(roses.join("1.jpg"), "x").expect("a file");
        let roses = roses.to_str().expect("UTF-8");
        for place in ["", "/", "/.", "/deep/..", "/*.jpg", "/deep/../*.jpg", "/1.jpg", "/./1.jpg", "/deep/../1.jpg"] {
            let location = format!("{roses}{place}");
            let files = find_at(&location, &ImagesOptions::default(), usize::MAX, &Reach::default()).expect("files");
            let labels: Vec<Option<&str>> = files.iter().map(|file| file.label.as_deref()).collect();
            assert_eq!(labels, [Some("roses")], "{place}");
        }
    }
}
