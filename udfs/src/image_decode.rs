//! `image_decode`: from the bytes of an image file to pixels.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Choice, Kind, Parameter, Values, optional, required};
use crate::support::decode::{DecodeOptions, Decoded, Exif};
use crate::support::function::{Function, Scalar};
use crate::support::image_array::image_type;
use crate::support::jpeg::Dct;
use crate::support::kernels::Kernels;
use crate::support::pixels::Mode;
use crate::support::rows::{Images, for_each_content};
use crate::support::step::{AnyTransform, Step};

/// What becomes of a row whose image can't be decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum OnError {
    #[default]
    Null,
    Raise,
    /// What could be decoded stands, the rest is grey; NULL where that is nothing.
    Partial,
}

impl Choice for OnError {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("null", Self::Null), ("raise", Self::Raise), ("partial", Self::Partial)];
}

/// The SQL function `image_decode`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Decodes a JPEG, PNG, GIF (first frame), BMP, WebP, TIFF (first image), PNM, QOI, TGA or ICO (largest image) file to an image struct \
{height, width, channels, data}: 8 bits per channel, row-major, channels interleaved. EXIF orientation is applied unless \
`exif => 'ignore'`. The format is told by content. 16-bit values keep their upper byte, CMYK and YCCK become RGB, mode \
'rgb' drops alpha, 'gray' is BT.601 luma (a JPEG's own), 'native' keeps the file's channels. An image that can't be decoded, or of 2^29 \
values (width x height x channels) and more, is NULL; `image_error` says why. docs/images.md has the formats, and what becomes of \
damaged files.",
    syntax_example = "image_decode(content, mode => 'rgb', exif => 'apply', on_error => 'null', dct => 'fast')",
    sql_example = r#"```sql
> SELECT path, image_decode(content) AS image FROM read_images('photos') LIMIT 2;
+-------------------------+---------------------+
| path                    | image               |
+-------------------------+---------------------+
| photos/daisy/000000.jpg | <image 320x240 rgb> |
| photos/daisy/000002.jpg | <image 320x240 rgb> |
+-------------------------+---------------------+
```"#,
    argument(name = "content", description = "The bytes of an image file."),
    argument(name = "mode", description = "'rgb' (default), 'gray', 'rgba' or 'native'."),
    argument(
        name = "exif",
        description = "'apply' (default) turns the image upright, 'ignore' leaves it as stored, as TensorFlow does."
    ),
    argument(
        name = "on_error",
        description = "'null' (default); 'raise', which fails the query at the first bad image; or 'partial': of an image that ends too \
early or is damaged, what could be decoded, the rest grey (128)."
    ),
    argument(
        name = "dct",
        description = "The inverse transform of a JPEG: 'fast' (default) gives the pixels that TensorFlow decodes, 'accurate' those of Pillow and browsers."
    )
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Decode {
    options: DecodeOptions,
    on_error: OnError,
}

impl Function for Decode {
    const NAME: &'static str = "image_decode";
    const PARAMETERS: &'static [Parameter] = &[
        required("content", Kind::Content),
        optional("mode", Kind::Text),
        optional("exif", Kind::Text),
        optional("on_error", Kind::Text),
        optional("dct", Kind::Text),
    ];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let options = DecodeOptions {
            mode: values.choice("mode", Mode::Rgb)?,
            exif: values.choice("exif", Exif::Apply)?,
            dct: values.choice("dct", Dct::Fast)?,
        };
        Ok(Self { options, on_error: values.choice("on_error", OnError::Null)? })
    }
}

impl Step for Decode {
    fn options(&self) -> String {
        let DecodeOptions { mode, exif, dct } = self.options;
        format!("{}, {}, {}, {}", mode.word(), exif.word(), self.on_error.word(), dct.word())
    }
}

impl Decode {
    /// Decodes, and does the step behind it where that can be done on the way; `None` for a bad image that is not to stop the query.
    ///
    /// # Errors
    /// A bad image that is.
    pub(crate) fn decode(
        &self,
        content: &[u8],
        next: Option<&dyn AnyTransform>,
        kernels: &mut Kernels,
    ) -> Result<Option<Decoded>> {
        match kernels.decode(content, self.options, next) {
            Ok(decoded) => Ok(Some(decoded)),
            Err(reason) if self.on_error == OnError::Partial && reason.may_have_rows() => {
                Ok(kernels.decode_partly(content, self.options))
            }
            Err(_) if self.on_error != OnError::Raise => Ok(None),
            Err(reason) => exec_err!(
                "image_decode: {reason}; use on_error => 'null' to keep the row and image_error(content) to find it"
            ),
        }
    }
}

impl Scalar for Decode {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(image_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut images = Images::default();
        for_each_content::<Self>(args, |row| {
            let image = match row {
                Some((content, decode)) => {
                    decode.decode(content, None, &mut images.kernels)?.map(|decoded| decoded.pixels)
                }
                None => None,
            };
            images.append(image)
        })?;
        images.finish(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::step::parse;
    use crate::support::testing::png;

    #[test]
    fn a_bad_image_is_null_or_an_error() {
        let photo = png(4, 3);
        let half = &photo[..photo.len() / 2];
        let decode = |step: &str, content: &[u8]| {
            let decoded = parse::<Decode>(step).expect("a step").decode(content, None, &mut Kernels::default());
            decoded.map(|decoded| decoded.map(|decoded| decoded.pixels))
        };
        let pixels = decode("image_decode(gray, apply, null, fast)", &photo).expect("no failure").expect("an image");
        assert_eq!((pixels.width, pixels.height, pixels.channels), (4, 3, 1));
        assert_eq!(decode("image_decode(rgb, apply, null, fast)", half).expect("no failure"), None);
        let error = decode("image_decode(rgb, apply, raise, fast)", half).expect_err("a bad image").strip_backtrace();
        assert!(error.contains("image_decode: truncated png"), "{error}");
    }
}
