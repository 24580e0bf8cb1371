//! SQL functions that decode, resize, crop and encode images, fit lines and principal components, measure predictions and lay
//! vectors out in a plane, for any DataFusion application.
//!
//! Images are the struct type [`image_type`]; files are `BINARY` columns. A bad image is NULL, never a failed query.
//!
//! ```
//! use datafusion::prelude::SessionContext;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> datafusion::common::Result<()> {
//! let ctx = SessionContext::new();
//! pixmill_udfs::register_all(&ctx);
//! let reasons = ctx.sql("SELECT image_error(X'3c21444f') AS reason").await?.collect().await?;
//! let reasons = datafusion::arrow::util::pretty::pretty_format_batches(&reasons)?.to_string();
//! assert!(reasons.contains("not a jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico image (starts with 3c 21 44 4f)"));
//! # Ok(())
//! # }
//! ```

mod accuracy;
mod fitted;
mod hamming_distance;
mod hash_fraction;
mod image_center_crop;
mod image_classify;
mod image_crop;
mod image_decode;
mod image_encode;
mod image_error;
mod image_error_class;
mod image_features;
mod image_flip;
mod image_hash;
mod image_info;
mod image_mean_std;
mod image_model;
mod image_pad;
mod image_pipeline;
mod image_resize;
mod image_rotate;
mod image_stats;
mod image_to_tensor;
mod length_in_bytes;
mod linear_prediction;
mod linear_regression;
mod list;
mod log_loss;
mod mean_absolute_error;
mod onnx_predict;
mod pca;
mod pca_projection;
mod predict;
mod predict_probabilities;
mod r2_score;
mod rmse;
mod roc_auc;
mod silhouette;
mod standard_scaler;
mod standard_scores;
mod support;
mod tsne;
mod vector;

use datafusion::prelude::SessionContext;

pub use fitted::{
    Answer, FittedFeature, FittedLabel, FittedModel, FittedModels, FittedStep, FittedTo, Round, StepKind,
    decode_prediction, decode_round, encode_prediction, encode_round, feature_names, prediction,
};
pub use image_error::image_error;
pub use list::{aggregates, all, extended, image_pipeline, of_models, pages, windows};
pub use support::bad_image::{BadImage, ImageErrorClass};
pub use support::format::formats;
pub use support::guard::{catch_panic, is_guarded};
pub use support::header::{decoded_bytes, image_size, tells_all};
pub use support::image_array::image_type;
pub use support::jpeg::JPEG_CODEC;
pub use support::limits::{ImageLimits, limit_images_by, within_limits};
pub use support::model_steps::is_answer_to_an_image;
pub use support::onnx::{ModelFile, ModelFiles, ModelSettings, find_models_by, model_loads};
pub use support::threads::limit_threads;
pub use support::work::{Work, measure};

/// Registers every function of this crate with a session.
pub fn register_all(ctx: &SessionContext) {
    for function in all().into_iter().chain(extended()) {
        ctx.register_udf(function);
    }
    for function in aggregates() {
        ctx.register_udaf(function);
    }
    for function in windows() {
        ctx.register_udwf(function);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch};
    use datafusion::common::Result;
    use datafusion::datasource::MemTable;
    use datafusion::prelude::SessionConfig;

    use super::*;
    use crate::support::testing::{six_numbers, vectors};

    #[test]
    fn every_function_has_one_name_and_a_page() {
        let scalars = all().iter().map(|f| f.aliases().len()).sum::<usize>();
        let aggregates = aggregates().iter().map(|f| f.aliases().len()).sum::<usize>();
        let windows = windows().iter().map(|f| f.aliases().len()).sum::<usize>();
        assert_eq!([scalars, aggregates, windows], [0; 3], "functions travel by name: no aliases");
        let mut names = HashSet::new();
        for (name, page) in pages() {
            assert!(page.expect("a documented function").sql_example.is_some(), "{name} has no example");
            assert!(names.insert(name));
        }
    }

    #[test]
    fn parameters_have_names_where_there_is_a_number_of_them() {
        for function in all() {
            let is_named = function.signature().parameter_names.is_some();
            // Any number of parameters has no names.
            let has_any_number =
                ["linear_prediction", "predict", "predict_probabilities", "vector"].contains(&function.name());
            assert_eq!(is_named, !has_any_number, "{}", function.name());
        }
    }

    /// What statistics say of rows that are spread over so many partitions.
    async fn statistics(partitions: usize) -> Result<Vec<RecordBatch>> {
        let rows: Vec<Vec<f64>> =
            six_numbers().into_iter().map(|row| row.into_iter().map(|x| x / 3.0 + 100.0).collect()).collect();
        let of_rows = |first: usize, rows: &[Vec<f64>]| {
            let column = |place: usize| Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row[place])));
            let ids = Int64Array::from_iter_values((first as i64..).take(rows.len()));
            RecordBatch::try_from_iter([
                ("id", Arc::new(ids) as _),
                ("y", column(0) as _),
                ("yhat", column(1) as _),
                ("x", vectors(rows)),
            ])
        };
        let size = rows.len().div_ceil(partitions);
        let mut parts = Vec::new();
        for (number, part) in rows.chunks(size).enumerate() {
            parts.push(vec![of_rows(number * size, part)?]);
        }
        assert_eq!(parts.len(), partitions);
        let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
        register_all(&ctx);
        ctx.register_table("t", Arc::new(MemTable::try_new(parts[0][0].schema(), parts)?))?;
        let query = "SELECT id % 3 AS part, pca(x, 5), standard_scaler(x), rmse(y, yhat), mean_absolute_error(y, yhat), \
                     r2_score(y, yhat), roc_auc(y > 100.2, yhat), log_loss(y > 100.2, y - 100), accuracy(y > 100.2, y > yhat) \
                     FROM t GROUP BY part ORDER BY part";
        ctx.sql(query).await?.collect().await
    }

    #[tokio::test]
    async fn statistics_have_the_same_bits_on_1_2_and_7_partitions() {
        let whole = statistics(1).await.expect("statistics");
        assert_eq!(whole.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
        for partitions in [2, 7] {
            assert_eq!(statistics(partitions).await.expect("statistics"), whole, "{partitions} partitions");
        }
    }

    #[tokio::test]
    async fn a_picture_has_the_same_bits_on_1_2_and_7_partitions() {
        let drawn = async |partitions: usize| {
            let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
            register_all(&ctx);
            let size = 60_usize.div_ceil(partitions);
            let part = |part: usize| {
                let ids = (part * size..60.min(part * size + size)).map(|id| (id * 37 % 60) as i64);
                let rows: Vec<Vec<f64>> = ids.clone().map(|id| vec![(id % 3) as f64, (id / 3) as f64 / 9.0]).collect();
                let ids: Int64Array = ids.collect();
                RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("x", vectors(&rows))]).map(|batch| vec![batch])
            };
            let parts: std::result::Result<Vec<_>, _> = (0..partitions).map(part).collect();
            let parts = parts.expect("batches");
            let table = MemTable::try_new(parts[0][0].schema(), parts).expect("a table");
            ctx.register_table("t", Arc::new(table)).expect("registered");
            let query = "SELECT id, tsne(x, 5, 300) OVER (ORDER BY id) AS xy, tsne(x, 5, 300) OVER (PARTITION BY id % 2 ORDER BY id) AS halves
                         FROM t ORDER BY id";
            ctx.sql(query).await.expect("a plan").collect().await.expect("points")
        };
        let whole = drawn(1).await;
        for partitions in [2, 7] {
            assert_eq!(drawn(partitions).await, whole, "{partitions} partitions");
        }
    }
}
