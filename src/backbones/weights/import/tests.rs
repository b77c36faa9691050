//! Imports that fit, that do not, and what they leave behind.

use super::*;
use crate::backbones::weights::{collect, for_torch, parameter_count};
use crate::device::cpu;
use crate::nn::{BatchNorm, BatchNormConfig, initialise};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::Device;

#[derive(Module, Debug)]
struct Net {
    fc: Linear,
    bn: BatchNorm,
    norm: LayerNorm,
    scale: Param<Tensor<1>>,
}

fn net(seed: u64, device: &Device) -> Net {
    let net = Net {
        fc: LinearConfig::new(3, 2).init(device),
        bn: BatchNormConfig::new(2).init(device),
        norm: LayerNormConfig::new(2).init(device),
        scale: Param::from_data([0.5f32], device),
    };
    initialise(net, seed, |_| None)
}

fn tensor(values: &[f32], shape: &[usize]) -> TensorData {
    TensorData::new(values.to_vec(), shape.to_vec())
}

fn names(tensors: &Tensors) -> Vec<&str> {
    tensors.keys().map(String::as_str).collect()
}

#[test]
fn names_and_layouts_are_torchs() {
    let net = net(1, &cpu());
    let tensors = collect(&net);
    assert_eq!(
        names(&tensors),
        [
            "bn.bias",
            "bn.running_mean",
            "bn.running_var",
            "bn.weight",
            "fc.bias",
            "fc.weight",
            "norm.bias",
            "norm.weight",
            "scale"
        ]
    );
    let burns: Vec<f32> = net.fc.weight.val().into_data().try_into_vec_as().unwrap();
    let weight = &tensors["fc.weight"];
    assert_eq!(weight.shape().to_vec(), [2, 3]);
    let values: Vec<f32> = weight.iter().collect();
    assert_eq!(
        values,
        [burns[0], burns[2], burns[4], burns[1], burns[3], burns[5]]
    );
    assert_eq!(parameter_count(&net), 6 + 2 + 2 + 2 + 2 + 2 + 1);
    let exported = for_torch(tensors);
    let counter = &exported["bn.num_batches_tracked"];
    assert_eq!(
        (counter.dtype(), counter.rank(), counter.num_elements()),
        (DType::I64, 0, 1)
    );
}

#[test]
fn a_round_trip_is_exact_and_keeps_ids_and_gradients() {
    let device = cpu().autodiff();
    let source = collect(&net(1, &device));
    let target = net(2, &device);
    let target = Net {
        scale: target.scale.set_require_grad(false),
        ..target
    };
    let (fc, scale) = (target.fc.weight.id, target.scale.id);
    let (loaded, report) = apply(target, &for_torch(source.clone()), &Import::default()).unwrap();
    assert_eq!(collect(&loaded), source);
    assert_eq!((loaded.fc.weight.id, loaded.scale.id), (fc, scale));
    assert!(loaded.fc.weight.val().is_require_grad() && !loaded.scale.is_require_grad());
    assert_eq!(report.ignored, ["bn.num_batches_tracked"]);
    assert_eq!(report.loaded.len(), 9);
    // It still trains: the loaded parameters are leaves.
    let x = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]], &device);
    let grads = loaded
        .norm
        .forward(loaded.bn.forward(loaded.fc.forward(x)))
        .powi_scalar(3)
        .sum()
        .backward();
    assert!(loaded.fc.weight.grad(&grads).is_some());
}

#[test]
fn parked_statistics_are_collected_and_do_not_outlive_a_load() {
    let device = cpu().autodiff();
    let net = net(1, &device);
    let fresh = collect(&net);
    net.bn
        .forward(Tensor::<2>::from_floats([[2.0, 4.0], [4.0, 8.0]], &device));
    let mean: Vec<f32> = collect(&net)["bn.running_mean"].iter().collect();
    assert!(
        (mean[0] - 0.3).abs() < 1e-6 && (mean[1] - 0.6).abs() < 1e-6,
        "{mean:?}"
    );
    net.bn
        .forward(Tensor::<2>::from_floats([[2.0, 4.0], [4.0, 8.0]], &device));
    let (net, _) = apply(net, &fresh, &Import::default()).unwrap();
    assert_eq!(collect(&net), fresh);
}

#[test]
fn other_types_become_f32() {
    let mut tensors = collect(&net(1, &cpu()));
    tensors.insert("scale".into(), TensorData::new(vec![0.1f64], [0usize; 0]));
    tensors.insert("fc.bias".into(), TensorData::new(vec![2i64, -3], [2]));
    let half = TensorData::new(vec![0.5f32, 1.5], [2])
        .try_cast(DType::F16)
        .unwrap();
    tensors.insert("bn.bias".into(), half);
    let brain = TensorData::new(vec![0.25f32, -8.0], [2])
        .try_cast(DType::BF16)
        .unwrap();
    tensors.insert("bn.running_mean".into(), brain);
    let (net, _) = apply(net(2, &cpu()), &tensors, &Import::default()).unwrap();
    let loaded = collect(&net);
    assert_eq!(loaded["scale"], tensor(&[0.1], &[1]));
    assert_eq!(loaded["fc.bias"], tensor(&[2.0, -3.0], &[2]));
    assert_eq!(loaded["bn.bias"], tensor(&[0.5, 1.5], &[2]));
    assert_eq!(loaded["bn.running_mean"], tensor(&[0.25, -8.0], &[2]));
}

fn refusal(tensors: &Tensors, import: &Import) -> (String, String) {
    let error = apply(net(2, &cpu()), tensors, import).unwrap_err();
    let help = miette::Diagnostic::help(&error)
        .map(|h| h.to_string())
        .unwrap_or_default();
    (error.to_string(), help)
}

#[test]
fn differences_are_refused_by_name_and_allowed_by_pattern() {
    let mut tensors = collect(&net(1, &cpu()));
    tensors.remove("scale");
    tensors.insert("head.weight".into(), tensor(&[1.0], &[1]));
    tensors.insert("fc.bias".into(), tensor(&[1.0, 2.0, 3.0], &[3]));
    let import = Import {
        source: "a.pth".into(),
        ..Import::default()
    };
    let (message, help) = refusal(&tensors, &import);
    for part in [
        "a.pth",
        "7 loaded",
        "1 missing (scale)",
        "1 unused (head.weight)",
        "fc.bias: file [3], model [2]",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(
        help.contains("allow_missing") && help.contains("allow_unused"),
        "{help}"
    );
    let import = Import {
        allow_missing: vec!["^scale$".into()],
        allow_unused: vec!["^head".into()],
        allow_mismatched: vec!["bias".into()],
        ..import
    };
    let (loaded, report) = apply(net(2, &cpu()), &tensors, &import).unwrap();
    assert_eq!(
        (report.missing.len(), report.unused.len(), report.mismatched.len()),
        (1, 1, 1)
    );
    let (loaded, own) = (collect(&loaded), collect(&net(2, &cpu())));
    assert_eq!(loaded["fc.bias"], own["fc.bias"]);
    assert_eq!(loaded["fc.weight"], tensors["fc.weight"]);
    assert!(
        serde_json::to_string(&report)
            .unwrap()
            .contains("\"unused\":[\"head.weight\"]")
    );
}

#[test]
fn nothing_changes_when_a_load_is_refused() {
    let target = net(2, &cpu());
    let before = collect(&target);
    let mut tensors = collect(&net(1, &cpu()));
    tensors.insert("bn.running_mean".into(), tensor(&[9.0, 9.0], &[2]));
    tensors.remove("scale");
    assert!(apply(target.clone(), &tensors, &Import::default()).is_err());
    // Clones share their statistics: a half-done load would show here.
    assert_eq!(collect(&target), before);
}

#[test]
fn a_foreign_prefix_is_named_and_stripped() {
    let own = collect(&net(1, &cpu()));
    let tensors: Tensors = own
        .iter()
        .map(|(name, data)| (format!("encoder.{name}"), data.clone()))
        .collect();
    let (_, help) = refusal(&tensors, &Import::default());
    assert!(help.contains("strip_prefix = [\"encoder.\"]"), "{help}");
    let import = Import {
        strip_prefix: vec!["encoder.".into()],
        ..Import::default()
    };
    assert_eq!(collect(&apply(net(2, &cpu()), &tensors, &import).unwrap().0), own);
    let import = Import {
        rename: vec![("^encoder\\.(.*)$".into(), "$1".into())],
        ..Import::default()
    };
    assert_eq!(collect(&apply(net(2, &cpu()), &tensors, &import).unwrap().0), own);
}

#[test]
fn another_models_weights_are_recognised() {
    let tensors = Tensors::from([("conv1.weight".to_owned(), tensor(&[1.0], &[1, 1, 1, 1]))]);
    let (message, help) = refusal(&tensors, &Import::default());
    assert!(
        message.contains("9 missing") && message.contains("and 1 more"),
        "{message}"
    );
    assert!(help.contains("another model"), "{help}");
}

#[test]
fn bad_values_patterns_and_names_are_refused() {
    let mut tensors = collect(&net(1, &cpu()));
    let import = |field: &str| {
        let mut import = Import::default();
        match field {
            "skip" => import.skip.push("(".into()),
            _ => import.rename.push(("^fc\\.bias$".into(), "fc.weight".into())),
        }
        import
    };
    assert!(refusal(&tensors, &import("skip")).0.contains("`(` in skip"));
    let (message, _) = refusal(&tensors, &import("rename"));
    assert!(
        message.contains("fc.bias and fc.weight of the weights both become fc.weight"),
        "{message}"
    );
    tensors.insert("scale".into(), tensor(&[f32::NAN], &[1]));
    assert!(refusal(&tensors, &Import::default()).0.contains("scale"));
}
