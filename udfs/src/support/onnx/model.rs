//! A loaded model: what it takes and gives, and running it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::builtin::Builtin;
use super::graph::{Graph, Port};
use super::onnxruntime::OnnxRuntime;
use super::runtime::{Runtime, Tensor};
use crate::support::work::modelling;

/// A model, loaded by a runtime.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) graph: Graph,
    runtime: Box<dyn Runtime>,
    /// The bytes of its file.
    pub(super) bytes: u64,
    load_time: Duration,
    /// Whether no query has told of its loading.
    is_new: AtomicBool,
    /// What came of running it for zeros, by output and shape.
    trials: Mutex<HashMap<(String, Vec<usize>), Shape>>,
}

/// The sizes of an output, or why there are none.
type Shape = Result<Vec<usize>, String>;

impl Model {
    /// Loads a file.
    ///
    /// # Errors
    /// No model, or one that can't be run.
    pub(crate) fn load(file: Vec<u8>, library: Option<&Path>) -> Result<Self, String> {
        let start = Instant::now();
        let graph = Graph::read(&file)?;
        let bytes = file.len() as u64;
        let runtime: Box<dyn Runtime> = match library {
            None => Box::new(Builtin::load(file, &graph)?),
            Some(library) => Box::new(OnnxRuntime::load(file, &graph, library)?),
        };
        let (load_time, is_new) = (start.elapsed(), AtomicBool::new(true));
        Ok(Self { graph, runtime, bytes, load_time, is_new, trials: Mutex::default() })
    }

    /// How long loading took, for the first that asks.
    pub(super) fn take_load_time(&self) -> Option<Duration> {
        self.is_new.swap(false, Ordering::Relaxed).then_some(self.load_time)
    }

    /// The one input.
    ///
    /// # Errors
    /// None or several, or one that isn't a tensor of float32.
    pub(crate) fn input(&self) -> Result<&Port, String> {
        let [input] = self.graph.inputs.as_slice() else {
            return Err(format!(
                "it must have one input, got {} ({}); export the part of it that has one",
                self.graph.inputs.len(),
                joined(self.graph.inputs.iter())
            ));
        };
        if !input.is_float32() {
            return Err(format!(
                "its input must be float32, got {input}; export it with float32 inputs (its weights may be of other types)"
            ));
        }
        Ok(input)
    }

    /// The name of the output to compute: the one asked for, one of these names, or the only one.
    ///
    /// # Errors
    /// There is no such value, or it can't be told which.
    pub(crate) fn output(&self, asked: Option<&str>, usual: &[&str]) -> Result<String, String> {
        let outputs = &self.graph.outputs;
        if let Some(asked) = asked {
            let is_there = outputs.iter().any(|output| output.name == asked) || self.graph.operator_of(asked).is_some();
            return match is_there {
                true => Ok(asked.to_string()),
                false => Err(format!("it has no value '{asked}'; {}", self.values())),
            };
        }
        let has = |name: &&&str| outputs.iter().any(|output| output.name == **name);
        match (usual.iter().find(has), outputs.as_slice()) {
            (Some(name), _) => Ok((*name).to_string()),
            (None, [output]) => Ok(output.name.clone()),
            (None, _) => Err(format!(
                "it has {} outputs, and none is '{}'; name one by output => '...': {}",
                outputs.len(),
                usual.join("' or '"),
                self.values()
            )),
        }
    }

    /// Values that can be asked for, for a message: the outputs, and what the last nodes give.
    fn values(&self) -> String {
        const LAST: usize = 6;
        let nodes = self
            .graph
            .nodes
            .iter()
            .rev()
            .take(LAST)
            .flat_map(|node| node.outputs.iter().map(|output| format!("'{output}' ({})", node.operator)));
        format!(
            "outputs are {}; the last nodes give {}",
            joined(self.graph.outputs.iter()),
            nodes.collect::<Vec<_>>().join(", ")
        )
    }

    /// The shape of an output for an input of this shape: the model runs once, for zeros.
    ///
    /// # Errors
    /// What keeps it from running.
    pub(crate) fn try_out(&self, shape: &[usize], output: &str) -> Shape {
        let key = (output.to_string(), shape.to_vec());
        let known = self.trials.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let result = self.run(&Tensor::zeros(shape), output).map(|tensor| tensor.shape);
        self.trials.lock().unwrap_or_else(PoisonError::into_inner).insert(key, result.clone());
        result
    }

    /// Runs the model for one value of its input.
    ///
    /// # Errors
    /// What keeps it from running, in the runtime's words.
    pub(crate) fn run(&self, tensor: &Tensor, output: &str) -> Result<Tensor, String> {
        let input = self.input()?;
        modelling(|| self.runtime.run(&input.name, tensor, output))
    }

    /// The names of classes, where the file has any: a JSON list, or a line for each.
    ///
    /// # Errors
    /// A list that can't be read.
    pub(crate) fn labels(&self) -> Result<Option<Vec<String>>, String> {
        let Some(text) = self.graph.metadata("labels") else { return Ok(None) };
        if !text.starts_with('[') {
            return Ok(Some(text.lines().map(str::to_string).collect()));
        }
        let labels = serde_json::from_str(text);
        labels.map(Some).map_err(|error| format!("its labels are no JSON list of strings: {error}"))
    }
}

fn joined<'a>(ports: impl Iterator<Item = &'a Port>) -> String {
    ports.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use pixmill_synthetic::onnx::{FLOAT16, FLOAT32, INT8, Onnx, color_classifier, line};

    use super::*;

    fn load(model: &Onnx) -> Result<Model, String> {
        Model::load(model.file(), None)
    }

    fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor { shape: shape.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn a_line_is_computed() {
        let model = load(&line()).expect("a model");
        assert_eq!(model.output(None, &["features"]), Ok("y".to_string()));
        assert_eq!(model.run(&tensor(&[1, 2], &[3.0, 1.0]), "y"), Ok(tensor(&[1, 1], &[5.5])));
    }

    #[test]
    fn any_value_of_the_graph_is_an_output() {
        let model = load(&color_classifier()).expect("a model");
        let image = tensor(&[1, 3, 4, 4], &[vec![0.5; 16], vec![-1.0; 16], vec![0.25; 16]].concat());
        for (output, expected) in [("features", vec![0.5, 0.0, 0.25]), ("logits", vec![5.0, 0.0, 2.5])] {
            assert_eq!(model.output(Some(output), &[]).as_deref(), Ok(output));
            assert_eq!(model.run(&image, output).expect("numbers").values, expected);
        }
        assert_eq!(model.output(Some("means"), &[]).as_deref(), Ok("means"));
        assert_eq!(model.run(&image, "means"), Ok(tensor(&[1, 3, 1, 1], &[0.5, 0.0, 0.25])));
    }

    #[test]
    fn what_cant_be_run_is_refused_by_name() {
        let relu = |element: u64| {
            Onnx::default().input("x", element, &["n", "2"]).output("y", &["n", "2"]).node("Relu", &["x"], "y")
        };
        let input = |model: &Onnx| load(model).expect("a model").input().map(|_| ()).expect_err("no input for lists");
        assert!(input(&relu(FLOAT16)).contains("its input must be float32, got 'x' float16[n, 2]"));
        assert!(input(&relu(INT8)).contains("its input must be float32, got 'x' int8[n, 2]"));
        let two = relu(FLOAT32).input("mask", FLOAT32, &["n"]);
        let message = input(&two);
        assert!(message.contains("it must have one input, got 2 ('x' float32[n, 2], 'mask' float32[n])"), "{message}");
        let unknown = Onnx::default().input("x", FLOAT32, &["n"]).output("y", &["n"]).node("Frobnicate", &["x"], "y");
        let message = load(&unknown).map(|_| ()).expect_err("an unknown operator");
        assert!(message.contains("can't run operator 'Frobnicate' (node 'y')"), "{message}");
        assert!(message.contains("SET pixmill.onnxruntime = "), "{message}");
    }

    #[test]
    fn no_beginning_and_no_flipped_byte_of_a_file_panics() {
        let file = color_classifier().file();
        let run = |file: Vec<u8>| {
            if let Ok(model) = Model::load(file, None) {
                let _ = model.run(&Tensor::zeros(&[1, 3, 4, 4]), "features");
            }
        };
        (0..file.len()).for_each(|length| run(file[..length].to_vec()));
        for place in 0..file.len() {
            let mut flipped = file.clone();
            flipped[place] ^= 0x55;
            run(flipped);
        }
    }

    #[test]
    fn labels_are_a_list_or_lines() {
        let labels = |text: &str| load(&line().metadata("labels", text)).expect("a model").labels();
        let two = Some(vec!["a".to_string(), "b c".to_string()]);
        assert_eq!(labels(r#"["a", "b c"]"#), Ok(two.clone()));
        assert_eq!(labels("a\nb c\n"), Ok(two));
        assert!(labels("[1, 2]").is_err_and(|why| why.contains("no JSON list of strings")));
    }
}
