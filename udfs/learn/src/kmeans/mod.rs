//! k-means: where it starts (B. Bahmani et al. 2012, PVLDB 5, 622-633: k-means||), and S. Lloyd's rounds.

mod fitting;
mod in_memory;
mod pass;

pub(crate) use fitting::KMeans;
pub(crate) use pass::{KMeansPass, KMeansSums};

pub(crate) const STEP: &str = "kmeans";
