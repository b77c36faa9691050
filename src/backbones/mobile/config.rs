//! Which network, and its stages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network of inverted residual blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// Sandler et al. 2018, width 1.
    MobileNetV2,
    /// Tan & Le 2019.
    EfficientNetB0,
    /// EfficientNet-Lite (Liu 2020): no squeeze-excite, ReLU6, stem and head of one width. Published for 224 px.
    EfficientNetLite0,
    /// 1.1 times as deep; published for 240 px.
    EfficientNetLite1,
    /// 1.2 times as deep and 1.1 times as wide; published for 260 px.
    EfficientNetLite2,
}

/// Whose arithmetic: the same weights give other features in the other flavour, without any error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// torchvision's, and timm's `efficientnet_b0`: the same zeros on both sides, norms with eps 1e-5 and momentum 0.1.
    Torch,
    /// TensorFlow's, which efficientnet_pytorch and timm's `tf_…` took over: SAME padding, eps 1e-3, momentum 0.01.
    Tf,
}

/// Settings of a [`MobileNet`](super::MobileNet).
#[derive(Clone, Debug, PartialEq)]
pub struct MobileConfig {
    /// The network.
    pub net: Net,
    /// Whose arithmetic.
    pub flavour: Flavour,
    /// Stochastic depth: block i of n drops its branch with probability `drop_path` · i / n in training.
    pub drop_path: f64,
    /// Dropout of the pooled features in training.
    pub dropout: f64,
}

/// One row of the published tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Times the input's channels inside of a block.
    pub expand: usize,
    /// Side of the depthwise kernel.
    pub kernel: usize,
    /// Of the first block.
    pub stride: usize,
    /// Output channels.
    pub channels: usize,
    /// Blocks.
    pub repeats: usize,
}

const fn stage(expand: usize, kernel: usize, stride: usize, channels: usize, repeats: usize) -> Stage {
    Stage {
        expand,
        kernel,
        stride,
        channels,
        repeats,
    }
}

const MOBILENET_V2: [Stage; 7] = [
    stage(1, 3, 1, 16, 1),
    stage(6, 3, 2, 24, 2),
    stage(6, 3, 2, 32, 3),
    stage(6, 3, 2, 64, 4),
    stage(6, 3, 1, 96, 3),
    stage(6, 3, 2, 160, 3),
    stage(6, 3, 1, 320, 1),
];

const EFFICIENTNET: [Stage; 7] = [
    stage(1, 3, 1, 16, 1),
    stage(6, 3, 2, 24, 2),
    stage(6, 5, 2, 40, 2),
    stage(6, 3, 2, 80, 3),
    stage(6, 5, 1, 112, 3),
    stage(6, 5, 2, 192, 4),
    stage(6, 3, 1, 320, 1),
];

impl Net {
    /// Every network.
    pub const ALL: [Net; 5] = [
        Self::MobileNetV2,
        Self::EfficientNetB0,
        Self::EfficientNetLite0,
        Self::EfficientNetLite1,
        Self::EfficientNetLite2,
    ];

    /// What recipes call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MobileNetV2 => "mobilenet-v2",
            Self::EfficientNetB0 => "efficientnet-b0",
            Self::EfficientNetLite0 => "efficientnet-lite0",
            Self::EfficientNetLite1 => "efficientnet-lite1",
            Self::EfficientNetLite2 => "efficientnet-lite2",
        }
    }

    /// Width and height of the images it was published for.
    pub fn image_size(self) -> usize {
        match self {
            Self::MobileNetV2 | Self::EfficientNetB0 | Self::EfficientNetLite0 => 224,
            Self::EfficientNetLite1 => 240,
            Self::EfficientNetLite2 => 260,
        }
    }

    /// Whether blocks have squeeze-excite layers (and SiLU, where the others have ReLU6).
    pub fn squeezes(self) -> bool {
        self == Self::EfficientNetB0
    }

    /// An EfficientNet-Lite, which exists in TensorFlow's flavour alone.
    pub fn is_lite(self) -> bool {
        !matches!(self, Self::MobileNetV2 | Self::EfficientNetB0)
    }

    /// The stages between stem (32 channels) and head (1280).
    pub fn stages(self) -> [Stage; 7] {
        let (width, depth) = match self {
            Self::MobileNetV2 => return MOBILENET_V2,
            Self::EfficientNetB0 | Self::EfficientNetLite0 => (1.0, 1.0),
            Self::EfficientNetLite1 => (1.0, 1.1),
            Self::EfficientNetLite2 => (1.1, 1.2),
        };
        let mut stages = EFFICIENTNET;
        for (index, stage) in stages.iter_mut().enumerate() {
            stage.channels = rounded(stage.channels as f64 * width);
            // The first and the last stage are never deepened in Lite networks.
            if (1..6).contains(&index) {
                stage.repeats = (stage.repeats as f64 * depth).ceil() as usize;
            }
        }
        stages
    }

    /// Blocks of all stages.
    pub fn blocks(self) -> usize {
        self.stages().iter().map(|stage| stage.repeats).sum()
    }
}

/// The nearest multiple of 8, at least 8, that is no more than a tenth below.
fn rounded(channels: f64) -> usize {
    let nearest = (((channels + 4.0) as usize) / 8 * 8).max(8);
    match (nearest as f64) < 0.9 * channels {
        true => nearest + 8,
        false => nearest,
    }
}

impl MobileConfig {
    /// The published network: Lite in TensorFlow's flavour, the others in torchvision's; EfficientNets with stochastic depth 0.2.
    pub fn new(net: Net) -> Self {
        Self {
            net,
            flavour: if net.is_lite() {
                Flavour::Tf
            } else {
                Flavour::Torch
            },
            drop_path: if net == Net::MobileNetV2 { 0.0 } else { 0.2 },
            dropout: 0.0,
        }
    }

    /// Length of the pooled vector.
    pub fn feature_dim(&self) -> usize {
        1280
    }

    /// eps and momentum of the norms.
    pub fn norm(&self) -> (f64, f64) {
        match self.flavour {
            Flavour::Torch => (1e-5, 0.1),
            Flavour::Tf => (1e-3, 0.01),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lite_networks_grow_as_published() {
        let channels = |net: Net| net.stages().map(|s| s.channels);
        let repeats = |net: Net| net.stages().map(|s| s.repeats);
        assert_eq!(channels(Net::EfficientNetLite1), [16, 24, 40, 80, 112, 192, 320]);
        assert_eq!(repeats(Net::EfficientNetLite0), [1, 2, 2, 3, 3, 4, 1]);
        assert_eq!(repeats(Net::EfficientNetLite1), [1, 3, 3, 4, 4, 5, 1]);
        assert_eq!(channels(Net::EfficientNetLite2), [16, 24, 48, 88, 120, 208, 352]);
        assert_eq!(repeats(Net::EfficientNetLite2), [1, 3, 3, 4, 4, 5, 1]);
        assert_eq!(Net::ALL.map(Net::blocks), [17, 16, 16, 21, 21]);
    }
}
