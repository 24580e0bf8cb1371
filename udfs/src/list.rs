//! The one list of SQL functions.

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, Documentation, ScalarUDF, WindowUDF};

use crate::accuracy::Accuracy;
use crate::fitted::{FittedModels, NoModels};
use crate::hamming_distance::HammingDistance;
use crate::hash_fraction::HashFraction;
use crate::image_center_crop::CenterCrop;
use crate::image_classify::ImageClassify;
use crate::image_crop::Crop;
use crate::image_decode::Decode;
use crate::image_encode::Encode;
use crate::image_error::ImageError;
use crate::image_error_class::ImageErrorClass;
use crate::image_features::ImageFeatures;
use crate::image_flip::Flip;
use crate::image_hash::ImageHash;
use crate::image_info::ImageInfo;
use crate::image_mean_std::ImageMeanStd;
use crate::image_model::ImageModel;
use crate::image_pad::Pad;
use crate::image_pipeline::Pipeline;
use crate::image_resize::Resize;
use crate::image_rotate::Rotate;
use crate::image_stats::ImageStats;
use crate::image_to_tensor::ToTensor;
use crate::length_in_bytes;
use crate::linear_prediction::LinearPrediction;
use crate::linear_regression::LinearRegression;
use crate::log_loss::LogLoss;
use crate::mean_absolute_error::MeanAbsoluteError;
use crate::onnx_predict::OnnxPredict;
use crate::pca::Pca;
use crate::pca_projection::PcaProjection;
use crate::predict::predict;
use crate::predict_probabilities::predict_probabilities;
use crate::r2_score::R2Score;
use crate::rmse::Rmse;
use crate::roc_auc::RocAuc;
use crate::silhouette::Silhouette;
use crate::standard_scaler::StandardScaler;
use crate::standard_scores::StandardScores;
use crate::support::function::{udaf, udf, udwf};
use crate::support::step::TransformFunction;
use crate::tsne::Tsne;
use crate::vector::Vector;

/// The functions from image to image, which `image_pipeline` runs, too.
pub(crate) const TRANSFORMS: &[TransformFunction] = &[
    TransformFunction::of::<CenterCrop>(),
    TransformFunction::of::<Crop>(),
    TransformFunction::of::<Flip>(),
    TransformFunction::of::<Pad>(),
    TransformFunction::of::<Resize>(),
    TransformFunction::of::<Rotate>(),
];

/// Every other function of a row's values.
const OTHERS: &[fn() -> ScalarUDF] = &[
    udf::<Decode>,
    udf::<Encode>,
    udf::<HammingDistance>,
    udf::<HashFraction>,
    udf::<ImageClassify>,
    udf::<ImageError>,
    udf::<ImageErrorClass>,
    udf::<ImageFeatures>,
    udf::<ImageHash>,
    udf::<ImageInfo>,
    udf::<ImageModel>,
    udf::<ImageStats>,
    udf::<LinearPrediction>,
    udf::<OnnxPredict>,
    udf::<PcaProjection>,
    udf::<Pipeline>,
    udf::<Silhouette>,
    udf::<StandardScores>,
    udf::<ToTensor>,
    udf::<Vector>,
];

const AGGREGATES: &[fn() -> AggregateUDF] = &[
    udaf::<Accuracy>,
    udaf::<ImageMeanStd>,
    udaf::<LinearRegression>,
    udaf::<LogLoss>,
    udaf::<MeanAbsoluteError>,
    udaf::<Pca>,
    udaf::<R2Score>,
    udaf::<Rmse>,
    udaf::<RocAuc>,
    udaf::<StandardScaler>,
];

const WINDOWS: &[fn() -> WindowUDF] = &[udwf::<Tsne>];

/// Every scalar SQL function of this crate, by name.
pub fn all() -> Vec<ScalarUDF> {
    let transforms = TRANSFORMS.iter().map(|transform| (transform.udf)());
    let mut functions: Vec<ScalarUDF> = transforms.chain(OTHERS.iter().map(|function| function())).collect();
    functions.extend(of_models(&(Arc::new(NoModels) as _)));
    functions.sort_by(|one, other| one.name().cmp(other.name()));
    functions
}

/// The functions that find models by their names, here.
pub fn of_models(models: &Arc<dyn FittedModels>) -> [ScalarUDF; 2] {
    [predict(Arc::clone(models)), predict_probabilities(Arc::clone(models))]
}

/// The function that runs a chain of steps, which is given as text, image by image.
pub fn image_pipeline() -> ScalarUDF {
    udf::<Pipeline>()
}

/// Every aggregate SQL function of this crate.
pub fn aggregates() -> Vec<AggregateUDF> {
    AGGREGATES.iter().map(|function| function()).collect()
}

/// Every window function of this crate.
pub fn windows() -> Vec<WindowUDF> {
    WINDOWS.iter().map(|function| function()).collect()
}

/// The names of all functions of this crate with their pages: aggregates come before what is made of their results.
pub fn pages() -> Vec<(String, Option<Documentation>)> {
    let aggregates =
        aggregates().into_iter().map(|function| (function.name().to_string(), function.documentation().cloned()));
    let scalars = all().into_iter().map(|function| (function.name().to_string(), function.documentation().cloned()));
    let windows =
        windows().into_iter().map(|function| (function.name().to_string(), function.documentation().cloned()));
    aggregates.chain(scalars).chain(windows).collect()
}

/// DataFusion's own functions that take more in this crate: `octet_length`, `bit_length` and `length` take BINARY, too.
pub fn extended() -> Vec<ScalarUDF> {
    length_in_bytes::of_binary()
}
