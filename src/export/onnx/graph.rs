//! The builder of a graph: weights, nodes, and names that are unique.

use crate::export::dtype::Dtype;
use burn::tensor::Tensor;
use half::f16;
use std::collections::HashSet;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

/// A tensor in the graph: the graph's input, a weight, or what a node computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(pub(super) String);

impl Value {
    /// An optional input that a node is not given.
    pub(super) fn absent() -> Self {
        Self(String::new())
    }

    /// The tensor's name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Where a window begins and ends beyond the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pads {
    /// Rows above, columns on the left, rows below, columns on the right.
    Explicit([usize; 4]),
    /// TensorFlow's SAME: ⌈size / stride⌉ outputs, the odd row or column of padding below or on the right.
    SameUpper,
}

impl Pads {
    /// The same rows above and below, the same columns left and right.
    pub fn even([rows, columns]: [usize; 2]) -> Self {
        Self::Explicit([rows, columns, rows, columns])
    }

    fn attribute(self) -> AttributeProto {
        match self {
            Self::Explicit(pads) => ints("pads", &pads),
            Self::SameUpper => text("auto_pad", "SAME_UPPER"),
        }
    }
}

/// How a window moves over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Steps down and right.
    pub stride: [usize; 2],
    /// What surrounds the map.
    pub pads: Pads,
}

impl Window {
    fn attributes(self) -> Vec<AttributeProto> {
        vec![
            ints("kernel_shape", &self.kernel),
            ints("strides", &self.stride),
            self.pads.attribute(),
        ]
    }
}

/// Nodes and weights, in the order of use.
#[derive(Debug, Default)]
pub struct Graph {
    pub(super) nodes: Vec<NodeProto>,
    pub(super) weights: Vec<TensorProto>,
    names: HashSet<String>,
    dtype: Dtype,
}

impl Graph {
    /// An empty graph, whose weights are stored in this type.
    pub fn new(dtype: Dtype) -> Self {
        Self {
            dtype,
            ..Self::default()
        }
    }

    /// A name that no other tensor or node has: this one, or with a number.
    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_string();
        let mut number = 1;
        while !self.names.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        candidate
    }

    /// The graph's input.
    pub(super) fn input(&mut self, name: &str) -> Value {
        Value(self.unique(name))
    }

    /// A weight of the model, f32. Stored in the graph's type where it has two or more axes.
    pub fn weight<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Value {
        let shape = tensor.dims();
        let values: Vec<f32> = tensor.into_data().try_into_vec_as().unwrap_or_default();
        if D >= 2 && self.dtype == Dtype::F16 {
            let bytes = values
                .iter()
                .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                .collect();
            let stored = self.initializer(name, &shape, DataType::Float16, bytes);
            return self.node(
                "Cast",
                &format!("{name}.f32"),
                &[&stored],
                vec![int("to", DataType::Float as usize)],
            );
        }
        self.constant(name, &shape, &values)
    }

    /// Numbers that are no weight, f32.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, shape, DataType::Float, bytes)
    }

    /// Whole numbers, i64: shapes, axes and lengths.
    pub fn integers(&mut self, name: &str, values: &[usize]) -> Value {
        let bytes = values.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect();
        self.initializer(name, &[values.len()], DataType::Int64, bytes)
    }

    /// One whole number, i64, without an axis.
    pub fn integer(&mut self, name: &str, value: usize) -> Value {
        self.initializer(name, &[], DataType::Int64, (value as i64).to_le_bytes().to_vec())
    }

    fn initializer(&mut self, name: &str, shape: &[usize], dtype: DataType, bytes: Vec<u8>) -> Value {
        let name = self.unique(name);
        self.weights.push(TensorProto {
            name: name.clone(),
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: dtype as i32,
            raw_data: bytes,
            ..TensorProto::default()
        });
        Value(name)
    }

    /// A node with one output, which bears the node's name.
    pub fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let name = self.unique(name);
        self.push(op, name.clone(), inputs, vec![name.clone()], attributes);
        Value(name)
    }

    fn push(
        &mut self,
        op: &str,
        name: String,
        inputs: &[&Value],
        outputs: Vec<String>,
        attributes: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            op_type: op.to_string(),
            name,
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: outputs,
            attribute: attributes,
            ..NodeProto::default()
        });
    }

    /// Cross-correlation, `[batch, input, h, w]` → `[batch, output, h', w']`, in groups of channels.
    pub fn conv(
        &mut self,
        name: &str,
        x: &Value,
        weight: &Value,
        bias: Option<&Value>,
        window: Window,
        groups: usize,
    ) -> Value {
        let mut inputs = vec![x, weight];
        inputs.extend(bias);
        let mut attributes = window.attributes();
        attributes.push(int("group", groups));
        self.node("Conv", name, &inputs, attributes)
    }

    /// The largest value of each window; padding does not count.
    pub fn max_pool(&mut self, name: &str, x: &Value, window: Window) -> Value {
        self.node("MaxPool", name, &[x], window.attributes())
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, name: &str, x: &Value) -> Value {
        self.node("Relu", name, &[x], vec![])
    }

    /// `min(max(x, 0), 6)`.
    pub fn relu6(&mut self, name: &str, x: &Value) -> Value {
        let low = self.constant(&format!("{name}.low"), &[], &[0.0]);
        let high = self.constant(&format!("{name}.high"), &[], &[6.0]);
        self.node("Clip", name, &[x, &low, &high], vec![])
    }

    /// `1 / (1 + e^−x)`.
    pub fn sigmoid(&mut self, name: &str, x: &Value) -> Value {
        self.node("Sigmoid", name, &[x], vec![])
    }

    /// `x · sigmoid(x)`, in the two operators that every runtime knows and fuses.
    pub fn silu(&mut self, name: &str, x: &Value) -> Value {
        let gate = self.sigmoid(&format!("{name}.sigmoid"), x);
        self.mul(name, x, &gate)
    }

    /// Sum, one side broadcast where its axes have size 1.
    pub fn add(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node("Add", name, &[a, b], vec![])
    }

    /// Product, one side broadcast where its axes have size 1.
    pub fn mul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node("Mul", name, &[a, b], vec![])
    }

    /// Mean over the spatial axes, which stay with size 1: `[batch, channels, h, w]` → `[batch, channels, 1, 1]`.
    pub fn global_average(&mut self, name: &str, x: &Value) -> Value {
        self.node("GlobalAveragePool", name, &[x], vec![])
    }

    /// `[batch, …]` → `[batch, product of the rest]`.
    pub fn flatten(&mut self, name: &str, x: &Value) -> Value {
        self.node("Flatten", name, &[x], vec![int("axis", 1)])
    }

    /// Consecutive channels of `[batch, channels, …]`, so many each.
    pub fn split_channels(&mut self, name: &str, x: &Value, sizes: &[usize]) -> Vec<Value> {
        let lengths = self.integers(&format!("{name}.sizes"), sizes);
        let node = self.unique(name);
        let outputs: Vec<String> = (0..sizes.len())
            .map(|part| self.unique(&format!("{name}.{part}")))
            .collect();
        self.push(
            "Split",
            node,
            &[x, &lengths],
            outputs.clone(),
            vec![int("axis", 1)],
        );
        outputs.into_iter().map(Value).collect()
    }

    /// Channels one after another.
    pub fn concat_channels(&mut self, name: &str, parts: &[&Value]) -> Value {
        self.node("Concat", name, parts, vec![int("axis", 1)])
    }

    /// Rows of `[batch, dim]` divided by their length, or by 1e-12 where they are shorter.
    pub fn l2_normalise(&mut self, name: &str, x: &Value) -> Value {
        let attributes = vec![ints("axes", &[1]), int("keepdims", 1)];
        let length = self.node("ReduceL2", &format!("{name}.length"), &[x], attributes);
        let least = self.constant(&format!("{name}.least"), &[1], &[1e-12]);
        let length = self.node("Max", &format!("{name}.max"), &[&length, &least], vec![]);
        self.node("Div", name, &[x, &length], vec![])
    }
}

/// An attribute of one whole number.
pub fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        r#type: AttributeType::Int as i32,
        i: value as i64,
        ..AttributeProto::default()
    }
}

/// An attribute of several whole numbers.
pub fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|&value| value as i64).collect(),
        ..AttributeProto::default()
    }
}

/// An attribute of one number.
pub fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        r#type: AttributeType::Float as i32,
        f: value as f32,
        ..AttributeProto::default()
    }
}

/// An attribute of text.
pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        r#type: AttributeType::String as i32,
        s: value.as_bytes().to_vec(),
        ..AttributeProto::default()
    }
}
