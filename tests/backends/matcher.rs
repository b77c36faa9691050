//! The cross-modal matcher: the golden forward pass of its spec, and a training step. A GPU computes it by burn's operations, the CPU
//! by its own.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::GradientsParams;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use tailor::backbones::weights::{Import, Tensors, apply, collect};
use tailor::data::pairs::PairBatch;
use tailor::device::cpu;
use tailor::nn::{Assignment, Lengths, TEmdeConfig, unit};
use tailor::papers::t_emde::{GlobalKind, Head, Matcher, Matching, Similarity, SimilarityConfig};
use tailor::papers::{Clock, Match, Objective, PairFacts, PairPaper, Pairs};
use tailor::train::grads::clip;
use tailor::train::optim::{Groups, Optimizer, OptimizerSection};

use crate::values::{Values, normals, read};

/// `[rows, columns]` by a formula of its indices.
fn matrix<const D: usize>(
    rows: usize,
    columns: usize,
    shape: [usize; D],
    value: impl Fn(f64, f64) -> f64,
) -> TensorData {
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let values: Vec<f32> = cells
        .map(|(row, column)| value(row as f64, column as f64) as f32)
        .collect();
    TensorData::new(values, shape)
}

/// A layer from its matrix `[out, in]` and its bias, both by formula.
fn linear(
    [out, input]: [usize; 2],
    device: &Device,
    weight: impl Fn(f64, f64) -> f64,
    bias: impl Fn(f64) -> f64,
) -> Linear {
    Linear {
        weight: Param::from_data(matrix(input, out, [input, out], |i, o| weight(o, i)), device),
        bias: Some(Param::from_data(matrix(1, out, [out], |_, o| bias(o)), device)),
    }
}

/// Four dimensions, similarities of three, two partitions of four free regions.
fn golden(head: Head, device: &Device) -> Similarity {
    let layer = TEmdeConfig::new(4)
        .with_partitions(2)
        .with_bits(2)
        .with_assignment(Assignment::Softmax);
    let kind = GlobalKind::TEmde { layer, share: true };
    let mut model = SimilarityConfig::new(4, kind, head)
        .with_similarity_dim(3)
        .init(device);
    let sketch = model.global.sketch.as_mut().unwrap();
    let region = |row: f64| (0.9 * (row / 4.0).floor(), row % 4.0);
    let weight = matrix(8, 4, [8, 4], |row, k| {
        let (n, w) = region(row);
        2.0 * (0.3 + n + 0.7 * w + 1.1 * k).sin()
    });
    sketch.weight = Param::from_data(weight, device);
    sketch.offset = Param::from_data(matrix(1, 8, [8], |_, row| 0.1 * region(row).1), device);
    model.sim_tranloc_w = linear(
        [3, 4],
        device,
        |s, k| 0.5 * (0.2 + 0.8 * s + 0.5 * k).sin(),
        |s| 0.1 * s,
    );
    let whole = |s: f64, j: f64| 0.5 * (0.1 + 0.6 * s + 0.9 * j).cos();
    model.sim_tranglo_w = linear([3, 8], device, whole, |_| 0.0);
    model.sim_eval_w = linear([1, 3], device, |_, s| [1.0, -2.0, 0.5][s as usize], |_| 0.1);
    if let Some(saf) = &mut model.saf {
        saf.attn_sim_w = linear([1, 3], device, |_, s| [0.7, -0.4, 0.2][s as usize], |_| 0.05);
    }
    for step in &mut model.sgr {
        let layer = |weight: fn(f64, f64) -> f64| linear([3, 3], device, weight, |_| 0.0);
        step.graph_query_w = layer(|o, i| 0.6 * (0.4 + 0.5 * o + 1.2 * i).sin());
        step.graph_key_w = layer(|o, i| 0.6 * (0.2 + 0.7 * o + 0.3 * i).cos());
        step.sim_graph_w = layer(|o, i| 0.8 * (1.0 + 1.1 * o + 0.6 * i).sin());
    }
    model
}

/// Scores of two images of three regions with captions of three and two words, `[images · captions]`.
fn scores(model: &Similarity, device: &Device) -> Vec<f32> {
    let regions = matrix(2, 12, [2, 3, 4], |m, at| {
        (1.0 + 0.5 * m + 1.3 * (at / 4.0).floor() + 0.7 * (at % 4.0)).sin()
    });
    let words = matrix(2, 12, [2, 3, 4], |c, at| {
        (0.3 + 0.4 * c + 1.1 * (at / 4.0).floor() + 0.6 * (at % 4.0)).cos()
    });
    let lengths = Lengths::new(vec![3, 2], 3);
    let regions = unit(Tensor::<3>::from_data(regions, device), 2);
    let words = unit(Tensor::<3>::from_data(words, device), 2) * lengths.mask(device).unsqueeze_dim::<3>(2);
    let (images, captions) = (model.images(regions), model.captions(words, lengths));
    read(sigmoid(model.all(&images, &captions)))
}

/// Whichever device: these are the figures of the spec, in double precision.
#[track_caller]
fn of_the_spec(found: &[f32], wanted: &[f64]) {
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((f64::from(*found) - wanted).abs() < 5e-6, "{found} {wanted}");
    }
}

/// Evaluation, then training and the statistics that it leaves behind.
pub fn golden_saf(device: &Device) -> Values {
    let mut values = Values::default();
    let found = scores(&golden(Head::Saf, device), device);
    of_the_spec(&found, &[0.396611, 0.392459, 0.403522, 0.398950]);
    values.put("evaluated", found);
    let training = device.clone().autodiff();
    let model = golden(Head::Saf, &training);
    let found = scores(&model, &training);
    of_the_spec(&found, &[0.400069, 0.393071, 0.401676, 0.407589]);
    values.put("trained", found);
    values.weights(&model);
    values
}

pub fn golden_sgr(device: &Device) -> Values {
    let mut values = Values::default();
    for (name, device) in [
        ("evaluated", device.clone()),
        ("trained", device.clone().autodiff()),
    ] {
        let found = scores(&golden(Head::Sgr { steps: 3 }, &device), &device);
        of_the_spec(&found, &[0.372606]);
        values.put(name, found);
    }
    values
}

/// Four pairs of an image of five regions and a caption of five to two words.
fn batch() -> PairBatch {
    PairBatch {
        features: normals("regions", 4 * 5 * 8),
        shape: [4, 5, 8],
        ids: vec![1, 5, 6, 7, 2, 1, 8, 9, 2, 0, 1, 10, 2, 0, 0, 1, 2, 0, 0, 0],
        lengths: vec![5, 4, 3, 2],
        captions: vec![0, 1, 2, 3],
        images: vec![0, 1, 2, 3],
        known: (0..16).map(|_| false).collect(),
    }
}

/// A small matcher, and what it learns from: with this margin every pair goes on teaching.
fn matching(module: &str) -> Matching {
    Matching {
        model: toml::from_str(&format!(
            "module = '{module}'\npooling = 't_emde'\nt_emde = {{ partitions = 2, bits = 3 }}\n\
             dim = 16\nsimilarity_dim = 8\nword_dim = 8\ndropout = 0.0"
        ))
        .unwrap(),
        loss: toml::from_str("margin = 1.0").unwrap(),
    }
}

fn matcher(paper: &Matching, device: &Device) -> Matcher {
    let facts = PairFacts {
        words: 12,
        regions: 5,
        dim: 8,
    };
    paper.model(&facts, 1, &device.clone().autodiff()).unwrap()
}

const CLOCK: Clock = Clock {
    seed: 5,
    step: 0,
    epoch: 0,
    micro: 0,
};

/// Weights after some steps on the CPU, with offsets from the first batch. A matcher begins with nearly one score for all pairs, whose
/// gradients cancel down to rounding: two devices could not be compared by them.
fn learnt(paper: &Matching) -> Tensors {
    let device = cpu();
    let mut model = paper.settle(matcher(paper, &device), batch(), &device);
    let on_device = model.upload(batch(), &device.autodiff());
    let section: OptimizerSection = toml::from_str("kind = 'adam'\nlr = 1e-2").unwrap();
    let mut optimizer = Optimizer::new(Groups::new(&section, "").unwrap());
    for _ in 0..40 {
        let loss = model.loss(0, &on_device, &CLOCK).total;
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(model, grads, &[section.lr]);
    }
    collect(&model)
}

/// The loss, every gradient, a step along them, the loss and the scores after it.
fn step(module: &str, device: &Device) -> Values {
    let paper = matching(module);
    let (mut model, _) = apply(matcher(&paper, device), &learnt(&paper), &Import::default()).unwrap();
    let mut values = Values::default();
    let settled = paper.settle(matcher(&paper, device), batch(), device);
    let sketch = settled.similarity.global.sketch.unwrap();
    values.tensor("offsets from the first batch", sketch.offset.val().inner());
    let on_device = model.upload(batch(), &device.clone().autodiff());
    let section: OptimizerSection = toml::from_str("kind = 'sgd'\nlr = 0.05").unwrap();
    let mut optimizer = Optimizer::new(Groups::new(&section, "").unwrap());
    for name in ["loss", "loss after a step"] {
        let losses = model.loss(0, &on_device, &CLOCK);
        values.tensor(name, losses.total.clone().inner());
        if name == "loss" {
            let grads = GradientsParams::from_grads(losses.total.backward(), &model);
            values.gradients(&model, &grads);
            let (grads, _) = clip(&model, grads, 0.5);
            model = optimizer.step(model, grads, &[section.lr]);
        }
    }
    values.weights(&model);
    // A batch norm takes the first of these off again, a softmax the second. After two steps of reasoning the nodes are nearly one
    // vector, and what the third attends to is of no matter. Their gradients are rounding: 5e-8 and less beside 0.4 of the others.
    values.leave_out(&[
        "saf.attn_sim_w.bias",
        "graph_key_w.bias",
        "sgr.2.graph_query_w.weight",
        "sgr.2.graph_query_w.bias",
        "sgr.2.graph_key_w.weight",
    ]);
    let plain = model.valid();
    let batch = Pairs::upload(batch(), device);
    let images = plain.images(batch.features);
    let captions = plain.captions(batch.ids, batch.lengths);
    values.tensor("scores", sigmoid(plain.logits(&images, &captions)));
    values
}

pub fn saf_step(device: &Device) -> Values {
    step("saf", device)
}

pub fn sgr_step(device: &Device) -> Values {
    step("sgr", device)
}
