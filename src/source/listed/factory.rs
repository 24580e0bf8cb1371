//! `CREATE EXTERNAL TABLE` of DataFusion's own formats, whose locations are read as those of all other tables.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::{
    DFSchema, Result, config_datafusion_err, exec_datafusion_err, internal_datafusion_err, plan_err,
};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableUrl};
use datafusion::datasource::provider::DefaultTableFactory;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::CreateExternalTable;

use super::files::{Files, ListedPlace};
use super::table::{FilesTable, dictionaries, listing};
use super::{is_pattern, refuse_arrow, schema, url};
use crate::exec::boxed_create;
use crate::storage::{Reach, check_object_url, is_glob, is_object_url, local_path, while_others_go_on};

/// Makes tables of local files as other formats do; the rest is DataFusion's.
#[derive(Debug, Default)]
pub(crate) struct ListedTableFactory {
    others: DefaultTableFactory,
}

impl ListedTableFactory {
    async fn made(&self, session: &dyn Session, command: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        let is_ours = |location: &String| local_path(location).is_some() || is_object_url(location);
        for location in command.locations.iter().filter(|location| is_object_url(location)) {
            check_object_url(location)?;
            refuse_arrow(location, &command.file_type)?;
        }
        if !command.locations.iter().all(is_ours) || is_unbounded(command) {
            return self.others.create(session, command).await;
        }
        let state = session.as_any().downcast_ref::<SessionState>();
        let state = state.ok_or_else(|| internal_datafusion_err!("a table is made in a session's state"))?;
        let factory = state.get_file_format_factory(&command.file_type);
        let factory = factory.ok_or_else(|| config_datafusion_err!("there is no file format {}", command.file_type))?;
        let format = factory.create(state, &command.options)?;
        let (locations, reach) = (command.locations.clone(), Reach::of(state.config()));
        let look = tokio::task::spawn_blocking(move || look(&locations, &reach));
        let found =
            look.await.map_err(|error| exec_datafusion_err!("looking at '{}' stopped: {error}", named(command)))??;
        table(state, command, format, found).await
    }
}

impl TableProviderFactory for ListedTableFactory {
    boxed_create!(ListedTableFactory::made);
}

fn is_unbounded(command: &CreateExternalTable) -> bool {
    let is_it = |(name, value): (&String, &String)| {
        name.eq_ignore_ascii_case("unbounded") && value.eq_ignore_ascii_case("true")
    };
    command.unbounded || command.options.iter().any(is_it)
}

fn named(command: &CreateExternalTable) -> String {
    command.locations.join("', '")
}

/// A place of a table, and what is there if it is to be looked for.
struct Found {
    place: ListedPlace,
    files: Option<Files>,
}

fn look(locations: &[String], reach: &Reach) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for (index, location) in locations.iter().enumerate() {
        if locations[..index].contains(location) {
            return plan_err!("Duplicate location '{location}' in CREATE EXTERNAL TABLE");
        }
        // Opening a pipe waits for somebody who writes to it.
        let metadata = local_path(location).and_then(|path| path.metadata().ok());
        if metadata.is_some_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return plan_err!(
                "cannot read '{location}': it is neither a file nor a directory; CREATE UNBOUNDED EXTERNAL TABLE reads pipes"
            );
        }
        let is_pattern = match is_object_url(location) {
            true => is_pattern(location),
            false => is_glob(location),
        };
        found.push(match is_pattern {
            true => {
                let files = Files::find(location, None, reach)?;
                Found { place: ListedPlace::Found { location: location.clone(), format: None }, files: Some(files) }
            }
            false => Found { place: ListedPlace::Named(ListingTableUrl::try_new(url(location)?, None)?), files: None },
        });
    }
    Ok(found)
}

async fn table(
    state: &SessionState,
    command: &CreateExternalTable,
    format: Arc<dyn FileFormat>,
    found: Vec<Found>,
) -> Result<Arc<dyn TableProvider>> {
    let is_declared = !command.schema.fields().is_empty();
    let extension = match found.as_slice() {
        // Of a directory whose columns aren't declared only files are read whose names say what they are.
        [Found { place: ListedPlace::Named(url), .. }] if url.is_collection() && !is_declared => {
            extension(&format, command)
        }
        _ => String::new(),
    };
    let options = ListingOptions::new(format).with_file_extension(extension);
    let columns = partition_columns(state, command, &options, &found).await?;
    let mut options = options.with_table_partition_cols(columns);
    if let ([Found { files: Some(files), .. }], false) = (found.as_slice(), options.table_partition_cols.is_empty()) {
        options = options.with_file_extension(files.name_end());
    }
    let schema = match is_declared {
        true => declared(command)?,
        false => inferred(state, command, &options, &found).await?,
    };
    let options = options.with_file_sort_order(command.order_exprs.clone());
    let told = |table: ListingTable| {
        table
            .with_definition(command.definition.clone())
            .with_constraints(command.constraints.clone())
            .with_column_defaults(command.column_defaults.clone())
    };
    let places: Vec<ListedPlace> = found.into_iter().map(|found| found.place).collect();
    let named = places.iter().map(|place| match place {
        ListedPlace::Named(url) => Some(url.clone()),
        ListedPlace::Found { .. } => None,
    });
    match named.collect::<Option<Vec<ListingTableUrl>>>() {
        Some(urls) => {
            let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
            Ok(Arc::new(told(listing(urls, &options, &schema)?).with_cache(cache)))
        }
        None => Ok(Arc::new(FilesTable::try_new(places, options, schema, Reach::of(state.config()))?.with_table(told))),
    }
}

/// The columns of the files that there are.
async fn inferred(
    state: &SessionState,
    command: &CreateExternalTable,
    options: &ListingOptions,
    found: &[Found],
) -> Result<SchemaRef> {
    let mut urls = Vec::new();
    for Found { place, files } in found {
        match (place, files) {
            (ListedPlace::Found { location, .. }, Some(files)) => {
                urls.extend(while_others_go_on(|| files.urls(location, options))?);
            }
            (place, _) => urls.extend(while_others_go_on(|| place.urls(options, &Reach::of(state.config())))?),
        }
    }
    let schema = schema::infer(options, &urls, &named(command), state).await?;
    check_order(command, &schema)?;
    Ok(schema)
}

/// How names of this format end, with what it is compressed by.
fn extension(format: &Arc<dyn FileFormat>, command: &CreateExternalTable) -> String {
    let compressed = format.compression_type().and_then(|kind| format.get_ext_with_compression(&kind).ok());
    format!(".{}", compressed.unwrap_or_else(|| command.file_type.to_lowercase()).trim_start_matches('.'))
}

/// The columns that directories make: the declared ones, or those that there are.
async fn partition_columns(
    state: &SessionState,
    command: &CreateExternalTable,
    options: &ListingOptions,
    found: &[Found],
) -> Result<Vec<(String, DataType)>> {
    let names = &command.table_partition_cols;
    let schema = command.schema.as_arrow();
    let columns = match schema.fields().is_empty() {
        true => dictionaries(names.clone()),
        false => {
            let column = |name: &String| Ok((name.clone(), schema.field_with_name(name)?.data_type().clone()));
            names.iter().map(column).collect::<Result<_>>()?
        }
    };
    let infers = state.config_options().execution.listing_table_factory_infer_partitions;
    if !names.is_empty() || !schema.fields().is_empty() || !infers {
        return checked(state, options, columns, found).await;
    }
    match found.first() {
        Some(Found { place: ListedPlace::Found { location, .. }, files: Some(files) }) => {
            Ok(dictionaries(files.partition_columns(location)?))
        }
        Some(Found { place: ListedPlace::Named(url), .. }) => {
            Ok(dictionaries(options.infer_partitions(state, url).await?))
        }
        _ => Ok(Vec::new()),
    }
}

/// The columns, if the directories that there are make them.
async fn checked(
    state: &SessionState,
    options: &ListingOptions,
    columns: Vec<(String, DataType)>,
    found: &[Found],
) -> Result<Vec<(String, DataType)>> {
    let options = options.clone().with_table_partition_cols(columns);
    for found in found {
        if let ListedPlace::Named(url) = &found.place {
            options.validate_partitions(state, url).await?;
        }
    }
    Ok(options.table_partition_cols)
}

/// The declared columns without those that directories make.
fn declared(command: &CreateExternalTable) -> Result<SchemaRef> {
    let schema = command.schema.as_arrow();
    let fields = schema.fields().iter().enumerate();
    let kept = fields.filter(|(_, field)| !command.table_partition_cols.contains(field.name()));
    Ok(Arc::new(schema.project(&kept.map(|(index, _)| index).collect::<Vec<_>>())?))
}

fn check_order(command: &CreateExternalTable, schema: &SchemaRef) -> Result<()> {
    let schema = DFSchema::try_from(Arc::clone(schema))?;
    for sort in command.order_exprs.iter().flatten() {
        if let Some(column) = sort.expr.column_refs().iter().find(|column| !schema.has_column(column)) {
            return plan_err!("Column {column} is not in schema");
        }
    }
    Ok(())
}
