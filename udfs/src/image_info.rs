//! `image_info`: what an image file's header says.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanBuilder, Int32Builder, StringBuilder, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};
use datafusion_macros::user_doc;

use crate::support::arguments::{Contents, Kind, Parameter, coerce, columnar, required, signature};
use crate::support::header::header;
use crate::support::rows::row_count;

const PARAMETERS: &[Parameter] = &[required("content", Kind::Content)];

/// The SQL function `image_info`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Reads an image file's header, without decoding a pixel, into a struct: format; width and height in pixels, as stored; \
channels (4 for CMYK); bit_depth per channel; orientation, the EXIF value 1 to 8; frames; progressive, true for \
progressive JPEG and interlaced PNG. NULL where there is no readable header.",
    syntax_example = "image_info(content)",
    sql_example = r#"```sql
> SELECT image_info(content) AS info FROM read_images('photos') LIMIT 1;
+-------------------------------------------------------------------------------------------------------------------+
| info                                                                                                              |
+-------------------------------------------------------------------------------------------------------------------+
| {format: jpeg, width: 320, height: 240, channels: 3, bit_depth: 8, orientation: 1, frames: 1, progressive: false} |
+-------------------------------------------------------------------------------------------------------------------+
```"#,
    argument(name = "content", description = "The bytes of an image file.")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ImageInfo {
    signature: Signature,
}

impl Default for ImageInfo {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageInfo {
    /// The function, ready to be registered.
    pub fn new() -> Self {
        Self { signature: signature(PARAMETERS) }
    }
}

impl ScalarUDFImpl for ImageInfo {
    fn name(&self) -> &str {
        "image_info"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.name(), PARAMETERS, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(&args);
        let contents = Contents::try_new(self.name(), &args.args[0], rows)?;
        columnar(&args.args, info_rows(&contents, rows)?)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn fields() -> Fields {
    let integer = |name: &str| Field::new(name, DataType::Int32, true);
    Fields::from(vec![
        Field::new("format", DataType::Utf8, true),
        integer("width"),
        integer("height"),
        integer("channels"),
        integer("bit_depth"),
        integer("orientation"),
        integer("frames"),
        Field::new("progressive", DataType::Boolean, true),
    ])
}

fn info_rows(contents: &Contents, rows: usize) -> Result<ArrayRef> {
    let mut formats = StringBuilder::new();
    let mut integers: [Int32Builder; 6] = Default::default();
    let mut progressive = BooleanBuilder::new();
    let mut valid = Vec::with_capacity(rows);
    for row in 0..rows {
        let header = contents.get(row).and_then(|content| header(content).ok());
        valid.push(header.is_some());
        formats.append_option(header.as_ref().map(|header| header.format));
        progressive.append_option(header.as_ref().map(|header| header.is_progressive));
        let values = header.map(|header| {
            [
                header.width,
                header.height,
                u32::from(header.channels),
                u32::from(header.bit_depth),
                u32::from(header.orientation),
                header.frames,
            ]
        });
        for (index, builder) in integers.iter_mut().enumerate() {
            let value = values.and_then(|values| i32::try_from(values[index]).ok());
            builder.append_option(value);
        }
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(formats.finish())];
    for builder in &mut integers {
        columns.push(Arc::new(builder.finish()));
    }
    columns.push(Arc::new(progressive.finish()));
    let info = StructArray::try_new(fields(), columns, Some(NullBuffer::from(valid)))?;
    Ok(Arc::new(info))
}
