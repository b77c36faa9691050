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
    // [batch, input, height, width], output, kernel, stride, padding
    let cases = [
        ([1, 1, 1, 1], 1, [1, 1], [1, 1], [0, 0]),
        ([3, 5, 7, 4], 6, [1, 1], [1, 1], [0, 0]),
        ([3, 5, 7, 4], 6, [1, 1], [2, 2], [0, 0]),
        ([2, 3, 9, 8], 4, [3, 3], [1, 1], [1, 1]),
        ([2, 3, 9, 8], 4, [3, 3], [2, 2], [1, 1]),
        ([2, 3, 8, 9], 4, [3, 3], [2, 1], [1, 1]),
        ([2, 3, 11, 10], 4, [7, 7], [2, 2], [3, 3]),
        ([2, 3, 6, 5], 4, [3, 3], [1, 1], [0, 0]),
        ([2, 3, 6, 5], 4, [3, 3], [1, 1], [2, 2]),
        ([2, 3, 6, 5], 4, [3, 1], [1, 1], [1, 0]),
        ([2, 3, 6, 5], 4, [2, 3], [1, 1], [1, 2]),
        // Padding as large as the kernel and beyond; windows that skip the last rows; steps longer than the kernel.
        ([2, 3, 6, 5], 4, [2, 2], [1, 1], [2, 3]),
        ([2, 2, 6, 6], 3, [2, 2], [3, 4], [0, 0]),
        ([2, 2, 7, 6], 3, [2, 2], [3, 4], [1, 1]),
        ([1, 2, 1, 1], 3, [3, 3], [1, 1], [1, 1]),
        ([2, 2, 2, 2], 3, [5, 5], [1, 1], [2, 2]),
        // Several tiles of one image, and several images per tile.
        ([2, 4, 40, 37], 3, [3, 3], [1, 1], [1, 1]),
        ([2, 4, 40, 37], 3, [1, 1], [1, 1], [0, 0]),
        ([2, 4, 67, 61], 3, [3, 3], [2, 2], [1, 1]),
        ([70, 3, 4, 4], 5, [3, 3], [1, 1], [1, 1]),
        ([70, 3, 4, 4], 5, [1, 1], [1, 1], [0, 0]),
        ([70, 3, 8, 8], 5, [3, 3], [2, 2], [1, 1]),
        // The kernel's gradient in blocks of channels.
        ([3, 180, 4, 5], 170, [3, 3], [1, 1], [1, 1]),
        ([2, 530, 3, 3], 520, [1, 1], [1, 1], [0, 0]),
    ];
    // The same zeros on both sides, and as TensorFlow's SAME pads images of even size at stride 2.
    let cases =
        cases.map(|(shape, output, kernel, stride, padding)| (shape, output, kernel, stride, [padding; 2]));
    let uneven = [
        ([2, 3, 8, 6], 4, [3, 3], [2, 2], [[0, 0], [1, 1]]),
        ([2, 3, 8, 7], 4, [5, 5], [2, 2], [[1, 2], [2, 2]]),
        ([2, 3, 6, 5], 4, [2, 2], [1, 1], [[0, 0], [1, 1]]),
        ([2, 3, 6, 5], 4, [3, 3], [1, 1], [[0, 2], [3, 0]]),
        ([2, 3, 5, 6], 4, [1, 1], [1, 1], [[0, 0], [1, 2]]),
    ];
    for (shape, output, kernel, stride, padding) in cases.into_iter().chain(uneven) {
        let name = format!("{shape:?} {output} {kernel:?} {stride:?} {padding:?}");
        let x = noise(shape, 1);
        let weight = noise([output, shape[1], kernel[0], kernel[1]], 2);
        let ours = |x: &Tensor<4>, weight: &Tensor<4>| conv2d(x, weight, stride, padding).unwrap();
        equals_burns(&name, ours, [&x, &weight], stride, padding, 1);
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let (x, weight) = (noise([2, 2, 5, 4], 3), noise([3, 2, 3, 3], 4));
    let (stride, padding) = ([2, 1], [[1, 0], [1, 2]]);
    let [y, dx, dw] = run([&x, &weight], stride, padding);
    let factors = vector(noise([y.len()], 9));
    let total = |x: Vec<f32>, weight: Vec<f32>| -> f64 {
        let x = Tensor::from_data(TensorData::new(x, [2, 2, 5, 4]), &cpu());
        let weight = Tensor::from_data(TensorData::new(weight, [3, 2, 3, 3]), &cpu());
        let y = vector(conv2d(&x, &weight, stride, padding).unwrap());
        y.iter().zip(&factors).map(|(a, b)| f64::from(a * b)).sum()
    };
    let (x, weight) = (vector(x), vector(weight));
    let step = 1.0f32 / 64.0;
    for (which, grad) in [(0, dx), (1, dw)] {
        for (i, slope) in grad.iter().enumerate() {
            let at = |by: f32| {
                let mut both = [x.clone(), weight.clone()];
                both[which][i] += by;
                let [x, weight] = both;
                total(x, weight)
            };
            // Linear in each: the difference is the gradient but for rounding.
            let found = (at(step) - at(-step)) / f64::from(2.0 * step);
            assert!(
                (found - f64::from(*slope)).abs() < 2e-3,
                "{which} {i}: {found} {slope}"
            );
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_threads() {
    let (x, weight) = (noise([9, 20, 12, 12], 5), noise([40, 20, 3, 3], 6));
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| run([&x, &weight], [1, 1], [[1, 1]; 2]))
            .map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let one = bits(1);
    for threads in [2, 3, 7] {
        assert_eq!(bits(threads), one, "{threads}");
    }
}

#[test]
fn what_needs_no_gradient_gets_none() {
    let device = cpu().autodiff();
    for [by_x, by_weight] in [[true, false], [false, true], [false, false]] {
        let leaf = |shape, seed, wanted: bool| {
            Tensor::<4>::from_data(noise(shape, seed).into_data(), &device).set_require_grad(wanted)
        };
        let (x, weight) = (leaf([1, 2, 3, 3], 1, by_x), leaf([2, 2, 3, 3], 2, by_weight));
        let other = leaf([1, 2, 3, 3], 3, true);
        let y = conv2d(&x, &weight, [1, 1], [[1, 1]; 2]).unwrap() + other.clone();
        let grads = y.sum().backward();
        assert_eq!(
            [x.grad(&grads).is_some(), weight.grad(&grads).is_some()],
            [by_x, by_weight]
        );
        assert!(other.grad(&grads).is_some());
    }
}

#[test]
fn views_are_read_in_their_own_order() {
    let x = noise([2, 3, 5, 4], 1);
    let turned = x.clone().swap_dims(2, 3).slice([0..2, 1..3, 0..4, 1..5]);
    let weight = noise([3, 4, 2, 3], 2)
        .swap_dims(0, 1)
        .slice([0..4, 0..2, 0..2, 0..3]);
    let copy = |x: &Tensor<4>| Tensor::<4>::from_data(x.to_data(), &cpu());
    let expected = vector(conv2d(&copy(&turned), &copy(&weight), [1, 1], [[0, 1]; 2]).unwrap());
    assert_eq!(
        vector(conv2d(&turned, &weight, [1, 1], [[0, 1]; 2]).unwrap()),
        expected
    );
}

#[test]
fn what_is_not_for_the_host_is_left_alone() {
    let device = cpu().autodiff().gradient_checkpointing();
    let x = Tensor::from_data(noise([1, 2, 3, 3], 1).into_data(), &device);
    let weight = on(&noise([2, 2, 3, 3], 2), &device);
    assert!(conv2d(&x, &weight, [1, 1], [[1, 1]; 2]).is_none());
    // No window fits; channels that do not agree.
    assert!(
        conv2d(
            &noise([1, 2, 2, 2], 1),
            &noise([2, 2, 3, 3], 2),
            [1, 1],
            [[0, 0]; 2]
        )
        .is_none()
    );
    assert!(
        conv2d(
            &noise([1, 3, 4, 4], 1),
            &noise([2, 2, 3, 3], 2),
            [1, 1],
            [[0, 0]; 2]
        )
        .is_none()
    );
}
