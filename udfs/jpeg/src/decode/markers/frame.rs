//! Frame headers (ITU-T T.81, B.2.2), and the sizes that follow from them (A.1.1, A.2.4).

use super::source::Source;
use crate::Error;

/// libjpeg's `JPEG_MAX_DIMENSION`.
const LARGEST_SIDE: u16 = 65500;
/// libjpeg's `MAX_COMPONENTS`.
const MOST_COMPONENTS: usize = 10;
/// The largest sampling factor (ITU-T T.81, table B.2).
const LARGEST_FACTOR: u8 = 4;

/// A component of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    /// What scans call it.
    pub(crate) id: u8,
    /// The horizontal sampling factor: 1 to 4.
    pub(crate) horizontal: u8,
    /// The vertical sampling factor: 1 to 4.
    pub(crate) vertical: u8,
    /// The number of its quantisation table, which need not exist.
    pub(crate) quantization: u8,
}

/// What a frame header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// In pixels: 1 to 65500.
    pub(crate) width: u16,
    /// In pixels: 1 to 65500.
    pub(crate) height: u16,
    /// One to ten.
    pub(crate) components: Vec<Component>,
    /// Progressive rather than sequential.
    pub(crate) is_progressive: bool,
    /// Arithmetic rather than Huffman coding.
    pub(crate) is_arithmetic: bool,
    precision: u8,
}

/// How many blocks there are of something, across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) wide: usize,
    pub(crate) high: usize,
}

impl Frame {
    /// Reads a header, which is checked only as far as is needed to read it.
    pub(super) fn read(source: &mut Source<'_>, is_progressive: bool, is_arithmetic: bool) -> Result<Self, Error> {
        let length = source.word();
        let precision = source.byte();
        let (height, width) = (source.word(), source.word());
        let count = source.byte();
        if width == 0 || height == 0 || count == 0 {
            return Err(Error::broken(format!("the image is empty: {width}x{height} pixels, {count} components")));
        }
        if length != 8 + 3 * u16::from(count) {
            return Err(Error::broken(format!("a frame header of {count} components has a length of {length} bytes")));
        }
        let components = (0..count)
            .map(|_| {
                let (id, factors) = (source.byte(), source.byte());
                Component { id, horizontal: factors >> 4, vertical: factors & 15, quantization: source.byte() }
            })
            .collect();
        Ok(Self { width, height, components, is_progressive, is_arithmetic, precision })
    }

    /// Refuses what libjpeg refuses when it comes to the first scan.
    pub(super) fn check(&self) -> Result<(), Error> {
        let (width, height) = (self.width, self.height);
        if width.max(height) > LARGEST_SIDE {
            return Err(Error::TooLarge { what: format!("{width}x{height} pixels; a side may have {LARGEST_SIDE}") });
        }
        if self.precision != 8 {
            return Err(Error::unsupported(format!("{} bits a sample; 8 are decoded", self.precision)));
        }
        if self.components.len() > MOST_COMPONENTS {
            let count = self.components.len();
            return Err(Error::unsupported(format!("{count} components; up to {MOST_COMPONENTS} are decoded")));
        }
        for component in &self.components {
            let (horizontal, vertical) = (component.horizontal, component.vertical);
            if !(1..=LARGEST_FACTOR).contains(&horizontal) || !(1..=LARGEST_FACTOR).contains(&vertical) {
                let id = component.id;
                return Err(Error::broken(format!("component {id} has sampling factors {horizontal}x{vertical}")));
            }
        }
        let (largest_horizontal, largest_vertical) = (self.largest_horizontal(), self.largest_vertical());
        for Component { id, horizontal, vertical, .. } in &self.components {
            if !largest_horizontal.is_multiple_of(*horizontal) || !largest_vertical.is_multiple_of(*vertical) {
                return Err(Error::unsupported(format!(
                    "fractional sampling: {horizontal}x{vertical} of {largest_horizontal}x{largest_vertical} in component {id}"
                )));
            }
        }
        Ok(())
    }

    /// The largest horizontal sampling factor.
    pub(crate) fn largest_horizontal(&self) -> u8 {
        self.components.iter().map(|component| component.horizontal).max().unwrap_or(1)
    }

    /// The largest vertical sampling factor.
    pub(crate) fn largest_vertical(&self) -> u8 {
        self.components.iter().map(|component| component.vertical).max().unwrap_or(1)
    }

    /// How many MCUs the image has where all components are interleaved (ITU-T T.81, A.2.3).
    pub(crate) fn mcus(&self) -> Blocks {
        Blocks {
            wide: usize::from(self.width).div_ceil(8 * usize::from(self.largest_horizontal())),
            high: usize::from(self.height).div_ceil(8 * usize::from(self.largest_vertical())),
        }
    }

    /// How many blocks of a component belong to the image (ITU-T T.81, A.2.2).
    pub(crate) fn blocks(&self, component: &Component) -> Blocks {
        let blocks = |pixels: u16, factor: u8, largest: u8| {
            (usize::from(pixels) * usize::from(factor)).div_ceil(8 * usize::from(largest))
        };
        Blocks {
            wide: blocks(self.width, component.horizontal, self.largest_horizontal()),
            high: blocks(self.height, component.vertical, self.largest_vertical()),
        }
    }

    /// How many blocks a component has where it is completed to whole MCUs (ITU-T T.81, A.2.4).
    pub(crate) fn padded_blocks(&self, component: &Component) -> Blocks {
        let mcus = self.mcus();
        Blocks {
            wide: mcus.wide * usize::from(component.horizontal),
            high: mcus.high * usize::from(component.vertical),
        }
    }
}

/// What the components of an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorSpace {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    /// CMYK whose first three are coded as YCbCr.
    Ycck,
    /// This many components of no known meaning.
    Unknown(usize),
}
