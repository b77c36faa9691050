//! One vector for a whole image or caption, of each kind.

use super::super::ToOnnx;
use super::super::graph::{Graph, Value};
use super::text::Places;
use crate::nn::{Assignment, TEmde};
use crate::papers::t_emde::Global;
use crate::papers::t_emde::global::{TextAttention, VisualAttention};
use burn::nn::Linear;

/// `[images, regions, dim]` → `[images, len]`.
pub(super) fn images(graph: &mut Graph, path: &str, layer: &Global, regions: &Value) -> Value {
    match (&layer.v_global_w, &layer.sketch) {
        (Some(attention), _) => visual(graph, &format!("{path}.v_global_w"), attention, regions),
        (_, Some(layer)) => sketch(graph, &format!("{path}.sketch"), layer, regions, None),
        _ => {
            let mean = graph.mean(&format!("{path}.mean"), regions, 1);
            graph.unit(path, &mean, 1)
        }
    }
}

/// `[captions, words, dim]`, zero behind each caption's end → `[captions, len]`.
pub(super) fn captions(
    graph: &mut Graph,
    path: &str,
    layer: &Global,
    words: &Value,
    places: &Places,
) -> Value {
    match (&layer.t_global_w, &layer.text_sketch, &layer.sketch) {
        (Some(attention), ..) => textual(graph, &format!("{path}.t_global_w"), attention, words, places),
        (_, Some(layer), _) => sketch(
            graph,
            &format!("{path}.text_sketch"),
            layer,
            words,
            Some(&places.mask),
        ),
        (.., Some(layer)) => sketch(graph, &format!("{path}.sketch"), layer, words, Some(&places.mask)),
        _ => {
            let mean = average(graph, &format!("{path}.mean"), words, &places.mask);
            graph.unit(path, &mean, 1)
        }
    }
}

/// The mean of the words.
fn average(graph: &mut Graph, path: &str, words: &Value, mask: &Value) -> Value {
    let count = graph.sum(&format!("{path}.count"), mask, 1, true);
    let one = graph.constant(&format!("{path}.least"), &[], &[1.0]);
    let count = graph.node("Max", &format!("{path}.divisor"), &[&count, &one], vec![]);
    let sum = graph.sum(&format!("{path}.sum"), words, 1, false);
    graph.div(path, &sum, &count)
}

/// The host's pooling of regions; the first batch norm's channels are the regions.
fn visual(graph: &mut Graph, path: &str, layer: &VisualAttention, regions: &Value) -> Value {
    let at = |what: &str| format!("{path}.{what}");
    let (linear, norm) = &layer.embedding_local;
    let local = graph.linear(&at("embedding_local.0"), regions, linear);
    let local = norm.to_onnx(graph, &at("embedding_local.1"), &local);
    let local = graph.tanh(&at("local"), &local);
    let query = graph.mean(&at("query"), regions, 1);
    let (linear, norm) = &layer.embedding_global;
    let whole = graph.linear(&at("embedding_global.0"), &query, linear);
    let whole = norm.to_onnx(graph, &at("embedding_global.1"), &whole);
    let whole = graph.tanh(&at("whole"), &whole);
    pool(
        graph,
        path,
        [&local, &whole],
        &layer.embedding_common[0],
        regions,
        None,
    )
}

/// The host's pooling of words.
fn textual(graph: &mut Graph, path: &str, layer: &TextAttention, words: &Value, places: &Places) -> Value {
    let at = |what: &str| format!("{path}.{what}");
    let local = graph.linear(&at("embedding_local.0"), words, &layer.embedding_local[0]);
    let local = graph.tanh(&at("local"), &local);
    let query = average(graph, &at("query"), words, &places.mask);
    let whole = graph.linear(&at("embedding_global.0"), &query, &layer.embedding_global[0]);
    let whole = graph.tanh(&at("whole"), &whole);
    let score = &layer.embedding_common[0];
    pool(graph, path, [&local, &whole], score, words, Some(&places.inside))
}

/// Gates `[sets, tokens, dim]` and `[sets, dim]`, their score, and the weighted sum of the tokens.
fn pool(
    graph: &mut Graph,
    path: &str,
    [local, whole]: [&Value; 2],
    score: &Linear,
    tokens: &Value,
    inside: Option<&Value>,
) -> Value {
    let at = |what: &str| format!("{path}.{what}");
    let whole = graph.unsqueeze(&at("gate"), whole, &[1]);
    let gated = graph.mul(&at("gated"), local, &whole);
    let mut scores = graph.linear(&at("embedding_common.0"), &gated, score);
    if let Some(inside) = inside {
        let inside = graph.unsqueeze(&at("inside"), inside, &[2]);
        let never = graph.constant(&at("never"), &[], &[f32::NEG_INFINITY]);
        scores = graph.choose(&at("masked"), &inside, &scores, &never);
    }
    let weights = graph.softmax(&at("softmax"), &scores, 1);
    let weights = graph.transpose(&at("weights"), &weights, &[0, 2, 1]);
    let sum = graph.matmul(&at("sums"), &weights, tokens);
    let sum = graph.squeeze(&at("sum"), &sum, &[1]);
    graph.unit(path, &sum, 1)
}

/// T-EMDE: the equations T1 to T5 of [`crate::nn::t_emde`].
fn sketch(graph: &mut Graph, path: &str, layer: &TEmde, tokens: &Value, mask: Option<&Value>) -> Value {
    let at = |what: &str| format!("{path}.{what}");
    let (partitions, width) = (layer.partitions(), layer.width());
    let weight = graph.weight(&at("weight"), layer.weight.val().transpose());
    let offset = graph.weight(&at("offset"), layer.offset.val());
    let rows = graph.matmul(&at("rows"), tokens, &weight);
    let logits = match layer.assignment() {
        Assignment::Softmax => {
            let logits = graph.add(&at("logits"), &rows, &offset);
            graph.reshape(&at("partitions"), &logits, &[0, 0, partitions, width])
        }
        Assignment::Hyperplanes => {
            let sides = graph.sub(&at("sides"), &rows, &offset);
            let sides = graph.reshape(&at("partitions"), &sides, &[0, 0, partitions, layer.bits()]);
            let digits: Vec<f32> = layer
                .digits(&layer.weight.val().device())
                .into_data()
                .iter::<f32>()
                .collect();
            let digits = graph.constant(&at("digits"), &[layer.bits(), width], &digits);
            graph.matmul(&at("logits"), &sides, &digits)
        }
    };
    let mut assigned = match layer.is_hard() {
        true => graph.one_hot_of_largest(&at("codes"), &logits, 3, width),
        false => graph.softmax(&at("memberships"), &logits, 3),
    };
    if let Some(mask) = mask {
        let mask = graph.unsqueeze(&at("mask"), mask, &[2, 3]);
        assigned = graph.mul(&at("masked"), &assigned, &mask);
    }
    let counts = graph.sum(&at("counts"), &assigned, 1, false);
    let rows = graph.unit(&at("unit"), &counts, 2);
    let rows = graph.scale(&at("scaled"), &rows, 1.0 / (partitions as f32).sqrt());
    graph.flatten(path, &rows)
}
