//! The runtime that is built in: rten, which is Rust alone.

use std::sync::Arc;

use rten::{LoadErrorKind, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueView};
use rten_tensor::{AsView, Layout};

use super::graph::Graph;
use super::runtime::{Runtime, Tensor};
use crate::support::guard::catch_panic;

/// A model that rten has loaded.
#[derive(Debug)]
pub(super) struct Builtin {
    model: rten::Model,
}

thread_local! {
    /// One thread for each that runs models: a query has as many as partitions, and no pool needs a size.
    static THREAD: Arc<ThreadPool> = Arc::new(ThreadPool::with_num_threads(1));
}

/// What to do where the built-in runtime can't.
const OTHER_RUNTIME: &str = "SET pixmill.onnxruntime = '/path/to/libonnxruntime.so' runs it with ONNX Runtime";

impl Builtin {
    /// Loads a model.
    ///
    /// # Errors
    /// An operator that there isn't, named, or a graph that isn't sound.
    pub(super) fn load(file: Vec<u8>, graph: &Graph) -> Result<Self, String> {
        let load = || ModelOptions::with_all_ops().load(file);
        let thread = THREAD.with(Arc::clone);
        let loaded = thread.run(|| catch_panic(load)).map_err(|panic| {
            format!("the built-in runtime can't load it: it panicked with '{panic}'; {OTHER_RUNTIME}")
        })?;
        let model = loaded.map_err(|error| {
            let node = error.node().and_then(|name| graph.nodes.iter().find(|node| node.name == name));
            match (error.kind(), node) {
                (LoadErrorKind::OperatorInvalid, Some(node)) => format!(
                    "the built-in runtime can't run operator '{}' (node '{}'): {error}; {OTHER_RUNTIME}",
                    node.operator, node.name
                ),
                _ => format!("the built-in runtime can't load it: {error}; {OTHER_RUNTIME}"),
            }
        })?;
        Ok(Self { model })
    }

    fn node(&self, name: &str) -> Result<NodeId, String> {
        self.model.find_node(name).ok_or_else(|| {
            format!("the built-in runtime has no value '{name}': what nodes are fused into one leaves no values between them; {OTHER_RUNTIME}")
        })
    }
}

impl Runtime for Builtin {
    fn run(&self, input: &str, tensor: &Tensor, output: &str) -> Result<Tensor, String> {
        let (input, output) = (self.node(input)?, self.node(output)?);
        let view = ValueView::from_shape(&tensor.shape, tensor.values.as_slice()).map_err(|error| error.to_string())?;
        let thread = THREAD.with(Arc::clone);
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&thread)));
        let run = || self.model.run(vec![(input, view.into())], &[output], Some(options));
        // A panic is caught on the thread that it is on, which would report it otherwise.
        let values = thread.run(|| catch_panic(run)).map_err(|panic| format!("it panicked with '{panic}'"))?;
        let values = values
            .map_err(|error| format!("{error}; {OTHER_RUNTIME} where that is a limit of the built-in runtime"))?;
        let value = values.into_iter().next();
        match value {
            Some(Value::FloatTensor(tensor)) => Ok(Tensor { shape: tensor.shape().to_vec(), values: tensor.to_vec() }),
            Some(other) => Err(format!("its output is {:?} and not float32", other.dtype())),
            None => Err("it has no output".to_string()),
        }
    }
}
