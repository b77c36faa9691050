//! The inverted residual block and its parts.

use crate::nn::{Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, DropPath, global_average};
use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use super::config::{Flavour, MobileConfig};

/// A convolution without bias and its norm.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// The convolution.
    pub conv: Conv2d,
    /// The norm.
    pub norm: BatchNorm,
}

impl ConvNorm {
    /// A square kernel, padded so that stride 1 keeps the size.
    pub(super) fn new(
        config: &MobileConfig,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
        device: &Device,
    ) -> Self {
        let (eps, momentum) = config.norm();
        let conv = Conv2dConfig::new([input, output], [kernel, kernel])
            .with_stride([stride, stride])
            .with_groups(groups)
            .with_bias(false);
        let conv = match config.flavour {
            Flavour::Torch => conv.with_padding([kernel / 2, kernel / 2]),
            Flavour::Tf => conv.with_same(true),
        };
        Self {
            conv: conv.init(device),
            norm: BatchNormConfig::new(output)
                .with_eps(eps)
                .with_momentum(momentum)
                .init(device),
        }
    }

    /// Convolution, norm, activation.
    pub fn forward(&self, x: Tensor<4>, act: Activation) -> Tensor<4> {
        self.norm.forward_act(self.conv.forward(x), act)
    }
}

/// Squeeze-and-excitation (Hu et al. 2018): each channel times `σ(fc2(SiLU(fc1(mean over the map))))`.
#[derive(Module, Debug)]
pub struct SqueezeExcite {
    /// 1×1 with bias, to a quarter of the block's input channels.
    pub fc1: Conv2d,
    /// 1×1 with bias, back.
    pub fc2: Conv2d,
}

impl SqueezeExcite {
    fn new(channels: usize, squeezed: usize, device: &Device) -> Self {
        let point = |channels| Conv2dConfig::new(channels, [1, 1]).init(device);
        Self {
            fc1: point([channels, squeezed]),
            fc2: point([squeezed, channels]),
        }
    }

    /// `[batch, channels, height, width]` → the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, _, _] = x.dims();
        let mean = global_average(x.clone()).reshape([batch, channels, 1, 1]);
        let squeezed = Activation::Silu.forward(self.fc1.forward(mean));
        x * sigmoid(self.fc2.forward(squeezed))
    }
}

/// Expand by 1×1, filter each channel, weigh the channels, project by 1×1; added to the input where shapes agree.
#[derive(Module, Debug)]
pub struct InvertedResidual {
    /// 1×1 to `expand` times the channels; absent where that is 1.
    pub expand: Option<ConvNorm>,
    /// One kernel per channel, with the block's stride.
    pub depthwise: ConvNorm,
    /// EfficientNet's, absent in the others.
    pub se: Option<SqueezeExcite>,
    /// 1×1 to the output's channels, without activation.
    pub project: ConvNorm,
    /// Stochastic depth of a residual block.
    pub stochastic_depth: Option<DropPath>,
    /// Whether the input is added.
    #[module(skip)]
    pub residual: bool,
    /// After expansion and filter.
    #[module(skip)]
    pub act: Activation,
}

impl InvertedResidual {
    /// Block number `index` of the network.
    pub(super) fn new(
        config: &MobileConfig,
        [input, output]: [usize; 2],
        [expand, kernel, stride]: [usize; 3],
        index: usize,
        device: &Device,
    ) -> Self {
        let inner = input * expand;
        let residual = stride == 1 && input == output;
        let p = config.drop_path * index as f64 / config.net.blocks() as f64;
        Self {
            expand: (expand != 1).then(|| ConvNorm::new(config, [input, inner], 1, 1, 1, device)),
            depthwise: ConvNorm::new(config, [inner, inner], kernel, stride, inner, device),
            se: config
                .net
                .squeezes()
                .then(|| SqueezeExcite::new(inner, (input / 4).max(1), device)),
            project: ConvNorm::new(config, [inner, output], 1, 1, 1, device),
            stochastic_depth: (residual && p > 0.0).then(|| DropPath::new(p)),
            residual,
            act: config.activation(),
        }
    }

    /// `[batch, input, height, width]` → `[batch, output, ⌈height / stride⌉, ⌈width / stride⌉]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = match &self.expand {
            Some(expand) => expand.forward(x.clone(), self.act),
            None => x.clone(),
        };
        y = self.depthwise.forward(y, self.act);
        if let Some(se) = &self.se {
            y = se.forward(y);
        }
        let y = self.project.conv.forward(y);
        let norm = &self.project.norm;
        match &self.stochastic_depth {
            _ if !self.residual => norm.forward(y),
            Some(drop) if drop.acts_on(&y) => drop.forward(norm.forward(y)) + x,
            _ => norm.forward_add(y, x),
        }
    }
}

impl MobileConfig {
    /// Between a norm and the next convolution.
    pub fn activation(&self) -> Activation {
        match self.net.squeezes() {
            true => Activation::Silu,
            false => Activation::Relu6,
        }
    }
}
