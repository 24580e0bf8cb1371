//! What an ONNX file says of itself: inputs, outputs, operators and metadata. Weights are stepped over.

use std::collections::BTreeMap;
use std::fmt;

use prost::Message;

/// What is read of a `ModelProto`.
#[derive(Clone, PartialEq, Message)]
struct ModelMessage {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphMessage>,
    #[prost(message, repeated, tag = "14")]
    metadata: Vec<EntryMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct EntryMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct GraphMessage {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeMessage>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorMessage>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueMessage>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueMessage>,
    #[prost(message, repeated, tag = "15")]
    sparse_initializer: Vec<SparseMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeMessage {
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeMessage {
    #[prost(message, optional, tag = "5")]
    tensor: Option<TensorMessage>,
    #[prost(message, optional, tag = "6")]
    graph: Option<GraphMessage>,
    #[prost(message, repeated, tag = "10")]
    tensors: Vec<TensorMessage>,
    #[prost(message, repeated, tag = "11")]
    graphs: Vec<GraphMessage>,
    #[prost(message, optional, tag = "22")]
    sparse_tensor: Option<SparseMessage>,
    #[prost(message, repeated, tag = "23")]
    sparse_tensors: Vec<SparseMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SparseMessage {
    #[prost(message, optional, tag = "1")]
    values: Option<TensorMessage>,
    #[prost(message, optional, tag = "2")]
    indices: Option<TensorMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorMessage {
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<EntryMessage>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ValueMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value_type: Option<TypeMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMessage {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorTypeMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeMessage {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<ShapeMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct ShapeMessage {
    #[prost(message, repeated, tag = "1")]
    dimension: Vec<DimensionMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionMessage {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

/// A graph, without its weights.
#[derive(Debug)]
pub(crate) struct Graph {
    /// What must be given: inputs that have no weights of their own.
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
    pub(super) nodes: Vec<Node>,
    metadata: BTreeMap<String, String>,
}

/// An input or an output.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) name: String,
    /// ONNX's number of the type; 0 where there is none, or where it is no tensor.
    element: i32,
    /// `None` where the file doesn't say.
    pub(crate) dimensions: Option<Vec<Dimension>>,
}

/// An operator in its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) operator: String,
    pub(super) outputs: Vec<String>,
}

/// One of the sizes of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dimension {
    Fixed(usize),
    /// Any size, by its name; many have none.
    Any(String),
}

impl Graph {
    /// Reads a file.
    ///
    /// # Errors
    /// It is no ONNX model, or has its weights in other files.
    pub(super) fn read(file: &[u8]) -> Result<Self, String> {
        let message = match ModelMessage::decode(file) {
            Ok(ModelMessage { graph: Some(graph), metadata }) if !graph.node.is_empty() => (graph, metadata),
            Ok(_) => return Err(format!("it is no ONNX model: there is no graph in it ({})", beginning(file))),
            Err(error) => return Err(format!("it is no ONNX model: {error} ({})", beginning(file))),
        };
        let (graph, metadata) = message;
        if let Some(tensor) = external(&graph) {
            let place = tensor.external_data.iter().find(|entry| entry.key == "location");
            return Err(format!(
                "weights '{}' are in another file{}; save the model with all of its weights in one file",
                tensor.name,
                place.map(|place| format!(" ('{}')", place.value)).unwrap_or_default()
            ));
        }
        let weights: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let inputs = graph.input.iter().filter(|input| !weights.contains(&input.name.as_str()));
        Ok(Self {
            inputs: inputs.map(Port::of).collect(),
            outputs: graph.output.iter().map(Port::of).collect(),
            metadata: metadata.into_iter().map(|entry| (entry.key, entry.value)).collect(),
            nodes: graph
                .node
                .into_iter()
                .map(|node| Node { name: node.name, operator: node.operator, outputs: node.output })
                .collect(),
        })
    }

    /// What the file says under this name.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The operator that gives a value of this name.
    pub(crate) fn operator_of(&self, output: &str) -> Option<&str> {
        let gives = |node: &&Node| node.outputs.iter().any(|name| name == output);
        self.nodes.iter().find(gives).map(|node| node.operator.as_str())
    }
}

impl Port {
    fn of(value: &ValueMessage) -> Self {
        let tensor = value.value_type.as_ref().and_then(|value_type| value_type.tensor.as_ref());
        let dimension = |dimension: &DimensionMessage| match dimension.value.map(usize::try_from) {
            // Exporters write 0 or -1 where they mean any size.
            Some(Ok(size)) if size > 0 => Dimension::Fixed(size),
            _ => Dimension::Any(dimension.name.clone().unwrap_or_default()),
        };
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        Self {
            name: value.name.clone(),
            element: tensor.map_or(0, |tensor| tensor.element),
            dimensions: shape.map(|shape| shape.dimension.iter().map(dimension).collect()),
        }
    }

    /// The type of the values, by ONNX's names in small letters.
    pub(super) fn element(&self) -> &'static str {
        const NAMES: [&str; 17] = [
            "of no type",
            "float32",
            "uint8",
            "int8",
            "uint16",
            "int16",
            "int32",
            "int64",
            "string",
            "bool",
            "float16",
            "float64",
            "uint32",
            "uint64",
            "complex64",
            "complex128",
            "bfloat16",
        ];
        usize::try_from(self.element).ok().and_then(|number| NAMES.get(number)).copied().unwrap_or("of a newer type")
    }

    /// Whether the values are those that SQL's lists are made into; a file needn't say.
    pub(super) fn is_float32(&self) -> bool {
        self.element() == "float32"
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' {}", self.name, self.element())?;
        let Some(dimensions) = &self.dimensions else { return Ok(()) };
        let sizes: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", sizes.join(", "))
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Any(name) if name.is_empty() => f.write_str("?"),
            Self::Any(name) => f.write_str(name),
        }
    }
}

/// The numbers in a text of the metadata: one number, or a list in brackets.
///
/// # Errors
/// A text that is neither, or a number that isn't finite.
pub(super) fn numbers_in(text: &str) -> Result<Vec<f64>, String> {
    let list = text.trim().trim_start_matches('[').trim_end_matches(']');
    let number = |word: &str| match word.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("'{text}' is neither a number nor a list of numbers")),
    };
    list.split(',').map(number).collect()
}

/// A tensor whose values are in another file.
fn external(graph: &GraphMessage) -> Option<&TensorMessage> {
    const EXTERNAL: i32 = 1;
    fn in_sparse(sparse: &SparseMessage) -> impl Iterator<Item = &TensorMessage> {
        sparse.values.iter().chain(&sparse.indices)
    }
    let attributes = || graph.node.iter().flat_map(|node| &node.attribute);
    let tensors = graph.initializer.iter().chain(graph.sparse_initializer.iter().flat_map(in_sparse));
    let in_attributes = attributes().flat_map(|attribute| {
        let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors).flat_map(in_sparse);
        attribute.tensor.iter().chain(&attribute.tensors).chain(sparse)
    });
    let is_external = |tensor: &&TensorMessage| tensor.data_location == EXTERNAL || !tensor.external_data.is_empty();
    tensors.chain(in_attributes).find(is_external).or_else(|| {
        let mut graphs = attributes().flat_map(|attribute| attribute.graph.iter().chain(&attribute.graphs));
        graphs.find_map(external)
    })
}

/// What a file begins with, for a message.
fn beginning(file: &[u8]) -> String {
    if file.is_empty() {
        return "it is empty".to_string();
    }
    let bytes: Vec<String> = file.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("it starts with {}", bytes.join(" "))
}
