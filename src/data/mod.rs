//! From published layouts and native tables to batches in host memory.
pub mod image;
pub mod loader;
pub mod sampler;
pub mod source;
pub mod transform;
