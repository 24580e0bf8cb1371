//! The vectors in the registers of AVX2, each of which has sixteen lanes.
#![expect(unsafe_code, reason = "intrinsics, for which the callers of the kernels have checked the processor")]

use std::arch::x86_64::*;

use super::{Lanes, Wide, pair};

/// Sixteen 16-bit integers in a register of AVX2; the lower half is the first block's.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256i);

/// Sixteen 32-bit integers: lanes 0 to 3 and 8 to 11, then the others, which is how AVX2 unpacks and packs.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Wide(__m256i, __m256i);

impl Avx2 {
    /// The integers limited to 0 to 255, as bytes.
    #[inline(always)]
    fn packed(self) -> __m128i {
        // SAFETY: as in the implementation of `Lanes`.
        unsafe {
            _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b_11_01_10_00>(_mm256_packus_epi16(self.0, self.0)))
        }
    }
}

// SAFETY of all blocks in this implementation: the intrinsics need AVX2, which the callers of the kernels have found (see `Lanes`);
// loads and stores go through references to arrays of their very size.
impl Lanes for Avx2 {
    type Wide = Avx2Wide;

    #[inline(always)]
    fn splat(value: i16) -> Self {
        Self(unsafe { _mm256_set1_epi16(value) })
    }

    #[inline(always)]
    fn load(values: &[i16; 16]) -> Self {
        Self(unsafe { _mm256_loadu_si256(values.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, values: &mut [i16; 16]) {
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn from_bytes(bytes: &[u8; 16]) -> Self {
        Self(unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(bytes.as_ptr().cast())) })
    }

    #[inline(always)]
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), self.packed()) }
        bytes
    }

    #[inline(always)]
    fn to_samples(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        unsafe {
            let packed = _mm256_permute4x64_epi64::<0b_11_01_10_00>(_mm256_packs_epi16(self.0, self.0));
            let samples = _mm_add_epi8(_mm256_castsi256_si128(packed), _mm_set1_epi8(-128));
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), samples);
        }
        bytes
    }

    #[inline(always)]
    fn alternate(self, other: Self) -> [u8; 32] {
        let mut bytes = [0; 32];
        unsafe {
            let pairs = _mm256_or_si256(self.0, _mm256_slli_epi16::<8>(other.0));
            _mm256_storeu_si256(bytes.as_mut_ptr().cast(), pairs);
        }
        bytes
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_epi16(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm256_sub_epi16(self.0, other.0) })
    }

    #[inline(always)]
    fn multiply_low(self, other: Self) -> Self {
        Self(unsafe { _mm256_mullo_epi16(self.0, other.0) })
    }

    #[inline(always)]
    fn multiply_high(self, other: Self) -> Self {
        Self(unsafe { _mm256_mulhi_epi16(self.0, other.0) })
    }

    #[inline(always)]
    fn multiply_high_unsigned(self, other: Self) -> Self {
        Self(unsafe { _mm256_mulhi_epu16(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        Self(unsafe { _mm256_slli_epi16::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Self(unsafe { _mm256_srai_epi16::<BITS>(self.0) })
    }

    #[inline(always)]
    fn absolute(self) -> Self {
        Self(unsafe { _mm256_abs_epi16(self.0) })
    }

    #[inline(always)]
    fn with_signs_of(self, signs: Self) -> Self {
        Self(unsafe { _mm256_sign_epi16(self.0, signs.0) })
    }

    #[inline(always)]
    fn multiply_add(self, factor: i16, other: Self, other_factor: i16) -> Avx2Wide {
        unsafe {
            let factors = _mm256_set1_epi32(pair(factor, other_factor));
            let (low, high) = (_mm256_unpacklo_epi16(self.0, other.0), _mm256_unpackhi_epi16(self.0, other.0));
            Avx2Wide(_mm256_madd_epi16(low, factors), _mm256_madd_epi16(high, factors))
        }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(unsafe { _mm256_or_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn nonzero(self) -> u16 {
        unsafe {
            let zero = _mm256_cmpeq_epi16(self.0, _mm256_setzero_si256());
            let bytes = _mm256_permute4x64_epi64::<0b_11_01_10_00>(_mm256_packs_epi16(zero, zero));
            !(_mm_movemask_epi8(_mm256_castsi256_si128(bytes)) as u16)
        }
    }

    #[inline(always)]
    fn nonzero_halves(self, other: Self) -> [u16; 2] {
        unsafe {
            // Packing with saturation keeps what isn't 0.
            let both = _mm256_packs_epi16(self.0, other.0);
            let bits = !_mm256_movemask_epi8(_mm256_cmpeq_epi8(both, _mm256_setzero_si256()));
            [bits as u16, (bits >> 16) as u16]
        }
    }

    #[inline(always)]
    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        unsafe {
            let rows = rows.map(|row| row.0);
            let low16 = |one: usize, other: usize| _mm256_unpacklo_epi16(rows[one], rows[other]);
            let high16 = |one: usize, other: usize| _mm256_unpackhi_epi16(rows[one], rows[other]);
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
            let low32 = |one: usize, other: usize| _mm256_unpacklo_epi32(pairs[one], pairs[other]);
            let high32 = |one: usize, other: usize| _mm256_unpackhi_epi32(pairs[one], pairs[other]);
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
            let low64 = |one: usize, other: usize| Self(_mm256_unpacklo_epi64(fours[one], fours[other]));
            let high64 = |one: usize, other: usize| Self(_mm256_unpackhi_epi64(fours[one], fours[other]));
            [low64(0, 4), high64(0, 4), low64(1, 5), high64(1, 5), low64(2, 6), high64(2, 6), low64(3, 7), high64(3, 7)]
        }
    }

    #[inline(always)]
    fn zigzag(rows: [Self; 8]) -> [Self; 8] {
        /// For each eight coded coefficients and each row: which of the row's bytes go where.
        static SHUFFLES: [[[u8; 16]; 8]; 8] = shuffles();
        // Rows that a group of eight takes nothing from are left out; the tests compare with the general way.
        macro_rules! gather {
            ($octet:literal: $($row:literal),+) => {
                unsafe {
                    let mut values = _mm256_setzero_si256();
                    $(
                        let shuffle = _mm_loadu_si128(SHUFFLES[$octet][$row].as_ptr().cast());
                        values = _mm256_or_si256(values, _mm256_shuffle_epi8(rows[$row].0, _mm256_broadcastsi128_si256(shuffle)));
                    )+
                    Self(values)
                }
            };
        }
        [
            gather!(0: 0, 1, 2),
            gather!(1: 0, 1, 2, 3, 4),
            gather!(2: 1, 2, 3, 4, 5, 6),
            gather!(3: 0, 1, 2, 3),
            gather!(4: 4, 5, 6, 7),
            gather!(5: 1, 2, 3, 4, 5, 6),
            gather!(6: 3, 4, 5, 6, 7),
            gather!(7: 5, 6, 7),
        ]
    }

    #[inline(always)]
    fn from_rgb(pixels: &[u8; 48]) -> [Self; 3] {
        unsafe {
            let part = |at: usize| _mm_loadu_si128(pixels[at..].as_ptr().cast());
            let parts = [part(0), part(16), part(32)];
            std::array::from_fn(|channel| {
                let gathered = (0..3).fold(_mm_setzero_si128(), |sum, index| {
                    let shuffle = _mm_loadu_si128(DEINTERLEAVE[channel][index].as_ptr().cast());
                    _mm_or_si128(sum, _mm_shuffle_epi8(parts[index], shuffle))
                });
                Self(_mm256_cvtepu8_epi16(gathered))
            })
        }
    }

    #[inline(always)]
    fn from_rgbx(pixels: &[u8; 64]) -> [Self; 3] {
        let [left, right] = pixels.as_chunks::<32>().0 else { return [Self::splat(0); 3] };
        unsafe {
            let (left, right) = (_mm256_loadu_si256(left.as_ptr().cast()), _mm256_loadu_si256(right.as_ptr().cast()));
            // So that packing, half by half, leaves them in order.
            let outer = _mm256_permute2x128_si256::<0x20>(left, right);
            let inner = _mm256_permute2x128_si256::<0x31>(left, right);
            let byte = _mm256_set1_epi32(0xff);
            macro_rules! channel {
                ($bits:literal) => {{
                    let outer = _mm256_and_si256(_mm256_srli_epi32::<$bits>(outer), byte);
                    let inner = _mm256_and_si256(_mm256_srli_epi32::<$bits>(inner), byte);
                    Self(_mm256_packus_epi32(outer, inner))
                }};
            }
            [channel!(0), channel!(8), channel!(16)]
        }
    }

    #[inline(always)]
    fn to_rgb([red, green, blue]: [Self; 3], pixels: &mut [u8; 48]) {
        let (red, green, blue) = (red.packed(), green.packed(), blue.packed());
        for (index, part) in pixels.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            unsafe {
                let red = _mm_shuffle_epi8(red, _mm_loadu_si128(INTERLEAVE[0][index].as_ptr().cast()));
                let green = _mm_shuffle_epi8(green, _mm_loadu_si128(INTERLEAVE[1][index].as_ptr().cast()));
                let blue = _mm_shuffle_epi8(blue, _mm_loadu_si128(INTERLEAVE[2][index].as_ptr().cast()));
                _mm_storeu_si128(part.as_mut_ptr().cast(), _mm_or_si128(_mm_or_si128(red, green), blue));
            }
        }
    }

    #[inline(always)]
    fn to_rgbx([red, green, blue]: [Self; 3], pixels: &mut [u8; 64]) {
        unsafe {
            let red_blue = _mm256_packus_epi16(red.0, blue.0);
            let green_zero = _mm256_packus_epi16(green.0, _mm256_setzero_si256());
            let (low, high) = (_mm256_unpacklo_epi8(red_blue, green_zero), _mm256_unpackhi_epi8(red_blue, green_zero));
            let (first, second) = (_mm256_unpacklo_epi16(low, high), _mm256_unpackhi_epi16(low, high));
            let [left, right] = pixels.as_chunks_mut::<32>().0 else { return };
            _mm256_storeu_si256(left.as_mut_ptr().cast(), _mm256_permute2x128_si256::<0x20>(first, second));
            _mm256_storeu_si256(right.as_mut_ptr().cast(), _mm256_permute2x128_si256::<0x31>(first, second));
        }
    }
}

/// Shuffles that gather a group of eight coded coefficients from a row; an upper bit makes a byte 0.
const fn shuffles() -> [[[u8; 16]; 8]; 8] {
    let mut shuffles = [[[0x80; 16]; 8]; 8];
    let mut coded = 0;
    while coded < 64 {
        let natural = crate::zigzag::ZIGZAG[coded];
        let shuffle = &mut shuffles[coded / 8][natural as usize / 8];
        shuffle[coded % 8 * 2] = natural % 8 * 2;
        shuffle[coded % 8 * 2 + 1] = natural % 8 * 2 + 1;
        coded += 1;
    }
    shuffles
}

/// For each channel and each 16 bytes of pixels: which bytes are the channel's.
static DEINTERLEAVE: [[[u8; 16]; 3]; 3] = interleavings(true);
/// For each channel and each 16 bytes of pixels: where the channel's bytes go.
static INTERLEAVE: [[[u8; 16]; 3]; 3] = interleavings(false);

const fn interleavings(takes_apart: bool) -> [[[u8; 16]; 3]; 3] {
    let mut shuffles = [[[0x80; 16]; 3]; 3];
    let mut byte = 0;
    while byte < 48 {
        let (pixel, channel) = (byte / 3, byte % 3);
        if takes_apart {
            shuffles[channel][byte / 16][pixel] = (byte % 16) as u8;
        } else {
            shuffles[channel][byte / 16][byte % 16] = pixel as u8;
        }
        byte += 1;
    }
    shuffles
}

// SAFETY of all blocks in this implementation: as in that of `Avx2`.
impl Wide for Avx2Wide {
    type Narrow = Avx2;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_epi32(self.0, other.0), _mm256_add_epi32(self.1, other.1)) }
    }

    #[inline(always)]
    fn add_scalar(self, value: i32) -> Self {
        unsafe {
            let value = _mm256_set1_epi32(value);
            Self(_mm256_add_epi32(self.0, value), _mm256_add_epi32(self.1, value))
        }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_epi32(self.0, other.0), _mm256_sub_epi32(self.1, other.1)) }
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        unsafe { Self(_mm256_srai_epi32::<BITS>(self.0), _mm256_srai_epi32::<BITS>(self.1)) }
    }

    #[inline(always)]
    fn narrow(self) -> Avx2 {
        Avx2(unsafe { _mm256_packs_epi32(self.0, self.1) })
    }
}
