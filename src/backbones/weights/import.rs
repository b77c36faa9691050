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
    /// A published classifier's trunk: its `fc` (`classifier`, `_fc`) is not wanted.
    pub fn trunk(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            allow_unused: vec![r"^(fc|classifier|_fc)\.".to_owned()],
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
            "only {} of the model's {} tensors are in it: these are the weights of another model. Give weights of this one, or \
             set model.trunk (kind, depth, ibn, width) to what they were trained with",
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
mod tests;
