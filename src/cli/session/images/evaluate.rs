//! Evaluation of models that embed pictures.

use super::ImageSession;
use crate::cli::run::{grouped, published, weights_hash};
use crate::cli::session::Evaluation;
use crate::cli::session::Session;
use crate::cli::{bar, say};
use crate::data::transform::Pipeline;
use crate::device::Device;
use crate::metrics::Ranks;
use crate::papers::ImagePaper;
use crate::report::figures::{EvalReport, Protocol};
use crate::train::checkpoint::State;
use crate::train::engine::{Evaluated, Hooks};
use crate::train::retrieval::{Embedded, Measured, Mode, Task, WITHIN};
use crate::train::sinks::EntrySplit;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

/// What an evaluation was done with.
pub struct Seen {
    /// Queries and gallery as vectors.
    pub embedded: Embedded,
    /// The ranks among single pictures, where that mode was measured.
    pub ranks: Option<Ranks>,
}

/// Evaluates without intervals while training goes on.
pub struct Evaluator<P: ImagePaper> {
    task: Arc<Task>,
    pipeline: Pipeline,
    device: Device,
    workers: usize,
    split: EntrySplit,
    paper: PhantomData<fn() -> P>,
}

impl<P: ImagePaper> Evaluator<P> {
    /// For the task of a session.
    pub fn new(session: &ImageSession<P>, device: &Device) -> Self {
        Self {
            task: session.task.clone(),
            pipeline: session.plan.eval_pipeline.clone(),
            device: device.clone(),
            workers: session.plan.common.train.workers(),
            split: session.measured_on(),
            paper: PhantomData,
        }
    }
}

impl<P: ImagePaper> Hooks<P::Model> for Evaluator<P> {
    fn measured_on(&self) -> EntrySplit {
        self.split
    }

    fn evaluate(&mut self, model: &P::Model, _state: &State) -> crate::Result<Evaluated> {
        let embedded = self
            .task
            .embed(model, &self.pipeline, &self.device, self.workers, &mut |_, _| {})?;
        let mut figures = Vec::new();
        for measured in self.task.measure(&embedded, &self.device, true)? {
            let prefix = match figures.is_empty() {
                true => String::new(),
                false => format!("{}/", measured.protocol),
            };
            for (name, figure) in measured.figures.0 {
                figures.push((format!("{prefix}{name}"), figure.value));
            }
        }
        Ok(Evaluated { figures })
    }
}

/// Embeds, ranks and measures; says what it does on stderr.
pub fn evaluate<P: ImagePaper>(
    session: &ImageSession<P>,
    model: &P::Model,
    device: &Device,
    weights: &str,
    source: &Path,
) -> crate::Result<Evaluation<Seen>> {
    let plan = &session.plan;
    let embedded = embed_all(session, model, device)?;
    say!("evaluate {}", session.task.plan(&embedded, device)?);
    let mut measured = session.task.measure(&embedded, device, false)?;
    if let Some(within) = measured.iter().find(|m| m.protocol == WITHIN) {
        for (name, queries, figures) in session.task.by_category(&within.ranks)? {
            let figure = |metric: &str| {
                figures
                    .get(metric)
                    .map_or(f64::NAN, |figure| 100.0 * figure.value)
            };
            say!(
                "category {name}: {} queries, recall@1 {:.1}, recall@20 {:.1}, mAP {:.1}",
                grouped(queries),
                figure("recall@1"),
                figure("recall@20"),
                figure("mAP")
            );
        }
    }
    if plan.eval.pixel_baseline {
        measured.push(session.task.pixel_baseline(plan.common.train.workers())?);
    }
    let ranks = measured.iter().find(|m| m.protocol == Mode::Instance.name());
    let ranks = ranks.map(|measured| measured.ranks.clone());
    let mut protocols = measured.into_iter().map(protocol);
    let report = EvalReport {
        recipe: plan.common.recipe.name.clone(),
        data: session.table.name.clone(),
        split: session.measured_on().name().into(),
        seed: Some(plan.common.train.seed),
        weights: Some(format!("{} ({weights})", source.display())),
        weights_hash: Some(weights_hash(model)),
        data_fingerprint: Some(session.table.fingerprint.clone()),
        headline: protocols.next().expect("a plan has a mode to evaluate in"),
        also: protocols.collect(),
    };
    Ok(Evaluation {
        report,
        published: published(&plan.common.about),
        seen: Seen { embedded, ranks },
    })
}

/// Embeds queries and gallery with a progress bar.
pub fn embed_all<P: ImagePaper>(
    session: &ImageSession<P>,
    model: &P::Model,
    device: &Device,
) -> crate::Result<Embedded> {
    let bar = bar(
        "embed",
        session.task.queries().len() + session.task.gallery().len(),
    );
    let embedded = session.task.embed(
        model,
        &session.plan.eval_pipeline,
        device,
        session.plan.common.train.workers(),
        &mut |done, _| bar.set_position(done as u64),
    )?;
    bar.finish_and_clear();
    Ok(embedded)
}

fn protocol(measured: Measured) -> Protocol {
    let cmc = crate::metrics::cmc::curve(&measured.ranks, 50);
    Protocol {
        protocol: measured.protocol,
        settings: measured.settings,
        queries: measured.queries,
        skipped: measured.skipped,
        gallery: measured.gallery,
        identities: Some(measured.identities),
        metrics: measured.figures,
        cmc,
    }
}
