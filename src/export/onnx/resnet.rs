//! ResNets and their IBN-a variants.

use super::ToOnnx;
use super::graph::{Graph, Pads, Value, Window};
use crate::backbones::resnet::{Block, ResNet};

impl ToOnnx for ResNet {
    /// As [`ResNet::forward`]: `[batch, 3, h, w]` → `[batch, feature_dim]`.
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let x = self.map_to_onnx(graph, path, x);
        let x = graph.global_average(&format!("{path}.avgpool"), &x);
        graph.flatten(&format!("{path}.flatten"), &x)
    }
}

impl ResNet {
    /// As [`ResNet::forward_map`]: `[batch, 3, h, w]` → `[batch, feature_dim, h', w']`.
    pub(super) fn map_to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let at = |name: &str| format!("{path}.{name}");
        let config = self.config();
        let x = self.conv1.to_onnx(graph, &at("conv1"), x);
        let mut x = self.bn1.to_onnx(graph, &at("bn1"), &x);
        if config.stem_relu {
            x = graph.relu(&at("relu"), &x);
        }
        if !config.small_stem {
            let window = Window {
                kernel: [3, 3],
                stride: [2, 2],
                pads: Pads::even([1, 1]),
            };
            x = graph.max_pool(&at("maxpool"), &x, window);
        }
        for (stage, blocks) in [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
            .into_iter()
            .enumerate()
        {
            for (number, block) in blocks.iter().enumerate() {
                x = block.to_onnx(graph, &at(&format!("layer{}.{number}", stage + 1)), &x);
            }
        }
        x
    }
}

impl ToOnnx for Block {
    fn to_onnx(&self, graph: &mut Graph, path: &str, x: &Value) -> Value {
        let at = |name: &str| format!("{path}.{name}");
        let shortcut = match &self.downsample {
            Some((conv, norm)) => {
                let x = conv.to_onnx(graph, &at("downsample.0"), x);
                norm.to_onnx(graph, &at("downsample.1"), &x)
            }
            None => x.clone(),
        };
        let y = self.conv1.to_onnx(graph, &at("conv1"), x);
        let y = self.bn1.to_onnx(graph, &at("bn1"), &y);
        let y = graph.relu(&at("relu1"), &y);
        let y = self.conv2.to_onnx(graph, &at("conv2"), &y);
        let mut y = self.bn2.to_onnx(graph, &at("bn2"), &y);
        if let (Some(conv), Some(norm)) = (&self.conv3, &self.bn3) {
            y = graph.relu(&at("relu2"), &y);
            y = conv.to_onnx(graph, &at("conv3"), &y);
            y = norm.to_onnx(graph, &at("bn3"), &y);
        }
        let y = graph.add(&at("add"), &y, &shortcut);
        graph.relu(&at("relu"), &y)
    }
}
