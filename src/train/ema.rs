//! An exponential moving average of the weights, buffers included (as timm's `ModelEmaV2`): `e ← d·e + (1 − d)·w`.

use crate::backbones::weights::{self, Import, Tensors, WeightsError};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::collections::BTreeMap;

/// The averaged weights, flattened, by name. They live beside the model and never share its buffers.
pub struct Ema {
    decay: f64,
    shadow: BTreeMap<String, Tensor<1>>,
}

impl Ema {
    /// An average that starts as a copy of the model.
    pub fn new<M: Module>(model: &M, decay: f64) -> Self {
        let mut shadow = BTreeMap::new();
        visit(model, &mut |path, tensor| {
            shadow.insert(path.to_string(), tensor);
        });
        Self { decay, shadow }
    }

    /// Takes the model's new weights in.
    pub fn update<M: Module>(&mut self, model: &M) {
        let decay = self.decay;
        let shadow = &mut self.shadow;
        visit(model, &mut |path, tensor| {
            if let Some(old) = shadow.remove(path) {
                shadow.insert(path.to_string(), old * decay + tensor * (1.0 - decay));
            }
        });
    }

    /// The model with the averaged weights, ready for evaluation; the model itself is untouched.
    pub fn model<M: Module>(&self, model: &M) -> M {
        // `valid` copies running statistics, which a clone would share.
        model.valid().map(&mut Replace {
            path: Vec::new(),
            shadow: &self.shadow,
        })
    }

    /// The average as named tensors: a file of weights like the model's own.
    pub fn state<M: Module>(&self, model: &M) -> Tensors {
        weights::collect(&self.model(model))
    }

    /// Takes back what [`state`](Self::state) gave, all of it or nothing.
    pub fn load<M: Module>(&mut self, model: &M, state: &Tensors) -> Result<(), WeightsError> {
        let import = Import {
            source: "the moving average".into(),
            ..Import::default()
        };
        // `valid` copies running statistics, which a clone would share.
        let (averaged, _) = weights::apply(model.valid(), state, &import)?;
        *self = Self::new(&averaged, self.decay);
        Ok(())
    }
}

fn visit<M: Module>(model: &M, take: &mut impl FnMut(&str, Tensor<1>)) {
    struct Visit<'a, F> {
        path: Vec<String>,
        take: &'a mut F,
    }
    impl<F: FnMut(&str, Tensor<1>)> ModuleVisitor for Visit<'_, F> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val().without_autodiff();
            let count = tensor.shape().num_elements();
            (self.take)(&self.path.join("."), tensor.reshape([count]));
        }
    }
    // Running statistics may still be parked with the training thread; `valid` brings them home.
    model.valid().visit(&mut Visit {
        path: Vec::new(),
        take,
    });
}

struct Replace<'a> {
    path: Vec<String>,
    shadow: &'a BTreeMap<String, Tensor<1>>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        match self.shadow.get(&path) {
            Some(average) => {
                let shape = param.val().shape();
                let (id, _, mapper) = param.consume();
                Param::from_mapped_value(id, average.clone().reshape(shape), mapper)
            }
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{BatchNorm, BatchNormConfig};

    fn first(tensor: Tensor<1>) -> f32 {
        tensor.into_data().try_into_vec_as::<f32>().unwrap()[0]
    }

    #[test]
    fn weights_and_statistics_are_averaged_and_the_model_keeps_its_own() {
        let device = crate::device::cpu().autodiff();
        let model: BatchNorm = BatchNormConfig::new(1).init(&device);
        let mut ema = Ema::new(&model, 0.75);
        // One training pass moves the running mean from 0 to 0.1·4.
        model.forward(Tensor::<2>::from_floats([[3.0], [5.0]], &device));
        ema.update(&model);
        let averaged = ema.model(&model);
        assert!((first(averaged.running_mean.value()) - 0.1).abs() < 1e-6);
        assert!((first(model.valid().running_mean.value()) - 0.4).abs() < 1e-6);
        let mut other = Ema::new(&model, 0.75);
        let state = ema.state(&model);
        other.load(&model, &state).unwrap();
        assert_eq!(other.state(&model), state);
        assert_eq!(state["running_mean"].shape().to_vec(), [1]);
        assert!(other.load(&model, &Tensors::new()).is_err());
        assert_eq!(other.state(&model), state);
    }
}
