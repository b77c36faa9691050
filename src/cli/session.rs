//! A recipe that was read whole, with its data: what every verb on a recipe starts from.
//!
//! Rooms differ in what they learn from, so `[data]` and `[eval]` belong to the kind of room: [`ImageSession`] for labelled pictures,
//! [`PairSession`] for images with captions. The verbs that train and evaluate know [`Session`] alone; those that need vectors of pictures ask for an [`ImageVerb`].

mod images;
mod pairs;

pub use images::{ImagePlan, ImageSession, Seen, embed_all};
pub use pairs::{Making, Matched, PairData, PairPlan, PairSession};

use super::CliError;
use super::eval::Target;
use crate::backbones::weights::{self, LoadReport, Tensors};
use crate::data::feed::Feed;
use crate::data::pairs::PairSection;
use crate::data::section::DataSection;
use crate::device::Device;
use crate::papers::registry::{self, ROOMS, Visitor};
use crate::papers::{Capability, ImagePaper, Objective, PairPaper, Paper};
use crate::recipe::{self, PaperSection, Reader, Recipe};
use crate::report::figures::{EvalReport, Published};
use crate::search::{Expansion, Rerank};
use crate::train::engine::Hooks;
use crate::train::grid::GridSection;
use crate::train::matching::PairEvalSection;
use crate::train::optim::OptimizerSection;
use crate::train::retrieval::EvalSection;
use crate::train::schedule::ScheduleSection;
use crate::train::settings::TrainSection;
use crate::train::sinks::EntrySplit;
use schemars::{Schema, schema_for};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every recipe says, whatever its room learns from.
pub struct Common {
    /// The recipe.
    pub recipe: Recipe,
    /// `[paper]`.
    pub about: PaperSection,
    /// `[optimizer]`.
    pub optimizer: OptimizerSection,
    /// `[schedule]`.
    pub schedule: ScheduleSection,
    /// `[train]`.
    pub train: TrainSection,
}

impl Common {
    /// Reads a recipe: the common sections here, those of the room and its kind by `own`. All errors come at once.
    fn read<T>(recipe: Recipe, own: impl FnOnce(&mut Reader) -> Option<T>) -> crate::Result<(Self, T)> {
        let mut reader = recipe.reader();
        let about: Option<PaperSection> = reader.section_required("paper");
        let optimizer: Option<OptimizerSection> = reader.section_required("optimizer");
        let schedule: Option<ScheduleSection> = reader.section("schedule");
        let train: Option<TrainSection> = reader.section_required("train");
        if let Some(optimizer) = &optimizer
            && let Err(problem) = crate::train::optim::Groups::new(optimizer, "")
        {
            reader.refuse(
                "optimizer.groups",
                problem,
                "see the syntax of Rust's regex crate",
            );
        }
        let own = own(&mut reader);
        reader.finish()?;
        let whole = "the reader refused nothing";
        let common = Self {
            about: about.expect(whole),
            optimizer: optimizer.expect(whole),
            schedule: schedule.unwrap_or_else(ScheduleSection::constant),
            train: train.expect(whole),
            recipe,
        };
        Ok((common, own.expect(whole)))
    }
}

/// What an evaluation found.
pub struct Evaluation<T> {
    /// The figures.
    pub report: EvalReport,
    /// What was published, to stand beside them.
    pub published: Vec<Published>,
    /// What they were found with, for a person to look at.
    pub seen: T,
}

/// What `tailor eval` asks for beside the recipe.
#[derive(Default)]
pub struct EvalFlags {
    /// The data and the `[eval]` of another recipe.
    pub on: Option<Recipe>,
    /// Re-rank by neighbours too.
    pub rerank: Option<Rerank>,
    /// Expand queries too.
    pub expansion: Option<Expansion>,
    /// Show so many pictures in the projector.
    pub projector: Option<usize>,
    /// The run whose weights are evaluated, if they are a run's.
    pub run: Option<PathBuf>,
    /// Runs whose scores are averaged with the target's.
    pub ensemble: Vec<Target>,
}

/// A recipe with its data, ready to be trained and evaluated: what `train`, `check`, `sweep` and `eval` drive.
pub trait Session: Sized {
    /// Everything that the recipe says, checked.
    type Plan;
    /// What is trained.
    type Model: Objective;
    /// The training batches.
    type Feed: Feed<Host = <Self::Model as Objective>::Host>;
    /// What an evaluation leaves to be looked at.
    type Seen;

    /// The room's name.
    const ROOM: &'static str;
    /// What a batch consists of: "pictures", "pairs".
    const ITEMS: &'static str;
    /// Evaluated figures that progress shows beside the one that chooses the best checkpoint.
    const SHOWN: &'static [&'static str];

    /// Reads a recipe; all errors come at once.
    fn read(recipe: Recipe) -> crate::Result<Self::Plan>;

    /// Opens the data and holds recipe and data against each other. What must be computed of the data is computed on the device.
    fn open(plan: Self::Plan, device: &Device) -> crate::Result<Self>;

    /// A trained model's weights: a checkpoint's, or those of an export that the room can read back.
    fn weights(_plan: &Self::Plan, path: &Path) -> crate::Result<Tensors> {
        Ok(weights::read(path)?)
    }

    /// Opens what is measured by flags of `tailor eval`; `weights` are those that will be loaded.
    fn open_to_evaluate(
        plan: Self::Plan,
        flags: EvalFlags,
        weights: Option<&Tensors>,
        device: &Device,
    ) -> crate::Result<Self>;

    /// Writes what the evaluation of a run needs of its training data into its folder, when it begins.
    fn keep(&self, _run: &Path) -> crate::Result<()> {
        Ok(())
    }

    /// What every recipe says.
    fn common(&self) -> &Common;

    /// The training batches.
    fn feed(&self) -> &Arc<Self::Feed>;

    /// What is measured on while training goes on.
    fn measured_on(&self) -> EntrySplit {
        EntrySplit::Valid
    }

    /// The data's fingerprint.
    fn fingerprint(&self) -> &str;

    /// Classes of the training split, where the data has classes.
    fn classes(&self) -> Option<usize>;

    /// A few lines on the data.
    fn describe(&self) -> String;

    /// The model at step 0, on an autodiff device.
    fn model(&self, device: &Device) -> crate::Result<(Self::Model, Option<LoadReport>)>;

    /// The model with the weights of another run or file.
    fn init_from(&self, model: Self::Model, path: &Path, device: &Device) -> crate::Result<Self::Model>;

    /// What evaluates while training goes on, without intervals.
    fn evaluator(&self, device: &Device) -> Box<dyn Hooks<Self::Model> + Send>;

    /// Evaluates a model that is in evaluation mode; says what it does on stderr. `weights` and `source` name what is evaluated.
    fn evaluate(
        &self,
        model: &Self::Model,
        device: &Device,
        weights: &str,
        source: &Path,
    ) -> crate::Result<Evaluation<Self::Seen>>;

    /// Writes what a person looks at beside `eval.json`; `run` is the run that the weights come from. What cannot be written
    /// costs nothing but itself: that is said, and the figures stand. Gives the page.
    fn look(
        &self,
        evaluation: &Evaluation<Self::Seen>,
        device: &Device,
        folder: &Path,
        run: Option<&Path>,
    ) -> Option<PathBuf>;

    /// Optimiser steps of the whole recipe.
    fn steps(&self) -> crate::Result<u64> {
        let common = self.common();
        let mut steps = 0;
        for epoch in 0..common.train.epochs {
            let batches = self
                .feed()
                .batches(epoch)
                .map_err(crate::train::TrainError::from)?;
            steps += batches / common.optimizer.accumulate;
        }
        Ok(steps)
    }
}

/// Every section that a recipe may have, with its schema.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    struct Sections;
    impl Visitor for Sections {
        type Output = Vec<(&'static str, Schema)>;
        fn images<P: ImagePaper>(self) -> Self::Output {
            P::sections()
        }
        fn pairs<P: PairPaper>(self) -> Self::Output {
            P::sections()
        }
    }
    // What belongs to the kind of room comes once for each kind.
    let mut all = vec![
        recipe::schema::paper(),
        ("data", schema_for!(DataSection)),
        ("data", schema_for!(PairSection)),
        ("data", schema_for!(GridSection)),
    ];
    for room in ROOMS {
        all.extend(registry::visit(room, Sections).unwrap_or_default());
    }
    all.extend([
        ("optimizer", schema_for!(OptimizerSection)),
        ("schedule", schema_for!(ScheduleSection)),
        ("train", schema_for!(TrainSection)),
        ("eval", schema_for!(EvalSection)),
        ("eval", schema_for!(PairEvalSection)),
    ]);
    all
}

/// Work on the session of any room.
pub trait Verb {
    /// What it gives.
    type Output;

    /// Does it.
    fn on<S: Session>(self) -> crate::Result<Self::Output>;
}

/// Does the work for the room that the recipe names.
pub fn for_room<V: Verb>(recipe: &Recipe, verb: V) -> crate::Result<V::Output> {
    struct Any<V>(V);
    impl<V: Verb> Visitor for Any<V> {
        type Output = crate::Result<V::Output>;
        fn images<P: ImagePaper>(self) -> Self::Output {
            self.0.on::<ImageSession<P>>()
        }
        fn pairs<P: PairPaper>(self) -> Self::Output {
            self.0.on::<PairSession<P>>()
        }
    }
    visit(recipe, Any(verb))
}

/// Work that needs vectors of pictures.
pub trait ImageVerb {
    /// What it gives.
    type Output;

    /// Does it.
    fn on<P: ImagePaper>(self) -> crate::Result<Self::Output>;
}

/// Does the work of the verb of that name for the room that the recipe names, or says which rooms can do it.
pub fn for_embedding<V: ImageVerb>(recipe: &Recipe, name: &'static str, verb: V) -> crate::Result<V::Output> {
    struct Embedding<V>(&'static str, V);
    impl<V: ImageVerb> Visitor for Embedding<V> {
        type Output = crate::Result<V::Output>;
        fn images<P: ImagePaper>(self) -> Self::Output {
            match P::CAPABILITIES.contains(&Capability::Embed) {
                true => self.1.on::<P>(),
                false => Err(cannot::<P>(self.0, Capability::Embed)),
            }
        }
        fn pairs<P: PairPaper>(self) -> Self::Output {
            Err(cannot::<P>(self.0, Capability::Embed))
        }
    }
    visit(recipe, Embedding(name, verb))
}

/// Work on scores of pairs.
pub trait PairVerb {
    /// What it gives.
    type Output;

    /// Does it.
    fn on<P: PairPaper>(self) -> crate::Result<Self::Output>;
}

/// Does the work of the verb of that name for the room that the recipe names, or says which rooms can do it.
pub fn for_matching<V: PairVerb>(recipe: &Recipe, name: &'static str, verb: V) -> crate::Result<V::Output> {
    struct Matching<V>(&'static str, V);
    impl<V: PairVerb> Visitor for Matching<V> {
        type Output = crate::Result<V::Output>;
        fn images<P: ImagePaper>(self) -> Self::Output {
            Err(cannot::<P>(self.0, Capability::Match))
        }
        fn pairs<P: PairPaper>(self) -> Self::Output {
            self.1.on::<P>()
        }
    }
    visit(recipe, Matching(name, verb))
}

/// A verb needs what a room has not got.
pub(super) fn cannot<P: Paper>(verb: &'static str, needs: Capability) -> crate::Error {
    let can: Vec<&str> = P::CAPABILITIES.iter().map(|can| can.words()).collect();
    CliError::Cannot {
        verb,
        room: P::ROOM,
        needs: needs.words(),
        can: can.join(", "),
        others: registry::able(needs).join(", "),
    }
    .into()
}

/// Does the work for the room that the recipe names, by its kind; a recipe without a room of this version is refused.
pub fn visit<V, T>(recipe: &Recipe, visitor: V) -> crate::Result<T>
where
    V: Visitor<Output = crate::Result<T>>,
{
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
