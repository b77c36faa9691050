//! Figures made with torchvision and efficientnet_pytorch in f64. Further networks, and gradients, are in tests/parity.

use super::*;
use crate::backbones::filler::{Figures, filled};
use crate::backbones::weights::{collect, for_torch, parameter_count};
use crate::device::cpu;
use crate::nn::{Draw, initialise};

fn check(config: &MobileConfig, figures: &[Figures]) {
    let (net, entries) = filled(config.init(&cpu()));
    for figures in figures {
        figures.hold(config.net.name(), |x| net.forward_map(x), [entries, 1280], 2e-5);
    }
}

#[test]
fn mobilenet_v2_has_the_card_s_figures() {
    let figures = [
        Figures {
            size: [64, 64],
            map: [2, 2],
            features: [0.53153, 2.58104, 1.75532, 1.77401],
            sum: 2028.5167,
            length: 79.96315,
            logits: [-1.77548, -0.44925, 1.71388],
        },
        Figures {
            size: [65, 97],
            map: [3, 4],
            features: [0.21578, 4.94933, 1.76601, 2.49033],
            sum: 2161.9253,
            length: 83.02574,
            logits: [-1.56757, -0.56033, 1.78272],
        },
    ];
    check(&MobileConfig::new(Net::MobileNetV2), &figures);
}

#[test]
fn efficientnet_b0_has_the_card_s_figures_in_both_flavours() {
    let torch = [
        Figures {
            size: [64, 64],
            map: [2, 2],
            features: [-0.03930, 0.10255, 0.53015, -0.16775],
            sum: 39.0084,
            length: 5.82485,
            logits: [0.28494, 0.22874, 0.54789],
        },
        Figures {
            size: [65, 97],
            map: [3, 4],
            features: [-0.03009, 0.09821, 0.48523, -0.18254],
            sum: 52.3252,
            length: 6.53646,
            logits: [0.51834, 0.27915, 0.52344],
        },
    ];
    let tf = [Figures {
        size: [64, 64],
        map: [2, 2],
        features: [-0.03934, 0.08914, 0.58972, -0.17859],
        sum: 34.6498,
        length: 5.66385,
        logits: [0.34410, 0.25067, 0.50160],
    }];
    let config = MobileConfig::new(Net::EfficientNetB0);
    check(&config, &torch);
    let flavour = Flavour::Tf;
    check(&MobileConfig { flavour, ..config }, &tf);
}

#[test]
fn parameters_and_entries_are_counted_as_torch_does() {
    for (net, parameters, floats, all) in [
        (Net::MobileNetV2, 2_223_872, 260, 312),
        (Net::EfficientNetB0, 4_007_548, 309, 358),
    ] {
        let net = MobileConfig::new(net).init(&cpu());
        assert_eq!(parameter_count(&net), parameters);
        let entries = collect(&net);
        // A classifier's weight and bias are not here.
        assert_eq!((entries.len(), for_torch(entries).len()), (floats, all));
    }
    // timm's tf_efficientnet_lite0, 1 and 2 without their classifiers.
    for (net, parameters) in [
        (Net::EfficientNetLite0, 3_371_008),
        (Net::EfficientNetLite1, 4_135_680),
        (Net::EfficientNetLite2, 4_811_072),
    ] {
        assert_eq!(
            parameter_count(&MobileConfig::new(net).init(&cpu())),
            parameters,
            "{net:?}"
        );
    }
}

#[test]
fn states_are_passed_on_and_paths_are_the_same_for_visitors_and_mappers() {
    let device = cpu().autodiff();
    let config = MobileConfig {
        dropout: 0.5,
        ..MobileConfig::new(Net::EfficientNetB0)
    };
    let net = initialise(config.init(&device), 1, |_| None);
    // A mapper that wrote under other paths would leave these as they were.
    let zeroed = initialise(net.valid().train(), 1, |info| {
        (info.path == "features.7.0.block.2.fc2.bias").then_some(Draw::Constant(2.0))
    });
    let (before, after) = (collect(&net), collect(&zeroed));
    let changed: Vec<&String> = before
        .keys()
        .filter(|name| before[*name] != after[*name])
        .collect();
    assert_eq!(changed, ["features.7.0.block.2.fc2.bias"]);
    let x = Tensor::<4>::random([2, 3, 32, 32], burn::tensor::Distribution::Default, &device);
    let values = |x: Tensor<2>| -> Vec<f32> { x.into_data().try_into_vec_as().unwrap() };
    let plain = values(net.valid().forward(x.clone().inner()));
    assert_eq!(plain, values(net.clone().freeze().forward(x.clone()).inner()));
    // Dropout and stochastic depth are drawn from the device's generator.
    let drawn = |seed| {
        cpu().seed(seed);
        values(net.forward(x.clone()).inner())
    };
    // Another test may draw from the same generator in between.
    assert!((0..50).any(|_| drawn(1) == drawn(1)) && drawn(1) != drawn(2));
    let zeros = drawn(1).iter().filter(|v| **v == 0.0).count();
    assert!((1000..1560).contains(&zeros), "{zeros}");
    assert_eq!(net.devices().len(), 1);
    let last = net.stages[6][0].stochastic_depth.is_none() && net.stages[5][3].stochastic_depth.is_some();
    assert!(last, "only residual blocks are left out");
    assert!((net.stages[5][3].stochastic_depth.as_ref().unwrap().p - 0.2 * 14.0 / 16.0).abs() < 1e-12);
}
