//! The three graphs of small matchers in another runtime, against the matchers themselves.

use super::*;
use crate::backbones::weights;
use crate::data::pairs::PairBatch;
use crate::device::cpu;
use crate::export::compare::Difference;
use crate::export::dtype;
use crate::export::onnx::run::{Input, Runner};
use crate::nn::init::tests::noise;
use crate::papers::t_emde::{Matcher, Matching};
use crate::papers::{Match, Objective, PairFacts, PairPaper, Pairs, captions};
use burn::module::Module;
use burn::tensor::Tensor;
use prost::Message;
use std::path::Path;
use tract_onnx::pb::{ModelProto, ValueInfoProto};

const FACTS: PairFacts = PairFacts {
    words: 12,
    regions: 5,
    dim: 6,
};

fn paper(model: &str) -> Matching {
    let model = format!("dim = 8\nsimilarity_dim = 4\nword_dim = 7\n{model}");
    Matching {
        model: toml::from_str(&model).unwrap(),
        loss: toml::from_str("").unwrap(),
    }
}

/// Weights of some size, and running statistics that are not those of the beginning.
fn trained(paper: &Matching) -> Matcher {
    let device = cpu().autodiff();
    let model = paper.model(&FACTS, 3, &device).unwrap();
    let (ids, lengths) = sentences(&[4, 7, 2], 7);
    for seed in 0..3 {
        let batch = PairBatch {
            features: noise([3, 5, 6], seed).into_data().try_into_vec_as().unwrap(),
            shape: [3, 5, 6],
            ids: ids.iter().map(|&id| id as i32).collect(),
            lengths: lengths.clone(),
            captions: vec![0, 1, 2],
            images: vec![0, 1, 2],
            known: vec![false; 9],
        };
        let images = Match::images(&model, Pairs::upload(batch.clone(), &device).features);
        let batch = model.upload(batch, &device);
        let captions = Match::captions(&model, batch.ids, batch.lengths);
        model.logits(&images, &captions);
    }
    let mut tensors = weights::collect(&model);
    // Biases begin at 0 and norms at 1: a graph that leaves them out would not be seen.
    for (number, (name, data)) in tensors.iter_mut().enumerate() {
        let name = name.as_str();
        if data.rank() == 1 && !name.contains("running") && !name.contains("cap_rnn") {
            let [size] = data.shape().dims::<1>();
            let base = if name.ends_with("1.weight") || name.ends_with("bn.weight") {
                1.0
            } else {
                0.0
            };
            *data = (noise::<1>([size], 50 + number as u64) * 0.3 + base).into_data();
        }
    }
    let model = paper.model(&FACTS, 3, &cpu()).unwrap();
    weights::apply(model, &tensors, &Default::default())
        .unwrap()
        .0
        .valid()
}

/// Numbers of words, `[captions, padded]`; what stands behind a caption's end are words as well.
fn sentences(lengths: &[usize], padded: usize) -> (Vec<i64>, Vec<usize>) {
    let ids = (0..lengths.len() * padded)
        .map(|at| (at * 5 % 12) as i64)
        .collect();
    (ids, lengths.to_vec())
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

struct Opened([Runner; 3]);

impl Opened {
    fn of(model: &Matcher, dtype: Dtype) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self(Tower::ALL.map(|which| {
            let path = folder.path().join(which.file());
            std::fs::write(&path, tower(&model.parts(), which, dtype, &About::default())).unwrap();
            Runner::open(&path, &path).unwrap()
        }))
    }

    /// All outputs of the three, the last of what the first two give.
    fn run(&self, features: &Tensor<3>, ids: &[i64], lengths: &[usize]) -> [Vec<Vec<f32>>; 3] {
        let path = Path::new("graph");
        let [image, text, score] = &self.0;
        let shape = features.dims();
        let values = values(features.clone());
        let seen = image.run_all(path, &[Input::Floats(&values, &shape)]).unwrap();
        let count = lengths.len();
        let counts: Vec<i64> = lengths.iter().map(|&length| length as i64).collect();
        let padded = ids.len() / count;
        let read = text
            .run_all(
                path,
                &[
                    Input::Numbers(ids, &[count, padded]),
                    Input::Numbers(&counts, &[count]),
                ],
            )
            .unwrap();
        let [images, regions, _] = shape;
        let scores = score
            .run_all(
                path,
                &[
                    Input::Floats(&seen[0], &[images, regions, 8]),
                    Input::Floats(&seen[1], &[images, seen[1].len() / images]),
                    Input::Floats(&read[0], &[count, padded, 8]),
                    Input::Floats(&read[1], &[count, read[1].len() / count]),
                    Input::Numbers(&counts, &[count]),
                ],
            )
            .unwrap();
        [seen, read, scores]
    }
}

#[track_caller]
fn near(what: &str, ours: &[f32], theirs: &[f32], limit: f64) {
    let found = Difference::between(ours, theirs, ours.len());
    assert!(found.relative < limit, "{what}: {found:?}");
}

/// Both sides for one image and caption, then for several with padding of every length.
#[track_caller]
fn compare(what: &str, model: &Matcher, opened: &Opened, regions: usize, limit: f64) {
    for (images, lengths, padded) in [(1, &[5][..], 5), (3, &[4, 9, 2, 1], 9), (2, &[3, 3], 6)] {
        let features = noise::<3>([images, regions, 6], 9);
        let (ids, lengths) = sentences(lengths, padded);
        let [seen, read, scores] = opened.run(&features, &ids, &lengths);
        let numbers = ids.iter().map(|&id| id as i32).collect();
        let (ids, lengths) = captions(numbers, lengths, &cpu());
        let ours = Match::images(model, features);
        near(what, &values(ours.regions.clone()), &seen[0], limit);
        near(what, &values(ours.whole.clone()), &seen[1], limit);
        let heard = Match::captions(model, ids, lengths);
        near(what, &values(heard.words.clone()), &read[0], limit);
        near(what, &values(heard.whole.clone()), &read[1], limit);
        let logits = values(model.logits(&ours, &heard));
        near(what, &logits, &scores[0], limit);
        let sigmoid: Vec<f32> = logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        near(what, &sigmoid, &scores[1], limit);
    }
}

const POOLINGS: [&str; 6] = [
    "pooling = \"t_emde\"\nt_emde = { partitions = 3, bits = 2 }",
    "pooling = \"t_emde\"\nt_emde = { partitions = 2, bits = 3, hard_eval = true }",
    "pooling = \"t_emde\"\nt_emde = { partitions = 2, bits = 2, assignment = \"softmax\" }",
    "pooling = \"t_emde\"\nt_emde = { partitions = 2, bits = 2, share_modalities = false }",
    "pooling = \"self_attention\"",
    "pooling = \"mean\"",
];

#[test]
fn another_runtime_finds_the_vectors_and_scores_of_every_head_and_pooling() {
    for head in [
        "module = \"saf\"",
        "module = \"sgr\"\nsteps = 3",
        "module = \"sgr\"\nsteps = 1",
    ] {
        for pooling in POOLINGS {
            let what = format!("{head} {pooling}");
            let model = trained(&paper(&format!("{head}\n{pooling}")));
            let opened = Opened::of(&model, Dtype::F32);
            compare(&what, &model, &opened, 5, 1e-4);
            // One file for any number of regions, where the model has no weights for each.
            if !pooling.contains("self") {
                compare(&what, &model, &opened, 2, 1e-4);
            }
        }
    }
}

#[test]
fn what_stands_behind_a_captions_end_is_not_seen() {
    let model = trained(&paper("module = \"sgr\"\npooling = \"self_attention\""));
    let opened = Opened::of(&model, Dtype::F32);
    let features = noise::<3>([2, 5, 6], 4);
    let short: Vec<i64> = vec![1, 7, 9, 2];
    let [_, read, scores] = opened.run(&features, &short, &[4]);
    let long: Vec<i64> = [&short[..], &[5, 11, 3]].concat();
    let [_, padded, again] = opened.run(&features, &long, &[4]);
    near("words", &read[0], &padded[0][..4 * 8], 1e-6);
    assert!(padded[0][4 * 8..].iter().all(|&v| v == 0.0));
    near("caption", &read[1], &padded[1], 1e-6);
    near("logits", &scores[0], &again[0], 1e-6);
}

#[test]
fn half_precision_stores_less_and_computes_in_single() {
    let paper = paper("module = \"saf\"\npooling = \"t_emde\"\nt_emde = { partitions = 3, bits = 2 }");
    let exact = trained(&paper);
    let rounded = dtype::stored(weights::collect(&exact), Dtype::F16).unwrap();
    let stored = paper.model(&FACTS, 3, &cpu()).unwrap();
    let stored = weights::apply(stored, &rounded, &Default::default())
        .unwrap()
        .0
        .valid();
    compare("f16", &stored, &Opened::of(&stored, Dtype::F16), 5, 1e-4);
    let bytes = |dtype| tower(&stored.parts(), Tower::Text, dtype, &About::default()).len();
    assert!(bytes(Dtype::F16) < bytes(Dtype::F32));
}

#[test]
fn files_say_what_they_take_and_are_the_same_every_time() {
    let model = trained(&paper("module = \"saf\"\npooling = \"self_attention\""));
    let about = About {
        recipe: "test".into(),
        ..About::default()
    };
    for which in Tower::ALL {
        let bytes = tower(&model.parts(), which, Dtype::F32, &about);
        assert!(bytes == tower(&model.parts(), which, Dtype::F32, &about));
        let file = ModelProto::decode(&bytes[..]).unwrap();
        let graph = file.graph.unwrap();
        let names: Vec<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
        let distinct: std::collections::BTreeSet<&&String> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
        for port in graph.input.iter().chain(&graph.output) {
            assert!(!port.doc_string.is_empty(), "{}", port.name);
            assert!(file.metadata_props.iter().any(|entry| entry.key == port.name));
        }
        let names = |ports: &[ValueInfoProto]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&graph.input), which.inputs());
        assert_eq!(names(&graph.output), which.outputs());
    }
    let sizes = Sizes::of(&model.parts());
    assert_eq!(
        (sizes.regions, sizes.features, sizes.dim, sizes.len, sizes.words),
        (Some(5), 6, 8, 8, 12)
    );
    assert_eq!(sizes.axes("features")[1], Axis::Fixed(5));
    let open = Sizes {
        regions: None,
        ..sizes
    };
    assert_eq!(open.axes("regions")[1], Axis::Open("regions"));
}

#[test]
fn the_hosts_names_come_back_as_ours() {
    let paper = paper(
        "module = \"sgr\"\npooling = \"t_emde\"\nt_emde = { partitions = 3, bits = 2, share_modalities = false }",
    );
    let ours = weights::collect(&trained(&paper));
    let (theirs, released) = paper.export(&ours);
    assert_eq!(
        (&released.options["module_name"], &released.options["sgr_step"]),
        (&"SGR".into(), &3.into())
    );
    assert_eq!(released.lacks.len(), 4);
    for name in [
        "model.0.fc.weight",
        "model.1.cap_rnn.weight_hh_l0_reverse",
        "model.2.SGR_module.2.graph_key_w.bias",
        "similarity.global.sketch.weight",
        "similarity.global.text_sketch.offset",
    ] {
        assert!(theirs.contains_key(name), "{name}");
    }
    assert_eq!(paper.import(&theirs).unwrap(), ours);
    let facts = paper.facts(&ours).unwrap();
    assert_eq!((facts.words, facts.regions, facts.dim), (12, 36, 6));
}
