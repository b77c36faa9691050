//! Pairs of encoded images and captions to logits: the axes are images, captions, words, then regions or numbers.

use super::super::graph::{Graph, Value};
use super::text::Places;
use crate::papers::t_emde::Similarity;
use crate::papers::t_emde::local::{SHARPNESS, SLOPE};
use crate::papers::t_emde::saf::{CaptionNorm, EPS, Saf};
use crate::papers::t_emde::sgr::GraphStep;

/// What is compared.
pub(super) struct Encoded<'a> {
    /// `[images, regions, dim]`.
    pub regions: &'a Value,
    /// `[images, len]`.
    pub image: &'a Value,
    /// `[captions, words, dim]`, zero behind each caption's end.
    pub words: &'a Value,
    /// `[captions, len]`.
    pub caption: &'a Value,
    /// Words of each caption.
    pub lengths: &'a Value,
}

/// Logits of every image with every caption, `[images, captions]`.
pub(super) fn logits(graph: &mut Graph, path: &str, layer: &Similarity, pairs: &Encoded) -> Value {
    let local = local(graph, path, layer, pairs);
    let whole = whole(graph, path, layer, pairs);
    let first = graph.unsqueeze(&format!("{path}.first"), &whole, &[2]);
    let nodes = graph.concat(&format!("{path}.nodes"), &[&first, &local], 2);
    let mask = nodes_mask(graph, path, pairs);
    let vector = match &layer.saf {
        Some(saf) => filtered(graph, &format!("{path}.saf"), saf, &nodes, &mask),
        None => reasoned(graph, &format!("{path}.sgr"), &layer.sgr, nodes, &mask),
    };
    let logits = graph.linear(&format!("{path}.sim_eval_w"), &vector, &layer.sim_eval_w);
    graph.squeeze("logit", &logits, &[2, 3])
}

/// Similarity vectors of words and the regions that they attend to, `[images, captions, words, size]`, zero behind each caption's end.
fn local(graph: &mut Graph, path: &str, layer: &Similarity, pairs: &Encoded) -> Value {
    let at = |what: &str| format!("{path}.local.{what}");
    let places = Places::new(graph, pairs.words, pairs.lengths);
    let mask = graph.unsqueeze(&at("mask"), &places.mask, &[0, 3]);
    let words = graph.unsqueeze(&at("words"), pairs.words, &[0]);
    let regions = graph.unsqueeze(&at("regions"), pairs.regions, &[1]);
    let turned = graph.transpose(&at("turned"), &regions, &[0, 1, 3, 2]);
    let scores = graph.matmul(&at("scores"), &words, &turned);
    let scores = graph.leaky_relu(&at("leaky"), &scores, SLOPE);
    let scores = graph.mul(&at("masked"), &scores, &mask);
    let scores = graph.unit(&at("over_words"), &scores, 2);
    let scores = graph.scale(&at("sharp"), &scores, SHARPNESS as f32);
    let attention = graph.softmax(&at("attention"), &scores, 3);
    let context = graph.matmul(&at("contexts"), &attention, &regions);
    let context = graph.unit(&at("context"), &context, 3);
    let squares = graph.squared_difference(&at("squares"), &context, &words);
    let found = graph.linear(&format!("{path}.sim_tranloc_w"), &squares, &layer.sim_tranloc_w);
    let found = graph.unit(&at("unit"), &found, 3);
    graph.mul(&at("similarity"), &found, &mask)
}

/// Similarity vectors of global vectors, `[images, captions, size]`.
fn whole(graph: &mut Graph, path: &str, layer: &Similarity, pairs: &Encoded) -> Value {
    let at = |what: &str| format!("{path}.whole.{what}");
    let image = graph.unsqueeze(&at("image"), pairs.image, &[1]);
    let caption = graph.unsqueeze(&at("caption"), pairs.caption, &[0]);
    let squares = graph.squared_difference(&at("squares"), &image, &caption);
    let found = graph.linear(&format!("{path}.sim_tranglo_w"), &squares, &layer.sim_tranglo_w);
    graph.unit(&at("similarity"), &found, 2)
}

/// 1 at the global row, which comes first, and at every word, `[1, captions, 1 + words, 1]`.
fn nodes_mask(graph: &mut Graph, path: &str, pairs: &Encoded) -> Value {
    let at = |what: &str| format!("{path}.mask.{what}");
    let words = graph.size(&at("words"), pairs.words, 1);
    let one = graph.integer(&at("one"), 1);
    let count = graph.add(&at("count"), &words, &one);
    let places = graph.range(&at("places"), &count);
    let lengths = graph.unsqueeze(&at("lengths"), pairs.lengths, &[1]);
    let inside = graph.at_most(&at("inside"), &places, &lengths);
    let mask = graph.as_float(&at("nodes"), &inside);
    graph.unsqueeze(&at("axes"), &mask, &[0, 3])
}

/// Attention filtration: `[images, captions, nodes, size]` → `[images, captions, 1, size]`.
fn filtered(graph: &mut Graph, path: &str, layer: &Saf, nodes: &Value, mask: &Value) -> Value {
    let at = |what: &str| format!("{path}.{what}");
    let scores = graph.linear(&at("attn_sim_w"), nodes, &layer.attn_sim_w);
    let scores = normalised(graph, &at("bn"), &layer.bn, &scores);
    let weights = graph.sigmoid(&at("sigmoid"), &scores);
    let weights = graph.mul(&at("masked"), &weights, mask);
    let weights = graph.unit_sum(&at("weights"), &weights, 2);
    let weights = graph.transpose(&at("turned"), &weights, &[0, 1, 3, 2]);
    let sum = graph.matmul(&at("sum"), &weights, nodes);
    graph.unit(path, &sum, 3)
}

/// The one channel's batch norm with its running statistics. No node of its own: the channel is no axis here.
fn normalised(graph: &mut Graph, path: &str, layer: &CaptionNorm, x: &Value) -> Value {
    let at = |what: &str| format!("{path}.{what}");
    let mean = graph.weight(&at("running_mean"), layer.running_mean.value_sync());
    let var = graph.weight(&at("running_var"), layer.running_var.value_sync());
    let weight = graph.weight(&at("weight"), layer.weight.val());
    let bias = graph.weight(&at("bias"), layer.bias.val());
    let centred = graph.sub(&at("centred"), x, &mean);
    let var = graph.shift(&at("variance"), &var, EPS as f32);
    let deviation = graph.sqrt(&at("deviation"), &var);
    let scaled = graph.div(&at("scaled"), &centred, &deviation);
    let scaled = graph.mul(&at("product"), &scaled, &weight);
    graph.add(path, &scaled, &bias)
}

/// Graph reasoning: `[images, captions, nodes, size]` → `[images, captions, 1, size]`. Of the last step only the global node.
fn reasoned(graph: &mut Graph, path: &str, steps: &[GraphStep], nodes: Value, mask: &Value) -> Value {
    // 0 at nodes, and so far below any score at padding that its share is 0.
    let outside = graph.transpose(&format!("{path}.inside"), mask, &[0, 1, 3, 2]);
    let outside = graph.shift(&format!("{path}.padding"), &outside, -1.0);
    let outside = graph.scale(&format!("{path}.outside"), &outside, 1e30);
    let mut nodes = nodes;
    for (number, step) in steps.iter().enumerate() {
        let at = |what: &str| format!("{path}.{number}.{what}");
        let asking = match number + 1 == steps.len() {
            true => graph.first(&at("global"), &nodes, 2),
            false => nodes.clone(),
        };
        let queries = graph.linear(&at("graph_query_w"), &asking, &step.graph_query_w);
        let keys = graph.linear(&at("graph_key_w"), &nodes, &step.graph_key_w);
        let keys = graph.transpose(&at("keys"), &keys, &[0, 1, 3, 2]);
        let edges = graph.matmul(&at("scores"), &queries, &keys);
        let edges = graph.add(&at("masked"), &edges, &outside);
        let edges = graph.softmax(&at("edges"), &edges, 3);
        let heard = graph.matmul(&at("heard"), &edges, &nodes);
        let heard = graph.linear(&at("sim_graph_w"), &heard, &step.sim_graph_w);
        nodes = graph.relu(&at("nodes"), &heard);
    }
    nodes
}
