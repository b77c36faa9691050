//! The layers of `nn`.

use super::ToOnnx;
use super::graph::{Graph, Pads, Value, Window, float};
use crate::nn::{BatchNorm, Conv2d, Gem, Ibn, InstanceNorm, Norm};

impl ToOnnx for Conv2d {
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let weight = self.weight.val();
        let [_, _, height, width] = weight.dims();
        let window = Window {
            kernel: [height, width],
            stride: self.stride(),
            pads: match self.is_same() {
                true => Pads::SameUpper,
                false => Pads::even(self.padding()),
            },
        };
        let weight = graph.weight(&format!("{path}.weight"), weight);
        let bias = self
            .bias
            .as_ref()
            .map(|bias| graph.weight(&format!("{path}.bias"), bias.val()));
        graph.conv(path, x, &weight, bias.as_ref(), window, self.groups())
    }
}

impl ToOnnx for BatchNorm {
    /// With the running statistics.
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let weight = graph.weight(&format!("{path}.weight"), self.weight.val());
        let bias = graph.weight(&format!("{path}.bias"), self.bias.val());
        let mean = graph.weight(&format!("{path}.running_mean"), self.running_mean.value_sync());
        let var = graph.weight(&format!("{path}.running_var"), self.running_var.value_sync());
        graph.node(
            "BatchNormalization",
            path,
            &[x, &weight, &bias, &mean, &var],
            vec![float("epsilon", self.eps())],
        )
    }
}

impl ToOnnx for InstanceNorm {
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let weight = graph.weight(&format!("{path}.weight"), self.weight.val());
        let bias = graph.weight(&format!("{path}.bias"), self.bias.val());
        graph.node(
            "InstanceNormalization",
            path,
            &[x, &weight, &bias],
            vec![float("epsilon", self.eps())],
        )
    }
}

impl ToOnnx for Ibn {
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let [first, second] = [self.IN.weight.val(), self.BN.weight.val()].map(|weight| weight.dims()[0]);
        let parts = graph.split_channels(&format!("{path}.split"), x, &[first, second]);
        let first = self.IN.to_onnx(graph, &format!("{path}.IN"), &parts[0]);
        let second = self.BN.to_onnx(graph, &format!("{path}.BN"), &parts[1]);
        graph.concat_channels(path, &[&first, &second])
    }
}

impl ToOnnx for Norm {
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        match self {
            Self::Batch(norm) => norm.to_onnx(graph, path, x),
            Self::Ibn(norm) => norm.to_onnx(graph, path, x),
        }
    }
}

impl ToOnnx for Gem {
    /// `[batch, channels, h, w]` → `[batch, channels]`.
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let p: f32 = self.p.val().into_scalar();
        let least = graph.constant(&format!("{path}.eps"), &[], &[self.eps() as f32]);
        let power = graph.weight(&format!("{path}.p"), self.p.val());
        let root = graph.constant(&format!("{path}.root"), &[1], &[1.0 / p]);
        let x = graph.node("Max", &format!("{path}.clamp"), &[x, &least], vec![]);
        let x = graph.node("Pow", &format!("{path}.power"), &[&x, &power], vec![]);
        let x = graph.global_average(&format!("{path}.mean"), &x);
        let x = graph.flatten(&format!("{path}.flat"), &x);
        graph.node("Pow", path, &[&x, &root], vec![])
    }
}
