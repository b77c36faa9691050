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
    /// TensorFlow's SAME instead of `padding`: as many zeros as a map of ⌈height / stride⌉ × ⌈width / stride⌉ needs, the smaller
    /// half of them above and left.
    #[config(default = false)]
    pub same: bool,
    /// Into how many groups input and output channels are divided; as many as input channels is a depthwise convolution.
    #[config(default = 1)]
    pub groups: usize,
    /// Whether a number per output channel is added.
    #[config(default = true)]
    pub bias: bool,
}

impl Conv2dConfig {
    /// Uniform in ±1/√fan-in, drawn lazily by burn: draw anew with [`crate::nn::initialise`].
    pub fn init(&self, device: &Device) -> Conv2d {
        let [input, output] = self.channels;
        let [height, width] = self.kernel;
        let input = input / self.groups.max(1);
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
            same: self.same,
            groups: self.groups.max(1),
        }
    }
}

/// The cross-correlation of torch's `Conv2d` (no dilation).
///
/// burn's own operation on GPUs; on the CPU the faster ones of `nn::host` (one group, or depthwise), which tests compare with it.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[output, input / groups, kernel height, kernel width]`.
    pub weight: Param<Tensor<4>>,
    /// `[output]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Steps down and right.
    #[module(skip)]
    pub stride: [usize; 2],
    /// Rows of zeros above and below, columns of zeros left and right, unless `same` says otherwise.
    #[module(skip)]
    pub padding: [usize; 2],
    /// TensorFlow's SAME: see [`zeros`](Self::zeros).
    #[module(skip)]
    pub same: bool,
    /// Groups of channels.
    #[module(skip)]
    pub groups: usize,
}

impl Conv2d {
    /// The rows of zeros above and columns left of an image of that height and width, then those below and right.
    pub fn zeros(&self, image: [usize; 2]) -> [[usize; 2]; 2] {
        if !self.same {
            return [self.padding; 2];
        }
        let shape = self.weight.lazy_shape();
        let kernel = [shape[2], shape[3]];
        let total = [0, 1].map(|axis| {
            let steps = image[axis].div_ceil(self.stride[axis]).saturating_sub(1);
            (steps * self.stride[axis] + kernel[axis]).saturating_sub(image[axis])
        });
        let before = total.map(|n| n / 2);
        [before, [total[0] - before[0], total[1] - before[1]]]
    }

    /// `[batch, input, height, width]` → `[batch, output, height', width']`,
    /// `height' = ⌊(height + 2 · padding − kernel) / stride⌋ + 1`, or ⌈height / stride⌉ where `same`. Computed in the input's type:
    /// weights that are kept in f32 are rounded to it on the way, and receive their gradients in f32.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = narrow(self.weight.val(), x.dtype());
        let bias = self.bias.as_ref().map(|bias| narrow(bias.val(), x.dtype()));
        let [_, _, height, width] = x.dims();
        let zeros = self.zeros([height, width]);
        let host = match self.groups {
            1 => host::conv::conv2d(&x, &weight, self.stride, zeros),
            _ => host::depthwise::conv2d(&x, &weight, self.stride, zeros),
        };
        match host {
            Some(y) => match bias {
                Some(bias) => y + bias.reshape([1, -1, 1, 1]),
                None => y,
            },
            None => {
                let sides = [0, 1].map(|axis| (zeros[0][axis], zeros[1][axis]));
                let options = ConvOptions::new_with_padding(self.stride, sides, [1, 1], self.groups);
                conv2d(x, weight, bias, options)
            }
        }
    }

    /// Steps down and right.
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// Whether the zeros are TensorFlow's SAME, which depend on the image's size.
    pub fn is_same(&self) -> bool {
        self.same
    }

    /// Groups of channels.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Rows of zeros above and below, columns of zeros left and right, where they are not [`is_same`](Self::is_same).
    pub fn padding(&self) -> [usize; 2] {
        self.padding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    #[test]
    fn zeros_as_tensorflow_s_same() {
        let zeros = |kernel, stride, image: [usize; 2]| {
            let config = Conv2dConfig::new([1, 1], [kernel, kernel]).with_stride([stride, stride]);
            config.with_same(true).init(&cpu()).zeros(image)
        };
        assert_eq!(zeros(3, 1, [5, 8]), [[1, 1], [1, 1]]);
        assert_eq!(zeros(3, 2, [224, 225]), [[0, 1], [1, 1]]);
        assert_eq!(zeros(5, 2, [112, 113]), [[1, 2], [2, 2]]);
        assert_eq!(zeros(2, 1, [4, 4]), [[0, 0], [1, 1]]);
        // Steps longer than the kernel need none; an image of one pixel needs all around it.
        assert_eq!(zeros(1, 2, [8, 7]), [[0, 0], [0, 0]]);
        assert_eq!(zeros(3, 2, [1, 2]), [[1, 0], [1, 1]]);
    }

    #[test]
    fn groups_that_are_not_depthwise_are_burns() {
        let config = Conv2dConfig::new([4, 6], [3, 3]).with_groups(2).with_same(true);
        let conv = crate::nn::initialise(config.init(&cpu()), 1, |_| None);
        let x = crate::nn::init::tests::noise([2, 4, 5, 6], 2);
        let y = conv.forward(x.clone());
        assert_eq!(y.dims(), [2, 6, 5, 6]);
        // The second group's outputs do not see the first group's inputs.
        let half = conv.forward(Tensor::cat(
            vec![x.clone().narrow(1, 0, 2).zeros_like(), x.narrow(1, 2, 2)],
            1,
        ));
        let second = |y: Tensor<4>| y.narrow(1, 3, 3).into_data();
        second(y).assert_approx_eq::<f32>(&second(half), burn::tensor::Tolerance::default());
    }
}
