//! Which parameters take part in the backward pass.

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::collections::BTreeSet;

/// The names of all float parameters and buffers, in the model's order.
pub fn names<M: Module>(model: &M) -> Vec<String> {
    struct Names {
        path: Vec<String>,
        names: Vec<String>,
    }
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.names.push(self.path.join("."));
        }
    }
    let mut visitor = Names {
        path: Vec::new(),
        names: Vec::new(),
    };
    model.visit(&mut visitor);
    visitor.names
}

/// The names of parameters that the model itself holds fixed, and of its buffers.
pub fn fixed<M: Module>(model: &M) -> BTreeSet<String> {
    struct Fixed {
        path: Vec<String>,
        names: BTreeSet<String>,
    }
    impl ModuleVisitor for Fixed {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                self.names.insert(self.path.join("."));
            }
        }
    }
    let mut visitor = Fixed {
        path: Vec::new(),
        names: BTreeSet::new(),
    };
    model.visit(&mut visitor);
    visitor.names
}

/// Lets exactly the parameters train for which `trains` holds and which are not `fixed`. A layer's training flag (that of a batch
/// norm, `<layer>.training`) follows the same rule, so a frozen layer keeps its running statistics.
pub fn apply<M: Module>(model: M, fixed: &BTreeSet<String>, trains: impl Fn(&str) -> bool) -> M {
    struct Apply<'a, F> {
        path: Vec<String>,
        fixed: &'a BTreeSet<String>,
        trains: F,
    }
    impl<F: Fn(&str) -> bool> ModuleMapper for Apply<'_, F> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let path = self.path.join(".");
            if self.fixed.contains(&path) {
                return param;
            }
            let trains = (self.trains)(&path);
            match param.is_require_grad() == trains {
                true => param,
                false => param.set_require_grad(trains),
            }
        }
        fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
            let path = self.path.join(".");
            let trains = (self.trains)(&path);
            flag.with_value(trains)
        }
    }
    model.map(&mut Apply {
        path: Vec::new(),
        fixed,
        trains,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{BatchNorm, BatchNormConfig};

    #[test]
    fn a_frozen_batch_norm_keeps_statistics_and_thaws() {
        let device = crate::device::cpu().autodiff();
        let model: BatchNorm = BatchNormConfig::new(1).init(&device);
        let names = fixed(&model);
        assert!(
            names.contains("running_mean") && !names.contains("weight"),
            "{names:?}"
        );
        let mean = |model: &BatchNorm| {
            let value = model.valid().running_mean.value();
            value.into_data().try_into_vec_as::<f32>().unwrap()[0]
        };
        let input = Tensor::<2>::from_floats([[3.0], [5.0]], &device);
        let model = apply(model, &names, |_| false);
        model.forward(input.clone());
        assert!(!model.weight.is_require_grad());
        assert_eq!(mean(&model), 0.0);
        let model = apply(model, &names, |_| true);
        model.forward(input);
        assert!(model.weight.is_require_grad());
        assert!((mean(&model) - 0.4).abs() < 1e-6);
    }
}
