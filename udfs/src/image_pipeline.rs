//! `image_pipeline`: a whole chain of image functions in one call, which is what the optimizer makes of nested calls.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::image_decode::Decode;
use crate::image_encode::Encode;
use crate::list::TRANSFORMS;
use crate::support::arguments::{Contents, Kind, Parameter, Values, required};
use crate::support::function::{Function, Scalar};
use crate::support::image_array::image_type;
use crate::support::kernels::Kernels;
use crate::support::pixels::Pixels;
use crate::support::rows::{Files, Images, row_count};
use crate::support::step::{AnyTransform, parse, text};
use crate::support::threads::Helpers;

/// The SQL function `image_pipeline`: a chain of steps from an image file's bytes to an image or to another file's bytes.
///
/// Its text form is `image_decode(rgb, apply, null, fast) | image_resize(…) | image_encode(…)`: every option in the order of
/// the SQL parameters, defaults filled in.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "Runs several steps image by image, so that no decoded image outlives its row. The optimizer puts this in the place of \
nested calls whose options are constant, as EXPLAIN shows; there is no need to write it.",
    syntax_example = "image_pipeline(content, steps)",
    sql_example = r#"```sql
> SELECT image_pipeline(content, 'image_decode(rgb, apply, null, fast) | image_center_crop(200, 200)') AS image FROM read_images('photos') LIMIT 1;
+---------------------+
| image               |
+---------------------+
| <image 200x200 rgb> |
+---------------------+
```"#,
    argument(name = "content", description = "The bytes of an image file."),
    argument(
        name = "steps",
        description = "`image_decode(...)` and any number of further steps, joined by ` | `, with every option of each in the \
order of its parameters. The result is BINARY if the last step is `image_encode`, else an image."
    )
)]
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    decode: Decode,
    transforms: Vec<Arc<dyn AnyTransform>>,
    pub(crate) encode: Option<Encode>,
}

impl Function for Pipeline {
    const NAME: &'static str = "image_pipeline";
    const PARAMETERS: &'static [Parameter] = &[required("content", Kind::Content), required("steps", Kind::Text)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        match values.text("steps") {
            Some(steps) => Self::parse(steps),
            None => plan_err!("image_pipeline: steps must be a constant string"),
        }
    }
}

impl Scalar for Pipeline {
    fn data_type(args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        let constants = args.scalar_arguments.iter().map(|value| value.cloned().unwrap_or(ScalarValue::Null));
        Ok(match Self::from_scalars(&constants.collect::<Vec<_>>())?.encode {
            Some(_) => DataType::Binary,
            None => image_type(),
        })
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = args.args.iter().map(|argument| match argument {
            ColumnarValue::Scalar(value) => value.clone(),
            ColumnarValue::Array(_) => ScalarValue::Null,
        });
        let pipeline = Self::from_scalars(&constants.collect::<Vec<_>>())?;
        let rows = row_count(args);
        let contents = Contents::try_new(Self::NAME, &args.args[0], rows)?;
        let helpers = Helpers::take(args.config_options.execution.target_partitions);
        match &pipeline.encode {
            Some(encode) if !helpers.is_empty() => {
                let encoded = helpers.rows(rows, |row, kernels| {
                    let Some(image) = pipeline.run(contents.get(row), kernels)? else { return Ok(None) };
                    let mut file = Vec::new();
                    kernels.encode(image.as_ref(), &encode.encoding, &mut file)?;
                    kernels.reuse(image);
                    Ok(Some(file))
                })?;
                let mut files = Files::default();
                encoded.iter().try_for_each(|file| files.append_encoded(file.as_deref()))?;
                files.finish(args)
            }
            None if !helpers.is_empty() => {
                let mut images = Images::default();
                let decoded = helpers.rows(rows, |row, kernels| pipeline.run(contents.get(row), kernels))?;
                decoded.into_iter().try_for_each(|image| images.append(image))?;
                images.finish(args)
            }
            Some(encode) => {
                let mut files = Files::default();
                for row in 0..rows {
                    let image = pipeline.run(contents.get(row), &mut files.kernels)?;
                    files.append(image.as_ref().map(|image| (image.as_ref(), &encode.encoding)))?;
                    if let Some(image) = image {
                        files.kernels.reuse(image);
                    }
                }
                files.finish(args)
            }
            None => {
                let mut images = Images::default();
                for row in 0..rows {
                    let image = pipeline.run(contents.get(row), &mut images.kernels)?;
                    images.append(image)?;
                }
                images.finish(args)
            }
        }
    }
}

impl Pipeline {
    /// Reads the text form.
    ///
    /// # Errors
    /// A step that there isn't, and values that it can't have.
    pub(crate) fn parse(steps: &str) -> Result<Self> {
        let mut steps = steps.split(" | ");
        let decode = parse::<Decode>(steps.next().unwrap_or_default())?;
        let mut pipeline = Self { decode, transforms: Vec::new(), encode: None };
        for step in steps {
            if pipeline.encode.is_some() {
                return plan_err!("image_pipeline: image_encode must be the last step, got '{step}' behind it");
            }
            let name = step.split('(').next().unwrap_or_default();
            if name == Encode::NAME {
                pipeline.encode = Some(parse(step)?);
                continue;
            }
            let Some(transform) = TRANSFORMS.iter().find(|transform| transform.name == name) else {
                return plan_err!("image_pipeline: unknown step '{step}'");
            };
            pipeline.transforms.push((transform.parse)(step)?);
        }
        Ok(pipeline)
    }

    /// Decodes and transforms; encoding is left to the caller.
    pub(crate) fn run(&self, content: Option<&[u8]>, kernels: &mut Kernels) -> Result<Option<Pixels>> {
        let Some(content) = content else { return Ok(None) };
        let first = self.transforms.first().map(AsRef::as_ref);
        let Some(decoded) = self.decode.decode(content, first, kernels)? else { return Ok(None) };
        let mut pixels = decoded.pixels;
        for step in self.transforms.iter().skip(usize::from(decoded.is_step_done)) {
            let transformed = kernels.transform(pixels.as_ref(), step.as_ref())?;
            kernels.reuse(pixels);
            pixels = transformed;
        }
        Ok(Some(pixels))
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.decode))?;
        for transform in &self.transforms {
            write!(f, " | {}", transform.text())?;
        }
        match &self.encode {
            Some(encode) => write!(f, " | {}", text(encode)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(words: &[&str]) -> impl Strategy<Value = String> + use<> {
        prop::sample::select(words.iter().map(|word| (*word).to_string()).collect::<Vec<_>>())
    }

    fn transform() -> impl Strategy<Value = String> {
        let size = || 1..=11_000_u32;
        let offset = || -65_535..=65_535_i32;
        let (fit, filter) = (word(&["stretch", "cover", "pad", "inside"]), word(&["nearest", "bilinear", "area"]));
        prop_oneof![
            (size(), size(), fit, filter, any::<bool>()).prop_map(|(width, height, fit, filter, antialias)| format!(
                "image_resize({width}, {height}, {fit}, {filter}, {antialias})"
            )),
            (offset(), offset(), size(), size())
                .prop_map(|(x, y, width, height)| format!("image_crop({x}, {y}, {width}, {height})")),
            (size(), size()).prop_map(|(width, height)| format!("image_center_crop({width}, {height})")),
        ]
    }

    prop_compose! {
        fn pipeline()(
            mode in word(&["rgb", "gray", "rgba", "native"]),
            exif in word(&["apply", "ignore"]),
            on_error in word(&["null", "raise"]),
            dct in word(&["fast", "accurate"]),
            transforms in prop::collection::vec(transform(), 0..4),
            encode in prop::option::of((word(&["jpeg", "png", "webp"]), 1..=100_u8, word(&["4:4:4", "4:2:2", "4:2:0"]))),
        ) -> String {
            let decode = format!("image_decode({mode}, {exif}, {on_error}, {dct})");
            let encode = encode.map(|(format, quality, chroma)| format!("image_encode({format}, {quality}, {chroma}, true)"));
            std::iter::once(decode).chain(transforms).chain(encode).collect::<Vec<_>>().join(" | ")
        }
    }

    proptest! {
        #[test]
        fn a_pipeline_has_the_text_that_it_is_read_from(text in pipeline()) {
            prop_assert_eq!(Pipeline::parse(&text).expect("a pipeline").to_string(), text);
        }

        #[test]
        fn any_text_is_a_pipeline_or_an_error(text in ".{0,80}") {
            let _ = Pipeline::parse(&text);
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_allowed_ones() {
        let error = Pipeline::parse("image_decode(bgr, apply, null, fast)").expect_err("bgr");
        assert_eq!(
            error.strip_backtrace(),
            "Error during planning: image_decode: mode must be 'rgb', 'gray', 'rgba' or 'native', got 'bgr'"
        );
    }
}
