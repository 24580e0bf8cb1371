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
use crate::storage::{AllowList, Location, ObjectLocation, Reach, is_object_url, is_web_url, shown};

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
        let reach = Reach::of(state.config());
        let within = reach.clone();
        if is_web_url(name) {
            return image_of_web(name, &reach).map(Some);
        }
        let location = name.to_string();
        let look = tokio::task::spawn_blocking(move || {
            let kind = match is_object_url(&location) {
                true => kind_of_objects(&location, &reach),
                false => reach.allow.check(&location).and_then(|()| kind(&location, &reach.allow)),
            };
            let mut formats = SOURCES.iter().filter_map(|source| source.format.as_ref());
            // Of some the columns are found out, which takes a look at them.
            match kind?.and_then(|kind| formats.find(|format| format.files == Some(kind))) {
                Some(format) => format.at(&location, &reach).map(Some),
                None => Ok(None),
            }
        });
        let table = look.await.map_err(|error| exec_datafusion_err!("looking at '{name}' stopped: {error}"))??;
        match table {
            Some(table) => Ok(Some(table)),
            None if is_object_url(name) => table_at_url(name, &state, &within).await.map(Some),
            None => table_by_name(name, &state, &within).await.map(Some),
        }
    }
}

/// The table of one image of the web: by its URL nothing else is read.
fn image_of_web(name: &str, reach: &Reach) -> Result<Arc<dyn TableProvider>> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let kind = FileKind::of_data(Path::new(path));
    match is_listed(path) || kind.is_some_and(|kind| kind != FileKind::Image) {
        true => plan_err!(
            "'{}': files of this kind are read from local paths and object stores; of the web, images are",
            shown(name)
        ),
        false => {
            let mut formats = SOURCES.iter().filter_map(|source| source.format.as_ref());
            let images = formats.find(|format| format.files == Some(FileKind::Image));
            images.ok_or_else(|| internal_datafusion_err!("images have a source"))?.at(name, reach)
        }
    }
}

/// As [`kind`], of objects: by the first that tells; `None` where tables are.
fn kind_of_objects(location: &str, reach: &Reach) -> Result<Option<FileKind>> {
    ObjectLocation::parse_within(location, &reach.allow)?;
    let named = FileKind::of_data(Path::new(location));
    if named.is_some() || is_listed(location) {
        return Ok(named);
    }
    let mut kind = None;
    reach.find(location, &mut |found| {
        kind = FileKind::of_data(&found.path);
        let name = found.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What is beside data, as a manifest is, tells nothing.
        kind.is_none() && (name.starts_with('_') || !is_listed(name))
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
