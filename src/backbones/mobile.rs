//! Networks of inverted residual blocks under torchvision's names: MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), EfficientNet-B0
//! (Tan & Le 2019, arXiv 1905.11946) and EfficientNet-Lite0, 1 and 2 (Liu 2020, TensorFlow's model garden).
//!
//! All are a stem (3×3, stride 2, 32 channels), stages of blocks, and a head (1×1 to 1280 channels). Paths of parameters are
//! torchvision's state-dict keys: `features.0.0.weight`, `features.2.1.block.1.0.weight` (EfficientNets), `features.4.conv.3.weight`
//! (MobileNetV2), whatever the fields here are called; the Lite networks, which torchvision has not, are named as its B0 without
//! squeeze-excite. [`Layout`] has timm's and efficientnet_pytorch's names. There is no classifier: a paper brings its own head.

mod block;
mod config;
mod names;

pub use block::{ConvNorm, InvertedResidual, SqueezeExcite};
pub use config::{Flavour, MobileConfig, Net, Stage};
pub use names::{Layout, Part, Spot};

use crate::nn::global_average;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

impl MobileConfig {
    /// The network with burn's own, lazy initial weights: draw them with [`crate::nn::initialise`] or load published ones.
    pub fn init(&self, device: &Device) -> MobileNet {
        let conv = |channels, kernel, stride| ConvNorm::new(self, channels, kernel, stride, 1, device);
        let (mut channels, mut index) = (32, 0);
        let stages = self.net.stages().map(|stage| {
            (0..stage.repeats)
                .map(|b| {
                    let shape = [stage.expand, stage.kernel, if b == 0 { stage.stride } else { 1 }];
                    let block = InvertedResidual::new(self, [channels, stage.channels], shape, index, device);
                    (channels, index) = (stage.channels, index + 1);
                    block
                })
                .collect()
        });
        MobileNet {
            stem: conv([3, 32], 3, 2),
            stages: stages.into(),
            head: conv([channels, self.feature_dim()], 1, 1),
            dropout: (self.dropout > 0.0).then(|| DropoutConfig::new(self.dropout).init()),
            config: self.clone(),
        }
    }
}

/// A network of inverted residual blocks without its classifier.
#[derive(Clone, Debug)]
pub struct MobileNet {
    /// 3×3, stride 2.
    pub stem: ConvNorm,
    /// Blocks by stage.
    pub stages: Vec<Vec<InvertedResidual>>,
    /// 1×1 to 1280 channels.
    pub head: ConvNorm,
    /// Of the pooled vector.
    pub dropout: Option<Dropout>,
    /// What the network was built from.
    pub config: MobileConfig,
}

impl MobileNet {
    /// Normalised RGB `[batch, 3, height, width]` → `[batch, 1280, ⌈height / 32⌉, ⌈width / 32⌉]`.
    pub fn forward_map(&self, x: Tensor<4>) -> Tensor<4> {
        let act = self.config.activation();
        let x = self.stem.forward(x, act);
        let x = self.stages.iter().flatten().fold(x, |x, block| block.forward(x));
        self.head.forward(x, act)
    }

    /// The global average of [`forward_map`](Self::forward_map), with dropout in training where the configuration has it:
    /// `[batch, 3, height, width]` → `[batch, 1280]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let features = global_average(self.forward_map(x));
        match &self.dropout {
            Some(dropout) => dropout.forward(features),
            None => features,
        }
    }

    /// Length of the pooled vector.
    pub fn feature_dim(&self) -> usize {
        self.config.feature_dim()
    }
}

/// The words for our own levels; what parameters lie in names itself.
const CONTAINER: &str = "Struct:MobileNet";

fn visit_at<V: ModuleVisitor>(visitor: &mut V, path: &str, module: &impl Module) {
    path.split('.')
        .for_each(|name| visitor.enter_module(name, CONTAINER));
    module.visit(visitor);
    path.rsplit('.')
        .for_each(|name| visitor.exit_module(name, CONTAINER));
}

fn map_at<T: Module, M: ModuleMapper>(mapper: &mut M, path: &str, module: T) -> T {
    path.split('.')
        .for_each(|name| mapper.enter_module(name, CONTAINER));
    let module = module.map(mapper);
    path.rsplit('.')
        .for_each(|name| mapper.exit_module(name, CONTAINER));
    module
}

fn visit_pair<V: ModuleVisitor>(visitor: &mut V, [conv, norm]: &[String; 2], pair: &ConvNorm) {
    visit_at(visitor, conv, &pair.conv);
    visit_at(visitor, norm, &pair.norm);
}

fn map_pair<M: ModuleMapper>(mapper: &mut M, [conv, norm]: &[String; 2], pair: ConvNorm) -> ConvNorm {
    ConvNorm {
        conv: map_at(mapper, conv, pair.conv),
        norm: map_at(mapper, norm, pair.norm),
    }
}

const OURS: Layout = Layout::Torchvision;

/// Written out, because the paths are not the fields' names.
impl Module for MobileNet {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        let net = self.config.net;
        visit_pair(visitor, &net.stem(OURS), &self.stem);
        for (spot, block) in net.spots().into_iter().zip(self.stages.iter().flatten()) {
            let path = |part| net.part(OURS, spot, part);
            if let Some(expand) = &block.expand {
                visit_pair(visitor, &path(Part::Expand), expand);
            }
            visit_pair(visitor, &path(Part::Depthwise), &block.depthwise);
            if let Some(se) = &block.se {
                let [fc1, fc2] = path(Part::Squeeze);
                visit_at(visitor, &fc1, &se.fc1);
                visit_at(visitor, &fc2, &se.fc2);
            }
            visit_pair(visitor, &path(Part::Project), &block.project);
            if let Some(drop) = &block.stochastic_depth {
                let path = format!("{}.stochastic_depth", net.block(OURS, spot));
                visit_at(visitor, &path, drop);
            }
        }
        visit_pair(visitor, &net.head(OURS), &self.head);
        if let Some(dropout) = &self.dropout {
            visit_at(visitor, "dropout", dropout);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let net = self.config.net;
        let stem = map_pair(mapper, &net.stem(OURS), self.stem);
        let mut spots = net.spots().into_iter();
        let mut map_block = |spot: Spot, block: InvertedResidual| {
            let path = |part| net.part(OURS, spot, part);
            InvertedResidual {
                expand: block
                    .expand
                    .map(|expand| map_pair(mapper, &path(Part::Expand), expand)),
                depthwise: map_pair(mapper, &path(Part::Depthwise), block.depthwise),
                se: block.se.map(|se| {
                    let [fc1, fc2] = path(Part::Squeeze);
                    SqueezeExcite {
                        fc1: map_at(mapper, &fc1, se.fc1),
                        fc2: map_at(mapper, &fc2, se.fc2),
                    }
                }),
                project: map_pair(mapper, &path(Part::Project), block.project),
                stochastic_depth: block.stochastic_depth.map(|drop| {
                    let path = format!("{}.stochastic_depth", net.block(OURS, spot));
                    map_at(mapper, &path, drop)
                }),
                residual: block.residual,
                act: block.act,
            }
        };
        let stages = self
            .stages
            .into_iter()
            .map(|stage| {
                let blocks = stage.into_iter().zip(spots.by_ref());
                blocks.map(|(block, spot)| map_block(spot, block)).collect()
            })
            .collect();
        Self {
            stem,
            stages,
            head: map_pair(mapper, &net.head(OURS), self.head),
            dropout: self.dropout.map(|dropout| map_at(mapper, "dropout", dropout)),
            config: self.config,
        }
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        let devices = self.stages.collect_devices(self.stem.collect_devices(devices));
        self.dropout.collect_devices(self.head.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            stem: self.stem.fork(device),
            stages: self.stages.fork(device),
            head: self.head.fork(device),
            dropout: self.dropout.fork(device),
            config: self.config,
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            stem: self.stem.to_device(device),
            stages: self.stages.to_device(device),
            head: self.head.to_device(device),
            dropout: self.dropout.to_device(device),
            config: self.config,
        }
    }

    fn train(self) -> Self {
        Self {
            stem: self.stem.train(),
            stages: self.stages.train(),
            head: self.head.train(),
            dropout: self.dropout.train(),
            config: self.config,
        }
    }

    fn valid(&self) -> Self {
        Self {
            stem: self.stem.valid(),
            stages: self.stages.valid(),
            head: self.head.valid(),
            dropout: self.dropout.valid(),
            config: self.config.clone(),
        }
    }

    fn materialize(self) -> Self {
        Self {
            stem: self.stem.materialize(),
            stages: self.stages.materialize(),
            head: self.head.materialize(),
            dropout: self.dropout.materialize(),
            config: self.config,
        }
    }
}

impl ModuleDisplayDefault for MobileNet {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type(self.config.net.name())
            .add("stem", &self.stem)
            .add("stages", &self.stages)
            .add("head", &self.head)
            .optional()
    }
}

impl ModuleDisplay for MobileNet {}

#[cfg(test)]
mod tests;
