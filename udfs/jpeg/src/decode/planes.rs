//! The samples of a few rows of each component, and how they become rows of one size.

use std::ops::Range;

use crate::kernels::{Kernels, upsample};

/// Rows that are kept when a plane goes on: what the filters need of the strip before.
const KEPT: usize = 1;
/// Pixels whose chroma, half as wide, fills a vector.
const ALIGNMENT: usize = 32;

/// How many samples of a component there are, and how they lie on the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sampling {
    /// Blocks of a whole MCU, in both directions.
    pub(super) blocks: (usize, usize),
    /// Samples of a block in each direction: 8, or 4, 2 or 1 where the image is scaled down.
    pub(super) size: usize,
    /// Samples, without what pads them to whole blocks.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels for each sample, in both directions.
    pub(super) pixels: (usize, usize),
    /// Whether samples between the pixels are filtered, not only repeated.
    pub(super) is_filtered: bool,
}

/// The samples of a component in one row of MCUs, and the last row of the MCUs above.
#[derive(Debug, Default)]
pub(super) struct Plane {
    samples: Vec<u8>,
    /// From one row to the next; rows are padded to whole pairs of MCUs, and more.
    pub(super) stride: usize,
    /// Rows of a row of MCUs.
    rows: usize,
    /// The image's row that is the strip's first.
    first: usize,
    /// This component's row, brought to the image's size.
    upsampled: Vec<u8>,
}

impl Plane {
    /// Makes room for rows of `mcus` MCUs.
    pub(super) fn start(&mut self, sampling: &Sampling, mcus: usize) {
        self.stride =
            (mcus.next_multiple_of(2) * sampling.blocks.0 * sampling.size).next_multiple_of(ALIGNMENT) + ALIGNMENT;
        self.rows = sampling.blocks.1 * sampling.size;
        self.first = 0;
        let samples = (self.rows + KEPT) * self.stride;
        if self.samples.len() < samples {
            self.samples.resize(samples, 0);
        }
        let row = (self.stride + 16) * sampling.pixels.0.max(1);
        if self.upsampled.len() < row {
            self.upsampled.resize(row, 0);
        }
    }

    /// The samples from a column of the strip's row on.
    pub(super) fn at(&mut self, row: usize, column: usize) -> &mut [u8] {
        &mut self.samples[(KEPT + row) * self.stride + column..]
    }

    /// Goes on to the next row of MCUs.
    pub(super) fn advance(&mut self) {
        let last = self.rows * self.stride;
        self.samples.copy_within(last..last + KEPT * self.stride, 0);
        self.first += self.rows;
    }

    /// A row of the image that is in the strip, or the last one above it.
    fn row(&self, row: usize) -> &[u8] {
        let start = (row + KEPT - self.first) * self.stride;
        &self.samples[start..start + self.stride]
    }
}

/// The columns that are computed for a window: whole vectors, of the chroma too, with a sample more on each side for the filters.
pub(super) fn aligned(window: &Range<usize>, width: usize, samplings: &[Sampling]) -> Range<usize> {
    let all = 0..width.next_multiple_of(ALIGNMENT);
    if samplings.iter().any(|sampling| sampling.pixels.0 > 2) {
        return all;
    }
    let start = window.start.saturating_sub(2) / ALIGNMENT * ALIGNMENT;
    start..window.end.next_multiple_of(ALIGNMENT).clamp(start, all.end)
}

/// Whether libjpeg's filter for this component reads the rows above and below.
pub(super) fn needs_neighbours(sampling: &Sampling) -> bool {
    sampling.is_filtered && matches!((sampling.pixels, sampling.width), ((1, 2), _) | ((2, 2), 3..))
}

/// Brings components' rows to the image's size.
#[derive(Debug, Default)]
pub(super) struct Upsampler {
    sums: Vec<i16>,
}

impl Upsampler {
    /// The samples of a component in the image's row `y`, one for each of the pixels in `columns`, which are [`aligned`].
    pub(super) fn row<'a>(
        &mut self,
        plane: &'a mut Plane,
        sampling: &Sampling,
        (y, columns): (usize, Range<usize>),
        kernels: &Kernels,
    ) -> &'a [u8] {
        let (across, down) = sampling.pixels;
        if (across, down) == (1, 1) {
            return &plane.row(y)[columns];
        }
        let pixels = columns.len();
        let mut upsampled = std::mem::take(&mut plane.upsampled);
        let near = y / down;
        let far = if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(sampling.height - 1) };
        // The samples from the first column on, and those that the row has there.
        let first = columns.start / across;
        let width = sampling.width - first;
        let samples = first..first + width.min(columns.len() / across + 1).next_multiple_of(16);
        self.sums.resize(self.sums.len().max(width + 2 * upsample::MARGIN + 16), 0);
        let near = &plane.row(near)[samples.clone()];
        let target = &mut upsampled[..pixels];
        // libjpeg repeats chroma of one or two columns, and all that isn't halved.
        match (across, down) {
            _ if !sampling.is_filtered => repeat(near, across, target),
            (1, 2) => {
                let bias = if y % 2 == 0 { 1 } else { 2 };
                (kernels.vertical)(near, &plane.row(far)[samples], bias, target);
            }
            (2, 1) if sampling.width > 2 => {
                (kernels.horizontal)(near, width, &mut self.sums, target);
            }
            (2, 2) if sampling.width > 2 => {
                (kernels.both)(near, &plane.row(far)[samples], width, &mut self.sums, target);
            }
            _ => repeat(near, across, target),
        }
        plane.upsampled = upsampled;
        &plane.upsampled[..pixels]
    }
}

/// Repeats each sample for `across` pixels.
fn repeat(samples: &[u8], across: usize, pixels: &mut [u8]) {
    for (pixels, sample) in pixels.chunks_mut(across).zip(samples) {
        pixels.fill(*sample);
    }
}
