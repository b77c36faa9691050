//! Gradients: the CPU's own operations against burn's, and the hardest pairs against the whole graph.

use super::super::global::GlobalKind;
use super::super::hard_pairs;
use super::super::similarity::{Head, Similarity, SimilarityConfig};
use super::values;
use crate::backbones::weights::collect;
use crate::device::cpu;
use crate::losses::HardestHinge;
use crate::nn::init::tests::noise;
use crate::nn::{Lengths, TEmdeConfig, initialise, unit};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use std::collections::BTreeMap;

/// Gradients by parameter.
fn collected<M: Module>(module: &M, grads: &Gradients) -> BTreeMap<ParamId, Vec<f32>> {
    struct Visitor<'a>(&'a Gradients, BTreeMap<ParamId, Vec<f32>>);
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = param.val().grad(self.0) {
                self.1.insert(param.id, values(grad));
            }
        }
    }
    let mut visitor = Visitor(grads, BTreeMap::new());
    module.visit(&mut visitor);
    visitor.1
}

/// Asserts that both are the same but for `share` of the largest value, or of 0.1: some gradients are nothing but rounding (of a bias
/// that a softmax or a batch norm takes off again).
#[track_caller]
fn close(what: &str, found: &[f32], exact: &[f32], share: f32) {
    assert_eq!(found.len(), exact.len(), "{what}");
    let scale = exact.iter().fold(0.1f32, |most, v| most.max(v.abs()));
    for (f, e) in found.iter().zip(exact) {
        assert!((f - e).abs() <= share * scale, "{what}: {f} {e} of {scale}");
    }
}

/// A model, unit regions and unit words behind whose ends there is nothing.
fn world(
    global: &GlobalKind,
    head: Head,
    images: usize,
    slots: usize,
    lengths: &Lengths,
    device: &Device,
) -> (Similarity, [TensorData; 2]) {
    let dim = 19;
    let model = SimilarityConfig::new(dim, global.clone(), head)
        .with_similarity_dim(7)
        .init(device);
    let model = initialise(model, 4, |info| match info.name {
        "bias" => Some(crate::nn::Draw::Uniform { bound: 0.3 }),
        _ => global.draw(info),
    });
    let captions = lengths.each().len();
    let regions = unit(noise([images, slots, dim], 1), 2);
    let words =
        unit(noise([captions, lengths.padded(), dim], 2), 2) * lengths.mask(&cpu()).unsqueeze_dim::<3>(2);
    (model, [regions.into_data(), words.into_data()])
}

fn t_emde() -> GlobalKind {
    let layer = TEmdeConfig::new(19).with_partitions(2).with_bits(3);
    GlobalKind::TEmde { layer, share: true }
}

#[test]
fn the_cpus_operations_are_burns() {
    // More images than parts, more words of an image than a tile and than a task, captions of every length.
    let lengths = Lengths::new((0..24).map(|c| 45 - c - c / 6 * 4).collect(), 46);
    compare(18, lengths, &[[3, 2], [0, 7], [17, 23], [3, 0], [5, 5]]);
    // A caption longer than a tile, one of a single word.
    compare(2, Lengths::new(vec![300, 1], 300), &[[1, 1], [0, 0], [1, 0]]);
}

fn compare(count: usize, lengths: Lengths, some: &[[usize; 2]]) {
    let captions_count = lengths.each().len();
    for head in [Head::Saf, Head::Sgr { steps: 3 }] {
        let device = cpu().autodiff();
        let (model, [regions, words]) = world(&t_emde(), head, count, 5, &lengths, &device);
        let factors = noise([count, captions_count], 3).into_data();
        let run = |host: bool| {
            let regions = Tensor::<3>::from_data(regions.clone(), &device).require_grad();
            let words = Tensor::<3>::from_data(words.clone(), &device).require_grad();
            let (images, captions) = (
                model.images(regions.clone()),
                model.captions(words.clone(), lengths.clone()),
            );
            let logits = match host {
                true => model.all(&images, &captions),
                false => model.all_padded(&images, &captions),
            };
            let running = collect(&model);
            let grads = (logits.clone() * Tensor::from_data(factors.clone(), &device))
                .sum()
                .backward();
            // What lies behind a caption's end is nobody's.
            let mask = lengths.mask(&cpu()).unsqueeze_dim::<3>(2);
            let inputs = [
                values(regions.grad(&grads).unwrap()),
                values(words.grad(&grads).unwrap() * mask),
            ];
            (values(logits.inner()), inputs, collected(&model, &grads), running)
        };
        let model_before = collect(&model);
        let (exact, exact_inputs, exact_grads, exact_running) = run(false);
        if head == Head::Saf {
            let name = "saf.bn.running_mean";
            assert_ne!(exact_running[name], model_before[name]);
        }
        let (found, inputs, grads, running) = run(true);
        close("logits", &found, &exact, 2e-5);
        for ((what, found), exact) in ["regions", "words"].iter().zip(&inputs).zip(&exact_inputs) {
            close(what, found, exact, 5e-5);
        }
        assert_eq!(grads.len(), exact_grads.len());
        for ((id, found), exact) in grads.iter().zip(exact_grads.values()) {
            close(&format!("{id:?}"), found, exact, 5e-5);
        }
        // The same batch again: running statistics took the same steps from another start.
        if head == Head::Saf {
            for name in ["saf.bn.running_mean", "saf.bn.running_var"] {
                let one = |tensors: &crate::backbones::weights::Tensors| {
                    tensors[name].clone().try_into_vec_as::<f32>().unwrap()[0]
                };
                let (start, once, twice) = (one(&model_before), one(&exact_running), one(&running));
                let kept = 0.9f32.powi(captions_count as i32);
                assert!(
                    (twice - (once + kept * (once - start))).abs() < 1e-5,
                    "{name}: {start} {once} {twice}"
                );
            }
        }

        // Outside of a graph: blocks of images, folded matrices.
        let plain = model.valid();
        let images = plain.images(Tensor::from_data(regions.clone(), &cpu()));
        let captions = plain.captions(Tensor::from_data(words.clone(), &cpu()), lengths.clone());
        let exact = values(plain.all_padded(&images, &captions));
        close("plain", &values(plain.all(&images, &captions)), &exact, 2e-5);
        let wanted: Vec<f32> = some.iter().map(|&[i, c]| exact[i * captions_count + c]).collect();
        close(
            "some",
            &values(plain.some(&images, &captions, some)),
            &wanted,
            2e-5,
        );
    }
}

#[test]
fn the_hardest_pairs_alone_give_the_loss_and_the_gradients_of_the_whole_graph() {
    let device = cpu().autodiff();
    let batch = 7;
    let lengths = Lengths::new(vec![6, 5, 5, 4, 2, 2, 1], 6);
    let known: Vec<bool> = (0..batch * batch).map(|at| at == 1 || at == batch).collect();
    for global in [
        GlobalKind::Mean,
        GlobalKind::SelfAttention {
            regions: 3,
            dropout: 0.0,
        },
        t_emde(),
    ] {
        let (model, [regions, words]) = world(&global, Head::Sgr { steps: 2 }, batch, 3, &lengths, &device);
        for (margin, known) in [(0.2, None), (0.2, Some(known.as_slice())), (-1.0, None)] {
            let hinge = HardestHinge::new(margin);
            let run = |way: Way| {
                let regions = Tensor::<3>::from_data(regions.clone(), &device).require_grad();
                let words = Tensor::<3>::from_data(words.clone(), &device).require_grad();
                let images = model.images(regions.clone());
                let captions = model.captions(words.clone(), lengths.clone());
                let loss = match way {
                    Way::Whole => {
                        let known = known.map(|known| {
                            Tensor::<2, Bool>::from_data(TensorData::new(known.to_vec(), [batch; 2]), &device)
                        });
                        hinge.with_known(sigmoid(model.all(&images, &captions)), known)
                    }
                    Way::Host => hard_pairs::loss(&model, &images, &captions, &hinge, known),
                    Way::Device => hard_pairs::on_device(&model, &images, &captions, &hinge, known),
                };
                let value = values(loss.clone())[0];
                let grads = loss.backward();
                let inputs = [
                    values(regions.grad(&grads).unwrap()),
                    values(words.grad(&grads).unwrap()),
                ];
                (value, inputs, collected(&model, &grads))
            };
            let (exact, exact_inputs, exact_grads) = run(Way::Whole);
            assert!(
                margin < 0.0 || exact > 0.1,
                "a loss without violations shows nothing: {exact}"
            );
            for way in [Way::Host, Way::Device] {
                let (found, inputs, grads) = run(way);
                assert!((exact - found).abs() < 1e-5, "{exact} {found}");
                assert_eq!(exact_grads.len(), grads.len());
                let pairs = inputs
                    .iter()
                    .zip(&exact_inputs)
                    .chain(grads.values().zip(exact_grads.values()));
                for (found, exact) in pairs {
                    close("gradient", found, exact, 2e-5);
                }
            }
        }
    }
}

/// How the loss of a step is computed.
enum Way {
    Whole,
    Host,
    Device,
}

#[test]
fn captions_scored_a_few_at_a_time_score_the_same() {
    let device = cpu();
    let lengths = Lengths::new(vec![4, 3, 3, 2, 1], 4);
    for head in [Head::Saf, Head::Sgr { steps: 2 }] {
        let (model, [regions, words]) = world(&t_emde(), head, 3, 2, &lengths, &device);
        let images = model.images(Tensor::from_data(regions, &device));
        let captions = model.captions(Tensor::from_data(words, &device), lengths.clone());
        let whole = values(model.all_padded(&images, &captions));
        // Two captions at a time, one, and all.
        for most in [2 * 3 * 4 * 19, 1, usize::MAX] {
            close(
                "scores",
                &values(model.all_in_chunks(&images, &captions, most)),
                &whole,
                1e-6,
            );
        }
    }
}

#[test]
fn an_all_zero_region_has_a_finite_gradient() {
    let device = cpu().autodiff();
    let lengths = Lengths::new(vec![3, 2], 3);
    for head in [Head::Saf, Head::Sgr { steps: 2 }] {
        let (model, [regions, words]) = world(&t_emde(), head, 2, 4, &lengths, &device);
        let seen = Tensor::<3>::from_floats(
            [[[1.0], [0.0], [1.0], [0.0]], [[1.0], [1.0], [1.0], [0.0]]],
            &device,
        );
        let regions = Tensor::<3>::from_data(regions, &device).require_grad();
        let images = model.images(unit(regions.clone() * seen, 2));
        let captions = model.captions(Tensor::from_data(words, &device), lengths.clone());
        let loss = hard_pairs::loss(&model, &images, &captions, &HardestHinge::new(0.9), None);
        assert!(values(loss.clone())[0] > 0.1);
        let grads = loss.backward();
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        assert!(finite(&values(regions.grad(&grads).unwrap())));
        assert!(collected(&model, &grads).values().all(|grad| finite(grad)));
    }
}
