//! Image trunks under the state-dict names of their reference implementations, and how published weights come into them.

pub mod resnet;
pub mod trunk;
pub mod weights;

pub use resnet::{ResNet, ResNetConfig};
pub use weights::{Tensors, WeightsError};
