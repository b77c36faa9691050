//! Inputs that are the same on every device, and results to compare.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Gradients, Tensor, TensorData};
use tailor::backbones::weights::collect;
use tailor::device::Device;
use tailor::random::stream;

/// Named results of a case, in order.
#[derive(Default)]
pub struct Values(Vec<(String, Vec<f32>)>);

impl Values {
    pub fn put(&mut self, name: &str, values: Vec<f32>) {
        self.0.push((name.to_string(), values));
    }

    pub fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        self.put(name, read(tensor));
    }

    /// The gradients of leaves.
    pub fn leaf<const D: usize>(&mut self, name: &str, leaf: &Tensor<D>, grads: &Gradients) {
        let grad = leaf
            .grad(grads)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        self.tensor(&format!("gradient of {name}"), grad);
    }

    /// The gradients of a module's parameters, by path.
    pub fn gradients<M: Module>(&mut self, module: &M, grads: &GradientsParams) {
        let mut visitor = Visitor {
            path: Vec::new(),
            grads,
            values: self,
        };
        module.visit(&mut visitor);
    }

    /// A module's parameters and running statistics, by path.
    pub fn weights<M: Module>(&mut self, module: &M) {
        for (path, data) in collect(module) {
            self.put(&path, data.try_into_vec_as().expect("f32"));
        }
    }

    /// Drops the results whose names end so.
    pub fn leave_out(&mut self, endings: &[&str]) {
        self.0
            .retain(|(name, _)| !endings.iter().any(|ending| name.ends_with(ending)));
    }

    /// For each result ‖ours − theirs‖ / ‖theirs‖, or ‖ours‖ where theirs is 0.
    pub fn against(&self, other: &Values) -> Vec<(String, f64)> {
        let names = |values: &Values| {
            values
                .0
                .iter()
                .map(|(name, v)| (name.clone(), v.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(self), names(other), "the devices gave different results");
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        self.0
            .iter()
            .zip(&other.0)
            .map(|((name, ours), (_, theirs))| {
                let off = norm(
                    &mut ours
                        .iter()
                        .zip(theirs)
                        .map(|(a, b)| f64::from(*a) - f64::from(*b)),
                );
                let size = norm(&mut theirs.iter().map(|x| f64::from(*x)));
                (name.clone(), if size == 0.0 { off } else { off / size })
            })
            .collect()
    }
}

struct Visitor<'a> {
    path: Vec<String>,
    grads: &'a GradientsParams,
    values: &'a mut Values,
}

impl ModuleVisitor for Visitor<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.values
                .tensor(&format!("gradient of {}", self.path.join(".")), grad);
        }
    }
}

/// What a tensor holds.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec_as().expect("f32")
}

/// Standard normal numbers, the same under the same name.
pub fn normals(name: &str, count: usize) -> Vec<f32> {
    let mut numbers = stream(1, name, &[]);
    (0..count).map(|_| numbers.normal() as f32).collect()
}

/// A tensor of them.
pub fn normal<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(normals(name, shape.iter().product()), shape),
        device,
    )
}

/// A sum whose gradient differs from place to place.
pub fn uneven_sum<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let weights = normal("weights of a sum", tensor.dims(), &tensor.device());
    (tensor * weights).sum()
}
