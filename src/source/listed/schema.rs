//! The columns of files that DataFusion reads, and where they disagree.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result, plan_datafusion_err, plan_err};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTableUrl};
use datafusion::object_store::{ObjectMeta, ObjectStore};
use futures::{StreamExt, TryStreamExt, stream};

use super::check_arrow_files;
use crate::storage::while_others_go_on;

/// The columns of all files together.
///
/// # Errors
/// No file, one that can't be read, or two whose columns of the same name have types that don't go together.
pub(super) async fn infer(
    options: &ListingOptions,
    urls: &[ListingTableUrl],
    location: &str,
    session: &dyn Session,
) -> Result<SchemaRef> {
    let Some(first) = urls.first() else { return plan_err!("nothing matches '{location}'") };
    let store = session.runtime_env().object_store(first)?;
    let looks: Vec<_> =
        urls.iter().map(|url| files_at(url, session, store.as_ref(), &options.file_extension)).collect();
    let files: Vec<Vec<ObjectMeta>> = stream::iter(looks).buffered(LOOKS).try_collect().await?;
    let mut files = files.concat();
    if files.is_empty() {
        return plan_err!("nothing matches '{location}'; without a file the columns must be declared");
    }
    // Nothing is in an empty file, not even columns.
    files.retain(|file| file.size > 0);
    if options.format.get_ext() == "arrow" {
        while_others_go_on(|| check_arrow_files(files.iter().map(|file| &file.location)))?;
    }
    match options.format.infer_schema(session, &store, &files).await {
        Ok(schema) => Ok(schema),
        Err(error) => Err(conflict(options.format.as_ref(), session, &store, &files, location).await.unwrap_or(error)),
    }
}

/// Files that are looked at at the same time: of an object that is a request.
const LOOKS: usize = 32;

async fn files_at(
    url: &ListingTableUrl,
    session: &dyn Session,
    store: &dyn ObjectStore,
    extension: &str,
) -> Result<Vec<ObjectMeta>> {
    url.list_all_files(session, store, extension).await?.try_collect().await
}

/// The two files whose columns don't go together, where that is what is wrong.
async fn conflict(
    format: &dyn FileFormat,
    session: &dyn Session,
    store: &Arc<dyn ObjectStore>,
    files: &[ObjectMeta],
    location: &str,
) -> Option<DataFusionError> {
    let mut seen: HashMap<String, (Field, &ObjectMeta)> = HashMap::new();
    for file in files {
        let schema = format.infer_schema(session, store, std::slice::from_ref(file)).await.ok()?;
        for field in schema.fields() {
            let (known, first) = seen.entry(field.name().clone()).or_insert_with(|| (field.as_ref().clone(), file));
            let before = known.data_type().clone();
            if known.try_merge(field).is_err() {
                return Some(plan_datafusion_err!(
                    "'{location}': column '{}' is {before} in '/{}' and {} in '/{}'; read them apart, and CAST one, or write them anew with \
                     one type",
                    field.name(),
                    first.location,
                    field.data_type(),
                    file.location
                ));
            }
        }
    }
    None
}
