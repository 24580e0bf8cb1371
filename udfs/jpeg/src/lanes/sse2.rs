//! The vectors in the registers of SSE2, which every x86-64 has: two of eight lanes.
#![expect(unsafe_code, reason = "intrinsics, for which the callers of the kernels have checked the processor")]

use std::arch::x86_64::*;

use super::{Lanes, Wide, pair};

/// Sixteen 16-bit integers in two registers of SSE2.
#[derive(Clone, Copy)]
pub(crate) struct Sse2(__m128i, __m128i);

/// Sixteen 32-bit integers in order.
#[derive(Clone, Copy)]
pub(crate) struct Sse2Wide([__m128i; 4]);

impl Sse2 {
    #[inline(always)]
    fn map(self, operation: impl Fn(__m128i) -> __m128i) -> Self {
        Self(operation(self.0), operation(self.1))
    }

    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(__m128i, __m128i) -> __m128i) -> Self {
        Self(operation(self.0, other.0), operation(self.1, other.1))
    }
}

// SAFETY of all blocks in this implementation: SSE2 is part of x86-64; loads and stores go through references to arrays of their size.
impl Lanes for Sse2 {
    type Wide = Sse2Wide;

    #[inline(always)]
    fn splat(value: i16) -> Self {
        let all = unsafe { _mm_set1_epi16(value) };
        Self(all, all)
    }

    #[inline(always)]
    fn load(values: &[i16; 16]) -> Self {
        unsafe {
            let start: *const __m128i = values.as_ptr().cast();
            Self(_mm_loadu_si128(start), _mm_loadu_si128(start.add(1)))
        }
    }

    #[inline(always)]
    fn store(self, values: &mut [i16; 16]) {
        unsafe {
            let start: *mut __m128i = values.as_mut_ptr().cast();
            _mm_storeu_si128(start, self.0);
            _mm_storeu_si128(start.add(1), self.1);
        }
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8; 16]) -> Self {
        unsafe {
            let (bytes, zero) = (_mm_loadu_si128(bytes.as_ptr().cast()), _mm_setzero_si128());
            Self(_mm_unpacklo_epi8(bytes, zero), _mm_unpackhi_epi8(bytes, zero))
        }
    }

    #[inline(always)]
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm_packus_epi16(self.0, self.1)) }
        bytes
    }

    #[inline(always)]
    fn to_samples(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        unsafe {
            let samples = _mm_add_epi8(_mm_packs_epi16(self.0, self.1), _mm_set1_epi8(-128));
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), samples);
        }
        bytes
    }

    #[inline(always)]
    fn alternate(self, other: Self) -> [u8; 32] {
        let mut bytes = [0; 32];
        unsafe {
            let start: *mut __m128i = bytes.as_mut_ptr().cast();
            _mm_storeu_si128(start, _mm_or_si128(self.0, _mm_slli_epi16::<8>(other.0)));
            _mm_storeu_si128(start.add(1), _mm_or_si128(self.1, _mm_slli_epi16::<8>(other.1)));
        }
        bytes
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |one, other| unsafe { _mm_add_epi16(one, other) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |one, other| unsafe { _mm_sub_epi16(one, other) })
    }

    #[inline(always)]
    fn multiply_low(self, other: Self) -> Self {
        self.zip(other, |one, other| unsafe { _mm_mullo_epi16(one, other) })
    }

    #[inline(always)]
    fn multiply_high(self, other: Self) -> Self {
        self.zip(other, |one, other| unsafe { _mm_mulhi_epi16(one, other) })
    }

    #[inline(always)]
    fn multiply_high_unsigned(self, other: Self) -> Self {
        self.zip(other, |one, other| unsafe { _mm_mulhi_epu16(one, other) })
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        self.map(|lanes| unsafe { _mm_slli_epi16::<BITS>(lanes) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        self.map(|lanes| unsafe { _mm_srai_epi16::<BITS>(lanes) })
    }

    #[inline(always)]
    fn absolute(self) -> Self {
        self.with_signs_of(self)
    }

    #[inline(always)]
    fn with_signs_of(self, signs: Self) -> Self {
        self.zip(signs, |lanes, signs| unsafe {
            // All ones where the sign is negative: (x ^ m) - m is -x there.
            let negative = _mm_srai_epi16::<15>(signs);
            let zero = _mm_cmpeq_epi16(signs, _mm_setzero_si128());
            _mm_andnot_si128(zero, _mm_sub_epi16(_mm_xor_si128(lanes, negative), negative))
        })
    }

    #[inline(always)]
    fn multiply_add(self, factor: i16, other: Self, other_factor: i16) -> Sse2Wide {
        unsafe {
            let factors = _mm_set1_epi32(pair(factor, other_factor));
            let low = |one, other| _mm_madd_epi16(_mm_unpacklo_epi16(one, other), factors);
            let high = |one, other| _mm_madd_epi16(_mm_unpackhi_epi16(one, other), factors);
            Sse2Wide([low(self.0, other.0), high(self.0, other.0), low(self.1, other.1), high(self.1, other.1)])
        }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.zip(other, |one, other| unsafe { _mm_or_si128(one, other) })
    }

    #[inline(always)]
    fn nonzero(self) -> u16 {
        unsafe {
            let zero = _mm_setzero_si128();
            let is_zero = _mm_packs_epi16(_mm_cmpeq_epi16(self.0, zero), _mm_cmpeq_epi16(self.1, zero));
            !(_mm_movemask_epi8(is_zero) as u16)
        }
    }

    #[inline(always)]
    fn from_rgbx(pixels: &[u8; 64]) -> [Self; 3] {
        let parts = pixels.as_chunks::<16>().0;
        unsafe {
            let byte = _mm_set1_epi32(0xff);
            macro_rules! channel {
                ($bits:literal) => {{
                    let part = |index: usize| {
                        let pixels = _mm_loadu_si128(parts[index].as_ptr().cast());
                        _mm_and_si128(_mm_srli_epi32::<$bits>(pixels), byte)
                    };
                    Self(_mm_packs_epi32(part(0), part(1)), _mm_packs_epi32(part(2), part(3)))
                }};
            }
            [channel!(0), channel!(8), channel!(16)]
        }
    }

    #[inline(always)]
    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        let lower = transpose(rows.map(|row| row.0));
        let upper = transpose(rows.map(|row| row.1));
        std::array::from_fn(|row| Self(lower[row], upper[row]))
    }
}

#[inline(always)]
fn transpose(rows: [__m128i; 8]) -> [__m128i; 8] {
    // SAFETY: SSE2 is part of x86-64.
    unsafe {
        let low16 = |one: usize, other: usize| _mm_unpacklo_epi16(rows[one], rows[other]);
        let high16 = |one: usize, other: usize| _mm_unpackhi_epi16(rows[one], rows[other]);
        let pairs = [
            low16(0, 1),
            high16(0, 1),
            low16(2, 3),
            high16(2, 3),
            low16(4, 5),
            high16(4, 5),
            low16(6, 7),
            high16(6, 7),
        ];
        let low32 = |one: usize, other: usize| _mm_unpacklo_epi32(pairs[one], pairs[other]);
        let high32 = |one: usize, other: usize| _mm_unpackhi_epi32(pairs[one], pairs[other]);
        let fours = [
            low32(0, 2),
            high32(0, 2),
            low32(1, 3),
            high32(1, 3),
            low32(4, 6),
            high32(4, 6),
            low32(5, 7),
            high32(5, 7),
        ];
        let low64 = |one: usize, other: usize| _mm_unpacklo_epi64(fours[one], fours[other]);
        let high64 = |one: usize, other: usize| _mm_unpackhi_epi64(fours[one], fours[other]);
        [low64(0, 4), high64(0, 4), low64(1, 5), high64(1, 5), low64(2, 6), high64(2, 6), low64(3, 7), high64(3, 7)]
    }
}

// SAFETY of all blocks in this implementation: SSE2 is part of x86-64.
impl Wide for Sse2Wide {
    type Narrow = Sse2;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|part| unsafe { _mm_add_epi32(self.0[part], other.0[part]) }))
    }

    #[inline(always)]
    fn add_scalar(self, value: i32) -> Self {
        let value = unsafe { _mm_set1_epi32(value) };
        Self(self.0.map(|part| unsafe { _mm_add_epi32(part, value) }))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|part| unsafe { _mm_sub_epi32(self.0[part], other.0[part]) }))
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Self(self.0.map(|part| unsafe { _mm_srai_epi32::<BITS>(part) }))
    }

    #[inline(always)]
    fn narrow(self) -> Sse2 {
        let [a, b, c, d] = self.0;
        unsafe { Sse2(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d)) }
    }
}
