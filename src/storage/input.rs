//! A file or an object, open for reading: what every reader of files reads from.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionConfig;

use super::objects::{
    ObjectLocation, ObjectReader, Order, Ranges, StoreFailure, Stores, Version, is_object_url, within,
};
use super::{AllowList, Listed, Location, local_path, read_file};

/// What a session can reach: the places that are allowed, and the stores of its process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach {
    pub(crate) allow: Arc<AllowList>,
    stores: Option<Arc<Stores>>,
    /// Where it is counted what is listed.
    pub(crate) listed: Arc<Listed>,
}

impl Reach {
    /// What a session of this configuration can reach.
    pub(crate) fn of(config: &SessionConfig) -> Self {
        Self { allow: AllowList::of(config), stores: Stores::of(config), listed: Listed::of(config) }
    }

    /// The places of a list, and the stores of a process.
    #[cfg(test)]
    pub(crate) fn new(allow: Arc<AllowList>, stores: Option<Arc<Stores>>) -> Self {
        Self { allow, stores, listed: Arc::default() }
    }

    /// The stores.
    ///
    /// # Errors
    /// There are none in this session.
    pub(crate) fn stores(&self) -> Result<&Arc<Stores>> {
        self.stores.as_ref().ok_or_else(|| plan_datafusion_err!("this session reads local files alone"))
    }

    /// Finds the files or objects of a location, by path, until `each` wants no more. Hidden ones are passed over.
    ///
    /// # Errors
    /// Nothing is there, or it can't be looked at; what `each` says.
    pub(crate) fn find(&self, location: &str, each: &mut dyn FnMut(FoundFile) -> bool) -> Result<()> {
        self.find_in(location, Order::OfKeys, each)
    }

    fn find_in(&self, location: &str, order: Order, each: &mut dyn FnMut(FoundFile) -> bool) -> Result<()> {
        if is_object_url(location) {
            return ObjectLocation::parse_within(location, &self.allow)?.find(self, order, &mut |found| {
                let version = Version { bytes: found.length, etag: found.etag };
                let (path, shown) = (PathBuf::from(&found.url), Some(found.url));
                each(FoundFile { path, shown, version, is_named: found.is_named, is_there: true })
            });
        }
        let location = Location::parse_within(location, &self.allow)?;
        for found in location.files(true) {
            let found = found?;
            self.listed.add_file();
            let bytes = found.metadata.as_ref().map(std::fs::Metadata::len);
            let goes_on = each(FoundFile {
                shown: location.shown(&found.path),
                path: found.path,
                version: Version { bytes: bytes.unwrap_or(0), etag: None },
                is_named: found.is_named,
                is_there: bytes.is_some(),
            });
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// All files or objects of a location, sorted by path.
    ///
    /// # Errors
    /// As of [`Self::find`].
    pub(crate) fn files(&self, location: &str) -> Result<Vec<FoundFile>> {
        let mut files = Vec::new();
        self.find_in(location, Order::Any, &mut |file| {
            files.push(file);
            true
        })?;
        if is_object_url(location) {
            files.sort_by(|left, right| left.shown.cmp(&right.shown));
        }
        Ok(files)
    }

    /// Checks a file or an object that was listed.
    ///
    /// # Errors
    /// It is outside of what this process may reach.
    pub(crate) fn check(&self, location: &str) -> Result<()> {
        match is_object_url(location) {
            true => within(&self.allow, location).map(|_| ()),
            false => self.allow.check(location),
        }
    }

    /// Opens a file or an object at its start; an object as it was listed.
    ///
    /// # Errors
    /// The operating system's answer, and what is wrong with an object's URL. A store is asked when bytes are read.
    pub(crate) fn open(&self, location: &str, version: &Version, ranges: Ranges) -> io::Result<Input> {
        if !is_object_url(location) {
            let path = local_path(location).ok_or_else(|| io::Error::other("not a local path"))?;
            return File::open(path).map(Input::File);
        }
        let reader =
            self.stores().and_then(|stores| ObjectReader::open(stores, &self.allow, location, version.clone(), ranges));
        reader.map(|reader| Input::Object(Box::new(reader))).map_err(|error| refused(&error))
    }

    /// Opens several files or objects whose beginnings are read soon: those of objects are on their way at the same time.
    pub(crate) fn begin(&self, files: &[(&str, &Version)]) -> Vec<io::Result<Input>> {
        let begun = files.iter().map(|(location, version)| {
            let mut input = self.open(location, version, Ranges::BEGINNING)?;
            if let Input::Object(object) = &mut input {
                object.begin();
            }
            Ok(input)
        });
        begun.collect()
    }

    /// What is known of an object; `None` where there is none.
    ///
    /// # Errors
    /// A URL that is none or leads outside of the allow-list, and a store that doesn't say.
    pub(crate) fn look_at(&self, url: &str) -> Result<Option<Version>> {
        self.stores()?.look_at(&self.allow, url)
    }

    /// All bytes of a small file or object; `None` where there is none.
    ///
    /// # Errors
    /// It has more than `most` bytes, or can't be read.
    pub(crate) fn read_small(&self, location: &str, most: usize) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let read = match is_object_url(location) {
            true => match self.look_at(location)? {
                Some(version) if version.bytes > most as u64 => Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    format!("it has {} bytes, and at most {most} have a place", version.bytes),
                )),
                Some(version) => {
                    let opened = self.open(location, &version, Ranges::WHOLE);
                    opened.and_then(|mut input| input.read_to_end(&mut bytes)).map(|_| ())
                }
                None => return Ok(None),
            },
            false => {
                self.allow.check(location)?;
                read_file(location, &mut bytes, most)
            }
        };
        match read {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(exec_datafusion_err!("cannot read '{location}': {error}")),
        }
    }
}

/// A file or an object of a location.
pub(crate) struct FoundFile {
    /// The path, or the URL of an object, which has the parents and the name that a path has.
    pub(crate) path: PathBuf,
    /// The path in the form of the location; `None` where it isn't valid UTF-8.
    pub(crate) shown: Option<String>,
    pub(crate) version: Version,
    /// Whether the location itself says that this file is meant, by its name or its extension.
    pub(crate) is_named: bool,
    /// A link may lead nowhere.
    pub(crate) is_there: bool,
}

fn refused(error: &DataFusionError) -> io::Error {
    io::Error::other(StoreFailure(error.strip_backtrace()))
}

/// A file or an object that is being read.
#[derive(Debug)]
pub(crate) enum Input {
    File(File),
    Object(Box<ObjectReader>),
}

impl Input {
    /// How many bytes there are.
    ///
    /// # Errors
    /// The operating system's answer.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Object(object) => Ok(object.len()),
        }
    }

    /// Says that about nothing behind this byte will be read: of an object it isn't asked for ahead.
    pub(crate) fn expect_end(&mut self, end: u64) {
        if let Self::Object(object) = self {
            object.expect_end(end);
        }
    }
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(bytes),
            Self::Object(object) => object.read(bytes),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(place),
            Self::Object(object) => object.seek(place),
        }
    }
}
