//! Initial weights, drawn on the host: each is a pure function of (seed, parameter path).
//!
//! burn draws parameters lazily from one global stream, so what a layer gets depends on everything that was drawn before it.
//! [`initialise`] replaces every draw: two models that share a path share its weights, whatever else they contain, on every
//! device and whatever the number of threads.

use crate::random;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

/// What a rule is told of a float parameter or running statistic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamInfo<'a> {
    /// Path in the module: `layer1.0.conv1.weight`.
    pub path: &'a str,
    /// The path's last part: `weight`.
    pub name: &'a str,
    /// The type which holds it: `Conv2d`, `Linear`, `BatchNorm`; `Vec`, `Tuple` or `Array` for a bare parameter in one.
    pub container: &'a str,
    /// Shape as burn stores it: a `Linear` weight is `[in, out]`, a convolution's `[out, in / groups, height, width]`.
    pub shape: &'a [usize],
    /// Inputs that one output sums over, of this weight or, for a bias, of the weight beside it.
    pub fan_in: Option<usize>,
    /// Outputs that one input reaches (out · kernel area), likewise.
    pub fan_out: Option<usize>,
}

/// How a parameter is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// All elements equal.
    Constant(f64),
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Uniform in [−bound, bound).
    Uniform {
        /// The largest magnitude.
        bound: f64,
    },
    /// Normal with mean 0 and standard deviation √(2 / fan-out) (He et al. 2015), as torchvision draws its convolutions.
    KaimingFanOut,
    /// Normal with mean 0 and standard deviation √(2 / fan-in).
    KaimingFanIn,
    /// Uniform in ±1/√fan-in: what torch's `Linear` and `Conv2d` draw for weight and bias unless told otherwise.
    TorchLinear,
    /// Left as the layer's own constructor made it (still forced, if it was lazy).
    Keep,
}

/// What torchvision's networks do; `None` for a layer that they do not have.
///
/// Convolutions: Kaiming fan-out, bias ±1/√fan-in. Linear: ±1/√fan-in. Norms: weight 1, bias 0, running mean 0, variance 1.
/// Embedding: standard normal.
pub fn default_rule(info: &ParamInfo) -> Option<Draw> {
    match (info.container, info.name) {
        ("Conv1d" | "Conv2d" | "Conv3d", "weight") => Some(Draw::KaimingFanOut),
        ("Conv1d" | "Conv2d" | "Conv3d", "bias") | ("Linear", "weight" | "bias") => Some(Draw::TorchLinear),
        ("Embedding", "weight") => Some(Draw::Normal { std: 1.0 }),
        (norm, name) if norm.ends_with("Norm") => match name {
            "weight" | "gamma" | "running_var" => Some(Draw::Constant(1.0)),
            "bias" | "beta" | "running_mean" => Some(Draw::Constant(0.0)),
            _ => None,
        },
        _ => None,
    }
}

/// Draws every float parameter of the module anew, in f64 rounded to f32.
///
/// `rules` decides per parameter; where it says `None`, [`default_rule`] does; where that says `None` too, the layer's own
/// value stays and is forced if it was lazy (a lazy random value then comes from burn's global stream, so give such layers a
/// rule). Ids, devices and what requires gradients stay as they are. A draw by fan of something that has none is refused in
/// debug builds and left as it is otherwise.
pub fn initialise<M: Module>(module: M, seed: u64, rules: impl Fn(&ParamInfo) -> Option<Draw>) -> M {
    let mut shapes = Shapes::default();
    module.visit(&mut shapes);
    let mut drawer = Drawer {
        seed,
        rules,
        shapes: shapes.found,
        place: Place::default(),
    };
    module.map(&mut drawer)
}

/// Where a visitor stands.
#[derive(Default)]
struct Place {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Place {
    fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers
            .push(container.strip_prefix("Struct:").unwrap_or(container).to_owned());
    }

    fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    fn path(&self) -> String {
        self.names.join(".")
    }

    fn container(&self) -> &str {
        self.containers.last().map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Shapes {
    place: Place,
    found: BTreeMap<String, (bool, Vec<usize>)>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let linear = self.place.container() == "Linear";
        self.found
            .insert(self.place.path(), (linear, param.lazy_shape().to_vec()));
    }
}

/// (fan-in, fan-out) of a weight.
fn fans(linear: bool, shape: &[usize]) -> Option<(usize, usize)> {
    match shape {
        [input, output] if linear => Some((*input, *output)),
        [output, input, kernel @ ..] => {
            let area: usize = kernel.iter().product();
            Some((input * area, output * area))
        }
        _ => None,
    }
}

struct Drawer<R> {
    seed: u64,
    rules: R,
    shapes: BTreeMap<String, (bool, Vec<usize>)>,
    place: Place,
}

impl<R: Fn(&ParamInfo) -> Option<Draw>> Drawer<R> {
    fn draw(&self, path: &str, shape: &[usize]) -> Option<Vec<f32>> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let weight = match name {
            "bias" => self
                .shapes
                .get(&format!("{}weight", &path[..path.len() - name.len()])),
            _ => self.shapes.get(path),
        };
        let fans = weight.and_then(|(linear, shape)| fans(*linear, shape));
        let info = ParamInfo {
            path,
            name,
            container: self.place.container(),
            shape,
            fan_in: fans.map(|f| f.0),
            fan_out: fans.map(|f| f.1),
        };
        let draw = (self.rules)(&info).or_else(|| default_rule(&info))?;
        let count = shape.iter().product::<usize>();
        let mut stream = random::stream(self.seed, &format!("weights {path}"), &[]);
        let mut normal = |std: f64| (0..count).map(|_| (std * stream.normal()) as f32).collect();
        let fan = |fan: Option<usize>| {
            debug_assert!(fan.is_some(), "{path} has no fan to be drawn by");
            fan.map(|n| n.max(1) as f64)
        };
        Some(match draw {
            Draw::Keep => return None,
            Draw::Constant(value) => vec![value as f32; count],
            Draw::Normal { std } => normal(std),
            Draw::KaimingFanOut => normal((2.0 / fan(info.fan_out)?).sqrt()),
            Draw::KaimingFanIn => normal((2.0 / fan(info.fan_in)?).sqrt()),
            Draw::Uniform { bound } => (0..count).map(|_| stream.between(-bound, bound) as f32).collect(),
            Draw::TorchLinear => {
                let bound = 1.0 / fan(info.fan_in)?.sqrt();
                (0..count).map(|_| stream.between(-bound, bound) as f32).collect()
            }
        })
    }
}

impl<R: Fn(&ParamInfo) -> Option<Draw>> ModuleMapper for Drawer<R> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        match self.draw(&self.place.path(), shape.as_slice()) {
            None => {
                let _ = param.val();
                param
            }
            Some(values) => {
                let (id, device) = (param.id, param.lazy_device());
                let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
                param.transform_for_load(tensor, id)
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::device::cpu;
    use burn::module::ParamId;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    /// Standard normal values on the CPU.
    pub(crate) fn noise<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
        let mut stream = random::stream(seed, "noise of tests", &[]);
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| stream.normal() as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &cpu())
    }

    #[derive(Module, Debug)]
    struct Net {
        conv: Conv2d,
        bn1: crate::nn::BatchNorm,
        neck: crate::nn::BnNeck,
        fc: Linear,
    }

    fn net(device: &Device) -> Net {
        Net {
            conv: Conv2dConfig::new([8, 32], [3, 5]).init(device),
            bn1: crate::nn::BatchNormConfig::new(8).init(device),
            neck: crate::nn::BnNeckConfig::new(8).init(device),
            fc: LinearConfig::new(400, 64).init(device),
        }
    }

    fn values<const D: usize>(param: &Param<Tensor<D>>) -> Vec<f32> {
        param.val().into_data().try_into_vec_as().unwrap()
    }

    fn spread(values: &[f32]) -> (f64, f64) {
        let max = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        ((squares / values.len() as f64).sqrt(), f64::from(max))
    }

    #[test]
    fn the_default_is_torchvisions() {
        let device = cpu().autodiff();
        let before = net(&device);
        let ids: Vec<ParamId> = vec![before.conv.weight.id, before.fc.weight.id];
        let net = initialise(before, 5, |_| None);
        assert_eq!(ids, [net.conv.weight.id, net.fc.weight.id]);
        let (std, max) = spread(&values(&net.conv.weight));
        let expected = (2.0f64 / (32.0 * 15.0)).sqrt();
        assert!(
            (std / expected - 1.0).abs() < 0.05 && max > 3.0 * expected,
            "{std} {expected}"
        );
        // Bounds by fan-in: 8·15 for the convolution's bias, 400 (not 64) for the linear layer.
        for (values, bound) in [
            (values(net.conv.bias.as_ref().unwrap()), 1.0 / 120f64.sqrt()),
            (values(&net.fc.weight), 0.05),
            (values(net.fc.bias.as_ref().unwrap()), 0.05),
        ] {
            let (std, max) = spread(&values);
            assert!(
                max <= bound + 1e-9 && max > 0.85 * bound && std > 0.45 * bound,
                "{std} {max} {bound}"
            );
        }
        assert_eq!(values(&net.bn1.weight), [1.0; 8]);
        assert!(net.fc.weight.is_require_grad() && net.conv.weight.val().is_require_grad());
        assert!(!net.neck.bias.is_require_grad() && net.neck.weight.is_require_grad());
        assert!(!net.bn1.running_var.value().is_require_grad());
    }

    #[test]
    fn a_weight_depends_on_seed_and_path_alone() {
        let a = initialise(net(&cpu()), 5, |_| None);
        let all = initialise(net(&cpu()), 5, |info| {
            (info.container == "Conv2d").then_some(Draw::Constant(0.5))
        });
        let other = initialise(net(&cpu()), 6, |_| None);
        assert_eq!(values(&a.fc.weight), values(&all.fc.weight));
        assert!(values(&all.conv.weight).iter().all(|v| *v == 0.5));
        assert_ne!(values(&a.fc.weight), values(&other.fc.weight));
        assert_ne!(
            values(&a.fc.weight)[..64],
            values(a.fc.bias.as_ref().unwrap())[..]
        );
    }

    #[test]
    fn what_is_kept_is_forced() {
        let net = initialise(net(&cpu()), 5, |_| Some(Draw::Keep));
        assert!(net.fc.weight.is_initialized() && net.conv.weight.is_initialized());
    }
}
