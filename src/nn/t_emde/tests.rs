//! The hand examples, invariants and gradients of the layer's spec.

use super::*;
use crate::device::cpu;
use crate::nn::{initialise, unit};
use burn::tensor::activation::sigmoid;

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

fn near(found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len());
    for (f, w) in found.iter().zip(wanted) {
        assert!((f - w).abs() < 2e-6, "{found:?}\n{wanted:?}");
    }
}

fn layer(config: TEmdeConfig, device: &Device) -> TEmde {
    initialise(config.init(device), 3, |info| {
        Some(match info.name {
            "weight" => super::super::Draw::Normal { std: 1.0 },
            _ => super::super::Draw::Uniform { bound: 0.3 },
        })
    })
}

fn tokens(sets: usize, count: usize, dim: usize, device: &Device) -> Tensor<3> {
    let mut stream = crate::random::stream(5, "tokens", &[count as u64]);
    let data: Vec<f32> = (0..sets * count * dim).map(|_| stream.normal() as f32).collect();
    unit(
        Tensor::from_data(TensorData::new(data, [sets, count, dim]), device),
        2,
    )
}

#[test]
fn soft_bits_spell_the_codes_of_the_hand_example() {
    let device = cpu();
    // One partition of two bits; the token's coordinates are z themselves.
    let layer = TEmde {
        weight: Param::from_data([[1.0f32, 0.0], [0.0, 1.0]], &device),
        ..TEmdeConfig::new(2).with_partitions(1).with_bits(2).init(&device)
    };
    let token = Tensor::<3>::from_floats([[[0.4, -1.1]]], &device);
    near(
        &values(layer.memberships(token.clone(), false)),
        &[0.301_089, 0.100_224, 0.449_171, 0.149_516],
    );
    let z = sigmoid(token);
    let (a, b) = (values(z.clone())[0], values(z)[1]);
    near(
        &values(layer.memberships(Tensor::<3>::from_floats([[[0.4, -1.1]]], &device), false)),
        &[(1.0 - a) * (1.0 - b), (1.0 - a) * b, a * (1.0 - b), a * b],
    );
}

#[test]
fn free_logits_of_the_hand_example() {
    let device = cpu();
    let config = TEmdeConfig::new(2)
        .with_partitions(1)
        .with_bits(1)
        .with_assignment(Assignment::Softmax);
    let layer = TEmde {
        weight: Param::from_data([[3f32.ln(), 0.0], [0.0, 0.0]], &device),
        ..config.init(&device)
    };
    let tokens = Tensor::<3>::from_floats([[[1.0, 0.0], [0.0, 1.0]]], &device);
    near(
        &values(layer.memberships(tokens.clone(), false)),
        &[0.75, 0.25, 0.5, 0.5],
    );
    let mask = Tensor::ones([1, 2], &device);
    near(
        &values(layer.sketch(layer.memberships(tokens.clone(), false), mask.clone())),
        &[1.25, 0.75],
    );
    near(&values(layer.forward(tokens, mask)), &[0.857_493, 0.514_496]);
}

#[test]
fn a_sketch_counts_its_tokens_whatever_their_order_and_padding() {
    let device = cpu();
    let layer = layer(TEmdeConfig::new(6).with_partitions(3).with_bits(4), &device);
    let all = tokens(1, 5, 6, &device);
    let ones = |n| Tensor::<2>::ones([1, n], &device);
    let sketch = |tokens: Tensor<3>, mask| layer.sketch(layer.memberships(tokens, false), mask);
    let whole = sketch(all.clone(), ones(5));
    for partition in values(whole.clone()).chunks_exact(16) {
        assert!((partition.iter().sum::<f32>() - 5.0).abs() < 1e-5);
    }
    let turned = Tensor::cat(vec![all.clone().narrow(1, 2, 3), all.clone().narrow(1, 0, 2)], 1);
    near(&values(sketch(turned, ones(5))), &values(whole.clone()));
    // X ∪ Y, Y behind the mask's end, and twice the same.
    let parts = sketch(all.clone().narrow(1, 0, 2), ones(2)) + sketch(all.clone().narrow(1, 2, 3), ones(3));
    near(&values(parts), &values(whole));
    let mask = Tensor::<2>::from_floats([[1.0, 1.0, 0.0, 0.0, 0.0]], &device);
    near(
        &values(sketch(all.clone(), mask)),
        &values(sketch(all.clone().narrow(1, 0, 2), ones(2))),
    );
    let once = layer.forward(all.clone(), ones(5));
    let twice = layer.forward(Tensor::cat(vec![all.clone(), all], 1), ones(10));
    near(&values(twice), &values(once.clone()));
    // Every partition has its share of the length.
    for row in values(once).chunks_exact(16) {
        let length = row.iter().map(|v| v * v).sum::<f32>();
        assert!((length - 1.0 / 3.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn scaled_up_hyperplanes_give_the_hard_codes() {
    let device = cpu();
    let soft = layer(TEmdeConfig::new(6).with_partitions(2).with_bits(3), &device);
    let tokens = tokens(2, 4, 6, &device);
    let sharp = TEmde {
        weight: soft.weight.clone().map(|w| w * 1e5),
        offset: soft.offset.clone().map(|b| b * 1e5),
        ..soft.clone()
    };
    let hard = values(soft.memberships(tokens.clone(), true));
    near(&values(sharp.memberships(tokens.clone(), false)), &hard);
    // By hand, from the sides.
    let sides = values(
        tokens
            .clone()
            .reshape([8, 6])
            .matmul(soft.weight.val().transpose())
            - soft.offset.val().unsqueeze::<2>(),
    );
    let codes: Vec<i32> = sides
        .chunks_exact(3)
        .map(|bits| {
            bits.iter()
                .fold(0, |code, &side| code * 2 + i32::from(side > 0.0))
        })
        .collect();
    let found: Vec<i32> = soft.codes(tokens).into_data().iter::<i32>().collect();
    assert_eq!(found, codes);
}

#[test]
fn offsets_at_the_median_halve_the_tokens() {
    let device = cpu().autodiff();
    let layer = layer(TEmdeConfig::new(4).with_partitions(2).with_bits(2), &device);
    let tokens = tokens(2, 9, 4, &device);
    let mut mask = vec![1.0f32; 18];
    mask[17] = 0.0;
    let mask = Tensor::<2>::from_data(TensorData::new(mask, [2, 9]), &device);
    let layer = layer.with_median_offsets(tokens.clone(), mask);
    assert!(layer.offset.is_require_grad());
    let sides = values(
        tokens.reshape([18, 4]).matmul(layer.weight.val().transpose()) - layer.offset.val().unsqueeze::<2>(),
    );
    for row in 0..4 {
        let above = (0..17).filter(|token| sides[token * 4 + row] > 0.0).count();
        assert_eq!(above, 8, "{row}");
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let device = cpu().autodiff();
    for assignment in [Assignment::Hyperplanes, Assignment::Softmax] {
        let config = TEmdeConfig::new(3)
            .with_partitions(2)
            .with_bits(2)
            .with_assignment(assignment);
        let layer = layer(config, &device);
        let tokens = tokens(2, 3, 3, &device);
        let mask = Tensor::<2>::from_floats([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]], &device);
        let loss = |layer: &TEmde| {
            let g = layer.forward(tokens.clone(), mask.clone());
            let factors = Tensor::<1>::from_floats([1.0, -2.0, 3.0, 0.5, -1.0, 2.5, 0.7, -0.3], &device);
            (g * factors.unsqueeze::<2>()).sum()
        };
        let grads = loss(&layer).backward();
        let check = |gradient: Vec<f32>, shift: &dyn Fn(usize, f32) -> TEmde| {
            for (i, found) in gradient.into_iter().enumerate() {
                let at = |step: f32| values(loss(&shift(i, step)))[0];
                let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!(
                    (slope - found).abs() < 2e-3,
                    "{assignment:?} {i}: {slope} {found}"
                );
            }
        };
        check(values(layer.weight.grad(&grads).unwrap()), &|i, step| TEmde {
            weight: layer.weight.clone().map(|w| {
                let shape = w.dims();
                let mut v = values(w);
                v[i] += step;
                Tensor::from_data(TensorData::new(v, shape), &device)
            }),
            ..layer.clone()
        });
        check(values(layer.offset.grad(&grads).unwrap()), &|i, step| TEmde {
            offset: layer.offset.clone().map(|b| {
                let shape = b.dims();
                let mut v = values(b);
                v[i] += step;
                Tensor::from_data(TensorData::new(v, shape), &device)
            }),
            ..layer.clone()
        });
    }
}

/// T4 with weights, of one-hot memberships, and their norm: EMDE's sketch of a history that fades, in the place of a pooling.
#[test]
fn hard_sketches_count_by_weight() {
    let device = cpu();
    let layer = TEmde {
        weight: Param::from_data([[1.0f32]], &device),
        ..TEmdeConfig::new(1).with_partitions(1).with_bits(1).init(&device)
    };
    // Codes 0, then 1, 100 s later: 0.9^(0.01 · 100) and 1.
    let tokens = Tensor::<3>::from_floats([[[-2.0], [0.3]]], &device);
    let faded = Tensor::<2>::from_floats([[0.9, 1.0]], &device);
    let sketch = layer.sketch(layer.memberships(tokens.clone(), true), faded.clone());
    near(&values(sketch), &[0.9, 1.0]);
    let hard = TEmde {
        hard_eval: true,
        ..layer
    };
    near(
        &values(hard.forward(tokens.clone(), faded.clone())),
        &[0.668_965, 0.743_294],
    );
    // Where a gradient is asked for, memberships stay soft.
    let training = device.autodiff();
    let soft = values(hard.train().forward(
        Tensor::from_data(tokens.into_data(), &training),
        Tensor::from_data(faded.into_data(), &training),
    ));
    assert!((soft[0] - 0.668_965).abs() > 0.01, "{soft:?}");
}
