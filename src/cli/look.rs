//! What is written for a person to look at after a training or an evaluation.

use super::say;
use super::session::{Common, Evaluation, ImageSession, Matched, PairSession, Seen, Session};
use crate::data::image::DecodeOptions;
use crate::device::Device;
use crate::export::projector::{self, Points};
use crate::papers::{ImagePaper, PairPaper};
use crate::report::figures::EvalReport;
use crate::report::{self, Matches, Page, Showcase, page};
use crate::train::run_folder::RunFolder;
use crate::train::sinks::{jsonl, tensorboard};
use std::path::{Path, PathBuf};

/// Writes `report.html` into a folder beside `eval.json`; `run` is the run that the weights come from. A report that cannot
/// be written costs nothing but itself: that is said, and the figures stand.
pub fn report<P: ImagePaper>(
    session: &ImageSession<P>,
    evaluation: &Evaluation<Seen>,
    device: &Device,
    folder: &Path,
    run: Option<&Path>,
) -> Option<PathBuf> {
    written(write(session, evaluation, device, folder, run))
}

/// Writes TensorBoard's projector into a folder's events, where the recipe asks for it; as little is lost as by [`report`].
pub fn projector<P: ImagePaper>(session: &ImageSession<P>, evaluation: &Evaluation<Seen>, folder: &Path) {
    let (plan, task) = (&session.plan, &session.task);
    if plan.eval.projector == 0 {
        return;
    }
    let embedded = &evaluation.seen.embedded;
    let rows: Vec<usize> = task.queries().iter().chain(task.gallery()).copied().collect();
    let side = |at| {
        if at < task.queries().len() {
            "query"
        } else {
            "gallery"
        }
    };
    let sides: Vec<&str> = (0..rows.len()).map(side).collect();
    let vectors = [&embedded.queries[..], &embedded.gallery[..]].concat();
    let points = Points {
        table: &session.table,
        rows: &rows,
        sides: &sides,
        vectors: &vectors,
        dimensions: embedded.dim,
        decode: plan.data.decode,
    };
    let events = folder.join(tensorboard::FOLDER);
    match projector::write(&events, points, plan.eval.projector, plan.common.train.seed) {
        Ok(_) => say!("projector tensorboard --logdir {}", events.display()),
        Err(error) => say!("note     the projector was not written: {error}"),
    }
}

fn write<P: ImagePaper>(
    session: &ImageSession<P>,
    evaluation: &Evaluation<Seen>,
    device: &Device,
    folder: &Path,
    run: Option<&Path>,
) -> crate::Result<PathBuf> {
    let plan = &session.plan;
    let Evaluation { report, seen, .. } = evaluation;
    let Seen { embedded, ranks } = seen;
    let common = &plan.common;
    let showcase = Showcase::new(&session.task, embedded, ranks.as_ref(), device, common.train.seed)?;
    let mut record = Record::read(common, report, run)?;
    record.notes.splice(0..0, session.task.notes().iter().cloned());
    let path = folder.join(page::FILE);
    Page {
        showcase: Some(&showcase),
        table: Some(&session.table),
        decode: plan.data.decode,
        ..record.page(common, evaluation)
    }
    .write(&path)?;
    Ok(path)
}

/// Writes `report.html` of a room that scores pairs.
pub fn of_pairs<P: PairPaper>(
    session: &PairSession<P>,
    evaluation: &Evaluation<Matched>,
    folder: &Path,
    run: Option<&Path>,
) -> Option<PathBuf> {
    let write = || -> crate::Result<PathBuf> {
        let common = session.common();
        let Evaluation { report, seen, .. } = evaluation;
        let split = session.evaluated();
        let show = Matches::new(&seen.scores, &split.truth, seen.logits, common.train.seed);
        let faces = session.faces()?;
        let mut record = Record::read(common, report, run)?;
        record.notes.splice(0..0, faces.notes);
        let mut data = vec![("name".to_string(), session.name())];
        data.extend(session.splits());
        data.push(("fingerprint".into(), session.fingerprint().into()));
        let path = folder.join(page::FILE);
        Page {
            matched: Some(report::Matched {
                show: &show,
                faces: &faces.all,
                texts: &split.texts,
                truth: &split.truth,
            }),
            data: &data,
            decode: session.plan.data.decode(),
            ..record.page(common, evaluation)
        }
        .write(&path)?;
        Ok(path)
    };
    written(write())
}

/// A page that cannot be written is said and forgotten.
fn written(page: crate::Result<PathBuf>) -> Option<PathBuf> {
    match page {
        Ok(path) => Some(path),
        Err(error) => {
            say!("note     {} was not written: {error}", page::FILE);
            None
        }
    }
}

/// What is known of the run that weights come from.
struct Record {
    name: String,
    recipe: String,
    system: Vec<(String, String)>,
    lines: Vec<jsonl::Line>,
    notes: Vec<String>,
}

impl Record {
    fn read(common: &Common, report: &EvalReport, run: Option<&Path>) -> crate::Result<Self> {
        let mut notes = Vec::new();
        let mut system: Vec<(String, String)> = Vec::new();
        let mut fact = |name: &str, value: String| system.push((name.into(), value));
        let mut lines = Vec::new();
        let mut name = report.recipe.clone();
        if let Some(root) = run {
            let run = RunFolder::open(root)?;
            let info = run.info();
            name.clone_from(&info.name);
            fact("run", info.name.clone());
            fact("began", info.created.clone());
            fact("trained on", info.device.clone());
            fact("steps", super::run::grouped(info.last_step as usize));
            if let Some(best) = &info.best {
                let value = crate::report::figures::number(&best.metric, best.value);
                fact("best", format!("{} {value} at step {}", best.metric, best.step));
            }
            fact("begun by tailor", info.code_version.clone());
            match jsonl::read(&root.join(jsonl::FILE)) {
                Ok(read) => lines = read,
                // The figures of the evaluation do not need the record of the training.
                Err(error) => notes.push(format!("There are no curves: {error}.")),
            }
        }
        if let Some(weights) = &report.weights {
            fact("weights", weights.clone());
        }
        if let Some(hash) = &report.weights_hash {
            fact("weights' hash", hash.clone());
        }
        if let Some(seed) = report.seed {
            fact("seed", seed.to_string());
        }
        fact("recipe's fingerprint", common.recipe.fingerprint());
        let system_name = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        fact("evaluated on", system_name);
        Ok(Self {
            name,
            recipe: common.recipe.resolved(),
            system,
            lines,
            notes,
        })
    }

    /// A page without data and searches.
    fn page<'a, T>(&'a self, common: &'a Common, evaluation: &'a Evaluation<T>) -> Page<'a> {
        Page {
            name: &self.name,
            about: &common.about,
            report: &evaluation.report,
            published: &evaluation.published,
            lines: &self.lines,
            best: &common.train.best,
            showcase: None,
            matched: None,
            table: None,
            data: &[],
            decode: DecodeOptions::default(),
            recipe: &self.recipe,
            system: &self.system,
            notes: &self.notes,
        }
    }
}
