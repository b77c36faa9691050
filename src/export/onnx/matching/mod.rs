//! A matcher as three graphs: images, captions, and the score of every pair of both.
//!
//! | graph | takes | gives |
//! |---|---|---|
//! | [`Tower::Image`] | `features` f32 `[images, regions, feature dim]` | `regions` `[images, regions, dim]`, `image` `[images, len]` |
//! | [`Tower::Text`] | `ids` i64 `[captions, words]`, `lengths` i64 `[captions]` | `words` `[captions, words, dim]`, `caption` `[captions, len]` |
//! | [`Tower::Score`] | `regions`, `image`, `words`, `caption`, `lengths` | `logit` and its sigmoid `score`, `[images, captions]` |
//!
//! What one graph gives bears the name under which the other takes it: every item is encoded once, and pairs are scored in tiles of any
//! size. Images, captions, words and (but for the host's self-attention, which has weights for each) regions are open. Padding is
//! known from the lengths alone, inside the graphs: what `ids` hold behind a caption's end is never seen, if it is a word's number.
//!
//! A tile's widest tensors have images · captions · words · dim numbers: 84 MB each for 8 images and 128 captions of 20 words with 1024.
//!
//! Names of weights are those of the model's state, with two differences that the operators ask for: linear weights and hyperplanes
//! stand as `[in, out]`, and the GRU's gates as z, r, n with both biases in one.

mod pool;
mod score;
mod text;

use super::graph::{Graph, Value};
use super::write::{About, Axis, Port, file};
use crate::export::dtype::Dtype;
use crate::papers::Parts;
use score::Encoded;
use serde_json::json;

/// One of a matcher's graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tower {
    /// Features of regions to vectors.
    Image,
    /// Words to vectors.
    Text,
    /// Vectors of both to scores.
    Score,
}

impl Tower {
    /// All, in the order of use.
    pub const ALL: [Self; 3] = [Self::Image, Self::Text, Self::Score];

    /// The file's name.
    pub fn file(self) -> &'static str {
        match self {
            Self::Image => "image.onnx",
            Self::Text => "text.onnx",
            Self::Score => "score.onnx",
        }
    }

    /// What it takes.
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["features"],
            Self::Text => &["ids", "lengths"],
            Self::Score => &["regions", "image", "words", "caption", "lengths"],
        }
    }

    /// What it gives.
    pub fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["regions", "image"],
            Self::Text => &["words", "caption"],
            Self::Score => &["logit", "score"],
        }
    }
}

/// The sizes that files name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Regions of every image, where the model fixes them.
    pub regions: Option<usize>,
    /// Length of a region's features.
    pub features: usize,
    /// Length of the joint space's vectors.
    pub dim: usize,
    /// Length of a global vector.
    pub len: usize,
    /// Words of the vocabulary.
    pub words: usize,
}

impl Sizes {
    /// Of a model.
    pub fn of(parts: &Parts) -> Self {
        let [features, dim] = parts.image.fc.weight.dims();
        let [len, _] = parts.similarity.sim_tranglo_w.weight.dims();
        let [words, _] = parts.text.embed.weight.dims();
        let attention = parts.similarity.global.v_global_w.as_ref();
        let regions = attention.map(|attention| attention.embedding_local.1.weight.dims()[0]);
        Self {
            regions,
            features,
            dim,
            len,
            words,
        }
    }

    /// The axes of a tensor by its name.
    fn axes(&self, name: &str) -> Vec<Axis> {
        let regions = match self.regions {
            Some(regions) => Axis::Fixed(regions),
            None => Axis::Open("regions"),
        };
        let (images, captions) = (Axis::Open("images"), Axis::Open("captions"));
        let words = Axis::Open("words");
        match name {
            "features" => vec![images, regions, Axis::Fixed(self.features)],
            "regions" => vec![images, regions, Axis::Fixed(self.dim)],
            "image" => vec![images, Axis::Fixed(self.len)],
            "ids" => vec![captions, words],
            "lengths" => vec![captions],
            "words" => vec![captions, words, Axis::Fixed(self.dim)],
            "caption" => vec![captions, Axis::Fixed(self.len)],
            _ => vec![images, captions],
        }
    }

    /// A tensor for a person to read: shape, type and what it holds.
    pub fn card(&self, name: &str) -> serde_json::Value {
        let axes = self.axes(name).into_iter().map(|axis| match axis {
            Axis::Fixed(size) => json!(size),
            Axis::Open(name) => json!(name),
        });
        let kind = if whole(name) { "int64" } else { "float32" };
        json!({ "name": name, "shape": axes.collect::<Vec<_>>(), "type": kind, "values": describe(name) })
    }

    fn port(&self, value: &Value) -> Port {
        Port {
            axes: self.axes(value.name()),
            whole: whole(value.name()),
            text: describe(value.name()).into(),
            value: value.clone(),
        }
    }
}

/// Whether a tensor is one of whole numbers, by its name.
fn whole(name: &str) -> bool {
    matches!(name, "ids" | "lengths")
}

/// What a tensor holds, by its name.
pub fn describe(name: &str) -> &'static str {
    match name {
        "features" => "features of regions, as the model was trained on them",
        "regions" => "vectors of regions, each of length 1",
        "image" => "the whole image's vector",
        "ids" => {
            "numbers of words, <start> first and <end> last; behind each caption's end the number of any word"
        }
        "lengths" => "words of each caption, <start> and <end> included",
        "words" => "vectors of words, each of length 1; zero behind each caption's end",
        "caption" => "the whole caption's vector",
        "logit" => "higher is better; the model's own ranking is by it",
        "score" => "the logit's sigmoid: what is averaged over several models",
        _ => "",
    }
}

/// The bytes of one graph's file.
pub fn tower(parts: &Parts, tower: Tower, dtype: Dtype, about: &About) -> Vec<u8> {
    let mut graph = Graph::new(dtype);
    let sizes = Sizes::of(parts);
    let (inputs, outputs) = match tower {
        Tower::Image => image(&mut graph, parts),
        Tower::Text => text(&mut graph, parts),
        Tower::Score => pairs(&mut graph, parts),
    };
    let [inputs, outputs] =
        [inputs, outputs].map(|values| values.iter().map(|v| sizes.port(v)).collect::<Vec<_>>());
    file(graph, &inputs, &outputs, about)
}

/// What a graph takes and what it gives.
type Ends = (Vec<Value>, Vec<Value>);

/// `V = unit(I · W + b)`, and its global vector.
fn image(graph: &mut Graph, parts: &Parts) -> Ends {
    let features = graph.input("features");
    let joint = graph.linear("image.fc", &features, &parts.image.fc);
    let regions = graph.unit("regions", &joint, 2);
    let whole = pool::images(graph, "similarity.global", &parts.similarity.global, &regions);
    let whole = graph.named("image", &whole);
    (vec![features], vec![regions, whole])
}

fn text(graph: &mut Graph, parts: &Parts) -> Ends {
    let (ids, lengths) = (graph.input("ids"), graph.input("lengths"));
    let places = text::Places::new(graph, &ids, &lengths);
    let words = text::encode(graph, "text", parts.text, &ids, &places);
    let words = graph.named("words", &words);
    let whole = pool::captions(
        graph,
        "similarity.global",
        &parts.similarity.global,
        &words,
        &places,
    );
    let whole = graph.named("caption", &whole);
    (vec![ids, lengths], vec![words, whole])
}

fn pairs(graph: &mut Graph, parts: &Parts) -> Ends {
    let inputs = ["regions", "image", "words", "caption", "lengths"].map(|name| graph.input(name));
    let [regions, image, words, caption, lengths] = &inputs;
    let encoded = Encoded {
        regions,
        image,
        words,
        caption,
        lengths,
    };
    let logit = score::logits(graph, "similarity", parts.similarity, &encoded);
    let score = graph.sigmoid("score", &logit);
    (inputs.to_vec(), vec![logit, score])
}

#[cfg(test)]
mod tests;
