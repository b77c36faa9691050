//! Weights and embeddings in the formats that serving stacks read.

pub mod embeddings;
pub mod gallery;
pub mod projector;

pub use embeddings::EmbeddingsError;
