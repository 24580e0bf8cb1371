//! The directions in which vectors vary most: eigenvectors of their covariance.

use datafusion::common::{Result, exec_datafusion_err, exec_err};
use faer::{Mat, Side};

use super::products::{Products, pairs};
use super::vector_sums::VectorSums;

/// The most numbers of a vector, whose sums of products take 128 MiB in each partition.
pub(crate) const MAX_COLUMNS: usize = 4096;

/// Checks that the products of a vector's numbers aren't too many.
pub(crate) fn check_columns(function: &str, vector: &[f64]) -> Result<()> {
    if vector.len() > MAX_COLUMNS {
        return exec_err!(
            "{function}: x must have at most {MAX_COLUMNS} numbers, got {}, for whose products each partition would need {} MiB; leave \
             some out, or take means of several",
            vector.len(),
            (2 * pairs(vector.len()) * size_of::<f64>()) >> 20
        );
    }
    Ok(())
}

/// Principal components, those of the largest variance first.
pub(crate) struct Components {
    /// Of each component as many numbers as a vector has, of length 1 together, one component behind the other.
    pub(crate) directions: Vec<f64>,
    /// How much the vectors vary along each component.
    pub(crate) variances: Vec<f64>,
    /// How much they vary in all directions together.
    pub(crate) total_variance: f64,
    /// In how many directions they vary more than rounding makes them.
    pub(crate) rank: usize,
}

/// The first `count` components of two vectors or more, or as many as there are.
pub(crate) fn components(
    function: &str,
    sums: &VectorSums,
    products: &mut Products,
    count: usize,
) -> Result<Components> {
    let columns = sums.columns();
    let variances: Vec<f64> = sums.variances().collect();
    let largest = variances.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Ok(Components { directions: vec![], variances: vec![], total_variance: 0.0, rank: 0 });
    }
    // So that neither tiny nor huge numbers leave the range; by a power of 2, which changes no digit.
    let scale = power_of_2(largest);
    let mut covariance = Mat::<f64>::zeros(columns, columns);
    for (place, variance) in variances.iter().enumerate() {
        covariance[(place, place)] = variance / scale;
    }
    products.for_each(|i, j, product| {
        // What is constant varies with nothing.
        if variances[i] > 0.0 && variances[j] > 0.0 {
            covariance[(j, i)] = sums.covariance(&product, i, j) / scale;
        }
    });
    let eigen = covariance.self_adjoint_eigen(Side::Lower);
    let eigen =
        eigen.map_err(|error| exec_datafusion_err!("{function}: the covariance has no eigenvalues: {error:?}"))?;
    let values = eigen.S().column_vector();
    // Eigenvalues rise.
    let from_largest = (0..columns).rev();
    let noise = values[columns - 1] * columns as f64 * f64::EPSILON;
    let above_noise = from_largest.clone().take_while(|index| values[*index] > noise).count();
    let rank = above_noise.min(usize::try_from(sums.rows() - 1).unwrap_or(usize::MAX));
    let mut directions = Vec::with_capacity(count.min(rank) * columns);
    let mut component_variances = Vec::with_capacity(count.min(rank));
    for index in from_largest.take(count.min(rank)) {
        let direction: Vec<f64> = eigen.U().col(index).iter().copied().collect();
        let sign = sign(&direction);
        directions.extend(direction.iter().map(|value| value * sign));
        component_variances.push(values[index] * scale);
    }
    let total_variance = variances.iter().sum();
    Ok(Components { directions, variances: component_variances, total_variance, rank })
}

/// 1 or -1, with which the largest number of a direction is positive; of numbers that only rounding tells apart the first one counts.
fn sign(direction: &[f64]) -> f64 {
    let largest = direction.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let first = direction.iter().find(|value| value.abs() > largest * (1.0 - 1e-9));
    first.map_or(1.0, |value| 1.0_f64.copysign(*value))
}

/// The largest power of 2 that a number reaches.
fn power_of_2(value: f64) -> f64 {
    const MANTISSA: u64 = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
    f64::from_bits(value.to_bits() & !MANTISSA)
}
