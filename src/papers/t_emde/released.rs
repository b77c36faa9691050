//! Checkpoints of the hosts' released code.

use super::{LossSection, RELEASED_NAMES, released_name};
use crate::backbones::weights::{Tensors, for_torch};
use crate::papers::{PairFacts, Released};
use regex::Regex;
use serde_json::json;

/// The three state dicts of a released checkpoint, in its order, and what their modules are called here.
const STATES: [(&str, &str); 3] = [
    ("model.0.", "image."),
    ("model.1.", "text."),
    ("model.2.", "similarity."),
];
/// Parameters that the hosts' code has no module for: they keep our name.
const OWN: [&str; 2] = ["similarity.global.sketch.", "similarity.global.text_sketch."];
/// Regions of an image in the published features.
const REGIONS: usize = 36;

/// A released checkpoint's weights under our names. The file is a dictionary whose `model` is a list of three state dicts: image encoder,
/// text encoder, similarity encoder. None if these are other weights.
pub fn import(weights: &Tensors) -> Option<Tensors> {
    let released = [
        "model.0.fc.weight",
        "model.1.embed.weight",
        "model.2.sim_eval_w.weight",
    ];
    if !released.iter().all(|name| weights.contains_key(*name)) {
        return None;
    }
    let names: Vec<(Regex, &str)> = RELEASED_NAMES
        .iter()
        .filter_map(|(theirs, ours)| Some((Regex::new(theirs).ok()?, *ours)))
        .collect();
    let our_name = |name: &str| -> Option<String> {
        if OWN.iter().any(|own| name.starts_with(own)) {
            return Some(name.to_string());
        }
        let (part, name) = name.strip_prefix("model.")?.split_once('.')?;
        let similarity =
            |name: String, (theirs, ours): &(Regex, &str)| theirs.replace(&name, *ours).into_owned();
        match part {
            // torch's count of batches beside its norms is no weight.
            _ if name.ends_with("num_batches_tracked") => None,
            "0" => Some(format!("image.{name}")),
            "1" => Some(format!("text.{name}")),
            "2" => Some(format!(
                "similarity.{}",
                names.iter().fold(name.to_string(), similarity)
            )),
            _ => None,
        }
    };
    let ours = weights
        .iter()
        .filter_map(|(name, data)| Some((our_name(name)?, data.clone())));
    Some(ours.collect())
}

/// A trained model's weights under the names of a released checkpoint, with the counters that torch has beside batch norms; the density
/// estimator's stay under ours. [`import`] takes them back.
pub fn export(weights: &Tensors) -> Tensors {
    let their_name = |name: &str| -> String {
        if OWN.iter().any(|own| name.starts_with(own)) {
            return name.to_string();
        }
        let found = STATES
            .iter()
            .find_map(|(state, module)| Some((state, name.strip_prefix(module)?)));
        match found {
            Some((state, name)) => format!("{state}{}", released_name(name)),
            None => name.to_string(),
        }
    };
    let theirs = weights
        .iter()
        .map(|(name, data)| (their_name(name), data.clone()));
    for_torch(theirs.collect())
}

/// How the released code takes a trained model. Its options are those of its `opts.py` that its model reads.
pub fn released(weights: &Tensors, loss: &LossSection) -> Released {
    let size = |name: &str, axis: usize| weights.get(name).map_or(0, |data| data.shape()[axis]);
    let steps = (0..)
        .take_while(|step| weights.contains_key(&format!("similarity.sgr.{step}.graph_key_w.weight")))
        .count();
    let module = match steps {
        0 => "SAF",
        _ => "SGR",
    };
    let options = json!({
        "img_dim": size("image.fc.weight", 1),
        "embed_size": size("image.fc.weight", 0),
        "no_imgnorm": false,
        "vocab_size": size("text.embed.weight", 0),
        "word_dim": size("text.embed.weight", 1),
        "num_layers": 1,
        "bi_gru": true,
        "no_txtnorm": false,
        "sim_dim": size("similarity.sim_eval_w.weight", 1),
        "module_name": module,
        "sgr_step": steps.max(1),
        "margin": loss.margin,
        "max_violation": loss.hardest,
        "grad_clip": 2.0,
        "learning_rate": 2e-4,
    });
    Released {
        code: "https://github.com/Paranioar/SGRAF",
        options: options.as_object().cloned().unwrap_or_default(),
        lacks: weights
            .keys()
            .filter(|name| OWN.iter().any(|own| name.starts_with(own)))
            .cloned()
            .collect(),
        strict: strict(weights),
        script,
    }
}

/// What of the released code must be changed for it to load these weights strictly; none where nothing must.
fn strict(weights: &Tensors) -> Option<String> {
    let slots = weights.get("similarity.global.v_global_w.embedding_local.1.weight");
    match slots.map(|slots| slots.num_elements()) {
        Some(REGIONS) => None,
        Some(regions) => Some(format!(
            "it has {REGIONS} regions written into model.py (num_region of VisualSA), these weights have {regions}: change that number"
        )),
        None => Some(
            "it has self-attention in the place of these weights' global vectors (v_global_w, t_global_w): put a module of your own \
             there, or take the ONNX graphs (--format onnx), which need none of it"
                .into(),
        ),
    }
}

/// Makes a `.pth.tar` as the released train.py saves it.
fn script(file: &str, card: &str) -> Vec<String> {
    let quoted = |name: &str| format!("{name:?}");
    vec![
        "import argparse, json, torch".into(),
        "from safetensors.torch import load_file".into(),
        format!("tensors = load_file({})", quoted(file)),
        format!(
            "options = json.load(open({}))[\"released\"][\"options\"]",
            quoted(card)
        ),
        "part = lambda prefix: {name[len(prefix):]: t for name, t in tensors.items() if name.startswith(prefix)}".into(),
        "checkpoint = {\"epoch\": 0, \"best_rsum\": 0.0, \"Eiters\": 0, \"opt\": argparse.Namespace(**options)}".into(),
        "checkpoint[\"model\"] = [part(f\"model.{number}.\") for number in range(3)]".into(),
        format!(
            "torch.save(checkpoint, {})",
            quoted(&format!("{}.pth.tar", file.trim_end_matches(".safetensors")))
        ),
    ]
}

/// Words, and lengths and number of regions, by a trained model's weights.
pub fn facts(weights: &Tensors) -> Option<PairFacts> {
    let shape = |name: &str| Some(weights.get(name)?.shape().to_vec());
    let [words, _] = shape("text.embed.weight")?[..] else {
        return None;
    };
    let [_, dim] = shape("image.fc.weight")?[..] else {
        return None;
    };
    let regions = match shape("similarity.global.v_global_w.embedding_local.1.weight") {
        Some(slots) => *slots.first()?,
        None => REGIONS,
    };
    Some(PairFacts { words, regions, dim })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn the_three_state_dicts_get_our_names() {
        let names = [
            "model.0.fc.weight",
            "model.1.embed.weight",
            "model.1.cap_rnn.weight_hh_l0_reverse",
            "model.2.sim_eval_w.weight",
            "model.2.v_global_w.embedding_local.1.running_mean",
            "model.2.v_global_w.embedding_local.1.num_batches_tracked",
            "model.2.SAF_module.attn_sim_w.bias",
            "model.2.SGR_module.2.graph_key_w.weight",
            "opt.something",
            "similarity.global.sketch.weight",
        ];
        let weights = |names: &[&str]| -> Tensors {
            let one = || TensorData::new(vec![1.0f32], [1]);
            names.iter().map(|name| (name.to_string(), one())).collect()
        };
        let ours: Vec<String> = import(&weights(&names)).unwrap().into_keys().collect();
        assert_eq!(
            ours,
            [
                "image.fc.weight",
                "similarity.global.sketch.weight",
                "similarity.global.v_global_w.embedding_local.1.running_mean",
                "similarity.saf.attn_sim_w.bias",
                "similarity.sgr.2.graph_key_w.weight",
                "similarity.sim_eval_w.weight",
                "text.cap_rnn.weight_hh_l0_reverse",
                "text.embed.weight",
            ]
        );
        assert!(import(&weights(&["image.fc.weight"])).is_none());
    }
}
