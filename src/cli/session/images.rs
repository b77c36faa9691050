//! Rooms that learn from labelled pictures.

mod evaluate;
mod start;

pub use evaluate::{Seen, embed_all};

use super::{Common, EvalFlags, Evaluation, Session};
use crate::backbones::weights::{LoadReport, Tensors};
use crate::cli::{CliError, eval, look};
use crate::data::feed::Feed;
use crate::data::image_feed::ImageFeed;
use crate::data::sampler::SamplerSection;
use crate::data::section::DataSection;
use crate::data::transform::Pipeline;
use crate::data::{self, Table};
use crate::device::Device;
use crate::papers::{Capability, Facts, ImagePaper, registry};
use crate::recipe::{Reader, Recipe};
use crate::train::TrainError;
use crate::train::engine::Hooks;
use crate::train::retrieval::{EvalSection, EvalSplit, Task};
use crate::train::sinks::EntrySplit;
use evaluate::Evaluator;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that a recipe of such a room says, checked.
pub struct ImagePlan<P> {
    /// What every recipe says.
    pub common: Common,
    /// The paper's own sections.
    pub paper: P,
    /// `[data]`.
    pub data: DataSection,
    /// `[eval]`.
    pub eval: EvalSection,
    /// Of the training pictures.
    pub train_pipeline: Pipeline,
    /// Of all others.
    pub eval_pipeline: Pipeline,
}

/// The sections that are not common.
struct Own<P> {
    paper: P,
    data: DataSection,
    eval: EvalSection,
    pipelines: [Pipeline; 2],
}

impl<P: ImagePaper> Own<P> {
    fn read(reader: &mut Reader) -> Option<Self> {
        let data: Option<DataSection> = reader.section_required("data");
        let paper = P::read(reader);
        let eval: Option<EvalSection> = reader.section("eval");
        if let Some(eval) = &eval
            && eval.modes.is_empty()
        {
            reader.refuse(
                "eval.modes",
                "there is no mode to evaluate in",
                "name \"instance\", \"centroid\" or both",
            );
        }
        let data = data?;
        let pipelines = pipelines(reader, &data)?;
        Some(Self {
            paper: paper?,
            data,
            eval: eval.unwrap_or_default(),
            pipelines,
        })
    }
}

/// What is done to training pictures, and to all others.
fn pipelines(reader: &mut Reader, data: &DataSection) -> Option<[Pipeline; 2]> {
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
    let train = pipeline("data.train_transform", &data.train_transform, true);
    let eval = pipeline("data.eval_transform", &data.eval_transform, false);
    let (train, eval) = (train?, eval?);
    if train.output() != eval.output() {
        tracing::info!(
            "training pictures are {:?}, evaluated ones {:?}",
            train.output(),
            eval.output()
        );
    }
    Some([train, eval])
}

/// A recipe with its labelled pictures.
pub struct ImageSession<P> {
    /// What the recipe says.
    pub plan: ImagePlan<P>,
    /// The data.
    pub table: Arc<Table>,
    /// The training batches.
    pub feed: Arc<ImageFeed>,
    /// What the paper needs to know of the data.
    pub facts: Facts,
    /// What is evaluated.
    pub task: Arc<Task>,
}

impl<P: ImagePaper> ImageSession<P> {
    /// Opens data that is measured on and not trained on: the recipe's sampler and losses play no part, and the model has the
    /// classes that its weights were trained for.
    pub fn open_to_measure(plan: ImagePlan<P>, classes: usize) -> crate::Result<Self> {
        Self::with(plan, Some(classes))
    }

    fn with(plan: ImagePlan<P>, classes: Option<usize>) -> crate::Result<Self> {
        let table = Arc::new(data::open(&plan.data.dataset)?);
        data::check::refuse(&table, plan.data.dataset.closed_set)?;
        let feed = ImageFeed::new(
            table.clone(),
            table.train(),
            plan.data.sampler.clone(),
            plan.train_pipeline.clone(),
            plan.data.decode,
            plan.common.train.seed,
        );
        let facts = Facts {
            classes: classes.unwrap_or_else(|| feed.classes().len()),
            per_class: match plan.data.sampler {
                SamplerSection::Pk { per_class, .. } => Some(per_class),
                _ => None,
            },
        };
        let task =
            Task::new(table.clone(), &plan.eval, plan.common.train.seed)?.with_decode(plan.data.decode);
        Ok(Self {
            plan,
            table,
            feed: Arc::new(feed),
            facts,
            task: Arc::new(task),
        })
    }
}

impl<P: ImagePaper> Session for ImageSession<P> {
    type Plan = ImagePlan<P>;
    type Model = P::Model;
    type Feed = ImageFeed;
    type Seen = Seen;

    const ROOM: &'static str = P::ROOM;
    const ITEMS: &'static str = "pictures";
    const SHOWN: &'static [&'static str] = &["recall@1", "mAP"];

    fn read(recipe: Recipe) -> crate::Result<ImagePlan<P>> {
        let (common, own) = Common::read(recipe, Own::read)?;
        let Own {
            paper,
            data,
            eval,
            pipelines: [train_pipeline, eval_pipeline],
        } = own;
        Ok(ImagePlan {
            common,
            paper,
            data,
            eval,
            train_pipeline,
            eval_pipeline,
        })
    }

    fn open(plan: ImagePlan<P>, device: &Device) -> crate::Result<Self> {
        // Only here: what is trained in half precision is evaluated and served in single precision, on any device.
        plan.paper.precision().check(device)?;
        let session = Self::with(plan, None)?;
        let paper = &session.plan.paper;
        paper.check(&session.facts).map_err(TrainError::Setting)?;
        session.feed.batches(0).map_err(TrainError::from)?;
        Ok(session)
    }

    fn weights(plan: &ImagePlan<P>, path: &Path) -> crate::Result<Tensors> {
        eval::read(&plan.paper, path)
    }

    fn open_to_evaluate(
        mut plan: ImagePlan<P>,
        flags: EvalFlags,
        weights: Option<&Tensors>,
        device: &Device,
    ) -> crate::Result<Self> {
        if !flags.ensemble.is_empty() {
            return Err(CliError::NoFlag {
                flag: "--ensemble",
                room: P::ROOM,
                rooms: registry::able(Capability::Match).join(", "),
            }
            .into());
        }
        if let Some(other) = &flags.on {
            let mut reader = other.reader();
            let data: Option<DataSection> = reader.section_required("data");
            let eval: Option<EvalSection> = reader.section("eval");
            reader.skip_rest();
            reader.finish()?;
            plan.data.dataset = data.expect("the reader refused nothing").dataset;
            plan.eval = eval.unwrap_or_default();
        }
        plan.eval.rerank = flags.rerank.or(plan.eval.rerank);
        plan.eval.query_expansion = flags.expansion.or(plan.eval.query_expansion);
        plan.eval.projector = flags.projector.unwrap_or(plan.eval.projector);
        if weights.is_some() {
            plan.paper.forget_published_weights();
        }
        // The classifier is as wide as the data had classes that the weights were trained on; it is not asked for anything here.
        let known = weights.and_then(|weights| plan.paper.facts(weights));
        match (flags.on, known) {
            (None, None) => Self::open(plan, device),
            (_, known) => Self::open_to_measure(plan, known.map_or(2, |facts| facts.classes)),
        }
    }

    fn common(&self) -> &Common {
        &self.plan.common
    }

    fn feed(&self) -> &Arc<ImageFeed> {
        &self.feed
    }

    fn measured_on(&self) -> EntrySplit {
        match self.plan.eval.split {
            EvalSplit::Valid => EntrySplit::Valid,
            EvalSplit::Test => EntrySplit::Test,
        }
    }

    fn fingerprint(&self) -> &str {
        &self.table.fingerprint
    }

    fn classes(&self) -> Option<usize> {
        Some(self.facts.classes)
    }

    fn describe(&self) -> String {
        let mut text = format!("data     {}", self.table.summary()).replace("\n  ", "\n         ");
        for note in self.task.notes() {
            text.push_str(&format!("\nnote     {note}"));
        }
        text
    }

    fn model(&self, device: &Device) -> crate::Result<(P::Model, Option<LoadReport>)> {
        let seed = self.plan.common.train.seed;
        self.plan
            .paper
            .model(&self.facts, seed, &device.clone().autodiff())
    }

    fn init_from(&self, model: P::Model, path: &Path, _device: &Device) -> crate::Result<P::Model> {
        start::init_from(model, path, self.plan.paper.new_classifier())
    }

    fn evaluator(&self, device: &Device) -> Box<dyn Hooks<P::Model> + Send> {
        Box::new(Evaluator::new(self, device))
    }

    fn evaluate(
        &self,
        model: &P::Model,
        device: &Device,
        weights: &str,
        source: &Path,
    ) -> crate::Result<Evaluation<Seen>> {
        evaluate::evaluate(self, model, device, weights, source)
    }

    fn look(
        &self,
        evaluation: &Evaluation<Seen>,
        device: &Device,
        folder: &Path,
        run: Option<&Path>,
    ) -> Option<PathBuf> {
        let page = look::report(self, evaluation, device, folder, run);
        look::projector(self, evaluation, folder);
        page
    }
}
