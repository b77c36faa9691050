//! From named tensors into modules: whole or not at all.

use super::collect::{Place, collect_ordered, transpose};
use super::{LoadReport, ShapeMismatch, Tensors, WeightsError};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a file's names become the model's, and which differences are accepted. Patterns are regular expressions which may
/// match anywhere in a name (anchor them with `^` and `$`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Import {
    /// Where the weights come from, for messages.
    #[serde(skip)]
    pub source: String,
    /// Prefixes taken off the file's names, each once, in this order: `backbone.`.
    pub strip_prefix: Vec<String>,
    /// (pattern, replacement) pairs applied after that, in this order; `$1` is the first group.
    pub rename: Vec<(String, String)>,
    /// Names (after renaming) that are left out.
    pub skip: Vec<String>,
    /// Names of the model that the file need not have.
    pub allow_missing: Vec<String>,
    /// Names (after renaming) that the model need not have: `^fc\.` for a classifier.
    pub allow_unused: Vec<String>,
    /// Names that may have another shape in the file; the model's values stay.
    pub allow_mismatched: Vec<String>,
}

impl Default for Import {
    /// Nothing renamed, nothing allowed.
    fn default() -> Self {
        Self {
            source: "the weights".to_owned(),
            strip_prefix: Vec::new(),
            rename: Vec::new(),
            skip: Vec::new(),
            allow_missing: Vec::new(),
            allow_unused: Vec::new(),
            allow_mismatched: Vec::new(),
        }
    }
}

impl Import {
    /// A published classifier's trunk: its `fc` is not wanted.
    pub fn trunk(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            allow_unused: vec![r"^fc\.".to_owned()],
            ..Self::default()
        }
    }
}

fn patterns(field: &'static str, patterns: &[String]) -> Result<Vec<Regex>, WeightsError> {
    patterns
        .iter()
        .map(|pattern| one_pattern(field, pattern))
        .collect()
}

fn one_pattern(field: &'static str, pattern: &str) -> Result<Regex, WeightsError> {
    Regex::new(pattern).map_err(|e| WeightsError::Pattern {
        field,
        pattern: pattern.to_owned(),
        cause: e.to_string().replace('\n', " "),
    })
}

fn allowed(patterns: &[Regex], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(name))
}

/// Puts the tensors into the module, floats as f32. Ids, devices and what requires gradients stay; running statistics are
/// loaded like parameters.
///
/// Refused, with nothing changed: names that only one side has and shapes that differ, unless [`Import`] allows them; two
/// tensors that end up under one name; values that are not finite. Clones of the module share their running statistics with
/// it (a trait of burn), so these change in clones, too.
pub fn apply<M: Module>(
    module: M,
    tensors: &Tensors,
    import: &Import,
) -> Result<(M, LoadReport), WeightsError> {
    // Reading the module also works in the statistics that burn has parked, which would else overwrite the loaded ones.
    let model: Vec<(String, Vec<usize>, DType)> = collect_ordered_shapes(&module);
    let (named, mut report) = rename(tensors, import)?;
    let mut chosen = BTreeMap::new();
    for (name, shape, dtype) in &model {
        let Some((_, data)) = named.get(name) else {
            report.missing.push(name.clone());
            continue;
        };
        let found = data.shape().to_vec();
        let scalars = shape.iter().product::<usize>() == 1 && found.iter().product::<usize>() == 1;
        if found == *shape || scalars {
            chosen.insert(name.clone(), converted(name, data, *dtype, import)?);
            report.loaded.push(name.clone());
        } else {
            report.mismatched.push(ShapeMismatch {
                name: name.clone(),
                file: found,
                model: shape.clone(),
            });
        }
    }
    let known: BTreeSet<&str> = model.iter().map(|(name, ..)| name.as_str()).collect();
    report.unused = named
        .keys()
        .filter(|name| !known.contains(name.as_str()))
        .cloned()
        .collect();
    judge(&model, &report, import)?;
    let module = module.map(&mut Loader {
        place: Place::default(),
        chosen,
    });
    Ok((module, report))
}

fn collect_ordered_shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>, DType)> {
    collect_ordered(module)
        .into_iter()
        .map(|(name, data)| (name, data.shape().to_vec(), data.dtype()))
        .collect()
}

type Named<'a> = BTreeMap<String, (&'a str, &'a TensorData)>;

/// The file's tensors under the model's names.
fn rename<'a>(tensors: &'a Tensors, import: &Import) -> Result<(Named<'a>, LoadReport), WeightsError> {
    let renames = import
        .rename
        .iter()
        .map(|(pattern, to)| Ok((one_pattern("rename", pattern)?, to.as_str())))
        .collect::<Result<Vec<_>, WeightsError>>()?;
    let skip = patterns("skip", &import.skip)?;
    let (mut named, mut report) = (Named::new(), LoadReport::default());
    for (original, data) in tensors {
        let mut name = original.as_str();
        for prefix in &import.strip_prefix {
            name = name.strip_prefix(prefix.as_str()).unwrap_or(name);
        }
        let mut name = name.to_owned();
        for (pattern, to) in &renames {
            name = pattern.replace_all(&name, *to).into_owned();
        }
        if allowed(&skip, &name) || name.ends_with("num_batches_tracked") {
            report.ignored.push(name);
            continue;
        }
        if let Some((other, _)) = named.insert(name.clone(), (original, data)) {
            return Err(WeightsError::Collision {
                source_name: import.source.clone(),
                name,
                from: other.to_owned(),
                other: original.clone(),
            });
        }
    }
    Ok((named, report))
}

/// The tensor's values in the model's type: f32 for floats.
fn converted(
    name: &str,
    data: &TensorData,
    model: DType,
    import: &Import,
) -> Result<TensorData, WeightsError> {
    if matches!(data.dtype(), DType::QFloat(_)) {
        return Err(WeightsError::Type {
            name: name.to_owned(),
            dtype: format!("{:?}", data.dtype()),
        });
    }
    if !model.is_float() {
        return Ok(data.clone());
    }
    let values = float_values(name, data)?;
    if values.iter().any(|v| !v.is_finite()) {
        return Err(WeightsError::NotFinite {
            source_name: import.source.clone(),
            name: name.to_owned(),
        });
    }
    Ok(TensorData::new(values, data.shape().clone()))
}

/// A tensor's values as f32, for any type but quantised ones.
fn float_values(name: &str, data: &TensorData) -> Result<Vec<f32>, WeightsError> {
    data.try_to_vec_as::<f32>().map_err(|e| WeightsError::Type {
        name: name.to_owned(),
        dtype: format!("{} ({e})", data.dtype().name()),
    })
}

/// Refuses what is not allowed, and says what would help.
fn judge(
    model: &[(String, Vec<usize>, DType)],
    report: &LoadReport,
    import: &Import,
) -> Result<(), WeightsError> {
    let missing = patterns("allow_missing", &import.allow_missing)?;
    let unused = patterns("allow_unused", &import.allow_unused)?;
    let mismatched = patterns("allow_mismatched", &import.allow_mismatched)?;
    let refused = LoadReport {
        loaded: report.loaded.clone(),
        missing: report
            .missing
            .iter()
            .filter(|n| !allowed(&missing, n))
            .cloned()
            .collect(),
        unused: report
            .unused
            .iter()
            .filter(|n| !allowed(&unused, n))
            .cloned()
            .collect(),
        mismatched: report
            .mismatched
            .iter()
            .filter(|m| !allowed(&mismatched, &m.name))
            .cloned()
            .collect(),
        ignored: Vec::new(),
    };
    if refused.missing.is_empty() && refused.unused.is_empty() && refused.mismatched.is_empty() {
        return Ok(());
    }
    let remedy = if let Some(prefix) = common_prefix(model, &report.unused) {
        format!("the file's names begin with `{prefix}`: add `strip_prefix = [\"{prefix}\"]`")
    } else if report.loaded.len() * 2 < model.len() {
        format!(
            "only {} of the model's {} tensors are in it: these are the weights of another model. Check depth and variant \
             (IBN or not), or give weights of this one",
            report.loaded.len(),
            model.len()
        )
    } else {
        let mut ways = Vec::new();
        if !refused.missing.is_empty() {
            ways.push("`allow_missing` keeps the model's own values");
        }
        if !refused.unused.is_empty() {
            ways.push("`allow_unused` leaves the file's tensors out");
        }
        if !refused.mismatched.is_empty() {
            ways.push("`allow_mismatched` keeps the model's own values");
        }
        format!(
            "`rename` or `strip_prefix` make names agree; else, with patterns of names, {}",
            ways.join(", ")
        )
    };
    Err(WeightsError::Mismatch {
        source_name: import.source.clone(),
        report: Box::new(refused),
        remedy,
    })
}

/// The prefix which, taken off the unused names, would give at least half of the model's.
fn common_prefix(model: &[(String, Vec<usize>, DType)], unused: &[String]) -> Option<String> {
    let (first, ..) = model.first()?;
    let names: BTreeSet<&str> = unused.iter().map(String::as_str).collect();
    let prefixes: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| name.strip_suffix(first.as_str()))
        .filter(|p| !p.is_empty())
        .collect();
    prefixes
        .into_iter()
        .find(|prefix| {
            let found = model
                .iter()
                .filter(|(name, ..)| names.contains(format!("{prefix}{name}").as_str()));
            found.count() * 2 > model.len()
        })
        .map(str::to_owned)
}

/// Puts the chosen values in place.
struct Loader {
    place: Place,
    chosen: BTreeMap<String, TensorData>,
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.chosen.remove(&self.place.name()) else {
            return param;
        };
        let shape = param.lazy_shape();
        let data = match data.as_slice::<f32>() {
            Ok(values) if self.place.transposed(D) => {
                TensorData::new(transpose(values, shape[1], shape[0]), shape)
            }
            Ok(values) => TensorData::new(values.to_vec(), shape),
            Err(_) => data,
        };
        let (id, device) = (param.id, param.lazy_device());
        param.transform_for_load(Tensor::from_data(data, &device), id)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let Some(data) = self.chosen.remove(&self.place.name()) else {
            return param;
        };
        let (id, device) = (param.id, param.lazy_device());
        param.transform_for_load(Tensor::from_data(data, &device), id)
    }

    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        let Some(data) = self.chosen.remove(&self.place.name()) else {
            return param;
        };
        let (id, device) = (param.id, param.lazy_device());
        param.transform_for_load(Tensor::from_data(data, &device), id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::weights::{collect, for_torch, parameter_count};
    use crate::device::cpu;
    use crate::nn::{BatchNorm, BatchNormConfig, initialise};
    use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Net {
        fc: Linear,
        bn: BatchNorm,
        norm: LayerNorm,
        scale: Param<Tensor<1>>,
    }

    fn net(seed: u64, device: &Device) -> Net {
        let net = Net {
            fc: LinearConfig::new(3, 2).init(device),
            bn: BatchNormConfig::new(2).init(device),
            norm: LayerNormConfig::new(2).init(device),
            scale: Param::from_data([0.5f32], device),
        };
        initialise(net, seed, |_| None)
    }

    fn tensor(values: &[f32], shape: &[usize]) -> TensorData {
        TensorData::new(values.to_vec(), shape.to_vec())
    }

    fn names(tensors: &Tensors) -> Vec<&str> {
        tensors.keys().map(String::as_str).collect()
    }

    #[test]
    fn names_and_layouts_are_torchs() {
        let net = net(1, &cpu());
        let tensors = collect(&net);
        assert_eq!(
            names(&tensors),
            [
                "bn.bias",
                "bn.running_mean",
                "bn.running_var",
                "bn.weight",
                "fc.bias",
                "fc.weight",
                "norm.bias",
                "norm.weight",
                "scale"
            ]
        );
        let burns: Vec<f32> = net.fc.weight.val().into_data().try_into_vec_as().unwrap();
        let weight = &tensors["fc.weight"];
        assert_eq!(weight.shape().to_vec(), [2, 3]);
        let values: Vec<f32> = weight.iter().collect();
        assert_eq!(
            values,
            [burns[0], burns[2], burns[4], burns[1], burns[3], burns[5]]
        );
        assert_eq!(parameter_count(&net), 6 + 2 + 2 + 2 + 2 + 2 + 1);
        let exported = for_torch(tensors);
        let counter = &exported["bn.num_batches_tracked"];
        assert_eq!(
            (counter.dtype(), counter.rank(), counter.num_elements()),
            (DType::I64, 0, 1)
        );
    }

    #[test]
    fn a_round_trip_is_exact_and_keeps_ids_and_gradients() {
        let device = cpu().autodiff();
        let source = collect(&net(1, &device));
        let target = net(2, &device);
        let target = Net {
            scale: target.scale.set_require_grad(false),
            ..target
        };
        let (fc, scale) = (target.fc.weight.id, target.scale.id);
        let (loaded, report) = apply(target, &for_torch(source.clone()), &Import::default()).unwrap();
        assert_eq!(collect(&loaded), source);
        assert_eq!((loaded.fc.weight.id, loaded.scale.id), (fc, scale));
        assert!(loaded.fc.weight.val().is_require_grad() && !loaded.scale.is_require_grad());
        assert_eq!(report.ignored, ["bn.num_batches_tracked"]);
        assert_eq!(report.loaded.len(), 9);
        // It still trains: the loaded parameters are leaves.
        let x = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]], &device);
        let grads = loaded
            .norm
            .forward(loaded.bn.forward(loaded.fc.forward(x)))
            .powi_scalar(3)
            .sum()
            .backward();
        assert!(loaded.fc.weight.grad(&grads).is_some());
    }

    #[test]
    fn parked_statistics_are_collected_and_do_not_outlive_a_load() {
        let device = cpu().autodiff();
        let net = net(1, &device);
        let fresh = collect(&net);
        net.bn
            .forward(Tensor::<2>::from_floats([[2.0, 4.0], [4.0, 8.0]], &device));
        let mean: Vec<f32> = collect(&net)["bn.running_mean"].iter().collect();
        assert!(
            (mean[0] - 0.3).abs() < 1e-6 && (mean[1] - 0.6).abs() < 1e-6,
            "{mean:?}"
        );
        net.bn
            .forward(Tensor::<2>::from_floats([[2.0, 4.0], [4.0, 8.0]], &device));
        let (net, _) = apply(net, &fresh, &Import::default()).unwrap();
        assert_eq!(collect(&net), fresh);
    }

    #[test]
    fn other_types_become_f32() {
        let mut tensors = collect(&net(1, &cpu()));
        tensors.insert("scale".into(), TensorData::new(vec![0.1f64], [0usize; 0]));
        tensors.insert("fc.bias".into(), TensorData::new(vec![2i64, -3], [2]));
        let half = TensorData::new(vec![0.5f32, 1.5], [2])
            .try_cast(DType::F16)
            .unwrap();
        tensors.insert("bn.bias".into(), half);
        let brain = TensorData::new(vec![0.25f32, -8.0], [2])
            .try_cast(DType::BF16)
            .unwrap();
        tensors.insert("bn.running_mean".into(), brain);
        let (net, _) = apply(net(2, &cpu()), &tensors, &Import::default()).unwrap();
        let loaded = collect(&net);
        assert_eq!(loaded["scale"], tensor(&[0.1], &[1]));
        assert_eq!(loaded["fc.bias"], tensor(&[2.0, -3.0], &[2]));
        assert_eq!(loaded["bn.bias"], tensor(&[0.5, 1.5], &[2]));
        assert_eq!(loaded["bn.running_mean"], tensor(&[0.25, -8.0], &[2]));
    }

    fn refusal(tensors: &Tensors, import: &Import) -> (String, String) {
        let error = apply(net(2, &cpu()), tensors, import).unwrap_err();
        let help = miette::Diagnostic::help(&error)
            .map(|h| h.to_string())
            .unwrap_or_default();
        (error.to_string(), help)
    }

    #[test]
    fn differences_are_refused_by_name_and_allowed_by_pattern() {
        let mut tensors = collect(&net(1, &cpu()));
        tensors.remove("scale");
        tensors.insert("head.weight".into(), tensor(&[1.0], &[1]));
        tensors.insert("fc.bias".into(), tensor(&[1.0, 2.0, 3.0], &[3]));
        let import = Import {
            source: "a.pth".into(),
            ..Import::default()
        };
        let (message, help) = refusal(&tensors, &import);
        for part in [
            "a.pth",
            "7 loaded",
            "1 missing (scale)",
            "1 unused (head.weight)",
            "fc.bias: file [3], model [2]",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(
            help.contains("allow_missing") && help.contains("allow_unused"),
            "{help}"
        );
        let import = Import {
            allow_missing: vec!["^scale$".into()],
            allow_unused: vec!["^head".into()],
            allow_mismatched: vec!["bias".into()],
            ..import
        };
        let (loaded, report) = apply(net(2, &cpu()), &tensors, &import).unwrap();
        assert_eq!(
            (report.missing.len(), report.unused.len(), report.mismatched.len()),
            (1, 1, 1)
        );
        let (loaded, own) = (collect(&loaded), collect(&net(2, &cpu())));
        assert_eq!(loaded["fc.bias"], own["fc.bias"]);
        assert_eq!(loaded["fc.weight"], tensors["fc.weight"]);
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains("\"unused\":[\"head.weight\"]")
        );
    }

    #[test]
    fn nothing_changes_when_a_load_is_refused() {
        let target = net(2, &cpu());
        let before = collect(&target);
        let mut tensors = collect(&net(1, &cpu()));
        tensors.insert("bn.running_mean".into(), tensor(&[9.0, 9.0], &[2]));
        tensors.remove("scale");
        assert!(apply(target.clone(), &tensors, &Import::default()).is_err());
        // Clones share their statistics: a half-done load would show here.
        assert_eq!(collect(&target), before);
    }

    #[test]
    fn a_foreign_prefix_is_named_and_stripped() {
        let own = collect(&net(1, &cpu()));
        let tensors: Tensors = own
            .iter()
            .map(|(name, data)| (format!("encoder.{name}"), data.clone()))
            .collect();
        let (_, help) = refusal(&tensors, &Import::default());
        assert!(help.contains("strip_prefix = [\"encoder.\"]"), "{help}");
        let import = Import {
            strip_prefix: vec!["encoder.".into()],
            ..Import::default()
        };
        assert_eq!(collect(&apply(net(2, &cpu()), &tensors, &import).unwrap().0), own);
        let import = Import {
            rename: vec![("^encoder\\.(.*)$".into(), "$1".into())],
            ..Import::default()
        };
        assert_eq!(collect(&apply(net(2, &cpu()), &tensors, &import).unwrap().0), own);
    }

    #[test]
    fn another_models_weights_are_recognised() {
        let tensors = Tensors::from([("conv1.weight".to_owned(), tensor(&[1.0], &[1, 1, 1, 1]))]);
        let (message, help) = refusal(&tensors, &Import::default());
        assert!(
            message.contains("9 missing") && message.contains("and 1 more"),
            "{message}"
        );
        assert!(help.contains("another model"), "{help}");
    }

    #[test]
    fn bad_values_patterns_and_names_are_refused() {
        let mut tensors = collect(&net(1, &cpu()));
        let import = |field: &str| {
            let mut import = Import::default();
            match field {
                "skip" => import.skip.push("(".into()),
                _ => import.rename.push(("^fc\\.bias$".into(), "fc.weight".into())),
            }
            import
        };
        assert!(refusal(&tensors, &import("skip")).0.contains("`(` in skip"));
        let (message, _) = refusal(&tensors, &import("rename"));
        assert!(
            message.contains("fc.bias and fc.weight of the weights both become fc.weight"),
            "{message}"
        );
        tensors.insert("scale".into(), tensor(&[f32::NAN], &[1]));
        assert!(refusal(&tensors, &Import::default()).0.contains("scale"));
    }
}
