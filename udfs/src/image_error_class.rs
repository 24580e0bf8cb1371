//! `image_error_class`: what kind of fault an image has.

use std::sync::Arc;

use datafusion::arrow::array::StringBuilder;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::image_error::fault;
use crate::support::arguments::{Kind, Parameter, columnar, required};
use crate::support::function::{Function, Scalar};
use crate::support::rows::for_each_content;

/// The SQL function `image_error_class`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Says what kind of fault an image file has that can't be decoded, and NULL where it can be: 'empty', 'not_an_image', \
'unsupported' (a format, or a kind of it, that isn't decoded), 'truncated', 'broken', 'too_large', 'too_slow' or 'codec_panic'. There are no \
others. `image_error` gives the reason in words. The whole image is decoded to find out.",
    syntax_example = "image_error_class(content)",
    sql_example = r#"```sql
> SELECT image_error_class(content) AS class, count(*) AS files FROM (VALUES (X'3c21444f'), (X''), (X'ffd8ffe0')) AS files (content) GROUP BY class ORDER BY class;
+--------------+-------+
| class        | files |
+--------------+-------+
| empty        | 1     |
| not_an_image | 1     |
| truncated    | 1     |
+--------------+-------+
```"#,
    argument(name = "content", description = "The bytes of an image file.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageErrorClass;

impl Function for ImageErrorClass {
    const NAME: &'static str = "image_error_class";
    const PARAMETERS: &'static [Parameter] = &[required("content", Kind::Content)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Scalar for ImageErrorClass {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut classes = StringBuilder::new();
        for_each_content::<Self>(args, |row| {
            let error = row.and_then(|(content, _)| fault(content));
            classes.append_option(error.map(|error| error.class.name()));
            Ok(())
        })?;
        columnar(&args.args, Arc::new(classes.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bad_image;

    #[test]
    fn the_page_names_every_class() {
        let page = ImageErrorClass.doc().map(|page| page.description.clone()).unwrap_or_default();
        for class in bad_image::ImageErrorClass::ALL {
            assert!(page.contains(&format!("'{}'", class.name())), "{}", class.name());
        }
    }
}
