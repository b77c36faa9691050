//! The two residual blocks.

use crate::nn::{BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, IbnConfig, Norm};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A square convolution without bias, padded by ⌊kernel / 2⌋ on every side.
pub(super) fn conv(input: usize, output: usize, kernel: usize, stride: usize, device: &Device) -> Conv2d {
    let pad = kernel / 2;
    Conv2dConfig::new([input, output], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding([pad, pad])
        .with_bias(false)
        .init(device)
}

/// A basic block (two 3×3 convolutions; no `conv3`) or a bottleneck (1×1, 3×3, 1×1 to four times the planes).
///
/// One type for both, and no enum, so that no variant's name enters the paths.
#[derive(Module, Debug)]
pub struct Block {
    /// 3×3 with the block's stride, or 1×1.
    pub conv1: Conv2d,
    /// Batch normalisation, or half of it instance normalisation in IBN-a.
    pub bn1: Norm,
    /// 3×3, with the block's stride in a bottleneck.
    pub conv2: Conv2d,
    /// The second norm.
    pub bn2: BatchNorm,
    /// 1×1 of a bottleneck.
    pub conv3: Option<Conv2d>,
    /// The third norm of a bottleneck.
    pub bn3: Option<BatchNorm>,
    /// 1×1 convolution and norm on the shortcut, where size or channels change.
    pub downsample: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    pub(super) fn new(
        input: usize,
        planes: usize,
        stride: usize,
        bottleneck: bool,
        ibn: bool,
        device: &Device,
    ) -> Self {
        let output = if bottleneck { planes * 4 } else { planes };
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let (conv1, conv2) = if bottleneck {
            (
                conv(input, planes, 1, 1, device),
                conv(planes, planes, 3, stride, device),
            )
        } else {
            (
                conv(input, planes, 3, stride, device),
                conv(planes, planes, 3, 1, device),
            )
        };
        Self {
            conv1,
            bn1: if ibn {
                Norm::Ibn(IbnConfig::new(planes).init(device))
            } else {
                Norm::Batch(norm(planes))
            },
            conv2,
            bn2: norm(planes),
            conv3: bottleneck.then(|| conv(planes, output, 1, 1, device)),
            bn3: bottleneck.then(|| norm(output)),
            downsample: (stride != 1 || input != output)
                .then(|| (conv(input, output, 1, stride, device), norm(output))),
        }
    }

    /// `[batch, input, height, width]` → `[batch, output, ⌈height / stride⌉, ⌈width / stride⌉]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(x.clone())),
            None => x.clone(),
        };
        let y = self.bn1.forward_relu(self.conv1.forward(x));
        let y = self.conv2.forward(y);
        match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let y = conv3.forward(self.bn2.forward_relu(y));
                bn3.forward_add_relu(y, shortcut)
            }
            _ => self.bn2.forward_add_relu(y, shortcut),
        }
    }
}
