//! Rooms that learn from images and their captions.

mod evaluate;
mod source;

pub use evaluate::Matched;
pub use source::{Making, PairData};

use super::{Common, EvalFlags, Evaluation, Session};
use crate::backbones::weights::{self, Import, LoadReport, Tensors};
use crate::cli::run::grouped;
use crate::cli::{CliError, Which, look, say, weights_at};
use crate::data::feed::{Feed, Job};
use crate::data::pairs::{Faces, PairFeed, Part, Precomputed};
use crate::device::Device;
use crate::papers::{Capability, PairFacts, PairPaper, registry};
use crate::recipe::{Reader, Recipe};
use crate::train::TrainError;
use crate::train::engine::Hooks;
use crate::train::matching::{self, PairEvalSection};
use evaluate::{Evaluator, Member};
use source::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that a recipe of such a room says, checked.
pub struct PairPlan<P> {
    /// What every recipe says.
    pub common: Common,
    /// The paper's own sections.
    pub paper: P,
    /// `[data]`.
    pub data: PairData,
    /// `[eval]`.
    pub eval: PairEvalSection,
}

/// A recipe with its images and captions.
pub struct PairSession<P> {
    /// What the recipe says.
    pub plan: PairPlan<P>,
    source: Source,
    /// None where nothing is trained.
    feed: Option<Arc<PairFeed>>,
    train: Option<Arc<Precomputed>>,
    /// None where nothing is evaluated while training goes on.
    valid: Option<Arc<Precomputed>>,
    /// What is evaluated at the end.
    evaluated: Arc<Precomputed>,
    fingerprint: String,
    facts: PairFacts,
    /// Runs whose scores are averaged with the evaluated one's.
    ensemble: Vec<Member<P>>,
}

/// What the sections that are not common say.
fn own<P: PairPaper>(reader: &mut Reader) -> Option<(P, PairData, PairEvalSection)> {
    let data = PairData::read(reader);
    let paper = P::read(reader);
    let eval: Option<PairEvalSection> = reader.section("eval");
    Some((paper?, data?, eval.unwrap_or_default()))
}

/// Puts the data and the `[eval]` of another recipe in the place of the plan's own. Images are described and words are numbered as the
/// weights are used to.
fn elsewhere<P: PairPaper>(plan: &mut PairPlan<P>, other: &Recipe, is_run: bool) -> crate::Result<()> {
    let refuse = |problem: &str| {
        crate::Error::from(CliError::Elsewhere {
            other: other.name.clone(),
            problem: problem.into(),
        })
    };
    if other.reader().text("paper.room").as_deref() != Some(P::ROOM) {
        return Err(refuse("it is of another room"));
    }
    let mut reader = other.reader();
    let data = PairData::read(&mut reader);
    let eval: Option<PairEvalSection> = reader.section("eval");
    reader.skip_rest();
    reader.finish()?;
    let data = data.expect("the reader refused nothing");
    if matches!(data, PairData::Grid(_)) && !is_run {
        return Err(refuse(
            "which words the weights know stands in their run's folder, and these are of no run",
        ));
    }
    plan.data = plan.data.on(data).map_err(refuse)?;
    plan.eval = eval.unwrap_or_default();
    Ok(())
}

impl<P: PairPaper> PairSession<P> {
    /// Whether weights are for as many words and as long features as there are.
    fn fits(&self, weights: &Tensors) -> crate::Result<()> {
        let Some(PairFacts { words, dim, .. }) = self.plan.paper.facts(weights) else {
            return Ok(());
        };
        let refuse = |problem: String| Err(TrainError::Setting(problem).into());
        if words != self.facts.words {
            return refuse(format!(
                "the weights are for a vocabulary of {words} words, this one has {}: name the vocabulary that they were trained with \
                 (data.vocabulary), or their run",
                self.facts.words
            ));
        }
        if dim != self.facts.dim {
            return refuse(format!(
                "the weights are for regions of {dim} numbers, those of {} have {}: features must be made as those that they were trained on",
                self.evaluated.path().display(),
                self.facts.dim
            ));
        }
        Ok(())
    }

    fn with(plan: PairPlan<P>, training: bool, run: Option<&Path>, device: &Device) -> crate::Result<Self> {
        let mut parts = vec![plan.eval.part()];
        if training {
            parts.push(Part::Train);
        }
        if training && plan.common.train.evaluate_every > 0 {
            parts.push(Part::Valid);
        }
        let workers = plan.common.train.workers();
        let source = plan.data.open(&parts, run, device, workers)?;
        let open = |part| source.split(part).map(Arc::new);
        let evaluated = open(plan.eval.part())?;
        let train = match training {
            true => Some(open(Part::Train)?),
            false => None,
        };
        let valid = match (training && plan.common.train.evaluate_every > 0, plan.eval.part()) {
            (false, _) => None,
            (true, Part::Valid) => Some(evaluated.clone()),
            (true, _) => Some(open(Part::Valid)?),
        };
        let [_, regions, dim] = evaluated.features.shape();
        for split in train.iter().chain(&valid) {
            let [_, r, d] = split.features.shape();
            if (r, d) != (regions, dim) {
                return Err(TrainError::Setting(format!(
                    "{} has {r} regions of {d} numbers an image, {} has {regions} of {dim}: the splits must be made alike",
                    split.path().display(),
                    evaluated.path().display()
                ))
                .into());
            }
        }
        let facts = PairFacts {
            words: source.vocabulary().len(),
            regions,
            dim,
        };
        plan.paper.check(&facts).map_err(TrainError::Setting)?;
        let feed = match &train {
            Some(train) => Some(Arc::new(PairFeed::new(
                train.clone(),
                plan.data.batch(),
                plan.common.train.seed,
            )?)),
            None => None,
        };
        let mut hash = blake3::Hasher::new();
        hash.update(&(source.vocabulary().len() as u64).to_le_bytes());
        for split in train.iter().chain(&valid).chain([&evaluated]) {
            split.identify(&mut hash)?;
        }
        Ok(Self {
            source,
            feed,
            train,
            valid,
            evaluated,
            fingerprint: hash.finalize().to_hex()[..16].to_string(),
            facts,
            ensemble: Vec::new(),
            plan,
        })
    }

    /// The model with what depends on the first batch of training, where there is one.
    fn settled(&self, model: P::Model, device: &Device) -> crate::Result<P::Model> {
        let Some(feed) = &self.feed else {
            return Ok(model);
        };
        let first = feed
            .load(Job { epoch: 0, batch: 0 }, &mut ())
            .map_err(TrainError::from)?;
        Ok(self.plan.paper.settle(model, first, device))
    }

    /// The fingerprint of what is evaluated alone, which is the same whether or not the training split is at hand.
    fn evaluated_fingerprint(&self) -> crate::Result<String> {
        let mut hash = blake3::Hasher::new();
        self.evaluated.identify(&mut hash)?;
        Ok(hash.finalize().to_hex()[..16].to_string())
    }

    /// The split that is evaluated.
    pub fn evaluated(&self) -> &Precomputed {
        &self.evaluated
    }

    /// Where it comes from.
    pub(in crate::cli) fn source(&self) -> &Source {
        &self.source
    }

    /// Its images as a person knows them.
    pub fn faces(&self) -> crate::Result<Faces> {
        self.source.faces(self.plan.eval.part(), &self.evaluated)
    }

    /// The data's name.
    pub fn name(&self) -> String {
        self.source.name()
    }

    /// The name of the split that is evaluated.
    pub fn split_name(&self) -> &str {
        self.source.part(self.plan.eval.part())
    }

    /// The splits that are open, in words.
    pub fn splits(&self) -> Vec<(String, String)> {
        let mut splits = Vec::new();
        let mut add = |part: Part, split: &Precomputed| {
            let [_, regions, dim] = split.features.shape();
            splits.push((
                self.source.part(part).to_string(),
                format!(
                    "{} images of {regions} × {dim}, {} captions of up to {} words",
                    grouped(split.images()),
                    grouped(split.captions.len()),
                    split.longest() - 2
                ),
            ));
        };
        if let Some(split) = &self.train {
            add(Part::Train, split);
        }
        if let Some(split) = &self.valid {
            add(Part::Valid, split);
        }
        if self
            .valid
            .as_ref()
            .is_none_or(|valid| !Arc::ptr_eq(valid, &self.evaluated))
        {
            add(self.plan.eval.part(), &self.evaluated);
        }
        splits
    }
}

impl<P: PairPaper> Session for PairSession<P> {
    type Plan = PairPlan<P>;
    type Model = P::Model;
    type Feed = PairFeed;
    type Seen = Matched;

    const ROOM: &'static str = P::ROOM;
    const ITEMS: &'static str = "pairs";
    const SHOWN: &'static [&'static str] = &["i2t/recall@1", "t2i/recall@1"];

    fn read(recipe: Recipe) -> crate::Result<PairPlan<P>> {
        let (common, (paper, data, eval)) = Common::read(recipe, |reader| {
            let own = own::<P>(reader);
            let names = matching::choices();
            let best = reader.text("train.best");
            if best.as_ref().is_none_or(|best| !names.contains(best)) {
                let problem = match best {
                    Some(best) => format!("there is no figure `{best}` to choose the best checkpoint by"),
                    None => "the figure that chooses the best checkpoint is not named".into(),
                };
                reader.refuse(
                    "train.best",
                    problem,
                    format!("write best = \"rsum\", or one of {}", names[1..].join(", ")),
                );
            }
            own
        })?;
        Ok(PairPlan {
            common,
            paper,
            data,
            eval,
        })
    }

    fn open(plan: PairPlan<P>, device: &Device) -> crate::Result<Self> {
        Self::with(plan, true, None, device)
    }

    fn weights(plan: &PairPlan<P>, path: &Path) -> crate::Result<Tensors> {
        let tensors = weights::read(path)?;
        Ok(plan.paper.import(&tensors).unwrap_or(tensors))
    }

    fn open_to_evaluate(
        mut plan: PairPlan<P>,
        flags: EvalFlags,
        weights: Option<&Tensors>,
        device: &Device,
    ) -> crate::Result<Self> {
        let EvalFlags {
            on,
            rerank,
            expansion,
            projector,
            run,
            ensemble,
        } = flags;
        let useless = [
            ("--rerank", rerank.is_some()),
            ("--qe and --dba", expansion.is_some()),
            ("--projector", projector.is_some()),
        ];
        if let Some((flag, _)) = useless.iter().find(|(_, given)| *given) {
            return Err(CliError::NoFlag {
                flag,
                room: P::ROOM,
                rooms: registry::able(Capability::Embed).join(", "),
            }
            .into());
        }
        if let Some(other) = &on {
            elsewhere(&mut plan, other, run.is_some())?;
        }
        let mut session = Self::with(plan, false, run.as_deref(), device)?;
        if let Some(weights) = weights {
            session.fits(weights)?;
        }
        if on.is_some() {
            let unknown = session.evaluated.unknown();
            say!(
                "note     {:.1} % of the words of its captions are unknown here",
                100.0 * unknown
            );
        }
        for target in ensemble {
            let member = session.member(target)?;
            session.ensemble.push(member);
        }
        Ok(session)
    }

    fn keep(&self, run: &Path) -> crate::Result<()> {
        self.source.keep(run)
    }

    fn common(&self) -> &Common {
        &self.plan.common
    }

    fn feed(&self) -> &Arc<PairFeed> {
        self.feed
            .as_ref()
            .expect("a session that is only evaluated asks for no batches")
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn classes(&self) -> Option<usize> {
        None
    }

    fn describe(&self) -> String {
        let mut text = format!(
            "data     {}: vocabulary of {} words",
            self.name(),
            grouped(self.source.vocabulary().len())
        );
        for (name, split) in self.splits() {
            text.push_str(&format!("\n         {name}: {split}"));
        }
        let turn = self.plan.paper.turn(self.plan.common.train.epochs);
        if let Some(turn) = turn.filter(|_| self.train.is_some()) {
            text.push_str(&format!("\nloss     {turn}"));
        }
        text
    }

    fn model(&self, device: &Device) -> crate::Result<(P::Model, Option<LoadReport>)> {
        let seed = self.plan.common.train.seed;
        let autodiff = device.clone().autodiff();
        let model = self.plan.paper.model(&self.facts, seed, &autodiff)?;
        Ok((self.settled(model, device)?, None))
    }

    fn init_from(&self, model: P::Model, path: &Path, device: &Device) -> crate::Result<P::Model> {
        let (path, _) = weights_at(path, Some(Which::Best))?;
        let exchangeable = self.plan.paper.exchangeable();
        let import = Import {
            source: path.display().to_string(),
            allow_missing: exchangeable.clone(),
            allow_unused: exchangeable.clone(),
            allow_mismatched: exchangeable,
            ..Import::default()
        };
        let (model, report) = weights::apply(model, &Self::weights(&self.plan, &path)?, &import)?;
        say!("weights  {}: {report}", path.display());
        // What the file lacks is settled anew: among the tokens that its encoders make.
        match report.missing.is_empty() {
            true => Ok(model),
            false => self.settled(model, device),
        }
    }

    fn evaluator(&self, device: &Device) -> Box<dyn Hooks<P::Model> + Send> {
        let split = self.valid.as_ref().unwrap_or(&self.evaluated);
        Box::new(Evaluator::<P>::new(split.clone(), self.plan.eval.clone(), device))
    }

    fn evaluate(
        &self,
        model: &P::Model,
        device: &Device,
        weights: &str,
        source: &Path,
    ) -> crate::Result<Evaluation<Matched>> {
        self.measure(model, device, weights, source)
    }

    fn look(
        &self,
        evaluation: &Evaluation<Matched>,
        _device: &Device,
        folder: &Path,
        run: Option<&Path>,
    ) -> Option<PathBuf> {
        look::of_pairs(self, evaluation, folder, run)
    }
}
