//! Small ONNX models, written by hand: for tests and examples that need one whose answers are known.

use super::random::Random;

/// An ONNX model in the making, of opset 13.
#[derive(Debug, Clone, Default)]
pub struct Onnx {
    nodes: Vec<Vec<u8>>,
    weights: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    metadata: Vec<Vec<u8>>,
}

/// ONNX's number of the type float32.
pub const FLOAT32: u64 = 1;
/// ONNX's number of the type int8.
pub const INT8: u64 = 3;
/// ONNX's number of the type float16.
pub const FLOAT16: u64 = 10;

impl Onnx {
    /// Adds an input of this type; sizes that are no numbers are names of any size.
    #[must_use]
    pub fn input(mut self, name: &str, element: u64, sizes: &[&str]) -> Self {
        self.inputs.push(value(name, element, sizes));
        self
    }

    /// Adds an output of float32.
    #[must_use]
    pub fn output(mut self, name: &str, sizes: &[&str]) -> Self {
        self.outputs.push(value(name, FLOAT32, sizes));
        self
    }

    /// Adds weights.
    #[must_use]
    pub fn weights(mut self, name: &str, sizes: &[u64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let sizes = sizes.iter().flat_map(|size| number(1, *size));
        self.weights.push([sizes.collect(), number(2, FLOAT32), bytes(8, name.as_bytes()), bytes(9, &raw)].concat());
        self
    }

    /// Adds weights that are said to be in another file.
    #[must_use]
    pub fn weights_elsewhere(mut self, name: &str, sizes: &[u64], file: &str) -> Self {
        let sizes = sizes.iter().flat_map(|size| number(1, *size));
        let place = bytes(13, &entry("location", file));
        self.weights
            .push([sizes.collect(), number(2, FLOAT32), bytes(8, name.as_bytes()), place, number(14, 1)].concat());
        self
    }

    /// Adds an operator, which is called as its output is.
    #[must_use]
    pub fn node(self, operator: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(operator, inputs, output, &[])
    }

    /// Adds an operator with attributes that are lists of numbers.
    #[must_use]
    pub fn node_with(mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[u64])]) -> Self {
        const NUMBERS: u64 = 7;
        let inputs: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name.as_bytes())).collect();
        let attribute = |(name, numbers): &(&str, &[u64])| {
            let numbers: Vec<u8> = numbers.iter().flat_map(|value| number(8, *value)).collect();
            bytes(5, &[bytes(1, name.as_bytes()), numbers, number(20, NUMBERS)].concat())
        };
        let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
        let (name, output) = (bytes(3, output.as_bytes()), bytes(2, output.as_bytes()));
        self.nodes.push([inputs, output, name, bytes(4, operator.as_bytes()), attributes].concat());
        self
    }

    /// Adds what the file says of itself.
    #[must_use]
    pub fn metadata(mut self, key: &str, text: &str) -> Self {
        self.metadata.push(entry(key, text));
        self
    }

    /// The file.
    pub fn file(&self) -> Vec<u8> {
        let all = |field, messages: &[Vec<u8>]| -> Vec<u8> {
            messages.iter().flat_map(|message| bytes(field, message)).collect()
        };
        let graph = [
            all(1, &self.nodes),
            bytes(2, b"graph"),
            all(5, &self.weights),
            all(11, &self.inputs),
            all(12, &self.outputs),
        ];
        let opset = number(2, 13);
        [number(1, 8), bytes(7, &graph.concat()), bytes(8, &opset), all(14, &self.metadata)].concat()
    }
}

/// A classifier of images of 4x4 pixels by their colour: `features` are the means of red, green and blue, from 0 to 1, and `logits` are
/// ten times as much.
pub fn color_classifier() -> Onnx {
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    Onnx::default()
        .input("input", FLOAT32, &["batch", "3", "4", "4"])
        .weights("kernel", &[3, 3, 1, 1], &identity)
        .weights("ten", &[3, 3], &identity.map(|weight| weight * 10.0))
        .weights("nothing", &[3], &[0.0; 3])
        .node_with("Conv", &["input", "kernel"], "colors", &[("kernel_shape", &[1, 1])])
        .node("Relu", &["colors"], "positive")
        .node("GlobalAveragePool", &["positive"], "means")
        .node("Flatten", &["means"], "features")
        .node("Gemm", &["features", "ten", "nothing"], "logits")
        .output("logits", &["batch", "3"])
        .output("features", &["batch", "3"])
        .metadata("width", "4")
        .metadata("height", "4")
        .metadata("scale", "0.00392156862745098")
        .metadata("layout", "chw")
        .metadata("color", "rgb")
        .metadata("labels", r#"["red", "green", "blue"]"#)
}

/// A network for images of 64x64 pixels whose weights are random: `features` are 64 numbers that tell of the textures and colours of an
/// image, `logits` say whether it is rather red, green or blue.
///
/// Random filters tell images apart, though not as well as filters that were learned: Jarrett et al., "What is the best multi-stage
/// architecture for object recognition?", ICCV 2009.
pub fn texture_model() -> Onnx {
    const CHANNELS: [usize; 4] = [3, 16, 32, 64];
    const KERNEL: usize = 3;
    let (kernel, two) = (KERNEL as u64, 2);
    let mut model = Onnx::default().input("input", FLOAT32, &["batch", "3", "64", "64"]);
    let mut last = "input".to_string();
    for (layer, channels) in CHANNELS.windows(2).enumerate() {
        let mut random = Random::of_layer(layer);
        let inputs = channels[0] * KERNEL * KERNEL;
        // He's bound, which keeps the numbers of each layer as large as those of the last.
        let bound = (6.0 / inputs as f32).sqrt();
        let weights: Vec<f32> = (0..channels[1] * inputs).map(|_| random.between(-bound, bound)).collect();
        let (filters, convolved, positive) =
            (format!("filters{layer}"), format!("convolved{layer}"), format!("positive{layer}"));
        model = model
            .weights(&filters, &[channels[1] as u64, channels[0] as u64, kernel, kernel], &weights)
            .node_with(
                "Conv",
                &[&last, &filters],
                &convolved,
                &[("kernel_shape", &[kernel; 2]), ("strides", &[two; 2])],
            )
            .node("Relu", &[&convolved], &positive);
        last = positive;
    }
    let colors: Vec<f32> = (0..9).map(|place| if place % 4 == 0 { 10.0 } else { 0.0 }).collect();
    model
        .weights("colors", &[3, 3], &colors)
        .weights("nothing", &[3], &[0.0; 3])
        .node("GlobalAveragePool", &[&last], "means")
        .node("Flatten", &["means"], "features")
        .node("GlobalAveragePool", &["input"], "color")
        .node("Flatten", &["color"], "flat_color")
        .node("Gemm", &["flat_color", "colors", "nothing"], "logits")
        .output("logits", &["batch", "3"])
        .output("features", &["batch", "64"])
        .metadata("scale", "0.00392156862745098")
        .metadata("mean", "0.5")
        .metadata("std", "0.25")
        .metadata("labels", r#"["red", "green", "blue"]"#)
}

/// A line: `y` is 2 * x1 - x2 + 0.5 for an input `x` of two numbers.
pub fn line() -> Onnx {
    Onnx::default()
        .input("x", FLOAT32, &["batch", "2"])
        .weights("slopes", &[2, 1], &[2.0, -1.0])
        .weights("intercept", &[1], &[0.5])
        .node("Gemm", &["x", "slopes", "intercept"], "y")
        .output("y", &["batch", "1"])
}

fn value(name: &str, element: u64, sizes: &[&str]) -> Vec<u8> {
    let size = |size: &&str| match size.parse() {
        Ok(fixed) => bytes(1, &number(1, fixed)),
        Err(_) => bytes(1, &bytes(2, size.as_bytes())),
    };
    let sizes: Vec<u8> = sizes.iter().flat_map(size).collect();
    let tensor = [number(1, element), bytes(2, &sizes)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

fn entry(key: &str, text: &str) -> Vec<u8> {
    [bytes(1, key.as_bytes()), bytes(2, text.as_bytes())].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while value >= 0x80 {
        encoded.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    encoded.push(value as u8);
    encoded
}
