//! Evaluation of models that score pairs: of one run, or of the mean of several.

use super::{PairPlan, PairSession};
use crate::backbones::weights;
use crate::cli::eval::{self, Target};
use crate::cli::run::{grouped, published, weights_hash};
use crate::cli::session::{Evaluation, Session};
use crate::cli::{CliError, bar, say};
use crate::data::pairs::Precomputed;
use crate::device::Device;
use crate::papers::PairPaper;
use crate::report::figures::{EvalReport, Protocol};
use crate::train::checkpoint::State;
use crate::train::engine::{Evaluated, Hooks};
use crate::train::matching::{self, Measured, PairEvalSection, ScoreMatrix};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an evaluation was done with.
pub struct Matched {
    /// Every image of the evaluated split with every caption.
    pub scores: ScoreMatrix,
    /// Whether these are logits, as one model's are, and no scores in (0, 1), as averages are.
    pub logits: bool,
}

/// Evaluates the valid split while training goes on.
pub struct Evaluator<P> {
    split: Arc<Precomputed>,
    section: PairEvalSection,
    device: Device,
    paper: PhantomData<fn() -> P>,
}

impl<P> Evaluator<P> {
    /// Of a split.
    pub fn new(split: Arc<Precomputed>, section: PairEvalSection, device: &Device) -> Self {
        Self {
            split,
            section,
            device: device.clone(),
            paper: PhantomData,
        }
    }
}

impl<P: PairPaper> Hooks<P::Model> for Evaluator<P> {
    fn evaluate(&mut self, model: &P::Model, _state: &State) -> crate::Result<Evaluated> {
        let PairEvalSection { batch, captions, .. } = self.section;
        let scores = matching::score(model, &self.split, &self.device, batch, captions, &mut |_| {})?;
        let measured = matching::measure(&scores, &self.split.truth, &self.section, 0, true)?;
        let mut figures = Vec::new();
        for measured in measured {
            for (name, figure) in measured.figures.0 {
                let name = match name == measured.protocol {
                    true => name,
                    false => format!("{}/{name}", measured.protocol),
                };
                figures.push((name, figure.value));
            }
        }
        Ok(Evaluated { figures })
    }
}

/// Another run of the room.
pub struct Member<P> {
    paper: P,
    /// The file of its weights, and what it holds.
    weights: (PathBuf, String),
    run: PathBuf,
}

impl<P: PairPaper> PairSession<P> {
    /// Another run, whose words must be numbered alike.
    pub(super) fn member(&self, target: Target) -> crate::Result<Member<P>> {
        let run = target.run.unwrap_or_default();
        let refuse = |problem: &str| {
            crate::Error::from(CliError::Ensemble {
                run: run.display().to_string(),
                problem: problem.into(),
            })
        };
        if target.recipe.reader().text("paper.room").as_deref() != Some(P::ROOM) {
            return Err(refuse("it is of another room"));
        }
        let plan = Self::read(target.recipe)?;
        if plan.data.vocabulary_of(Some(&run))? != *self.source.vocabulary() {
            return Err(refuse("its vocabulary is another"));
        }
        if !plan.data.sees_as(&self.plan.data) {
            return Err(refuse("its images are described by other features"));
        }
        let weights = target.weights.ok_or_else(|| refuse("it has no weights"))?;
        Ok(Member {
            paper: plan.paper,
            weights,
            run: run.clone(),
        })
    }

    /// The scores of the evaluated split, with a progress bar.
    fn score(&self, model: &P::Model, device: &Device) -> crate::Result<ScoreMatrix> {
        let PairEvalSection { batch, captions, .. } = self.plan.eval;
        let bar = bar("score", self.evaluated.captions.len());
        let scores = matching::score(model, &self.evaluated, device, batch, captions, &mut |done| {
            bar.set_position(done as u64)
        });
        bar.finish_and_clear();
        Ok(scores?)
    }

    /// The mean of the scores in (0, 1) of the model and of the ensemble: averages of logits would rank otherwise.
    fn average(&self, first: ScoreMatrix, device: &Device) -> crate::Result<ScoreMatrix> {
        let mut all = vec![first.sigmoid()];
        for member in &self.ensemble {
            let (path, which) = &member.weights;
            say!("average  {} ({which})", member.run.display());
            let seed = self.plan.common.train.seed;
            let model = member
                .paper
                .model(&self.facts, seed, &device.clone().autodiff())?;
            let model = eval::apply(model, &weights::read(path)?, path)?;
            all.push(self.score(&model, device)?.sigmoid());
        }
        Ok(ScoreMatrix::mean(&all))
    }

    /// Scores, ranks and measures; says what it does on stderr.
    pub(super) fn measure(
        &self,
        model: &P::Model,
        device: &Device,
        weights: &str,
        source: &Path,
    ) -> crate::Result<Evaluation<Matched>> {
        let PairPlan { common, eval, .. } = &self.plan;
        let split = &self.evaluated;
        let captions = split.captions.len();
        say!(
            "evaluate {} images × {} captions in tiles of {} × {}: {} MB of scores",
            grouped(split.images()),
            grouped(captions),
            eval.batch,
            eval.captions,
            grouped((4 * split.images() * captions).div_ceil(1_000_000))
        );
        let mut scores = self.score(model, device)?;
        let mut sources = format!("{} ({weights})", source.display());
        let mut measured_on = String::new();
        if !self.ensemble.is_empty() {
            scores = self.average(scores, device)?;
            for member in &self.ensemble {
                sources.push_str(&format!(" + {} ({})", member.run.display(), member.weights.1));
            }
            measured_on = format!(", average of {} runs", 1 + self.ensemble.len());
        }
        let mut measured = matching::measure(&scores, &split.truth, eval, common.train.seed, false)?;
        for measured in &mut measured {
            measured.protocol.push_str(&measured_on);
        }
        let mut protocols = measured.into_iter().map(protocol);
        let report = EvalReport {
            recipe: common.recipe.name.clone(),
            data: self.name(),
            split: self.source.part(eval.part()).into(),
            seed: Some(common.train.seed),
            weights: Some(sources),
            weights_hash: self.ensemble.is_empty().then(|| weights_hash(model)),
            data_fingerprint: Some(self.evaluated_fingerprint()?),
            headline: protocols.next().expect("both ways are measured"),
            also: protocols.collect(),
        };
        Ok(Evaluation {
            report,
            published: published(&common.about),
            seen: Matched {
                scores,
                logits: self.ensemble.is_empty(),
            },
        })
    }
}

fn protocol(measured: Measured) -> Protocol {
    let cmc = measured
        .ranks
        .as_ref()
        .map(|ranks| crate::metrics::cmc::curve(ranks, 50))
        .unwrap_or_default();
    Protocol {
        protocol: measured.protocol,
        settings: None,
        queries: measured.queries,
        skipped: 0,
        gallery: measured.gallery,
        identities: Some(measured.identities),
        metrics: measured.figures,
        cmc,
    }
}
