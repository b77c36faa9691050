//! Gradients as one vector: scaling, the global norm and clipping by it.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Sums this long are added on one thread; a longer one is split at the same places every time, so that its last bits do not
/// depend on which thread came first.
const CHUNK: usize = 1 << 16;

/// The sum of squares of a tensor in two fixed stages, `[1]`.
pub fn sum_of_squares<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    let flat = tensor.reshape([count]);
    let flat = flat.clone() * flat;
    let whole = count / CHUNK * CHUNK;
    if whole == 0 || whole == count && count == CHUNK {
        return flat.sum();
    }
    let body: Tensor<1> = flat
        .clone()
        .narrow(0, 0, whole)
        .reshape([whole / CHUNK, CHUNK])
        .sum_dim(1)
        .sum();
    match whole == count {
        true => body,
        false => body + flat.narrow(0, whole, count - whole).sum(),
    }
}

/// The gradients' global norm, `[1]`, summed in the order in which the module is visited. `None` without gradients.
pub fn global_norm<M: Module>(module: &M, grads: &GradientsParams) -> Option<Tensor<1>> {
    struct Norm<'a> {
        grads: &'a GradientsParams,
        sum: Option<Tensor<1>>,
    }
    impl ModuleVisitor for Norm<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.get::<D>(param.id) {
                let squares = sum_of_squares(grad);
                self.sum = Some(match self.sum.take() {
                    Some(sum) => sum + squares,
                    None => squares,
                });
            }
        }
    }
    let mut visitor = Norm { grads, sum: None };
    module.visit(&mut visitor);
    visitor.sum.map(|sum| sum.sqrt())
}

/// Multiplies every gradient by a device scalar, `[1]`.
pub fn scale<M: Module>(module: &M, grads: GradientsParams, factor: Tensor<1>) -> GradientsParams {
    struct Scale {
        grads: GradientsParams,
        factor: Tensor<1>,
    }
    impl ModuleVisitor for Scale {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.remove::<D>(param.id) {
                let factor = self.factor.clone().reshape([1; D]);
                self.grads.register(param.id, grad * factor);
            }
        }
    }
    let mut visitor = Scale { grads, factor };
    module.visit(&mut visitor);
    visitor.grads
}

/// Scales the gradients so that their global norm is at most `limit`, as `torch.nn.utils.clip_grad_norm_`; gives the norm before.
/// Nothing is read back.
pub fn clip<M: Module>(
    module: &M,
    grads: GradientsParams,
    limit: f64,
) -> (GradientsParams, Option<Tensor<1>>) {
    let Some(norm) = global_norm(module, &grads) else {
        return (grads, None);
    };
    let factor = (norm.clone() + 1e-6).recip() * limit;
    let factor = factor.clamp_max(1.0);
    (scale(module, grads, factor), Some(norm))
}

/// Adds the gradients of several batches; nothing is scaled.
pub fn add<M: Module>(module: &M, sum: GradientsParams, more: GradientsParams) -> GradientsParams {
    struct Add {
        sum: GradientsParams,
        more: GradientsParams,
    }
    impl ModuleVisitor for Add {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.more.remove::<D>(param.id) {
                let grad = match self.sum.remove::<D>(param.id) {
                    Some(sum) => sum + grad,
                    None => grad,
                };
                self.sum.register(param.id, grad);
            }
        }
    }
    let mut visitor = Add { sum, more };
    module.visit(&mut visitor);
    visitor.sum
}

/// Drops the gradients of parameters for which `keep` is false.
pub fn retain<M: Module>(module: &M, grads: GradientsParams, keep: impl Fn(&str) -> bool) -> GradientsParams {
    struct Retain<F> {
        path: Vec<String>,
        grads: GradientsParams,
        keep: F,
    }
    impl<F: Fn(&str) -> bool> ModuleVisitor for Retain<F> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !(self.keep)(&self.path.join(".")) {
                self.grads.remove::<D>(param.id);
            }
        }
    }
    let mut visitor = Retain {
        path: Vec::new(),
        grads,
        keep,
    };
    module.visit(&mut visitor);
    visitor.grads
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    fn value(tensor: Tensor<1>) -> f32 {
        tensor.into_data().try_into_vec_as::<f32>().unwrap()[0]
    }

    fn grads(model: &Linear, rows: [[f32; 2]; 1]) -> GradientsParams {
        let device = crate::device::cpu().autodiff();
        let x = Tensor::<2>::from_floats(rows, &device);
        GradientsParams::from_grads(model.forward(x).sum().backward(), model)
    }

    #[test]
    fn the_norm_covers_all_parameters_and_clipping_scales_them() {
        let device = crate::device::cpu().autodiff();
        let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
        let norm = global_norm(&model, &grads(&model, [[3.0, 4.0]])).unwrap();
        assert_eq!(value(norm), 5.0);
        let (clipped, before) = clip(&model, grads(&model, [[3.0, 4.0]]), 1.0);
        assert_eq!(value(before.unwrap()), 5.0);
        assert!((value(global_norm(&model, &clipped).unwrap()) - 1.0).abs() < 1e-5);
        let (kept, _) = clip(&model, grads(&model, [[0.3, 0.4]]), 1.0);
        assert!((value(global_norm(&model, &kept).unwrap()) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn gradients_of_two_batches_add() {
        let device = crate::device::cpu().autodiff();
        let model = LinearConfig::new(2, 1).with_bias(false).init(&device);
        let sum = add(&model, grads(&model, [[1.0, 2.0]]), grads(&model, [[2.0, 2.0]]));
        assert_eq!(value(global_norm(&model, &sum).unwrap()), 5.0);
        let none = retain(&model, sum, |path| path != "weight");
        assert!(global_norm(&model, &none).is_none());
    }

    #[test]
    fn a_long_sum_is_right_whatever_its_length() {
        let device = crate::device::cpu();
        for count in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
            let ones = Tensor::<1>::ones([count], &device);
            assert_eq!(value(sum_of_squares(ones)), count as f32);
        }
    }
}
