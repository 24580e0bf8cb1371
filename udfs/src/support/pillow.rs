//! Pillow's resampling of grey images, value for value: what Python's tools that look at small images start from.
//!
//! As in Pillow up to version 12 rows are resampled first, and rounded; version 13 begins with columns where it finds that cheaper.

use std::f64::consts::PI;

use super::pixels::PixelsRef;

/// The bits behind the point of a weight, as in Pillow's `Resample.c`.
const PRECISION: u32 = 22;

/// The luma of an image at another size: `image.convert('L').resize((width, height), Image.LANCZOS)`.
pub(crate) fn lanczos(image: PixelsRef<'_>, width: usize, height: usize) -> Vec<u8> {
    let luma = image.with_channels(1);
    let (from_width, from_height) = (image.width as usize, image.height as usize);
    let narrow = if width == from_width { luma } else { rows_resampled(&luma, from_width, width) };
    if height == from_height {
        return narrow;
    }
    transposed(&rows_resampled(&transposed(&narrow, width), from_height, height), height)
}

/// Columns as rows, of an image of this width.
fn transposed(values: &[u8], width: usize) -> Vec<u8> {
    (0..width).flat_map(|column| values.iter().skip(column).step_by(width).copied()).collect()
}

/// Brings rows of one length to another.
fn rows_resampled(values: &[u8], from: usize, to: usize) -> Vec<u8> {
    let windows: Vec<Window> = (0..to).map(|at| Window::new(at, from, to)).collect();
    let mut resampled = Vec::with_capacity(values.len() / from * to);
    for row in values.chunks_exact(from) {
        for Window { start, weights } in &windows {
            let products = row[*start..].iter().zip(weights).map(|(value, weight)| i32::from(*value) * weight);
            let sum = (1 << (PRECISION - 1)) + products.sum::<i32>();
            resampled.push((sum >> PRECISION).clamp(0, 255) as u8);
        }
    }
    resampled
}

/// The values that one of the result is made of.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

impl Window {
    fn new(at: usize, from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let reach = 3.0 * stretch;
        let centre = (at as f64 + 0.5) * scale;
        let start = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let weight = |value: usize| lanczos3((value as f64 - centre + 0.5) * (1.0 / stretch));
        let weights: Vec<f64> = (start..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / sum * f64::from(1 << PRECISION)).round() as i32;
        Self { start, weights: weights.iter().map(fixed).collect() }
    }
}

fn lanczos3(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}
