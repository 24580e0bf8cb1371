//! The species of flower of every class: those of flower_photos, then made up ones.

use super::paint::{Ink, Outline, ink};
use super::random::Random;

/// How the flowers of one class look; lengths are in radii of the flower.
#[derive(Clone, Copy)]
pub(super) struct Species {
    pub(super) petals: usize,
    pub(super) rings: usize,
    pub(super) petal_half_width: f32,
    pub(super) outline: Outline,
    /// 1 is a flower seen from above, less is a cup seen from the side.
    pub(super) fan_turns: f32,
    /// At the base and at the tip of a petal; each photo draws one of the pairs.
    pub(super) petal_inks: [[Ink; 2]; 3],
    pub(super) centre_ink: Ink,
    pub(super) centre_radius: f32,
}

impl Species {
    /// One of [`FLOWERS`], or for a later class one that its number makes up.
    pub(super) fn of_class(class: usize) -> Self {
        if let Some((_, species)) = FLOWERS.get(class) {
            return *species;
        }
        let mut random = Random::of_class(class);
        let mut any_ink = |darkest: f32| {
            let mut channel = || random.between(darkest, 255.0);
            [channel(), channel(), channel(), 36.0]
        };
        let petal_inks = [(); 3].map(|()| [any_ink(0.0), any_ink(80.0)]);
        let centre_ink = any_ink(0.0);
        let petals = 4 + random.below(22);
        Self {
            petals,
            rings: 1 + random.below(3),
            petal_half_width: random.between(1.6, 3.2) / petals as f32,
            outline: random.one_of([Outline::Oval, Outline::Petal, Outline::Blade]),
            fan_turns: random.one_of([1.0, 1.0, 1.0, 0.3]),
            petal_inks,
            centre_ink,
            centre_radius: random.between(0.08, 0.45),
        }
    }

    /// Whether the flower is seen from the side, which hides its centre.
    pub(super) fn is_cup(&self) -> bool {
        self.fan_turns < 1.0
    }
}

/// The classes of flower_photos by name, in the order of their numbers.
pub(super) static FLOWERS: [(&str, Species); 5] = [
    (
        "daisy",
        Species {
            petals: 19,
            rings: 1,
            petal_half_width: 0.13,
            outline: Outline::Petal,
            fan_turns: 1.0,
            petal_inks: [
                [ink(0xd0d2c8, 22), ink(0xfcfaf8, 22)],
                [ink(0xe1dcbe, 22), ink(0xfffdf4, 22)],
                [ink(0x966ebe, 30), ink(0xcdb4f0, 30)],
            ],
            centre_ink: ink(0xf2b414, 50),
            centre_radius: 0.27,
        },
    ),
    (
        "dandelion",
        Species {
            petals: 30,
            rings: 4,
            petal_half_width: 0.07,
            outline: Outline::Petal,
            fan_turns: 1.0,
            petal_inks: [
                [ink(0xcd8c00, 50), ink(0xfcd80c, 50)],
                [ink(0xc48204, 60), ink(0xffe428, 50)],
                [ink(0x787068, 70), ink(0xd8d4ce, 70)],
            ],
            centre_ink: ink(0xe6a60c, 60),
            centre_radius: 0.12,
        },
    ),
    (
        "roses",
        Species {
            petals: 6,
            rings: 5,
            petal_half_width: 0.52,
            outline: Outline::Petal,
            fan_turns: 1.0,
            petal_inks: [
                [ink(0x5c020a, 36), ink(0xd81824, 36)],
                [ink(0xb0345c, 36), ink(0xf89eb2, 32)],
                [ink(0xc4783c, 36), ink(0xfadeb4, 32)],
            ],
            centre_ink: ink(0x78141c, 60),
            centre_radius: 0.07,
        },
    ),
    (
        "sunflowers",
        Species {
            petals: 21,
            rings: 2,
            petal_half_width: 0.15,
            outline: Outline::Blade,
            fan_turns: 1.0,
            petal_inks: [
                [ink(0xd67800, 44), ink(0xffcd10, 44)],
                [ink(0xe29604, 44), ink(0xffe228, 40)],
                [ink(0xaa4608, 50), ink(0xf8aa14, 44)],
            ],
            centre_ink: ink(0x6e4420, 60),
            centre_radius: 0.44,
        },
    ),
    (
        "tulips",
        Species {
            petals: 5,
            rings: 2,
            petal_half_width: 0.27,
            outline: Outline::Oval,
            fan_turns: 0.2,
            petal_inks: [
                [ink(0x960814, 32), ink(0xe42c28, 36)],
                [ink(0xa0146e, 32), ink(0xec78be, 36)],
                [ink(0xde960a, 32), ink(0xfcd83c, 36)],
            ],
            centre_ink: ink(0x5a7828, 40),
            centre_radius: 0.0,
        },
    ),
];
