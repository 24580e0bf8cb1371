//! The columns of a list: which of them say where an image is and how long, and which a table of it has.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use crate::source::images::{CONTENT, PATH, READ_ERROR, READ_FROM};
use crate::storage::{is_web_url, local_path};
use crate::words::quoted;

/// The columns of a list, and what some of them say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::source::images) struct ListColumns {
    schema: SchemaRef,
    place: Place,
    /// The column of lengths in bytes.
    length: Option<String>,
}

/// How a row says where its image is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Place {
    /// A path or a URL.
    Column(String),
    /// A bucket of S3, and a key in it, as S3 Inventory has them.
    Bucket { bucket: String, key: String },
}

/// The bytes of an image whose length nobody has told, for cutting work into parts.
pub(super) const USUAL_BYTES: u64 = 64 * 1024;
/// No image that is read is as long: a list may tell anything, and what it tells is added up.
const LONGEST: i64 = 1 << 32;

impl ListColumns {
    /// What the columns of a list say; `url` is the one that holds the places, where it is told.
    ///
    /// # Errors
    /// There is none that holds places, or one that a table of the list couldn't have.
    pub(super) fn try_new(schema: SchemaRef, url: Option<&str>, list: &str) -> Result<Self> {
        let columns = || {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            names.join(", ")
        };
        let place = match (url, named(&schema, "url").or_else(|| named(&schema, "path"))) {
            (Some(url), _) => match schema.column_with_name(url) {
                Some((_, field)) => Place::Column(field.name().clone()),
                None => return plan_err!("url: '{list}' has no column '{url}'; its columns are {}", columns()),
            },
            (None, Some(field)) => Place::Column(field.name().clone()),
            (None, None) => match (named(&schema, "bucket"), named(&schema, "key")) {
                (Some(bucket), Some(key)) => Place::Bucket { bucket: bucket.name().clone(), key: key.name().clone() },
                _ => {
                    return plan_err!(
                        "'{list}' has no column url or path, nor bucket and key; say which column holds the places, as in url => 'image_url'; \
                         its columns are {}",
                        columns()
                    );
                }
            },
        };
        let columns = Self { place, length: length(&schema), schema };
        for name in columns.place_names() {
            let kind = columns.schema.field_with_name(name)?.data_type();
            if !is_text(kind) {
                return plan_err!("'{list}': column '{name}' must hold paths or URLs as text, got {kind}");
            }
        }
        for name in [CONTENT, READ_ERROR, READ_FROM] {
            if columns.schema.column_with_name(name).is_some() {
                return plan_err!(
                    "'{list}' has a column '{name}', which a table of images has by itself; give it another name, or leave it out of the list"
                );
            }
        }
        for (number, field) in columns.schema.fields().iter().enumerate() {
            if columns.schema.index_of(field.name())? != number {
                return plan_err!("'{list}' has two columns '{}'; give one another name", field.name());
            }
        }
        Ok(columns)
    }

    /// Those of a list of one image, which a statement names by its URL.
    pub(in crate::source::images) fn of_one() -> Self {
        let schema = Arc::new(Schema::new(vec![Field::new(PATH, DataType::Utf8, true)]));
        Self { schema, place: Place::Column(PATH.to_string()), length: None }
    }

    /// The columns of the list.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of a table of the list: the list's, the bytes, and why there are none.
    pub(in crate::source::images) fn table_schema(&self, has_hidden: bool) -> SchemaRef {
        let mut fields: Vec<Field> = self.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new(CONTENT, DataType::Binary, true));
        fields.push(Field::new(READ_ERROR, DataType::Utf8, true));
        if has_hidden {
            fields.push(Field::new(READ_FROM, DataType::Utf8, true));
        }
        Arc::new(Schema::new(fields))
    }

    /// Whether a table of the list has a column from the list.
    pub(in crate::source::images) fn has(&self, name: &str) -> bool {
        self.schema.column_with_name(name).is_some()
    }

    fn place_names(&self) -> Vec<&str> {
        match &self.place {
            Place::Column(column) => vec![column.as_str()],
            Place::Bucket { bucket, key } => vec![bucket.as_str(), key.as_str()],
        }
    }

    /// Columns of the list that reading needs, whatever the query looks at.
    pub(super) fn needed(&self) -> Vec<&str> {
        self.place_names().into_iter().chain(self.length.as_deref()).collect()
    }

    /// Where the image of each row is. Relative paths start from `base`, where that isn't empty.
    pub(in crate::source::images) fn places(&self, items: &RecordBatch, base: &str) -> Result<StringArray> {
        let texts = |name: &str| -> Result<StringArray> {
            let column = items.column(items.schema_ref().index_of(name)?);
            Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        match &self.place {
            Place::Bucket { bucket, key } => {
                let (buckets, keys) = (texts(bucket)?, texts(key)?);
                let urls = buckets.iter().zip(&keys).map(|(bucket, key)| Some(format!("s3://{}/{}", bucket?, key?)));
                Ok(urls.collect())
            }
            Place::Column(column) if base.is_empty() => texts(column),
            Place::Column(column) => {
                let is_relative = |place: &str| local_path(place).is_some_and(|path| path.is_relative());
                let based = |place: &str| match is_relative(place) {
                    true => format!("{base}{place}"),
                    false => place.to_string(),
                };
                Ok(texts(column)?.iter().map(|place| place.map(based)).collect())
            }
        }
    }

    /// The lengths that the list tells; NULL where it tells none.
    pub(in crate::source::images) fn lengths(&self, items: &RecordBatch) -> Result<Int64Array> {
        match &self.length {
            Some(name) => {
                let column = items.column(items.schema_ref().index_of(name)?);
                let told = cast(column, &DataType::Int64)?;
                Ok(told.as_primitive::<Int64Type>().unary(|length| length.clamp(-1, LONGEST)))
            }
            None => Ok(Int64Array::new_null(items.num_rows())),
        }
    }

    /// A list of one image.
    pub(super) fn one(&self, url: &str) -> Result<RecordBatch> {
        let urls = StringArray::from_iter_values([url]);
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), vec![Arc::new(urls)])?)
    }
}

/// A column by its name in any case.
fn named<'a>(schema: &'a Schema, name: &str) -> Option<&'a Field> {
    schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name)).map(AsRef::as_ref)
}

/// The column of lengths: whole numbers of a name that says so.
fn length(schema: &Schema) -> Option<String> {
    let found = ["size", "length"].into_iter().filter_map(|name| named(schema, name));
    let mut numbers = found.filter(|field| field.data_type().is_integer());
    numbers.next().map(|field| field.name().clone())
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_text(value),
        // A column that is empty in a list of JSON.
        kind => kind.is_string() || *kind == DataType::Null,
    }
}

/// Refuses what can't be a list.
///
/// # Errors
/// A URL of the web.
pub(in crate::source::images) fn check_list(list: &str) -> Result<()> {
    match is_web_url(list) {
        true => plan_err!(
            "files: lists are read from local files and object stores, got {}; download it first",
            quoted(&crate::storage::shown(list))
        ),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, UInt32Array};

    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
        let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn told(columns: &[(&str, DataType)], url: Option<&str>) -> std::result::Result<Vec<String>, String> {
        let told = ListColumns::try_new(schema(columns), url, "list.parquet");
        let needed = |columns: ListColumns| columns.needed().into_iter().map(str::to_string).collect();
        told.map(needed).map_err(|error| error.strip_backtrace())
    }

    #[test]
    fn names_tell_which_columns_hold_places_and_lengths() {
        let (text, number) = (DataType::Utf8, DataType::Int64);
        let assert_told = |columns: &[(&str, DataType)], url, expected: &[&str]| {
            assert_eq!(told(columns, url), Ok(expected.iter().map(ToString::to_string).collect()));
        };
        assert_told(&[("caption", text.clone()), ("URL", text.clone())], None, &["URL"]);
        let both = [("path", text.clone()), ("url", text.clone()), ("Size", number.clone())];
        assert_told(&both, None, &["url", "Size"]);
        assert_told(&[("path", text.clone()), ("length", number.clone())], None, &["path", "length"]);
        let inventory = [("Bucket", text.clone()), ("Key", text.clone()), ("Size", number.clone())];
        assert_told(&inventory, None, &["Bucket", "Key", "Size"]);
        assert_told(&[("url", text.clone()), ("image", text.clone())], Some("image"), &["image"]);
        // A size that is a text is none.
        assert_told(&[("url", text.clone()), ("size", text.clone())], None, &["url"]);
        let error = |columns: &[(&str, DataType)], url| told(columns, url).expect_err("no list");
        assert!(error(&[("key", text.clone())], None).contains("has no column url or path, nor bucket and key"));
        assert!(error(&[("url", text.clone())], Some("link")).contains("no column 'link'; its columns are url"));
        assert!(error(&[("url", number.clone())], None).contains("must hold paths or URLs as text, got Int64"));
        assert!(error(&[("url", text.clone()), ("content", text)], None).contains("has a column 'content'"));
    }

    #[test]
    fn lengths_that_no_image_has_can_be_added_up() {
        let lengths: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX, i64::MIN, 7]));
        let places: ArrayRef = Arc::new(StringArray::from(vec!["a"; 4]));
        let items = RecordBatch::try_from_iter([("url", places), ("length", lengths)]).expect("rows");
        let columns = ListColumns::try_new(items.schema(), None, "list.csv").expect("columns");
        let lengths = columns.lengths(&items).expect("lengths");
        assert_eq!(lengths.values(), &[LONGEST, LONGEST, -1, 7]);
    }

    #[test]
    fn places_are_made_of_what_the_row_says() {
        let columns: [(&str, ArrayRef); 3] = [
            ("bucket", Arc::new(StringArray::from(vec![Some("b"), None]))),
            ("key", Arc::new(StringArray::from(vec![Some("x/a 1.jpg"), Some("k")]))),
            ("size", Arc::new(UInt32Array::from(vec![Some(7), None]))),
        ];
        let items = RecordBatch::try_from_iter(columns).expect("rows");
        let columns = ListColumns::try_new(items.schema(), None, "list.parquet").expect("columns");
        let places = columns.places(&items, "/home/").expect("places");
        assert_eq!(places.iter().collect::<Vec<_>>(), [Some("s3://b/x/a 1.jpg"), None]);
        assert_eq!(columns.lengths(&items).expect("lengths").iter().collect::<Vec<_>>(), [Some(7), None]);
        let paths: ArrayRef = Arc::new(StringArray::from(vec!["a.jpg", "/a.jpg", "file:///a.jpg", "https://h/a.jpg"]));
        let items = RecordBatch::try_from_iter([("path", paths)]).expect("rows");
        let columns = ListColumns::try_new(items.schema(), None, "list.parquet").expect("columns");
        let places = columns.places(&items, "/home/").expect("places");
        let expected = ["/home/a.jpg", "/a.jpg", "file:///a.jpg", "https://h/a.jpg"];
        assert_eq!(places.iter().flatten().collect::<Vec<_>>(), expected);
    }
}
