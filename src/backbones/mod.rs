//! Image trunks under the state-dict names of their reference implementations.
