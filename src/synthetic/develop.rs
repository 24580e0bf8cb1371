//! From a painted scene to the pixels of a photo.

use super::layer::{Layer, halved};
use super::random::{Grain, Random};

/// Lays the texture of surfaces and the noise of a camera over the scene, and exposes it.
///
/// The ranges are fitted to flower_photos: bytes per pixel, brightness, contrast, edges.
pub(super) fn develop(random: &mut Random, scene: &Layer<4>) -> Vec<[u8; 3]> {
    let mut grain = random.grain();
    let growth = random.between(0.75, 1.1);
    let texture = noise_of_all_scales(&mut grain, (scene.width, scene.height), growth);
    let spread = random.share();
    // A larger copy of a photo has less detail per pixel.
    let long_side = scene.width.max(scene.height) as f32;
    let sharpness = (0.35 + 0.45 * spread + 0.9 * spread * spread * spread) * (320.0 / long_side).clamp(0.4, 1.3);
    let relief = random.between(0.0024, 0.0072) * sharpness;
    let noise = random.between(0.25, 4.5) * sharpness;
    let exposure = random.between(0.85, 1.2);
    let contrast = random.between(1.0, 1.6);
    let mut photo = vec![[0; 3]; scene.pixels.len()];
    let pairs = scene.pixels.chunks(2).zip(texture.pixels.chunks(2));
    for (pair, (scene, texture)) in photo.chunks_mut(2).zip(pairs) {
        let grains = grain.next_eight();
        for (i, pixel) in pair.iter_mut().enumerate() {
            let [colour @ .., strength] = &scene[i];
            let light = exposure + texture[i][0] * strength * relief;
            for c in 0..3 {
                let speckle = (2.0 * grains[4 * i + 3] + grains[4 * i + c]) * noise;
                let value = (colour[c] + 12.0) * light + speckle;
                // The cast holds the value between 0 and 255.
                pixel[c] = (110.0 + (value - 110.0) * contrast) as u8;
            }
        }
    }
    photo
}

/// Noise of amplitude 1 per pixel, times `growth` per doubling of the scale.
fn noise_of_all_scales(grain: &mut Grain, size: (usize, usize), growth: f32) -> Layer<1> {
    let halvings = size.0.max(size.1).ilog2().saturating_sub(2).min(7);
    let mut amplitude = (0..halvings).fold(1.0, |amplitude, _| amplitude * growth);
    let mut layer = Layer::new(halved(size, halvings));
    add_noise(grain, &mut layer, amplitude);
    for times in (0..halvings).rev() {
        layer = layer.doubled(halved(size, times));
        amplitude /= growth;
        add_noise(grain, &mut layer, amplitude);
    }
    layer
}

fn add_noise(grain: &mut Grain, layer: &mut Layer<1>, amplitude: f32) {
    for pixels in layer.pixels.chunks_mut(8) {
        for ([value], noise) in pixels.iter_mut().zip(grain.next_eight()) {
            *value += noise * amplitude;
        }
    }
}
