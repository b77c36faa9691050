//! ONNX: the inference graph of a trained encoder, written node by node, and run again before it is handed out.
//!
//! The graph is not traced: each layer says it ([`ToOnnx`]), under the names of its weights, in operators that every runtime has.
//! A trace would meet this crate's own CPU operations, would fix the batch, and would turn an instance norm into ten nodes. What
//! keeps the two descriptions of a layer together is [`run`]: every file is executed by another runtime and compared with the
//! model before it appears under its name.
//!
//! | what | as |
//! |---|---|
//! | input `image` | f32 `[batch, 3, height, width]`, any batch: normalised RGB, or levels 0 to 255 with [`Inside::normalise`] |
//! | output `embedding` | f32 `[batch, dim]`, of length 1 with [`Inside::l2`] |
//! | weights | raw initialisers under the names of the model's own state, in the order of use |
//! | batch norms | nodes of their own: runtimes fold them into the convolutions when they load the file, and no figure is rounded twice |
//! | half precision | f16 initialisers of two and more axes, each with a `Cast`: half the file, the same f32 arithmetic everywhere |
//! | bytes | the same for the same weights and options |
//!
//! A matcher, which has several inputs and is three graphs, is [`matching`]'s.
//!
//! A new layer or trunk is one implementation of [`ToOnnx`] beside those of `layers`, `resnet` and `mobile`.

pub mod cells;
mod error;
pub mod graph;
mod layers;
pub mod matching;
mod mobile;
mod ops;
mod resnet;
pub mod run;
mod write;

pub use error::OnnxError;
pub use graph::{Graph, Value};
pub use write::{About, Inside, encode};

/// Operators are those of this version of ONNX's standard set: ONNX Runtime 1.12, TensorRT 8.6, OpenVINO 2022.3 and later read it.
pub const OPSET: i64 = 17;

/// The version of the file's own form that belongs to [`OPSET`].
pub const IR_VERSION: i64 = 8;

/// A layer that can say what it computes in evaluation mode.
pub trait ToOnnx {
    /// Adds the layer's nodes to the graph and gives its output. `path` is the layer's name in the model's state: its weights are
    /// called `path.weight` and the like, its node `path`.
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value;
}

#[cfg(test)]
mod tests;
