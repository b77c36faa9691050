use super::*;
use crate::device::cpu;
use crate::nn::init::tests::noise;
use burn::tensor::module::conv2d as burns;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, TensorData};

fn vector<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

fn near(name: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    let scale = theirs.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= 2e-5 * scale, "{name} {i}: {a} {b}");
    }
}

fn on<const D: usize>(x: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(x.to_data(), device).require_grad()
}

/// Output and gradients by input and weight of Σ factors · output.
fn run(
    ours: bool,
    [x, weight]: [&Tensor<4>; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
) -> ([usize; 4], [Vec<f32>; 3]) {
    let device = cpu().autodiff();
    let (x, weight) = (on(x, &device), on(weight, &device));
    let y = match ours {
        true => conv2d(&x, &weight, stride, padding).unwrap(),
        false => {
            let sides = [0, 1].map(|axis| (padding[0][axis], padding[1][axis]));
            let options = ConvOptions::new_with_padding(stride, sides, [1, 1], x.dims()[1]);
            burns(x.clone(), weight.clone(), None, options)
        }
    };
    let factors = Tensor::from_data(noise(y.dims(), 9).into_data(), &device);
    let grads = (y.clone() * factors).sum().backward();
    let (dx, dw) = (x.grad(&grads).unwrap(), weight.grad(&grads).unwrap());
    (y.dims(), [vector(y), vector(dx), vector(dw)])
}

#[test]
fn output_and_gradients_are_burns() {
    // [batch, channels, height, width], kernel, stride, padding above and left, below and right
    let cases = [
        ([1, 1, 1, 1], [1, 1], [1, 1], [[0, 0], [0, 0]]),
        ([2, 3, 7, 5], [3, 3], [1, 1], [[1, 1], [1, 1]]),
        ([2, 3, 7, 5], [5, 5], [1, 1], [[2, 2], [2, 2]]),
        ([2, 3, 8, 6], [3, 3], [2, 2], [[1, 1], [1, 1]]),
        ([2, 3, 9, 7], [5, 5], [2, 2], [[2, 2], [2, 2]]),
        // As TensorFlow pads: even sizes at stride 2.
        ([2, 3, 8, 6], [3, 3], [2, 2], [[0, 0], [1, 1]]),
        ([2, 3, 8, 7], [5, 5], [2, 2], [[1, 2], [2, 2]]),
        ([3, 4, 72, 72], [3, 3], [1, 1], [[1, 1], [1, 1]]),
        ([2, 2, 36, 35], [5, 5], [2, 2], [[1, 2], [2, 2]]),
        ([2, 2, 70, 67], [3, 3], [2, 2], [[0, 1], [1, 1]]),
        // No padding, odd kernels, steps longer than the kernel, windows that skip the last rows.
        ([2, 3, 6, 5], [2, 3], [1, 1], [[0, 0], [0, 0]]),
        ([2, 3, 9, 8], [3, 1], [2, 1], [[1, 0], [0, 0]]),
        ([2, 2, 7, 6], [2, 2], [3, 4], [[1, 1], [1, 1]]),
        ([2, 2, 8, 8], [1, 1], [3, 2], [[0, 0], [0, 0]]),
        ([2, 2, 2, 2], [5, 5], [1, 1], [[2, 2], [2, 2]]),
        ([2, 2, 3, 3], [3, 3], [1, 1], [[4, 3], [3, 4]]),
        ([2, 2, 3, 3], [3, 3], [2, 2], [[4, 3], [3, 4]]),
        ([1, 2, 1, 9], [3, 3], [2, 2], [[1, 1], [1, 1]]),
        ([17, 40, 5, 5], [5, 5], [1, 1], [[2, 2], [2, 2]]),
    ];
    for (shape, kernel, stride, padding) in cases {
        let name = format!("{shape:?} {kernel:?} {stride:?} {padding:?}");
        let x = noise(shape, 1);
        let weight = noise([shape[1], 1, kernel[0], kernel[1]], 2);
        let ours = run(true, [&x, &weight], stride, padding);
        let theirs = run(false, [&x, &weight], stride, padding);
        assert_eq!(ours.0, theirs.0, "{name}");
        for (what, (a, b)) in ["output", "by input", "by weight"]
            .iter()
            .zip(ours.1.iter().zip(&theirs.1))
        {
            near(&format!("{name} {what}"), a, b);
        }
        let outside = conv2d(&x, &weight, stride, padding).unwrap();
        assert_eq!(vector(outside), ours.1[0], "{name}");
    }
}

/// 4×4, 1 to 16; kernel 1 to 9; stride 2: the two paddings as torch and TensorFlow give them.
#[test]
fn paddings_by_hand() {
    let count = |n: usize, shape: [usize; 4]| {
        let values: Vec<f32> = (1..=n).map(|v| v as f32).collect();
        Tensor::<4>::from_data(TensorData::new(values, shape), &cpu())
    };
    let (x, weight) = (count(16, [1, 1, 4, 4]), count(9, [1, 1, 3, 3]));
    let even = conv2d(&x, &weight, [2, 2], [[1, 1], [1, 1]]).unwrap();
    assert_eq!(vector(even), [111.0, 217.0, 363.0, 573.0]);
    let same = conv2d(&x, &weight, [2, 2], [[0, 0], [1, 1]]).unwrap();
    assert_eq!(vector(same), [348.0, 252.0, 274.0, 175.0]);
}

#[test]
fn only_one_of_the_gradients() {
    let device = cpu().autodiff();
    let (x, weight) = (noise([2, 3, 6, 5], 1), noise([3, 1, 3, 3], 2));
    let padding = [[1, 1]; 2];
    let (_, [_, dx, dw]) = run(true, [&x, &weight], [2, 2], padding);
    let plain = |x: &Tensor<4>| Tensor::<4>::from_data(x.to_data(), &device);
    let factors = |y: &Tensor<4>| Tensor::from_data(noise(y.dims(), 9).into_data(), &device);
    let (fixed, leaf) = (plain(&weight), on(&x, &device));
    let y = conv2d(&leaf, &fixed, [2, 2], padding).unwrap();
    let grads = (y.clone() * factors(&y)).sum().backward();
    assert_eq!(vector(leaf.grad(&grads).unwrap()), dx);
    let (fixed, leaf) = (plain(&x), on(&weight, &device));
    let y = conv2d(&fixed, &leaf, [2, 2], padding).unwrap();
    let grads = (y.clone() * factors(&y)).sum().backward();
    assert_eq!(vector(leaf.grad(&grads).unwrap()), dw);
}

#[test]
fn bits_do_not_depend_on_the_threads() {
    let bits = |threads: usize| -> Vec<Vec<u32>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let (x, weight) = (noise([7, 33, 12, 11], 1), noise([33, 1, 3, 3], 2));
        let (_, all) = pool.install(|| run(true, [&x, &weight], [1, 1], [[1, 1]; 2]));
        let bits = |v: Vec<f32>| v.into_iter().map(f32::to_bits).collect();
        all.into_iter().map(bits).collect()
    };
    let one = bits(1);
    for threads in [2, 5] {
        assert_eq!(bits(threads), one, "{threads}");
    }
}

#[test]
fn other_groups_are_not_for_the_host() {
    let padding = [[1, 1]; 2];
    assert!(conv2d(&noise([1, 4, 5, 5], 1), &noise([4, 2, 3, 3], 2), [1, 1], padding).is_none());
    assert!(conv2d(&noise([1, 4, 5, 5], 1), &noise([8, 1, 3, 3], 2), [1, 1], padding).is_none());
    assert!(
        conv2d(
            &noise([1, 4, 2, 2], 1),
            &noise([4, 1, 3, 3], 2),
            [1, 1],
            [[0, 0]; 2]
        )
        .is_none()
    );
}
