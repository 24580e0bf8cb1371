//! The steps of an image pipeline, their options, and their text form, in which a fused pipeline travels.

use std::fmt;

use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};

use super::arguments::{Choice, Kind, Options, Parameter, Values, optional, required};
use super::pixels::Mode;

/// What to do with the EXIF orientation of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Exif {
    Apply,
    Ignore,
}

/// What becomes of a row whose image can't be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum OnError {
    Null,
    Raise,
}

/// How an image is brought to a size whose aspect ratio is not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fit {
    Stretch,
    Cover,
    Pad,
    Inside,
}

/// The resampling filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Filter {
    Nearest,
    Bilinear,
    Bicubic,
    Lanczos3,
    Area,
}

/// The file format of an encoded image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    Jpeg,
    Png,
    Webp,
}

/// How many chroma values a JPEG keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subsampling {
    Full,
    HalfWidth,
    Quarter,
}

impl Choice for Mode {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("rgb", Self::Rgb), ("gray", Self::Gray), ("rgba", Self::Rgba), ("native", Self::Native)];
}

impl Choice for Exif {
    const CHOICES: &'static [(&'static str, Self)] = &[("apply", Self::Apply), ("ignore", Self::Ignore)];
}

impl Choice for OnError {
    const CHOICES: &'static [(&'static str, Self)] = &[("null", Self::Null), ("raise", Self::Raise)];
}

impl Choice for Fit {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("stretch", Self::Stretch), ("cover", Self::Cover), ("pad", Self::Pad), ("inside", Self::Inside)];
}

impl Choice for Filter {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("nearest", Self::Nearest),
        ("bilinear", Self::Bilinear),
        ("bicubic", Self::Bicubic),
        ("lanczos3", Self::Lanczos3),
        ("area", Self::Area),
    ];
}

impl Choice for Format {
    const CHOICES: &'static [(&'static str, Self)] = &[("jpeg", Self::Jpeg), ("png", Self::Png), ("webp", Self::Webp)];
}

impl Choice for Subsampling {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("4:4:4", Self::Full), ("4:2:2", Self::HalfWidth), ("4:2:0", Self::Quarter)];
}

/// Options of `image_decode`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Decode {
    pub(crate) mode: Mode,
    pub(crate) exif: Exif,
    pub(crate) on_error: OnError,
}

impl Options for Decode {
    const FUNCTION: &'static str = "image_decode";
    const PARAMETERS: &'static [Parameter] = &[
        required("content", Kind::Content),
        optional("mode", Kind::Text),
        optional("exif", Kind::Text),
        optional("on_error", Kind::Text),
    ];

    fn from_values(values: &Values<'_>) -> Result<Self> {
        Ok(Self {
            mode: values.choice("mode", Mode::Rgb)?,
            exif: values.choice("exif", Exif::Apply)?,
            on_error: values.choice("on_error", OnError::Null)?,
        })
    }
}

impl fmt::Display for Decode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mode, exif, on_error) = (self.mode.word(), self.exif.word(), self.on_error.word());
        write!(f, "{}({mode}, {exif}, {on_error})", Self::FUNCTION)
    }
}

/// Options of `image_resize`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Resize {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fit: Fit,
    pub(crate) filter: Filter,
    pub(crate) antialias: bool,
}

impl Options for Resize {
    const FUNCTION: &'static str = "image_resize";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        required("width", Kind::Integer),
        required("height", Kind::Integer),
        optional("fit", Kind::Text),
        optional("filter", Kind::Text),
        optional("antialias", Kind::Boolean),
    ];

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let (width, height) = values.size()?;
        let filter = values.choice("filter", Filter::Bilinear)?;
        let antialias = values.boolean("antialias", true)?;
        // fast_image_resize 6.1 reads outside of the image when it interpolates without widening these filters.
        if !antialias && matches!(filter, Filter::Bicubic | Filter::Lanczos3) {
            return plan_err!("image_resize: antialias must be true with filter '{}', got false", filter.word());
        }
        Ok(Self { width, height, fit: values.choice("fit", Fit::Stretch)?, filter, antialias })
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height, antialias) = (self.width, self.height, self.antialias);
        let (fit, filter) = (self.fit.word(), self.filter.word());
        write!(f, "{}({width}, {height}, {fit}, {filter}, {antialias})", Self::FUNCTION)
    }
}

/// Options of `image_crop`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Crop {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Crop {
    fn offset(values: &Values<'_>, name: &str) -> Result<i32> {
        let offset = values.integer(name, -65_535..=65_535, " pixels", None)?;
        i32::try_from(offset).map_err(|error| plan_datafusion_err!("{name}: {error}"))
    }
}

impl Options for Crop {
    const FUNCTION: &'static str = "image_crop";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        required("x", Kind::Integer),
        required("y", Kind::Integer),
        required("width", Kind::Integer),
        required("height", Kind::Integer),
    ];

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let (width, height) = values.size()?;
        Ok(Self { x: Self::offset(values, "x")?, y: Self::offset(values, "y")?, width, height })
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, width, height } = self;
        write!(f, "{}({x}, {y}, {width}, {height})", Self::FUNCTION)
    }
}

/// Options of `image_center_crop`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CenterCrop {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Options for CenterCrop {
    const FUNCTION: &'static str = "image_center_crop";
    const PARAMETERS: &'static [Parameter] =
        &[required("image", Kind::Image), required("width", Kind::Integer), required("height", Kind::Integer)];

    fn from_values(values: &Values<'_>) -> Result<Self> {
        let (width, height) = values.size()?;
        Ok(Self { width, height })
    }
}

impl fmt::Display for CenterCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}, {})", Self::FUNCTION, self.width, self.height)
    }
}

/// Options of `image_encode`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Encode {
    pub(crate) format: Format,
    pub(crate) quality: u8,
    pub(crate) subsampling: Subsampling,
    pub(crate) optimize: bool,
}

impl Options for Encode {
    const FUNCTION: &'static str = "image_encode";
    const PARAMETERS: &'static [Parameter] = &[
        required("image", Kind::Image),
        optional("format", Kind::Text),
        optional("quality", Kind::Integer),
        optional("subsampling", Kind::Text),
        optional("optimize", Kind::Boolean),
    ];

    fn from_values(values: &Values<'_>) -> Result<Self> {
        Ok(Self {
            format: values.choice("format", Format::Jpeg)?,
            quality: values.integer("quality", 1..=100, "", Some(95))? as u8,
            subsampling: values.choice("subsampling", Subsampling::Full)?,
            optimize: values.boolean("optimize", true)?,
        })
    }
}

impl fmt::Display for Encode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (quality, optimize) = (self.quality, self.optimize);
        let (format, subsampling) = (self.format.word(), self.subsampling.word());
        write!(f, "{}({format}, {quality}, {subsampling}, {optimize})", Self::FUNCTION)
    }
}

/// A step from image to image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Transform {
    Resize(Resize),
    Crop(Crop),
    CenterCrop(CenterCrop),
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resize(options) => options.fmt(f),
            Self::Crop(options) => options.fmt(f),
            Self::CenterCrop(options) => options.fmt(f),
        }
    }
}

impl From<Resize> for Transform {
    fn from(options: Resize) -> Self {
        Self::Resize(options)
    }
}

impl From<Crop> for Transform {
    fn from(options: Crop) -> Self {
        Self::Crop(options)
    }
}

impl From<CenterCrop> for Transform {
    fn from(options: CenterCrop) -> Self {
        Self::CenterCrop(options)
    }
}

/// A chain of steps from an image file's bytes to an image or to another file's bytes.
///
/// Its text form is `image_decode(rgb, apply, null) | image_resize(…) | image_encode(…)`: every option in the order of
/// the SQL parameters, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pipeline {
    pub(crate) decode: Decode,
    pub(crate) transforms: Vec<Transform>,
    pub(crate) encode: Option<Encode>,
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decode.fmt(f)?;
        for transform in &self.transforms {
            write!(f, " | {transform}")?;
        }
        match &self.encode {
            Some(encode) => write!(f, " | {encode}"),
            None => Ok(()),
        }
    }
}

impl Pipeline {
    /// Reads the text form.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut steps = text.split(" | ");
        let decode = step::<Decode>(steps.next().unwrap_or_default())?;
        let mut pipeline = Self { decode, transforms: Vec::new(), encode: None };
        for text in steps {
            if pipeline.encode.is_some() {
                return plan_err!("image_pipeline: image_encode must be the last step, got '{text}' behind it");
            }
            match text.split('(').next().unwrap_or_default() {
                Resize::FUNCTION => pipeline.transforms.push(Transform::Resize(step(text)?)),
                Crop::FUNCTION => pipeline.transforms.push(Transform::Crop(step(text)?)),
                CenterCrop::FUNCTION => pipeline.transforms.push(Transform::CenterCrop(step(text)?)),
                Encode::FUNCTION => pipeline.encode = Some(step(text)?),
                _ => return plan_err!("image_pipeline: unknown step '{text}'"),
            }
        }
        Ok(pipeline)
    }
}

/// Reads one step, `image_name(value, …)`.
fn step<O: Options>(text: &str) -> Result<O> {
    let values =
        text.strip_prefix(O::FUNCTION).and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.strip_suffix(')'));
    let Some(values) = values else {
        return plan_err!("image_pipeline: expected a step {}(...), got '{text}'", O::FUNCTION);
    };
    let words: Vec<&str> = values.split(", ").collect();
    if words.len() + 1 != O::PARAMETERS.len() {
        return plan_err!(
            "image_pipeline: step {} takes {} values, got {}",
            O::FUNCTION,
            O::PARAMETERS.len() - 1,
            words.len()
        );
    }
    let mut scalars = vec![ScalarValue::Null];
    for (parameter, word) in O::PARAMETERS[1..].iter().zip(words) {
        scalars.push(match parameter.kind {
            Kind::Integer => ScalarValue::Int64(word.parse().ok()),
            Kind::Boolean => ScalarValue::Boolean(word.parse().ok()),
            _ => ScalarValue::Utf8(Some(word.to_string())),
        });
    }
    O::from_scalars(&scalars)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice<C: Choice + std::fmt::Debug>() -> impl Strategy<Value = C> {
        prop::sample::select(C::CHOICES).prop_map(|(_, value)| value)
    }

    fn transform() -> impl Strategy<Value = Transform> {
        let size = || 1..=11_000_u32;
        let offset = || -65_535..=65_535_i32;
        prop_oneof![
            (size(), size(), choice(), choice(), any::<bool>()).prop_map(|(width, height, fit, filter, antialias)| {
                let antialias = antialias || matches!(filter, Filter::Bicubic | Filter::Lanczos3);
                Transform::Resize(Resize { width, height, fit, filter, antialias })
            }),
            (offset(), offset(), size(), size()).prop_map(|(x, y, width, height)| Transform::Crop(Crop {
                x,
                y,
                width,
                height
            })),
            (size(), size()).prop_map(|(width, height)| Transform::CenterCrop(CenterCrop { width, height })),
        ]
    }

    prop_compose! {
        fn encode()(format in choice(), quality in 1..=100_u8, subsampling in choice(), optimize in any::<bool>()) -> Encode {
            Encode { format, quality, subsampling, optimize }
        }
    }

    prop_compose! {
        fn pipeline()(
            mode in choice(), exif in choice(), on_error in choice(),
            transforms in prop::collection::vec(transform(), 0..4),
            encode in prop::option::of(encode()),
        ) -> Pipeline {
            Pipeline { decode: Decode { mode, exif, on_error }, transforms, encode }
        }
    }

    proptest! {
        #[test]
        fn the_text_form_reads_back_as_the_same_pipeline(pipeline in pipeline()) {
            let text = pipeline.to_string();
            prop_assert_eq!(Pipeline::parse(&text).expect("parses"), pipeline, "{}", text);
        }

        #[test]
        fn any_text_is_a_pipeline_or_an_error(text in ".{0,80}") {
            let _ = Pipeline::parse(&text);
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_allowed_ones() {
        let error = Pipeline::parse("image_decode(bgr, apply, null)").expect_err("bgr");
        assert_eq!(
            error.strip_backtrace(),
            "Error during planning: image_decode: mode must be 'rgb', 'gray', 'rgba' or 'native', got 'bgr'"
        );
    }
}
