//! The flowers of a photo, all of one species.

use super::layer::Layer;
use super::paint::{Ink, Leaf, Outline, direction, ink};
use super::random::Random;
use super::species::Species;

/// One flower in most photos, in the others a few or a bed of them.
pub(super) fn paint_flowers(random: &mut Random, scene: &mut Layer<4>, species: &Species) {
    let flowers = match random.below(20) {
        0..11 => 1,
        11..16 => 2 + random.below(3),
        _ => 6 + random.below(14),
    };
    let petal_inks = random.one_of(species.petal_inks);
    let (width, height) = (scene.width as f32, scene.height as f32);
    let radius = width.min(height) * random.between(0.34, 0.62) / (flowers as f32).sqrt();
    for index in 0..flowers {
        // The nearer ones are lower in the picture, and later.
        let highest = if flowers == 1 { 0.3 } else { 0.1 + 0.7 * index as f32 / flowers as f32 };
        let flower = Flower {
            species,
            petal_inks,
            x: width * random.between(0.2, 0.8),
            y: height * random.between(highest, highest + 0.3),
            radius: radius * random.between(0.75, 1.2),
            tilt: if species.is_cup() { 1.0 } else { random.between(0.65, 1.0) },
        };
        flower.paint_stem(random, scene);
        flower.paint_petals(random, scene);
        if !species.is_cup() {
            flower.paint_centre(random, scene);
        }
    }
}

struct Flower<'a> {
    species: &'a Species,
    petal_inks: [Ink; 2],
    x: f32,
    y: f32,
    radius: f32,
    /// Height over width of what is round when seen from above.
    tilt: f32,
}

impl Flower<'_> {
    fn paint_stem(&self, random: &mut Random, scene: &mut Layer<4>) {
        let stem_ink = random.shade_of(ink(0x4c7828, 40), 0.3);
        scene.paint(&Leaf {
            base: (self.x, self.y),
            direction: direction(random.between(0.2, 0.3)),
            length: scene.height as f32 * 1.3,
            half_width: self.radius * 0.06,
            outline: Outline::Oval,
            base_ink: stem_ink,
            tip_ink: stem_ink,
        });
    }

    fn paint_petals(&self, random: &mut Random, scene: &mut Layer<4>) {
        let Species { petals, rings, fan_turns, petal_half_width, outline, .. } = *self.species;
        let is_cup = self.species.is_cup();
        let (base_y, outer_length, innermost) =
            if is_cup { (self.y + 0.7 * self.radius, 1.4, 0.85) } else { (self.y, 1.0, 0.25) };
        let inks = self.petal_inks.map(|ink| random.shade_of(ink, 0.12));
        for ring in 0..rings {
            let inwards = ring as f32 / rings as f32;
            let length = self.radius * outer_length * (1.0 - (1.0 - innermost) * inwards);
            let first_turns = random.share();
            for petal in 0..petals {
                let turns = if is_cup {
                    // From the outer petals to the middle one, left and right in turn.
                    let side = if petal % 2 == 0 { 0.5 } else { -0.5 };
                    let outwards = (petals - 1 - petal) as f32 / petals as f32;
                    -0.25 + side * outwards * fan_turns + random.between(-0.01, 0.01)
                } else {
                    first_turns + (petal as f32 + random.between(-0.2, 0.2)) / petals as f32
                };
                let (along_x, along_y) = direction(turns);
                let along_y = along_y * self.tilt;
                let seen = (along_x * along_x + along_y * along_y).sqrt();
                scene.paint(&Leaf {
                    base: (self.x, base_y),
                    direction: (along_x / seen, along_y / seen),
                    length: length * seen * random.between(0.9, 1.05),
                    half_width: length * petal_half_width,
                    outline,
                    base_ink: random.shade_of(inks[0], 0.1),
                    tip_ink: random.shade_of(inks[1], 0.1),
                });
            }
        }
    }

    fn paint_centre(&self, random: &mut Random, scene: &mut Layer<4>) {
        let radius = self.radius * self.species.centre_radius;
        let dark_ink = self.species.centre_ink.map(|value| value / 2.0);
        let mut paint_disc = |x: f32, y: f32, radius: f32, top_ink: Ink| {
            scene.paint(&Leaf {
                base: (x, y - radius * self.tilt),
                direction: (0.0, 1.0),
                length: 2.0 * radius * self.tilt,
                half_width: radius,
                outline: Outline::Oval,
                base_ink: top_ink,
                tip_ink: dark_ink,
            });
        };
        paint_disc(self.x, self.y, radius, self.species.centre_ink);
        // Florets stand in the spiral of a sunflower, each a golden section of a turn on.
        let florets = (radius * radius / 10.0).clamp(6.0, 150.0) as usize;
        for floret in 0..florets {
            let outwards = radius * 0.93 * ((floret as f32 + 0.5) / florets as f32).sqrt();
            let (along_x, along_y) = direction(floret as f32 * 0.381_966);
            let (x, y) = (self.x + along_x * outwards, self.y + along_y * outwards * self.tilt);
            let floret_ink = random.shade_of(self.species.centre_ink, 0.45);
            paint_disc(x, y, radius * 0.9 / (florets as f32).sqrt(), floret_ink);
        }
    }
}
