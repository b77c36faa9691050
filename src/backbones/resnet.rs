//! ResNets (He et al. 2016) and their IBN-a variants (Pan et al. 2018) under torchvision's names.
//!
//! The graph is torchvision's "v1.5", whose stride sits on the bottleneck's 3×3 convolution. Module paths are torchvision's
//! and IBN-Net's state-dict keys: `conv1.weight`, `bn1.running_var`, `layer1.0.downsample.0.weight`,
//! `layer3.5.bn1.IN.weight`. There is no `fc`: a paper brings its own head.

mod block;

pub use block::Block;

use crate::nn::{BatchNorm, BatchNormConfig, Conv2d, global_average, max_pool};
use block::conv;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The number of layers with weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub enum Depth {
    /// Basic blocks 2, 2, 2, 2.
    D18,
    /// Basic blocks 3, 4, 6, 3.
    D34,
    /// Bottlenecks 3, 4, 6, 3.
    D50,
    /// Bottlenecks 3, 4, 23, 3.
    D101,
}

impl Depth {
    /// 18, 34, 50 or 101.
    pub fn number(self) -> u64 {
        match self {
            Self::D18 => 18,
            Self::D34 => 34,
            Self::D50 => 50,
            Self::D101 => 101,
        }
    }

    fn blocks(self) -> [usize; 4] {
        match self {
            Self::D18 => [2, 2, 2, 2],
            Self::D34 | Self::D50 => [3, 4, 6, 3],
            Self::D101 => [3, 4, 23, 3],
        }
    }

    /// Whether a block is two 3×3 convolutions (false) or 1×1, 3×3, 1×1 with four times as many outputs (true).
    fn bottleneck(self) -> bool {
        matches!(self, Self::D50 | Self::D101)
    }
}

impl TryFrom<u64> for Depth {
    type Error = String;

    fn try_from(depth: u64) -> Result<Self, String> {
        match depth {
            18 => Ok(Self::D18),
            34 => Ok(Self::D34),
            50 => Ok(Self::D50),
            101 => Ok(Self::D101),
            _ => Err(format!(
                "there is no ResNet of depth {depth} here: use 18, 34, 50 or 101"
            )),
        }
    }
}

impl From<Depth> for u64 {
    fn from(depth: Depth) -> u64 {
        depth.number()
    }
}

impl JsonSchema for Depth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Depth".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "enum": [18, 34, 50, 101] })
    }
}

/// Settings of a [`ResNet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResNetConfig {
    /// 18, 34, 50 or 101.
    pub depth: Depth,
    /// IBN-a: half the channels of each block's first norm in `layer1` to `layer3` go through instance normalisation.
    pub ibn: bool,
    /// Stride of `layer4`: 2 as published, 1 for twice the map (usual in re-identification). No weight changes.
    #[serde(deserialize_with = "stride")]
    #[schemars(range(min = 1, max = 2))]
    pub last_stride: usize,
    /// Whether a ReLU follows the stem's norm. torchvision and IBN-Net have it, the centroid-triplet and fashion
    /// re-identification code drops it in its plain ResNets.
    pub stem_relu: bool,
    /// A 3×3 convolution with stride 1 and no max pooling instead of 7×7 with stride 2 and pooling: for images of some 32 px.
    pub small_stem: bool,
    /// Channels after the stem: 64 as published; stages have 1, 2, 4 and 8 times as many (four times that in bottlenecks).
    #[serde(deserialize_with = "width")]
    #[schemars(range(min = 2, max = 1024))]
    pub width: usize,
}

impl Default for ResNetConfig {
    /// torchvision's ResNet-50.
    fn default() -> Self {
        Self {
            depth: Depth::D50,
            ibn: false,
            last_stride: 2,
            stem_relu: true,
            small_stem: false,
            width: 64,
        }
    }
}

fn stride<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        stride @ 1..=2 => Ok(stride),
        other => Err(D::Error::custom(format!("last_stride is {other}: use 1 or 2"))),
    }
}

fn width<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        width @ 2..=1024 => Ok(width),
        other => Err(D::Error::custom(format!(
            "width is {other}: use 2 to 1024 (64 as published)"
        ))),
    }
}

impl ResNetConfig {
    /// The published network of that depth.
    pub fn new(depth: Depth) -> Self {
        Self {
            depth,
            ..Self::default()
        }
    }

    /// Length of the pooled vector: 512 for depths 18 and 34, 2048 for 50 and 101, at the published width.
    pub fn feature_dim(&self) -> usize {
        self.width * 8 * if self.depth.bottleneck() { 4 } else { 1 }
    }

    /// The network with burn's own, lazy initial weights: draw them with [`crate::nn::initialise`] or load published ones.
    pub fn init(&self, device: &Device) -> ResNet {
        let bottleneck = self.depth.bottleneck();
        let mut channels = self.width;
        let mut stage = |index: usize| {
            let planes = self.width << index;
            let stride = match index {
                0 => 1,
                3 => self.last_stride,
                _ => 2,
            };
            let ibn = self.ibn && index < 3;
            (0..self.depth.blocks()[index])
                .map(|b| {
                    let block = Block::new(
                        channels,
                        planes,
                        if b == 0 { stride } else { 1 },
                        bottleneck,
                        ibn,
                        device,
                    );
                    channels = planes * if bottleneck { 4 } else { 1 };
                    block
                })
                .collect::<Vec<_>>()
        };
        let (kernel, stride) = if self.small_stem { (3, 1) } else { (7, 2) };
        ResNet {
            conv1: conv(3, self.width, kernel, stride, device),
            bn1: BatchNormConfig::new(self.width).init(device),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            config: self.clone(),
        }
    }
}

/// A residual network without its classifier.
#[derive(Module, Debug)]
pub struct ResNet {
    /// 7×7, stride 2 (or 3×3, stride 1).
    pub conv1: Conv2d,
    /// The stem's norm.
    pub bn1: BatchNorm,
    /// Stride 1.
    pub layer1: Vec<Block>,
    /// Stride 2.
    pub layer2: Vec<Block>,
    /// Stride 2.
    pub layer3: Vec<Block>,
    /// The stage whose stride is `last_stride`.
    pub layer4: Vec<Block>,
    #[module(skip)]
    config: ResNetConfig,
}

impl ResNet {
    /// Normalised RGB `[batch, 3, height, width]` → `[batch, feature_dim, ⌈height / 32⌉, ⌈width / 32⌉]`
    /// (/ 16 at last stride 1; / 8 and / 4 with the small stem).
    pub fn forward_map(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv1.forward(x);
        let mut x = match self.config.stem_relu {
            true => self.bn1.forward_relu(x),
            false => self.bn1.forward(x),
        };
        if !self.config.small_stem {
            x = max_pool(x, [3, 3], [2, 2], [1, 1]);
        }
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
            .into_iter()
            .flatten()
            .fold(x, |x, block| block.forward(x))
    }

    /// The global average of [`forward_map`](Self::forward_map): `[batch, 3, height, width]` → `[batch, feature_dim]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        global_average(self.forward_map(x))
    }

    /// Length of the pooled vector.
    pub fn feature_dim(&self) -> usize {
        self.config.feature_dim()
    }

    /// What the network was built from.
    pub fn config(&self) -> &ResNetConfig {
        &self.config
    }
}

#[cfg(test)]
mod tests;
