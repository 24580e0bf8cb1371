//! SQL functions that decode, resize, crop and encode images and fit lines, for any DataFusion application.
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

mod hamming_distance;
mod image_center_crop;
mod image_crop;
mod image_decode;
mod image_encode;
mod image_error;
mod image_error_class;
mod image_flip;
mod image_hash;
mod image_info;
mod image_mean_std;
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
mod support;

use datafusion::prelude::SessionContext;

pub use image_error::image_error;
pub use list::{aggregates, all, extended, image_pipeline};
pub use support::bad_image::{BadImage, ImageErrorClass};
pub use support::format::formats;
pub use support::guard::{catch_panic, is_guarded};
pub use support::header::{decoded_bytes, image_size, tells_all};
pub use support::image_array::image_type;
pub use support::jpeg::JPEG_CODEC;
pub use support::limits::{ImageLimits, limit_images_by, within_limits};
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
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_function_has_one_name_and_a_page() {
        let mut names = HashSet::new();
        let scalar: Vec<_> =
            all().into_iter().map(|f| (f.name().to_string(), f.aliases().len(), f.documentation().cloned())).collect();
        let aggregate =
            aggregates().into_iter().map(|f| (f.name().to_string(), f.aliases().len(), f.documentation().cloned()));
        for (name, aliases, page) in scalar.into_iter().chain(aggregate) {
            assert_eq!(aliases, 0, "functions travel by name: no aliases");
            assert!(page.expect("a documented function").sql_example.is_some(), "{name} has no example");
            assert!(names.insert(name));
        }
    }

    #[test]
    fn parameters_have_names_where_there_is_a_number_of_them() {
        for function in all() {
            let is_named = function.signature().parameter_names.is_some();
            // Any number of parameters has no names.
            assert_eq!(is_named, !function.name().starts_with("linear_"), "{}", function.name());
        }
    }
}
