use super::*;
use crate::device::cpu;
use crate::nn::host::testing::{self, vector};
use crate::nn::init::tests::noise;
use burn::tensor::module::{batch_norm as burns_fixed, batch_norm_train};
use burn::tensor::{Device, FloatDType};

/// burn's side is computed in f64: in f32 its sums of thousands of terms of either sign are further from the truth than ours.
fn wide<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    x.clone().cast(FloatDType::F64)
}

const EPS: f64 = 1e-5;

/// Our mean is an f32, and far from the origin its last bit shows where few terms nearly cancel: they are measured by 0.1.
#[track_caller]
fn near(name: &str, ours: &[f32], theirs: &[f32]) {
    testing::near(name, ours, theirs, 3e-5, 0.1);
}

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
        let found = batch_norm_train(wide(&x), wide(&weight), wide(&bias), EPS);
        let y = if add {
            found.output + wide(&other)
        } else {
            found.output
        };
        (act.forward(y), vector(found.mean), vector(found.variance))
    };
    let factors = Tensor::<4>::from_data(noise(shape, 5).into_data(), device);
    let grads = (y.clone() * factors.cast(y.dtype())).sum().backward();
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
        let [m, v, w, b] = [&mean, &variance, &weight, &bias].map(wide);
        let mut theirs = burns_fixed(wide(&x), w, b, m, v, 0.1);
        if add {
            theirs = theirs + wide(&other);
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
    let factors = Tensor::<4>::from_data(noise(shape, 7).into_data(), &device);
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
                let y = burns_fixed(wide(&x), wide(w), wide(b), wide(m), wide(v), 0.1);
                act.forward(if add { y + wide(&other) } else { y })
            };
            let grads = (y.clone() * factors.clone().cast(y.dtype())).sum().backward();
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
