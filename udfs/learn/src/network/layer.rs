//! The layers of a network, and the shapes that they take and give.

use std::fmt;

use super::LayerError;

/// What a layer takes or gives of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An image, row by row, the channels of a pixel side by side.
    Image {
        /// Rows of pixels.
        height: usize,
        /// Pixels of a row.
        width: usize,
        /// Numbers of a pixel.
        channels: usize,
    },
    /// A list of so many numbers.
    List(usize),
}

impl Shape {
    /// How many numbers there are.
    pub fn numbers(self) -> usize {
        match self {
            Self::Image { height, width, channels } => height * width * channels,
            Self::List(numbers) => numbers,
        }
    }

    /// How many numbers belong to the same place.
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Image { channels, .. } => channels,
            Self::List(numbers) => numbers,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { height, width, channels } => write!(f, "{height}x{width}x{channels}"),
            Self::List(numbers) => write!(f, "{numbers}"),
        }
    }
}

/// What becomes of the border of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// Only windows that are whole: the output is smaller.
    #[default]
    Valid,
    /// Zeros around it, so that a stride of 1 keeps its size; of an odd number of them the larger half stands below and on the right.
    Same,
}

/// A layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layer {
    /// Each window of `size` x `size` pixels times a matrix, and a constant for each filter.
    Conv {
        /// Channels of the output.
        filters: usize,
        /// The side of a window.
        size: usize,
        /// From window to window.
        stride: usize,
        /// At the border.
        padding: Padding,
    },
    /// Zero for what is below zero.
    Relu,
    /// The largest value of each channel in windows of `size` x `size` pixels that don't overlap; what is left at the border is left out.
    MaxPool {
        /// The side of a window.
        size: usize,
    },
    /// The mean of each channel in such windows.
    AveragePool {
        /// The side of a window.
        size: usize,
    },
    /// An image as a list.
    Flatten,
    /// A list times a matrix, and a constant for each unit.
    Dense {
        /// Numbers of the output.
        units: usize,
    },
    /// While it is trained, zero for a part of the values, chosen anew in each step; the others are as much larger.
    Dropout {
        /// The part.
        rate: f64,
    },
    /// Each channel less its mean, divided by its deviation, of the rows of a step while it is trained, later of all that came by; times a
    /// factor, plus a constant.
    BatchNorm,
}

/// How much of the mean and the variance of all that came by stays in each step (Keras' default).
pub(super) const BATCH_NORM_MOMENTUM: f64 = 0.99;
/// What is added to variances before they divide.
pub(super) const BATCH_NORM_EPSILON: f64 = 1e-3;

impl Layer {
    /// As SQL calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::Relu => "relu",
            Self::MaxPool { .. } => "max_pool",
            Self::AveragePool { .. } => "average_pool",
            Self::Flatten => "flatten",
            Self::Dense { .. } => "dense",
            Self::Dropout { .. } => "dropout",
            Self::BatchNorm => "batch_norm",
        }
    }

    /// What it gives for what it takes.
    ///
    /// # Errors
    /// An argument out of its range, or a shape that it can't take.
    pub(super) fn output(&self, input: Shape) -> Result<Shape, LayerError> {
        let refuse = |problem: String| Err(LayerError { layer: self.name(), problem });
        let zero = |argument: &str| refuse(format!("{argument} must be 1 or more, got 0"));
        match (*self, input) {
            (Self::Conv { filters: 0, .. }, _) => zero("filters"),
            (Self::Conv { size: 0, .. } | Self::MaxPool { size: 0 } | Self::AveragePool { size: 0 }, _) => zero("size"),
            (Self::Conv { stride: 0, .. }, _) => zero("stride"),
            (Self::Dense { units: 0 }, _) => zero("units"),
            (Self::Dropout { rate }, _) if !(0.0..1.0).contains(&rate) => {
                refuse(format!("rate must be from 0 to below 1, got {rate}"))
            }
            (Self::Relu | Self::Dropout { .. } | Self::BatchNorm, shape) => Ok(shape),
            (Self::Flatten, shape) => Ok(Shape::List(shape.numbers())),
            (Self::Dense { units }, Shape::List(_)) => Ok(Shape::List(units)),
            (Self::Dense { .. }, image) => {
                refuse(format!("it takes a list, got an image of {image}; put flatten() before it"))
            }
            (Self::Conv { filters, size, stride, padding }, Shape::Image { height, width, .. }) => {
                let windows = Windows { size, stride, padding };
                match (windows.count(height), windows.count(width)) {
                    (Some(height), Some(width)) => Ok(Shape::Image { height, width, channels: filters }),
                    _ => refuse(format!("windows of {size}x{size} don't fit into an image of {input}")),
                }
            }
            (Self::MaxPool { size } | Self::AveragePool { size }, Shape::Image { height, width, channels }) => {
                match (height / size, width / size) {
                    (0, _) | (_, 0) => refuse(format!("windows of {size}x{size} don't fit into an image of {input}")),
                    (height, width) => Ok(Shape::Image { height, width, channels }),
                }
            }
            (_, list) => refuse(format!("it takes an image, got a list of {list} numbers")),
        }
    }

    /// How many weights it has: a matrix row by row, then the constants; of `batch_norm` factors, constants, means and variances.
    pub(super) fn weights(&self, input: Shape) -> usize {
        let inputs = input.channels();
        match self {
            Self::Conv { filters, size, .. } => (size * size * inputs + 1).saturating_mul(*filters),
            Self::Dense { units } => (inputs + 1).saturating_mul(*units),
            Self::BatchNorm => 4 * inputs,
            _ => 0,
        }
    }
}

/// Windows along a side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) size: usize,
    pub(super) stride: usize,
    pub(super) padding: Padding,
}

impl Windows {
    /// How many there are; `None` where not one fits.
    pub(super) fn count(self, length: usize) -> Option<usize> {
        match self.padding {
            Padding::Valid => Some(length.checked_sub(self.size)? / self.stride + 1),
            Padding::Same => (length > 0).then(|| length.div_ceil(self.stride)),
        }
    }

    /// How many zeros stand before the first place.
    pub(super) fn before(self, length: usize) -> usize {
        match self.padding {
            Padding::Valid => 0,
            Padding::Same => {
                let last = (length.div_ceil(self.stride) - 1) * self.stride + self.size;
                last.saturating_sub(length) / 2
            }
        }
    }
}
