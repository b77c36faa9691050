//! Learning: a batch by heart, and the card's synthetic test (a toy world of concepts, scored from the global vectors alone).

use super::super::encoders::{EncoderConfig, ImageEncoder, TextEncoder};
use super::super::global::{Global, GlobalKind};
use super::super::hard_pairs;
use super::super::similarity::{Head, Similarity, SimilarityConfig};
use crate::device::cpu;
use crate::losses::HardestHinge;
use crate::nn::init::tests::noise;
use crate::nn::{Draw, Lengths, ParamInfo, TEmdeConfig, initialise, unit};
use crate::random::{Stream, stream};
use crate::train::grads;
use crate::train::optim::{Groups, Optimizer, OptimizerSection};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

const CONCEPTS: usize = 60;
const FILLERS: usize = 8;
const SENSES: usize = 32;
const REGIONS: usize = 10;
const WORDS: usize = 6;
const DIM: usize = 64;
const BATCH: usize = 64;

/// An image is 5 concepts, each seen twice under noise; each of its 2 captions names 3 of them among 3 fillers.
struct World {
    regions: Vec<Vec<f32>>,
    captions: Vec<Vec<i32>>,
}

impl World {
    fn new(concepts: &[Vec<f32>], images: usize, random: &mut Stream) -> Self {
        let mut world = World {
            regions: Vec::new(),
            captions: Vec::new(),
        };
        for _ in 0..images {
            let mut chosen: Vec<usize> = (0..CONCEPTS).collect();
            random.shuffle(&mut chosen);
            let seen = (0..REGIONS).flat_map(|region| &concepts[chosen[region / 2]]);
            world
                .regions
                .push(seen.map(|v| v + random.normal() as f32).collect());
            for _ in 0..2 {
                let mut named = chosen[..5].to_vec();
                random.shuffle(&mut named);
                let fillers = (0..3).map(|_| CONCEPTS + random.below(FILLERS));
                let mut words: Vec<usize> = named[..3].iter().copied().chain(fillers).collect();
                random.shuffle(&mut words);
                world
                    .captions
                    .push(words.into_iter().map(|word| word as i32).collect());
            }
        }
        world
    }
}

#[derive(Module, Debug)]
struct Toy {
    image: Linear,
    embed: Embedding,
    text: Linear,
    global: Global,
    project: Linear,
    score: Linear,
}

impl Toy {
    fn new(kind: &GlobalKind, device: &Device) -> Self {
        let toy = Self {
            image: LinearConfig::new(SENSES, DIM).init(device),
            embed: EmbeddingConfig::new(CONCEPTS + FILLERS, 32).init(device),
            text: LinearConfig::new(32, DIM).init(device),
            global: kind.init(DIM, device),
            project: LinearConfig::new(kind.len(DIM), 32).init(device),
            score: LinearConfig::new(32, 1).init(device),
        };
        // As torch makes layers that nobody initialises; the global modules as the host does.
        let rule = |info: &ParamInfo| match info.path.split('.').next() {
            Some("image" | "text") => Some(Draw::TorchLinear),
            Some("embed") => Some(Draw::Normal { std: 1.0 }),
            _ => kind.draw(info),
        };
        initialise(toy, 1, rule)
    }

    fn images(&self, world: &World, rows: &[usize], device: &Device) -> Tensor<2> {
        let data: Vec<f32> = rows
            .iter()
            .flat_map(|&row| world.regions[row].iter().copied())
            .collect();
        let data = Tensor::<3>::from_data(TensorData::new(data, [rows.len(), REGIONS, SENSES]), device);
        self.global.images(unit(self.image.forward(data), 2))
    }

    fn captions(&self, world: &World, rows: &[usize], device: &Device) -> Tensor<2> {
        let data: Vec<i32> = rows
            .iter()
            .flat_map(|&row| world.captions[row].iter().copied())
            .collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(data, [rows.len(), WORDS]), device);
        let words = unit(tanh(self.text.forward(self.embed.forward(ids))), 2);
        self.global
            .captions(words, &Lengths::new(vec![WORDS; rows.len()], WORDS))
    }

    /// Logits `[images, captions]`.
    fn logits(&self, images: Tensor<2>, captions: Tensor<2>) -> Tensor<2> {
        let ([rows, dim], [columns, _]) = (images.dims(), captions.dims());
        let difference = images.reshape([rows, 1, dim]) - captions.reshape([1, columns, dim]);
        let squares = (difference.clone() * difference).reshape([rows * columns, dim]);
        self.score
            .forward(unit(self.project.forward(squares), 1))
            .reshape([rows, columns])
    }
}

/// The sum of the six recalls at 1, 5 and 10, ties against the model.
fn rsum(toy: &Toy, world: &World, device: &Device) -> f64 {
    let images: Vec<usize> = (0..world.regions.len()).collect();
    let captions: Vec<usize> = (0..world.captions.len()).collect();
    let logits = toy.logits(
        toy.images(world, &images, device),
        toy.captions(world, &captions, device),
    );
    let logits: Vec<f32> = logits.into_data().try_into_vec_as().unwrap();
    let at = |image: usize, caption: usize| logits[image * captions.len() + caption];
    let mut ranks = Vec::new();
    for &image in &images {
        let rank = |own: usize| {
            captions
                .iter()
                .filter(|&&c| c / 2 != image && at(image, c) >= at(image, own))
                .count()
        };
        ranks.push((rank(2 * image).min(rank(2 * image + 1)), images.len()));
    }
    for &caption in &captions {
        let own = caption / 2;
        let rank = images
            .iter()
            .filter(|&&i| i != own && at(i, caption) >= at(own, caption))
            .count();
        ranks.push((rank, captions.len()));
    }
    let recall = |k: usize| {
        ranks
            .iter()
            .filter(|(rank, _)| *rank < k)
            .map(|(_, n)| 100.0 / *n as f64)
            .sum::<f64>()
    };
    recall(1) + recall(5) + recall(10)
}

/// Trains for 40 epochs, the first of them on the mean of all hinges; gives rsum and the last epoch's loss a pair.
fn trained(kind: GlobalKind, warm_up: usize) -> (f64, f32) {
    let mut random = stream(1, "toy world", &[]);
    let concepts: Vec<Vec<f32>> = (0..CONCEPTS)
        .map(|_| (0..SENSES).map(|_| random.normal() as f32).collect())
        .collect();
    let train = World::new(&concepts, 1000, &mut random);
    let test = World::new(&concepts, 100, &mut random);
    let device = cpu().autodiff();
    let mut toy = Toy::new(&kind, &device);
    let section: OptimizerSection =
        serde_json::from_value(serde_json::json!({ "kind": "adam", "lr": 2e-3 })).unwrap();
    let mut optimizer = Optimizer::new(Groups::new(&section, "").unwrap());
    let mut last = 0.0;
    for epoch in 0..40 {
        let mut order: Vec<usize> = (0..train.captions.len()).collect();
        random.shuffle(&mut order);
        let mut sum = 0.0;
        for (step, captions) in order.chunks_exact(BATCH).enumerate() {
            device.seed((epoch * 1000 + step) as u64);
            let images: Vec<usize> = captions.iter().map(|caption| caption / 2).collect();
            let known: Vec<bool> = images
                .iter()
                .flat_map(|a| images.iter().map(move |b| a == b))
                .collect();
            let known = Tensor::<2, Bool>::from_data(TensorData::new(known, [BATCH, BATCH]), &device);
            let scores = sigmoid(toy.logits(
                toy.images(&train, &images, &device),
                toy.captions(&train, captions, &device),
            ));
            let hinge = HardestHinge {
                margin: 0.2,
                hardest: epoch >= warm_up,
            };
            let loss = hinge.with_known(scores, Some(known));
            let loss = match hinge.hardest {
                true => loss,
                false => loss / (BATCH * BATCH) as f64,
            };
            sum += loss.clone().into_scalar::<f32>();
            let grads = GradientsParams::from_grads(loss.backward(), &toy);
            let (grads, _) = grads::clip(&toy, grads, 2.0);
            toy = optimizer.step(toy, grads, &[2e-3]);
        }
        last = sum / (order.len() / BATCH * BATCH) as f32;
    }
    (rsum(&toy.valid(), &test, &cpu()), last)
}

/// Prints the card's table; asserts what the card accepts.
#[test]
#[ignore = "trains for minutes: cargo test --release --lib -- --ignored --nocapture t_emde::learning"]
fn t_emde_learns_the_toy_world_better_than_the_mean() {
    let t_emde = |assignment| GlobalKind::TEmde {
        layer: TEmdeConfig::new(DIM).with_assignment(assignment),
        share: true,
    };
    let attention = GlobalKind::SelfAttention {
        regions: REGIONS,
        dropout: 0.4,
    };
    let mut found = Vec::new();
    for (name, kind) in [
        ("mean", GlobalKind::Mean),
        ("self-attention", attention),
        ("hyperplanes", t_emde(crate::nn::Assignment::Hyperplanes)),
        ("free softmax", t_emde(crate::nn::Assignment::Softmax)),
    ] {
        for warm_up in [0, 3] {
            let (rsum, loss) = trained(kind.clone(), warm_up);
            println!("{name}, {warm_up} epochs of the mean hinge: rsum {rsum:.0}, loss a pair {loss:.3}");
            found.push(rsum);
        }
    }
    let mean = found[0].max(found[1]);
    for rsum in &found[4..] {
        assert!(*rsum >= 550.0 && *rsum > mean, "{found:?}");
    }
}

#[derive(Module, Debug)]
struct Matcher {
    image: ImageEncoder,
    text: TextEncoder,
    similarity: Similarity,
}

#[test]
fn a_batch_is_learnt_by_heart() {
    let device = cpu().autodiff();
    let (batch, longest, words) = (12, 7, 30);
    let global = GlobalKind::TEmde {
        layer: TEmdeConfig::new(24).with_partitions(4).with_bits(3),
        share: true,
    };
    let lengths = Lengths::new((0..batch).map(|row| longest - row / 3).collect(), longest);
    let features = noise([batch, 5, 16], 1).into_data();
    let mut random = stream(2, "captions", &[]);
    let ids: Vec<i32> = (0..batch * longest).map(|_| random.below(words) as i32).collect();
    let ids = TensorData::new(ids, [batch, longest]);
    for head in [Head::Saf, Head::Sgr { steps: 2 }] {
        let encoders = EncoderConfig::new(words)
            .with_image_dim(16)
            .with_word_dim(12)
            .with_dim(24);
        let model = Matcher {
            image: encoders.image(&device),
            text: encoders.text(&device),
            similarity: SimilarityConfig::new(24, global.clone(), head)
                .with_similarity_dim(16)
                .init(&device),
        };
        let mut model = initialise(model, 1, |info| global.draw(info));
        let section: OptimizerSection =
            serde_json::from_value(serde_json::json!({ "kind": "adam", "lr": 3e-3 })).unwrap();
        let mut optimizer = Optimizer::new(Groups::new(&section, "").unwrap());
        let encoded = |model: &Matcher, device: &Device| {
            let regions = model.image.forward(Tensor::from_data(features.clone(), device));
            let words = model
                .text
                .forward(Tensor::from_data(ids.clone(), device), &lengths);
            (
                model.similarity.images(regions),
                model.similarity.captions(words, lengths.clone()),
            )
        };
        let mut losses = Vec::new();
        for step in 0..300 {
            device.seed(step);
            // All negatives at first, off the plateau.
            let hinge = HardestHinge {
                margin: 0.2,
                hardest: step >= 40,
            };
            let (images, captions) = encoded(&model, &device);
            let loss = hard_pairs::loss(&model.similarity, &images, &captions, &hinge, None);
            losses.push(loss.clone().into_scalar::<f32>() / batch as f32);
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            let (grads, _) = grads::clip(&model, grads, 2.0);
            model = optimizer.step(model, grads, &[3e-3]);
        }
        let last = losses[280..].iter().sum::<f32>() / 20.0;
        assert!(
            last < 0.05,
            "{head:?}: {last} a pair, {:?}",
            losses.iter().step_by(20).collect::<Vec<_>>()
        );
        let plain = model.valid();
        let (images, captions) = encoded(&plain, &cpu());
        let scores: Vec<f32> = plain
            .similarity
            .all(&images, &captions)
            .into_data()
            .try_into_vec_as()
            .unwrap();
        for own in 0..batch {
            for other in (0..batch).filter(|other| *other != own) {
                let positive = scores[own * batch + own];
                assert!(
                    scores[own * batch + other] < positive && scores[other * batch + own] < positive,
                    "{head:?} {own} {other}"
                );
            }
        }
    }
}
