//! `model.trunk`: which network, and what of it may be changed.

use crate::backbones::mobile::{Flavour, MobileConfig, Net};
use crate::backbones::resnet::{Depth, ResNetConfig};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;

/// The form of a trunk: a table, or the name alone (`"resnet18"`, `"efficientnet-lite0"`) where all else is as published.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "Keys")]
pub enum TrunkConfig {
    /// A residual network.
    ResNet(ResNetConfig),
    /// MobileNetV2 or an EfficientNet.
    Mobile(MobileConfig),
}

/// The networks, as recipes call them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Kind {
    /// A residual network: `depth` says which.
    #[default]
    #[serde(rename = "resnet")]
    ResNet,
    /// MobileNetV2, 2.2 million parameters.
    #[serde(rename = "mobilenet-v2")]
    MobileNetV2,
    /// EfficientNet-B0, 4.0 million parameters.
    #[serde(rename = "efficientnet-b0")]
    EfficientNetB0,
    /// EfficientNet-Lite0, 3.4 million parameters, for 224 px.
    #[serde(rename = "efficientnet-lite0")]
    EfficientNetLite0,
    /// EfficientNet-Lite1, 4.1 million parameters, for 240 px.
    #[serde(rename = "efficientnet-lite1")]
    EfficientNetLite1,
    /// EfficientNet-Lite2, 4.8 million parameters, for 260 px.
    #[serde(rename = "efficientnet-lite2")]
    EfficientNetLite2,
}

/// The trunk of a model: a network and its settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "TrunkConfig")]
struct Keys {
    /// The network.
    kind: Kind,
    /// Of a ResNet: 18, 34, 50 or 101; 50 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<Depth>,
    /// Of a ResNet, IBN-a: half the channels of each block's first norm in `layer1` to `layer3` go through instance normalisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    ibn: Option<bool>,
    /// Of a ResNet, the stride of `layer4`: 2 as published, 1 for twice the map (usual in re-identification). No weight changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    last_stride: Option<usize>,
    /// Of a ResNet, whether a ReLU follows the stem's norm. torchvision and IBN-Net have it, the centroid-triplet and fashion
    /// re-identification code drops it in its plain ResNets.
    #[serde(skip_serializing_if = "Option::is_none")]
    stem_relu: Option<bool>,
    /// Of a ResNet, a 3×3 convolution with stride 1 and no max pooling instead of 7×7 with stride 2 and pooling: for images of some
    /// 32 px.
    #[serde(skip_serializing_if = "Option::is_none")]
    small_stem: Option<bool>,
    /// Of a ResNet, channels after the stem: 64 as published; stages have 1, 2, 4 and 8 times as many (four times that in
    /// bottlenecks).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1024))]
    width: Option<usize>,
    /// Of an EfficientNet, whose arithmetic its weights were trained with: `torch` (torchvision, timm's `efficientnet_b0`) or `tf`
    /// (efficientnet_pytorch, timm's `tf_…`). Lite networks are `tf`; B0 is `torch` unless it says `tf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    flavour: Option<Flavour>,
    /// Of MobileNetV2 and EfficientNets, stochastic depth: in training, the last block leaves its branch out with nearly this
    /// probability, those before it in proportion. 0.2 for EfficientNets, 0 for MobileNetV2, where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 0.9))]
    drop_path: Option<f64>,
    /// Of MobileNetV2 and EfficientNets, dropout of the pooled features in training; 0 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 0.9))]
    dropout: Option<f64>,
}

impl Kind {
    fn net(self) -> Option<Net> {
        Some(match self {
            Self::ResNet => return None,
            Self::MobileNetV2 => Net::MobileNetV2,
            Self::EfficientNetB0 => Net::EfficientNetB0,
            Self::EfficientNetLite0 => Net::EfficientNetLite0,
            Self::EfficientNetLite1 => Net::EfficientNetLite1,
            Self::EfficientNetLite2 => Net::EfficientNetLite2,
        })
    }

    fn of(net: Net) -> Self {
        match net {
            Net::MobileNetV2 => Self::MobileNetV2,
            Net::EfficientNetB0 => Self::EfficientNetB0,
            Net::EfficientNetLite0 => Self::EfficientNetLite0,
            Net::EfficientNetLite1 => Self::EfficientNetLite1,
            Net::EfficientNetLite2 => Self::EfficientNetLite2,
        }
    }
}

const MOBILE_KEYS: [&str; 3] = ["flavour", "drop_path", "dropout"];

impl TryFrom<Keys> for TrunkConfig {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let mut given = serde_json::to_value(&keys).map_err(|e| e.to_string())?;
        let given = given.as_object_mut().ok_or("a trunk is a table")?;
        given.remove("kind");
        let Some(net) = keys.kind.net() else {
            if let Some(stray) = MOBILE_KEYS.into_iter().find(|key| given.contains_key(*key)) {
                return Err(format!(
                    "`{stray}` means nothing to a ResNet: remove it, or set `kind`"
                ));
            }
            let config = serde_json::from_value(serde_json::Value::Object(given.clone()));
            return config.map(Self::ResNet).map_err(|e| e.to_string());
        };
        let name = net.name();
        if let Some(stray) = given.keys().find(|key| !MOBILE_KEYS.contains(&key.as_str())) {
            return Err(format!(
                "`{stray}` means nothing to kind = \"{name}\": it belongs to ResNets"
            ));
        }
        let mut config = MobileConfig::new(net);
        if let Some(flavour) = keys.flavour {
            if flavour != config.flavour && net != Net::EfficientNetB0 {
                let only = if net.is_lite() { "tf" } else { "torch" };
                return Err(format!("{name} exists in flavour = \"{only}\" alone"));
            }
            config.flavour = flavour;
        }
        for (key, value, to) in [
            ("drop_path", keys.drop_path, &mut config.drop_path),
            ("dropout", keys.dropout, &mut config.dropout),
        ] {
            match value {
                Some(p @ 0.0..=0.9) => *to = p,
                Some(p) => return Err(format!("{key} is {p}: use 0 to 0.9")),
                None => {}
            }
        }
        Ok(Self::Mobile(config))
    }
}

impl From<TrunkConfig> for Keys {
    fn from(config: TrunkConfig) -> Self {
        match config {
            TrunkConfig::ResNet(config) => Self {
                depth: Some(config.depth),
                ibn: Some(config.ibn),
                last_stride: Some(config.last_stride),
                stem_relu: Some(config.stem_relu),
                small_stem: Some(config.small_stem),
                width: Some(config.width),
                ..Self::default()
            },
            TrunkConfig::Mobile(config) => Self {
                kind: Kind::of(config.net),
                flavour: Some(config.flavour),
                drop_path: Some(config.drop_path),
                dropout: Some(config.dropout),
                ..Self::default()
            },
        }
    }
}

impl<'de> Deserialize<'de> for TrunkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = TrunkConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a network, or a table")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<TrunkConfig, E> {
                TrunkConfig::named(name).ok_or_else(|| {
                    let names: Vec<String> = TrunkConfig::plain().map(|config| config.name()).collect();
                    E::custom(format!(
                        "no network is called {name:?}: there are {}",
                        names.join(", ")
                    ))
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TrunkConfig, A::Error> {
                let keys = Keys::deserialize(MapAccessDeserializer::new(map))?;
                TrunkConfig::try_from(keys).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for TrunkConfig {
    fn schema_name() -> Cow<'static, str> {
        "Trunk".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = Self::plain().map(|config| config.name()).collect();
        let keys = generator.subschema_for::<Keys>();
        schemars::json_schema!({
            "description": "The trunk of a model: a network and its settings, or its name alone where all else is as published.",
            "oneOf": [{ "type": "string", "enum": names }, keys]
        })
    }
}

impl From<ResNetConfig> for TrunkConfig {
    fn from(config: ResNetConfig) -> Self {
        Self::ResNet(config)
    }
}

impl From<MobileConfig> for TrunkConfig {
    fn from(config: MobileConfig) -> Self {
        Self::Mobile(config)
    }
}

impl TrunkConfig {
    /// Every network as it was published.
    fn plain() -> impl Iterator<Item = Self> {
        let depths = [Depth::D18, Depth::D34, Depth::D50, Depth::D101];
        let resnets = depths.map(|depth| Self::ResNet(ResNetConfig::new(depth)));
        let mobile = Net::ALL
            .into_iter()
            .map(|net| Self::Mobile(MobileConfig::new(net)));
        resnets.into_iter().chain(mobile)
    }

    /// The network of that name, as it was published.
    fn named(name: &str) -> Option<Self> {
        Self::plain().find(|config| config.name() == name)
    }

    /// What a recipe calls it: `resnet50`, `efficientnet-lite0`.
    pub fn name(&self) -> String {
        match self {
            Self::ResNet(config) if config.ibn => format!("resnet{}_ibn_a", config.depth.number()),
            Self::ResNet(config) => format!("resnet{}", config.depth.number()),
            Self::Mobile(config) => config.net.name().to_owned(),
        }
    }

    /// Length of the pooled vector.
    pub fn feature_dim(&self) -> usize {
        match self {
            Self::ResNet(config) => config.feature_dim(),
            Self::Mobile(config) => config.feature_dim(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TrunkConfig, String> {
        toml::from_str(text).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn every_network_has_a_name_and_survives_a_round_trip() {
        for net in Net::ALL {
            let config = read(&format!("kind = {:?}", net.name())).unwrap();
            assert_eq!(config, MobileConfig::new(net).into());
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<TrunkConfig>(&text).unwrap(), config);
        }
        assert_eq!(read("").unwrap(), ResNetConfig::default().into());
        let small = read("depth = 18\nwidth = 4\nlast_stride = 1").unwrap();
        let expected = ResNetConfig {
            width: 4,
            last_stride: 1,
            ..ResNetConfig::new(Depth::D18)
        };
        assert_eq!(small, expected.into());
        let text = serde_json::to_string(&small).unwrap();
        assert_eq!(serde_json::from_str::<TrunkConfig>(&text).unwrap(), small);
    }

    #[test]
    fn a_name_alone_is_the_network_as_published() {
        let of = |name: &str| serde_json::from_value::<TrunkConfig>(name.into()).map_err(|e| e.to_string());
        assert_eq!(of("resnet18").unwrap(), ResNetConfig::new(Depth::D18).into());
        assert_eq!(
            of("efficientnet-lite0").unwrap(),
            read("kind = 'efficientnet-lite0'").unwrap()
        );
        // Which depth, nobody knows.
        let error = of("resnet").unwrap_err();
        assert!(error.contains("resnet18, resnet34"), "{error}");
    }

    #[test]
    fn keys_of_another_network_and_impossible_values_are_refused() {
        let refused = |text: &str, part: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        refused(
            "kind = 'mobilenet-v2'\ndepth = 18",
            "`depth` means nothing to kind = \"mobilenet-v2\"",
        );
        refused("drop_path = 0.1", "`drop_path` means nothing to a ResNet");
        refused(
            "kind = 'efficientnet-lite0'\nflavour = 'torch'",
            "flavour = \"tf\" alone",
        );
        refused(
            "kind = 'mobilenet-v2'\nflavour = 'tf'",
            "flavour = \"torch\" alone",
        );
        refused("kind = 'efficientnet-b0'\ndrop_path = 1.0", "use 0 to 0.9");
        refused("last_stride = 3", "use 1 or 2");
        refused("depth = 19", "no ResNet of depth 19");
        let tf = read("kind = 'efficientnet-b0'\nflavour = 'tf'\ndropout = 0.2").unwrap();
        let TrunkConfig::Mobile(tf) = tf else { panic!() };
        assert_eq!((tf.flavour, tf.dropout, tf.drop_path), (Flavour::Tf, 0.2, 0.2));
    }
}
