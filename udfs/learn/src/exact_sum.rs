//! Sums of doubles without a rounding error, so that it is all one in which order and in which parts they are added.
//!
//! A sum is kept as doubles whose digits don't overlap (J. R. Shewchuk 1997, Discrete & Computational Geometry 18, 305-363; Python's
//! `math.fsum` does the same). Products are exact while they are from 1e-290 to 1e290 in size.

/// A sum.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// From the smallest to the largest. The same sum may have other parts.
    parts: Vec<f64>,
}

impl ExactSum {
    /// Adds a finite number.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let mut sum = value;
        let mut kept = 0;
        for index in 0..self.parts.len() {
            let (rounded, rest) = two_sum(sum, self.parts[index]);
            if rest != 0.0 {
                self.parts[kept] = rest;
                kept += 1;
            }
            sum = rounded;
        }
        self.parts.truncate(kept);
        if sum != 0.0 {
            self.parts.push(sum);
        }
    }

    /// Adds a * b.
    pub fn add_product(&mut self, a: f64, b: f64) {
        let (product, rest) = two_product(a, b);
        self.add(product);
        if rest != 0.0 {
            self.add(rest);
        }
    }

    /// Doubles that come to the sum.
    pub fn parts(&self) -> &[f64] {
        &self.parts
    }

    /// The double that is nearest to the sum.
    pub fn value(&self) -> f64 {
        let mut below = self.parts.iter().rev();
        let mut sum = below.next().copied().unwrap_or_default();
        while let Some(part) = below.next() {
            let (rounded, rest) = two_sum(sum, *part);
            sum = rounded;
            if rest != 0.0 {
                // Halfway between two doubles, what is below decides.
                let is_further = below.next().is_some_and(|next| (*next < 0.0) == (rest < 0.0));
                let (beyond, lost) = two_sum(sum, 2.0 * rest);
                return if is_further && lost == 0.0 { beyond } else { sum };
            }
        }
        sum
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.parts.capacity() * size_of::<f64>()
    }
}

/// n times the sum of (x - mean of x) (y - mean of y) over n rows, from the parts of the sums of x y, of x and of y; 0 for constants.
pub fn deviations(rows: i64, products: &[f64], x: &[f64], y: &[f64]) -> f64 {
    let mut sum = ExactSum::default();
    products.iter().for_each(|part| sum.add_product(rows as f64, *part));
    for x in x {
        y.iter().for_each(|y| sum.add_product(-x, *y));
    }
    sum.value()
}

/// a + b, rounded, and what rounding has lost (D. Knuth, The Art of Computer Programming 2, 4.2.2).
#[inline(always)]
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// a * b, rounded, and what rounding has lost (T. J. Dekker 1971, Numerische Mathematik 18, 224-242).
#[inline(always)]
pub fn two_product(a: f64, b: f64) -> (f64, f64) {
    product_of_halves((a, high_half(a)), (b, high_half(b)))
}

/// The same, of numbers with their upper halves.
#[inline(always)]
pub fn product_of_halves((a, high_a): (f64, f64), (b, high_b): (f64, f64)) -> (f64, f64) {
    let (low_a, low_b) = (a - high_a, b - high_b);
    let product = a * b;
    (product, low_a * low_b - (((product - high_a * high_b) - low_a * high_b) - high_a * low_b))
}

/// The upper 26 bits of a number.
#[inline(always)]
pub fn high_half(value: f64) -> f64 {
    let spread = 134_217_729.0 * value;
    spread - (spread - value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        for value in values {
            sum.add(*value);
        }
        sum
    }

    /// Python's `math.fsum` of the same numbers.
    #[test]
    fn sums_are_those_of_pythons_fsum() {
        assert_eq!(sum(&[0.1; 10]).value(), 1.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100]).value(), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1e-16]).value(), 1e16 + 2.0);
        assert_eq!(sum(&[1e16, 1.0, -1e-16]).value(), 1e16);
        assert_eq!(sum(&[1e16, 3.0, -1e-16]).value(), 1e16 + 2.0);
        assert_eq!(sum(&[]).value(), 0.0);
        assert_eq!(sum(&[-1e308, 1.0, 1e308]).value(), 1.0);
    }

    #[test]
    fn products_lose_nothing() {
        let mut square = ExactSum::default();
        square.add_product(1e8 + 1e-8, 1e8 - 1e-8);
        square.add_product(-(1e8 + 1e-8), 1e8);
        square.add_product(1e8 + 1e-8, 1e8 - (1e8 - 1e-8));
        assert_eq!(square.value(), 0.0);
    }

    fn number() -> impl Strategy<Value = f64> {
        (-1e6..1e6_f64, -60..60_i32).prop_map(|(value, exponent)| value * f64::from(exponent).exp2())
    }

    proptest! {
        #[test]
        fn order_and_parts_make_no_difference(
            values in prop::collection::vec(number(), 0..40).prop_shuffle(), cut in any::<prop::sample::Index>(),
        ) {
            let whole = sum(&values).value();
            let backwards: Vec<f64> = values.iter().rev().copied().collect();
            prop_assert_eq!(sum(&backwards).value().to_bits(), whole.to_bits());
            let (first, second) = values.split_at(cut.index(values.len() + 1));
            let (mut merged, second) = (sum(first), sum(second));
            for part in second.parts() {
                merged.add(*part);
            }
            prop_assert_eq!(merged.value().to_bits(), whole.to_bits());
        }
    }
}
