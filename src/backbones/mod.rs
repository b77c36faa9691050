//! Image trunks under the state-dict names of their reference implementations, and how published weights come into them.

#[cfg(test)]
mod filler;
pub mod layouts;
pub mod mobile;
pub mod resnet;
pub mod trunk;
pub mod weights;

pub use mobile::{MobileConfig, MobileNet};
pub use resnet::{ResNet, ResNetConfig};
pub use trunk::{Trunk, TrunkConfig, TrunkSection};
pub use weights::{Tensors, WeightsError};
