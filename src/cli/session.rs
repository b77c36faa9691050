//! A recipe that was read whole, with its data: what every verb on a recipe starts from.

use crate::backbones::weights::LoadReport;
use crate::data::feed::Feed;
use crate::data::image_feed::ImageFeed;
use crate::data::sampler::SamplerSection;
use crate::data::section::DataSection;
use crate::data::transform::Pipeline;
use crate::data::{self, Table};
use crate::device::Device;
use crate::papers::registry::{self, ROOMS, Visitor};
use crate::papers::{Facts, Paper};
use crate::recipe::PaperSection;
use crate::recipe::{self, Recipe};
use crate::train::optim::OptimizerSection;
use crate::train::retrieval::{EvalSection, Task};
use crate::train::schedule::ScheduleSection;
use crate::train::settings::TrainSection;
use schemars::{Schema, schema_for};
use std::sync::Arc;

/// Everything that a recipe says, checked.
pub struct Plan<P> {
    /// The recipe.
    pub recipe: Recipe,
    /// `[paper]`.
    pub about: PaperSection,
    /// The paper's own sections.
    pub paper: P,
    /// `[data]`.
    pub data: DataSection,
    /// `[optimizer]`.
    pub optimizer: OptimizerSection,
    /// `[schedule]`.
    pub schedule: ScheduleSection,
    /// `[train]`.
    pub train: TrainSection,
    /// `[eval]`.
    pub eval: EvalSection,
    /// Of the training pictures.
    pub train_pipeline: Pipeline,
    /// Of all others.
    pub eval_pipeline: Pipeline,
}

impl<P: Paper> Plan<P> {
    /// Reads a recipe; all errors come at once.
    pub fn read(recipe: Recipe) -> crate::Result<Self> {
        let mut reader = recipe.reader();
        let about: Option<PaperSection> = reader.section_required("paper");
        let data: Option<DataSection> = reader.section_required("data");
        let paper = P::read(&mut reader);
        let optimizer: Option<OptimizerSection> = reader.section_required("optimizer");
        let schedule: Option<ScheduleSection> = reader.section("schedule");
        let train: Option<TrainSection> = reader.section_required("train");
        let eval: Option<EvalSection> = reader.section("eval");
        let mut pipelines = (None, None);
        if let Some(data) = &data {
            let mut pipeline = |key: &str, ops: &Vec<_>, random: bool| {
                let built = Pipeline::new(ops.clone()).and_then(|p| {
                    if !random {
                        p.check_deterministic()?;
                    }
                    Ok(p)
                });
                match built {
                    Ok(pipeline) => Some(pipeline),
                    Err(error) => {
                        let help = miette::Diagnostic::help(&error)
                            .map(|h| h.to_string())
                            .unwrap_or_default();
                        reader.refuse(key, error.to_string(), &help);
                        None
                    }
                }
            };
            pipelines = (
                pipeline("data.train_transform", &data.train_transform, true),
                pipeline("data.eval_transform", &data.eval_transform, false),
            );
            if let (Some(train), Some(eval)) = (&pipelines.0, &pipelines.1)
                && train.output() != eval.output()
            {
                tracing::info!(
                    "training pictures are {:?}, evaluated ones {:?}",
                    train.output(),
                    eval.output()
                );
            }
        }
        if let Some(optimizer) = &optimizer
            && let Err(problem) = crate::train::optim::Groups::new(optimizer, "")
        {
            reader.refuse(
                "optimizer.groups",
                problem,
                "see the syntax of Rust's regex crate",
            );
        }
        if let Some(eval) = &eval
            && eval.modes.is_empty()
        {
            reader.refuse(
                "eval.modes",
                "there is no mode to evaluate in",
                "name \"instance\", \"centroid\" or both",
            );
        }
        reader.finish()?;
        let whole = "the reader refused nothing";
        Ok(Self {
            about: about.expect(whole),
            paper: paper.expect(whole),
            data: data.expect(whole),
            optimizer: optimizer.expect(whole),
            schedule: schedule.unwrap_or_else(ScheduleSection::constant),
            train: train.expect(whole),
            eval: eval.unwrap_or_default(),
            train_pipeline: pipelines.0.expect(whole),
            eval_pipeline: pipelines.1.expect(whole),
            recipe,
        })
    }

    /// Opens the data and holds recipe and data against each other.
    pub fn open(self) -> crate::Result<Session<P>> {
        let table = Arc::new(data::open(&self.data.dataset)?);
        data::check::refuse(&table, self.data.dataset.closed_set)?;
        let rows = table.train();
        let feed = ImageFeed::new(
            table.clone(),
            rows,
            self.data.sampler.clone(),
            self.train_pipeline.clone(),
            self.data.decode,
            self.train.seed,
        );
        let facts = Facts {
            classes: feed.classes().len(),
            per_class: match self.data.sampler {
                SamplerSection::Pk { per_class, .. } => Some(per_class),
                _ => None,
            },
        };
        self.paper
            .check(&facts)
            .map_err(crate::train::TrainError::Setting)?;
        feed.batches(0).map_err(crate::train::TrainError::from)?;
        let task = Task::new(table.clone(), &self.eval, self.train.seed)?.with_decode(self.data.decode);
        Ok(Session {
            plan: self,
            table,
            feed: Arc::new(feed),
            facts,
            task: Arc::new(task),
        })
    }
}

impl<P: Paper> Plan<P> {
    /// Opens data that is measured on and not trained on: the recipe's sampler and losses play no part, and the model has the
    /// classes that its weights were trained for.
    pub fn open_to_evaluate(self, classes: usize) -> crate::Result<Session<P>> {
        let table = Arc::new(data::open(&self.data.dataset)?);
        data::check::refuse(&table, self.data.dataset.closed_set)?;
        let feed = ImageFeed::new(
            table.clone(),
            table.train(),
            self.data.sampler.clone(),
            self.train_pipeline.clone(),
            self.data.decode,
            self.train.seed,
        );
        let facts = Facts {
            classes,
            per_class: match self.data.sampler {
                SamplerSection::Pk { per_class, .. } => Some(per_class),
                _ => None,
            },
        };
        let task = Task::new(table.clone(), &self.eval, self.train.seed)?;
        Ok(Session {
            plan: self,
            table,
            feed: Arc::new(feed),
            facts,
            task: Arc::new(task),
        })
    }
}

/// A recipe with its data.
pub struct Session<P> {
    /// What the recipe says.
    pub plan: Plan<P>,
    /// The data.
    pub table: Arc<Table>,
    /// The training batches.
    pub feed: Arc<ImageFeed>,
    /// What the paper needs to know of the data.
    pub facts: Facts,
    /// What is evaluated.
    pub task: Arc<Task>,
}

impl<P: Paper> Session<P> {
    /// The model at step 0, on an autodiff device.
    pub fn model(&self, device: &Device) -> crate::Result<(P::Model, Option<LoadReport>)> {
        self.plan
            .paper
            .model(&self.facts, self.plan.train.seed, &device.clone().autodiff())
    }

    /// Optimiser steps of the whole recipe.
    pub fn steps(&self) -> crate::Result<u64> {
        let mut steps = 0;
        for epoch in 0..self.plan.train.epochs {
            let batches = self.feed.batches(epoch).map_err(crate::train::TrainError::from)?;
            steps += batches / self.plan.optimizer.accumulate;
        }
        Ok(steps)
    }

    /// A few lines on the data.
    pub fn describe(&self) -> String {
        let mut text = format!("data     {}", self.table.summary()).replace("\n  ", "\n         ");
        for note in self.task.notes() {
            text.push_str(&format!("\nnote     {note}"));
        }
        text
    }
}

/// Every section that a recipe may have, with its schema.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    struct Sections;
    impl Visitor for Sections {
        type Output = Vec<(&'static str, Schema)>;
        fn visit<P: Paper>(self) -> Self::Output {
            P::sections()
        }
    }
    let mut all = vec![recipe::schema::paper(), ("data", schema_for!(DataSection))];
    for room in ROOMS {
        all.extend(registry::visit(room, Sections).unwrap_or_default());
    }
    all.extend([
        ("optimizer", schema_for!(OptimizerSection)),
        ("schedule", schema_for!(ScheduleSection)),
        ("train", schema_for!(TrainSection)),
        ("eval", schema_for!(EvalSection)),
    ]);
    all
}

/// Does the work for the room that the recipe names.
pub fn for_room<V: Visitor<Output = crate::Result<T>>, T>(recipe: &Recipe, visitor: V) -> crate::Result<T> {
    let room = match recipe.get("paper.room").map(|node| &node.value) {
        Some(recipe::tree::Value::String(room)) => room.clone(),
        _ => String::new(),
    };
    registry::visit(&room, visitor).unwrap_or_else(|| {
        let mut reader = recipe.reader();
        let _: Option<PaperSection> = reader.section_required("paper");
        reader.skip_rest();
        reader.refuse(
            "paper.room",
            format!("there is no room `{room}`"),
            format!("the rooms of this version are {}", ROOMS.join(", ")),
        );
        reader.finish()?;
        unreachable!("the reader was told of an error")
    })
}
