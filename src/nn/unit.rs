//! Vectors of length 1.

use super::host;
use burn::tensor::Tensor;

/// Inside of the root, so that its gradient at the zero vector is zero and not NaN.
pub(crate) const INSIDE: f32 = 1e-12;
/// Added to the root, as the reference implementations of cross-modal matching do.
pub(crate) const OUTSIDE: f32 = 1e-8;

/// `x / (sqrt(Σ x² + 1e-12) + 1e-8)` along an axis. The zero vector stays zero and has the gradient of a scaling.
pub fn unit<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let here = (axis + 1 == D).then(|| host::unit::unit(&x)).flatten();
    here.unwrap_or_else(|| by_operations(x, axis))
}

fn by_operations<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let squares = (x.clone() * x.clone()).sum_dim(axis);
    x / ((squares + INSIDE).sqrt() + OUTSIDE)
}

/// `x / (Σ |x| + 1e-8)` along an axis.
pub fn unit_sum<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let sum = x.clone().abs().sum_dim(axis);
    x / (sum + OUTSIDE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::nn::host::testing::{near, vector};
    use crate::nn::init::tests::noise;

    #[test]
    fn rows_have_length_one_and_zero_stays_zero_with_a_finite_gradient() {
        let device = cpu().autodiff();
        let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &device).require_grad();
        let y = unit(x.clone(), 1);
        let values: Vec<f32> = y.clone().into_data().try_into_vec_as().unwrap();
        for (found, wanted) in values.iter().zip([0.6, 0.8, 0.0, 0.0]) {
            assert!((found - wanted).abs() < 1e-6, "{values:?}");
        }
        let gradient: Vec<f32> = x
            .grad(&y.narrow(1, 0, 1).sum().backward())
            .unwrap()
            .into_data()
            .try_into_vec_as()
            .unwrap();
        // d(3/5)/dx = (1 − 0.36)/5, −0.48/5.
        assert!((gradient[0] - 0.128).abs() < 1e-5 && (gradient[1] + 0.096).abs() < 1e-5);
        assert!(gradient.iter().all(|g| g.is_finite()));
    }

    #[test]
    fn one_operation_is_what_the_many_are() {
        let device = cpu().autodiff();
        let draw = |seed: u64| Tensor::<3>::from_data(noise([3, 5, 37], seed).into_data(), &device);
        let factors = draw(2);
        let results = |unit: &dyn Fn(Tensor<3>) -> Tensor<3>| {
            let x = draw(1).require_grad();
            let y = unit(x.clone());
            let gradient = x.grad(&(y.clone() * factors.clone()).sum().backward()).unwrap();
            [vector(y), vector(gradient)]
        };
        let one = results(&|x| host::unit::unit(&x).unwrap());
        let many = results(&|x| by_operations(x, 2));
        for (name, (one, many)) in ["value", "gradient"].iter().zip(one.iter().zip(&many)) {
            near(name, one, many, 1e-6, 1.0);
        }
        let plain = noise([3, 5, 37], 1);
        assert_eq!(vector(host::unit::unit(&plain).unwrap()), one[0]);
    }

    #[test]
    fn shares_add_up_to_one() {
        let x = Tensor::<2>::from_floats([[1.0, -3.0]], &cpu());
        let values: Vec<f32> = unit_sum(x, 1).into_data().try_into_vec_as().unwrap();
        assert!((values[0] - 0.25).abs() < 1e-6 && (values[1] + 0.75).abs() < 1e-6);
    }
}
