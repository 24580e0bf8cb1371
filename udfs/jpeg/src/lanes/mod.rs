//! Vectors of sixteen 16-bit integers: the few operations that every kernel is written in.
//!
//! A vector holds a row (or a column) of two neighbouring blocks, eight lanes each, or sixteen neighbouring samples. Kernels are
//! generic over [`Lanes`], so that each is written once; the instances differ in nothing but time. Another instruction set is
//! another instance.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use sse2::Sse2;

/// Sixteen 16-bit integers, which wrap around unless an operation says otherwise.
///
/// An instance other than [`Portable`] may only be used where the processor has its instructions: [`crate::kernels`] sees to it.
pub(crate) trait Lanes: Copy {
    /// Sixteen 32-bit integers, in the same order.
    type Wide: Wide<Narrow = Self>;

    fn splat(value: i16) -> Self;
    fn load(values: &[i16; 16]) -> Self;
    fn store(self, values: &mut [i16; 16]);
    /// Bytes as integers of 0 to 255.
    fn from_bytes(bytes: &[u8; 16]) -> Self;
    /// Integers as bytes; less than 0 becomes 0, more than 255 becomes 255.
    fn to_bytes(self) -> [u8; 16];

    /// Integers as samples: limited to -128 to 127, and 128 added.
    fn to_samples(self) -> [u8; 16];
    /// Integers of 0 to 255 as bytes, one of `self`, one of `other` in turn.
    fn alternate(self, other: Self) -> [u8; 32];

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    /// The lower half of each product.
    fn multiply_low(self, other: Self) -> Self;
    /// The upper half of each signed product.
    fn multiply_high(self, other: Self) -> Self;
    /// The upper half of each product of unsigned integers.
    fn multiply_high_unsigned(self, other: Self) -> Self;
    fn shift_left<const BITS: i32>(self) -> Self;
    /// Copies the sign: rounds down.
    fn shift_right<const BITS: i32>(self) -> Self;
    /// Each integer without its sign; -32768 stays.
    fn absolute(self) -> Self;
    /// Each integer negated where `signs` is negative, 0 where it is 0.
    fn with_signs_of(self, signs: Self) -> Self;
    /// `self * factor + other * other_factor` in 32 bits.
    fn multiply_add(self, factor: i16, other: Self, other_factor: i16) -> Self::Wide;
    /// The bits that are in either.
    fn or(self, other: Self) -> Self;
    /// A bit for each lane that isn't 0, the first lane's is the lowest.
    fn nonzero(self) -> u16;
    /// A bit for each lane that isn't 0: of both lower halves, and of both upper halves; `self` has the lower bits.
    fn nonzero_halves(self, other: Self) -> [u16; 2] {
        let (bits, other) = (self.nonzero(), other.nonzero());
        [bits & 0xff | other << 8, bits >> 8 | other & 0xff00]
    }
    /// Transposes the 8x8 integers in the lower lanes, and those in the upper lanes.
    fn transpose(rows: [Self; 8]) -> [Self; 8];

    /// Moves natural order to zigzag order (ITU-T T.81, figure 5), in the lower and in the upper lanes: the lower half of result
    /// `k` holds the coefficients `8 k` to `8 k + 7` of the first block.
    fn zigzag(rows: [Self; 8]) -> [Self; 8] {
        let natural = rows.map(|row| {
            let mut values = [0; 16];
            row.store(&mut values);
            values
        });
        std::array::from_fn(|octet| {
            let values = std::array::from_fn(|lane| {
                let position = usize::from(crate::zigzag::ZIGZAG[octet * 8 + lane % 8]);
                natural[position / 8][position % 8 + lane / 8 * 8]
            });
            Self::load(&values)
        })
    }

    /// Sixteen pixels of three bytes to their red, green and blue.
    fn from_rgb(pixels: &[u8; 48]) -> [Self; 3] {
        std::array::from_fn(|channel| Self::from_bytes(&std::array::from_fn(|pixel| pixels[3 * pixel + channel])))
    }

    /// Sixteen pixels of four bytes to their red, green and blue; the last byte doesn't count.
    fn from_rgbx(pixels: &[u8; 64]) -> [Self; 3] {
        std::array::from_fn(|channel| Self::from_bytes(&std::array::from_fn(|pixel| pixels[4 * pixel + channel])))
    }

    /// Red, green and blue, limited to 0 to 255, to sixteen pixels of three bytes.
    fn to_rgb(channels: [Self; 3], pixels: &mut [u8; 48]) {
        let [red, green, blue] = channels.map(Self::to_bytes);
        for (pixel, ((red, green), blue)) in
            pixels.as_chunks_mut::<3>().0.iter_mut().zip(red.into_iter().zip(green).zip(blue))
        {
            *pixel = [red, green, blue];
        }
    }

    /// Red, green and blue, limited to 0 to 255, to sixteen pixels of four bytes, of which the last is 0.
    fn to_rgbx(channels: [Self; 3], pixels: &mut [u8; 64]) {
        let [red, green, blue] = channels.map(Self::to_bytes);
        for (pixel, ((red, green), blue)) in
            pixels.as_chunks_mut::<4>().0.iter_mut().zip(red.into_iter().zip(green).zip(blue))
        {
            *pixel = [red, green, blue, 0];
        }
    }
}

/// Sixteen 32-bit integers, which wrap around.
pub(crate) trait Wide: Copy {
    type Narrow;

    fn add(self, other: Self) -> Self;
    fn add_scalar(self, value: i32) -> Self;
    fn sub(self, other: Self) -> Self;
    /// Copies the sign: rounds down.
    fn shift_right<const BITS: i32>(self) -> Self;
    /// In 16 bits; what is too large becomes the largest or the smallest.
    fn narrow(self) -> Self::Narrow;
}

/// Two factors, for the lower and the upper half of each 32 bits.
#[cfg(target_arch = "x86_64")]
fn pair(factor: i16, other: i16) -> i32 {
    i32::from(other) << 16 | i32::from(factor as u16)
}
