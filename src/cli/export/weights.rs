//! What is of the model: safetensors, ONNX, and a folder for the hub.

use super::super::run::weights_hash;
use super::super::session::ImagePlan;
use super::trained::{Samples, Trained, embed};
use super::{ExportArgs, listed, say};
use crate::backbones::weights;
use crate::data::transform::Preprocessing;
use crate::export::compare::Difference;
use crate::export::dtype::Dtype;
use crate::export::embeddings::unit;
use crate::export::hub;
use crate::export::onnx::{self, About, Inside, OnnxError, run::Runner};
use crate::files::{self, FileError};
use crate::papers::{Embed, ImagePaper};
use crate::report::figures::EvalReport;
use crate::train::TrainError;
use crate::train::run_folder::EVAL;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How far an ONNX file's embeddings may be from the model's.
const LIMIT: f64 = 1e-3;

/// `--format safetensors`.
pub fn safetensors<P: ImagePaper>(
    args: &ExportArgs,
    plan: ImagePlan<P>,
    path: &Path,
    which: &str,
) -> crate::Result<()> {
    let trained = Trained::read(&plan, path, args.dtype)?;
    if args.dtype != Dtype::F32 {
        rounding(&plan, &trained, path)?;
    }
    let (tensors, layout) = plan.paper.export(&trained.stored);
    // Nothing that may differ where the weights are the same.
    let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
    weights::write(&args.out, &tensors, &metadata)?;
    let card = json!({
        "recipe": plan.common.recipe.name,
        "weights": which,
        "dtype": args.dtype.name(),
        "pytorch": {
            "factory": layout.factory,
            "python": layout.python,
            "script": layout.script(&args.out.file_name().unwrap_or_default().to_string_lossy()),
        },
        "embedding": { "normalise": "L2", "similarity": "cosine" },
        "preprocessing": decimal(&preprocessing(&plan)?),
    });
    let beside = write_card(args, &card)?;
    super::super::print(&listed([&args.out, &beside]))
}

/// What rounding does to embeddings.
fn rounding<P: ImagePaper>(
    plan: &ImagePlan<P>,
    trained: &Trained,
    path: &Path,
) -> crate::Result<Option<Difference>> {
    let exact = Trained::model(plan, &trained.exact, path)?;
    let stored = Trained::model(plan, &trained.stored, path)?;
    trained.say_rounding(&exact, &stored, &Samples::new(plan))
}

fn preprocessing<P: ImagePaper>(plan: &ImagePlan<P>) -> crate::Result<Preprocessing> {
    let preprocessing = plan
        .eval_pipeline
        .preprocessing(plan.data.decode.exif)
        .map_err(|e| TrainError::Setting(e.to_string()))?;
    Ok(preprocessing)
}

/// As JSON with the shortest decimals: a single-precision number made a JSON value directly is its double, 0.48500001430511475.
pub(in crate::cli) fn decimal<T: Serialize>(value: &T) -> Value {
    serde_json::to_string(value)
        .and_then(|text| serde_json::from_str(&text))
        .expect("what cards say is plain data")
}

fn write_card(args: &ExportArgs, card: &Value) -> crate::Result<PathBuf> {
    let beside = args.out.with_extension(args.format.beside()[0]);
    pretty(&beside, card)?;
    Ok(beside)
}

/// Writes JSON for a person to read.
pub(super) fn pretty(path: &Path, value: &Value) -> Result<(), FileError> {
    files::write_whole(path, |w| {
        serde_json::to_writer_pretty(&mut *w, value)?;
        w.write_all(b"\n")
    })
}

/// `--format onnx`: writes the file, runs it, and keeps it only if its embeddings are the model's.
pub fn onnx<P: ImagePaper>(
    args: &ExportArgs,
    plan: ImagePlan<P>,
    path: &Path,
    which: &str,
) -> crate::Result<()> {
    if args.dtype == Dtype::Bf16 {
        return Err(OnnxError::Bf16.into());
    }
    let trained = Trained::read(&plan, path, args.dtype)?;
    let exact = Trained::model(&plan, &trained.exact, path)?;
    let samples = Samples::new(&plan);
    let hash = weights_hash(&exact);
    let model = match args.dtype {
        Dtype::F32 => exact,
        _ => {
            let stored = Trained::model(&plan, &trained.stored, path)?;
            trained.say_rounding(&exact, &stored, &samples)?;
            stored
        }
    };
    let preprocessing = preprocessing(&plan)?;
    let inside = Inside {
        normalise: args.with_normalise.then(|| plan.eval_pipeline.normalization()),
        l2: args.l2,
    };
    let about = About {
        recipe: plan.common.recipe.name.clone(),
        weights: which.to_string(),
        more: vec![
            ("weights_hash".into(), hash.clone()),
            ("preprocessing".into(), decimal(&preprocessing).to_string()),
        ],
    };
    let size = plan.eval_pipeline.output();
    let bytes = onnx::encode(&model.encoder(), size, &inside, args.dtype, &about);
    if i32::try_from(bytes.len()).is_err() {
        let (path, bytes) = (args.out.clone(), bytes.len());
        return Err(OnnxError::Size { path, bytes }.into());
    }
    let dim = model.dim();
    let mut cases = Vec::new();
    for batch in &samples.batches {
        let shape = samples.shape(batch);
        let mut ours = embed(&model, samples.normalised(batch), shape)?;
        if inside.l2 {
            unit(&mut ours, dim);
        }
        let input = match inside.normalise {
            Some(_) => batch.clone(),
            None => samples.normalised(batch),
        };
        cases.push((input, shape, ours));
    }
    let mut found = Difference::default();
    files::write_checked(
        &args.out,
        |file| file.write_all(&bytes),
        |scratch| -> Result<(), OnnxError> {
            let runner = Runner::open(scratch, &args.out)?;
            for (input, shape, ours) in &cases {
                let theirs = runner.run(&args.out, input, *shape)?;
                found = found.max(Difference::between(ours, &theirs, dim));
            }
            match found.relative <= LIMIT {
                true => Ok(()),
                false => Err(OnnxError::Differs {
                    path: args.out.clone(),
                    difference: found.relative,
                    limit: LIMIT,
                }),
            }
        },
    )?;
    say!(
        "compare  the file in tract, {} in batches of 1 and 3: embeddings differ by at most {:.1e} of the largest value; 1 - cosine {:.1e}",
        samples.describe(),
        found.relative,
        found.cosine
    );
    let [height, width] = size;
    let (mut does, mut takes) = (Vec::new(), "pictures after every operation of `preprocessing`");
    if inside.normalise.is_some() {
        does.push("normalize");
        takes = "pictures after every operation of `preprocessing` but `normalize`: RGB levels 0 to 255 as f32, channels first";
    }
    if inside.l2 {
        does.push("l2");
    }
    let card = json!({
        "recipe": plan.common.recipe.name,
        "weights": which,
        "weights_hash": hash,
        "dtype": args.dtype.name(),
        "onnx": {
            "opset": onnx::OPSET,
            "input": { "name": "image", "shape": ["batch", 3, height, width], "type": "float32", "values": takes },
            "output": { "name": "embedding", "shape": ["batch", dim], "type": "float32" },
            "inside": does,
        },
        "embedding": { "normalise": if inside.l2 { "done inside" } else { "L2" }, "similarity": "cosine" },
        "preprocessing": decimal(&preprocessing),
    });
    let beside = write_card(args, &card)?;
    super::super::print(&listed([&args.out, &beside]))
}

/// `--format hub`: a folder, whole or not at all.
pub fn hub<P: ImagePaper>(
    args: &ExportArgs,
    plan: ImagePlan<P>,
    path: &Path,
    which: &str,
    run: Option<&Path>,
) -> crate::Result<()> {
    let trained = Trained::read(&plan, path, args.dtype)?;
    let exact = Trained::model(&plan, &trained.exact, path)?;
    let rounding = match args.dtype {
        Dtype::F32 => None,
        _ => {
            let stored = Trained::model(&plan, &trained.stored, path)?;
            trained.say_rounding(&exact, &stored, &Samples::new(&plan))?
        }
    };
    let eval = match run.map(|run| run.join(EVAL)).filter(|path| path.is_file()) {
        Some(path) => Some(EvalReport::read(&path)?),
        None => None,
    };
    let (tensors, layout) = plan.paper.export(&trained.stored);
    let folder = hub::Folder {
        tensors,
        layout,
        preprocessing: preprocessing(&plan)?,
        about: &plan.common.about,
        recipe_name: &plan.common.recipe.name,
        recipe: plan.common.recipe.resolved(),
        weights: which,
        hash: weights_hash(&exact),
        dim: exact.dim(),
        dtype: args.dtype,
        rounding,
        eval,
    };
    for note in folder.write(&args.out)? {
        say!("note     {note}");
    }
    super::super::print(&listed([&args.out]))
}
