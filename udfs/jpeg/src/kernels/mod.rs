//! What is done to many samples at once, written over [`crate::lanes`] and chosen by what the processor has.

mod color;
pub(crate) mod forward;
mod inverse;
mod reduced;
pub(crate) mod upsample;

use std::sync::LazyLock;

use self::forward::Divisors;
use crate::encode::bits::{self, Bits};
use crate::encode::huffman::Codes;
use crate::encode::symbols::{self, Batch, Place, Symbols};
use crate::lanes::Portable;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Sse2};

/// Declares the table of kernels and its instances; each kernel is a generic function `module::name::<Lanes>`.
macro_rules! kernels {
    (@table $($(#[$doc:meta])* $module:ident::$kernel:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        /// The kernels for one kind of processor. All instances give the same bytes.
        pub(crate) struct Kernels {
            /// What the instance is called.
            #[cfg(test)]
            pub(crate) name: &'static str,
            $($(#[$doc])* pub(crate) $kernel: fn($($type),*) $(-> $result)?,)*
        }
    };
    (@instance $attribute:tt $lanes:ident
        $($(#[$doc:meta])* $module:ident::$kernel:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        Kernels {
            #[cfg(test)]
            name: stringify!($lanes),
            $($kernel: {
                #$attribute
                fn kernel($($argument: $type),*) $(-> $result)? {
                    $module::$kernel::<$lanes>($($argument),*)
                }
                // SAFETY: `kernels` and `instances` hand out an instance only where the processor has what it needs.
                #[allow(unsafe_code, unused_unsafe, reason = "of three instances, one needs more than every processor has")]
                |$($argument),*| unsafe { kernel($($argument),*) }
            },)*
        }
    };
    ($($list:tt)*) => {
        kernels! { @table $($list)* }

        static PORTABLE: Kernels = kernels! { @instance [inline] Portable $($list)* };
        #[cfg(target_arch = "x86_64")]
        static SSE2: Kernels = kernels! { @instance [target_feature(enable = "sse2")] Sse2 $($list)* };
        #[cfg(target_arch = "x86_64")]
        static AVX2: Kernels = kernels! { @instance [target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")] Avx2 $($list)* };
    };
}

kernels! {
    /// The fast inverse DCT of two neighbouring blocks; leaves their coefficients zero.
    inverse::fast(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize);
    /// The accurate inverse DCT of two neighbouring blocks; leaves their coefficients zero.
    inverse::accurate(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize);
    /// Two neighbouring blocks to 4x4 samples each; leaves their coefficients zero.
    reduced::four_by_four(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize);
    /// Two neighbouring blocks to 2x2 samples each; leaves their coefficients zero.
    reduced::two_by_two(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize);
    /// Two neighbouring blocks to a sample each; reads nothing but their first coefficients, and changes nothing.
    reduced::one_by_one(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize);
    /// A row of chroma between two.
    upsample::vertical(near: &[u8], far: &[u8], bias: i16, output: &mut [u8]);
    /// A row of chroma, twice as wide.
    upsample::horizontal(row: &[u8], width: usize, sums: &mut [i16], output: &mut [u8]);
    /// A row of chroma between two, twice as wide.
    upsample::both(near: &[u8], far: &[u8], width: usize, sums: &mut [i16], output: &mut [u8]);
    /// Luma and chroma to pixels of three bytes.
    color::ycc_to_rgb(luma: &[u8], blue: &[u8], red: &[u8], pixels: &mut [u8]);
    /// Luma and chroma to pixels of four bytes.
    color::ycc_to_rgbx(luma: &[u8], blue: &[u8], red: &[u8], pixels: &mut [u8]);
    /// A row of pixels of three bytes to luma and chroma, as wide as the rows of those.
    forward::rgb_to_ycc(pixels: &[u8], planes: [&mut [u8]; 3]);
    /// A row of pixels of four bytes to luma and chroma, as wide as the rows of those.
    forward::rgbx_to_ycc(pixels: &[u8], planes: [&mut [u8]; 3]);
    /// A row of chroma, half as wide.
    forward::halve_width(row: &[u8], half: &mut [u8]);
    /// Two rows of chroma, half as wide and half as high.
    forward::halve_both(upper: &[u8], lower: &[u8], half: &mut [u8]);
    /// The accurate DCT of two neighbouring blocks, quantised and in zigzag order; tells which coefficients aren't 0.
    forward::forward(samples: &[u8], stride: usize, divisors: &Divisors, blocks: &mut [[i16; 64]; 2], nonzero: &mut [u64; 2]);
    /// The Huffman symbols of some blocks.
    symbols::collect(batch: &Batch, order: &[Place], symbols: &mut Symbols);
    /// The bits of Huffman symbols.
    bits::emit(bits: &mut Bits, symbols: &[u32], codes: &Codes);
}

/// Two neighbouring blocks, or their factors: row times 16 plus column, the second block's columns are 8 to 15.
pub(crate) type Pair = [i16; 128];

/// An inverse transform: coefficients of two neighbouring blocks, their factors, where the samples go, and how long rows are there.
pub(crate) type Inverse = fn(&mut Pair, &Pair, &mut [u8], usize);

/// The kernels for this processor.
pub(crate) fn kernels() -> &'static Kernels {
    #[cfg(fuzzing)]
    if let Some(chosen) = CHOSEN.get() {
        return chosen;
    }
    static BEST: LazyLock<&'static Kernels> = LazyLock::new(|| instances().next().unwrap_or(&PORTABLE));
    *BEST
}

#[cfg(fuzzing)]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<&'static Kernels>> = const { std::cell::Cell::new(None) };
}

/// Runs `work` once with each of the kernels that this processor can run: for fuzz targets, which compare what comes out.
#[cfg(fuzzing)]
pub fn with_each_instance<T>(mut work: impl FnMut() -> T) -> Vec<T> {
    let results = instances().map(|kernels| {
        CHOSEN.set(Some(kernels));
        work()
    });
    let results = results.collect();
    CHOSEN.set(None);
    results
}

/// All kernels that this processor can run, the best first.
pub(crate) fn instances() -> impl Iterator<Item = &'static Kernels> {
    #[cfg(target_arch = "x86_64")]
    let vectors = {
        let has_avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        has_avx2.then_some(&AVX2).into_iter().chain([&SSE2])
    };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = std::iter::empty();
    vectors.chain([&PORTABLE])
}
