//! The images of a list's rows, wherever they are: local files, objects of stores, and the web.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::columns::{ListColumns, USUAL_BYTES};
use crate::storage::{
    AllowList, Content, Failures, Outage, ReadClass, Stores, Unread, Wanted, WebOptions, check_object,
    check_object_url, is_object_url, is_web_url, local_path, named_in_lists, read_file, read_objects, read_web,
};

/// Objects of unknown lengths that are read at once.
const MOST_UNKNOWN: usize = 256;

/// Loads the images of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::source::images) struct ListLoader {
    /// The columns of the work items.
    items: SchemaRef,
    columns: ListColumns,
    /// What relative paths start from, where it isn't the process's directory.
    base: String,
    web: Arc<WebOptions>,
    /// What is known of the network.
    #[serde(skip)]
    outage: Arc<Outage>,
}

impl PartialEq for ListLoader {
    fn eq(&self, other: &Self) -> bool {
        (&self.items, &self.columns, &self.base, &self.web) == (&other.items, &other.columns, &other.base, &other.web)
    }
}

/// What images are loaded with.
pub(in crate::source::images) struct Tools<'a> {
    pub(in crate::source::images) allow: &'a Arc<AllowList>,
    pub(in crate::source::images) stores: Option<&'a Stores>,
    pub(in crate::source::images) failures: &'a Failures,
    /// Most bytes of a file or an object.
    pub(in crate::source::images) most_of_file: usize,
    /// Bytes after which no further image is begun.
    pub(in crate::source::images) most_bytes: usize,
}

/// The images of some rows, from the first on.
pub(in crate::source::images) struct Images {
    pub(in crate::source::images) contents: Vec<Content>,
    /// Where they are, as lists of rows name it.
    pub(in crate::source::images) places: StringArray,
}

impl ListLoader {
    /// Loads what stands in these work items.
    pub(in crate::source::images) fn new(
        items: SchemaRef,
        columns: ListColumns,
        base: String,
        web: WebOptions,
    ) -> Self {
        Self { items, columns, base, web: Arc::new(web), outage: Arc::default() }
    }

    /// The columns of the work items.
    pub(in crate::source::images) fn items_schema(&self) -> &SchemaRef {
        &self.items
    }

    /// The columns of a list, and what they say.
    pub(in crate::source::images) fn columns(&self) -> &ListColumns {
        &self.columns
    }

    /// The bytes of each image, those of a usual one where the list tells none.
    pub(in crate::source::images) fn expected(&self, items: &RecordBatch) -> Vec<u64> {
        let known = self.known(items);
        (0..items.num_rows()).map(|row| length(&known, row).unwrap_or(USUAL_BYTES)).collect()
    }

    /// The bytes of all images that the list tells.
    pub(in crate::source::images) fn known_bytes(&self, items: &RecordBatch) -> u64 {
        let known = self.known(items);
        (0..items.num_rows()).filter_map(|row| length(&known, row)).sum()
    }

    fn known(&self, items: &RecordBatch) -> Int64Array {
        self.columns.lengths(items).unwrap_or_else(|_| Int64Array::new_null(items.num_rows()))
    }

    /// Where the images are, as lists of rows name it.
    ///
    /// # Errors
    /// Rows that don't have the list's columns.
    pub(in crate::source::images) fn places(&self, items: &RecordBatch) -> Result<StringArray> {
        let places = self.columns.places(items, &self.base)?;
        Ok(places.iter().map(|place| place.map(named_in_lists)).collect())
    }

    /// Loads the images of some rows, of one at least.
    ///
    /// # Errors
    /// What is about more than single images: a store that refuses, or a network that is down.
    pub(in crate::source::images) fn load(&self, items: &RecordBatch, tools: &Tools<'_>) -> Result<Images> {
        let (places, lengths) = (self.columns.places(items, &self.base)?, self.columns.lengths(items)?);
        let mut kinds: Vec<Kind<'_>> = places.iter().map(|place| kind(place, tools)).collect();
        let mut contents: Vec<Option<Content>> = vec![None; kinds.len()];
        let at_once = objects_at_once(&kinds, &lengths);
        let mut rows = self.load_web(&mut kinds[..at_once], &mut contents, tools)?;
        load_objects(&kinds[..rows], &lengths, &mut contents, tools)?;
        // What has come is not asked for again.
        let came = contents.iter().rposition(Option::is_some).map_or(0, |row| row + 1);
        let mut bytes = 0;
        for row in 0..rows {
            let content = match (&kinds[row], contents[row].take()) {
                (_, Some(content)) => content,
                (Kind::Local(place), None) => {
                    if row > came && bytes >= tools.most_bytes {
                        rows = row;
                        break;
                    }
                    load_local(place, tools.most_of_file, tools.failures)?
                }
                (Kind::Unusable(unread), None) => Err(unread.clone()),
                (Kind::Object(_) | Kind::Web(_), None) => Err(Unread::new(ReadClass::ReadError, "it wasn't asked for")),
            };
            bytes += content.as_ref().map_or(0, Bytes::len);
            contents[row] = Some(content);
        }
        let places = places.iter().take(rows).map(|place| place.map(named_in_lists)).collect();
        Ok(Images { contents: contents.into_iter().take(rows).flatten().collect(), places })
    }

    /// Loads images of the web, and says how many rows have what is theirs.
    fn load_web(&self, kinds: &mut [Kind<'_>], contents: &mut [Option<Content>], tools: &Tools<'_>) -> Result<usize> {
        let is_web = |kind: &Kind<'_>| matches!(kind, Kind::Web(_));
        let wanted: Vec<usize> = (0..kinds.len()).filter(|row| is_web(&kinds[*row])).collect();
        let Some(stores) = tools.stores else {
            let none = || unusable(ReadClass::NotAllowed, "this session has no connections to the web");
            wanted.iter().for_each(|row| kinds[*row] = none());
            return Ok(kinds.len());
        };
        if wanted.is_empty() {
            return Ok(kinds.len());
        }
        let url = |row: &usize| match &kinds[*row] {
            Kind::Web(url) => (*url).to_string(),
            _ => String::new(),
        };
        let urls: Vec<String> = wanted.iter().map(url).collect();
        let read = read_web(stores, urls, &self.web, tools.allow, tools.most_bytes, &self.outage)?;
        let rows = wanted.get(read.len()).copied().unwrap_or(kinds.len());
        for (row, content) in wanted.into_iter().zip(read) {
            contents[row] = Some(content);
        }
        Ok(rows)
    }
}

fn length(lengths: &Int64Array, row: usize) -> Option<u64> {
    lengths.is_valid(row).then(|| lengths.value(row)).and_then(|length| u64::try_from(length).ok())
}

/// Where an image is.
enum Kind<'a> {
    Local(&'a str),
    Object(&'a str),
    Web(&'a str),
    /// It can't be anywhere, and why.
    Unusable(Unread),
}

fn unusable<'a>(class: ReadClass, reason: impl Into<String>) -> Kind<'a> {
    Kind::Unusable(Unread::new(class, reason))
}

fn kind<'a>(place: Option<&'a str>, tools: &Tools<'_>) -> Kind<'a> {
    let Some(place) = place.filter(|place| !place.is_empty()) else {
        return unusable(ReadClass::NoPlace, "the list says no place");
    };
    let outside = || unusable(ReadClass::NotAllowed, "it is outside of what this process may reach (--allow)");
    if is_web_url(place) {
        return Kind::Web(place);
    }
    if is_object_url(place) {
        return match (check_object_url(place).and_then(|()| check_object(place)), tools.stores) {
            (Err(error), _) => {
                unusable(ReadClass::NoPlace, error.strip_backtrace().replace("Error during planning: ", ""))
            }
            (Ok(()), None) => unusable(ReadClass::NotAllowed, "this session has no object stores"),
            (Ok(()), Some(_)) if tools.allow.check(place).is_err() => outside(),
            (Ok(()), Some(_)) => Kind::Object(place),
        };
    }
    match local_path(place) {
        None => unusable(ReadClass::NoPlace, "it is neither a path nor a URL of a store or of the web"),
        Some(_) if tools.allow.check(place).is_err() => outside(),
        Some(_) => Kind::Local(place),
    }
}

/// How many rows are loaded at once, so that not too many objects come whose lengths nobody knows.
fn objects_at_once(kinds: &[Kind<'_>], lengths: &Int64Array) -> usize {
    let is_unknown = |row: &usize| matches!(kinds[*row], Kind::Object(_)) && length(lengths, *row).is_none();
    (0..kinds.len()).filter(is_unknown).nth(MOST_UNKNOWN).unwrap_or(kinds.len())
}

fn load_objects(
    kinds: &[Kind<'_>],
    lengths: &Int64Array,
    contents: &mut [Option<Content>],
    tools: &Tools<'_>,
) -> Result<()> {
    let Some(stores) = tools.stores else { return Ok(()) };
    let objects = kinds.iter().enumerate().filter_map(|(row, kind)| match kind {
        Kind::Object(url) => Some((row, *url)),
        _ => None,
    });
    let (rows, wanted): (Vec<usize>, Vec<Wanted<'_>>) = objects
        .map(|(row, url)| {
            (row, Wanted { url, listed: length(lengths, row), beginning: None, most: tools.most_of_file })
        })
        .unzip();
    if wanted.is_empty() {
        return Ok(());
    }
    for (row, content) in rows.into_iter().zip(read_objects(stores, tools.allow, &wanted, tools.failures)?) {
        contents[row] = Some(content);
    }
    Ok(())
}

fn load_local(place: &str, most: usize, failures: &Failures) -> Result<Content> {
    let mut bytes = Vec::new();
    let read = read_file(place, &mut bytes, most);
    failures.of_file(place, &read)?;
    Ok(match read {
        Ok(()) => Ok(bytes.into()),
        Err(error) => Err(Unread::of_file(&error)),
    })
}
