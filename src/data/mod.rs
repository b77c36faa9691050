//! From published layouts and native tables to batches in host memory.
