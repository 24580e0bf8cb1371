//! How images become a model's input: what the call says, then what the file says of itself.

use datafusion::common::{Result, plan_datafusion_err, plan_err};

use super::color::Color;
use super::graph::{Dimension, Port, numbers_in};
use super::model::Model;
use crate::support::arguments::{Choice, Values};
use crate::support::resize::Filter;
use crate::support::tensor::Layout;

/// The size and the numbers in which a model takes images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImageInput {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) filter: Filter,
    pub(crate) color: Color,
    pub(crate) layout: Layout,
    pub(crate) scale: f64,
    pub(crate) mean: Vec<f64>,
    pub(crate) std: Vec<f64>,
}

impl ImageInput {
    /// Reads what a call says, and what a model does.
    ///
    /// # Errors
    /// A model that takes no images, values that don't go together, and what neither says.
    pub(crate) fn try_new(values: &Values<'_>, location: &str, model: &Model) -> Result<Self> {
        let refused =
            |why: String| plan_datafusion_err!("{}: model '{location}' can't be used: {why}", values.function);
        let input = model.input().map_err(refused)?;
        let sizes = sizes(input).map_err(refused)?;
        let said = Said { values, location, model };
        let layout = match (said.choice::<Layout>("layout")?, &sizes) {
            (Some(layout), _) => layout,
            (None, Some([first, _, _])) if is_channels(first) => Layout::Chw,
            (None, Some([_, _, last])) if is_channels(last) => Layout::Hwc,
            (None, _) => {
                return Err(refused(format!(
                    "it doesn't say where its input {input} has its channels; give layout => 'chw' or 'hwc'"
                )));
            }
        };
        let [channels, height, width] = match (sizes, layout) {
            (Some(sizes), Layout::Chw) => sizes.map(Some),
            (Some([height, width, channels]), Layout::Hwc) => [Some(channels), Some(height), Some(width)],
            (None, _) => [None, None, None],
        };
        let channels = match channels {
            Some(Dimension::Fixed(channels)) => Some(channels),
            _ => None,
        };
        let color = match (said.choice::<Color>("color")?, channels) {
            (Some(color), None) => color,
            (Some(color), Some(channels)) if channels == usize::from(color.channels()) => color,
            (None, None | Some(3)) => Color::Rgb,
            (None, Some(1)) => Color::Gray,
            (color, Some(channels)) => {
                let color = color.map(|color| format!(", and color is '{}'", color.word())).unwrap_or_default();
                return Err(refused(format!(
                    "its input {input} has {channels} channels in layout '{}'{color}; images have 3 ('rgb', 'bgr') or 1 ('gray')",
                    layout.word()
                )));
            }
        };
        let (width, height) = (said.side("width", width)?, said.side("height", height)?);
        let filter = said.choice::<Filter>("filter")?.unwrap_or(Filter::Bilinear);
        let (scale, mean, std) = (said.numbers("scale")?, said.numbers("mean")?, said.numbers("std")?);
        if scale.is_none() && mean.is_none() && std.is_none() {
            return Err(refused(
                "it doesn't say how pixels become its input, and wrong numbers give wrong answers; give scale, mean and std, such as \
                 scale => 1.0 / 255, or scale => 1 for pixels as they are"
                    .to_string(),
            ));
        }
        let scale = match scale.as_deref() {
            None => 1.0,
            Some([scale]) => *scale,
            Some(scales) => return Err(refused(format!("scale must be a number, got {} of them", scales.len()))),
        };
        let (mean, std) = (mean.unwrap_or_else(|| vec![0.0]), std.unwrap_or_else(|| vec![1.0]));
        Ok(Self { width, height, filter, color, layout, scale, mean, std })
    }

    /// The shape of a model's input that is one image.
    pub(crate) fn shape(&self) -> [usize; 4] {
        let channels = usize::from(self.color.channels());
        let (width, height) = (self.width as usize, self.height as usize);
        match self.layout {
            Layout::Chw => [1, channels, height, width],
            Layout::Hwc => [1, height, width, channels],
        }
    }
}

fn is_channels(dimension: &Dimension) -> bool {
    matches!(dimension, Dimension::Fixed(1 | 3))
}

/// The sizes of an image in an input, behind the number of images; `None` where the file doesn't say.
fn sizes(input: &Port) -> std::result::Result<Option<[Dimension; 3]>, String> {
    match input.dimensions.as_deref() {
        None => Ok(None),
        Some([Dimension::Fixed(1) | Dimension::Any(_), sizes @ ..]) if sizes.len() == 3 => {
            Ok(<[Dimension; 3]>::try_from(sizes.to_vec()).ok())
        }
        Some([Dimension::Fixed(images), _, _, _]) => {
            Err(format!("its input {input} takes {images} images at a time; export it for one image or any number"))
        }
        Some(_) => Err(format!("its input {input} is no image, which has four sizes; use onnx_predict")),
    }
}

/// What a call says, or else the file.
struct Said<'a> {
    values: &'a Values<'a>,
    location: &'a str,
    model: &'a Model,
}

impl Said<'_> {
    fn choice<C: Choice>(&self, name: &str) -> Result<Option<C>> {
        if self.values.text(name).is_some() {
            return self.values.choice(name, C::CHOICES[0].1).map(Some);
        }
        let Some(word) = self.model.graph.metadata(name) else { return Ok(None) };
        let found = C::CHOICES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        match found {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let words: Vec<String> = C::CHOICES.iter().map(|(word, _)| format!("'{word}'")).collect();
                plan_err!(
                    "{}: model '{}' says that its {name} is '{word}', which is none of {}; give {name}",
                    self.values.function,
                    self.location,
                    words.join(", ")
                )
            }
        }
    }

    fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>> {
        if let Some(numbers) = self.values.numbers(name)? {
            return Ok(Some(numbers));
        }
        self.model.graph.metadata(name).map(numbers_in).transpose().map_err(|why| {
            plan_datafusion_err!(
                "{}: model '{}' says that its {name} is {why}; give {name}",
                self.values.function,
                self.location
            )
        })
    }

    /// A width or a height: the graph's, where that has only one.
    fn side(&self, name: &str, dimension: Option<Dimension>) -> Result<u32> {
        const SIDES: std::ops::RangeInclusive<i64> = 1..=65_535;
        let (function, location) = (self.values.function, self.location);
        let fixed = match dimension {
            Some(Dimension::Fixed(side)) => Some(side as i64),
            _ => None,
        };
        let asked = match self.values.has(name) {
            true => Some(self.values.integer(name, SIDES, " pixels", None)?),
            false => None,
        };
        let written = match (fixed, asked, self.model.graph.metadata(name)) {
            (None, None, Some(text)) => text.parse::<i64>().ok(),
            _ => None,
        };
        match (fixed, asked.or(written)) {
            (Some(fixed), Some(asked)) if fixed != asked => {
                plan_err!(
                    "{function}: model '{location}' takes images of {name} {fixed}, got {name} => {asked}; leave it out"
                )
            }
            (Some(side), _) | (None, Some(side)) if SIDES.contains(&side) => Ok(side as u32),
            (Some(side), _) | (None, Some(side)) => {
                plan_err!("{function}: model '{location}': {name} must be 1 to 65535 pixels, got {side}")
            }
            (None, None) => {
                plan_err!(
                    "{function}: model '{location}' takes images of any {name} and says none; give {name} => 224 or another"
                )
            }
        }
    }
}
