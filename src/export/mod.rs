//! Weights and embeddings in the formats that serving stacks read.

pub mod embeddings;

pub use embeddings::EmbeddingsError;
