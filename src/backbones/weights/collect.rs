//! From modules to named tensors.

use super::Tensors;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};

/// Every float, integer and boolean tensor of the module, running statistics among them, under torch's names and in its
/// layout. Batch-norm updates that burn has parked are in them.
pub fn collect<M: Module>(module: &M) -> Tensors {
    collect_ordered(module).into_iter().collect()
}

/// [`collect`] in the order of the module's fields, which is that of torch's state dict.
pub fn collect_ordered<M: Module>(module: &M) -> Vec<(String, TensorData)> {
    let mut collector = Collector::default();
    // `valid()` works the parked running statistics in; visiting alone would read them one update late.
    module.valid().visit(&mut collector);
    collector.found
}

/// The number of parameters as torch counts them: without running statistics.
pub fn parameter_count<M: Module>(module: &M) -> usize {
    let mut counter = Counter::default();
    module.visit(&mut counter);
    counter.count
}

/// What PyTorch loads strictly: with a `num_batches_tracked` of 0 beside each `running_mean`.
pub fn for_torch(mut tensors: Tensors) -> Tensors {
    let counters: Vec<String> = tensors
        .keys()
        .filter_map(|name| {
            Some(format!(
                "{}num_batches_tracked",
                name.strip_suffix("running_mean")?
            ))
        })
        .collect();
    for name in counters {
        tensors
            .entry(name)
            .or_insert_with(|| TensorData::new(vec![0i64], [0usize; 0]));
    }
    tensors
}

/// Where a visitor or mapper stands, in torch's words.
#[derive(Default)]
pub(super) struct Place {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Place {
    pub(super) fn enter(&mut self, name: &str, container: &str) {
        let container = container.strip_prefix("Struct:").unwrap_or(container);
        // burn's own norms; ours have torch's names already.
        let name = match name {
            "gamma" if container.ends_with("Norm") => "weight",
            "beta" if container.ends_with("Norm") => "bias",
            name => name,
        };
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    pub(super) fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    pub(super) fn name(&self) -> String {
        self.names.join(".")
    }

    /// Whether burn holds this tensor transposed.
    pub(super) fn transposed(&self, rank: usize) -> bool {
        rank == 2
            && self.containers.last().is_some_and(|c| c == "Linear")
            && self.names.last().is_some_and(|n| n == "weight")
    }

    pub(super) fn statistic(&self) -> bool {
        matches!(
            self.names.last().map(String::as_str),
            Some("running_mean" | "running_var")
        )
    }
}

/// `[rows, columns]` → `[columns, rows]`.
pub(super) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..columns {
        turned.extend((0..rows).map(|row| values[row * columns + column]));
    }
    turned
}

#[derive(Default)]
struct Collector {
    place: Place,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let data = if self.place.transposed(D) {
            tensor.swap_dims(0, 1).into_data()
        } else {
            tensor.into_data()
        };
        self.found.push((self.place.name(), data));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.found.push((self.place.name(), param.val().into_data()));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.found.push((self.place.name(), param.val().into_data()));
    }
}

#[derive(Default)]
struct Counter {
    place: Place,
    count: usize,
}

impl ModuleVisitor for Counter {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.place.statistic() {
            self.count += param.lazy_shape().num_elements();
        }
    }
}
