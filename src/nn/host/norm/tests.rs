use super::*;
use crate::device::cpu;
use crate::nn::init::tests::noise;
use burn::tensor::Device;
use burn::tensor::module::{batch_norm as burns_fixed, batch_norm_train};

fn vector<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

fn near(name: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    let scale = theirs.iter().fold(1e-2f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        // burn adds thousands of terms of either sign up in f32.
        assert!((a - b).abs() <= 1e-4 * scale, "{name} {i}: {a} {b}");
    }
}

const EPS: f64 = 1e-5;

const CASES: [(bool, Activation); 7] = [
    (false, Activation::Identity),
    (false, Activation::Relu),
    (false, Activation::Relu6),
    (false, Activation::Silu),
    (true, Activation::Identity),
    (true, Activation::Relu),
    (true, Activation::Relu6),
];

/// Output, statistics, and gradients by input, weight, bias and what is added.
fn run(ours: bool, shape: [usize; 4], add: bool, act: Activation, device: &Device) -> Vec<Vec<f32>> {
    let leaf = |x: Tensor<4>| Tensor::<4>::from_data(x.into_data(), device).require_grad();
    let small = |seed| Tensor::<1>::from_data(noise([shape[1]], seed).into_data(), device).require_grad();
    // Far from the origin, where a difference of squares would lose the variance.
    let (x, other) = (leaf(noise(shape, 1) * 2.0 + 100.0), leaf(noise(shape, 2)));
    // Large weights, so that a ReLU6 has something to cut.
    let weight = Tensor::<1>::from_data((noise([shape[1]], 3) * 4.0).into_data(), device).require_grad();
    let bias = small(4);
    let then = Then {
        add: add.then(|| other.clone()),
        act,
    };
    let (y, mean, variance) = if ours {
        let found = batch_norm(&x, &weight, &bias, EPS, &then).unwrap();
        (found.output, found.mean, found.variance)
    } else {
        let found = batch_norm_train(x.clone(), weight.clone(), bias.clone(), EPS);
        let y = if add {
            found.output + other.clone()
        } else {
            found.output
        };
        (act.forward(y), vector(found.mean), vector(found.variance))
    };
    let factors = Tensor::from_data(noise(shape, 5).into_data(), device);
    let grads = (y.clone() * factors).sum().backward();
    let mut all = vec![vector(y), mean, variance];
    all.extend(
        [x.grad(&grads), other.grad(&grads)]
            .into_iter()
            .flatten()
            .map(vector),
    );
    all.extend(
        [weight.grad(&grads), bias.grad(&grads)]
            .into_iter()
            .flatten()
            .map(vector),
    );
    all
}

#[test]
fn output_statistics_and_gradients_are_burns() {
    let device = cpu().autodiff();
    for shape in [[4, 3, 5, 7], [3, 2, 1, 1], [2, 1, 70, 61], [9, 5, 4, 4]] {
        for (add, act) in CASES {
            let name = format!("{shape:?} {add} {act:?}");
            let (ours, theirs) = (
                run(true, shape, add, act, &device),
                run(false, shape, add, act, &device),
            );
            assert_eq!(
                (ours.len(), theirs.len()),
                (6 + usize::from(add), 6 + usize::from(add)),
                "{name}"
            );
            for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                near(&format!("{name} {i}"), a, b);
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_threads() {
    let bits = |threads: usize| -> Vec<Vec<u32>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let all = pool.install(|| run(true, [5, 7, 11, 13], true, Activation::Relu, &cpu().autodiff()));
        all.into_iter()
            .map(|v| v.into_iter().map(f32::to_bits).collect())
            .collect()
    };
    let one = bits(1);
    for threads in [2, 3, 7] {
        assert_eq!(bits(threads), one, "{threads}");
    }
}

#[test]
fn fixed_statistics_give_burns_output() {
    let shape = [3, 4, 5, 6];
    let (x, other) = (noise(shape, 1), noise(shape, 2));
    let [mean, weight, bias] = [3, 4, 5].map(|seed| noise::<1>([4], seed));
    let variance = noise::<1>([4], 6).powi_scalar(2);
    for (add, act) in CASES.into_iter().chain([(true, Activation::Silu)]) {
        let then = Then {
            add: add.then(|| other.clone()),
            act,
        };
        let ours = fixed_norm(&x, [&mean, &variance, &weight, &bias], 0.1, &then).unwrap();
        let [m, v, w, b] = [&mean, &variance, &weight, &bias].map(Clone::clone);
        let mut theirs = burns_fixed(x.clone(), w, b, m, v, 0.1);
        if add {
            theirs = theirs + other.clone();
        }
        near(
            &format!("fixed {add} {act:?}"),
            &vector(ours),
            &vector(act.forward(theirs)),
        );
    }
}

#[test]
fn fixed_statistics_give_burns_gradients() {
    let device = cpu().autodiff();
    let shape = [3, 4, 5, 6];
    let plain = |seed| Tensor::<1>::from_data(noise([4], seed).into_data(), &device);
    let [mean, weight, bias] = [3, 4, 5].map(plain);
    let (weight, variance) = (weight * 4.0, plain(6).powi_scalar(2));
    let factors = Tensor::from_data(noise(shape, 7).into_data(), &device);
    for (add, act) in CASES {
        let run = |ours: bool| -> Vec<Vec<f32>> {
            let leaf = |seed| Tensor::<4>::from_data(noise(shape, seed).into_data(), &device).require_grad();
            let (x, other) = (leaf(1), leaf(2));
            let then = Then {
                add: add.then(|| other.clone()),
                act,
            };
            let [m, v, w, b] = [&mean, &variance, &weight, &bias];
            let y = if ours {
                fixed_norm(&x, [m, v, w, b], 0.1, &then).unwrap()
            } else {
                let y = burns_fixed(x.clone(), w.clone(), b.clone(), m.clone(), v.clone(), 0.1);
                act.forward(if add { y + other.clone() } else { y })
            };
            let grads = (y.clone() * factors.clone()).sum().backward();
            let gradients = [x.grad(&grads), other.grad(&grads)].into_iter().flatten();
            [y].into_iter().chain(gradients).map(vector).collect()
        };
        let (ours, theirs) = (run(true), run(false));
        assert_eq!(
            (ours.len(), theirs.len()),
            (2 + usize::from(add), 2 + usize::from(add))
        );
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            near(&format!("fixed {add} {act:?} {i}"), a, b);
        }
    }
    let trained = weight.detach().require_grad();
    let then = Then {
        add: None,
        act: Activation::Relu,
    };
    let x = Tensor::<4>::from_data(noise(shape, 1).into_data(), &device);
    assert!(fixed_norm(&x, [&mean, &variance, &trained, &bias], 0.1, &then).is_none());
}
