//! What the image functions in a plan's nodes cost: DataFusion's own nodes evaluate them and know only their time in all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use futures::{Stream, StreamExt};
use pixmill_udfs::Work;

use crate::exec::{PassThrough, PassThroughExec};

/// Puts a node that measures above each that calls image functions and has none.
pub(crate) fn measure_image_work(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let measured = plan.transform_up(|plan| {
        // One that was there has just got another below it.
        if let Some(outer) = plan.downcast_ref::<ImageWorkExec>()
            && outer.input().is::<ImageWorkExec>()
        {
            return Ok(Transformed::yes(Arc::clone(outer.input())));
        }
        Ok(match calls_an_image_function(&plan)? {
            true => Transformed::yes(Arc::new(ImageWorkExec::new(plan)) as Arc<dyn ExecutionPlan>),
            false => Transformed::no(plan),
        })
    })?;
    Ok(measured.data)
}

pub(super) fn calls_an_image_function(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut calls = false;
    plan.apply_expressions(&mut |expr| {
        expr.apply(|expr| {
            let function = expr.downcast_ref::<ScalarFunctionExpr>();
            calls |= function
                .is_some_and(|function| ["image_", "onnx_"].iter().any(|start| function.name().starts_with(start)));
            Ok(if calls { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(calls)
}

/// Measures what image functions do while the input makes rows.
///
/// Expressions are evaluated on the thread that polls, so that what is done during a poll is the polled node's.
#[derive(Debug)]
pub(crate) struct ImageWork;

/// Passes rows on, and measures what image functions do meanwhile.
pub(crate) type ImageWorkExec = PassThroughExec<ImageWork>;

impl PassThrough for ImageWork {
    const NAME: &'static str = "ImageWorkExec";
    const LETS_BELOW: bool = true;

    fn rows(
        input: SendableRecordBatchStream,
        metrics: &ExecutionPlanMetricsSet,
        partition: usize,
    ) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(ImageWorkStream { input, metrics: WorkMetrics::new(metrics, partition) }))
    }
}

struct WorkMetrics {
    set: ExecutionPlanMetricsSet,
    partition: usize,
    images_decoded: Count,
    images_encoded: Count,
    pixels_in_files: Count,
    pixels_decoded: Count,
    models_loaded: Count,
    model_runs: Count,
    /// Where there is no time there is no metric: sums over partitions make some nanoseconds of nothing.
    decode_time: Option<Time>,
    resize_time: Option<Time>,
    encode_time: Option<Time>,
    model_load_time: Option<Time>,
    model_time: Option<Time>,
}

impl WorkMetrics {
    fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(set).counter(name, partition);
        Self {
            set: set.clone(),
            partition,
            images_decoded: counter("images_decoded"),
            images_encoded: counter("images_encoded"),
            pixels_in_files: counter("pixels_in_files"),
            pixels_decoded: counter("pixels_decoded"),
            models_loaded: counter("models_loaded"),
            model_runs: counter("model_runs"),
            decode_time: None,
            resize_time: None,
            encode_time: None,
            model_load_time: None,
            model_time: None,
        }
    }

    fn add(&mut self, work: Work) {
        self.images_decoded.add(work.images_decoded);
        self.images_encoded.add(work.images_encoded);
        self.pixels_in_files.add(work.pixels_in_files);
        self.pixels_decoded.add(work.pixels_decoded);
        self.models_loaded.add(work.models_loaded);
        self.model_runs.add(work.model_runs);
        let times = [
            (&mut self.decode_time, "decode_time", work.decode_time),
            (&mut self.resize_time, "resize_time", work.resize_time),
            (&mut self.encode_time, "encode_time", work.encode_time),
            (&mut self.model_load_time, "model_load_time", work.model_load_time),
            (&mut self.model_time, "model_time", work.model_time),
        ];
        for (metric, name, time) in times {
            if !time.is_zero() {
                let new = || MetricBuilder::new(&self.set).subset_time(name, self.partition);
                metric.get_or_insert_with(new).add_duration(time);
            }
        }
    }
}

struct ImageWorkStream {
    input: SendableRecordBatchStream,
    metrics: WorkMetrics,
}

impl Stream for ImageWorkStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (polled, work) = pixmill_udfs::measure(|| self.input.poll_next_unpin(context));
        self.metrics.add(work);
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.input.size_hint()
    }
}

impl RecordBatchStream for ImageWorkStream {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}
