//! Networks of inverted residual blocks: MobileNetV2, the EfficientNets.

use super::ToOnnx;
use super::graph::{Graph, Value};
use crate::backbones::mobile::{ConvNorm, Layout, MobileNet, Part};
use crate::backbones::trunk::Trunk;
use crate::nn::Activation;

impl ToOnnx for Trunk {
    /// `[batch, 3, h, w]` → `[batch, feature_dim]`.
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        match self {
            Self::ResNet(net) => net.to_onnx(graph, path, x),
            Self::Mobile(net) => net.to_onnx(graph, path, x),
        }
    }
}

impl Trunk {
    /// As [`Trunk::forward_map`]: `[batch, 3, h, w]` → `[batch, feature_dim, h', w']`.
    pub(super) fn map_to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        match self {
            Self::ResNet(net) => net.map_to_onnx(graph, path, x),
            Self::Mobile(net) => net.map_to_onnx(graph, path, x),
        }
    }
}

fn activate(graph: &mut Graph, name: &str, act: Activation, x: &Value) -> Value {
    match act {
        Activation::Identity => x.clone(),
        Activation::Relu => graph.relu(name, x),
        Activation::Relu6 => graph.relu6(name, x),
        Activation::Silu => graph.silu(name, x),
    }
}

impl ToOnnx for MobileNet {
    /// As [`MobileNet::forward`]: `[batch, 3, h, w]` → `[batch, 1280]`.
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let x = self.map_to_onnx(graph, path, x);
        let x = graph.global_average(&format!("{path}.avgpool"), &x);
        graph.flatten(&format!("{path}.flatten"), &x)
    }
}

impl MobileNet {
    /// As [`MobileNet::forward_map`]: `[batch, 3, h, w]` → `[batch, 1280, h', w']`.
    fn map_to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let at = |name: &str| format!("{path}.{name}");
        let net = self.config.net;
        let ours = Layout::Torchvision;
        let pair = |graph: &mut Graph, [conv, norm]: &[String; 2], pair: &ConvNorm, act, x: &Value| {
            let x = pair.conv.to_onnx(graph, &at(conv), x);
            let x = pair.norm.to_onnx(graph, &at(norm), &x);
            activate(graph, &format!("{}.act", at(norm)), act, &x)
        };
        let act = self.config.activation();
        let mut x = pair(graph, &net.stem(ours), &self.stem, act, x);
        for (spot, block) in net.spots().into_iter().zip(self.stages.iter().flatten()) {
            let name = |part| net.part(ours, spot, part);
            let mut y = x.clone();
            if let Some(expand) = &block.expand {
                y = pair(graph, &name(Part::Expand), expand, block.act, &y);
            }
            y = pair(graph, &name(Part::Depthwise), &block.depthwise, block.act, &y);
            if let Some(se) = &block.se {
                let [fc1, fc2] = name(Part::Squeeze).map(|name| at(&name));
                let gate = graph.global_average(&format!("{fc1}.mean"), &y);
                let gate = se.fc1.to_onnx(graph, &fc1, &gate);
                let gate = graph.silu(&format!("{fc1}.act"), &gate);
                let gate = se.fc2.to_onnx(graph, &fc2, &gate);
                let gate = graph.sigmoid(&format!("{fc2}.gate"), &gate);
                y = graph.mul(&format!("{fc2}.scaled"), &y, &gate);
            }
            let project = name(Part::Project);
            y = pair(graph, &project, &block.project, Activation::Identity, &y);
            x = match block.residual {
                true => graph.add(&format!("{}.add", at(&project[1])), &x, &y),
                false => y,
            };
        }
        pair(graph, &net.head(ours), &self.head, act, &x)
    }
}
