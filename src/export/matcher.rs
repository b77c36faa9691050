//! A matcher's three graphs in another runtime, held against the matcher itself.

use super::compare::Difference;
use super::onnx::OnnxError;
use super::onnx::matching::Tower;
use super::onnx::run::{Input, Runner};
use crate::device::cpu;
use crate::nn::Lengths;
use crate::papers::{Match, PairFacts, captions};
use crate::random;
use crate::train::TrainError;
use burn::tensor::{Int, Tensor, TensorData};
use std::path::{Path, PathBuf};

/// The largest difference of two lists of numbers, relative to the largest of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Found(pub f64);

impl Found {
    /// The larger of two.
    pub fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

/// Numbers of a model.
#[derive(Clone, Debug)]
pub struct Numbers(Vec<f32>);

impl Numbers {
    fn of<const D: usize>(tensor: Tensor<D>) -> Result<Self, TrainError> {
        let broken = |e: &dyn std::fmt::Debug| TrainError::Device(format!("{e:?}"));
        let data = tensor.try_into_data().map_err(|e| broken(&e))?;
        Ok(Self(data.try_into_vec_as::<f32>().map_err(|e| broken(&e))?))
    }

    /// How far others are from these.
    pub fn against(&self, others: &Self) -> Found {
        Found(Difference::between(&self.0, &others.0, self.0.len()).relative)
    }
}

/// Images and captions that are drawn.
#[derive(Clone, Debug)]
pub struct Sample {
    features: Vec<f32>,
    /// Images, regions, length of a region's features.
    shape: [usize; 3],
    ids: Vec<i64>,
    lengths: Vec<usize>,
}

impl Sample {
    /// One image and caption; then several, whose captions are padded. Other draws of that number are others.
    pub fn some(facts: &PairFacts, draw: u64) -> Vec<Self> {
        let draw = |number, images, lengths: &[usize]| Self::draw(facts, [draw, number], images, lengths);
        vec![draw(0, 1, &[9]), draw(1, 3, &[6, 13, 3, 8])]
    }

    fn draw(facts: &PairFacts, number: [u64; 2], images: usize, lengths: &[usize]) -> Self {
        let mut stream = random::stream(0, "export pairs", &number);
        let shape = [images, facts.regions, facts.dim];
        let padded = lengths.iter().copied().max().unwrap_or(1);
        let mut ids = Vec::new();
        for &length in lengths {
            // <start>, words, <end>, <pad>.
            ids.push(1);
            ids.extend((2..length).map(|_| stream.below(facts.words) as i64));
            ids.push(2);
            ids.extend((length..padded).map(|_| 0));
        }
        Self {
            features: (0..shape.iter().product())
                .map(|_| stream.normal() as f32)
                .collect(),
            shape,
            ids,
            lengths: lengths.to_vec(),
        }
    }

    /// `4 random images, 5 random captions of 3 to 13 words`.
    pub fn describe(all: &[Self]) -> String {
        let images: usize = all.iter().map(|sample| sample.shape[0]).sum();
        let lengths: Vec<usize> = all.iter().flat_map(|sample| sample.lengths.clone()).collect();
        let (least, most) = (lengths.iter().min(), lengths.iter().max());
        format!(
            "{images} random images and {} random captions of {} to {} words",
            lengths.len(),
            least.unwrap_or(&0),
            most.unwrap_or(&0)
        )
    }

    fn uploaded(&self) -> (Tensor<3>, Tensor<2, Int>, Lengths) {
        let features = TensorData::new(self.features.clone(), self.shape);
        let ids = self.ids.iter().map(|&id| id as i32).collect();
        let (ids, lengths) = captions(ids, self.lengths.clone(), &cpu());
        (Tensor::from_data(features, &cpu()), ids, lengths)
    }

    /// The model's logits of every pair.
    pub fn logits<M: Match>(&self, model: &M) -> Result<Numbers, TrainError> {
        let (features, ids, lengths) = self.uploaded();
        Numbers::of(model.logits(&model.images(features), &model.captions(ids, lengths)))
    }

    /// What each graph is to give, in the order of its outputs.
    fn expected<M: Match>(&self, model: &M) -> Result<[[Numbers; 2]; 3], TrainError> {
        let parts = model.parts();
        let (features, ids, lengths) = self.uploaded();
        let images = parts.similarity.images(parts.image.forward(features));
        let words = parts.text.forward(ids, &lengths);
        let captions = parts.similarity.captions(words, lengths);
        let logits = self.logits(model)?;
        let scores = logits.0.iter().map(|logit| 1.0 / (1.0 + (-logit).exp()));
        let scores = Numbers(scores.collect());
        Ok([
            [Numbers::of(images.regions)?, Numbers::of(images.whole)?],
            [Numbers::of(captions.words)?, Numbers::of(captions.whole)?],
            [logits, scores],
        ])
    }
}

/// The three files, ready to be run.
pub struct Opened {
    graphs: [Runner; 3],
    /// What errors call them.
    names: [PathBuf; 3],
}

impl Opened {
    /// Opens the files of a folder, which will be called `named`.
    pub fn open(folder: &Path, named: &Path) -> Result<Self, OnnxError> {
        let names = Tower::ALL.map(|tower| named.join(tower.file()));
        let open = |at: usize| Runner::open(&folder.join(Tower::ALL[at].file()), &names[at]);
        let graphs = [open(0)?, open(1)?, open(2)?];
        Ok(Self { graphs, names })
    }

    /// How far what they give is from the model's, images and captions encoded by the files themselves. More than `limit` is an error.
    pub fn compare<M: Match>(&self, model: &M, sample: &Sample, limit: f64) -> crate::Result<Found> {
        let expected = sample.expected(model)?;
        let run = |at: usize, inputs: &[Input]| self.graphs[at].run_all(&self.names[at], inputs);
        let [images, regions, _] = sample.shape;
        let captions = sample.lengths.len();
        let lengths: Vec<i64> = sample.lengths.iter().map(|&length| length as i64).collect();
        let words = sample.ids.len() / captions;
        let seen = run(0, &[Input::Floats(&sample.features, &sample.shape)])?;
        let read = run(
            1,
            &[
                Input::Numbers(&sample.ids, &[captions, words]),
                Input::Numbers(&lengths, &[captions]),
            ],
        )?;
        let wide = |values: &[f32], rows: usize| values.len() / rows.max(1);
        let scores = run(
            2,
            &[
                Input::Floats(&seen[0], &[images, regions, wide(&seen[0], images * regions)]),
                Input::Floats(&seen[1], &[images, wide(&seen[1], images)]),
                Input::Floats(&read[0], &[captions, words, wide(&read[0], captions * words)]),
                Input::Floats(&read[1], &[captions, wide(&read[1], captions)]),
                Input::Numbers(&lengths, &[captions]),
            ],
        )?;
        let mut found = Found::default();
        for ((ours, theirs), name) in expected.iter().zip([seen, read, scores]).zip(&self.names) {
            for (ours, theirs) in ours.iter().zip(theirs) {
                found = found.max(ours.against(&Numbers(theirs)));
                if found.0 > limit {
                    return Err(OnnxError::Differs {
                        path: name.clone(),
                        difference: found.0,
                        limit,
                    }
                    .into());
                }
            }
        }
        Ok(found)
    }
}
