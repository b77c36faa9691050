//! Two-dimensional convolution under torch's names.

use super::host;
use super::instance_norm::narrow;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

/// Settings of a [`Conv2d`].
#[derive(Config, Debug)]
pub struct Conv2dConfig {
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps down and right.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Rows of zeros above and below, columns of zeros left and right.
    #[config(default = "[0, 0]")]
    pub padding: [usize; 2],
    /// Whether a number per output channel is added.
    #[config(default = true)]
    pub bias: bool,
}

impl Conv2dConfig {
    /// Uniform in ±1/√fan-in, drawn lazily by burn: draw anew with [`crate::nn::initialise`].
    pub fn init(&self, device: &Device) -> Conv2d {
        let [input, output] = self.channels;
        let [height, width] = self.kernel;
        let fan_in = input * height * width;
        let draw = Initializer::KaimingUniform {
            gain: 1.0 / 3f64.sqrt(),
            fan_out_only: false,
        };
        Conv2d {
            weight: draw.init_with([output, input, height, width], Some(fan_in), None, device),
            bias: self
                .bias
                .then(|| draw.init_with([output], Some(fan_in), None, device)),
            stride: self.stride,
            padding: self.padding,
        }
    }
}

/// The cross-correlation of torch's `Conv2d` (one group, no dilation).
///
/// burn's own operation on GPUs; on the CPU the faster one of `nn::host`, which tests compare with it.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[output, input, kernel height, kernel width]`.
    pub weight: Param<Tensor<4>>,
    /// `[output]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: [usize; 2],
    #[module(skip)]
    padding: [usize; 2],
}

impl Conv2d {
    /// `[batch, input, height, width]` → `[batch, output, height', width']`,
    /// `height' = ⌊(height + 2 · padding − kernel) / stride⌋ + 1`. Computed in the input's type: weights that are kept in f32 are
    /// rounded to it on the way, and receive their gradients in f32.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = narrow(self.weight.val(), x.dtype());
        let bias = self.bias.as_ref().map(|bias| narrow(bias.val(), x.dtype()));
        match host::conv::conv2d(&x, &weight, self.stride, self.padding) {
            Some(y) => match bias {
                Some(bias) => y + bias.reshape([1, -1, 1, 1]),
                None => y,
            },
            None => conv2d(
                x,
                weight,
                bias,
                ConvOptions::new(self.stride, self.padding, [1, 1], 1),
            ),
        }
    }

    /// Steps down and right.
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// Rows of zeros above and below, columns of zeros left and right.
    pub fn padding(&self) -> [usize; 2] {
        self.padding
    }
}
