//! `image_encode`: from pixels to the bytes of an image file.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::{ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Choice, Kind, Parameter, Values, optional, required};
use crate::support::encode::{Encoding, Format, Subsampling};
use crate::support::function::{Function, Scalar};
use crate::support::fuse::fuse;
use crate::support::rows::{Files, for_each_image};
use crate::support::step::Step;

/// The SQL function `image_encode`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Encodes an image as a JPEG, PNG or lossless WebP file. JPEG drops alpha, keeps grey images grey and writes a density of \
300 dpi, as TensorFlow does; no metadata is kept.",
    syntax_example = "image_encode(image, format => 'jpeg', quality => 95, subsampling => '4:4:4', optimize => true)",
    sql_example = r#"```sql
> SELECT image_encode(image_decode(content), quality => 80) AS jpeg FROM read_images('photos') LIMIT 1;
+----------------------+
| jpeg                 |
+----------------------+
| <jpeg 320x240 15 KB> |
+----------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "format", description = "'jpeg' (default), 'png' or 'webp'."),
    argument(name = "quality", description = "JPEG quality, 1 to 100, 95 by default, on libjpeg's scale."),
    argument(name = "subsampling", description = "JPEG chroma: '4:4:4' (default), '4:2:2' or '4:2:0'."),
    argument(
        name = "optimize",
        description = "Whether each JPEG gets Huffman tables of its own: smaller files, more time; true by default."
    )
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Encode {
    pub(crate) encoding: Encoding,
}

impl Function for Encode {
    const NAME: &'static str = "image_encode";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        optional("format", Kind::Text),
        optional("quality", Kind::Integer),
        optional("subsampling", Kind::Text),
        optional("optimize", Kind::Boolean),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let encoding = Encoding {
            format: values.choice("format", Format::Jpeg)?,
            quality: values.integer("quality", 1..=100, "", Some(95))? as u8,
            subsampling: values.choice("subsampling", Subsampling::Full)?,
            optimize: values.boolean("optimize", true)?,
        };
        Ok(Self { encoding })
    }
}

impl Step for Encode {
    fn options(&self) -> String {
        let Encoding { format, quality, subsampling, optimize } = self.encoding;
        format!("{}, {quality}, {}, {optimize}", format.word(), subsampling.word())
    }
}

impl Scalar for Encode {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut files = Files::default();
        for_each_image::<Self>(args, |row| {
            files.append(row.as_ref().map(|(image, encode)| (*image, &encode.encoding)))
        })?;
        files.finish(args)
    }

    fn simplify(args: Vec<Expr>, _options: &ConfigOptions) -> Result<ExprSimplifyResult> {
        fuse::<Self>(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::format::sniff;
    use crate::support::kernels::Kernels;
    use crate::support::step::parse;
    use crate::support::testing::gray;

    #[test]
    fn each_format_is_told_by_its_first_bytes() {
        for (format, _) in Format::CHOICES.iter().map(|(word, format)| (*word, format)) {
            let step: Encode = parse(&format!("image_encode({format}, 90, 4:2:0, false)")).expect("a step");
            let mut kernels = Kernels::default();
            let mut file = Vec::new();
            kernels.encode(gray(2, 2, &[1, 2, 3, 4]), &step.encoding, &mut file).expect("a file");
            assert_eq!(sniff(&file).map(|found| found.name()), Ok(format));
        }
    }
}
