//! The functions, on one core: milliseconds for a batch of 16 photos (of 2 of 12 megapixels), one line for each image function and size; for 100,000 rows, one line for
//! each function of numbers.
//!
//! `cargo bench --bench kernels`

#![allow(clippy::expect_used, missing_docs, reason = "a bench that can't go on stops; criterion's macros have no docs")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datafusion::arrow::array::{ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::function::PartitionEvaluatorArgs;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::{self, PhysicalExpr};
use datafusion::prelude::SessionContext;
use pixmill::synthetic::{PhotoSet, onnx};
use pixmill_learn::Numbers;
use pixmill_udfs::{
    FittedFeature, FittedLabel, FittedModel, FittedModels, FittedStep, FittedTo, ModelFile, ModelFiles, ModelSettings,
    StepKind,
};
use twox_hash::XxHash3_64;

const PHOTOS: usize = 16;
const SIZES: [(u16, u16); 4] = [(32, 32), (320, 240), (1024, 768), (4000, 3000)];

/// Each function with a call of it; what the call needs that isn't measured comes from the column `image`.
const CALLS: &[(&str, &str)] = &[
    ("image_decode", "image_decode(content)"),
    ("image_resize", "image_resize(image, 192, 192, fit => 'cover')"),
    ("image_crop", "image_crop(image, 20, 20, 192, 192)"),
    ("image_center_crop", "image_center_crop(image, 192, 192)"),
    ("image_flip", "image_flip(image)"),
    ("image_pad", "image_pad(image, 8, 8, 8, 8, 'reflect')"),
    ("image_rotate", "image_rotate(image, 90)"),
    ("image_encode", "image_encode(image)"),
    ("image_stats", "image_stats(image)"),
    ("image_hash", "image_hash(image)"),
    ("image_mean_std", "image_mean_std(image)"),
    ("image_info", "image_info(content)"),
    ("image_error", "image_error(content)"),
    ("image_features", "image_features(image, 'colors')"),
    ("image_classify", "image_classify(image, 'colors')"),
    (
        "image_model",
        "image_model(content, 'colors', 'image_decode(rgb, apply, null, fast) | image_resize(4, 4, stretch, bilinear, true) | tensor(rgb, chw, 1, [0], [1]) | features', 'features', '{version}')",
    ),
    ("image_error_class", "image_error_class(content)"),
    (
        "image_to_tensor",
        "image_to_tensor(image, {width}, {height}, NULL, NULL, 'chw', 1.0 / 255, make_array(0.485, 0.456, 0.406), make_array(0.229, 0.224, 0.225))",
    ),
    (
        "image_pipeline",
        "image_pipeline(content, 'image_decode(rgb, apply, null, fast) | image_resize(192, 192, cover, bilinear, true) | image_encode(jpeg, 95, 4:4:4, true)')",
    ),
];

/// Further options of the functions above.
const VARIANTS: &[(&str, &str)] = &[
    ("image_decode accurate", "image_decode(content, 'rgb', 'apply', 'null', 'accurate')"),
    ("image_decode gray", "image_decode(content, 'gray')"),
    ("image_encode 4:2:0", "image_encode(image, 'jpeg', 95, '4:2:0')"),
    ("image_encode standard tables", "image_encode(image, 'jpeg', 95, '4:4:4', false)"),
    ("image_resize four taps", "image_resize(image, 192, 192, 'cover', 'bilinear', false)"),
    ("image_resize lanczos3", "image_resize(image, 192, 192, 'cover', 'lanczos3', true)"),
    (
        "image_pipeline four taps",
        "image_pipeline(content, 'image_decode(native, ignore, null, fast) | image_resize(192, 192, cover, bilinear, false) | image_encode(jpeg, 95, 4:4:4, true)')",
    ),
    (
        "image_pipeline reduced",
        "image_pipeline(content, 'image_decode(rgb, apply, null, fast) | image_resize(64, 64, cover, area, true) | image_encode(jpeg, 95, 4:4:4, true)')",
    ),
];

/// The models `colors` and `line`, and one that was fitted.
#[derive(Debug)]
struct Models;

impl ModelFiles for Models {
    fn check(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn look_at(&self, location: &str) -> Result<ModelFile> {
        Ok(ModelFile { bytes: self.read(location, 0)?.len() as u64, version: String::new() })
    }

    fn read(&self, location: &str, _: u64) -> Result<Vec<u8>> {
        Ok(if location == "line" { onnx::line().file() } else { onnx::color_classifier().file() })
    }
}

impl FittedModels for Models {
    /// A scaler and two classes.
    fn find(&self, _: &str) -> Result<Arc<FittedModel>> {
        let step = |kind, numbers: &[(&str, &[usize], &[f64])]| {
            let numbers = numbers.iter().map(|(name, shape, values)| Numbers {
                name: name.to_string(),
                shape: shape.to_vec(),
                values: values.to_vec(),
            });
            let (arguments, notes) = (String::new(), Vec::new());
            FittedStep { kind, arguments, rounds: 1, converged: true, numbers: numbers.collect(), notes }
        };
        let steps = vec![
            step(StepKind::StandardScaler, &[("mean", &[2], &[5000.0, 5000.0]), ("std", &[2], &[2900.0, 2900.0])]),
            step(
                StepKind::LogisticRegression,
                &[("coefficients", &[1, 2], &[1.0, -0.5]), ("intercepts", &[1], &[0.1])],
            ),
        ];
        let feature =
            |name: &str| FittedFeature { name: name.to_string(), data_type: "Float64".to_string(), numbers: 1 };
        let classes: ArrayRef = Arc::new(BooleanArray::from(vec![false, true]));
        let label = Some(FittedLabel { name: "is_true".to_string(), classes: Some(classes) });
        let features = vec![feature("x1"), feature("x2")];
        let fitted_to = FittedTo { features, label, rows: 1, left_out: 0, query: String::new() };
        FittedModel::try_new(steps, fitted_to).map(Arc::new)
    }
}

fn expression(call: &str, schema: &DFSchema) -> Arc<dyn PhysicalExpr> {
    let ctx = SessionContext::new();
    pixmill_udfs::register_all(&ctx);
    for function in pixmill_udfs::of_models(&(Arc::new(Models) as Arc<dyn FittedModels>)) {
        ctx.register_udf(function);
    }
    pixmill_udfs::find_models_by(|_| {
        Ok(Some(ModelSettings { files: Arc::new(Models), cache_bytes: 1 << 20, onnxruntime: None }))
    });
    let state = ctx.state();
    let expr = state.create_logical_expr(call, schema).expect("an expression");
    state.create_physical_expr(expr, schema).expect("a physical expression")
}

fn batch((width, height): (u16, u16)) -> RecordBatch {
    let count = if width > 2000 { 2 } else { PHOTOS };
    let photos = PhotoSet { images: count, classes: 1, size: Some((width, height)), seed: 7 };
    let files: Vec<Vec<u8>> = (0..count).map(|index| photos.jpeg(index).expect("a photo")).collect();
    let content: ArrayRef = Arc::new(BinaryArray::from_iter_values(files));
    let field = Field::new("content", DataType::Binary, true);
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let encoded = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&content)]).expect("a batch");
    let decode = expression("image_decode(content)", &DFSchema::try_from(schema).expect("a schema"));
    let image = decode.evaluate(&encoded).and_then(|image| image.into_array(count)).expect("images");
    let fields = vec![field, Field::new("image", pixmill_udfs::image_type(), true)];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![content, image]).expect("a batch")
}

/// Times a call, of a scalar function or of an aggregate of columns.
fn bench(criterion: &mut Criterion, (name, call): (&str, &str), id: &str, batch: &RecordBatch) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(batch.num_rows() as u64)).sample_size(20);
    let id = BenchmarkId::from_parameter(id);
    match pixmill_udfs::aggregates().into_iter().find(|function| function.name() == name) {
        Some(function) => {
            let columns: Vec<&str> = call[name.len() + 1..call.len() - 1].split(", ").collect();
            let argument = |name: &&str| physical_expr::expressions::col(name, &batch.schema()).expect("a column");
            let arguments: Vec<Arc<dyn PhysicalExpr>> = columns.iter().map(argument).collect();
            let values: Vec<ArrayRef> =
                columns.iter().map(|name| Arc::clone(batch.column_by_name(name).expect("a column"))).collect();
            let builder = AggregateExprBuilder::new(Arc::new(function), arguments);
            let aggregate = builder.schema(batch.schema()).alias(call).build().expect("an aggregate");
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let mut accumulator = aggregate.create_accumulator().expect("an accumulator");
                    accumulator.update_batch(&values).expect("updated");
                    black_box(accumulator.evaluate().expect("evaluated"))
                });
            });
        }
        None => {
            let expr = expression(call, &DFSchema::try_from(batch.schema()).expect("a schema"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| black_box(expr.evaluate(batch).expect("evaluated")));
            });
        }
    }
    group.finish();
}

fn kernels(criterion: &mut Criterion) {
    pixmill_udfs::limit_threads(1);
    for (width, height) in SIZES {
        let batch = batch((width, height));
        for (name, call) in CALLS.iter().chain(VARIANTS).copied() {
            // The planner fills in named arguments; without it, calls are positional.
            let call = call.replace("fit => ", "");
            // A tensor has the size that every image has.
            let call = call.replace("{width}", &width.to_string()).replace("{height}", &height.to_string());
            let version = XxHash3_64::oneshot(&onnx::color_classifier().file());
            let call = call.replace("{version}", &format!("{version:016x}"));
            bench(criterion, (name, &call), &format!("{width}x{height}"), &batch);
        }
    }
}

/// Each function of numbers; those of a model with 4 predictors, or of vectors of 4 numbers, and `model` is a constant.
const STATISTICS: &[(&str, &str)] = &[
    ("linear_regression", "linear_regression(y, x1, x2, x3, x4)"),
    (
        "linear_prediction",
        "linear_prediction(named_struct('intercept', 1, 'coefficients', [1, 2, 3, 4]), x1, x2, x3, x4)",
    ),
    ("hamming_distance", "hamming_distance(CAST(x1 AS BIGINT), CAST(x2 AS BIGINT))"),
    ("hash_fraction", "hash_fraction(CAST(k AS VARCHAR))"),
    ("vector", "vector(x1, x2, x3, x4)"),
    ("standard_scaler", "standard_scaler(x)"),
    (
        "standard_scores",
        "standard_scores(named_struct('mean', [1.0, 2, 3, 4], 'std', [1.0, 2, 3, 4]), vector(x1, x2, x3, x4))",
    ),
    ("pca", "pca(x, k)"),
    (
        "pca_projection",
        "pca_projection(named_struct('mean', [1.0, 2, 3, 4], 'components', [[1.0, 0, 0, 0], [0.0, 1, 0, 0]]), vector(x1, x2, x3, x4))",
    ),
    ("onnx_predict", "onnx_predict('line', vector(x1, x2))"),
    ("predict", "predict('classes', x1, x2)"),
    ("predict_probabilities", "predict_probabilities('classes', x1, x2)"),
    (
        "silhouette",
        "silhouette(vector(x1, x2), 1, [named_struct('cluster', 1, 'n', 9, 'mean', [1.0, 2], 'std', [1.0, 2]), named_struct('cluster', 2, 'n', 9, 'mean', [1.0, 2], 'std', [1.0, 2])])",
    ),
    ("accuracy", "accuracy(x1, x2)"),
    ("log_loss", "log_loss(is_true, p)"),
    ("roc_auc", "roc_auc(is_true, p)"),
    ("rmse", "rmse(y, x1)"),
    ("mean_absolute_error", "mean_absolute_error(y, x1)"),
    ("r2_score", "r2_score(y, x1)"),
];

/// Each function of whole partitions, with the rows of one.
const WINDOWS: &[(&str, usize)] = &[("tsne", 300)];

const ROWS: i64 = 100_000;

fn statistics(criterion: &mut Criterion) {
    let numbers = |factor: i64| (0..ROWS).map(move |row| (row * factor % 10_007) as f64);
    let column = |factor: i64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(numbers(factor))) };
    let names = ["y", "x1", "x2", "x3", "x4"];
    let mut columns: Vec<(&str, ArrayRef)> = names.into_iter().zip([7919, 31, 1009, 577, 4099].map(column)).collect();
    let vector = |row: i64| Some([31, 1009, 577, 4099].map(|factor| Some((row * factor % 10_007) as f64)));
    columns.push(("x", Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>((0..ROWS).map(vector)))));
    columns.push(("k", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|_| 2)))));
    columns.push(("is_true", Arc::new((0..ROWS).map(|row| Some(row % 3 == 0)).collect::<BooleanArray>())));
    columns.push(("p", Arc::new(Float64Array::from_iter_values(numbers(31).map(|number| number / 10_007.0)))));
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    for call in STATISTICS {
        bench(criterion, *call, "100000", &batch);
    }
    for (name, rows) in WINDOWS.iter().copied() {
        let function = pixmill_udfs::windows().into_iter().find(|function| function.name() == name);
        let function = function.expect("a window function");
        let vectors = batch.column_by_name("x").expect("a column").slice(0, rows);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
        group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
            bencher.iter(|| {
                let evaluator = function.partition_evaluator_factory(PartitionEvaluatorArgs::default());
                let mut evaluator = evaluator.expect("an evaluator");
                black_box(evaluator.evaluate_all(&[Arc::clone(&vectors)], rows).expect("evaluated"))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, kernels, statistics);
criterion_main!(benches);
