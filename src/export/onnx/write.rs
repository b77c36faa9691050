//! From an encoder to the bytes of a file.

use super::graph::{Graph, Value};
use super::{IR_VERSION, OPSET, ToOnnx};
use crate::export::dtype::Dtype;
use crate::papers::Encoder;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::{Tensor, Value as Type};
use tract_onnx::pb::{
    GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
};

/// What the graph does beside the network itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inside {
    /// Mean and standard deviation per channel, in 0…1: the graph then takes levels 0 to 255.
    pub normalise: Option<([f32; 3], [f32; 3])>,
    /// Embeddings of length 1.
    pub l2: bool,
}

/// What a file says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The recipe's name.
    pub recipe: String,
    /// Which weights: `last, step 80`.
    pub weights: String,
    /// Further entries: hashes, the preprocessing.
    pub more: Vec<(String, String)>,
}

/// The file of an encoder for pictures of this height and width; the batch is left open.
pub fn encode(
    encoder: &Encoder<'_>,
    [height, width]: [usize; 2],
    inside: &Inside,
    dtype: Dtype,
    about: &About,
) -> Vec<u8> {
    let mut graph = Graph::new(dtype);
    let image = graph.input("image");
    let mut x = image.clone();
    if let Some((mean, std)) = inside.normalise {
        let shape = [1, 3, 1, 1];
        let scale: [f32; 3] = std::array::from_fn(|c| 1.0 / (255.0 * std[c]));
        let shift: [f32; 3] = std::array::from_fn(|c| -mean[c] / std[c]);
        let scale = graph.constant("normalise.scale", &shape, &scale);
        let shift = graph.constant("normalise.shift", &shape, &shift);
        x = graph.mul("normalise.scaled", &x, &scale);
        x = graph.add("normalise", &x, &shift);
    }
    x = encoder.trunk.to_onnx(&mut graph, "trunk", &x);
    let (path, neck) = encoder.neck;
    x = neck.to_onnx(&mut graph, path, &x);
    let last = match inside.l2 {
        true => graph.l2_normalise("embedding", &x),
        false => graph.node("Identity", "embedding", &[&x], vec![]),
    };
    let taken = match inside.normalise {
        Some(_) => "RGB levels, 0 to 255, as f32",
        None => "RGB, normalised as the preprocessing says",
    };
    let given = match inside.l2 {
        true => "embeddings of length 1",
        false => "embeddings; divide by their length, or compare by cosine",
    };
    finish(
        graph,
        &image,
        &last,
        [[3, height, width], [encoder.dim(), 0, 0]],
        about,
        [taken, given],
    )
}

/// The file of a graph from one value to another. `sizes` are those of a picture and of an embedding, the batch and zeros at the end
/// left out; `texts` say what they are.
pub(super) fn finish(
    graph: Graph,
    image: &Value,
    embedding: &Value,
    sizes: [[usize; 3]; 2],
    about: &About,
    texts: [&str; 2],
) -> Vec<u8> {
    let port = |value: &Value, sizes: [usize; 3], text: &str| Port {
        value: value.clone(),
        whole: false,
        axes: std::iter::once(Axis::Open("batch"))
            .chain(sizes.into_iter().filter(|&size| size > 0).map(Axis::Fixed))
            .collect(),
        text: text.into(),
    };
    file(
        graph,
        &[port(image, sizes[0], texts[0])],
        &[port(embedding, sizes[1], texts[1])],
        about,
    )
}

/// One axis of what a graph takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// Of this size.
    Fixed(usize),
    /// Of any size; the same wherever it has this name.
    Open(&'static str),
}

/// What a graph takes or gives.
#[derive(Clone, Debug)]
pub(super) struct Port {
    /// The tensor, whose name is the port's.
    pub value: Value,
    /// i64, else f32.
    pub whole: bool,
    /// Its shape.
    pub axes: Vec<Axis>,
    /// What it holds.
    pub text: String,
}

/// The file of a graph.
pub(super) fn file(graph: Graph, inputs: &[Port], outputs: &[Port], about: &About) -> Vec<u8> {
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: key.into(),
        value: value.into(),
    };
    let mut metadata = vec![entry("recipe", &about.recipe), entry("weights", &about.weights)];
    metadata.extend(
        inputs
            .iter()
            .chain(outputs)
            .map(|port| entry(port.value.name(), &port.text)),
    );
    metadata.extend(about.more.iter().map(|(key, value)| entry(key, value)));
    let model = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(GraphProto {
            // The standard wants one.
            name: match about.recipe.as_str() {
                "" => "encoder".into(),
                recipe => recipe.into(),
            },
            node: graph.nodes,
            initializer: graph.weights,
            input: inputs.iter().map(described).collect(),
            output: outputs.iter().map(described).collect(),
            ..GraphProto::default()
        }),
        metadata_props: metadata,
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

fn described(port: &Port) -> ValueInfoProto {
    let dim = port
        .axes
        .iter()
        .map(|axis| Dimension {
            value: Some(match axis {
                Axis::Fixed(size) => Size::DimValue(*size as i64),
                Axis::Open(name) => Size::DimParam((*name).into()),
            }),
            ..Dimension::default()
        })
        .collect();
    let kind = match port.whole {
        true => DataType::Int64,
        false => DataType::Float,
    };
    ValueInfoProto {
        name: port.value.name().into(),
        r#type: Some(TypeProto {
            value: Some(Type::TensorType(Tensor {
                elem_type: kind as i32,
                shape: Some(TensorShapeProto { dim }),
            })),
            ..TypeProto::default()
        }),
        doc_string: port.text.clone(),
    }
}
