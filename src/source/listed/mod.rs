//! Files that DataFusion reads by itself: CSV, JSON, Parquet, Arrow and Avro, found as all other files are.

mod factory;
mod files;
mod schema;
mod table;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::datasource::listing::{ListingOptions, ListingTableUrl};
use datafusion::execution::context::SessionState;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path as StorePath;
use futures::TryStreamExt;

pub(crate) use factory::ListedTableFactory;
pub(crate) use table::{FilesTable, with_files_of_now};

use crate::format::arrow_file;
use crate::format::listed::ListedFormat;
use crate::storage::{Reach, check_object_url, is_object_url, literal_object_url, literal_url, while_others_go_on};
use files::{Files, ListedPlace};
use table::{dictionaries, listing};

/// The table of a file, directory or glob, or of a pattern of objects, that nobody has declared.
pub(crate) async fn table_by_name(name: &str, state: &SessionState, reach: &Reach) -> Result<Arc<dyn TableProvider>> {
    let (location, within) = (name.to_string(), reach.clone());
    let look = tokio::task::spawn_blocking(move || Files::of_one_format(&location, &within));
    let files = look.await.map_err(|error| exec_datafusion_err!("looking at '{name}' stopped: {error}"))??;
    let Some((format, files)) = files else {
        return plan_err!(
            "'{name}' is no table, and no files that can be read: no name there ends in .parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow \
             or .avro; files are named in quotes, as in FROM 'photos/**/*.jpg'"
        );
    };
    if is_object_url(name) {
        refuse_arrow(name, format.name)?;
    }
    let factory = state.get_file_format_factory(format.name);
    let factory = factory.ok_or_else(|| plan_datafusion_err!("'{name}': {} files can't be read", format.name))?;
    let file_format = factory.create(state, &format.options().collect())?;
    let columns = dictionaries(files.partition_columns(name)?);
    // Files are given by their names, or by their directory where directories make columns.
    let end = if columns.is_empty() { String::new() } else { files.name_end() };
    let options = ListingOptions::new(file_format).with_file_extension(end).with_table_partition_cols(columns);
    let urls = while_others_go_on(|| files.urls(name, &options))?;
    let schema = schema::infer(&options, &urls, name, state).await?;
    if files.is_one_file {
        return Ok(Arc::new(listing(urls, &options, &schema)?));
    }
    let places = vec![ListedPlace::Found { location: name.to_string(), format: Some(format) }];
    Ok(Arc::new(FilesTable::try_new(places, options, schema, reach.clone())?))
}

/// The table of an object, of all objects below a prefix that ends in a slash, or of a pattern, that nobody has declared.
pub(crate) async fn table_at_url(name: &str, state: &SessionState, reach: &Reach) -> Result<Arc<dyn TableProvider>> {
    check_object_url(name)?;
    reach.allow.check(name)?;
    if is_pattern(name) {
        return table_by_name(name, state, reach).await;
    }
    let url = ListingTableUrl::try_new(url(name)?, None)?;
    let Some((format, end)) = format_at(&url, name, state).await? else {
        return plan_err!(
            "'{name}' is no object that can be read as a table: nothing there ends in .parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow \
             or .avro"
        );
    };
    refuse_arrow(name, format.name)?;
    let factory = state.get_file_format_factory(format.name);
    let factory = factory.ok_or_else(|| plan_datafusion_err!("'{name}': {} files can't be read", format.name))?;
    let options = ListingOptions::new(factory.create(state, &format.options().collect())?).with_file_extension(end);
    let columns = match url.is_collection() {
        true => dictionaries(options.infer_partitions(state, &url).await?),
        false => Vec::new(),
    };
    let options = options.with_table_partition_cols(columns);
    let schema = schema::infer(&options, std::slice::from_ref(&url), name, state).await?;
    Ok(Arc::new(listing(vec![url], &options, &schema)?))
}

/// Whether an object's URL is a pattern.
fn is_pattern(location: &str) -> bool {
    location.contains(['*', '?', '[', '{'])
}

/// Refuses Arrow files of object stores, whose beginning DataFusion 55 looks for in the wrong place.
fn refuse_arrow(location: &str, format: &str) -> Result<()> {
    match format.eq_ignore_ascii_case("arrow") {
        true => plan_err!(
            "'{location}': Arrow files are read from local paths; from object stores Parquet, CSV, JSON and Avro files are"
        ),
        false => Ok(()),
    }
}

/// Checks that local files of Arrow have what they say: their readers make room for all of it before they look.
///
/// # Errors
/// Names the first that hasn't, or can't be read.
pub(crate) fn check_arrow_files<'a>(files: impl Iterator<Item = &'a StorePath>) -> Result<()> {
    let local = LocalFileSystem::new();
    for file in files {
        let path = local.path_to_filesystem(file)?;
        arrow_file::check(&path).map_err(|error| plan_datafusion_err!("'{}': {error}", path.display()))?;
    }
    Ok(())
}

/// The format of an object, or of those below a prefix, and how the names of the latter end.
///
/// # Errors
/// Objects of several formats, of which nobody knows which are meant.
async fn format_at(url: &ListingTableUrl, name: &str, state: &SessionState) -> Result<Option<(ListedFormat, String)>> {
    if !url.is_collection() {
        let format = url.prefix().filename().and_then(ListedFormat::of_name);
        return Ok(format.map(|format| (format, String::new())));
    }
    let store = state.runtime_env().object_store(url)?;
    let mut objects = store.list(Some(url.prefix()));
    let mut first: Option<(ListedFormat, String)> = None;
    while let Some(object) = objects.try_next().await? {
        // What is named like `_manifest.json` stands beside data.
        let file = object.location.filename().filter(|file| !file.starts_with(['_', '.']));
        let Some((file, format)) = file.and_then(|file| Some((file, ListedFormat::of_name(file)?))) else { continue };
        let end = ListedFormat::name_end(file);
        match &first {
            None => first = Some((format, end.to_string())),
            Some((_, known)) if known == end => {}
            Some((_, known)) => {
                return plan_err!(
                    "'{name}' holds objects that end in {known} and in {end}; name those of one kind, or declare them with CREATE EXTERNAL \
                     TABLE ... STORED AS"
                );
            }
        }
    }
    Ok(first)
}

/// The URL of what a location names, as DataFusion takes it.
fn url(location: &str) -> Result<url::Url> {
    if is_object_url(location) {
        return literal_object_url(location);
    }
    literal_url(location)?.ok_or_else(|| plan_datafusion_err!("'{location}' is not a local path"))
}

/// Whether a name ends as one of these files does.
pub(crate) fn is_listed(name: &str) -> bool {
    ListedFormat::of_name(name).is_some()
}
