//! Files against shards: pairs of the same parameters.

use super::query::QueryRows;
use crate::engine::Engine;
use crate::error::Result;

/// One combination of parameters, of files and of shards.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    pub(super) batch_size: i64,
    pub(super) batch_number: i64,
    pub(super) files: f64,
    pub(super) shards: f64,
    pub(super) mb_ratio: f64,
}

impl Pair {
    pub(super) fn ratio(&self) -> f64 {
        self.shards / self.files
    }
}

/// All pairs, and how far they can be compared.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// By product, then batch size.
    pub(super) pairs: Vec<Pair>,
    pub(super) file_bytes_per_image: f64,
    pub(super) shard_bytes_per_image: f64,
}

/// Ratios of all pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratios {
    /// The geometric mean: twice and half as fast make 1.
    pub(super) mean: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Pairs in which shards are faster.
    pub(super) faster: usize,
}

impl Ratios {
    fn of(ratios: impl Iterator<Item = f64>) -> Option<Self> {
        let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite() && *ratio > 0.0).collect();
        if ratios.is_empty() {
            return None;
        }
        Some(Self {
            mean: (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp(),
            min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            max: ratios.iter().copied().fold(0.0, f64::max),
            faster: ratios.iter().filter(|ratio| **ratio > 1.0).count(),
        })
    }
}

impl Comparison {
    /// Pairs what was read in the same way; the size that files are resized to is no difference, as shards were written in theirs.
    pub(super) async fn of(engine: &Engine) -> Result<Self> {
        let rows = QueryRows::of(
            engine,
            "WITH means AS (
                 SELECT format, decode, concurrent, batch_size, batch_number, avg(images_per_second) AS images_per_second,
                        avg(mb_per_second) AS mb_per_second, sum(bytes) AS bytes, sum(images) AS images
                 FROM measured GROUP BY format, decode, concurrent, batch_size, batch_number)
             SELECT files.batch_size, files.batch_number, files.images_per_second AS files,
                    shards.images_per_second AS shards, shards.mb_per_second / nullif(files.mb_per_second, 0) AS mb_ratio,
                    sum(files.bytes) OVER () / CAST(sum(files.images) OVER () AS DOUBLE) AS file_bytes,
                    sum(shards.bytes) OVER () / CAST(sum(shards.images) OVER () AS DOUBLE) AS shard_bytes
             FROM means AS files JOIN means AS shards
               ON files.batch_size = shards.batch_size AND files.batch_number = shards.batch_number
              AND (files.decode IS NOT DISTINCT FROM shards.decode)
              AND (files.concurrent IS NOT DISTINCT FROM shards.concurrent)
             WHERE files.format = 'images' AND shards.format = 'tfrecord'
             ORDER BY files.batch_size * files.batch_number, files.batch_size",
        )
        .await?;
        let (batch_size, batch_number) = (rows.integers("batch_size")?, rows.integers("batch_number")?);
        let (files, shards, mb) = (rows.numbers("files")?, rows.numbers("shards")?, rows.numbers("mb_ratio")?);
        let pair = |row: usize| Pair {
            batch_size: batch_size[row].unwrap_or_default(),
            batch_number: batch_number[row].unwrap_or_default(),
            files: files[row].unwrap_or_default(),
            shards: shards[row].unwrap_or_default(),
            mb_ratio: mb[row].unwrap_or(f64::NAN),
        };
        Ok(Self {
            pairs: (0..rows.len()).map(pair).collect(),
            file_bytes_per_image: rows.numbers("file_bytes")?.first().copied().flatten().unwrap_or_default(),
            shard_bytes_per_image: rows.numbers("shard_bytes")?.first().copied().flatten().unwrap_or_default(),
        })
    }

    pub(super) fn images_per_second(&self) -> Option<Ratios> {
        Ratios::of(self.pairs.iter().map(Pair::ratio))
    }

    pub(super) fn mb_per_second(&self) -> Option<Ratios> {
        Ratios::of(self.pairs.iter().map(|pair| pair.mb_ratio))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_and_half_as_fast_is_as_fast() {
        let ratios = Ratios::of([2.0, 0.5, f64::NAN].into_iter()).expect("ratios");
        assert!((ratios.mean - 1.0).abs() < 1e-12);
        assert_eq!((ratios.min, ratios.max, ratios.faster), (0.5, 2.0, 1));
        assert_eq!(Ratios::of([f64::NAN].into_iter()), None);
    }
}
