//! Which files a location of DataFusion's formats names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::datasource::listing::{ListingOptions, ListingTableUrl};

use super::url;
use crate::format::listed::ListedFormat;
use crate::storage::{Location, ObjectLocation, Reach, is_nameable, is_object_url, tell_unnameable};

/// Where files of a table are.
#[derive(Debug, Clone)]
pub(super) enum ListedPlace {
    /// What a URL names, for DataFusion to list.
    Named(ListingTableUrl),
    /// What is found by a location, of one format or all.
    Found { location: String, format: Option<ListedFormat> },
}

impl ListedPlace {
    /// The URLs of what is there now, and which are to be scanned.
    pub(super) fn urls(&self, options: &ListingOptions, reach: &Reach) -> Result<Vec<ListingTableUrl>> {
        match self {
            Self::Named(url) => Ok(vec![url.clone()]),
            Self::Found { location, format } => Files::find(location, *format, reach)?.urls(location, options),
        }
    }
}

/// The files of a location.
#[derive(Debug)]
pub(super) struct Files {
    base: PathBuf,
    files: Vec<PathBuf>,
    /// Whether the location names the file itself.
    pub(super) is_one_file: bool,
    reach: Reach,
}

impl Files {
    /// Finds all files or objects of a location, or those of a format.
    pub(super) fn find(location: &str, format: Option<ListedFormat>, reach: &Reach) -> Result<Self> {
        let base = match is_object_url(location) {
            true => PathBuf::from(ObjectLocation::parse_within(location, &reach.allow)?.base()),
            false => Location::parse_within(location, &reach.allow)?.base().to_path_buf(),
        };
        let mut files: Vec<PathBuf> = reach.files(location)?.into_iter().map(|file| file.path).collect();
        files.retain(|file| format.is_none_or(|format| format_of(file) == Some(format)));
        let is_one_file = files.first().is_some_and(|file| *file == base);
        if !is_one_file {
            let (nameable, unnameable) = files.into_iter().partition(|file| is_nameable(file));
            files = nameable;
            tell_unnameable(location, &unnameable);
        }
        Ok(Self { base, files, is_one_file, reach: reach.clone() })
    }

    /// Finds the files of a location that are of one format by their names; `None` where no name tells one.
    ///
    /// # Errors
    /// Files of several formats, of which nobody knows which are meant.
    pub(super) fn of_one_format(location: &str, reach: &Reach) -> Result<Option<(ListedFormat, Self)>> {
        let mut found = Self::find(location, None, reach)?;
        let formats: Vec<Option<ListedFormat>> = found.files.iter().map(|file| format_of(file)).collect();
        let known = || formats.iter().zip(&found.files).filter_map(|(format, file)| Some(((*format)?, file)));
        // What is named like `_manifest.json` stands beside data.
        let is_data = |file: &Path| file.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"_"));
        let data = || known().filter(|(_, file)| is_data(file));
        let Some((format, first)) = data().next().or_else(|| known().next()) else { return Ok(None) };
        if let Some((_, other)) = data().find(|(other, _)| *other != format) {
            return plan_err!(
                "'{location}' holds files of several formats, such as '{}' and '{}'; name those of one, as in FROM '{}/**/*.{}'",
                first.display(),
                other.display(),
                found.base.display(),
                first.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
            );
        }
        let mut kept = formats.into_iter();
        found.files.retain(|_| kept.next() == Some(Some(format)));
        Ok(Some((format, found)))
    }

    /// The columns that directories named `column=value` make.
    ///
    /// # Errors
    /// Files in directories of other columns than others are.
    pub(super) fn partition_columns(&self, location: &str) -> Result<Vec<String>> {
        let columns: BTreeSet<Vec<String>> = self.files.iter().map(|file| columns(&self.base, file)).collect();
        let mut columns = columns.into_iter();
        match (columns.next(), columns.next()) {
            (Some(first), Some(second)) => plan_err!(
                "'{location}': its directories don't all make the same columns, some ({}) and some ({}); name files of the same",
                first.join(", "),
                second.join(", ")
            ),
            (first, _) => Ok(first.unwrap_or_default()),
        }
    }

    /// How all their names end, from the last dot on, or of compressed files the one before; empty where they end otherwise.
    pub(super) fn name_end(&self) -> String {
        let Some(name) = self.files.first().and_then(|file| file.file_name()?.to_str()) else { return String::new() };
        let end = ListedFormat::name_end(name);
        let ends = |file: &PathBuf| file.as_os_str().as_encoded_bytes().ends_with(end.as_bytes());
        if self.files.iter().all(ends) { end.to_string() } else { String::new() }
    }

    /// The URLs that DataFusion is to scan: those of the files, or that of the directory where directories make columns.
    ///
    /// # Errors
    /// There is none, or a name that DataFusion can't have.
    pub(super) fn urls(&self, location: &str, options: &ListingOptions) -> Result<Vec<ListingTableUrl>> {
        if self.files.is_empty() {
            return plan_err!("nothing matches '{location}'");
        }
        if !options.table_partition_cols.is_empty() {
            return Ok(vec![self.directory(location, options)?]);
        }
        let url = |file: &PathBuf| ListingTableUrl::try_new(url(path(file)?)?, None);
        self.files.iter().map(url).collect()
    }

    /// The directory, if DataFusion finds just these files in it, which is what it takes to read the columns of directories.
    fn directory(&self, location: &str, options: &ListingOptions) -> Result<ListingTableUrl> {
        let base = path(&self.base)?;
        let all = Self::find(&format!("{}/", base.trim_end_matches('/')), None, &self.reach)?.files;
        let mut listed = all.into_iter().filter(|file| file.to_string_lossy().ends_with(&options.file_extension));
        let columns: Vec<&String> = options.table_partition_cols.iter().map(|(name, _)| name).collect();
        let is_partitioned = |file: &Path| {
            let directories = directories(&self.base, file);
            directories.len() == columns.len()
                && directories
                    .iter()
                    .zip(&columns)
                    .all(|(name, column)| name.split('=').next() == Some(column.as_str()))
        };
        let is_same = self.files.iter().all(|file| listed.next().as_ref() == Some(file)) && listed.next().is_none();
        match self.files.iter().find(|file| !is_partitioned(file)) {
            None if is_same => ListingTableUrl::try_new(url(&format!("{}/", base.trim_end_matches('/')))?, None),
            None => plan_err!(
                "'{location}' takes some of the files of '{base}', whose directories make columns ({}); name the directory, and choose by \
                 WHERE",
                columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ")
            ),
            Some(file) => plan_err!(
                "'{location}': '{}' isn't in directories named by ({}) alone, and columns come from such; name the files otherwise",
                file.display(),
                columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// A path as text; DataFusion has no other.
fn path(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        plan_datafusion_err!("'{}' is not valid UTF-8, and can't be read; name the others by a glob", path.display())
    })
}

fn format_of(file: &Path) -> Option<ListedFormat> {
    ListedFormat::of_name(file.file_name()?.to_str()?)
}

/// The directories between a base and a file.
fn directories(base: &Path, file: &Path) -> Vec<String> {
    let below = file.strip_prefix(base).ok().and_then(Path::parent);
    below.into_iter().flatten().map(|name| name.to_string_lossy().into_owned()).collect()
}

fn columns(base: &Path, file: &Path) -> Vec<String> {
    let directories = directories(base, file);
    directories.iter().filter_map(|name| Some(name.split_once('=')?.0.to_string())).collect()
}
