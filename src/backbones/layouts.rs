//! Weights of other libraries under our trunks' names.

use super::mobile::{Flavour, Layout, Net};
use super::weights::Tensors;
use std::collections::BTreeMap;

/// Weights under torchvision's names, and where they seem to come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Translated {
    /// Under our names; what has none keeps its own.
    pub tensors: Tensors,
    /// The names that the file used, if it is a network of inverted residual blocks.
    pub layout: Option<Layout>,
    /// The network whose parts the file has.
    pub net: Option<Net>,
}

/// Gives weights of MobileNetV2 and EfficientNets in timm's or efficientnet_pytorch's layout torchvision's names. Other weights are
/// left as they are.
pub fn translate(tensors: Tensors) -> Translated {
    let Some(layout) = Layout::of(tensors.keys().map(String::as_str)) else {
        return Translated {
            tensors,
            layout: None,
            net: None,
        };
    };
    let net = identify(&tensors, layout);
    let tensors = match net {
        Some(net) if layout != Layout::Torchvision => {
            rename(tensors, &net.paths(layout), &net.paths(Layout::Torchvision))
        }
        _ => tensors,
    };
    Translated {
        tensors,
        layout: Some(layout),
        net,
    }
}

/// Weights under torchvision's names in another layout.
pub fn for_layout(net: Net, tensors: Tensors, layout: Layout) -> Tensors {
    rename(tensors, &net.paths(Layout::Torchvision), &net.paths(layout))
}

/// The network with exactly these convolutions.
fn identify(tensors: &Tensors, layout: Layout) -> Option<Net> {
    let mut nets = Net::ALL.into_iter().filter(|net| {
        let paths = net.paths(layout);
        let has = |path: &String| tensors.contains_key(&format!("{path}.weight"));
        // As many, so that no network passes for one that has more.
        let count = tensors.keys().filter(|name| of_trunk(name, layout)).count();
        count == paths.len() && paths.iter().all(has)
    });
    let first = nets.next()?;
    // Lite1 and Lite2 have the same parts, of different width.
    let last = first.head(layout)[0].clone();
    let inputs = tensors
        .get(&format!("{last}.weight"))
        .map(|data| data.shape().to_vec());
    match (nets.next(), inputs.as_deref()) {
        (Some(second), Some([_, inputs, ..])) if second.stages()[6].channels == *inputs => Some(second),
        _ => Some(first),
    }
}

/// Whether this is the weight of a convolution or norm of the trunk.
fn of_trunk(name: &str, layout: Layout) -> bool {
    let head = match layout {
        Layout::Torchvision | Layout::Timm => "classifier",
        Layout::EfficientNetPytorch => "_fc",
    };
    name.ends_with(".weight") && !name.starts_with(head)
}

fn rename(tensors: Tensors, from: &[String], to: &[String]) -> Tensors {
    let names: BTreeMap<&str, &str> = from
        .iter()
        .map(String::as_str)
        .zip(to.iter().map(String::as_str))
        .collect();
    tensors
        .into_iter()
        .map(|(name, data)| {
            let renamed = name.rsplit_once('.').and_then(|(path, field)| {
                let path = names.get(path)?;
                Some(format!("{path}.{field}"))
            });
            (renamed.unwrap_or(name), data)
        })
        .collect()
}

/// A published network by the look of its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Its name, as `model.trunk` has it.
    pub network: String,
    /// The same with whose names it has: "efficientnet-lite0 under efficientnet_pytorch's names".
    pub what: String,
    /// What `model.trunk` has to be for it.
    pub trunk: String,
}

/// Which published network a file holds, if it is one of ours.
pub fn recognised(tensors: &Tensors) -> Option<Recognised> {
    let named = |network: &str, names: &str, trunk: String| Recognised {
        network: network.to_owned(),
        what: format!("{network} under {names}'s names"),
        trunk,
    };
    if let Some(layout) = Layout::of(tensors.keys().map(String::as_str)) {
        let net = identify(tensors, layout)?.name();
        let names = match layout {
            Layout::Torchvision => "torchvision",
            Layout::Timm => "timm",
            Layout::EfficientNetPytorch => "efficientnet_pytorch",
        };
        return Some(named(net, names, format!("{{ kind = {net:?} }}")));
    }
    let has = |name: &str| tensors.contains_key(name);
    // What begins with `layer1.` under torchvision's names has as many blocks as are numbered.
    let blocks = [1, 2, 3, 4].map(|layer| {
        (0..)
            .take_while(|block| has(&format!("layer{layer}.{block}.conv1.weight")))
            .count()
    });
    let depth = match (blocks, has("layer1.0.conv3.weight")) {
        ([2, 2, 2, 2], false) => 18,
        ([3, 4, 6, 3], false) => 34,
        ([3, 4, 6, 3], true) => 50,
        ([3, 4, 23, 3], true) => 101,
        _ => return None,
    };
    Some(match has("layer1.0.bn1.IN.weight") {
        true => named(
            &format!("resnet{depth}_ibn_a"),
            "IBN-Net",
            format!("{{ depth = {depth}, ibn = true }}"),
        ),
        false => named(
            &format!("resnet{depth}"),
            "torchvision",
            format!("{{ depth = {depth} }}"),
        ),
    })
}

/// What of a file's look contradicts a recipe's flavour; nothing where the file could be of either.
pub fn contradicts(layout: Layout, net: Net, flavour: Flavour) -> Option<&'static str> {
    match (layout, net, flavour) {
        (Layout::EfficientNetPytorch, Net::EfficientNetB0, Flavour::Torch) => Some(
            "its names are efficientnet_pytorch's, whose weights were trained with TensorFlow's padding: set flavour = \"tf\"",
        ),
        (Layout::Torchvision, Net::EfficientNetB0 | Net::MobileNetV2, Flavour::Tf) => Some(
            "its names are torchvision's, whose weights were trained with the same zeros on both sides: set flavour = \"torch\"",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    fn file(net: Net, layout: Layout) -> Tensors {
        let stages = net.stages();
        let mut tensors: Tensors = net
            .paths(layout)
            .into_iter()
            .map(|path| (format!("{path}.weight"), TensorData::new(vec![0.0f32], [1])))
            .collect();
        let last = format!("{}.weight", net.head(layout)[0]);
        let shape = [1, stages[6].channels, 1, 1];
        tensors.insert(last, TensorData::new(vec![0.0f32; stages[6].channels], shape));
        tensors.insert("classifier.weight".into(), TensorData::new(vec![1.0f32], [1]));
        tensors
    }

    #[test]
    fn every_network_is_known_by_its_parts_in_every_layout() {
        for net in Net::ALL {
            for layout in [Layout::Torchvision, Layout::Timm, Layout::EfficientNetPytorch] {
                let mut weights = file(net, layout);
                if layout == Layout::EfficientNetPytorch {
                    let head = weights.remove("classifier.weight").unwrap();
                    weights.insert("_fc.weight".into(), head);
                }
                let found = translate(weights.clone());
                assert_eq!((found.layout, found.net), (Some(layout), Some(net)));
                for path in net.paths(Layout::Torchvision) {
                    assert!(found.tensors.contains_key(&format!("{path}.weight")), "{path}");
                }
                assert_eq!(found.tensors.len(), weights.len());
                assert_eq!(for_layout(net, found.tensors, layout), weights);
            }
        }
    }

    #[test]
    fn published_networks_are_recognised() {
        let mut lite = file(Net::EfficientNetLite0, Layout::EfficientNetPytorch);
        let head = lite.remove("classifier.weight").unwrap();
        lite.insert("_fc.weight".into(), head);
        let lite = recognised(&lite).unwrap();
        assert_eq!(lite.what, "efficientnet-lite0 under efficientnet_pytorch's names");
        assert_eq!(lite.trunk, "{ kind = \"efficientnet-lite0\" }");
        let one = || TensorData::new(vec![0.0f32], [1]);
        let mut resnet = Tensors::new();
        for (layer, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
            for block in 0..blocks {
                resnet.insert(format!("layer{}.{block}.conv1.weight", layer + 1), one());
            }
        }
        let what = |tensors: &Tensors| recognised(tensors).unwrap().what;
        assert_eq!(what(&resnet), "resnet34 under torchvision's names");
        resnet.insert("layer1.0.conv3.weight".into(), one());
        assert_eq!(what(&resnet), "resnet50 under torchvision's names");
        resnet.insert("layer1.0.bn1.IN.weight".into(), one());
        assert_eq!(what(&resnet), "resnet50_ibn_a under IBN-Net's names");
        resnet.remove("layer4.2.conv1.weight");
        assert_eq!(recognised(&resnet), None);
    }

    #[test]
    fn other_weights_are_left_alone() {
        let other = Tensors::from([("conv1.weight".to_owned(), TensorData::new(vec![0.0f32], [1]))]);
        let found = translate(other.clone());
        assert_eq!((found.tensors, found.layout, found.net), (other, None, None));
        let mut cut = file(Net::MobileNetV2, Layout::Timm);
        cut.remove("conv_head.weight");
        let found = translate(cut.clone());
        assert_eq!((found.tensors, found.net), (cut, None));
    }

    #[test]
    fn flavours_that_can_be_told() {
        use {Flavour::*, Layout::*};
        assert!(contradicts(EfficientNetPytorch, Net::EfficientNetB0, Torch).is_some());
        assert!(contradicts(EfficientNetPytorch, Net::EfficientNetB0, Tf).is_none());
        assert!(contradicts(Torchvision, Net::EfficientNetB0, Tf).is_some());
        assert!(contradicts(Torchvision, Net::EfficientNetLite0, Tf).is_none());
        for flavour in [Torch, Tf] {
            assert!(contradicts(Timm, Net::EfficientNetB0, flavour).is_none());
        }
    }
}
