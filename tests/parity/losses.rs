//! Losses and their gradients against the implementations that `scripts/reference/losses.py` names.

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use tailor::losses::{
    Anchors, BatchHardTriplet, Center, CentroidTriplet, LabelSmoothing, Margin, Quadruplet,
};

use crate::fixtures::{Fixture, close, json, values};

fn number(case: &Value, key: &str) -> f32 {
    case[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{case} has no {key}")) as f32
}

fn margin(case: &Value) -> Margin {
    match &case["margin"] {
        Value::Null => Margin::Soft,
        _ => Margin::Hard(number(case, "margin")),
    }
}

fn flag(case: &Value, key: &str) -> bool {
    case[key]
        .as_bool()
        .unwrap_or_else(|| panic!("{case} has no {key}"))
}

fn triplet(case: &Value) -> BatchHardTriplet {
    BatchHardTriplet {
        margin: margin(case),
        squared: flag(case, "squared"),
        legacy_padding: flag(case, "legacy_padding"),
    }
}

fn centroid_triplet(case: &Value) -> CentroidTriplet {
    CentroidTriplet {
        margin: margin(case),
        per_class: case["per_class"].as_u64().unwrap() as usize,
        anchors: match case["anchors"].as_str() {
            Some("queries") => Anchors::Queries,
            Some("all") => Anchors::All,
            other => panic!("unknown anchors {other:?}"),
        },
        squared: flag(case, "squared"),
    }
}

/// The cases of one kind, with their tensors.
fn cases(kind: &str) -> Vec<(Value, Fixture)> {
    let mut all = Fixture::read("losses.safetensors");
    let about = json("losses.json");
    let of_kind = about
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["kind"] == kind);
    let cases: Vec<_> = of_kind
        .map(|case| (case.clone(), all.part(case["name"].as_str().unwrap())))
        .collect();
    assert!(!cases.is_empty(), "no case of {kind}");
    cases
}

/// Checks the value within 1e-5 and the gradients within 1e-4, relative.
#[track_caller]
fn check(case: &Value, fixture: &Fixture, loss: Tensor<1>, leaves: &[(&str, Tensor<2>)]) {
    let name = &case["name"];
    let grads = loss.backward();
    close(
        &format!("the value of {name}"),
        &values(loss.inner()),
        fixture.get("loss"),
        1e-5,
    );
    for (key, leaf) in leaves {
        let grad = leaf
            .grad(&grads)
            .unwrap_or_else(|| panic!("{name} gives {key} no gradient"));
        close(&format!("{key} of {name}"), &values(grad), fixture.get(key), 1e-4);
    }
}

#[test]
fn label_smoothing() {
    let device = Device::flex().autodiff();
    for (case, fixture) in cases("label_smoothing") {
        let logits = fixture.floats::<2>("features", &device).require_grad();
        let loss = LabelSmoothing {
            epsilon: number(&case, "epsilon"),
        };
        let loss = loss.forward(logits.clone(), fixture.labels(&device), fixture.real(&device));
        check(&case, &fixture, loss, &[("grad", logits)]);
    }
}

#[test]
fn batch_hard_triplet() {
    let device = Device::flex().autodiff();
    for (case, fixture) in cases("triplet") {
        let features = fixture.floats::<2>("features", &device).require_grad();
        let loss = triplet(&case).forward(features.clone(), fixture.labels(&device), fixture.real(&device));
        check(&case, &fixture, loss, &[("grad", features)]);
    }
}

#[test]
fn centroid_triplets() {
    let device = Device::flex().autodiff();
    for (case, fixture) in cases("centroid_triplet") {
        let features = fixture.floats::<2>("features", &device).require_grad();
        let loss = centroid_triplet(&case).forward(features.clone(), fixture.real(&device));
        check(&case, &fixture, loss, &[("grad", features)]);
    }
}

#[test]
fn center() {
    let device = Device::flex().autodiff();
    for (case, fixture) in cases("center") {
        let features = fixture.floats::<2>("features", &device).require_grad();
        let centers = fixture.floats::<2>("centers", &device).require_grad();
        let loss = Center.forward(
            features.clone(),
            fixture.labels(&device),
            centers.clone(),
            fixture.real(&device),
        );
        check(
            &case,
            &fixture,
            loss,
            &[("grad", features), ("centers_grad", centers)],
        );
    }
}

#[test]
fn quadruplet() {
    let device = Device::flex().autodiff();
    for (case, fixture) in cases("quadruplet") {
        let features = fixture.floats::<2>("features", &device).require_grad();
        let loss = Quadruplet {
            margin: number(&case, "margin"),
            pair_margin: number(&case, "pair_margin"),
            squared: flag(&case, "squared"),
        };
        let loss = loss.forward(features.clone(), fixture.labels(&device), fixture.real(&device));
        check(&case, &fixture, loss, &[("grad", features)]);
    }
}

/// The four losses of the CTL reference as its training step adds them up, with the neck written out in tensor operations.
#[test]
fn the_whole_ctl_objective() {
    let device = Device::flex().autodiff();
    for (case, fixture) in cases("ctl_objective") {
        let [w_id, w_triplet, w_center, w_centroid] =
            [0, 1, 2, 3].map(|i| case["weights"][i].as_f64().unwrap() as f32);
        let features = fixture.floats::<2>("features", &device).require_grad();
        let centers = fixture.floats::<2>("centers", &device).require_grad();
        let classifier = fixture.floats::<2>("classifier", &device).require_grad();
        let bn_weight = fixture.floats::<1>("bn_weight", &device).require_grad();
        let (labels, real) = (fixture.labels(&device), fixture.real(&device));

        // Batch normalisation over the real rows.
        let weights = real.clone().float().unsqueeze_dim::<2>(1);
        let count = weights.clone().sum().into_scalar::<f32>();
        let mean = (features.clone() * weights.clone()).sum_dim(0) / count;
        let centred = (features.clone() - mean) * weights;
        let variance = centred.clone().square().sum_dim(0) / count;
        let normed = centred / (variance + 1e-5).sqrt() * bn_weight.clone().unsqueeze_dim(0);
        let logits = normed.matmul(classifier.clone().transpose());

        let id = LabelSmoothing {
            epsilon: number(&case, "epsilon"),
        }
        .forward(logits, labels.clone(), real.clone());
        let triplet = BatchHardTriplet {
            legacy_padding: true,
            ..BatchHardTriplet::new(margin(&case))
        };
        let triplet = triplet.forward(features.clone(), labels.clone(), real.clone());
        let center = Center.forward(features.clone(), labels, centers.clone(), real.clone());
        let per_class = case["per_class"].as_u64().unwrap() as usize;
        let centroid = CentroidTriplet::new(margin(&case), per_class).forward(features.clone(), real);

        let parts = [
            (id, w_id, "id"),
            (triplet, w_triplet, "triplet"),
            (center, w_center, "center"),
            (centroid, w_centroid, "centroid"),
        ];
        for (part, weight, name) in &parts {
            close(
                name,
                &values(part.clone().inner() * *weight),
                fixture.get(name),
                1e-5,
            );
        }
        let loss = parts
            .into_iter()
            .map(|(part, weight, _)| part * weight)
            .reduce(|a, b| a + b)
            .unwrap();

        let grads = loss.backward();
        close("loss", &values(loss.inner()), fixture.get("loss"), 1e-5);
        close(
            "grad",
            &values(features.grad(&grads).unwrap()),
            fixture.get("grad"),
            1e-4,
        );
        close(
            "classifier",
            &values(classifier.grad(&grads).unwrap()),
            fixture.get("classifier_grad"),
            1e-4,
        );
        close(
            "bn_weight",
            &values(bn_weight.grad(&grads).unwrap()),
            fixture.get("bn_weight_grad"),
            1e-4,
        );
        // The reference takes the loss's weight off before the centres' own step.
        let centers = values(centers.grad(&grads).unwrap() / w_center);
        close("centers", &centers, fixture.get("centers_grad"), 1e-4);
    }
}
