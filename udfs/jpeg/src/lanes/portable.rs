//! The vectors as plain arrays, for any processor: loops that a compiler can vectorise.

use super::{Lanes, Wide};

/// Sixteen 16-bit integers in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portable([i16; 16]);

/// Sixteen 32-bit integers in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortableWide([i32; 16]);

impl Portable {
    #[inline(always)]
    fn map(self, operation: impl Fn(i16) -> i16) -> Self {
        Self(std::array::from_fn(|lane| operation(self.0[lane])))
    }

    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(i16, i16) -> i16) -> Self {
        Self(std::array::from_fn(|lane| operation(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Portable {
    type Wide = PortableWide;

    #[inline(always)]
    fn splat(value: i16) -> Self {
        Self([value; 16])
    }

    #[inline(always)]
    fn load(values: &[i16; 16]) -> Self {
        Self(*values)
    }

    #[inline(always)]
    fn store(self, values: &mut [i16; 16]) {
        *values = self.0;
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8; 16]) -> Self {
        Self(std::array::from_fn(|lane| i16::from(bytes[lane])))
    }

    #[inline(always)]
    fn to_bytes(self) -> [u8; 16] {
        std::array::from_fn(|lane| self.0[lane].clamp(0, 255) as u8)
    }

    #[inline(always)]
    fn to_samples(self) -> [u8; 16] {
        std::array::from_fn(|lane| (self.0[lane].clamp(-128, 127) + 128) as u8)
    }

    #[inline(always)]
    fn alternate(self, other: Self) -> [u8; 32] {
        std::array::from_fn(|byte| if byte % 2 == 0 { self.0[byte / 2] as u8 } else { other.0[byte / 2] as u8 })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, i16::wrapping_add)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, i16::wrapping_sub)
    }

    #[inline(always)]
    fn multiply_low(self, other: Self) -> Self {
        self.zip(other, i16::wrapping_mul)
    }

    #[inline(always)]
    fn multiply_high(self, other: Self) -> Self {
        self.zip(other, |one, other| ((i32::from(one) * i32::from(other)) >> 16) as i16)
    }

    #[inline(always)]
    fn multiply_high_unsigned(self, other: Self) -> Self {
        self.zip(other, |one, other| ((u32::from(one as u16) * u32::from(other as u16)) >> 16) as i16)
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        self.map(|value| value << BITS)
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        self.map(|value| value >> BITS)
    }

    #[inline(always)]
    fn absolute(self) -> Self {
        self.map(i16::wrapping_abs)
    }

    #[inline(always)]
    fn with_signs_of(self, signs: Self) -> Self {
        self.zip(signs, |value, sign| value.wrapping_mul(sign.signum()))
    }

    #[inline(always)]
    fn multiply_add(self, factor: i16, other: Self, other_factor: i16) -> PortableWide {
        let product = |value: i16, factor: i16| i32::from(value) * i32::from(factor);
        PortableWide(std::array::from_fn(|lane| {
            product(self.0[lane], factor).wrapping_add(product(other.0[lane], other_factor))
        }))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.zip(other, |one, other| one | other)
    }

    #[inline(always)]
    fn nonzero(self) -> u16 {
        self.0.iter().rev().fold(0, |bits, value| bits << 1 | u16::from(*value != 0))
    }

    #[inline(always)]
    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        std::array::from_fn(|row| Self(std::array::from_fn(|lane| rows[lane % 8].0[row + lane / 8 * 8])))
    }
}

impl Wide for PortableWide {
    type Narrow = Portable;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }

    #[inline(always)]
    fn add_scalar(self, value: i32) -> Self {
        Self(self.0.map(|lane| lane.wrapping_add(value)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_sub(other.0[lane])))
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Self(self.0.map(|value| value >> BITS))
    }

    #[inline(always)]
    fn narrow(self) -> Portable {
        Portable(self.0.map(|value| value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16))
    }
}
