//! Random values that are the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::paint::Ink;

/// Random values that depend on what it was made for, and on nothing else.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn of_photo(seed: u64, index: usize) -> Self {
        Self::of([1, seed, index as u64])
    }

    pub(super) fn of_class(class: usize) -> Self {
        Self::of([2, class as u64, 0])
    }

    pub(super) fn of_hostile(seed: u64, number: usize) -> Self {
        Self::of([3, seed, number as u64])
    }

    pub(super) fn of_layer(layer: usize) -> Self {
        Self::of([4, layer as u64, 0])
    }

    fn of(words: [u64; 3]) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 0 or more, less than 1.
    pub(super) fn share(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.share()
    }

    /// 0 or more, less than `count`, which must be less than 2^24.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.share() * count as f32) as usize
    }

    pub(super) fn one_of<T: Copy, const N: usize>(&mut self, options: [T; N]) -> T {
        options[self.below(N)]
    }

    /// The ink, lighter or darker by up to `amount` and tinted by up to a third of that.
    pub(super) fn shade_of(&mut self, ink: Ink, amount: f32) -> Ink {
        let light = 1.0 + self.between(-amount, amount);
        let mut channel = |value: f32| {
            let tint = 1.0 + self.between(-amount, amount) / 3.0;
            (value * light * tint).min(255.0)
        };
        [channel(ink[0]), channel(ink[1]), channel(ink[2]), ink[3]]
    }

    /// Starts the values that are needed per pixel.
    pub(super) fn grain(&mut self) -> Grain {
        Grain(self.0.next_u64())
    }
}

/// Random values eight at a time (SplitMix64), 8 bits each.
pub(super) struct Grain(u64);

impl Grain {
    /// From -1 to less than 1.
    pub(super) fn next_eight(&mut self) -> [f32; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bytes = (word ^ word >> 31).to_le_bytes();
        bytes.map(|byte| f32::from(byte) / 128.0 - 1.0)
    }
}
