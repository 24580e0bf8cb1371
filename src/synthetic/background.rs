//! What is behind the flowers: a gradient with leaves or grass, in focus or not.

use super::layer::{Layer, halved};
use super::paint::{Ink, Leaf, Outline, direction, ink};
use super::random::Random;

use self::Backdrop::{Meadow, Plain, Thicket};

/// A scene of `size` without flowers.
pub(super) fn paint_background(random: &mut Random, size: (usize, usize)) -> Layer<4> {
    let backdrop = random.one_of([Plain, Plain, Meadow, Meadow, Meadow, Thicket, Thicket, Thicket, Thicket, Thicket]);
    // Painted small and enlarged is out of focus.
    let halvings = match backdrop {
        Plain => 4,
        Meadow | Thicket => random.one_of([0, 0, 1, 1, 2, 2, 3]),
    };
    let texture = if halvings == 0 { 60 } else { 40 >> halvings };
    let gradient = Gradient::of(backdrop, texture, random);
    let mut layer = Layer::new(halved(size, halvings));
    gradient.fill(&mut layer);

    let leaves = match backdrop {
        Plain => 12,
        Meadow | Thicket => 60 + random.below(240),
    };
    let highest = match backdrop {
        Meadow => gradient.horizon_at,
        Plain | Thicket => 0.0,
    };
    paint_leaves(random, &mut layer, leaves, gradient.ground, highest);
    (0..halvings).rev().fold(layer, |layer, times| layer.doubled(halved(size, times)))
}

#[derive(Clone, Copy)]
enum Backdrop {
    /// One colour.
    Plain,
    /// Sky over green ground.
    Meadow,
    /// Green all over.
    Thicket,
}

/// Two gradients, one above and one below the horizon.
struct Gradient {
    top: Ink,
    horizon: Ink,
    far_ground: Ink,
    ground: Ink,
    /// Height of the horizon: 0 is the top of the picture, 1 the bottom.
    horizon_at: f32,
}

impl Gradient {
    fn of(backdrop: Backdrop, texture: u8, random: &mut Random) -> Self {
        let green = random.shade_of(ink(0x3c5a1e, texture), 0.4);
        let (top, horizon, ground) = match backdrop {
            Plain => {
                let colour = random.one_of([0x141414, 0x0a140a, 0x50323c, 0xc8c8c8, 0x8ca078, 0x325078]);
                let plain = random.shade_of(ink(colour, texture), 0.3);
                (plain, random.shade_of(plain, 0.4), random.shade_of(plain, 0.4))
            }
            Meadow => {
                let colour = random.one_of([0x6e96d2, 0x9cb4d8, 0xc8ccd0]);
                let sky = random.shade_of(ink(colour, 6), 0.25);
                (sky, random.shade_of(ink(0xd8dede, 8), 0.1), green)
            }
            Thicket => (green, random.shade_of(green, 0.5), random.shade_of(green, 0.6)),
        };
        let far_ground = match backdrop {
            Meadow => random.shade_of(ground, 0.3),
            Plain | Thicket => horizon,
        };
        Self { top, horizon, far_ground, ground, horizon_at: random.between(0.2, 0.7) }
    }

    fn fill(&self, layer: &mut Layer<4>) {
        let horizon_at = self.horizon_at;
        for (y, row) in layer.pixels.chunks_exact_mut(layer.width).enumerate() {
            let at = (y as f32 + 0.5) / layer.height as f32;
            let (from, to, share) = if at < horizon_at {
                (self.top, self.horizon, at / horizon_at)
            } else {
                (self.far_ground, self.ground, (at - horizon_at) / (1.0 - horizon_at))
            };
            row.fill([0, 1, 2, 3].map(|c| from[c] + (to[c] - from[c]) * share));
        }
    }
}

/// Few large and many small leaves: occlusion gives a picture the statistics of natural images
/// (the dead-leaves model).
fn paint_leaves(random: &mut Random, layer: &mut Layer<4>, leaves: usize, ground: Ink, highest: f32) {
    let (width, height) = (layer.width as f32, layer.height as f32);
    let is_grass = random.one_of([true, true, false, false, false]);
    for _ in 0..leaves {
        let size = width.min(height) * 0.03 / (0.06 + random.share());
        let turns = if is_grass { random.between(-0.34, -0.16) } else { random.share() };
        let x = width * random.between(-0.05, 1.05);
        let y = height * random.between(highest, 1.1);
        let (length, half_width) = if is_grass { (3.0, 0.12) } else { (2.0, random.between(0.15, 0.6)) };
        layer.paint(&Leaf {
            base: (x, y),
            direction: direction(turns),
            length: size * length,
            half_width: size * half_width,
            outline: Outline::Blade,
            base_ink: random.shade_of(ground, 0.8),
            tip_ink: random.shade_of([122.0, 154.0, 72.0, ground[3]], 0.6),
        });
    }
}
