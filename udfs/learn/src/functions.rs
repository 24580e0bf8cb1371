//! Exponential and logarithm in sums and products alone: the same bits on every processor, and loops over them vectorise.
//!
//! The functions of C libraries pick their code by processor, and so do their last digits differ.

use std::f64::consts::{LOG2_E, SQRT_2};

/// The upper part of ln 2, which leaves 20 bits for a factor, and the rest.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Added and taken away again it rounds to a whole number.
const TO_WHOLE: f64 = 6_755_399_441_055_744.0;

/// e^x for x up to 709; below -708 what it is there, 3e-308.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    let x = if x < -708.0 { -708.0 } else { x };
    let shifted = x * LOG2_E + TO_WHOLE;
    let power = shifted - TO_WHOLE;
    let r = (x - power * LN_2_HIGH) - power * LN_2_LOW;
    // Taylor's series: |r| is at most 0.35, the next term 4e-18.
    let mut sum = 1.0 / 6_227_020_800.0;
    sum = sum * r + 1.0 / 479_001_600.0;
    sum = sum * r + 1.0 / 39_916_800.0;
    sum = sum * r + 1.0 / 3_628_800.0;
    sum = sum * r + 1.0 / 362_880.0;
    sum = sum * r + 1.0 / 40_320.0;
    sum = sum * r + 1.0 / 5_040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    let value = 1.0 + (r + (r * r) * sum);
    // The lowest bits of `shifted` are those of the whole number.
    value * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

/// ln x of a normal number above 0.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    let is_above = mantissa > SQRT_2;
    let m = if is_above { 0.5 * mantissa } else { mantissa };
    // The exponent as a double without an instruction that narrow vectors lack.
    let exponent = f64::from_bits(bits >> 52 | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0 - 1023.0;
    let exponent = if is_above { exponent + 1.0 } else { exponent };
    // ln m = 2 artanh t; |t| is at most 0.172, and the term of t^23 4e-19.
    let t = (m - 1.0) / (m + 1.0);
    let square = t * t;
    let mut sum = 1.0 / 21.0;
    sum = sum * square + 1.0 / 19.0;
    sum = sum * square + 1.0 / 17.0;
    sum = sum * square + 1.0 / 15.0;
    sum = sum * square + 1.0 / 13.0;
    sum = sum * square + 1.0 / 11.0;
    sum = sum * square + 1.0 / 9.0;
    sum = sum * square + 1.0 / 7.0;
    sum = sum * square + 1.0 / 5.0;
    sum = sum * square + 1.0 / 3.0;
    let tail = 2.0 * t * (square * sum);
    exponent * LN_2_HIGH + (2.0 * t + (tail + exponent * LN_2_LOW))
}

/// ln(1 + x) for x from 0 on, also where 1 + x loses most of x.
#[inline(always)]
pub(crate) fn ln_1p(x: f64) -> f64 {
    let sum = 1.0 + x;
    ln(sum) + (x - (sum - 1.0)) / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(ours: f64, theirs: f64) -> f64 {
        (ours - theirs).abs() / (theirs.abs() * f64::EPSILON)
    }

    #[test]
    fn exponentials_and_logarithms_are_within_two_units_in_the_last_place() {
        for step in -700_000..=700_000 {
            let x = f64::from(step) * 1e-3 + 1e-5;
            assert!(ulps(exp(x), x.exp()) <= 2.0, "exp({x}) = {}", exp(x));
            let y = x.exp();
            if y < 1e6 {
                assert!(ulps(ln_1p(y), y.ln_1p()) <= 3.0, "ln_1p({y}) = {}", ln_1p(y));
            }
            assert!(ulps(ln(y), y.ln()) <= 2.0, "ln({y}) = {}", ln(y));
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(ln(1.0), 0.0);
        assert!(exp(-1e300) > 0.0);
    }
}
