//! Files as tables that nobody has declared: `FROM 'photos/**/*.jpg'`.

use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::{TableProvider, UrlTableFactory};
use datafusion::common::{Result, exec_datafusion_err, internal_datafusion_err, plan_err};
use datafusion::datasource::dynamic_file::DynamicListTableFactory;
use datafusion::execution::context::SessionState;
use datafusion::prelude::SessionContext;

use super::SOURCES;
use super::listed::{is_listed, table_at_url, table_by_name};
use crate::exec::MaybeMade;
use crate::format::kind::FileKind;
use crate::storage::{AllowList, Location, ObjectLocation, Stores, is_object_url, is_web_url, shown};

/// Makes tables of names that are paths, directories or globs.
#[derive(Debug, Default)]
pub(crate) struct FilesByName(DynamicListTableFactory);

impl FilesByName {
    /// The session that tables are made in.
    pub(crate) fn look_with(&self, ctx: &SessionContext) {
        self.0.session_store().with_state(ctx.state_weak_ref());
    }

    fn state(&self) -> Result<SessionState> {
        let session = self.0.session_store().get_session().upgrade();
        let state = session.and_then(|session| session.read().as_any().downcast_ref::<SessionState>().cloned());
        state.ok_or_else(|| internal_datafusion_err!("the session is gone"))
    }

    async fn found(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if !is_location(name) {
            return Ok(None);
        }
        let state = self.state()?;
        let allow = AllowList::of(state.config());
        if is_web_url(name) {
            return image_of_web(name, &allow).map(Some);
        }
        if is_object_url(name) {
            return self.found_in_store(name, &state, &allow).await.map(Some);
        }
        let location = name.to_string();
        let look = tokio::task::spawn_blocking(move || {
            allow.check(&location)?;
            kind(&location, &allow).map(|kind| (kind, allow))
        });
        let (kind, allow) =
            look.await.map_err(|error| exec_datafusion_err!("looking at '{name}' stopped: {error}"))??;
        let Some(kind) = kind else { return table_by_name(name, &state, &allow).await.map(Some) };
        let mut formats = SOURCES.iter().filter_map(|source| source.format.as_ref());
        if let Some(format) = formats.find(|format| format.files == Some(kind)) {
            let location = name.to_string();
            let table = tokio::task::spawn_blocking(move || format.at(&location, &allow)).await;
            return table.map_err(|error| exec_datafusion_err!("looking at '{name}' stopped: {error}"))?.map(Some);
        }
        table_by_name(name, &state, &allow).await.map(Some)
    }

    /// The table of objects: of images where the name, or the first object that tells, says so, else one that DataFusion reads.
    async fn found_in_store(
        &self,
        name: &str,
        state: &SessionState,
        allow: &Arc<AllowList>,
    ) -> Result<Arc<dyn TableProvider>> {
        let (location, within, stores) = (name.to_string(), Arc::clone(allow), Stores::of(state.config()));
        let look = tokio::task::spawn_blocking(move || kind_of_objects(&location, &within, stores.as_deref()));
        let kind = look.await.map_err(|error| exec_datafusion_err!("looking at '{name}' stopped: {error}"))??;
        match kind {
            Some(FileKind::Parquet) | None => table_at_url(name, state, allow).await,
            Some(FileKind::Image) => images_at(name, allow),
            Some(_) => plan_err!(
                "'{name}': files of this kind are read from local paths; from object stores images and tables are"
            ),
        }
    }
}

fn images_at(name: &str, allow: &Arc<AllowList>) -> Result<Arc<dyn TableProvider>> {
    let mut formats = SOURCES.iter().filter_map(|source| source.format.as_ref());
    let format = formats.find(|format| format.files == Some(FileKind::Image));
    format.ok_or_else(|| internal_datafusion_err!("images have a source"))?.at(name, allow)
}

/// The table of one image of the web: by its URL nothing else is read.
fn image_of_web(name: &str, allow: &Arc<AllowList>) -> Result<Arc<dyn TableProvider>> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let kind = FileKind::of_data(Path::new(path));
    match is_listed(path) || kind.is_some_and(|kind| kind != FileKind::Image) {
        true => plan_err!(
            "'{}': files of this kind are read from local paths and object stores; of the web, images are",
            shown(name)
        ),
        false => images_at(name, allow),
    }
}

/// As [`kind`], of objects; `None` where tables are.
fn kind_of_objects(location: &str, allow: &AllowList, stores: Option<&Stores>) -> Result<Option<FileKind>> {
    let parsed = ObjectLocation::parse_within(location, allow)?;
    let named = FileKind::of_data(Path::new(location));
    let Some(stores) = stores.filter(|_| named.is_none() && !is_listed(location)) else { return Ok(named) };
    let mut kind = None;
    parsed.find(stores, &mut |found| {
        let name = Path::new(&found.below);
        kind = FileKind::of_data(name);
        kind.is_none() && !name.file_name().and_then(|name| name.to_str()).is_some_and(is_listed)
    })?;
    Ok(kind)
}

impl UrlTableFactory for FilesByName {
    // As `exec::boxed_methods` has it.
    fn try_new<'a, 'b, 'f>(&'a self, name: &'b str) -> MaybeMade<'f>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        fn boxed<'a>(by_name: &'a FilesByName, name: &'a str) -> MaybeMade<'a> {
            Box::pin(by_name.found(name))
        }
        boxed(self, name)
    }
}

/// Whether a name is meant as a path: tables are rarely named with slashes, stars and the extensions of files.
fn is_location(name: &str) -> bool {
    let is_file = || FileKind::of_name(name).is_some() || is_listed(name);
    name.contains(['/', '*']) || (name.contains('.') && is_file())
}

/// What is there: by the name where it tells, else by the first file that does. Images and records say themselves what is missing.
fn kind(location: &str, allow: &Arc<AllowList>) -> Result<Option<FileKind>> {
    let named = FileKind::of_data(Path::new(location));
    if named.is_some_and(|kind| kind != FileKind::Parquet) {
        return Ok(named);
    }
    let mut is_empty = true;
    for found in Location::parse_within(location, allow)?.files(true) {
        is_empty = false;
        if let Some(kind) = FileKind::of_data(&found?.path) {
            return Ok(Some(kind));
        }
    }
    match is_empty {
        true => plan_err!("nothing matches '{location}'"),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_are_no_paths() {
        let names = ["flowers", "my.table", "photos.JPG", "a/b", "*.jpg", "out.tfrec", "r.csv.gz", "speed_test"];
        let expected = [false, false, true, true, true, true, true, false];
        assert_eq!(names.map(is_location), expected);
    }
}
