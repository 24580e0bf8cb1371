//! The physical model: seconds = latency + bytes / bandwidth + images x cost of an image.

use super::fits::{Fit, fits};
use super::measurements::Measurement;
use super::series::Series;
use crate::engine::Engine;
use crate::error::Result;

/// How many times as many workers are asked about.
pub(super) const WORKERS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// What seconds depend on, beside the latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terms {
    Both,
    Bytes,
    Images,
}

/// The model of a series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub(super) series: i64,
    pub(super) terms: Terms,
    pub(super) fit: Fit,
    /// Why there is only one term.
    pub(super) reason: Option<String>,
}

/// A series' model, or why there is none.
pub(super) type Modelled = (i64, std::result::Result<Model, String>);

/// A coefficient and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) standard_error: Option<f64>,
}

impl Estimate {
    /// Whether it is more than noise.
    fn is_sound(self) -> bool {
        self.value > 0.0 && self.standard_error.is_some_and(|error| self.value >= 2.0 * error)
    }
}

impl Model {
    /// What passes before the first byte is there; `None` where the fit makes it less than nothing, which no latency is.
    pub(super) fn latency(&self) -> Option<Estimate> {
        let Fit { intercept, intercept_standard_error, .. } = self.fit;
        (intercept >= 0.0).then_some(Estimate { value: intercept, standard_error: intercept_standard_error })
    }

    /// Seconds for a byte.
    pub(super) fn byte(&self) -> Option<Estimate> {
        match self.terms {
            Terms::Both | Terms::Bytes => estimate(&self.fit, 0),
            Terms::Images => None,
        }
    }

    /// Seconds for an image.
    pub(super) fn image(&self) -> Option<Estimate> {
        match self.terms {
            Terms::Both => estimate(&self.fit, 1),
            Terms::Images => estimate(&self.fit, 0),
            Terms::Bytes => None,
        }
    }

    pub(super) fn seconds(&self, bytes: f64, images: f64) -> f64 {
        match self.terms {
            Terms::Both => self.fit.at(&[bytes, images]),
            Terms::Bytes => self.fit.at(&[bytes]),
            Terms::Images => self.fit.at(&[images]),
        }
    }

    pub(super) fn predicted(&self, measurement: &Measurement) -> f64 {
        self.seconds(measurement.bytes, measurement.images)
    }
}

fn estimate(fit: &Fit, term: usize) -> Option<Estimate> {
    let value = fit.coefficients.get(term).copied().flatten()?;
    Some(Estimate { value, standard_error: fit.standard_errors.get(term).copied().flatten() })
}

/// The models of all series.
pub(super) async fn models(engine: &Engine, series: &[Series]) -> Result<Vec<Modelled>> {
    let both = fits(engine, "seconds", &["bytes", "images"]).await?;
    let bytes = fits(engine, "seconds", &["bytes"]).await?;
    let images = fits(engine, "seconds", &["images"]).await?;
    let model = |series: &Series| {
        let number = series.number;
        let fits = Fits { both: both.get(&number), bytes: bytes.get(&number), images: images.get(&number) };
        (number, fits.choose(series))
    };
    Ok(series.iter().map(model).collect())
}

/// What there is to choose from.
struct Fits<'a> {
    both: Option<&'a Fit>,
    bytes: Option<&'a Fit>,
    images: Option<&'a Fit>,
}

impl Fits<'_> {
    fn choose(&self, series: &Series) -> std::result::Result<Model, String> {
        let model = |terms, fit: &Fit, reason| Model { series: series.number, terms, fit: fit.clone(), reason };
        let reason = match self.both {
            None => "there are too few measurements to fit two terms".to_string(),
            Some(both) => match reason(both) {
                None => return Ok(model(Terms::Both, both, None)),
                Some(reason) => reason,
            },
        };
        if [self.both, self.bytes, self.images].iter().all(Option::is_none) {
            return Err("there are too few measurements that differ".to_string());
        }
        let sound = |fit: Option<&'_ Fit>| fit.filter(|fit| estimate(fit, 0).is_some_and(Estimate::is_sound)).cloned();
        let (terms, fit) = match (sound(self.bytes), sound(self.images)) {
            (None, None) => {
                return Err(format!(
                    "{reason}, and seconds rise neither with bytes nor with images by more than two standard errors"
                ));
            }
            (Some(bytes), None) => (Terms::Bytes, bytes),
            (None, Some(images)) => (Terms::Images, images),
            (Some(bytes), Some(images)) => {
                let more = bytes.r2.unwrap_or(0.0) - images.r2.unwrap_or(0.0);
                // Where both do as well, the work that is known to be done decides.
                let is_bytes = if more.abs() < 0.005 { series.decode == Some(false) } else { more > 0.0 };
                if is_bytes { (Terms::Bytes, bytes) } else { (Terms::Images, images) }
            }
        };
        Ok(model(terms, &fit, Some(reason)))
    }
}

/// Why two terms can't be told apart; `None` where they can.
fn reason(both: &Fit) -> Option<String> {
    let terms = [("bytes", estimate(both, 0)), ("images", estimate(both, 1))];
    for (name, term) in terms {
        match term {
            None => return Some("bytes and images rise together in all measurements".to_string()),
            Some(term) if term.value < 0.0 => {
                return Some(format!("fitted together with the other, the coefficient of {name} is negative"));
            }
            Some(term) if !term.is_sound() => {
                return Some(format!(
                    "fitted together with the other, the coefficient of {name} is smaller than two standard errors"
                ));
            }
            Some(_) => {}
        }
    }
    None
}

/// What the model says of reading the whole source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prediction {
    pub(super) series: i64,
    pub(super) images: f64,
    pub(super) bytes: f64,
    /// What of the two isn't known but estimated.
    pub(super) estimated: Option<&'static str>,
    /// For each number of workers.
    pub(super) rows: Vec<Predicted>,
}

/// Seconds with so many workers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Predicted {
    pub(super) workers: u32,
    /// If each worker has the bandwidth that one had.
    pub(super) growing: f64,
    /// If all share it; `None` where the bandwidth isn't known.
    pub(super) shared: Option<f64>,
}

/// What a model says of the whole source; `None` if its size isn't known.
pub(super) fn prediction(model: &Model, series: &Series) -> Option<Prediction> {
    let per_image = series.bytes_per_image;
    let (images, bytes, estimated) = match (series.dataset_images, series.dataset_bytes) {
        (Some(images), Some(bytes)) => (images as f64, bytes as f64, None),
        (None, Some(bytes)) => ((bytes as f64 / per_image).round(), bytes as f64, Some("images")),
        (Some(images), None) => (images as f64, images as f64 * per_image, Some("bytes")),
        (None, None) => return None,
    };
    let latency = model.latency().map_or(0.0, |latency| latency.value);
    let transfer = model.byte().map(|byte| byte.value * bytes);
    let decoding = model.image().map_or(0.0, |image| image.value * images);
    let rows = WORKERS.map(|workers| {
        let share = f64::from(workers);
        Predicted {
            workers,
            growing: latency + (transfer.unwrap_or(0.0) + decoding) / share,
            shared: transfer.map(|transfer| latency + transfer + decoding / share),
        }
    });
    Some(Prediction { series: series.number, images, bytes, estimated, rows: rows.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::series::testing::series;

    fn fit(coefficients: &[Option<f64>], standard_error: f64, r2: f64) -> Fit {
        Fit {
            intercept: 0.05,
            coefficients: coefficients.to_vec(),
            r2: Some(r2),
            intercept_standard_error: Some(0.01),
            standard_errors: coefficients.iter().map(|value| value.map(|_| standard_error)).collect(),
            residual_standard_error: Some(0.01),
            n: 12,
        }
    }

    #[test]
    fn two_terms_are_kept_where_both_are_more_than_noise() {
        let both = fit(&[Some(1e-8), Some(2e-3)], 1e-9, 0.99);
        let model = Fits { both: Some(&both), bytes: None, images: None }.choose(&series(1, "a", "images"));
        let model = model.expect("a model");
        assert_eq!((model.terms, model.reason.as_deref()), (Terms::Both, None));
        assert_eq!(model.seconds(1e6, 10.0), 0.05 + 0.01 + 0.02);
    }

    #[test]
    fn terms_that_cant_be_told_apart_become_one() {
        let (bytes, images) = (fit(&[Some(1e-8)], 1e-9, 0.98), fit(&[Some(2e-3)], 1e-4, 0.97));
        let cases = [
            (fit(&[Some(1e-8), None], 1e-9, 0.98), "bytes and images rise together in all measurements"),
            (
                fit(&[Some(1e-8), Some(-2e-3)], 1e-9, 0.98),
                "fitted together with the other, the coefficient of images is negative",
            ),
            (
                fit(&[Some(1e-8), Some(2e-3)], 0.7e-8, 0.98),
                "fitted together with the other, the coefficient of bytes is smaller than two standard errors",
            ),
        ];
        for (both, reason) in cases {
            let fits = Fits { both: Some(&both), bytes: Some(&bytes), images: Some(&images) };
            let model = fits.choose(&series(1, "a", "images")).expect("a model");
            assert_eq!((model.terms, model.reason.as_deref()), (Terms::Bytes, Some(reason)));
            assert_eq!(model.image(), None);
        }
    }

    #[test]
    fn what_explains_nothing_is_no_model() {
        let noise = fit(&[Some(1e-9)], 1e-8, 0.01);
        let fits = Fits { both: None, bytes: Some(&noise), images: Some(&noise) };
        let reason = fits.choose(&series(1, "a", "images")).expect_err("no model");
        assert!(reason.starts_with("there are too few measurements to fit two terms, and seconds rise neither"));
    }

    #[test]
    fn workers_share_all_but_the_latency_and_maybe_the_bandwidth() {
        let both = fit(&[Some(1e-8), Some(1e-3)], 1e-9, 0.99);
        let source = series(1, "a", "images");
        let model = Fits { both: Some(&both), bytes: None, images: None }.choose(&source).expect("a model");
        let prediction = prediction(&model, &source).expect("a prediction");
        let (one, four) = (prediction.rows[0], prediction.rows[2]);
        // 3.67 s of transfer, 3.67 s of decoding.
        assert!((one.growing - 7.39).abs() < 1e-9 && (one.shared.expect("known") - 7.39).abs() < 1e-9);
        assert!((four.growing - 1.885).abs() < 1e-9);
        assert!((four.shared.expect("known") - (0.05 + 3.67 + 0.9175)).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_number_of_images_is_estimated_from_their_mean_size() {
        let both = fit(&[Some(1e-8), Some(1e-3)], 1e-9, 0.99);
        let source = Series { dataset_images: None, ..series(1, "a", "images") };
        let model = Fits { both: Some(&both), bytes: None, images: None }.choose(&source).expect("a model");
        let prediction_ = prediction(&model, &source).expect("a prediction");
        assert_eq!((prediction_.images, prediction_.estimated), (3670.0, Some("images")));
        assert_eq!(prediction(&model, &Series { dataset_bytes: None, ..source }), None);
    }
}
