use super::*;
use crate::backbones::layouts::for_layout;
use crate::backbones::mobile::{Flavour, Layout, MobileConfig, Net};
use crate::backbones::resnet::{Depth, ResNetConfig};
use crate::backbones::weights::{collect, for_torch};
use crate::device::cpu;
use crate::nn::initialise;
use burn::tensor::TensorData;

fn drawn(config: impl Into<TrunkConfig>, seed: u64) -> Trunk {
    initialise(config.into().init(&cpu()), seed, Trunk::draw)
}

fn small_resnet() -> ResNetConfig {
    ResNetConfig {
        width: 2,
        ..ResNetConfig::new(Depth::D18)
    }
}

/// The trunk's weights with a classifier's, as a library publishes them.
fn published(config: &MobileConfig, layout: Layout) -> Tensors {
    let mut tensors = for_layout(config.net, for_torch(collect(&drawn(config.clone(), 1))), layout);
    let (weight, bias) = match layout {
        Layout::EfficientNetPytorch => ("_fc.weight", "_fc.bias"),
        _ => ("classifier.1.weight", "classifier.1.bias"),
    };
    tensors.insert(weight.into(), TensorData::new(vec![0.0f32; 1280 * 2], [2, 1280]));
    tensors.insert(bias.into(), TensorData::new(vec![0.0f32; 2], [2]));
    tensors
}

#[test]
fn weights_of_every_layout_arrive_under_our_names() {
    for (net, flavour, layout) in [
        (Net::MobileNetV2, Flavour::Torch, Layout::Torchvision),
        (Net::MobileNetV2, Flavour::Torch, Layout::Timm),
        (Net::EfficientNetB0, Flavour::Torch, Layout::Torchvision),
        (Net::EfficientNetB0, Flavour::Torch, Layout::Timm),
        (Net::EfficientNetB0, Flavour::Tf, Layout::EfficientNetPytorch),
        (Net::EfficientNetLite0, Flavour::Tf, Layout::EfficientNetPytorch),
        (Net::EfficientNetLite0, Flavour::Tf, Layout::Timm),
    ] {
        let config = MobileConfig {
            flavour,
            ..MobileConfig::new(net)
        };
        let file = published(&config, layout);
        let (trunk, report) = load(drawn(config.clone(), 2), file, "file").unwrap();
        assert_eq!(collect(&trunk), collect(&drawn(config, 1)), "{net:?} {layout:?}");
        assert!(report.missing.is_empty() && report.mismatched.is_empty());
        assert_eq!(report.unused.len(), 2, "{report}");
    }
}

#[test]
fn another_network_or_flavour_is_named() {
    let refused = |file: Tensors, config: MobileConfig, parts: &[&str]| {
        let error = load(drawn(config, 2), file, "w.pth").unwrap_err();
        let text = format!("{error}: {}", miette::Diagnostic::help(&error).unwrap());
        for part in parts {
            assert!(text.contains(part), "{text}");
        }
    };
    let lite = MobileConfig::new(Net::EfficientNetLite0);
    let b0 = MobileConfig::new(Net::EfficientNetB0);
    let b0_tf = MobileConfig {
        flavour: Flavour::Tf,
        ..b0.clone()
    };
    refused(
        published(&lite, Layout::EfficientNetPytorch),
        b0_tf.clone(),
        &[
            "w.pth holds no weights for this efficientnet-b0",
            "set model.trunk = { kind = \"efficientnet-lite0\" }",
        ],
    );
    refused(
        published(&b0, Layout::EfficientNetPytorch),
        b0.clone(),
        &["set flavour = \"tf\""],
    );
    refused(
        published(&b0, Layout::Torchvision),
        b0_tf,
        &["set flavour = \"torch\""],
    );
    refused(
        published(&MobileConfig::new(Net::MobileNetV2), Layout::Timm),
        lite.clone(),
        &["it holds mobilenet-v2"],
    );
    // A file that lacks a part is no network at all: the report says what is missing.
    let mut cut = published(&lite, Layout::Torchvision);
    cut.remove("features.3.1.block.1.0.weight");
    refused(cut, lite, &["1 missing (features.3.1.block.1.0.weight)"]);
    let file = for_torch(collect(&drawn(small_resnet(), 1)));
    refused(
        file,
        b0,
        &["holds no weights for this efficientnet-b0", "it holds resnet18"],
    );
}

#[test]
fn a_run_s_trunk_is_taken_without_its_head() {
    let from = collect(&drawn(small_resnet(), 1));
    let mut file: Tensors = from
        .iter()
        .map(|(name, data)| (format!("trunk.{name}"), data.clone()))
        .collect();
    file.insert(
        "head.classifier.weight".into(),
        TensorData::new(vec![0.0f32], [1, 1]),
    );
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let inner = run.join("checkpoints").join("step-00000004");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(run.join("run.json"), "{}").unwrap();
    std::fs::write(
        run.join("pointers.json"),
        r#"{"last": "step-00000004", "best": null}"#,
    )
    .unwrap();
    weights::write(&inner.join("model.safetensors"), &file, &Default::default()).unwrap();
    let section = TrunkSection {
        weights: Some(run.to_str().unwrap().to_owned()),
        ..TrunkSection::new(small_resnet())
    };
    let (trunk, report) = section.load(drawn(small_resnet(), 2)).unwrap();
    assert_eq!(collect(&trunk), from);
    assert_eq!(report.unwrap().ignored, ["head.classifier.weight"]);
    for pointers in ["{}", r#"{"best": "../../x"}"#, "nonsense"] {
        std::fs::write(run.join("pointers.json"), pointers).unwrap();
        let error = section.load(drawn(small_resnet(), 2)).unwrap_err().to_string();
        assert!(error.contains("pointers.json"), "{error}");
    }
}

#[test]
fn variables_in_paths_are_expanded_or_named() {
    let error = locate("${TAILOR_NO_SUCH_VARIABLE}/a.pth").unwrap_err();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("export TAILOR_NO_SUCH_VARIABLE="), "{help}");
    assert_eq!(locate("a.pth").unwrap(), Path::new("a.pth"));
}

#[test]
fn exports_have_the_library_s_names() {
    for (config, factory, name) in [
        (
            TrunkConfig::from(MobileConfig::new(Net::MobileNetV2)),
            "torchvision.models.mobilenet_v2",
            "features.17.conv.3.running_mean",
        ),
        (
            MobileConfig::new(Net::EfficientNetLite0).into(),
            "timm.models.tf_efficientnet_lite0",
            "blocks.6.0.bn3.running_mean",
        ),
        (
            small_resnet().into(),
            "torchvision.models.resnet18",
            "layer4.1.bn2.running_mean",
        ),
    ] {
        let classifier = if factory.contains("resnet") {
            "fc"
        } else {
            "classifier"
        };
        let trunk = drawn(config.clone(), 1);
        let mut model: Tensors = collect(&trunk)
            .into_iter()
            .map(|(name, data)| (format!("trunk.{name}"), data))
            .collect();
        model.insert(
            "head.bottleneck.weight".into(),
            TensorData::new(vec![1.0f32], [1]),
        );
        let (tensors, layout) = for_torchvision(&config, &model, "head.bottleneck");
        assert_eq!(layout.factory, factory);
        assert!(tensors.contains_key(name) && tensors.contains_key(&format!("{classifier}.weight")));
        let counter = name.replace("running_mean", "num_batches_tracked");
        assert!(tensors.contains_key(&counter), "{counter}");
        // And back again, as another's weights.
        let (back, _) = load(drawn(config, 2), tensors, "export").unwrap();
        assert_eq!(collect(&back), collect(&trunk));
    }
}
