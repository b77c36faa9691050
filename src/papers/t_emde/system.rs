//! The whole matcher: encoders, scorer, loss.

use super::encoders::draw;
use super::settings::SameImage;
use super::{EncodedCaptions, EncodedImages, ImageEncoder, LossSection, Matching, Similarity, TextEncoder};
use crate::data::pairs::PairBatch;
use crate::device::Device;
use crate::nn::{Draw, Lengths, TEmde, initialise};
use crate::papers::{Clock, Losses, Match, Objective, PairFacts, Pairs};
use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Int, Tensor, TensorData};

/// Scores pairs of an image and a caption; trained by the hinge of hardest negatives over all pairs of a batch.
#[derive(Module, Debug)]
pub struct Matcher {
    /// Regions to the joint space.
    pub image: ImageEncoder,
    /// Words to the joint space.
    pub text: TextEncoder,
    /// Both to a score.
    pub similarity: Similarity,
    #[module(skip)]
    loss: LossSection,
}

impl Matcher {
    /// The model at step 0.
    pub fn new(paper: &Matching, facts: &PairFacts, seed: u64, device: &Device) -> Self {
        let encoders = paper.model.encoders(facts);
        let model = Self {
            image: encoders.image(device),
            text: encoders.text(device),
            similarity: paper.model.similarity(facts).init(device),
            loss: paper.loss.clone(),
        };
        let scale = paper.model.t_emde.scale;
        initialise(model, seed, |info| match (info.container, info.name) {
            ("TEmde", "weight") => Some(Draw::Normal { std: scale }),
            _ => draw(info),
        })
    }

    /// With every hyperplane of the density estimator at the median of a batch's tokens: of regions and words together where they
    /// share the layer. The device is plain, so nothing is dropped out.
    pub fn with_median_offsets(mut self, batch: PairBatch, device: &Device) -> Self {
        let still = self.clone().valid();
        let batch = Pairs::upload(batch, device);
        let [images, regions, _] = batch.features.dims();
        let regions_mask = Tensor::<2>::ones([images, regions], device);
        let regions = still.image.forward(batch.features);
        let words = still.text.forward(batch.ids, &batch.lengths);
        let words_mask = batch.lengths.mask(device);
        let settled = |mut layer: TEmde, of: &TEmde, tokens, mask| {
            let medians = of.clone().with_median_offsets(tokens, mask).offset.val();
            let onto = layer.offset.val().device();
            let medians = Tensor::from_data(medians.into_data(), &onto);
            layer.offset = layer.offset.map(|_| medians);
            layer
        };
        let global = &mut self.similarity.global;
        let text = global.text_sketch.take();
        if let (Some(layer), Some(of)) = (global.sketch.take(), &still.similarity.global.sketch) {
            global.sketch = Some(match text {
                Some(_) => settled(layer, of, regions, regions_mask),
                None => {
                    let (tokens, mask) =
                        joined([(regions, regions_mask), (words.clone(), words_mask.clone())]);
                    settled(layer, of, tokens, mask)
                }
            });
        }
        if let (Some(layer), Some(of)) = (text, &still.similarity.global.text_sketch) {
            global.text_sketch = Some(settled(layer, of, words, words_mask));
        }
        self
    }

    /// Every image of a batch with every caption, `[images, captions]`, in (0, 1).
    fn scores(&self, batch: &Pairs) -> Tensor<2> {
        let images = self.images(batch.features.clone());
        let captions = Match::captions(self, batch.ids.clone(), batch.lengths.clone());
        sigmoid(self.logits(&images, &captions))
    }
}

/// Tokens of two kinds as one set: `[1, all tokens, dim]` with their mask.
fn joined(parts: [(Tensor<3>, Tensor<2>); 2]) -> (Tensor<3>, Tensor<2>) {
    let (mut tokens, mut masks) = (Vec::new(), Vec::new());
    for (part, mask) in parts {
        let [sets, count, dim] = part.dims();
        tokens.push(part.reshape([1, sets * count, dim]));
        masks.push(mask.reshape([1, sets * count]));
    }
    (Tensor::cat(tokens, 1), Tensor::cat(masks, 1))
}

/// True where two rows show the same image, `[batch, batch]`; none where all are different.
fn same(images: &[usize], device: &Device) -> Option<Tensor<2, Bool>> {
    let count = images.len();
    let pairs: Vec<bool> = (0..count * count)
        .map(|at| at / count != at % count && images[at / count] == images[at % count])
        .collect();
    pairs
        .contains(&true)
        .then(|| Tensor::from_data(TensorData::new(pairs, [count, count]), device))
}

impl Match for Matcher {
    type Images = EncodedImages;
    type Captions = EncodedCaptions;

    fn images(&self, features: Tensor<3>) -> EncodedImages {
        self.similarity.images(self.image.forward(features))
    }

    fn captions(&self, ids: Tensor<2, Int>, lengths: Lengths) -> EncodedCaptions {
        let words = self.text.forward(ids, &lengths);
        self.similarity.captions(words, lengths)
    }

    fn logits(&self, images: &EncodedImages, captions: &EncodedCaptions) -> Tensor<2> {
        self.similarity.all(images, captions)
    }
}

impl Objective for Matcher {
    type Host = PairBatch;
    type Batch = Pairs;

    fn upload(&self, host: PairBatch, device: &Device) -> Pairs {
        Pairs::upload(host, device)
    }

    fn loss(&self, _phase: usize, batch: &Pairs, clock: &Clock) -> Losses {
        let scores = self.scores(batch);
        let [count, _] = scores.dims();
        let known = match self.loss.same_image {
            SameImage::Negatives => None,
            SameImage::Ignored => same(&batch.images, &scores.device()),
        };
        let (hinge, divisor) = self.loss.hinge(clock.epoch, count);
        let value = hinge.with_known(scores.clone(), known) / divisor;
        Losses::sum(vec![("hinge", value)], &scores)
    }
}
