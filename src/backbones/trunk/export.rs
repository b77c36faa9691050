//! Trunks with a neck as torchvision and timm load them.

use super::TrunkConfig;
use crate::backbones::layouts::{for_layout, translate};
use crate::backbones::mobile::{Flavour, Layout, MobileConfig, Net};
use crate::backbones::resnet::ResNetConfig;
use crate::backbones::weights::{self, Tensors};
use serde::Serialize;

/// How a trunk with a neck is written for torchvision or timm: its factory, and the lines that change its module before the weights
/// are loaded strictly. The neck takes the classifier's place, so that the module's own `forward` gives the embedding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TorchvisionLayout {
    /// `torchvision.models.resnet50`, `timm.models.tf_efficientnet_lite0`, or IBN-Net's factory.
    pub factory: String,
    /// Lines of Python on `m`, the module that the factory made.
    pub python: Vec<String>,
}

impl TorchvisionLayout {
    /// Whole lines of Python that load `file`: ready to be pasted.
    pub fn script(&self, file: &str) -> Vec<String> {
        let module = self.factory.split('.').next().unwrap_or("torchvision");
        let mut lines = vec![
            format!("import torch, {module}"),
            "from safetensors.torch import load_file".into(),
            format!("m = {}()", self.factory),
        ];
        lines.extend(self.python.iter().cloned());
        lines.push(format!("m.load_state_dict(load_file({file:?}))"));
        lines.push("m.eval()".into());
        lines
    }
}

/// The weights of a model with a `trunk.` and a `neck` (the name of a batch norm) under torchvision's names, or timm's where
/// torchvision has no such network.
pub fn for_torchvision(config: &TrunkConfig, weights: &Tensors, neck: &str) -> (Tensors, TorchvisionLayout) {
    let neck = format!("{neck}.");
    let classifier = match config {
        TrunkConfig::ResNet(_) => "fc",
        TrunkConfig::Mobile(_) => "classifier",
    };
    let mut tensors = Tensors::new();
    for (name, data) in weights {
        if let Some(name) = name.strip_prefix("trunk.") {
            tensors.insert(name.to_string(), data.clone());
        } else if let Some(name) = name.strip_prefix(&neck) {
            tensors.insert(format!("{classifier}.{name}"), data.clone());
        }
    }
    let tensors = weights::for_torch(tensors);
    match config {
        TrunkConfig::ResNet(config) => (tensors, resnet(config)),
        TrunkConfig::Mobile(config) => mobile(config, tensors),
    }
}

/// The inverse of [`for_torchvision`]: the weights of a `trunk.` and a neck. None where the neck does not stand in the classifier's
/// place, which is the sign of such a file.
pub fn from_torchvision(weights: &Tensors, neck: &str) -> Option<Tensors> {
    let classifier = ["fc.", "classifier."]
        .into_iter()
        .find(|at| weights.contains_key(&format!("{at}running_mean")))?;
    let ours = translate(weights.clone()).tensors.into_iter();
    let renamed = ours.map(|(name, data)| match name.strip_prefix(classifier) {
        Some(name) => (format!("{neck}.{name}"), data),
        None => (format!("trunk.{name}"), data),
    });
    Some(renamed.collect())
}

fn mobile(config: &MobileConfig, tensors: Tensors) -> (Tensors, TorchvisionLayout) {
    let factory = match (config.net, config.flavour) {
        (Net::MobileNetV2, _) => "torchvision.models.mobilenet_v2",
        (Net::EfficientNetB0, Flavour::Torch) => "torchvision.models.efficientnet_b0",
        (Net::EfficientNetB0, Flavour::Tf) => "timm.models.tf_efficientnet_b0",
        (Net::EfficientNetLite0, _) => "timm.models.tf_efficientnet_lite0",
        (Net::EfficientNetLite1, _) => "timm.models.tf_efficientnet_lite1",
        (Net::EfficientNetLite2, _) => "timm.models.tf_efficientnet_lite2",
    };
    let tensors = match factory.starts_with("timm.") {
        true => for_layout(config.net, tensors, Layout::Timm),
        false => tensors,
    };
    let layout = TorchvisionLayout {
        factory: factory.to_owned(),
        python: vec![format!(
            "m.classifier = torch.nn.BatchNorm1d({})",
            config.feature_dim()
        )],
    };
    (tensors, layout)
}

fn resnet(config: &ResNetConfig) -> TorchvisionLayout {
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
    TorchvisionLayout { factory, python }
}
