//! Words through a GRU in both directions.

use super::super::graph::{Graph, Value, int};
use crate::nn::BiGru;
use crate::papers::t_emde::TextEncoder;
use burn::tensor::Tensor;

/// Which places of captions `[captions, words]` hold a word.
pub(super) struct Places {
    /// 0, 1, … of the words' axis.
    numbers: Value,
    /// Words of each caption, `[captions, 1]`.
    lengths: Value,
    /// Where there is a word.
    pub inside: Value,
    /// 1 where there is a word, else 0.
    pub mask: Value,
}

impl Places {
    /// Of captions whose second axis is the words', by their lengths `[captions]`.
    pub fn new(graph: &mut Graph, captions: &Value, lengths: &Value) -> Self {
        let words = graph.size("mask.words", captions, 1);
        let numbers = graph.range("mask.places", &words);
        let lengths = graph.unsqueeze("mask.lengths", lengths, &[1]);
        let inside = graph.less("mask.inside", &numbers, &lengths);
        let mask = graph.as_float("mask", &inside);
        Self {
            numbers,
            lengths,
            inside,
            mask,
        }
    }

    /// For each place the one that it changes with when every caption is turned around inside of its own length.
    fn turned(&self, graph: &mut Graph) -> Value {
        let one = graph.integer("turn.one", 1);
        let last = graph.sub("turn.last", &self.lengths, &one);
        let turned = graph.sub("turn.back", &last, &self.numbers);
        graph.choose("turn", &self.inside, &turned, &self.numbers)
    }
}

/// Word ids `[captions, words]` → vectors of length 1, zero behind each caption's end.
pub(super) fn encode(
    graph: &mut Graph,
    path: &str,
    layer: &TextEncoder,
    ids: &Value,
    places: &Places,
) -> Value {
    let table = graph.weight(&format!("{path}.embed.weight"), layer.embed.weight.val());
    let x = graph.rows(&format!("{path}.embed"), &table, ids);
    let captions = graph.size(&format!("{path}.captions"), ids, 0);
    let [forward, backward] = both(
        graph,
        &format!("{path}.cap_rnn"),
        &layer.cap_rnn,
        &x,
        &captions,
        places,
    );
    let sum = graph.add(&format!("{path}.both"), &forward, &backward);
    let mean = graph.scale(&format!("{path}.mean"), &sum, 0.5);
    let joint = graph.unit(&format!("{path}.unit"), &mean, 2);
    let mask = graph.unsqueeze(&format!("{path}.mask"), &places.mask, &[2]);
    graph.mul(path, &joint, &mask)
}

/// Both directions' states. The operator's own second direction would begin at the padding unless it were told lengths, which not
/// every runtime (tract) reads: the words are turned around inside of their lengths instead, and the states back.
fn both(
    graph: &mut Graph,
    path: &str,
    layer: &BiGru,
    x: &Value,
    captions: &Value,
    places: &Places,
) -> [Value; 2] {
    let [forward, backward] = [
        Direction {
            name: "l0",
            input: layer.weight_ih_l0.val(),
            hidden: layer.weight_hh_l0.val(),
            biases: [layer.bias_ih_l0.val(), layer.bias_hh_l0.val()],
        },
        Direction {
            name: "l0_reverse",
            input: layer.weight_ih_l0_reverse.val(),
            hidden: layer.weight_hh_l0_reverse.val(),
            biases: [layer.bias_ih_l0_reverse.val(), layer.bias_hh_l0_reverse.val()],
        },
    ];
    let forward = forward.run(graph, path, x, captions);
    let turned = places.turned(graph);
    let x = graph.places(&format!("{path}.turned"), x, &turned);
    let backward = backward.run(graph, path, &x, captions);
    [forward, graph.places(&format!("{path}.back"), &backward, &turned)]
}

struct Direction {
    name: &'static str,
    input: Tensor<2>,
    hidden: Tensor<2>,
    biases: [Tensor<1>; 2],
}

impl Direction {
    /// `[captions, words, input]` → `[captions, words, hidden]`, from the zero state. The reset gate works behind the product, as
    /// torch's does. The operator wants time first, and is given its first state: without one, a runtime may want to know the batch.
    fn run(self, graph: &mut Graph, path: &str, x: &Value, captions: &Value) -> Value {
        let name = |what: &str| format!("{path}.{what}_{}", self.name);
        let [_, size] = self.hidden.dims();
        let weight = |graph: &mut Graph, what: &str, rows: Tensor<2>| {
            graph.weight(&name(what), ordered(rows, size).unsqueeze::<3>())
        };
        let input = weight(graph, "weight_ih", self.input);
        let hidden = weight(graph, "weight_hh", self.hidden);
        let [of_input, of_hidden] = self.biases.map(|bias| ordered(bias, size));
        let biases: Vec<f32> = Tensor::cat(vec![of_input, of_hidden], 0)
            .into_data()
            .iter::<f32>()
            .collect();
        let biases = graph.constant(&name("bias"), &[1, 6 * size], &biases);
        let first = graph.zeros(&name("first"), captions, size);
        let time = graph.transpose(&name("time"), x, &[1, 0, 2]);
        let attributes = vec![int("hidden_size", size), int("linear_before_reset", 1)];
        let inputs = [&time, &input, &hidden, &biases, &Value::absent(), &first];
        let states = graph.node("GRU", &name("gru"), &inputs, attributes);
        let states = graph.squeeze(&name("states"), &states, &[1]);
        graph.transpose(&name("batch"), &states, &[1, 0, 2])
    }
}

/// Rows in the operator's order of gates, z, r, n, from torch's r, z, n.
fn ordered<const D: usize>(rows: Tensor<D>, size: usize) -> Tensor<D> {
    let gate = |number: usize| rows.clone().narrow(0, number * size, size);
    Tensor::cat(vec![gate(1), gate(0), gate(2)], 0)
}
