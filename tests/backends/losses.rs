//! Losses and their gradients, on three classes of three rows of which the last row is padding.

use burn::tensor::{Bool, Int, Tensor};
use tailor::device::Device;
use tailor::losses::{
    Anchors, BatchHardTriplet, Center, CentroidTriplet, LabelSmoothing, Margin, Quadruplet,
};

use crate::values::{Values, normal, read};

const ROWS: usize = 9;
const WIDTH: usize = 8;

struct Batch {
    features: Tensor<2>,
    labels: Tensor<1, Int>,
    real: Tensor<1, Bool>,
}

fn loss(device: &Device, of: impl Fn(&Batch) -> Tensor<1>) -> Values {
    let device = device.clone().autodiff();
    let batch = Batch {
        features: normal("features", [ROWS, WIDTH], &device).require_grad(),
        labels: Tensor::from_ints([0, 0, 0, 1, 1, 1, 2, 2, 2], &device),
        real: Tensor::from_bool([true, true, true, true, true, true, true, true, false], &device),
    };
    let mut values = Values::default();
    let loss = of(&batch);
    let value = read(loss.clone().inner());
    assert!(value[0] > 0.0, "a loss of 0 compares nothing");
    values.put("value", value);
    values.leaf("features", &batch.features, &loss.backward());
    values
}

pub fn label_smoothing(device: &Device) -> Values {
    let label_smoothing = LabelSmoothing { epsilon: 0.1 };
    loss(device, |b| {
        label_smoothing.forward(b.features.clone(), b.labels.clone(), b.real.clone())
    })
}

pub fn batch_hard_triplet(device: &Device) -> Values {
    let triplet = BatchHardTriplet::new(Margin::Hard(0.5));
    loss(device, |b| {
        triplet.forward(b.features.clone(), b.labels.clone(), b.real.clone())
    })
}

pub fn soft_triplet(device: &Device) -> Values {
    let triplet = BatchHardTriplet::new(Margin::Soft);
    loss(device, |b| {
        triplet.forward(b.features.clone(), b.labels.clone(), b.real.clone())
    })
}

fn centroid_triplet(device: &Device, anchors: Anchors, squared: bool) -> Values {
    let triplet = CentroidTriplet {
        anchors,
        squared,
        ..CentroidTriplet::new(Margin::Hard(0.5), 3)
    };
    loss(device, |b| triplet.forward(b.features.clone(), b.real.clone()))
}

/// As the reference code has it.
pub fn centroid_triplet_all(device: &Device) -> Values {
    centroid_triplet(device, Anchors::All, false)
}

/// As the paper's formula has it.
pub fn centroid_triplet_queries(device: &Device) -> Values {
    centroid_triplet(device, Anchors::Queries, true)
}

pub fn center(device: &Device) -> Values {
    let training = device.clone().autodiff();
    let centers = normal("centers", [3, WIDTH], &training).require_grad();
    let mut values = loss(device, |b| {
        Center.forward(
            b.features.clone(),
            b.labels.clone(),
            centers.clone(),
            b.real.clone(),
        )
    });
    // The graph above is spent: once more for the centres' own gradient.
    let again = Center.forward(
        normal("features", [ROWS, WIDTH], &training),
        Tensor::from_ints([0, 0, 0, 1, 1, 1, 2, 2, 2], &training),
        centers.clone(),
        Tensor::from_bool([true; ROWS], &training),
    );
    values.leaf("centres", &centers, &again.backward());
    values
}

pub fn quadruplet(device: &Device) -> Values {
    let quadruplet = Quadruplet {
        margin: 1.0,
        pair_margin: 0.5,
        squared: false,
    };
    loss(device, |b| {
        quadruplet.forward(b.features.clone(), b.labels.clone(), b.real.clone())
    })
}
