//! `image_info`: what an image file's header says.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanBuilder, Int32Builder, StringBuilder, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, columnar, required};
use crate::support::function::{Function, Scalar};
use crate::support::header::{Header, header};
use crate::support::rows::for_each_content;

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
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageInfo;

impl Function for ImageInfo {
    const NAME: &'static str = "image_info";
    const PARAMETERS: &'static [Parameter] = &[required("content", Kind::Content)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Scalar for ImageInfo {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut infos = Infos::default();
        for_each_content::<Self>(args, |row| {
            infos.append(row.and_then(|(content, _)| header(content).ok()));
            Ok(())
        })?;
        columnar(&args.args, infos.finish()?)
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

#[derive(Default)]
struct Infos {
    formats: StringBuilder,
    integers: [Int32Builder; 6],
    progressive: BooleanBuilder,
    valid: Vec<bool>,
}

impl Infos {
    fn append(&mut self, header: Option<Header>) {
        self.valid.push(header.is_some());
        self.formats.append_option(header.as_ref().map(|header| header.format));
        self.progressive.append_option(header.as_ref().map(|header| header.is_progressive));
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
        for (index, builder) in self.integers.iter_mut().enumerate() {
            builder.append_option(values.and_then(|values| i32::try_from(values[index]).ok()));
        }
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.formats.finish())];
        for builder in &mut self.integers {
            columns.push(Arc::new(builder.finish()));
        }
        columns.push(Arc::new(self.progressive.finish()));
        Ok(Arc::new(StructArray::try_new(fields(), columns, Some(NullBuffer::from(self.valid)))?))
    }
}
