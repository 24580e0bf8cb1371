//! `image_hash`: 64 bits that are alike where images look alike.

use std::f64::consts::PI;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Int64Builder;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Choice, Kind, Parameter, Values, columnar, optional, required};
use crate::support::function::{Function, Scalar};
use crate::support::pillow;
use crate::support::pixels::PixelsRef;
use crate::support::rows::for_each_image;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Algorithm {
    Ahash,
    Dhash,
    #[default]
    Phash,
}

impl Choice for Algorithm {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("ahash", Self::Ahash), ("dhash", Self::Dhash), ("phash", Self::Phash)];
}

/// The SQL function `image_hash`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "64 bits, as a BIGINT, of which few differ between images that look alike; `hamming_distance` counts them. 'ahash': is a pixel of \
the image, 8x8 pixels of its luma, brighter than the mean; 'dhash': is it, of 9x8 pixels, brighter than its left neighbour; 'phash': is each of \
the 64 lowest frequencies of the image, 32x32 pixels, above their median. The bits are those of Python's `imagehash` 4.3 (`average_hash`, `dhash`, \
`phash`) with Pillow 12 for an image of the same RGB pixels, and `lpad(to_hex(hash), 16, '0')` is its text. (Pillow 13 shrinks some images that are \
higher than wide in another order, with a bit or two of difference.)",
    syntax_example = "image_hash(image, algorithm => 'phash')",
    sql_example = r#"```sql
> SELECT lpad(to_hex(image_hash(image_decode(content))), 16, '0') AS phash FROM read_images('photos') LIMIT 1;
+------------------+
| phash            |
+------------------+
| 85847a9b9678daa6 |
+------------------+
```"#,
    argument(name = "image", description = "An image struct, from `image_decode`."),
    argument(name = "algorithm", description = "'ahash', 'dhash' or 'phash' (default).")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageHash {
    algorithm: Algorithm,
}

impl Function for ImageHash {
    const NAME: &'static str = "image_hash";
    const PARAMETERS: &'static [Parameter] = &[required("image", Kind::Image), optional("algorithm", Kind::Text)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        Ok(Self { algorithm: values.choice("algorithm", Algorithm::Phash)? })
    }
}

impl Scalar for ImageHash {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut hashes = Int64Builder::new();
        for_each_image::<Self>(args, |row| {
            hashes.append_option(row.map(|(image, options)| options.hash(image)));
            Ok(())
        })?;
        columnar(&args.args, Arc::new(hashes.finish()))
    }
}

impl ImageHash {
    fn hash(&self, image: PixelsRef<'_>) -> i64 {
        let shrunk = |width, height| pillow::lanczos(image, width, height);
        match self.algorithm {
            Algorithm::Ahash => {
                let pixels = shrunk(8, 8);
                let sum: u32 = pixels.iter().map(|pixel| u32::from(*pixel)).sum();
                bits(pixels.iter().map(|pixel| u32::from(*pixel) * 64 > sum))
            }
            Algorithm::Dhash => {
                let pixels = shrunk(9, 8);
                bits(pixels.chunks_exact(9).flat_map(|row| row.windows(2)).map(|pair| pair[1] > pair[0]))
            }
            Algorithm::Phash => {
                let frequencies = low_frequencies(&shrunk(32, 32));
                let mut sorted = frequencies;
                sorted.sort_by(f64::total_cmp);
                let median = (sorted[31] + sorted[32]) / 2.0;
                bits(frequencies.iter().map(|frequency| *frequency > median))
            }
        }
    }
}

/// The first is the highest bit.
fn bits(bits: impl Iterator<Item = bool>) -> i64 {
    bits.fold(0, |hash, bit| (hash << 1) | i64::from(bit))
}

/// The 8 x 8 lowest frequencies of 32 x 32 pixels: the discrete cosine transform (DCT-II, not scaled) of columns and rows.
fn low_frequencies(pixels: &[u8]) -> [f64; 64] {
    const SIDE: usize = 32;
    let column = |x: usize| cosine_transform(pixels[x..].iter().step_by(SIDE).map(|pixel| f64::from(*pixel)).collect());
    let columns: Vec<Vec<f64>> = (0..SIDE).map(column).collect();
    let row = |y: usize| cosine_transform(columns.iter().map(|column| column[y]).collect());
    let rows: [Vec<f64>; 8] = std::array::from_fn(row);
    std::array::from_fn(|index| rows[index / 8][index % 8])
}

/// The cosines of 0 to 127 parts of a circle of 128.
static COSINES: LazyLock<[f64; 128]> = LazyLock::new(|| std::array::from_fn(|part| (PI * part as f64 / 64.0).cos()));

/// The DCT-II of 1, 2, 4, ... or 32 values, by sums and differences of the two halves: values that are alike, or symmetrical, give
/// frequencies of exactly 0, as they do in SciPy.
fn cosine_transform(values: Vec<f64>) -> Vec<f64> {
    let length = values.len();
    if length == 1 {
        return values;
    }
    let half = length / 2;
    let mirrored = || values.iter().zip(values.iter().rev()).take(half);
    let even = cosine_transform(mirrored().map(|(value, mirror)| value + mirror).collect());
    let differences: Vec<f64> = mirrored().map(|(value, mirror)| value - mirror).collect();
    let odd = |frequency: usize| -> f64 {
        let cosine = |at: usize| COSINES[frequency * (2 * at + 1) * (32 / length) % 128];
        differences.iter().enumerate().map(|(at, difference)| difference * cosine(at)).sum()
    };
    even.into_iter().enumerate().flat_map(|(at, even)| [even, odd(2 * at + 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::picture;

    /// As `tests/python/image_hash.py` says what they are made of.
    #[test]
    fn hashes_are_those_of_imagehash() {
        let hashes: [((u32, u32), [u64; 3]); 4] = [
            ((64, 48), [0x0000_0019_3b7f_ffff, 0xf3f3_f3f3_f3f3_f3f3, 0x894e_435f_5765_742a]),
            ((7, 5), [0x0707_070f_0f0f_0f0f, 0xffff_ffff_ffff_ffff, 0xb312_4925_daca_b5ec]),
            ((32, 32), [0x0001_070f_0f3f_7fff, 0xffff_ffff_ffff_ffff, 0xa32f_232f_2154_fe54]),
            ((333, 100), [0x0000_ffff_0000_ffff, 0x9999_9999_9999_9999, 0x8056_667f_de88_6956]),
        ];
        for ((width, height), expected) in hashes {
            let picture = picture(width, height);
            let image = PixelsRef { width, height, channels: 3, values: picture.as_raw() };
            let hash = |algorithm| ImageHash { algorithm }.hash(image) as u64;
            assert_eq!([Algorithm::Ahash, Algorithm::Dhash, Algorithm::Phash].map(hash), expected, "{width}x{height}");
        }
    }
}
