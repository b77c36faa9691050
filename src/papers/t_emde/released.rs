//! Checkpoints of the hosts' released code.

use super::RELEASED_NAMES;
use crate::backbones::weights::Tensors;
use regex::Regex;

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
