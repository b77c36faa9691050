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

/// The largest differences of two lists of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Found {
    /// Relative to the largest number; of logits and scores, relative to 1 where all are smaller.
    pub relative: f64,
    /// Of logits: relative to what lies between the highest and the lowest, because a model may give all pairs nearly one score, which
    /// a graph of anything would give as well.
    pub spread: f64,
}

impl Found {
    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            relative: self.relative.max(other.relative),
            spread: self.spread.max(other.spread),
        }
    }

    /// Whether graphs may be kept: the numbers are the same but for rounding, and pairs differ as they should. Rounding alone is more
    /// than a collapsed model's pairs differ by.
    fn is_rounding(&self) -> bool {
        self.relative <= LIMIT && (self.spread <= SPREAD || self.relative <= ROUNDING)
    }
}

/// How far a graph's numbers may be from the model's, relative to the largest.
const LIMIT: f64 = 1e-3;
/// How far logits may be, relative to their spread.
const SPREAD: f64 = 0.05;
/// What single precision may do to any number, relative to the largest.
const ROUNDING: f64 = 1e-5;

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
        let relative = Difference::between(&self.0, &others.0, self.0.len()).relative;
        Found {
            relative,
            spread: 0.0,
        }
    }

    /// The same, relative to 1 where all are smaller: of logits, any of which may be 0, and of scores in (0, 1), of which runtimes give
    /// none below some 1e-8.
    fn against_or_one(&self, others: &Self) -> Found {
        let one = |numbers: &Self| Numbers([&numbers.0[..], &[1.0]].concat());
        one(self).against(&one(others))
    }

    /// The same of logits, with their spread.
    pub fn logits_against(&self, others: &Self) -> Found {
        let found = self.against_or_one(others);
        let of = |pick: fn(f32, f32) -> f32, from: f32| f64::from(self.0.iter().copied().fold(from, pick));
        let (high, low) = (of(f32::max, f32::NEG_INFINITY), of(f32::min, f32::INFINITY));
        let apart = found.relative * high.abs().max(low.abs()).max(1.0);
        let spread = match self.0.len() {
            // One pair differs from nothing.
            0 | 1 => 0.0,
            _ if apart == 0.0 => 0.0,
            _ => apart / (high - low),
        };
        Found { spread, ..found }
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

    /// How far what they give is from the model's, images and captions encoded by the files themselves. More than rounding is an error.
    pub fn compare<M: Match>(&self, model: &M, sample: &Sample) -> crate::Result<Found> {
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
        for (((ours, theirs), name), tower) in expected
            .iter()
            .zip([seen, read, scores])
            .zip(&self.names)
            .zip(Tower::ALL)
        {
            for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let theirs = Numbers(theirs);
                let one = match tower.outputs()[number] {
                    "logit" => ours.logits_against(&theirs),
                    "score" => ours.against_or_one(&theirs),
                    _ => ours.against(&theirs),
                };
                if !one.is_rounding() {
                    return Err(OnnxError::Differs {
                        path: name.clone(),
                        difference: one.relative,
                        limit: if one.relative > LIMIT { LIMIT } else { ROUNDING },
                    }
                    .into());
                }
                found = found.max(one);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ours: [f32; 3], theirs: [f32; 3]) -> Found {
        Numbers(ours.to_vec()).logits_against(&Numbers(theirs.to_vec()))
    }

    #[test]
    fn scores_that_hardly_differ_must_still_differ_alike() {
        let close = found([1.0, 2.0, 3.0], [1.0, 2.0, 3.0003]);
        assert!((close.relative - 1e-4).abs() < 1e-6 && (close.spread - 1.5e-4).abs() < 1e-6);
        assert!(close.is_rounding());
        assert!(!found([1.0, 2.0, 3.0], [1.0, 2.0, 3.3]).is_rounding());
        // All within 1e-4 of each other: near the largest value, and yet in another order.
        assert!(!found([1.0, 1.0001, 1.0002], [1.0002, 1.0001, 1.0]).is_rounding());
        assert!(found([1.0, 1.0001, 1.0002], [1.0, 1.0001, 1.000_201]).is_rounding());
        // A collapsed model's differ by rounding alone, and by nothing.
        assert!(found([1.0, 1.0, 1.0], [1.0, 1.000_000_1, 1.0]).is_rounding());
        assert!(found([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]).is_rounding());
        assert!(!found([1.0, 1.0, 1.0], [f32::NAN, 1.0, 1.0]).is_rounding());
        // A score of nearly nothing may be another such.
        let [small, smaller] = [1e-8, 1e-9].map(|score| Numbers(vec![score]));
        assert!(small.against_or_one(&smaller).is_rounding() && !small.against(&smaller).is_rounding());
        assert!(!small.against_or_one(&Numbers(vec![0.01])).is_rounding());
    }
}
