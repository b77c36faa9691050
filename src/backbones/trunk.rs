//! The image trunk of a model: any of the networks, its section in a recipe, and the published weights it starts from.

mod blocks;
mod config;
mod export;
mod precision;

pub use blocks::{Depths, block_of};
pub use config::TrunkConfig;
pub use export::{TorchvisionLayout, for_torchvision, from_torchvision};
pub use precision::Precision;

use super::layouts::{contradicts, recognised, translate};
use super::mobile::MobileNet;
use super::resnet::ResNet;
use super::weights::{self, Import, LoadReport, Tensors, WeightsError};
use crate::files::FileError;
use crate::nn::{Draw, ParamInfo};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// In a recipe that builds on another, and in `--set model.weights=none`: random weights after all.
const NONE: &str = "none";

/// An image network without its classifier. Paths of parameters are those of the network inside.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a model has one trunk: a box would cost more words than it saves bytes"
)]
pub enum Trunk {
    /// A residual network.
    ResNet(ResNet),
    /// MobileNetV2 or an EfficientNet.
    Mobile(MobileNet),
}

crate::nn::transparent!(Trunk { ResNet, Mobile });

impl TrunkConfig {
    /// The network with burn's own, lazy initial weights: draw them with [`crate::nn::initialise`] or load published ones.
    pub fn init(&self, device: &Device) -> Trunk {
        match self {
            Self::ResNet(config) => Trunk::ResNet(config.init(device)),
            Self::Mobile(config) => Trunk::Mobile(config.init(device)),
        }
    }
}

impl Trunk {
    /// Normalised RGB `[batch, 3, height, width]` → the last feature map `[batch, feature_dim, height', width']`.
    pub fn forward_map(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::ResNet(net) => net.forward_map(x),
            Self::Mobile(net) => net.forward_map(x),
        }
    }

    /// Its global average: `[batch, 3, height, width]` → `[batch, feature_dim]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        match self {
            Self::ResNet(net) => net.forward(x),
            Self::Mobile(net) => net.forward(x),
        }
    }

    /// Length of the pooled vector.
    pub fn feature_dim(&self) -> usize {
        match self {
            Self::ResNet(net) => net.feature_dim(),
            Self::Mobile(net) => net.feature_dim(),
        }
    }

    /// What the network was built from.
    pub fn config(&self) -> TrunkConfig {
        match self {
            Self::ResNet(net) => net.config().clone().into(),
            Self::Mobile(net) => net.config.clone().into(),
        }
    }

    /// Where a trunk's initial weights differ from [`crate::nn::initialise`]'s own rules: biases of convolutions begin at 0, as
    /// torchvision's EfficientNet draws them.
    pub fn draw(info: &ParamInfo) -> Option<Draw> {
        (info.container == "Conv2d" && info.name == "bias").then_some(Draw::Constant(0.0))
    }
}

/// The trunk of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrunkSection {
    /// The network.
    pub trunk: TrunkConfig,
    /// Published weights to start from: a name such as `torchvision/resnet50-v1` (kept in a cache, downloaded once, its hash
    /// checked), a path to a `.pth` or `.safetensors` file (torchvision's, timm's or efficientnet_pytorch's names), or a run's
    /// folder, whose best checkpoint's trunk is taken. Absent, or `"none"`, the trunk starts from random weights. `${NAME}` is an
    /// environment variable.
    #[serde(default)]
    pub weights: Option<String>,
    /// Whether `--init-from` may leave the classifier and the centres of a run with other classes out; they then start anew.
    #[serde(default)]
    pub new_classifier: bool,
    /// The arithmetic of the trunk in training: f32, bf16 or f16. Weights stay in f32.
    #[serde(default)]
    pub precision: Precision,
}

impl TrunkSection {
    /// A trunk from random weights.
    pub fn new(trunk: impl Into<TrunkConfig>) -> Self {
        Self {
            trunk: trunk.into(),
            weights: None,
            new_classifier: false,
            precision: Precision::F32,
        }
    }

    /// Loads the trunk's weights, if the section names any.
    pub fn load(&self, trunk: Trunk) -> Result<(Trunk, Option<LoadReport>), WeightsError> {
        let Some(source) = self.weights.as_ref().filter(|source| *source != NONE) else {
            return Ok((trunk, None));
        };
        let path = locate(source)?;
        let (trunk, report) = load(trunk, weights::read(&path)?, source)?;
        Ok((trunk, Some(report)))
    }
}

/// Puts weights of a file into a trunk: a classifier's of torchvision, timm or efficientnet_pytorch, or a run's (`trunk.…`). All of
/// the trunk must be there, in its shapes; heads are left out.
pub fn load(trunk: Trunk, tensors: Tensors, source: &str) -> Result<(Trunk, LoadReport), WeightsError> {
    let mut import = Import::trunk(source);
    if tensors.keys().any(|name| name.starts_with("trunk.")) {
        // A run's: under our names already, of whatever flavour.
        import.strip_prefix = vec!["trunk.".to_owned()];
        import.skip = vec!["^head\\.".to_owned()];
        return weights::apply(trunk, &tensors, &import);
    }
    let wanted = trunk.config();
    let refuse = |remedy: String| WeightsError::Other {
        source_name: source.to_owned(),
        trunk: wanted.name(),
        remedy,
    };
    if let Some(other) = recognised(&tensors).filter(|other| other.network != wanted.name()) {
        return Err(refuse(format!(
            "it holds {}: set model.trunk = {}, give weights of {}, or begin with random ones (--set model.weights=none)",
            other.what,
            other.trunk,
            wanted.name()
        )));
    }
    let found = translate(tensors);
    if let (TrunkConfig::Mobile(wanted), Some(layout), Some(net)) = (&wanted, found.layout, found.net)
        && let Some(problem) = contradicts(layout, net, wanted.flavour)
    {
        return Err(refuse(problem.to_owned()));
    }
    weights::apply(trunk, &found.tensors, &import)
}

/// The file that a name or a path stands for.
pub fn locate(source: &str) -> Result<PathBuf, WeightsError> {
    let source = &expanded(source)?;
    let path = Path::new(source);
    if path.join("run.json").is_file() {
        return best_of(path);
    }
    if path.exists() || path.extension().is_some() {
        return Ok(path.to_path_buf());
    }
    weights::published::resolve(source, |_| {})
}

/// `${NAME}` becomes the environment variable of that name.
fn expanded(source: &str) -> Result<String, WeightsError> {
    let (mut text, mut rest) = (String::new(), source);
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        text.push_str(before);
        text.push_str(&value.ok_or_else(|| WeightsError::Unknown {
            name: source.to_owned(),
            remedy: format!(
                "the environment variable {name} is not set: run `export {name}=FILE` first, or write the path with --set \
                 model.weights=FILE"
            ),
        })?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// The best checkpoint of a run, or its last.
fn best_of(run: &Path) -> Result<PathBuf, WeightsError> {
    #[derive(Deserialize)]
    struct Pointers {
        last: Option<String>,
        best: Option<String>,
    }
    let path = run.join("pointers.json");
    let fail = |e: io::Error| WeightsError::File(FileError::new("read", &path, e));
    let text = std::fs::read(&path).map_err(fail)?;
    let pointers: Pointers = serde_json::from_slice(&text).map_err(|e| fail(e.into()))?;
    let name = pointers.best.or(pointers.last).unwrap_or_default();
    if name.is_empty() || Path::new(&name).components().count() != 1 || name.starts_with('.') {
        return Err(fail(io::Error::other("it names no checkpoint")));
    }
    Ok(run.join("checkpoints").join(name))
}

#[cfg(test)]
mod tests;
