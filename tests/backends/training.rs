//! What a training step does: gradients of a whole model, their norm, updates, the moving average.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use tailor::backbones::resnet::{Depth, ResNetConfig};
use tailor::backbones::trunk::TrunkSection;
use tailor::data::ImageBatch;
use tailor::device::Device;
use tailor::nn::{BatchNormConfig, initialise};
use tailor::papers::ctl::{Ctl, CtlModel};
use tailor::papers::{Clock, Embed, Facts, Objective};
use tailor::train::ema::Ema;
use tailor::train::grads::{clip, global_norm};
use tailor::train::optim::{Groups, Optimizer, OptimizerSection};

use crate::values::{Values, normal, normals, read, uneven_sum};

fn model(device: &Device) -> Linear {
    initialise(
        LinearConfig::new(16, 8).init(&device.clone().autodiff()),
        3,
        |_| None,
    )
}

fn gradients(model: &Linear, input: &str, device: &Device) -> GradientsParams {
    let x = normal(input, [8, 16], &device.clone().autodiff());
    GradientsParams::from_grads(uneven_sum(model.forward(x)).backward(), model)
}

/// How far two steps take a model from where it was.
fn updates(section: &str, device: &Device) -> Values {
    let section: OptimizerSection = toml::from_str(section).unwrap();
    let mut optimizer = Optimizer::new(Groups::new(&section, "").unwrap());
    let start = model(device);
    let before = read(start.weight.val());
    let mut model = start;
    for input in ["first step", "second step"] {
        let grads = gradients(&model, input, device);
        model = optimizer.step(model, grads, &[section.lr]);
    }
    let mut values = Values::default();
    let moved = read(model.weight.val())
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .collect();
    values.put("how far the weights moved", moved);
    for (name, data) in optimizer.state() {
        if !name.ends_with(".step") {
            values.put(&name, data.try_into_vec_as().unwrap());
        }
    }
    values
}

pub fn adam(device: &Device) -> Values {
    updates("kind = 'adam'\nlr = 0.1\nweight_decay = 0.05", device)
}

pub fn sgd(device: &Device) -> Values {
    updates(
        "kind = 'sgd'\nlr = 0.1\nmomentum = 0.9\nweight_decay = 0.05",
        device,
    )
}

pub fn clip_gradients(device: &Device) -> Values {
    let mut values = Values::default();
    let model = model(device);
    let grads = gradients(&model, "first step", device);
    values.tensor("norm", global_norm(&model, &grads).unwrap());
    let (clipped, _) = clip(&model, grads, 1.0);
    values.gradients(&model, &clipped);
    values
}

/// Weights and running statistics.
pub fn moving_average(device: &Device) -> Values {
    let training = device.clone().autodiff();
    let norm = BatchNormConfig::new(16).init(&training);
    let mut ema = Ema::new(&norm, 0.75);
    norm.forward(normal("first step", [8, 16], &training) + 1.0);
    ema.update(&norm);
    let mut values = Values::default();
    values.weights(&ema.model(&norm));
    values.tensor(
        "evaluated",
        ema.model(&norm).forward(normal("second step", [8, 16], device)),
    );
    values
}

/// A narrow ResNet-18 of the centroid triplet paper on eight pictures of 32 px: all losses, all gradients, and what it embeds
/// after the pass has moved its statistics.
pub fn whole_model(device: &Device) -> Values {
    let training = device.clone().autodiff();
    let paper = Ctl {
        model: TrunkSection::new(ResNetConfig {
            width: 4,
            last_stride: 1,
            ..ResNetConfig::new(Depth::D18)
        }),
        loss: toml::from_str(
            "id = { epsilon = 0.1 }\n\
             triplet = { margin = 0.5 }\n\
             center = { weight = 5e-4 }\n\
             centroid = { margin = 0.5, anchors = 'all', squared = false }",
        )
        .unwrap(),
    };
    let facts = Facts {
        classes: 4,
        per_class: Some(2),
    };
    let (model, _) = CtlModel::new(&paper, &facts, 5, &training).unwrap();
    let shape = [8, 3, 32, 32];
    let pixels = normals("pictures", shape.iter().product());
    let host = ImageBatch {
        pixels: pixels.clone(),
        shape,
        labels: vec![0, 0, 1, 1, 2, 2, 3, 3],
        real: vec![true; 8],
        rows: (0..8).collect(),
    };
    let batch = model.upload(host, &training);
    let losses = model.loss(
        0,
        &batch,
        &Clock {
            seed: 5,
            step: 0,
            epoch: 0,
            micro: 0,
        },
    );
    let mut values = Values::default();
    values.tensor("loss", losses.total.clone().inner());
    for (name, term) in losses.terms {
        values.tensor(name, term.inner());
    }
    let grads = GradientsParams::from_grads(losses.total.backward(), &model);
    values.gradients(&model, &model.edit_grads(0, grads));
    values.weights(&model);
    let pixels = Tensor::from_data(TensorData::new(pixels, shape), device);
    values.tensor("embeddings", model.valid().embed(pixels));
    values
}
