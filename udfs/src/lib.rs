//! SQL functions that decode, resize, crop and encode images, for any DataFusion application.
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
//! assert!(reasons.contains("not a jpeg, png, gif, bmp, webp or tiff image (starts with 3c 21 44 4f)"));
//! # Ok(())
//! # }
//! ```

mod image_center_crop;
mod image_crop;
mod image_decode;
mod image_encode;
mod image_error;
mod image_info;
mod image_pipeline;
mod image_resize;
mod image_to_tensor;
mod support;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

pub use image_center_crop::ImageCenterCrop;
pub use image_crop::ImageCrop;
pub use image_decode::ImageDecode;
pub use image_encode::ImageEncode;
pub use image_error::{ImageError, image_error};
pub use image_info::ImageInfo;
pub use image_pipeline::ImagePipeline;
pub use image_resize::ImageResize;
pub use image_to_tensor::ImageToTensor;
pub use support::guard::{catch_panic, is_guarded};
pub use support::header::{decoded_bytes, image_size};
pub use support::image_array::image_type;
pub use support::jpeg::JPEG_CODEC;
pub use support::work::{Work, measure};

/// Every SQL function of this crate: the one list.
pub fn all() -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::from(ImageCenterCrop::new()),
        ScalarUDF::from(ImageCrop::new()),
        ScalarUDF::from(ImageDecode::new()),
        ScalarUDF::from(ImageEncode::new()),
        ScalarUDF::from(ImageError::new()),
        ScalarUDF::from(ImageInfo::new()),
        ScalarUDF::from(ImagePipeline::new()),
        ScalarUDF::from(ImageResize::new()),
        ScalarUDF::from(ImageToTensor::new()),
    ]
}

/// Registers every function of this crate with a session.
pub fn register_all(ctx: &SessionContext) {
    for function in all() {
        ctx.register_udf(function);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_function_has_one_name_a_page_and_named_parameters() {
        let mut names = HashSet::new();
        for function in all() {
            assert!(names.insert(function.name().to_string()));
            assert!(function.name().starts_with("image_"));
            assert!(function.aliases().is_empty(), "functions travel by name: no aliases");
            let page = function.documentation().expect("a documented function");
            assert!(page.sql_example.is_some(), "{} has no example", function.name());
            assert!(function.signature().parameter_names.is_some(), "{}", function.name());
        }
    }
}
