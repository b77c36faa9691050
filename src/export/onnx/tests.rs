use super::run::Runner;
use super::*;
use crate::backbones::mobile::{Flavour, MobileConfig, Net};
use crate::backbones::resnet::{Depth, ResNetConfig};
use crate::backbones::trunk::{Trunk, TrunkConfig};
use crate::device::cpu;
use crate::export::compare::Difference;
use crate::export::dtype::{self, Dtype};
use crate::export::embeddings::unit;
use crate::nn::init::tests::noise;
use crate::nn::{BatchNorm, BatchNormConfig, BnNeck, BnNeckConfig, Conv2dConfig, GemConfig, initialise};
use crate::papers::Encoder;
use burn::module::{Module, RunningState};
use burn::tensor::{Tensor, TensorData};
use prost::Message;
use tract_onnx::pb::ModelProto;

/// A trunk and a neck, small and with statistics that a test can see.
fn small(config: impl Into<TrunkConfig>) -> (Trunk, BnNeck) {
    let config = config.into();
    let trunk = initialise(config.init(&cpu()), 5, |_| None);
    let trunk = Tracked::of(trunk);
    let dim = trunk.feature_dim();
    let neck = BnNeckConfig::new(dim).init(&cpu());
    (trunk, statistics(neck, dim, 77))
}

/// Running statistics that are not 0 and 1: those of a fresh network would hide a norm that ignores them.
struct Tracked;

impl Tracked {
    fn of(trunk: Trunk) -> Trunk {
        let device = cpu().autodiff();
        let trunk = trunk.fork(&device);
        for seed in 0..3 {
            let x = noise::<4>([4, 3, 64, 64], seed).to_device(&device);
            trunk.forward(x);
        }
        trunk.valid()
    }
}

fn statistics(norm: BatchNorm, channels: usize, seed: u64) -> BatchNorm {
    let mut norm = norm;
    norm.running_mean = RunningState::new(noise::<1>([channels], seed));
    norm.running_var = RunningState::new(noise::<1>([channels], seed + 1).abs() + 0.5);
    norm
}

fn bytes(trunk: &Trunk, neck: &BnNeck, inside: &Inside, dtype: Dtype) -> Vec<u8> {
    let encoder = Encoder {
        trunk,
        neck: ("head.bottleneck", neck),
    };
    let about = About {
        recipe: "test".into(),
        weights: "last".into(),
        more: vec![("a".into(), "b".into())],
    };
    encode(&encoder, [64, 64], inside, dtype, &about)
}

/// What tract makes of the file for a batch.
fn run(bytes: &[u8], x: &Tensor<4>) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, bytes).unwrap();
    let runner = Runner::open(&path, &path).unwrap();
    let values: Vec<f32> = x.clone().into_data().try_into_vec_as().unwrap();
    runner.run(&path, &values, x.dims()).unwrap()
}

fn values(x: Tensor<2>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

#[track_caller]
fn near(ours: &[f32], theirs: &[f32], limit: f64) {
    let found = Difference::between(ours, theirs, ours.len());
    assert!(found.relative < limit, "{found:?}");
}

#[test]
fn another_runtime_finds_the_embeddings_of_every_resnet() {
    let base = ResNetConfig {
        width: 4,
        ..ResNetConfig::default()
    };
    for config in [
        ResNetConfig {
            depth: Depth::D18,
            ..base.clone()
        },
        ResNetConfig {
            depth: Depth::D34,
            stem_relu: false,
            last_stride: 1,
            ..base.clone()
        },
        ResNetConfig {
            depth: Depth::D50,
            ..base.clone()
        },
        ResNetConfig {
            depth: Depth::D50,
            ibn: true,
            last_stride: 1,
            ..base.clone()
        },
        ResNetConfig {
            depth: Depth::D18,
            ibn: true,
            small_stem: true,
            width: 3,
            ..base.clone()
        },
    ] {
        let (trunk, neck) = small(config);
        let file = bytes(&trunk, &neck, &Inside::default(), Dtype::F32);
        assert!(file == bytes(&trunk, &neck, &Inside::default(), Dtype::F32));
        // One file, any batch.
        for batch in [1, 3] {
            let x = noise::<4>([batch, 3, 64, 64], 9);
            let ours = values(neck.forward(trunk.forward(x.clone())));
            near(&ours, &run(&file, &x), 1e-4);
        }
    }
}

#[test]
fn another_runtime_finds_the_embeddings_of_networks_of_inverted_blocks() {
    for (net, flavour) in [
        (Net::MobileNetV2, Flavour::Torch),
        (Net::EfficientNetB0, Flavour::Torch),
        (Net::EfficientNetB0, Flavour::Tf),
        (Net::EfficientNetLite0, Flavour::Tf),
    ] {
        let (trunk, neck) = small(MobileConfig {
            net,
            flavour,
            drop_path: 0.0,
            dropout: 0.0,
        });
        let file = bytes(&trunk, &neck, &Inside::default(), Dtype::F32);
        let x = noise::<4>([2, 3, 64, 64], 9);
        let ours = values(neck.forward(trunk.forward(x.clone())));
        near(&ours, &run(&file, &x), 1e-4);
    }
}

#[test]
fn normalisation_and_length_may_be_inside() {
    let (trunk, neck) = small(ResNetConfig {
        width: 2,
        ..ResNetConfig::new(Depth::D18)
    });
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let inside = Inside {
        normalise: Some((mean, std)),
        l2: true,
    };
    let levels: Vec<f32> = [1u64, 2]
        .into_iter()
        .flat_map(|n| crate::export::compare::random_levels(n, [64, 64]))
        .collect();
    let tensor = |values: Vec<f32>| Tensor::<4>::from_data(TensorData::new(values, [2, 3, 64, 64]), &cpu());
    let x = tensor(crate::export::compare::normalised(&levels, 64 * 64, mean, std));
    let mut ours = values(neck.forward(trunk.forward(x)));
    let dim = ours.len() / 2;
    unit(&mut ours, dim);
    near(
        &ours,
        &run(&bytes(&trunk, &neck, &inside, Dtype::F32), &tensor(levels)),
        1e-4,
    );
}

#[test]
fn half_precision_halves_the_file_and_computes_in_single() {
    let config = ResNetConfig {
        width: 8,
        ..ResNetConfig::new(Depth::D18)
    };
    let (trunk, neck) = small(config.clone());
    let tensors = crate::backbones::weights::collect(&trunk);
    let rounded = dtype::stored(tensors, Dtype::F16).unwrap();
    let (halved, _) = crate::backbones::weights::apply(
        TrunkConfig::from(config).init(&cpu()),
        &rounded,
        &Default::default(),
    )
    .unwrap();
    let halved = halved.valid();
    let (full, half) = (
        bytes(&trunk, &neck, &Inside::default(), Dtype::F32),
        bytes(&halved, &neck, &Inside::default(), Dtype::F16),
    );
    assert!(half.len() < full.len() * 11 / 20, "{} {}", half.len(), full.len());
    let x = noise::<4>([2, 3, 64, 64], 4);
    let found = run(&half, &x);
    near(&values(neck.forward(halved.forward(x.clone()))), &found, 1e-4);
    let exact = Difference::between(&values(neck.forward(trunk.forward(x))), &found, 64);
    assert!(exact.relative > 1e-5 && exact.relative < 2e-2, "{exact:?}");
}

#[test]
fn the_file_says_what_it_is() {
    let (trunk, neck) = small(ResNetConfig {
        width: 2,
        ..ResNetConfig::new(Depth::D18)
    });
    let model = ModelProto::decode(&bytes(&trunk, &neck, &Inside::default(), Dtype::F32)[..]).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
    let metadata: Vec<(&str, &str)> = model
        .metadata_props
        .iter()
        .map(|entry| (entry.key.as_str(), entry.value.as_str()))
        .collect();
    assert!(
        metadata.starts_with(&[("recipe", "test"), ("weights", "last")]) && metadata.contains(&("a", "b"))
    );
    let graph = model.graph.unwrap();
    assert_eq!(
        (graph.input[0].name.as_str(), graph.output[0].name.as_str()),
        ("image", "embedding")
    );
    // Weights bear the names of the state, norms are not folded, and every name is there once.
    for name in [
        "trunk.conv1.weight",
        "trunk.layer2.0.downsample.1.running_var",
        "head.bottleneck.bias",
    ] {
        assert!(
            graph.initializer.iter().any(|weight| weight.name == name),
            "{name}"
        );
    }
    let outputs: Vec<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
    let distinct: std::collections::BTreeSet<&&String> = outputs.iter().collect();
    assert_eq!(outputs.len(), distinct.len());
}

#[test]
fn operators_of_the_other_trunks_compute_what_they_say() {
    // One graph of them all on a map of odd size: SAME padding, channels in groups, gates, clips.
    let device = cpu();
    let mut graph = Graph::new(Dtype::F32);
    let image = graph.input("image");
    let kernel: Vec<f32> = (0..3 * 9).map(|v| (v as f32 * 0.7).sin()).collect();
    let weight = graph.constant("w", &[3, 1, 3, 3], &kernel);
    let window = graph::Window {
        kernel: [3, 3],
        stride: [2, 2],
        pads: graph::Pads::SameUpper,
    };
    let x = graph.conv("depthwise", &image, &weight, None, window, 3);
    let x = graph.silu("silu", &x);
    let gate = graph.global_average("squeeze", &x);
    let gate = graph.sigmoid("gate", &gate);
    let x = graph.mul("excite", &x, &gate);
    let ten = graph.constant("ten", &[1], &[10.0]);
    let x = graph.mul("scaled", &x, &ten);
    let x = graph.relu6("relu6", &x);
    let gem = GemConfig::new().init(&device);
    let y = gem.to_onnx(&mut graph, "gem", &x);
    let bytes = write::finish(
        graph,
        &image,
        &y,
        [[3, 6, 5], [3, 0, 0]],
        &About::default(),
        ["", ""],
    );
    let x = noise::<4>([2, 3, 6, 5], 21);
    let found = run(&bytes, &x);
    // The same by hand: 6 rows with stride 2 need one row of padding, below; 5 columns need one on either side.
    let input: Vec<f32> = x.into_data().try_into_vec_as().unwrap();
    let mut ours = Vec::new();
    for picture in input.chunks(3 * 30) {
        for c in 0..3 {
            let mut map = Vec::new();
            for oy in 0..3 {
                for ox in 0..3usize {
                    let mut sum = 0.0f64;
                    for ky in 0..3 {
                        for kx in 0..3usize {
                            let (y, x) = (2 * oy + ky, (2 * ox + kx).wrapping_sub(1usize));
                            if y < 6 && x < 5 {
                                sum += f64::from(picture[c * 30 + y * 5 + x])
                                    * f64::from(kernel[c * 9 + ky * 3 + kx]);
                            }
                        }
                    }
                    map.push(sum / (1.0 + (-sum).exp()));
                }
            }
            let mean = map.iter().sum::<f64>() / 9.0;
            let gate = 1.0 / (1.0 + (-mean).exp());
            let cubes = map
                .iter()
                .map(|v| (v * gate * 10.0).clamp(0.0, 6.0).max(1e-6).powi(3))
                .sum::<f64>();
            ours.push((cubes / 9.0).powf(1.0 / 3.0) as f32);
        }
    }
    near(&ours, &found, 1e-5);
    let conv = Conv2dConfig::new([3, 2], [1, 3])
        .with_padding([0, 1])
        .init(&device);
    let norm = statistics(BatchNormConfig::new(2).init(&device), 2, 3);
    let mut graph = Graph::new(Dtype::F32);
    let image = graph.input("image");
    let y = conv.to_onnx(&mut graph, "conv", &image);
    let y = norm.to_onnx(&mut graph, "norm", &y);
    let y = graph.flatten("flat", &y);
    let bytes = write::finish(
        graph,
        &image,
        &y,
        [[3, 4, 5], [40, 0, 0]],
        &About::default(),
        ["", ""],
    );
    let x = noise::<4>([2, 3, 4, 5], 8);
    near(
        &values(norm.forward(conv.forward(x.clone())).reshape([2, 40])),
        &run(&bytes, &x),
        1e-5,
    );
}

#[test]
fn a_file_that_does_not_run_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, b"not an ONNX file").unwrap();
    let error = Runner::open(&path, &path).err().unwrap().to_string();
    assert!(error.contains("does not run"), "{error}");
}
