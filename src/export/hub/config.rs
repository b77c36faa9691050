//! `config.json`, in timm's form where timm has the network.

use super::Folder;
use crate::backbones::mobile::Net;
use crate::backbones::trunk::TorchvisionLayout;
use crate::data::image::Filter;
use crate::data::transform::{Op, Preprocessing};
use serde_json::{Value, json};

/// The file's name.
pub const FILE: &str = "config.json";

/// What the file says.
pub struct Config {
    /// The file.
    pub json: Value,
    /// timm's name of the network, if it has it.
    pub timm: Option<String>,
    /// Whether timm's own transform prepares pictures as we do.
    pub transform: bool,
}

/// A network as timm has it.
pub struct Timm {
    /// timm's name.
    pub name: String,
    /// Its first convolution.
    pub first_conv: &'static str,
    /// The network whose weights have other names in timm than they have now.
    pub renamed: Option<Net>,
}

impl Timm {
    /// timm's network for a module that no line changes: timm has networks only as they were published.
    pub fn of(layout: &TorchvisionLayout) -> Option<Self> {
        let timm = |name: &str, first_conv, renamed| {
            Some(Self {
                name: name.to_string(),
                first_conv,
                renamed,
            })
        };
        if !layout.python.is_empty() {
            return None;
        }
        match layout.factory.split_once(".models.")? {
            ("torchvision", "mobilenet_v2") => timm("mobilenetv2_100", "conv_stem", Some(Net::MobileNetV2)),
            ("torchvision", "efficientnet_b0") => {
                timm("efficientnet_b0", "conv_stem", Some(Net::EfficientNetB0))
            }
            ("torchvision", name) if name.starts_with("resnet") => timm(name, "conv1", None),
            ("timm", name) => timm(name, "conv_stem", None),
            _ => None,
        }
    }
}

/// The configuration, and what a person should know of it.
pub fn config(folder: &Folder<'_>, timm: Option<Timm>, classifier: &str) -> (Config, Vec<String>) {
    let mut notes = Vec::new();
    let layout = &folder.layout;
    let [channels, height, width] = folder.preprocessing.output;
    let (mean, std) = normalisation(&folder.preprocessing);
    let transform = resizing(&folder.preprocessing);
    let Some(timm) = timm else {
        let json = json!({
            "library": "torchvision",
            "factory": layout.factory,
            "python": layout.python,
            "embedding_dim": folder.dim,
            "input_size": [channels, height, width],
            "mean": mean,
            "std": std,
        });
        notes.push(format!(
            "timm has no such network: config.json names {} and the lines that change its module",
            layout.factory
        ));
        let config = Config {
            json,
            timm: None,
            transform: transform.is_some(),
        };
        return (config, notes);
    };
    let mut pretrained = json!({
        "tag": "tailor",
        "custom_load": false,
        "input_size": [channels, height, width],
        "fixed_input_size": false,
        "mean": mean,
        "std": std,
        "num_classes": folder.dim,
        "pool_size": [height.div_ceil(32), width.div_ceil(32)],
        "first_conv": timm.first_conv,
        "classifier": classifier,
    });
    match &transform {
        Some((mode, filter, pct)) => {
            pretrained["crop_mode"] = json!(mode);
            pretrained["interpolation"] = json!(filter);
            pretrained["crop_pct"] = json!(pct);
        }
        None => notes.push("timm's transform cannot say this preprocessing: use preprocessing.json, not timm.data.create_transform".into()),
    }
    let json = json!({
        "architecture": timm.name,
        "num_classes": folder.dim,
        "num_features": folder.dim,
        "global_pool": "avg",
        "pretrained_cfg": pretrained,
    });
    let config = Config {
        json,
        timm: Some(timm.name),
        transform: transform.is_some(),
    };
    (config, notes)
}

/// Mean and standard deviation per channel.
fn normalisation(preprocessing: &Preprocessing) -> ([f64; 3], [f64; 3]) {
    let of = |op: &Op| match op {
        Op::Normalize { mean, std } => Some((mean.map(shortest), std.map(shortest))),
        _ => None,
    };
    preprocessing
        .ops
        .iter()
        .find_map(of)
        .unwrap_or(([0.0; 3], [1.0; 3]))
}

/// The double of the shortest decimal that is this number in single precision: 0.485, where the number's own double is
/// 0.48500001430511475.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// The preprocessing as timm's crop mode, interpolation and crop share, where it is one of the two that timm has:
/// resized to the input's size whatever the aspect, or the short side resized and the centre cut out.
fn resizing(preprocessing: &Preprocessing) -> Option<(&'static str, &'static str, f64)> {
    let [_, height, width] = preprocessing.output;
    let name = |filter: &Filter| match filter {
        Filter::Nearest => "nearest",
        Filter::Bilinear => "bilinear",
        Filter::Bicubic => "bicubic",
        Filter::Lanczos => "lanczos",
        Filter::Box => "box",
    };
    match preprocessing.ops.as_slice() {
        [Op::Resize { filter, .. }, Op::Normalize { .. }] => Some(("squash", name(filter), 1.0)),
        [
            Op::ResizeShort {
                size,
                filter,
                max_size: None,
            },
            Op::CenterCrop { .. },
            Op::Normalize { .. },
        ] if height == width && *size >= height => {
            // timm takes ⌊input / share⌋ for the short side; the share is lowered until that is ours again.
            let mut share = height as f64 / *size as f64;
            while (height as f64 / share).floor() < *size as f64 {
                share = share.next_down();
            }
            Some(("center", name(filter), share))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::transform::{IMAGENET_MEAN, IMAGENET_STD};

    fn preprocessing(mut ops: Vec<Op>, output: [usize; 3]) -> Preprocessing {
        ops.push(Op::Normalize {
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        });
        Preprocessing {
            version: 1,
            color: "rgb".into(),
            exif: true,
            output,
            ops,
            steps: vec![],
        }
    }

    #[test]
    fn means_are_written_as_a_person_writes_them() {
        let (mean, std) = normalisation(&preprocessing(vec![], [3, 8, 8]));
        assert_eq!(
            json!([mean, std]).to_string(),
            "[[0.485,0.456,0.406],[0.229,0.224,0.225]]"
        );
        // Single precision reads the same numbers back.
        for value in [0.1, 1.0 / 3.0, 16_777_216.0, f32::MIN_POSITIVE, -1.5e-7] {
            assert_eq!(shortest(value) as f32, value);
        }
    }

    #[test]
    fn timm_s_two_ways_of_resizing_are_found() {
        let squash = Op::Resize {
            height: 256,
            width: 128,
            filter: Filter::Bicubic,
        };
        let found = resizing(&preprocessing(vec![squash], [3, 256, 128]));
        assert_eq!(found, Some(("squash", "bicubic", 1.0)));
        for (size, crop) in [(256, 224), (255, 224), (224, 224), (235, 224), (300, 299)] {
            let ops = vec![
                Op::ResizeShort {
                    size,
                    filter: Filter::Bilinear,
                    max_size: None,
                },
                Op::CenterCrop {
                    height: crop,
                    width: crop,
                },
            ];
            let (mode, _, share) = resizing(&preprocessing(ops, [3, crop, crop])).unwrap();
            assert_eq!((mode, (crop as f64 / share).floor() as usize), ("center", size));
            assert!((share - crop as f64 / size as f64).abs() < 1e-12);
        }
        let letterbox = Op::Letterbox {
            height: 8,
            width: 8,
            fill: [255; 3],
            filter: Filter::Bilinear,
            enlarge: false,
        };
        assert_eq!(resizing(&preprocessing(vec![letterbox], [3, 8, 8])), None);
    }
}
