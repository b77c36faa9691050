//! Layers that more than one paper uses, one concept per file.
//!
//! Fields carry torch's names, so that a module's paths are the keys of the reference implementation's state dict.

pub mod activation;
pub mod batch_norm;
pub mod bnneck;
pub mod conv;
pub mod drop_path;
pub mod gru;
pub(crate) mod host;
pub mod ibn;
pub mod identity_head;
pub mod init;
pub mod instance_norm;
pub mod pool;
pub mod t_emde;
mod transparent;
pub mod unit;

pub use activation::Activation;
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use bnneck::{BnNeck, BnNeckConfig};
pub use conv::{Conv2d, Conv2dConfig};
pub use drop_path::DropPath;
pub use gru::{BiGru, BiGruConfig, Lengths};
pub use ibn::{Ibn, IbnConfig, Norm};
pub use identity_head::{IdentityHead, IdentityHeadConfig};
pub use init::{Draw, ParamInfo, initialise};
pub use instance_norm::{InstanceNorm, InstanceNormConfig};
pub use pool::{Gem, GemConfig, global_average, max_pool};
pub use t_emde::{Assignment, TEmde, TEmdeConfig};
pub(crate) use transparent::transparent;
pub use unit::{unit, unit_sum};
