//! What the parts of these networks are called in torchvision, timm and efficientnet_pytorch.

use super::config::Net;

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// torchvision's, which are ours; EfficientNet-Lite, which it does not have, as its B0 without the squeeze-excite layers.
    Torchvision,
    /// timm's: `conv_stem`, `blocks.2.0.conv_dw`.
    Timm,
    /// Those of efficientnet_pytorch and the Lite networks made from it: `_conv_stem`, `_blocks.3._depthwise_conv`.
    EfficientNetPytorch,
}

impl Layout {
    /// The layout whose stem these names have.
    pub fn of<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<Self> {
        names.find_map(|name| match name {
            "features.0.0.weight" => Some(Self::Torchvision),
            "conv_stem.weight" => Some(Self::Timm),
            "_conv_stem.weight" => Some(Self::EfficientNetPytorch),
            _ => None,
        })
    }
}

/// A part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The expansion.
    Expand,
    /// The filter.
    Depthwise,
    /// Squeeze-excite, whose two convolutions are named instead of convolution and norm.
    Squeeze,
    /// The projection.
    Project,
}

/// A block's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The stage, from 0.
    pub stage: usize,
    /// The block in it, from 0.
    pub block: usize,
    /// The block in the network, from 0.
    pub index: usize,
    /// Whether it has an expansion.
    pub expands: bool,
}

impl Net {
    /// Every block's place, in order.
    pub fn spots(self) -> Vec<Spot> {
        let mut spots = Vec::new();
        for (stage, row) in self.stages().iter().enumerate() {
            for block in 0..row.repeats {
                spots.push(Spot {
                    stage,
                    block,
                    index: spots.len(),
                    expands: row.expand != 1,
                });
            }
        }
        spots
    }

    /// The paths of the stem's convolution and norm.
    pub fn stem(self, layout: Layout) -> [String; 2] {
        match layout {
            Layout::Torchvision => ["features.0.0", "features.0.1"],
            Layout::Timm => ["conv_stem", "bn1"],
            Layout::EfficientNetPytorch => ["_conv_stem", "_bn0"],
        }
        .map(str::to_owned)
    }

    /// The paths of the head's convolution and norm.
    pub fn head(self, layout: Layout) -> [String; 2] {
        let last = match self {
            Self::MobileNetV2 => self.blocks(),
            _ => self.stages().len(),
        } + 1;
        match layout {
            Layout::Torchvision => [format!("features.{last}.0"), format!("features.{last}.1")],
            Layout::Timm => ["conv_head", "bn2"].map(str::to_owned),
            Layout::EfficientNetPytorch => ["_conv_head", "_bn1"].map(str::to_owned),
        }
    }

    /// The path of a block.
    pub fn block(self, layout: Layout, spot: Spot) -> String {
        let Spot {
            stage, block, index, ..
        } = spot;
        match (layout, self) {
            (Layout::Torchvision, Self::MobileNetV2) => format!("features.{}", index + 1),
            (Layout::Torchvision, _) => format!("features.{}.{block}", stage + 1),
            (Layout::Timm, _) => format!("blocks.{stage}.{block}"),
            (Layout::EfficientNetPytorch, _) => format!("_blocks.{index}"),
        }
    }

    /// The paths of a part's convolution and norm, or of the two convolutions of squeeze-excite.
    pub fn part(self, layout: Layout, spot: Spot, part: Part) -> [String; 2] {
        let first = usize::from(spot.expands);
        // Indices count what the block has.
        let index = match part {
            Part::Expand => 0,
            Part::Depthwise => first,
            Part::Squeeze => first + 1,
            Part::Project => first + 1 + usize::from(self.squeezes()),
        };
        let [a, b] = match layout {
            Layout::Torchvision => match (self, part) {
                (_, Part::Squeeze) => [format!("block.{index}.fc1"), format!("block.{index}.fc2")],
                // MobileNetV2's last pair is not nested.
                (Self::MobileNetV2, Part::Project) => {
                    [format!("conv.{index}"), format!("conv.{}", index + 1)]
                }
                (Self::MobileNetV2, _) => [format!("conv.{index}.0"), format!("conv.{index}.1")],
                _ => [format!("block.{index}.0"), format!("block.{index}.1")],
            },
            Layout::Timm => match (part, spot.expands) {
                (Part::Expand, _) => ["conv_pw", "bn1"],
                (Part::Depthwise, true) => ["conv_dw", "bn2"],
                (Part::Depthwise, false) => ["conv_dw", "bn1"],
                (Part::Squeeze, _) => ["se.conv_reduce", "se.conv_expand"],
                (Part::Project, true) => ["conv_pwl", "bn3"],
                (Part::Project, false) => ["conv_pw", "bn2"],
            }
            .map(str::to_owned),
            Layout::EfficientNetPytorch => match part {
                Part::Expand => ["_expand_conv", "_bn0"],
                Part::Depthwise => ["_depthwise_conv", "_bn1"],
                Part::Squeeze => ["_se_reduce", "_se_expand"],
                Part::Project => ["_project_conv", "_bn2"],
            }
            .map(str::to_owned),
        };
        let block = self.block(layout, spot);
        [format!("{block}.{a}"), format!("{block}.{b}")]
    }

    /// The parts that a block has.
    pub fn parts(self, spot: Spot) -> impl Iterator<Item = Part> {
        [
            spot.expands.then_some(Part::Expand),
            Some(Part::Depthwise),
            self.squeezes().then_some(Part::Squeeze),
            Some(Part::Project),
        ]
        .into_iter()
        .flatten()
    }

    /// The paths of all convolutions and norms, in the order of the state dict.
    pub fn paths(self, layout: Layout) -> Vec<String> {
        let blocks = self.spots().into_iter().flat_map(|spot| {
            self.parts(spot)
                .flat_map(move |part| self.part(layout, spot, part))
        });
        self.stem(layout)
            .into_iter()
            .chain(blocks)
            .chain(self.head(layout))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(net: Net, index: usize) -> Spot {
        net.spots()[index]
    }

    #[test]
    fn the_card_s_table_of_names() {
        let b0 = Net::EfficientNetB0;
        let part = |net: Net, layout, index, part| net.part(layout, at(net, index), part);
        use {Layout::*, Part::*};
        assert_eq!(b0.stem(Timm), ["conv_stem", "bn1"]);
        assert_eq!(b0.head(EfficientNetPytorch), ["_conv_head", "_bn1"]);
        assert_eq!(b0.head(Torchvision), ["features.8.0", "features.8.1"]);
        assert_eq!(
            part(b0, Torchvision, 2, Expand),
            ["features.2.1.block.0.0", "features.2.1.block.0.1"]
        );
        assert_eq!(
            part(b0, Timm, 2, Expand),
            ["blocks.1.1.conv_pw", "blocks.1.1.bn1"]
        );
        assert_eq!(
            part(b0, EfficientNetPytorch, 2, Expand),
            ["_blocks.2._expand_conv", "_blocks.2._bn0"]
        );
        assert_eq!(
            part(b0, Torchvision, 15, Squeeze),
            ["features.7.0.block.2.fc1", "features.7.0.block.2.fc2"]
        );
        assert_eq!(
            part(b0, Timm, 15, Squeeze),
            ["blocks.6.0.se.conv_reduce", "blocks.6.0.se.conv_expand"]
        );
        assert_eq!(
            part(b0, Torchvision, 15, Project),
            ["features.7.0.block.3.0", "features.7.0.block.3.1"]
        );
        assert_eq!(
            part(b0, Timm, 15, Project),
            ["blocks.6.0.conv_pwl", "blocks.6.0.bn3"]
        );
        // The first block has no expansion, and its indices are shifted.
        assert_eq!(
            part(b0, Torchvision, 0, Project),
            ["features.1.0.block.2.0", "features.1.0.block.2.1"]
        );
        assert_eq!(
            part(b0, Timm, 0, Depthwise),
            ["blocks.0.0.conv_dw", "blocks.0.0.bn1"]
        );
        assert_eq!(
            part(b0, Timm, 0, Project),
            ["blocks.0.0.conv_pw", "blocks.0.0.bn2"]
        );
        assert_eq!(
            part(b0, EfficientNetPytorch, 0, Project),
            ["_blocks.0._project_conv", "_blocks.0._bn2"]
        );
        let v2 = Net::MobileNetV2;
        assert_eq!(v2.head(Torchvision), ["features.18.0", "features.18.1"]);
        assert_eq!(
            part(v2, Torchvision, 0, Project),
            ["features.1.conv.1", "features.1.conv.2"]
        );
        assert_eq!(
            part(v2, Torchvision, 3, Depthwise),
            ["features.4.conv.1.0", "features.4.conv.1.1"]
        );
        assert_eq!(
            part(v2, Torchvision, 16, Project),
            ["features.17.conv.2", "features.17.conv.3"]
        );
        assert_eq!(
            part(v2, Timm, 3, Depthwise),
            ["blocks.2.0.conv_dw", "blocks.2.0.bn2"]
        );
    }

    #[test]
    fn every_layout_names_every_part_once() {
        for net in Net::ALL {
            let ours = net.paths(Layout::Torchvision);
            for layout in [Layout::Torchvision, Layout::Timm, Layout::EfficientNetPytorch] {
                let paths = net.paths(layout);
                let different: std::collections::BTreeSet<&String> = paths.iter().collect();
                assert_eq!(
                    (paths.len(), different.len()),
                    (ours.len(), ours.len()),
                    "{net:?} {layout:?}"
                );
            }
        }
    }
}
