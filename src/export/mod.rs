//! Weights and embeddings in the formats that serving stacks read.

pub mod embeddings;
pub mod gallery;

pub use embeddings::EmbeddingsError;
