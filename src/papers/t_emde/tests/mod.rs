//! The golden forward pass (small matrices by formula, figures computed in double precision), sizes, names and encoders.

mod explain;
mod gradients;
mod learning;
mod toy_world;

use super::encoders::{EncoderConfig, draw};
use super::global::GlobalKind;
use super::local::{self, Words};
use super::sgr;
use super::similarity::{Head, RELEASED_NAMES, Similarity, SimilarityConfig, released_name};
use crate::backbones::weights::{Import, apply, collect};
use crate::device::cpu;
use crate::nn::init::tests::noise;
use crate::nn::{Assignment, Lengths, TEmde, TEmdeConfig, initialise, unit};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};

const DIM: usize = 4;
const SIZE: usize = 3;

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

fn near(what: &str, found: &[f32], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (f, w) in found.iter().zip(wanted) {
        assert!((f64::from(*f) - w).abs() < 5e-6, "{what}: {found:?}\n{wanted:?}");
    }
}

/// `[first, second]` by a formula of its indices.
fn matrix(first: usize, second: usize, value: impl Fn(f64, f64) -> f64) -> TensorData {
    let values: Vec<f32> = (0..first)
        .flat_map(|a| (0..second).map(move |b| (a, b)))
        .map(|(a, b)| value(a as f64, b as f64) as f32)
        .collect();
    TensorData::new(values, [first, second])
}

/// A linear layer from `[out, in]` by formula.
fn linear(
    out: usize,
    input: usize,
    weight: impl Fn(f64, f64) -> f64,
    bias: impl Fn(f64) -> f64,
    device: &Device,
) -> Linear {
    Linear {
        weight: Param::from_data(matrix(input, out, |i, o| weight(o, i)), device),
        bias: Some(Param::from_data(
            TensorData::new((0..out).map(|o| bias(o as f64) as f32).collect::<Vec<_>>(), [out]),
            device,
        )),
    }
}

fn vectors(device: &Device) -> (Tensor<3>, Tensor<3>, Lengths) {
    let images = matrix(2, 12, |m, at| {
        let (r, k) = ((at / 4.0).floor(), at % 4.0);
        (1.0 + 0.5 * m + 1.3 * r + 0.7 * k).sin()
    });
    let captions = matrix(2, 12, |c, at| {
        let (w, k) = ((at / 4.0).floor(), at % 4.0);
        (0.3 + 0.4 * c + 1.1 * w + 0.6 * k).cos()
    });
    let lengths = Lengths::new(vec![3, 2], 3);
    let images = unit(Tensor::<2>::from_data(images, device).reshape([2, 3, DIM]), 2);
    let captions = unit(Tensor::<2>::from_data(captions, device).reshape([2, 3, DIM]), 2);
    let mask = lengths.mask(device).unsqueeze_dim::<3>(2);
    (images, captions * mask, lengths)
}

fn model(head: Head, device: &Device) -> Similarity {
    let layer = TEmdeConfig::new(DIM)
        .with_partitions(2)
        .with_bits(2)
        .with_assignment(Assignment::Softmax);
    let config =
        SimilarityConfig::new(DIM, GlobalKind::TEmde { layer, share: true }, head).with_similarity_dim(SIZE);
    let mut model = config.init(device);
    let sketch = model.global.sketch.as_mut().unwrap();
    sketch.weight = Param::from_data(
        matrix(8, DIM, |row, k| {
            let (n, w) = ((row / 4.0).floor(), row % 4.0);
            2.0 * (0.3 + 0.9 * n + 0.7 * w + 1.1 * k).sin()
        }),
        device,
    );
    let offset: Vec<f32> = (0..8).map(|row| 0.1 * (row % 4) as f32).collect();
    sketch.offset = Param::from_data(TensorData::new(offset, [8]), device);
    model.sim_tranloc_w = linear(
        SIZE,
        DIM,
        |s, k| 0.5 * (0.2 + 0.8 * s + 0.5 * k).sin(),
        |s| 0.1 * s,
        device,
    );
    model.sim_tranglo_w = linear(
        SIZE,
        8,
        |s, j| 0.5 * (0.1 + 0.6 * s + 0.9 * j).cos(),
        |_| 0.0,
        device,
    );
    let score = [1.0, -2.0, 0.5];
    model.sim_eval_w = linear(1, SIZE, |_, s| score[s as usize], |_| 0.1, device);
    if let Some(saf) = &mut model.saf {
        let filter = [0.7, -0.4, 0.2];
        saf.attn_sim_w = linear(1, SIZE, |_, s| filter[s as usize], |_| 0.05, device);
    }
    for step in &mut model.sgr {
        step.graph_query_w = linear(
            SIZE,
            SIZE,
            |o, i| 0.6 * (0.4 + 0.5 * o + 1.2 * i).sin(),
            |_| 0.0,
            device,
        );
        step.graph_key_w = linear(
            SIZE,
            SIZE,
            |o, i| 0.6 * (0.2 + 0.7 * o + 0.3 * i).cos(),
            |_| 0.0,
            device,
        );
        step.sim_graph_w = linear(
            SIZE,
            SIZE,
            |o, i| 0.8 * (1.0 + 1.1 * o + 0.6 * i).sin(),
            |_| 0.0,
            device,
        );
    }
    model
}

fn scores(model: &Similarity, device: &Device) -> Vec<f32> {
    let (images, captions, lengths) = vectors(device);
    let images = model.images(images);
    let captions = model.captions(captions, lengths);
    values(sigmoid(model.all(&images, &captions)))
}

#[test]
fn attention_local_similarity_and_sketches_are_the_golden_ones() {
    let device = cpu();
    let model = model(Head::Saf, &device);
    let (images, captions, lengths) = vectors(&device);
    let words = Words::Shared(&captions, &lengths);
    let alpha = values(local::attention(&images, words).slice([0..1, 0..1]));
    near(
        "attention",
        &alpha,
        &[
            0.940357, 0.059550, 0.000093, 0.000602, 0.689754, 0.309644, 0.000332, 0.001418, 0.998251,
        ],
    );
    let local = local::similarity(&images, words, &model.sim_tranloc_w);
    near(
        "local",
        &values(local.clone().slice([0..1, 0..1])),
        &[
            0.414911, 0.641719, 0.645015, 0.054718, 0.500444, 0.864038, 0.062888, 0.497023, 0.865456,
        ],
    );
    assert_eq!(
        values(local.slice([0..2, 1..2, 2..3])),
        [0.0; 6],
        "behind the second caption's end"
    );
    let sketch = model.global.sketch.as_ref().unwrap();
    let of = |tokens: Tensor<3>, mask| values(sketch.sketch(sketch.memberships(tokens, false), mask));
    near(
        "sketch of the image",
        &of(images.clone().narrow(0, 0, 1), Tensor::ones([1, 3], &device)),
        &[
            0.478462, 0.684672, 0.848089, 0.988778, 1.098365, 0.824506, 0.592092, 0.485037,
        ],
    );
    near(
        "sketch of the caption",
        &of(captions.clone().narrow(0, 0, 1), Tensor::ones([1, 3], &device)),
        &[
            0.184770, 0.589811, 0.914669, 1.310751, 0.766184, 0.802716, 0.720578, 0.710522,
        ],
    );
    near(
        "global vector",
        &values(model.images(images).whole.narrow(0, 0, 1)),
        &[
            0.218631, 0.312858, 0.387531, 0.451818, 0.493973, 0.370809, 0.266284, 0.218138,
        ],
    );
}

/// Global and local similarities and the words' mask of all pairs.
fn similarities(model: &Similarity, device: &Device) -> (Tensor<3>, Tensor<4>, Tensor<3>) {
    let (images, captions, lengths) = vectors(device);
    let words = Words::Shared(&captions, &lengths);
    let local = local::similarity(&images, words, &model.sim_tranloc_w);
    let mask = words.mask(device);
    let (images, captions) = (model.images(images), model.captions(captions, lengths.clone()));
    let difference = images.whole.reshape([2, 1, 8]) - captions.whole.reshape([1, 2, 8]);
    (model.whole(difference), local, mask)
}

#[test]
fn the_global_similarity_and_the_filtration_are_the_golden_ones() {
    let device = cpu();
    let model = model(Head::Saf, &device);
    let (whole, local, mask) = similarities(&model, &device);
    let first = |x: Tensor<3>| values(x.slice([0..1, 0..1]));
    near(
        "global similarity",
        &first(whole.clone()),
        &[0.690002, 0.631879, 0.353022],
    );
    let saf = model.saf.as_ref().unwrap();
    let weights = first(saf.weights(&whole, &local, &mask));
    near("weights", &weights, &[0.270163, 0.254586, 0.237202, 0.238049]);
    let filtered = first(saf.forward(whole, local, mask));
    near("filtered", &filtered, &[0.341463, 0.609422, 0.715547]);
}

#[test]
fn the_global_node_after_each_step_is_the_golden_one() {
    let device = cpu();
    let model = model(Head::Sgr { steps: 3 }, &device);
    for (steps, wanted) in [
        (1, [1.115820, 0.355126, 0.0]),
        (2, [1.021972, 0.884397, 0.0]),
        (3, [1.395183, 1.008119, 0.0]),
    ] {
        let (whole, local, mask) = similarities(&model, &device);
        let node = sgr::reason(&model.sgr[..steps], whole, local, mask);
        near("global node", &values(node.slice([0..1, 0..1])), &wanted);
    }
}

#[test]
fn saf_scores_are_the_golden_ones_in_evaluation_and_in_training() {
    near(
        "evaluation",
        &scores(&model(Head::Saf, &cpu()), &cpu()),
        &[0.396611, 0.392459, 0.403522, 0.398950],
    );
    let device = cpu().autodiff();
    let model = model(Head::Saf, &device);
    near(
        "training",
        &scores(&model, &device),
        &[0.400069, 0.393071, 0.401676, 0.407589],
    );
    // Two steps of 0.1, the first caption's first; variances unbiased over 8 and 6 values.
    let bn = &model.valid().saf.unwrap().bn;
    let mean = 0.9 * 0.1 * 0.148827 + 0.1 * 0.229077;
    let var = 0.81 + 0.09 * 0.012540 * 8.0 / 7.0 + 0.1 * 0.007589 * 6.0 / 5.0;
    near("running mean", &values(bn.running_mean.value()), &[mean]);
    near("running variance", &values(bn.running_var.value()), &[var]);
}

#[test]
fn sgr_steps_are_the_golden_ones_and_pairs_score_as_in_the_whole_matrix() {
    let device = cpu();
    let model = model(Head::Sgr { steps: 3 }, &device);
    let all = scores(&model, &device);
    near("score of the first pair", &all[..1], &[0.372606]);
    let (images, captions, lengths) = vectors(&device);
    let (images, captions) = (model.images(images), model.captions(captions, lengths));
    let pairs = values(sigmoid(model.pairs(&images, &captions)));
    near("pairs", &pairs, &[f64::from(all[0]), f64::from(all[3])]);
}

#[test]
fn hyperplanes_are_drawn_at_their_scale_and_halve_the_tokens_of_both_modalities() {
    let device = cpu().autodiff();
    let (images, captions) = (unit(noise([4, 9, 16], 3), 2), unit(noise([4, 5, 16], 4), 2));
    let images = Tensor::<3>::from_data(images.into_data(), &device);
    let captions = Tensor::<3>::from_data(captions.into_data(), &device);
    let lengths = Lengths::new(vec![5, 4, 4, 2], 5);
    for share in [true, false] {
        let layer = TEmdeConfig::new(16)
            .with_partitions(8)
            .with_bits(4)
            .with_scale(3.0);
        let kind = GlobalKind::TEmde { layer, share };
        let global = initialise(kind.init(16, &device), 1, |info| kind.draw(info));
        let drawn = values(global.sketch.as_ref().unwrap().weight.val());
        let spread = (drawn.iter().map(|v| v * v).sum::<f32>() / drawn.len() as f32).sqrt();
        assert!((spread - 3.0).abs() < 0.3, "{spread}");
        let global = global.with_median_offsets(images.clone(), captions.clone(), &lengths);
        let above = |sketch: &TEmde, tokens: &Tensor<3>, mask: Tensor<2>| -> Vec<usize> {
            let [sets, count, dim] = tokens.dims();
            let sides = tokens
                .clone()
                .reshape([sets * count, dim])
                .matmul(sketch.weight.val().transpose())
                - sketch.offset.val().unsqueeze::<2>();
            let (sides, mask) = (values(sides), values(mask));
            (0..32)
                .map(|row| {
                    (0..mask.len())
                        .filter(|t| mask[*t] > 0.0 && sides[t * 32 + row] > 0.0)
                        .count()
                })
                .collect()
        };
        let sketch = global.sketch.as_ref().unwrap();
        let seen = above(sketch, &images, Tensor::ones([4, 9], &device));
        let read = above(
            global.text_sketch.as_ref().unwrap_or(sketch),
            &captions,
            lengths.mask(&device),
        );
        for (seen, read) in seen.into_iter().zip(read) {
            // 36 regions, 15 words.
            match share {
                true => assert_eq!(seen + read, 25),
                false => assert_eq!((seen, read), (18, 7)),
            }
        }
    }
}

#[test]
fn released_names_come_and_go() {
    let device = cpu();
    let host = GlobalKind::SelfAttention {
        regions: 3,
        dropout: 0.4,
    };
    for head in [Head::Saf, Head::Sgr { steps: 2 }] {
        let model = SimilarityConfig::new(DIM, host.clone(), head)
            .with_similarity_dim(SIZE)
            .init(&device);
        let ours = collect(&model);
        let released = ours
            .iter()
            .map(|(name, data)| (released_name(name), data.clone()))
            .collect();
        let import = Import {
            rename: RELEASED_NAMES
                .map(|(from, to)| (from.to_owned(), to.to_owned()))
                .to_vec(),
            ..Import::default()
        };
        let (_, report) = apply(model, &released, &import).unwrap();
        assert_eq!(report.loaded.len(), ours.len());
        let names: Vec<&str> = released.keys().map(String::as_str).collect();
        assert!(names.contains(&"v_global_w.embedding_local.1.running_var"));
        assert!(names.contains(&"t_global_w.embedding_common.0.weight"));
        assert!(names.contains(&match head {
            Head::Saf => "SAF_module.bn.running_mean",
            Head::Sgr { .. } => "SGR_module.1.graph_query_w.bias",
        }));
    }
}

#[test]
fn parameters_are_as_many_as_the_released_models_have() {
    let device = cpu();
    let count =
        |kind: GlobalKind, head: Head| SimilarityConfig::new(1024, kind, head).init(&device).num_params();
    let host = || GlobalKind::SelfAttention {
        regions: 36,
        dropout: 0.4,
    };
    let encoders = EncoderConfig::new(8481);
    let (image, text) = (
        encoders.image(&device).num_params(),
        encoders.text(&device).num_params(),
    );
    assert_eq!(image, 2_098_176);
    assert_eq!(text, 8_146_944 + 2_544_300);
    // Running statistics are no parameters.
    let statistics = 2 * 36 + 2 * 1024;
    assert_eq!(
        image + text + count(host(), Head::Saf) - statistics - 2,
        17_517_306
    );
    assert_eq!(
        image + text + count(host(), Head::Sgr { steps: 3 }) - statistics,
        18_109_175
    );
    let sketch = |assignment| GlobalKind::TEmde {
        layer: TEmdeConfig::new(1024).with_assignment(assignment),
        share: true,
    };
    let mean = count(GlobalKind::Mean, Head::Saf);
    assert_eq!(count(sketch(Assignment::Hyperplanes), Head::Saf) - mean, 57_400);
    assert_eq!(count(sketch(Assignment::Softmax), Head::Saf) - mean, 1_049_600);
}

#[test]
fn padding_the_batch_further_changes_no_score() {
    let device = cpu();
    for head in [Head::Saf, Head::Sgr { steps: 2 }] {
        let model = model(head, &device);
        let before = scores(&model, &device);
        let (images, captions, lengths) = vectors(&device);
        let captions = Tensor::cat(vec![captions, Tensor::zeros([2, 4, DIM], &device)], 1);
        let lengths = Lengths::new(lengths.each().to_vec(), 7);
        let images = model.images(images);
        let captions = model.captions(captions, lengths);
        let after = values(sigmoid(model.all(&images, &captions)));
        near(
            "padded",
            &after,
            &before.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn encoders_give_unit_vectors_and_zeros_behind_the_end() {
    let device = cpu();
    let config = EncoderConfig::new(11)
        .with_word_dim(5)
        .with_dim(6)
        .with_image_dim(7);
    let text = initialise(config.text(&device), 1, draw);
    let ids = Tensor::<2, Int>::from_data([[1, 4, 2], [1, 2, 0]], &device);
    let words = text.forward(ids, &Lengths::new(vec![3, 2], 3));
    let lengths: Vec<f32> = values((words.clone() * words).sum_dim(2));
    near("lengths", &lengths, &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    let image = initialise(config.image(&device), 1, draw);
    let regions = image.forward(Tensor::ones([1, 2, 7], &device));
    near(
        "lengths",
        &values((regions.clone() * regions).sum_dim(2)),
        &[1.0, 1.0],
    );
}
