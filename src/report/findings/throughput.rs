//! What is found of throughput: files against shards, and what explains it.

use super::{Finding, Name, combination, each};
use crate::report::compare::Comparison;
use crate::report::fits::{Linear, Predictors};
use crate::report::number::{bytes, capital, named, number, r2, ratio};
use crate::words::counted;

/// Below this a straight line explains little.
const LITTLE: f64 = 0.3;
/// How much more of the variance the logarithm has to explain for throughput to be called saturating.
const CLEARLY_MORE: f64 = 0.05;

pub(super) fn files_and_shards(comparison: &Comparison) -> Option<Finding> {
    let images = comparison.images_per_second()?;
    let what = match images.mean {
        mean if mean > 1.05 => format!("Shards are read {} times as fast as files.", ratio(mean)),
        mean if mean < 0.95 => format!("Files are read {} times as fast as shards.", ratio(1.0 / mean)),
        _ => "Shards and files are read about as fast.".to_string(),
    };
    let pairs = comparison.pairs.len();
    let faster = match images.faster {
        faster if faster == pairs => "shards are faster in every one".to_string(),
        0 => "shards are faster in none".to_string(),
        faster => format!("shards are faster in {faster}"),
    };
    let mut how = format!(
        "Shards by files in images/s: {}, the geometric mean of {} of batch size and number that both have; \
         from {} to {}; {faster}.",
        ratio(images.mean),
        counted(pairs as u64, "combination"),
        ratio(images.min),
        ratio(images.max)
    );
    if let Some(mb) = comparison.mb_per_second() {
        how.push_str(&format!(
            " In MB/s: {}, from {} to {}. An image has {} in files and {} in shards.",
            ratio(mb.mean),
            ratio(mb.min),
            ratio(mb.max),
            bytes(comparison.file_bytes_per_image),
            bytes(comparison.shard_bytes_per_image)
        ));
    }
    Some(Finding::new(what, how))
}

pub(super) fn best_predictor(linear: &[Linear], name: Name<'_>) -> Option<Finding> {
    let best = linear.iter().filter_map(|one| one.best().map(|(predictors, r2)| (one.series, predictors, r2)));
    let best: Vec<(i64, Predictors, f64)> = best.collect();
    let (_, first, _) = best.first()?;
    let what = if best.iter().all(|(_, _, r2)| *r2 < LITTLE) {
        "No single parameter explains much of the throughput by a straight line.".to_string()
    } else if best.iter().all(|(_, predictors, _)| predictors == first) {
        format!("Of batch size, batch number and their product, the {} explains throughput best.", first.words())
    } else {
        let best = best.iter().map(|(series, predictors, r2)| match *r2 < LITTLE {
            true => format!("none of the three for {}", name(*series)),
            false => format!("the {} for {}", predictors.words(), name(*series)),
        });
        format!("What explains throughput best is {}.", named(&best.collect::<Vec<_>>()))
    };
    let r2s = linear.iter().filter_map(|one| {
        let r2s = Predictors::EACH.into_iter().filter_map(|predictors| {
            let together = if predictors == Predictors::All { " together" } else { "" };
            one.r2(predictors).map(|value| format!("{} for {}{together}", r2(value), predictors.words()))
        });
        let r2s: Vec<String> = r2s.collect();
        (!r2s.is_empty()).then(|| format!("{}: {}.", capital(&name(one.series)), r2s.join(", ")))
    });
    Some(Finding::new(what, format!("R\u{b2} of images/s. {}", each(r2s))))
}

pub(super) fn break_down(linear: &[Linear], name: Name<'_>) -> Option<Finding> {
    let fitted = linear.iter().filter(|one| one.fits.contains_key(&Predictors::All));
    let signs: Vec<(i64, Vec<String>)> = fitted.map(|one| (one.series, signs(one))).collect();
    if signs.is_empty() {
        return None;
    }
    let broken: Vec<&(i64, Vec<String>)> = signs.iter().filter(|(_, signs)| !signs.is_empty()).collect();
    if broken.is_empty() {
        return Some(Finding::new(
            "Nothing speaks against the linear fit.",
            "No combination is predicted to have no throughput or less, none has a mean residual beyond two residual \
             standard errors, and the logarithm of the product explains little, or little more than the product.",
        ));
    }
    let names: Vec<String> = broken.iter().map(|(series, _)| name(*series)).collect();
    let how = broken.iter().map(|(series, signs)| format!("{}: {}.", capital(&name(*series)), signs.join("; ")));
    Some(Finding::new(format!("The linear fit of throughput breaks down for {}.", named(&names)), each(how)))
}

/// What speaks against a series' linear fits.
fn signs(linear: &Linear) -> Vec<String> {
    let mut signs = Vec::new();
    if !linear.negative.is_empty() {
        let count = counted(linear.negative.len() as u64, "combination");
        let all: Vec<String> = linear.negative.iter().map(|one| combination(*one)).collect();
        signs.push(format!("it predicts no throughput or less for {count} of batch size and number ({})", named(&all)));
    }
    if !linear.far.is_empty() {
        let mut far: Vec<&((i64, i64), f64)> = linear.far.iter().collect();
        far.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        let all = far.iter().map(|(one, errors)| format!("{} by {}", combination(*one), number(*errors)));
        let all: Vec<String> = all.collect();
        let verb = if far.len() == 1 { "is" } else { "are" };
        let count = counted(far.len() as u64, "combination");
        signs.push(format!(
            "the mean of {count} {verb} off by more than two residual standard errors ({})",
            named(&all)
        ));
    }
    if let (Some(log), Some(straight)) = (linear.log_product_r2, linear.r2(Predictors::Product))
        && log > straight + CLEARLY_MORE
        && log >= LITTLE
    {
        signs.push(format!(
            "throughput grows with the logarithm of the product (R\u{b2}\u{a0}{}) rather than with the product \
             (R\u{b2}\u{a0}{}), as it does where it saturates",
            r2(log),
            r2(straight)
        ));
    }
    signs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::name;
    use super::*;
    use crate::report::compare::Pair;
    use crate::report::fits::Fit;

    fn pair(files: f64, shards: f64) -> Pair {
        Pair { batch_size: 2, batch_number: 3, files, shards, mb_ratio: shards / files / 4.0 }
    }

    fn comparison(pairs: Vec<Pair>) -> Comparison {
        Comparison { pairs, file_bytes_per_image: 118_000.0, shard_bytes_per_image: 29_500.0 }
    }

    fn linear(series: i64, r2s: [f64; 4]) -> Linear {
        let fit = |r2: f64| Fit {
            intercept: 1.0,
            coefficients: vec![Some(1.0)],
            r2: Some(r2),
            intercept_standard_error: Some(0.1),
            standard_errors: vec![Some(0.1)],
            residual_standard_error: Some(1.0),
            n: 48,
        };
        Linear {
            series,
            fits: Predictors::EACH.into_iter().zip(r2s.map(fit)).collect(),
            log_product_r2: None,
            negative: Vec::new(),
            far: Vec::new(),
            seconds_r2: None,
        }
    }

    #[test]
    fn shards_are_compared_with_files_pair_by_pair() {
        let finding = files_and_shards(&comparison(vec![pair(100.0, 200.0), pair(100.0, 800.0)])).expect("a finding");
        assert_eq!(finding.what, "Shards are read 4.0 times as fast as files.");
        assert_eq!(
            finding.how,
            "Shards by files in images/s: 4.0, the geometric mean of 2 combinations of batch size and number that both have; \
             from 2.0 to 8.0; shards are faster in every one. In MB/s: 1.00, from 0.50 to 2.0. An image has 118 kB in files \
             and 29.5 kB in shards."
        );
        let slower = files_and_shards(&comparison(vec![pair(300.0, 100.0)])).expect("a finding");
        assert_eq!(slower.what, "Files are read 3.0 times as fast as shards.");
        let same = files_and_shards(&comparison(vec![pair(100.0, 102.0)])).expect("a finding");
        assert_eq!(same.what, "Shards and files are read about as fast.");
        assert_eq!(files_and_shards(&Comparison::default()), None);
    }

    #[test]
    fn the_parameter_with_the_largest_r2_explains_most() {
        let same = best_predictor(&[linear(1, [0.31, 0.39, 0.45, 0.74])], &name).expect("a finding");
        assert_eq!(same.what, "Of batch size, batch number and their product, the product explains throughput best.");
        assert_eq!(
            same.how,
            "R² of images/s. Files: 0.31 for batch size, 0.39 for batch number, 0.45 for product, 0.74 for all three together."
        );
        let other = [linear(1, [0.5, 0.1, 0.4, 0.6]), linear(2, [0.1, 0.5, 0.4, 0.6])];
        let other = best_predictor(&other, &name).expect("a finding");
        assert_eq!(
            other.what,
            "What explains throughput best is the batch size for files and the batch number for shards."
        );
        let one = [linear(1, [0.04, 0.07, 0.07, 0.1]), linear(2, [0.44, 0.24, 0.43, 0.74])];
        let one = best_predictor(&one, &name).expect("a finding");
        assert_eq!(
            one.what,
            "What explains throughput best is none of the three for files and the batch size for shards."
        );
        let little = best_predictor(&[linear(1, [0.1, 0.2, 0.05, 0.25])], &name).expect("a finding");
        assert_eq!(little.what, "No single parameter explains much of the throughput by a straight line.");
    }

    #[test]
    fn a_fit_that_breaks_down_is_told_by_its_signs() {
        let broken = Linear {
            negative: vec![(2, 3)],
            far: vec![((2, 24), 2.1), ((16, 3), -3.4)],
            log_product_r2: Some(0.92),
            ..linear(1, [0.3, 0.3, 0.61, 0.7])
        };
        let finding = break_down(&[broken, linear(2, [0.9; 4])], &name).expect("a finding");
        assert_eq!(finding.what, "The linear fit of throughput breaks down for files.");
        assert_eq!(
            finding.how,
            "Files: it predicts no throughput or less for 1 combination of batch size and number (2 × 3); the mean of 2 \
             combinations are off by more than two residual standard errors (16 × 3 by −3.40 and 2 × 24 by 2.10); throughput \
             grows with the logarithm of the product (R²\u{a0}0.92) rather than with the product (R²\u{a0}0.61), as it does \
             where it saturates."
        );
        let sound = break_down(&[linear(2, [0.9; 4])], &name).expect("a finding");
        assert_eq!(sound.what, "Nothing speaks against the linear fit.");
        let flat = Linear { log_product_r2: Some(0.12), ..linear(2, [0.0, 0.0, 0.02, 0.03]) };
        assert_eq!(break_down(&[flat], &name).expect("a finding").what, "Nothing speaks against the linear fit.");
        let none = Linear { fits: BTreeMap::new(), ..linear(1, [0.9; 4]) };
        assert_eq!(break_down(&[none], &name), None);
    }
}
