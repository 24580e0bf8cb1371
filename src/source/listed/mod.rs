//! Files that DataFusion reads by itself: CSV, JSON, Parquet, Arrow and Avro, found as all other files are.

mod factory;
mod files;
mod schema;
mod table;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::datasource::listing::ListingOptions;
use datafusion::execution::context::SessionState;

pub(crate) use factory::ListedTableFactory;
pub(crate) use table::{FilesTable, with_files_of_now};

use crate::format::listed::ListedFormat;
use crate::storage::{AllowList, literal_url};
use files::{Files, ListedPlace};
use table::{dictionaries, listing};

/// The table of a file, directory or glob that nobody has declared.
pub(crate) async fn table_by_name(
    name: &str,
    state: &SessionState,
    allow: &Arc<AllowList>,
) -> Result<Arc<dyn TableProvider>> {
    let (location, within) = (name.to_string(), Arc::clone(allow));
    let look = tokio::task::spawn_blocking(move || Files::of_one_format(&location, &within));
    let files = look.await.map_err(|error| exec_datafusion_err!("looking at '{name}' stopped: {error}"))??;
    let Some((format, files)) = files else {
        return plan_err!(
            "'{name}' is no table, and no files that can be read: no name there ends in .parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow \
             or .avro; files are named in quotes, as in FROM 'photos/**/*.jpg'"
        );
    };
    let factory = state.get_file_format_factory(format.name);
    let factory = factory.ok_or_else(|| plan_datafusion_err!("'{name}': {} files can't be read", format.name))?;
    let file_format = factory.create(state, &format.options().collect())?;
    let columns = dictionaries(files.partition_columns(name)?);
    // Files are given by their names, or by their directory where directories make columns.
    let end = if columns.is_empty() { String::new() } else { files.name_end() };
    let options = ListingOptions::new(file_format).with_file_extension(end).with_table_partition_cols(columns);
    let urls = files.urls(name, &options)?;
    let schema = schema::infer(&options, &urls, name, state).await?;
    if files.is_one_file {
        return Ok(Arc::new(listing(urls, &options, &schema)?));
    }
    let places = vec![ListedPlace::Found { location: name.to_string(), format: Some(format) }];
    Ok(Arc::new(FilesTable::try_new(places, options, schema)?))
}

/// The URL of what a local location names.
fn url(location: &str) -> Result<url::Url> {
    literal_url(location)?.ok_or_else(|| plan_datafusion_err!("'{location}' is not a local path"))
}

/// Whether a name ends as one of these files does.
pub(crate) fn is_listed(name: &str) -> bool {
    ListedFormat::of_name(name).is_some()
}
