//! Weights and embeddings in the formats that serving stacks read.

pub mod codes;
pub mod compare;
pub mod dtype;
pub mod embeddings;
pub mod gallery;
pub mod hub;
pub mod matcher;
pub mod onnx;
pub mod projector;

pub use dtype::RangeError;
pub use embeddings::EmbeddingsError;
pub use hub::HubError;
pub use onnx::OnnxError;
