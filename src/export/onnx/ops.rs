//! Operators on sets of vectors, whose axes may be of open size: products, sums over an axis, softmax, masks from lengths.
//!
//! Axes count from the first. What is 1 on one side is broadcast, so that no graph has to know how many images, captions, regions or
//! words there will be.

use super::graph::{Graph, Value, float, int, ints};
use crate::nn::unit::{INSIDE, OUTSIDE};
use burn::nn::Linear;
use tract_onnx::pb::tensor_proto::DataType;

impl Graph {
    /// Product of matrices in the last two axes, the axes before broadcast.
    pub fn matmul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node("MatMul", name, &[a, b], vec![])
    }

    /// `x · W + b` over the last axis. The weight stands as `[in, out]`, not as torch's `[out, in]`.
    pub fn linear(&mut self, path: &str, x: &Value, layer: &Linear) -> Value {
        let weight = self.weight(&format!("{path}.weight"), layer.weight.val());
        let product = self.matmul(&format!("{path}.product"), x, &weight);
        match &layer.bias {
            Some(bias) => {
                let bias = self.weight(&format!("{path}.bias"), bias.val());
                self.add(path, &product, &bias)
            }
            None => product,
        }
    }

    /// Difference, one side broadcast where its axes have size 1.
    pub fn sub(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node("Sub", name, &[a, b], vec![])
    }

    /// Quotient, one side broadcast where its axes have size 1.
    pub fn div(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node("Div", name, &[a, b], vec![])
    }

    /// `(a − b)²`.
    pub fn squared_difference(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        let difference = self.sub(&format!("{name}.difference"), a, b);
        self.mul(name, &difference, &difference)
    }

    /// A number times all.
    pub fn scale(&mut self, name: &str, x: &Value, factor: f32) -> Value {
        let factor = self.constant(&format!("{name}.factor"), &[], &[factor]);
        self.mul(name, x, &factor)
    }

    /// A number more.
    pub fn shift(&mut self, name: &str, x: &Value, more: f32) -> Value {
        let more = self.constant(&format!("{name}.more"), &[], &[more]);
        self.add(name, x, &more)
    }

    /// The square root.
    pub fn sqrt(&mut self, name: &str, x: &Value) -> Value {
        self.node("Sqrt", name, &[x], vec![])
    }

    /// The hyperbolic tangent.
    pub fn tanh(&mut self, name: &str, x: &Value) -> Value {
        self.node("Tanh", name, &[x], vec![])
    }

    /// `x` where it is positive, else a fraction of it.
    pub fn leaky_relu(&mut self, name: &str, x: &Value, slope: f64) -> Value {
        self.node("LeakyRelu", name, &[x], vec![float("alpha", slope)])
    }

    /// Shares along an axis.
    pub fn softmax(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        self.node("Softmax", name, &[x], vec![int("axis", axis)])
    }

    /// 1 at the first largest value of the last axis, which has that place and size, 0 elsewhere.
    pub fn one_hot_of_largest(&mut self, name: &str, x: &Value, axis: usize, size: usize) -> Value {
        let attributes = vec![int("axis", axis), int("keepdims", 1)];
        let largest = self.node("ArgMax", &format!("{name}.argmax"), &[x], attributes);
        let places: Vec<usize> = (0..size).collect();
        let places = self.integers(&format!("{name}.places"), &places);
        let same = self.node("Equal", &format!("{name}.equal"), &[&largest, &places], vec![]);
        self.as_float(name, &same)
    }

    /// Sum over an axis, which stays with size 1 or goes.
    pub fn sum(&mut self, name: &str, x: &Value, axis: usize, keep: bool) -> Value {
        let axes = self.integers(&format!("{name}.axes"), &[axis]);
        self.node(
            "ReduceSum",
            name,
            &[x, &axes],
            vec![int("keepdims", usize::from(keep))],
        )
    }

    /// Mean over an axis, which goes.
    pub fn mean(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        self.node(
            "ReduceMean",
            name,
            &[x],
            vec![ints("axes", &[axis]), int("keepdims", 0)],
        )
    }

    /// [`crate::nn::unit()`]: `x / (sqrt(Σ x² + 1e-12) + 1e-8)` along an axis.
    pub fn unit(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let squares = self.mul(&format!("{name}.squares"), x, x);
        let sum = self.sum(&format!("{name}.sum"), &squares, axis, true);
        let sum = self.shift(&format!("{name}.inside"), &sum, INSIDE);
        let length = self.sqrt(&format!("{name}.length"), &sum);
        let length = self.shift(&format!("{name}.outside"), &length, OUTSIDE);
        self.div(name, x, &length)
    }

    /// [`crate::nn::unit_sum`] of what is nowhere negative: `x / (Σ x + 1e-8)` along an axis.
    pub fn unit_sum(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let sum = self.sum(&format!("{name}.sum"), x, axis, true);
        let sum = self.shift(&format!("{name}.outside"), &sum, OUTSIDE);
        self.div(name, x, &sum)
    }

    /// Axes in another order.
    pub fn transpose(&mut self, name: &str, x: &Value, order: &[usize]) -> Value {
        self.node("Transpose", name, &[x], vec![ints("perm", order)])
    }

    /// New axes of size 1, at these places of the result.
    pub fn unsqueeze(&mut self, name: &str, x: &Value, axes: &[usize]) -> Value {
        let axes = self.integers(&format!("{name}.axes"), axes);
        self.node("Unsqueeze", name, &[x, &axes], vec![])
    }

    /// Without these axes, which have size 1.
    pub fn squeeze(&mut self, name: &str, x: &Value, axes: &[usize]) -> Value {
        let axes = self.integers(&format!("{name}.axes"), axes);
        self.node("Squeeze", name, &[x, &axes], vec![])
    }

    /// In another shape; 0 keeps an axis as it is.
    pub fn reshape(&mut self, name: &str, x: &Value, shape: &[usize]) -> Value {
        let shape = self.integers(&format!("{name}.shape"), shape);
        self.node("Reshape", name, &[x, &shape], vec![])
    }

    /// One behind the other along an axis.
    pub fn concat(&mut self, name: &str, parts: &[&Value], axis: usize) -> Value {
        self.node("Concat", name, parts, vec![int("axis", axis)])
    }

    /// The first along an axis, which stays with size 1.
    pub fn first(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let [from, to, axes] = [0, 1, axis].map(|at| self.integers(&format!("{name}.at"), &[at]));
        self.node("Slice", name, &[x, &from, &to, &axes], vec![])
    }

    /// Rows of a table by their numbers, i64 of any shape.
    pub fn rows(&mut self, name: &str, table: &Value, numbers: &Value) -> Value {
        self.node("Gather", name, &[table, numbers], vec![int("axis", 0)])
    }

    /// For each place of `[batch, places, …]` what stands at another place of the same row, i64 `[batch, places]`.
    pub fn places(&mut self, name: &str, x: &Value, from: &Value) -> Value {
        let from = self.unsqueeze(&format!("{name}.index"), from, &[2]);
        self.node("GatherND", name, &[x, &from], vec![int("batch_dims", 1)])
    }

    /// The size of an axis, i64 without an axis.
    pub fn size(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let shape = self.node("Shape", &format!("{name}.shape"), &[x], vec![]);
        let axis = self.integer(&format!("{name}.axis"), axis);
        self.rows(name, &shape, &axis)
    }

    /// 0, 1, … below a number, i64.
    pub fn range(&mut self, name: &str, end: &Value) -> Value {
        let [from, by] = [0, 1].map(|value| self.integer(&format!("{name}.from"), value));
        self.node("Range", name, &[&from, end, &by], vec![])
    }

    /// Zeros `[1, size, width]`, where the middle size is a number of the graph.
    pub fn zeros(&mut self, name: &str, size: &Value, width: usize) -> Value {
        let one = self.integers(&format!("{name}.one"), &[1]);
        let size = self.unsqueeze(&format!("{name}.size"), size, &[0]);
        let last = self.integers(&format!("{name}.width"), &[width]);
        let shape = self.concat(&format!("{name}.shape"), &[&one, &size, &last], 0);
        let zero = self.constant(&format!("{name}.zero"), &[1, 1, 1], &[0.0]);
        self.node("Expand", name, &[&zero, &shape], vec![])
    }

    /// Where `a < b`.
    pub fn less(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node("Less", name, &[a, b], vec![])
    }

    /// Where `a ≤ b`.
    pub fn at_most(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node("LessOrEqual", name, &[a, b], vec![])
    }

    /// 1 where it is so, 0 elsewhere.
    pub fn as_float(&mut self, name: &str, truth: &Value) -> Value {
        self.node("Cast", name, &[truth], vec![int("to", DataType::Float as usize)])
    }

    /// One where it is so, the other elsewhere.
    pub fn choose(&mut self, name: &str, truth: &Value, one: &Value, other: &Value) -> Value {
        self.node("Where", name, &[truth, one, other], vec![])
    }

    /// The same under another name.
    pub fn named(&mut self, name: &str, x: &Value) -> Value {
        self.node("Identity", name, &[x], vec![])
    }
}
