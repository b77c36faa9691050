use super::*;
use crate::device::cpu;
use crate::nn::host::testing::{differentiated, equals_burns, on, vector};
use crate::nn::init::tests::noise;
use burn::tensor::TensorData;

/// Output and gradients by input and weight of Σ factors · output.
fn run(inputs: [&Tensor<4>; 2], stride: [usize; 2], padding: [[usize; 2]; 2]) -> [Vec<f32>; 3] {
    differentiated(|x, weight| conv2d(x, weight, stride, padding).unwrap(), inputs).1
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
        let ours = |x: &Tensor<4>, weight: &Tensor<4>| conv2d(x, weight, stride, padding).unwrap();
        equals_burns(&name, ours, [&x, &weight], stride, padding, shape[1]);
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
    let [_, dx, dw] = run([&x, &weight], [2, 2], padding);
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
        let all = pool.install(|| run([&x, &weight], [1, 1], [[1, 1]; 2]));
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
