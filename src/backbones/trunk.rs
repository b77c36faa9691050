//! `[model]` of papers that stand on one image trunk: its form, and the published weights it starts from.

use super::resnet::{ResNet, ResNetConfig};
use super::weights::{self, Import, LoadReport, Tensors, WeightsError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// In a recipe that builds on another, and in `--set model.weights=none`: random weights after all.
const NONE: &str = "none";

/// The trunk of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrunkSection {
    /// The residual network.
    pub trunk: ResNetConfig,
    /// Published weights to start from: a name such as `torchvision/resnet50-v1` (kept in a cache, downloaded once, its hash
    /// checked) or a path to a `.pth` or `.safetensors` file. Absent, or `"none"`, the trunk starts from random weights.
    #[serde(default)]
    pub weights: Option<String>,
}

impl TrunkSection {
    /// Loads the trunk's weights, if the section names any.
    pub fn load(&self, trunk: ResNet) -> Result<(ResNet, Option<LoadReport>), WeightsError> {
        let Some(source) = self.weights.as_ref().filter(|source| *source != NONE) else {
            return Ok((trunk, None));
        };
        let path = locate(source)?;
        let tensors = weights::read(&path)?;
        let (trunk, report) = weights::apply(trunk, &tensors, &Import::trunk(source.clone()))?;
        Ok((trunk, Some(report)))
    }
}

/// The file that a name or a path stands for.
pub fn locate(source: &str) -> Result<PathBuf, WeightsError> {
    let path = Path::new(source);
    if path.exists() || path.extension().is_some() {
        return Ok(path.to_path_buf());
    }
    weights::published::resolve(source, |_| {})
}

/// How a trunk with a neck is written for torchvision: its factory, and the lines that change its module before the weights are
/// loaded strictly. The neck takes the place of `fc`, so that the module's own `forward` gives the embedding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TorchvisionLayout {
    /// `torchvision.models.resnet50`, or IBN-Net's factory.
    pub factory: String,
    /// Lines of Python on `m`, the module that the factory made.
    pub python: Vec<String>,
}

/// The weights of a model with a `trunk.` and a `neck` (the name of a batch norm) under torchvision's names.
pub fn for_torchvision(config: &ResNetConfig, weights: &Tensors, neck: &str) -> (Tensors, TorchvisionLayout) {
    let neck = format!("{neck}.");
    let mut tensors = Tensors::new();
    for (name, data) in weights {
        if let Some(name) = name.strip_prefix("trunk.") {
            tensors.insert(name.to_string(), data.clone());
        } else if let Some(name) = name.strip_prefix(&neck) {
            tensors.insert(format!("fc.{name}"), data.clone());
        }
    }
    let depth = config.depth.number();
    let mut python = Vec::new();
    if config.width != 64 {
        let width = config.width;
        python.push(format!("m.inplanes = {width}"));
        python.push(format!(
            "m.conv1 = torch.nn.Conv2d(3, {width}, 7, 2, 3, bias=False)"
        ));
        python.push(format!("m.bn1 = torch.nn.BatchNorm2d({width})"));
        for stage in 1..=4 {
            let (planes, stride) = (width << (stage - 1), if stage == 1 { 1 } else { 2 });
            python.push(format!(
                "m.layer{stage} = m._make_layer(type(m.layer{stage}[0]), {planes}, len(m.layer{stage}), stride={stride})"
            ));
        }
    }
    python.push(format!("m.fc = torch.nn.BatchNorm1d({})", config.feature_dim()));
    if config.last_stride == 1 {
        let conv = if depth >= 50 { "conv2" } else { "conv1" };
        python.push(format!(
            "m.layer4[0].{conv}.stride = m.layer4[0].downsample[0].stride = (1, 1)"
        ));
    }
    if !config.stem_relu {
        python.push("m.relu = torch.nn.Identity()".into());
    }
    if config.small_stem {
        python.push(format!(
            "m.conv1 = torch.nn.Conv2d(3, {}, 3, 1, 1, bias=False); m.maxpool = torch.nn.Identity()",
            config.width
        ));
    }
    let factory = match config.ibn {
        true => format!("ibnnet.resnet{depth}_ibn_a"),
        false => format!("torchvision.models.resnet{depth}"),
    };
    (weights::for_torch(tensors), TorchvisionLayout { factory, python })
}
