//! How deep in a trunk a parameter lies, for learning rates that fall towards the input.

use std::collections::BTreeMap;

/// The block of a trunk's parameter: the path up to `layer2.1` (ResNets), `features.3.0` (EfficientNets), `features.4` (MobileNetV2),
/// with stem and head as blocks of their own. `None` for what is not in a module called `trunk`.
pub fn block_of(path: &str) -> Option<String> {
    let inside = match path.strip_prefix("trunk.") {
        Some(inside) => inside,
        None => path.split_once(".trunk.")?.1,
    };
    let before = &path[..path.len() - inside.len()];
    let mut names = inside.split('.');
    let first = names.next()?;
    let block = match (first, number(names.next())) {
        // The stem of a ResNet.
        ("conv1" | "bn1", _) => "stem".to_owned(),
        ("features", Some(stage)) => match (number(names.next()), names.next()) {
            (Some(block), Some("block" | "stochastic_depth")) => format!("features.{stage}.{block}"),
            _ => format!("features.{stage}"),
        },
        (layer, Some(block)) => format!("{layer}.{block}"),
        (other, None) => other.to_owned(),
    };
    Some(format!("{before}{block}"))
}

fn number(name: Option<&str>) -> Option<&str> {
    name.filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
}

/// The blocks of a trunk, counted from the input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    blocks: BTreeMap<String, usize>,
}

impl Depths {
    /// Of a model's parameters, in its order. Empty where the model has no trunk.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut blocks = BTreeMap::new();
        for block in paths.into_iter().filter_map(block_of) {
            let next = blocks.len();
            blocks.entry(block).or_insert(next);
        }
        Self { blocks }
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether the model has no trunk.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many blocks lie above a parameter, its own counted: 0 for heads, 1 for the last block, the number of blocks for the stem.
    pub fn from_top(&self, path: &str) -> usize {
        block_of(path)
            .and_then(|block| self.blocks.get(&block))
            .map_or(0, |index| self.blocks.len() - index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::mobile::{MobileConfig, Net};
    use crate::backbones::resnet::{Depth, ResNetConfig};
    use crate::backbones::weights::collect_ordered;
    use crate::device::cpu;
    use burn::module::Module;

    fn depths(names: &[String]) -> Depths {
        Depths::of(names.iter().map(String::as_str))
    }

    fn names<M: Module>(net: &M) -> Vec<String> {
        let inside = collect_ordered(net).into_iter().map(|(name, _)| name);
        inside.map(|name| format!("trunk.{name}")).collect()
    }

    #[test]
    fn blocks_are_counted_from_the_top() {
        let net = ResNetConfig {
            width: 2,
            ..ResNetConfig::new(Depth::D18)
        };
        let d = depths(&names(&net.init(&cpu())));
        // The stem and two blocks in each of four stages.
        assert_eq!(d.len(), 9);
        for (path, above) in [
            ("trunk.conv1.weight", 9),
            ("trunk.bn1.bias", 9),
            ("trunk.layer1.0.conv1.weight", 8),
            ("trunk.layer2.0.downsample.1.weight", 6),
            ("trunk.layer4.1.bn2.weight", 1),
            ("head.classifier.weight", 0),
        ] {
            assert_eq!(d.from_top(path), above, "{path}");
        }
        for (net, blocks) in [(Net::MobileNetV2, 19), (Net::EfficientNetB0, 18)] {
            let d = depths(&names(&MobileConfig::new(net).init(&cpu())));
            assert_eq!(d.len(), blocks, "{net:?}");
            assert_eq!(d.from_top("trunk.features.0.1.bias"), blocks);
        }
        let d = depths(&names(&MobileConfig::new(Net::EfficientNetB0).init(&cpu())));
        assert_eq!(d.from_top("trunk.features.8.0.weight"), 1);
        assert_eq!(d.from_top("trunk.features.7.0.block.2.fc1.bias"), 2);
        assert_eq!(d.from_top("trunk.features.6.3.block.0.0.weight"), 3);
        assert_eq!(d.from_top("trunk.features.6.3.stochastic_depth.training"), 3);
        let d = depths(&names(&MobileConfig::new(Net::MobileNetV2).init(&cpu())));
        assert_eq!(d.from_top("trunk.features.17.conv.3.weight"), 2);
        assert!(Depths::of(["head.weight"]).is_empty());
    }
}
