//! Tensors: images of one size as lists of numbers of one length, scaled and normalised.

use std::sync::Arc;

use datafusion::common::{Result, plan_err};

use super::arguments::{Choice, Values};
use super::pixels::PixelsRef;

/// The type of a tensor's values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Dtype {
    #[default]
    Float32,
    Uint8,
}

/// The order of a tensor's dimensions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Height, width, channels: TensorFlow's.
    #[default]
    Hwc,
    /// Channels, height, width: PyTorch's.
    Chw,
}

impl Choice for Dtype {
    const CHOICES: &'static [(&'static str, Self)] = &[("float32", Self::Float32), ("uint8", Self::Uint8)];
}

impl Choice for Layout {
    const CHOICES: &'static [(&'static str, Self)] = &[("hwc", Self::Hwc), ("chw", Self::Chw)];
}

impl Layout {
    /// Writes an image that has the tensor's size, value by value.
    pub(crate) fn write<T: Copy>(self, image: PixelsRef<'_>, tensor: &mut [T], value: impl Fn(usize, u8) -> T) {
        let channels = usize::from(image.channels);
        let pixels = image.values.chunks_exact(channels);
        match self {
            Layout::Hwc => {
                for (pixel, to) in pixels.zip(tensor.chunks_exact_mut(channels)) {
                    for (channel, (from, to)) in pixel.iter().zip(to).enumerate() {
                        *to = value(channel, *from);
                    }
                }
            }
            Layout::Chw => {
                let plane = image.values.len() / channels;
                for (channel, plane) in tensor.chunks_exact_mut(plane).enumerate() {
                    for (pixel, to) in pixels.clone().zip(plane) {
                        *to = value(channel, pixel[channel]);
                    }
                }
            }
        }
    }
}

/// A number of channels in words.
pub(crate) fn counted(channels: u8) -> String {
    let noun = if channels == 1 { "channel" } else { "channels" };
    format!("{channels} {noun}")
}

/// What becomes of a pixel's value: (value * scale - mean) / std, in single precision.
pub(crate) struct Normalisation {
    scale: f32,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalisation {
    /// Reads scale, mean and std of a call.
    ///
    /// # Errors
    /// Lists of another length, and numbers that give none.
    pub(crate) fn try_new(values: &Values<'_>, channels: u8) -> Result<Self> {
        let scale = values.number("scale")?.unwrap_or(1.0);
        let (mean, std) = (values.numbers("mean")?, values.numbers("std")?);
        let (mean, std) = (mean.unwrap_or_else(|| vec![0.0]), std.unwrap_or_else(|| vec![1.0]));
        Self::of(values.function, scale, (&mean, &std), channels)
    }

    /// Takes a scale, and a mean and a std that are one number each or a list of one for each channel.
    ///
    /// # Errors
    /// Lists of another length, and numbers that give none.
    pub(crate) fn of(function: &str, scale: f64, (mean, std): (&[f64], &[f64]), channels: u8) -> Result<Self> {
        let per_channel = |name: &str, numbers: &[f64]| {
            let count = usize::from(channels);
            match numbers {
                [number] => Ok(vec![*number as f32; count]),
                numbers if numbers.len() == count => Ok(numbers.iter().map(|number| *number as f32).collect()),
                numbers => plan_err!(
                    "{function}: {name} must be a number or a list of one for each of {}, got {}",
                    counted(channels),
                    numbers.len()
                ),
            }
        };
        let (mean, std) = (per_channel("mean", mean)?, per_channel("std", std)?);
        if std.contains(&0.0) {
            return plan_err!("{function}: std must not be 0 in single precision, got 0");
        }
        Ok(Self { scale: scale as f32, mean, std })
    }

    /// The value of every pixel value, channel by channel.
    ///
    /// # Errors
    /// Values that don't fit into single precision.
    pub(crate) fn values(&self, function: &str) -> Result<Arc<[[f32; 256]]>> {
        let mut values = Vec::with_capacity(self.mean.len());
        for (mean, std) in self.mean.iter().zip(&self.std) {
            let value = |pixel: usize| (pixel as f32 * self.scale - mean) / std;
            let channel: [f32; 256] = std::array::from_fn(value);
            if let Some(pixel) = channel.iter().position(|value| !value.is_finite()) {
                return plan_err!(
                    "{}: scale, mean and std must give values that fit in float32, got {} for a pixel of {pixel}",
                    function,
                    channel[pixel]
                );
            }
            values.push(channel);
        }
        Ok(values.into())
    }
}
