//! `tailor check`: a recipe held against its data and its device, by taking one step.

use super::run::grouped;
use super::say;
use super::session::{PairData, Session, Verb, for_room, visit};
use crate::backbones::weights;
use crate::data::DatasetSection;
use crate::data::feed::{Feed, Job};
use crate::data::pairs::PairSection;
use crate::data::section::DataSection;
use crate::device::{self, Choice, Device};
use crate::papers::registry::Visitor;
use crate::papers::{Clock, ImagePaper, Objective, PairPaper};
use crate::recipe::{Reader, Recipe};
use crate::train::optim::{Groups, Optimizer};
use crate::train::sinks::system;
use crate::train::{TrainError, freeze};
use burn::optim::GradientsParams;
use std::time::Instant;

/// Checks a recipe whole: its keys, its data, one training step.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tailor check my-recipe.toml --set data.root=/data/photos")]
pub struct CheckArgs {
    /// A recipe's file, or the name of a built-in one.
    recipe: String,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set train.epochs=5`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: CheckArgs) -> crate::Result<()> {
    let recipe = Recipe::load(&args.recipe, &args.sets)?;
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    say!("recipe   {} ({})", recipe.name, recipe.origin);
    say!("device   {device}");
    let verb = Check {
        recipe: recipe.clone(),
        device: device.device,
    };
    let facts = for_room(&recipe, verb)?;
    facts.print(args.json)
}

/// What a recipe says of its data, for `tailor data check`.
pub fn data_of(recipe: &str, sets: &[String]) -> crate::Result<DataOf> {
    struct Kind<'a>(&'a Recipe);
    impl Kind<'_> {
        fn section<T>(self, read: impl FnOnce(&mut Reader) -> Option<T>) -> crate::Result<T> {
            let mut reader = self.0.reader();
            let data = read(&mut reader);
            reader.skip_rest();
            reader.finish()?;
            Ok(data.expect("the reader refused nothing"))
        }
    }
    impl Visitor for Kind<'_> {
        type Output = crate::Result<DataOf>;
        fn images<P: ImagePaper>(self) -> Self::Output {
            let data: DataSection = self.section(|reader| reader.section_required("data"))?;
            Ok(DataOf::Pictures(Box::new(data.dataset)))
        }
        fn pairs<P: PairPaper>(self) -> Self::Output {
            Ok(match self.section(PairData::read)? {
                PairData::Precomputed(section) => DataOf::Pairs(section),
                // What can be wrong with pictures is their table's.
                PairData::Grid(section) => DataOf::Captioned(Box::new(section.dataset)),
            })
        }
    }
    let recipe = Recipe::load(recipe, sets)?;
    visit(&recipe, Kind(&recipe))
}

/// A recipe's data, by the kind of its room.
pub enum DataOf {
    /// Labelled pictures.
    Pictures(Box<DatasetSection>),
    /// Pictures with captions.
    Captioned(Box<DatasetSection>),
    /// Images as region features, with captions.
    Pairs(PairSection),
}

struct Check {
    recipe: Recipe,
    device: Device,
}

impl Verb for Check {
    type Output = Facts;

    fn on<S: Session>(self) -> crate::Result<Facts> {
        let session = S::open(S::read(self.recipe)?, &self.device)?;
        say!("{}", session.describe());
        one_step(&session, &self.device)
    }
}

/// What one step told.
#[derive(Debug, serde::Serialize)]
pub struct Facts {
    /// Classes of the training split, where the data has classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Items in a batch.
    pub batch: u64,
    /// What these are.
    pub items: &'static str,
    /// Optimiser steps of the recipe.
    pub steps: u64,
    /// Parameters.
    pub parameters: usize,
    /// Bytes of weights, gradients, optimiser state and moving average.
    pub state_bytes: u64,
    /// Bytes that the process took more while it made its step (on the CPU: activations and what is above).
    pub step_bytes: Option<u64>,
    /// Seconds of the step; a GPU's first step also compiles its kernels.
    pub seconds: f64,
    /// The losses of the step.
    #[serde(serialize_with = "as_map")]
    pub losses: Vec<(String, f64)>,
}

impl Facts {
    /// On stdout: a table for a person, or one JSON object.
    pub fn print(&self, json: bool) -> crate::Result<()> {
        let text = match json {
            true => serde_json::to_string(self).expect("facts are plain data"),
            false => self.to_text(),
        };
        super::print(&format!("{text}\n"))
    }

    fn to_text(&self) -> String {
        let losses: Vec<String> = self
            .losses
            .iter()
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        let mut lines: Vec<String> = self
            .classes
            .map(|classes| format!("classes  {}", grouped(classes)))
            .into_iter()
            .collect();
        lines.extend([
            format!(
                "batch    {} {}, {} steps in all",
                self.batch,
                self.items,
                grouped(self.steps as usize)
            ),
            format!("model    {} parameters", grouped(self.parameters)),
            format!(
                "memory   {} for weights, gradients, optimiser and average",
                mib(self.state_bytes)
            ),
        ]);
        lines.extend(self.step_bytes.map(|bytes| {
            format!(
                "         {} more in this process while one step was taken",
                mib(bytes)
            )
        }));
        lines.push(format!("step     {:.2} s: {}", self.seconds, losses.join(", ")));
        lines.push("ok".into());
        lines.join("\n")
    }
}

fn as_map<S: serde::Serializer>(losses: &[(String, f64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(losses.iter().map(|(name, value)| (name, value)))
}

/// "23.5 MiB", and "1,234 MiB" where a tenth says nothing.
fn mib(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib < 100.0 {
        true => format!("{mib:.1} MiB"),
        false => format!("{} MiB", grouped(mib.round() as usize)),
    }
}

/// Takes one step on the first batch and throws it away.
pub fn one_step<S: Session>(session: &S, device: &Device) -> crate::Result<Facts> {
    let common = session.common();
    let (model, report) = session.model(device)?;
    if let Some(report) = report {
        say!("weights  {report}");
    }
    let parameters = weights::parameter_count(&model);
    let host = session
        .feed()
        .load(Job { epoch: 0, batch: 0 }, &mut Default::default())
        .map_err(TrainError::from)?;
    let before = system::peak_bytes();
    let start = Instant::now();
    let clock = Clock {
        seed: common.train.seed,
        step: 0,
        epoch: 0,
        micro: 0,
    };
    let batch = model.upload(host, &device.clone().autodiff());
    let mut losses = Vec::new();
    let mut model = model;
    for (index, phase) in model.phases().into_iter().enumerate() {
        let mut found = model.loss(index, &batch, &clock);
        found.terms.insert(0, ("loss", found.total.clone()));
        for (name, value) in found.terms {
            let value = value
                .try_into_scalar::<f32>()
                .map_err(|e| TrainError::Device(format!("{e:?}")))?;
            if !value.is_finite() {
                return Err(TrainError::NotFinite {
                    name: name.into(),
                    value,
                    step: 1,
                }
                .into());
            }
            losses.push((name.to_string(), f64::from(value)));
        }
        let grads = model.edit_grads(index, GradientsParams::from_grads(found.total.backward(), &model));
        let names = freeze::names(&model);
        let groups = Groups::new(&common.optimizer, phase.params)
            .and_then(|groups| groups.with_layers(names.iter().map(String::as_str)))
            .map_err(TrainError::Setting)?;
        let lrs: Vec<f64> = groups.iter().map(|group| group.lr).collect();
        model = Optimizer::new(groups).step(model, grads, &lrs);
    }
    device.sync().map_err(|e| TrainError::Device(format!("{e:?}")))?;
    let copies = 4 + u64::from(common.train.ema.is_some());
    Ok(Facts {
        classes: session.classes(),
        batch: session.feed().items(),
        items: S::ITEMS,
        steps: session.steps()?,
        parameters,
        state_bytes: parameters as u64 * 4 * copies,
        step_bytes: before
            .zip(system::peak_bytes())
            .map(|(before, after)| after - before),
        seconds: start.elapsed().as_secs_f64(),
        losses,
    })
}
