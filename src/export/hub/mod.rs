//! A folder for the Hugging Face hub: configuration, weights, preprocessing, recipe, and a model card.
//!
//! | file | what |
//! |---|---|
//! | `config.json` | timm's form where timm has the network, so that `timm.create_model("local-dir:…", pretrained=True)` and `hf-hub:` load it; otherwise torchvision's factory and the lines that change its module |
//! | `model.safetensors` | the weights, which either module loads strictly |
//! | `preprocessing.json` | how a picture becomes an input, exactly |
//! | `recipe.toml` | the resolved recipe |
//! | `README.md` | the model card, with the figures of `eval.json` |
//!
//! The neck is written as the classifier: a batch norm is affine in evaluation mode, so that its scale stands on the diagonal of a linear
//! layer and its shift in the bias. The module's own `forward` then gives the embedding, in timm and in torchvision, with no line
//! of code.

mod card;
mod config;

use crate::backbones::layouts::for_layout;
use crate::backbones::mobile::Layout;
use crate::backbones::trunk::TorchvisionLayout;
use crate::backbones::weights::{self, Tensors};
use crate::data::transform::Preprocessing;
use crate::export::compare::Difference;
use crate::export::dtype::Dtype;
use crate::files::{self, FileError};
use crate::recipe::PaperSection;
use crate::report::figures::EvalReport;
use crate::train::run_folder::commit_folder;
use burn::tensor::TensorData;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why no folder was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum HubError {
    /// A name that is no folder's.
    #[error("{} cannot be a folder's name", .0.display())]
    #[diagnostic(help("name the folder to write, such as --out my-model"))]
    Name(PathBuf),
    /// Something else stands there.
    #[error("{} is no folder that an export wrote, and is not replaced", .0.display())]
    #[diagnostic(help(
        "--force replaces a folder with a config.json and a model.safetensors only: name another, or remove it yourself"
    ))]
    Foreign(PathBuf),
    /// The weights have no neck where one is expected.
    #[error(
        "the weights have no complete neck to write the embedding with: {0} is missing or of another shape"
    )]
    #[diagnostic(help("this is a fault of tailor: please report it with the recipe"))]
    Neck(String),
}

/// What goes into the folder.
pub struct Folder<'a> {
    /// The weights under torchvision's or timm's names, the neck as a batch norm in the classifier's place.
    pub tensors: Tensors,
    /// The module that loads them.
    pub layout: TorchvisionLayout,
    /// How a picture becomes an input.
    pub preprocessing: Preprocessing,
    /// The recipe's paper.
    pub about: &'a PaperSection,
    /// The recipe's name.
    pub recipe_name: &'a str,
    /// The resolved recipe.
    pub recipe: String,
    /// Which weights: `last, step 80`.
    pub weights: &'a str,
    /// Their hash, that of `eval.json` if the figures are of these.
    pub hash: String,
    /// Length of an embedding.
    pub dim: usize,
    /// In what type they are stored.
    pub dtype: Dtype,
    /// What that did to embeddings.
    pub rounding: Option<Difference>,
    /// The run's figures.
    pub eval: Option<EvalReport>,
}

impl Folder<'_> {
    /// Writes the folder, whole or not at all; gives what a person should know. A folder that is there is replaced if it is one of
    /// ours: whether it may be is the caller's question.
    pub fn write(mut self, out: &Path) -> crate::Result<Vec<String>> {
        let name = out
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| HubError::Name(out.to_owned()))?;
        if out.exists() && !(out.join(config::FILE).is_file() && out.join(WEIGHTS).is_file()) {
            return Err(HubError::Foreign(out.to_owned()).into());
        }
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        files::create_folder(parent)?;
        let classifier = match self.tensors.contains_key("classifier.weight") {
            true => "classifier",
            false => "fc",
        };
        linear_neck(&mut self.tensors, classifier)?;
        let neck = format!("m.{classifier} = ");
        self.layout.python.retain(|line| !line.starts_with(&neck));
        let timm = config::Timm::of(&self.layout);
        if timm.is_none() {
            // Not the factory's `num_classes`: its own layer may take another width.
            let line = format!("{neck}torch.nn.Linear({0}, {0})", self.dim);
            self.layout.python.push(line);
        }
        if let Some(net) = timm.as_ref().and_then(|timm| timm.renamed) {
            // One file for one library: timm has other names for what torchvision has as well.
            self.tensors = for_layout(net, self.tensors, Layout::Timm);
        }
        if let Some(timm) = &timm
            && timm.first_conv == "conv_stem"
        {
            self.layout.factory = format!("timm.models.{}", timm.name);
        }
        let (config, mut notes) = config::config(&self, timm, classifier);
        let card = card::card(&self, &config);
        if self.eval.is_none() {
            notes.push("the run was not evaluated: the model card has no figures (`tailor eval RUN`, then export again)".into());
        }
        let text = |folder: &Path, name: &str, text: &str| -> Result<(), FileError> {
            files::write_whole(&folder.join(name), |w| w.write_all(text.as_bytes()))
        };
        commit_folder(parent, name, |folder| -> crate::Result<()> {
            let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
            weights::write(&folder.join(WEIGHTS), &self.tensors, &metadata)?;
            text(folder, config::FILE, &format!("{:#}\n", config.json))?;
            text(
                folder,
                "preprocessing.json",
                &format!("{}\n", self.preprocessing.to_json()),
            )?;
            text(folder, "recipe.toml", &self.recipe)?;
            text(folder, "README.md", &card)?;
            Ok(())
        })?;
        Ok(notes)
    }
}

const WEIGHTS: &str = "model.safetensors";

/// Makes of the batch norm of that name a linear layer that computes the same in evaluation mode.
fn linear_neck(tensors: &mut Tensors, name: &str) -> Result<(), HubError> {
    let mut take = |field: &str| -> Result<Vec<f64>, HubError> {
        let key = format!("{name}.{field}");
        let data = tensors.remove(&key).ok_or_else(|| HubError::Neck(key.clone()))?;
        let values: Vec<f32> = data.try_into_vec_as().map_err(|_| HubError::Neck(key))?;
        Ok(values.into_iter().map(f64::from).collect())
    };
    let weight = take("weight")?;
    let bias = take("bias")?;
    let mean = take("running_mean")?;
    let var = take("running_var")?;
    let dim = weight.len();
    if [&bias, &mean, &var].iter().any(|values| values.len() != dim) {
        return Err(HubError::Neck(format!("{name}.weight")));
    }
    tensors.remove(&format!("{name}.num_batches_tracked"));
    let (mut diagonal, mut shift) = (vec![0.0f32; dim * dim], Vec::with_capacity(dim));
    for at in 0..dim {
        let scale = weight[at] / (var[at] + EPS).sqrt();
        diagonal[at * dim + at] = scale as f32;
        shift.push((bias[at] - mean[at] * scale) as f32);
    }
    tensors.insert(format!("{name}.weight"), TensorData::new(diagonal, [dim, dim]));
    tensors.insert(format!("{name}.bias"), TensorData::new(shift, [dim]));
    Ok(())
}

/// Of every neck, as of torch's batch norms.
const EPS: f64 = 1e-5;

#[cfg(test)]
mod tests;
