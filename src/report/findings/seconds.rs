//! What is found of seconds: what they consist of, what the whole source takes, and when the first batch is there.

use super::{Finding, Name, each};
use crate::report::fits::Linear;
use crate::report::model::{Model, Modelled, Predicted, Prediction};
use crate::report::number::{capital, duration, listed, named, number, r2};
use crate::report::spread::Spreads;
use crate::words::counted;

pub(super) fn physical_model(models: &[Modelled], linear: &[Linear], name: Name<'_>) -> Option<Finding> {
    let how = models.iter().map(|(series, model)| match model {
        Err(reason) => format!("{}: no model, as {reason}.", capital(&name(*series))),
        Ok(model) => {
            let seconds = linear.iter().find(|one| one.series == *series).and_then(|one| one.seconds_r2);
            let beside = seconds.map(|(value, _)| format!(", by the linear fit of throughput {}", r2(value)));
            let own = model.fit.r2.map(r2).unwrap_or_default();
            let beside = beside.unwrap_or_default();
            format!("{}: {}; R\u{b2} of seconds {own}{beside}.", capital(&name(*series)), parts(model))
        }
    });
    let fitted: Vec<f64> = models.iter().filter_map(|(_, model)| model.as_ref().ok()?.fit.r2).collect();
    let what = match fitted.iter().copied().reduce(f64::min) {
        None if models.is_empty() => return None,
        None => "No model of the seconds could be fitted.".to_string(),
        Some(least) => format!(
            "{} the seconds, with an R\u{b2} of {}{}.",
            match models.iter().any(|(_, model)| model.as_ref().is_ok_and(|model| model.latency().is_some())) {
                true => "A latency and a time for what is read explain",
                false => "A time for what is read explains",
            },
            r2(least),
            if fitted.len() > 1 { " or more" } else { "" }
        ),
    };
    Some(Finding::new(what, each(how)))
}

/// What a model says that things take.
fn parts(model: &Model) -> String {
    let latency = model.latency().map(|latency| format!("latency {}", duration(latency.value)));
    let mut parts = vec![latency.unwrap_or_else(|| "no latency".to_string())];
    if let Some(byte) = model.byte() {
        parts.push(format!("{} MB/s", number(1.0 / byte.value / 1e6)));
    }
    if let Some(image) = model.image() {
        parts.push(format!("{} for an image", duration(image.value)));
    }
    listed(&parts)
}

pub(super) fn whole_source(predictions: &[Prediction], name: Name<'_>) -> Option<Finding> {
    let at = |prediction: &Prediction, workers: u32| -> Option<Predicted> {
        prediction.rows.iter().find(|row| row.workers == workers).copied()
    };
    let growing = |workers: u32| -> Vec<String> {
        let seconds = predictions.iter().filter_map(|prediction| {
            let seconds = at(prediction, workers)?.growing;
            Some(format!("{} for {}", duration(seconds), name(prediction.series)))
        });
        seconds.collect()
    };
    let (one, sixteen) = (growing(1), growing(16));
    if one.is_empty() {
        return None;
    }
    let shared = predictions.iter().filter_map(|prediction| {
        Some(format!("{} for {}", duration(at(prediction, 16)?.shared?), name(prediction.series)))
    });
    let shared: Vec<String> = shared.collect();
    let mut how = "By the physical model, if the store\u{2019}s bandwidth grows with the workers.".to_string();
    if !shared.is_empty() {
        how.push_str(&format!(" If 16 workers share the bandwidth that one had: {}.", named(&shared)));
    }
    Some(Finding::new(
        format!("The whole source would take one worker {}; 16 workers {}.", named(&one), named(&sixteen)),
        how,
    ))
}

pub(super) fn first_batch(spreads: &Spreads, name: Name<'_>) -> Option<Finding> {
    if spreads.first_batches.is_empty() {
        return None;
    }
    let medians = spreads.first_batches.iter();
    let medians = medians.map(|first| format!("{} from {}", duration(first.median), name(first.series)));
    let how = spreads.first_batches.iter().map(|first| {
        let n = counted(first.n, "measurement");
        format!("{}: {n}, from {} to {}.", capital(&name(first.series)), duration(first.min), duration(first.max))
    });
    Some(Finding::new(
        format!("The first batch takes {}, in the median.", named(&medians.collect::<Vec<_>>())),
        each(how),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::name;
    use super::*;
    use crate::report::fits::Fit;
    use crate::report::model::Terms;
    use crate::report::spread::FirstBatch;

    fn model() -> Model {
        let fit = Fit {
            intercept: 0.06,
            coefficients: vec![Some(2e-8), Some(0.0021)],
            r2: Some(0.987),
            intercept_standard_error: Some(0.01),
            standard_errors: vec![Some(1e-9), Some(1e-4)],
            residual_standard_error: Some(0.02),
            n: 48,
        };
        Model { series: 1, terms: Terms::Both, fit, reason: None }
    }

    #[test]
    fn the_model_is_told_in_units_of_the_field() {
        let models = [(1, Ok(model())), (2, Err("seconds do not rise".to_string()))];
        let finding = physical_model(&models, &[], &name).expect("a finding");
        assert_eq!(finding.what, "A latency and a time for what is read explain the seconds, with an R² of 0.99.");
        assert_eq!(
            finding.how,
            "Files: latency 60.0 ms, 50.0 MB/s and 2.10 ms for an image; R² of seconds 0.99. \
             Shards: no model, as seconds do not rise."
        );
        let none = physical_model(&[(2, Err("seconds do not rise".to_string()))], &[], &name).expect("a finding");
        assert_eq!(none.what, "No model of the seconds could be fitted.");
    }

    #[test]
    fn a_latency_of_less_than_nothing_is_none() {
        let mut model = model();
        model.fit.intercept = -0.012;
        let finding = physical_model(&[(1, Ok(model))], &[], &name).expect("a finding");
        assert_eq!(finding.what, "A time for what is read explains the seconds, with an R² of 0.99.");
        assert_eq!(finding.how, "Files: no latency, 50.0 MB/s and 2.10 ms for an image; R² of seconds 0.99.");
    }

    #[test]
    fn predictions_say_what_they_assume() {
        let row = |workers, growing, shared| Predicted { workers, growing, shared };
        let rows = vec![row(1, 754.0, Some(754.0)), row(16, 47.4, Some(400.0))];
        let prediction = Prediction { series: 1, images: 3670.0, bytes: 4e8, estimated: None, rows };
        let finding = whole_source(&[prediction], &name).expect("a finding");
        assert_eq!(
            finding.what,
            "The whole source would take one worker 12 min 34 s for files; 16 workers 47.4 s for files."
        );
        assert_eq!(
            finding.how,
            "By the physical model, if the store’s bandwidth grows with the workers. \
             If 16 workers share the bandwidth that one had: 6 min 40 s for files."
        );
    }

    #[test]
    fn the_first_batch_has_a_median_and_a_range() {
        let first = FirstBatch { series: 2, n: 48, median: 0.0599, min: 0.0411, max: 1.2 };
        let spreads = Spreads { first_batches: vec![first], ..Spreads::default() };
        let finding = first_batch(&spreads, &name).expect("a finding");
        assert_eq!(finding.what, "The first batch takes 59.9 ms from shards, in the median.");
        assert_eq!(finding.how, "Shards: 48 measurements, from 41.1 ms to 1.20 s.");
    }
}
