//! What is written of a matcher: the released code's state dicts, or three ONNX graphs.

use super::super::eval::{self, Target};
use super::super::run::weights_hash;
use super::super::session::{Making, PairPlan, PairSession, Session};
use super::weights::pretty;
use super::{CliError, ExportArgs, Format, beside, listed, say};
use crate::backbones::weights::{self, Tensors, WeightsError};
use crate::data::pairs::PairError;
use crate::data::text::Vocabulary;
use crate::device::cpu;
use crate::export::dtype::{self, Dtype};
use crate::export::matcher::{Found, Opened, Sample};
use crate::export::onnx::matching::{Sizes, Tower, tower};
use crate::export::onnx::{self, About, OnnxError, cells};
use crate::files;
use crate::papers::{Capability, Match, PairFacts, PairPaper, registry};
use crate::train::TrainError;
use crate::train::run_folder::commit_folder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

const VOCABULARY: &str = "vocabulary.json";
const CARD: &str = "model.json";

/// A trained matcher with what belongs to it.
struct Trained<P> {
    plan: PairPlan<P>,
    facts: PairFacts,
    /// The weights as they are, and as they are stored.
    exact: Tensors,
    stored: Tensors,
    vocabulary: Vocabulary,
    features: Value,
    /// What makes features, where they are made here.
    making: Option<Making>,
    path: PathBuf,
    which: String,
    dtype: Dtype,
}

/// Writes a matcher.
pub fn run<P: PairPaper>(args: &ExportArgs, target: Target) -> crate::Result<()> {
    refuse::<P>(args)?;
    let plan = PairSession::<P>::read(target.recipe)?;
    let weights = target.weights.unwrap_or_default();
    say!("weights  {} ({})", weights.0.display(), weights.1);
    let run = target.run.as_deref();
    match args.format {
        Format::Safetensors => {
            let beside = beside(args, &["json", "vocabulary.json"])?;
            let trained = Trained::read(plan, weights, run, args.dtype)?;
            trained.safetensors(args, &beside)
        }
        _ => {
            let (parent, name) = place(args)?;
            Trained::read(plan, weights, run, args.dtype)?.onnx(args, parent, name)
        }
    }
}

/// What says nothing about a system that has no embeddings.
fn refuse<P: PairPaper>(args: &ExportArgs) -> crate::Result<()> {
    if !matches!(args.format, Format::Safetensors | Format::Onnx) {
        return Err(CliError::NoFormat {
            format: args.format.name(),
            room: P::ROOM,
            needs: Capability::Embed.words(),
            can: Capability::Match.words(),
            remedy: "take --format onnx, whose three graphs encode and score, or --format safetensors",
            others: registry::able(Capability::Embed).join(", "),
        }
        .into());
    }
    let useless = [("--with-normalise", args.with_normalise), ("--l2", args.l2)];
    match useless.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CliError::Useless {
            option,
            format: format!("--format {} of room {}", args.format.name(), P::ROOM),
            formats: "rooms that embed pictures",
        }
        .into()),
        None if args.format == Format::Onnx && args.dtype == Dtype::Bf16 => Err(OnnxError::Bf16.into()),
        None => Ok(()),
    }
}

/// The folder of graphs: where it goes, and its name. Only its like is replaced.
fn place(args: &ExportArgs) -> crate::Result<(&Path, &str)> {
    let out = args.out.as_path();
    let name = out.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| OnnxError::Name(out.to_owned()))?;
    if out.exists() && !args.force {
        return Err(CliError::Exists(out.to_owned()).into());
    }
    if out.exists() && !Tower::ALL.iter().all(|tower| out.join(tower.file()).is_file()) {
        return Err(OnnxError::Foreign(out.to_owned()).into());
    }
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    files::create_folder(parent)?;
    Ok((parent, name))
}

impl<P: PairPaper> Trained<P> {
    /// Reads the weights and what belongs to them. The data need not be there, but for the vocabulary.
    fn read(
        plan: PairPlan<P>,
        weights: (PathBuf, String),
        run: Option<&Path>,
        dtype: Dtype,
    ) -> crate::Result<Self> {
        let (path, which) = weights;
        let exact = PairSession::<P>::weights(&plan, &path)?;
        let facts = plan.paper.facts(&exact).ok_or_else(|| WeightsError::Format {
            path: path.clone(),
            cause: format!("they are not those of a trained model of room {}", P::ROOM),
        })?;
        plan.paper.check(&facts).map_err(TrainError::Setting)?;
        let vocabulary = plan.data.vocabulary_of(run)?;
        if vocabulary.len() != facts.words {
            return Err(TrainError::Setting(format!(
                "the vocabulary has {} words, the weights were trained with {}: name the one they were trained with by \
                 --set data.vocabulary=FILE",
                vocabulary.len(),
                facts.words
            ))
            .into());
        }
        let stored = dtype::stored(exact.clone(), dtype)?;
        Ok(Self {
            making: plan.data.cells_of(run.unwrap_or(Path::new("")))?,
            features: plan.data.features_of(run.unwrap_or(Path::new("")), facts.dim)?,
            plan,
            facts,
            exact,
            stored,
            vocabulary,
            path,
            which,
            dtype,
        })
    }

    /// The model with the exact weights or the stored ones, on the CPU in evaluation mode.
    fn model(&self, tensors: &Tensors) -> crate::Result<P::Model> {
        let seed = self.plan.common.train.seed;
        let model = self.plan.paper.model(&self.facts, seed, &cpu())?;
        eval::apply(model, tensors, &self.path)
    }

    /// The model as it is stored, and the hash of the exact one; says what rounding does to scores.
    fn stored(&self, samples: &[Sample]) -> crate::Result<(P::Model, String)> {
        let exact = self.model(&self.exact)?;
        let hash = weights_hash(&exact);
        if self.dtype == Dtype::F32 {
            return Ok((exact, hash));
        }
        let stored = self.model(&self.stored)?;
        let mut found = Found::default();
        for sample in samples {
            found = found.max(sample.logits(&exact)?.logits_against(&sample.logits(&stored)?));
        }
        say!(
            "rounding {} weights move scores before the sigmoid by at most {:.1e} of the largest (or of 1), {:.1e} of what lies between the highest \
             and the lowest",
            self.dtype.name(),
            found.relative,
            found.spread
        );
        Ok((stored, hash))
    }

    /// What both forms say of the model.
    fn card(&self, hash: &str, vocabulary: &str) -> serde_json::Map<String, Value> {
        let card = json!({
            "recipe": self.plan.common.recipe.name,
            "weights": self.which,
            "weights_hash": hash,
            "dtype": self.dtype.name(),
            "score": "of every image with every caption: rank by the logit, average its sigmoid over models",
            "features": self.features,
            "captions": self.plan.data.captions(),
            "vocabulary": vocabulary,
        });
        card.as_object().cloned().unwrap_or_default()
    }

    /// `--format safetensors`.
    fn safetensors(self, args: &ExportArgs, beside: &[PathBuf]) -> crate::Result<()> {
        let (_, hash) = self.stored(&Sample::some(&self.facts, 0))?;
        let (tensors, released) = self.plan.paper.export(&self.stored);
        // Nothing that may differ where the weights are the same.
        let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
        weights::write(&args.out, &tensors, &metadata)?;
        let name = |path: &Path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let mut card = self.card(&hash, &name(&beside[1]));
        card.insert(
            "released".into(),
            json!({
                "code": released.code,
                "options": released.options,
                "lacks": released.lacks,
                "to_load_strictly": released.strict,
                "script": (released.script)(&name(&args.out), &name(&beside[0])),
            }),
        );
        pretty(&beside[0], &card.into())?;
        self.vocabulary.write(&beside[1]).map_err(PairError::from)?;
        if !released.lacks.is_empty() {
            say!(
                "note     the released code has no module for {} parameters, which keep our names: {}",
                released.lacks.len(),
                released.lacks.join(", ")
            );
        }
        if let Some(change) = &released.strict {
            say!(
                "note     {} does not load these weights as it is: {change}",
                released.code
            );
        }
        if self.making.is_some() {
            say!(
                "note     what makes features of a picture is in none of these files: --format onnx writes it as {}",
                cells::FILE
            );
        }
        super::super::print(&listed([&args.out].into_iter().chain(beside)))
    }

    /// How far the graphs' numbers are from the model's. A region that lies on a hyperplane to the last digit may be counted on either side
    /// of it where codes are hard, which is no fault of the graph: other draws decide.
    fn compare(&self, opened: &Opened, model: &P::Model) -> crate::Result<Found> {
        let sketch = model.parts().similarity.global.sketch.as_ref();
        let draws = match sketch.is_some_and(|sketch| sketch.is_hard()) {
            true => 3,
            false => 1,
        };
        let one = |draw: u64| {
            let samples = Sample::some(&self.facts, draw);
            samples.iter().try_fold(Found::default(), |found, sample| {
                Ok(found.max(opened.compare(model, sample)?))
            })
        };
        (1..draws).fold(one(0), |found, draw| found.or_else(|_| one(draw)))
    }

    /// `--format onnx`: a folder, whole or not at all, whose graphs were run and whose numbers are the model's.
    fn onnx(self, args: &ExportArgs, parent: &Path, name: &str) -> crate::Result<()> {
        let samples = Sample::some(&self.facts, 0);
        let (model, hash) = self.stored(&samples)?;
        let sizes = Sizes::of(&model.parts());
        let about = About {
            recipe: self.plan.common.recipe.name.clone(),
            weights: self.which.clone(),
            more: vec![("weights_hash".into(), hash.clone())],
        };
        let mut card = self.card(&hash, VOCABULARY);
        let graph = |tower: Tower| {
            let ports = |names: &[&str]| names.iter().map(|name| sizes.card(name)).collect::<Vec<_>>();
            json!({ "file": tower.file(), "inputs": ports(tower.inputs()), "outputs": ports(tower.outputs()) })
        };
        card.insert(
            "onnx".into(),
            json!({ "opset": onnx::OPSET, "graphs": Tower::ALL.map(graph) }),
        );
        if let Some(making) = &self.making {
            let (made, [height, width]) = (&making.cells, making.output);
            card.insert(
                "picture".into(),
                json!({
                    "file": cells::FILE,
                    "inputs": [{ "name": "picture", "shape": ["images", 3, height, width], "holds": "RGB, prepared as features.steps say" }],
                    "outputs": [{ "name": "features", "shape": ["images", made.count(), made.dim()],
                                  "holds": "what image.onnx takes, shifted and scaled already" }],
                }),
            );
        }
        let (mut found, mut features) = (Found::default(), None);
        commit_folder(parent, name, |folder| -> crate::Result<()> {
            for part in Tower::ALL {
                let bytes = tower(&model.parts(), part, self.dtype, &about);
                let path = args.out.join(part.file());
                if i32::try_from(bytes.len()).is_err() {
                    let bytes = bytes.len();
                    return Err(OnnxError::Size { path, bytes }.into());
                }
                files::write_whole(&folder.join(part.file()), |file| file.write_all(&bytes))?;
            }
            if let Some(Making {
                cells: made,
                output,
                standard,
            }) = &self.making
            {
                let bytes = cells::cells(made, *output, standard.as_ref(), &about);
                let path = folder.join(cells::FILE);
                files::write_whole(&path, |file| file.write_all(&bytes))?;
                let named = args.out.join(cells::FILE);
                features = Some(cells::compare(&path, &named, made, *output, standard.as_ref())?);
            }
            let opened = Opened::open(folder, &args.out)?;
            found = self.compare(&opened, &model)?;
            pretty(&folder.join(CARD), &card.into())?;
            self.vocabulary
                .write(&folder.join(VOCABULARY))
                .map_err(PairError::from)?;
            Ok(())
        })?;
        say!(
            "compare  the graphs in tract, {}: vectors and scores differ by at most {:.1e} of the largest value (or of 1), logits by {:.1e} of \
             what lies between the highest and the lowest",
            Sample::describe(&samples),
            found.relative,
            found.spread
        );
        if let Some(difference) = features {
            say!(
                "features {} makes them of a picture: they differ by at most {difference:.1e} of the largest",
                cells::FILE
            );
        }
        let made = features.map(|_| cells::FILE);
        let files = (Tower::ALL.map(Tower::file).into_iter())
            .chain(made)
            .chain([VOCABULARY, CARD]);
        let written: Vec<PathBuf> = files.map(|file| args.out.join(file)).collect();
        super::super::print(&listed(&written))
    }
}
