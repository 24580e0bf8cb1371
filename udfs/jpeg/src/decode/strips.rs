//! From rows of MCUs to rows of pixels.

use std::ops::Range;

use super::pixels::{Color, PixelRows};
use super::planes::{Plane, Sampling, Upsampler, aligned, needs_neighbours};
use super::{Decoding, Rows, Window};
use crate::kernels::Kernels;

/// Makes rows of pixels of strips of samples: of a row of MCUs, all but the last row if that waits for its neighbour below.
pub(super) struct Strips<'a> {
    height: usize,
    samplings: &'a [Sampling],
    /// How many of the components the pixels are made from.
    pub(super) used: usize,
    /// MCUs across and down.
    pub(super) mcus: (usize, usize),
    /// Pixels of an MCU, across.
    strip_width: usize,
    /// Rows of pixels of a row of MCUs.
    strip: usize,
    /// Rows that wait: one or none.
    waiting: usize,
    window: Window,
    /// The columns that are computed.
    columns: Range<usize>,
    channels: u8,
    pixels: PixelRows,
}

impl<'a> Strips<'a> {
    pub(super) fn new(
        (width, height): (u32, u32),
        samplings: &'a [Sampling],
        color: Color,
        decoding: &Decoding,
        kernels: &'static Kernels,
    ) -> Self {
        let (width, height) = (width as usize, height as usize);
        let most = |pixels: fn(&Sampling) -> usize| samplings.iter().map(pixels).max().unwrap_or(1);
        let across = most(|sampling| sampling.blocks.0 * sampling.size * sampling.pixels.0);
        let strip = most(|sampling| sampling.blocks.1 * sampling.size * sampling.pixels.1);
        let window = decoding.window.clone().unwrap_or(Window { columns: 0..width, rows: 0..height });
        let window = Window { columns: within(window.columns, width), rows: within(window.rows, height) };
        Self {
            height,
            samplings,
            used: color.components(decoding.channels),
            mcus: (width.div_ceil(across), height.div_ceil(strip)),
            strip_width: across,
            strip,
            waiting: usize::from(samplings.iter().any(needs_neighbours)),
            channels: color.channels(decoding.channels),
            columns: aligned(&window.columns, width, samplings),
            window,
            pixels: PixelRows::new(color, decoding.channels, kernels),
        }
    }

    /// The MCUs that the window is made of, with their neighbours where chroma is filtered.
    pub(super) fn wanted_mcus(&self) -> (Range<usize>, Range<usize>) {
        let is_filtered = self.samplings.iter().any(|sampling| sampling.pixels != (1, 1));
        let around = usize::from(is_filtered);
        let across = self.strip_width;
        let columns = &self.window.columns;
        let rows = &self.window.rows;
        (
            (columns.start / across).saturating_sub(around)..columns.end.div_ceil(across) + around,
            (rows.start / self.strip).saturating_sub(around)..rows.end.div_ceil(self.strip) + around,
        )
    }

    pub(super) fn start(&self, planes: &mut Vec<Plane>, rows: &mut dyn Rows) {
        planes.resize_with(planes.len().max(self.samplings.len()), Plane::default);
        for (plane, sampling) in planes.iter_mut().zip(self.samplings) {
            plane.start(sampling, self.mcus.0);
        }
        rows.start();
    }

    /// Hands on the rows that are complete when a row of MCUs is.
    pub(super) fn give(&mut self, planes: &mut [Plane], strip: usize, upsampler: &mut Upsampler, rows: &mut dyn Rows) {
        let start = strip * self.strip;
        let is_last = strip + 1 == self.mcus.1;
        let end = if is_last { self.height } else { start + self.strip - self.waiting };
        let ready = start.saturating_sub(self.waiting)..end;
        for y in ready.start.max(self.window.rows.start)..ready.end.min(self.window.rows.end) {
            let Some(pixels) = rows.row(y) else { continue };
            let mut samples: [&[u8]; 4] = [&[]; 4];
            for ((samples, plane), sampling) in
                samples.iter_mut().zip(planes.iter_mut()).zip(self.samplings).take(self.used)
            {
                *samples = upsampler.row(plane, sampling, (y, self.columns.clone()), self.pixels.kernels);
            }
            let channels = usize::from(self.channels);
            let end = pixels.len().min(self.columns.end * channels);
            self.pixels.convert(&samples[..self.used], &mut pixels[self.columns.start * channels..end]);
        }
        rows.finish(end);
    }
}

/// What of a range is less than `end`.
fn within(range: Range<usize>, end: usize) -> Range<usize> {
    let start = range.start.min(end);
    start..range.end.clamp(start, end)
}
