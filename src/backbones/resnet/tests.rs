//! Figures made with torchvision and IBN-Net in f64. Further networks, and gradients, are in tests/parity.

use super::*;
use crate::backbones::filler::{Figures, filled};
use crate::backbones::weights::{Import, apply, collect, collect_ordered, parameter_count};
use crate::device::cpu;
use crate::nn::init::tests::noise;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;

fn check(net: &ResNet, entries: usize, figures: &Figures) {
    figures.hold("ResNet-50", |x| net.forward_map(x), [entries, 2048], 1e-4);
}

#[test]
fn plain_resnet_50_equals_torchvision() {
    let (net, entries) = filled(ResNetConfig::default().init(&cpu()));
    assert_eq!(entries, 265);
    check(
        &net,
        entries,
        &Figures {
            size: [64, 64],
            map: [2, 2],
            features: [1483.14429, 751.29916, 3324.67744, 0.0],
            sum: 3_388_221.98,
            length: 102_936.607,
            logits: [1757.183, 3457.740, 4836.301],
        },
    );
    check(
        &net,
        entries,
        &Figures {
            size: [65, 97],
            map: [3, 4],
            features: [2412.93388, 3780.47433, 5664.33547, 307.05691],
            sum: 5_108_846.86,
            length: 158_253.874,
            logits: [4698.362, 3722.232, 6458.348],
        },
    );
    // The stride changes no weight.
    let wide = ResNetConfig {
        last_stride: 1,
        ..ResNetConfig::default()
    }
    .init(&cpu());
    let (wide, report) = apply(wide, &collect(&net), &Import::default()).unwrap();
    assert_eq!((report.loaded.len(), report.missing.len()), (265, 0));
    check(
        &wide,
        entries,
        &Figures {
            size: [64, 64],
            map: [4, 4],
            features: [1346.62758, 3399.45490, 5908.03534, 115.57107],
            sum: 4_643_919.33,
            length: 145_971.308,
            logits: [3759.985, 3745.520, 5810.782],
        },
    );
}

#[test]
fn resnet_50_ibn_a_equals_ibn_net() {
    let config = ResNetConfig {
        ibn: true,
        ..ResNetConfig::default()
    };
    let (net, entries) = filled(config.init(&cpu()));
    assert_eq!(entries, 291);
    check(
        &net,
        entries,
        &Figures {
            size: [64, 64],
            map: [2, 2],
            features: [228.34659, 191.62448, 227.15184, 47.89161],
            sum: 353_257.538,
            length: 10_816.753,
            logits: [359.048, 68.559, 359.507],
        },
    );
    let wide = ResNetConfig {
        last_stride: 1,
        ..config
    };
    let (wide, _) = filled(wide.init(&cpu()));
    check(
        &wide,
        entries,
        &Figures {
            size: [65, 97],
            map: [5, 7],
            features: [436.79068, 296.85432, 517.52337, 139.32885],
            sum: 559_225.554,
            length: 17_997.299_5,
            logits: [563.250, 173.059, 526.343],
        },
    );
}

#[test]
fn parameters_and_dimensions_are_the_published_ones() {
    // torchvision's and IBN-Net's counts less fc: 1000 · dim + 1000.
    for (depth, ibn, count, dim) in [
        (Depth::D18, false, 11_689_512 - 513_000, 512),
        (Depth::D34, false, 21_797_672 - 513_000, 512),
        (Depth::D50, false, 23_508_032, 2048),
        (Depth::D50, true, 23_508_032, 2048),
        (Depth::D101, false, 44_549_160 - 2_049_000, 2048),
    ] {
        let config = ResNetConfig {
            ibn,
            ..ResNetConfig::new(depth)
        };
        let net = config.init(&cpu());
        assert_eq!(parameter_count(&net), count, "{depth:?} {ibn}");
        assert_eq!((net.feature_dim(), config.feature_dim()), (dim, dim));
    }
}

fn tiny(ibn: bool) -> ResNet {
    let config = ResNetConfig {
        ibn,
        width: 4,
        small_stem: true,
        ..ResNetConfig::new(Depth::D18)
    };
    crate::nn::initialise(config.init(&cpu()), 1, |_| None)
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

#[test]
fn a_batch_is_embedded_like_its_images() {
    let net = tiny(true);
    let x = noise([3, 3, 17, 12], 4);
    let together = values(net.forward(x.clone()));
    let apart: Vec<f32> = (0..3)
        .flat_map(|i| values(net.forward(x.clone().narrow(0, i, 1))))
        .collect();
    assert_eq!(together.len(), 3 * 32);
    for (a, b) in together.iter().zip(&apart) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn keys_are_torchvisions() {
    let names: Vec<String> = collect_ordered(&ResNetConfig::default().init(&cpu()))
        .into_iter()
        .map(|e| e.0)
        .collect();
    assert_eq!(
        names[..5],
        [
            "conv1.weight",
            "bn1.weight",
            "bn1.bias",
            "bn1.running_mean",
            "bn1.running_var"
        ]
    );
    assert_eq!(names[20], "layer1.0.downsample.0.weight");
    assert_eq!(names[264], "layer4.2.bn3.running_var");
    let ibn = ResNetConfig {
        ibn: true,
        ..ResNetConfig::default()
    };
    let names: Vec<String> = collect_ordered(&ibn.init(&cpu()))
        .into_iter()
        .map(|e| e.0)
        .collect();
    assert_eq!(
        names[6..9],
        [
            "layer1.0.bn1.IN.weight",
            "layer1.0.bn1.IN.bias",
            "layer1.0.bn1.BN.weight"
        ]
    );
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("layer4") && name.contains("IN"))
    );
}

#[test]
fn max_pooling_pads_with_nothing() {
    // Without the stem's ReLU negative values reach the pooling: a zero in the padding would win.
    let x = Tensor::<4>::full([1, 1, 3, 3], -1.0, &cpu());
    let y = max_pool2d(
        x,
        MaxPoolOptions::new([3, 3])
            .with_stride([2, 2])
            .with_padding([1, 1]),
    );
    assert_eq!(values(y), [-1.0; 4]);
}

#[test]
fn the_stem_options_act() {
    let x = noise([1, 3, 32, 32], 5);
    let config = ResNetConfig {
        width: 4,
        ..ResNetConfig::new(Depth::D18)
    };
    let map = |config: &ResNetConfig| {
        crate::nn::initialise(config.init(&cpu()), 1, |_| None).forward_map(x.clone())
    };
    let small = ResNetConfig {
        small_stem: true,
        ..config.clone()
    };
    let linear = ResNetConfig {
        stem_relu: false,
        ..small.clone()
    };
    assert_eq!(map(&config).dims(), [1, 32, 1, 1]);
    assert_eq!(map(&small).dims(), [1, 32, 4, 4]);
    assert_ne!(values(map(&small)), values(map(&linear)));
}

#[test]
fn a_training_step_reaches_every_parameter() {
    let device = cpu().autodiff();
    let config = ResNetConfig {
        ibn: true,
        width: 4,
        small_stem: true,
        ..ResNetConfig::new(Depth::D50)
    };
    let plain = crate::nn::initialise(config.init(&cpu()), 1, |_| None);
    let x = noise([2, 3, 16, 16], 6);
    let before = values(plain.forward(x.clone()));
    let net = plain.fork(&device).valid().train();
    let grads = net
        .forward(x.clone().to_device(&device))
        .powi_scalar(2)
        .sum()
        .backward();
    let grads = burn::optim::GradientsParams::from_grads(grads, &net);
    let parameters = collect_ordered(&net)
        .iter()
        .filter(|(name, _)| !name.contains("running"))
        .count();
    assert_eq!(grads.len(), parameters);
    assert!(
        collect(&net)["layer3.1.bn1.BN.running_mean"]
            .iter::<f32>()
            .any(|v| v != 0.0)
    );
    // What was learned of the batch shows in evaluation, which itself changes nothing.
    let valid = net.valid();
    let after = values(valid.forward(x.clone()));
    assert_ne!(before, after);
    assert_eq!(values(valid.forward(x)), after);
    assert!(valid.to_string().contains("layer4"));
}

#[test]
fn a_clone_on_a_training_device_leaves_the_original_usable() {
    let plain = tiny(false);
    let x = noise([1, 3, 8, 8], 7);
    let before = values(plain.forward(x.clone()));
    let device = cpu().autodiff();
    let _training = plain.clone().fork(&device);
    assert_eq!(values(plain.forward(x.clone())), before);
    // Validation inside a training program: frozen layers on the training device.
    let frozen = plain.fork(&device).freeze();
    assert_eq!(values(frozen.forward(x.to_device(&device))), before);
}

#[test]
fn settings_refuse_what_they_do_not_know() {
    let read = |text: &str| toml::from_str::<ResNetConfig>(text).map_err(|e| e.to_string());
    let config = read("depth = 34\nlast_stride = 1").unwrap();
    assert_eq!(
        config,
        ResNetConfig {
            last_stride: 1,
            ..ResNetConfig::new(Depth::D34)
        }
    );
    assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config);
    for (text, part) in [
        ("depth = 51", "18, 34, 50 or 101"),
        ("last_stride = 3", "1 or 2"),
        ("width = 0", "2 to 1024"),
        ("dept = 50", "dept"),
    ] {
        let message = read(text).unwrap_err();
        assert!(message.contains(part), "{message}");
    }
}
