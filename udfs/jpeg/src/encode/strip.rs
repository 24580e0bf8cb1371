//! A row of minimum coded units as samples: colours converted, chroma halved, the edges repeated as libjpeg repeats them.

use super::frame::Frame;
use super::{PixelLayout, Subsampling};
use crate::kernels::Kernels;

/// The samples of a row of units, whole units everywhere.
#[derive(Default)]
pub(super) struct Strip {
    /// The rows of each component.
    planes: [Vec<u8>; 3],
    /// Two rows of both chromas before they are halved.
    chroma: [[Vec<u8>; 2]; 2],
}

/// What an image's pixels are.
#[derive(Clone, Copy)]
pub(super) struct Image<'a> {
    pub(super) pixels: &'a [u8],
    pub(super) layout: PixelLayout,
    pub(super) subsampling: Subsampling,
}

impl Strip {
    /// Makes the planes as large as the frame's rows of units.
    pub(super) fn fit(&mut self, frame: &Frame) {
        for (plane, component) in self.planes.iter_mut().zip(frame.components()) {
            plane.resize(component.stride * component.down * 8, 0);
        }
        let widest = frame.components()[0].stride;
        self.chroma.as_flattened_mut().iter_mut().for_each(|row| row.resize(widest, 0));
    }

    /// The samples of a component.
    pub(super) fn plane(&self, component: usize) -> &[u8] {
        &self.planes[component]
    }

    /// Takes the pixels of a row of units. What is below the image repeats its last row.
    pub(super) fn fill(&mut self, kernels: &Kernels, frame: &Frame, image: Image, row_of_units: usize) {
        let rows = frame.components()[0].down * 8;
        let first = row_of_units * rows;
        let real = rows.min(frame.height - first);
        let row_bytes = frame.width * image.layout.bytes();
        let pixels = image.pixels.chunks_exact(row_bytes).skip(first).take(real);
        match (image.layout, image.subsampling) {
            (PixelLayout::Gray, _) => self.gray(frame, pixels),
            (_, Subsampling::Full) => self.full(kernels, frame, image.layout, pixels),
            (_, Subsampling::HalfWidth) => self.half_width(kernels, frame, image.layout, pixels),
            (_, Subsampling::Quarter) => self.quarter(kernels, frame, image.layout, pixels),
        }
        for (plane, component) in self.planes.iter_mut().zip(frame.components()) {
            let rows_with_samples = (real * component.down * 8).div_ceil(rows);
            repeat_last_row(plane, component.stride, rows_with_samples);
        }
    }

    fn gray<'a>(&mut self, frame: &Frame, pixels: impl Iterator<Item = &'a [u8]>) {
        let rows = self.planes[0].chunks_exact_mut(frame.components()[0].stride);
        for (row, pixels) in rows.zip(pixels) {
            let (samples, beyond) = row.split_at_mut(pixels.len());
            samples.copy_from_slice(pixels);
            beyond.fill(pixels.last().copied().unwrap_or(0));
        }
    }

    fn full<'a>(
        &mut self,
        kernels: &Kernels,
        frame: &Frame,
        layout: PixelLayout,
        pixels: impl Iterator<Item = &'a [u8]>,
    ) {
        let stride = frame.components()[0].stride;
        let [luma, blue, red] = self.planes.each_mut().map(|plane| plane.chunks_exact_mut(stride));
        for (((luma, blue), red), pixels) in luma.zip(blue).zip(red).zip(pixels) {
            layout.to_ycc(kernels, pixels, [luma, blue, red]);
        }
    }

    fn half_width<'a>(
        &mut self,
        kernels: &Kernels,
        frame: &Frame,
        layout: PixelLayout,
        pixels: impl Iterator<Item = &'a [u8]>,
    ) {
        let strides = frame.components().iter().map(|component| component.stride);
        let mut rows = self.planes.iter_mut().zip(strides).map(|(plane, stride)| plane.chunks_exact_mut(stride));
        let (Some(luma), Some(blue), Some(red)) = (rows.next(), rows.next(), rows.next()) else { return };
        let [[wide_blue, _], [wide_red, _]] = &mut self.chroma;
        for (((luma, blue), red), pixels) in luma.zip(blue).zip(red).zip(pixels) {
            layout.to_ycc(kernels, pixels, [luma, wide_blue, wide_red]);
            (kernels.halve_width)(wide_blue, blue);
            (kernels.halve_width)(wide_red, red);
        }
    }

    fn quarter<'a>(
        &mut self,
        kernels: &Kernels,
        frame: &Frame,
        layout: PixelLayout,
        mut pixels: impl Iterator<Item = &'a [u8]>,
    ) {
        let [luma_stride, chroma_stride] = [0, 1].map(|component| frame.components()[component].stride);
        let [luma, blue, red] = &mut self.planes;
        let luma = luma.chunks_exact_mut(2 * luma_stride);
        let chroma = blue.chunks_exact_mut(chroma_stride).zip(red.chunks_exact_mut(chroma_stride));
        let [[upper_blue, lower_blue], [upper_red, lower_red]] = &mut self.chroma;
        for (luma, (blue, red)) in luma.zip(chroma) {
            let Some(upper) = pixels.next() else { return };
            let lower = pixels.next().unwrap_or(upper);
            let (upper_luma, lower_luma) = luma.split_at_mut(luma_stride);
            layout.to_ycc(kernels, upper, [upper_luma, upper_blue, upper_red]);
            layout.to_ycc(kernels, lower, [lower_luma, lower_blue, lower_red]);
            (kernels.halve_both)(upper_blue, lower_blue, blue);
            (kernels.halve_both)(upper_red, lower_red, red);
        }
    }
}

impl PixelLayout {
    fn to_ycc(self, kernels: &Kernels, pixels: &[u8], planes: [&mut [u8]; 3]) {
        match self {
            Self::Rgbx => (kernels.rgbx_to_ycc)(pixels, planes),
            Self::Rgb | Self::Gray => (kernels.rgb_to_ycc)(pixels, planes),
        }
    }
}

/// Repeats the last of the first rows in all that follow.
fn repeat_last_row(plane: &mut [u8], stride: usize, rows: usize) {
    let (real, missing) = plane.split_at_mut(rows * stride);
    let last = &real[(rows - 1) * stride..];
    missing.chunks_exact_mut(stride).for_each(|row| row.copy_from_slice(last));
}
