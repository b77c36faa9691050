//! The whole matcher: encoders, scorer, loss.

use super::hard_pairs;
use super::settings::SameImage;
use super::{EncodedCaptions, EncodedImages, ImageEncoder, LossSection, Matching, Similarity, TextEncoder};
use crate::data::pairs::PairBatch;
use crate::device::Device;
use crate::nn::{Lengths, initialise};
use crate::papers::{Clock, Explanation, Losses, Match, Objective, PairFacts, Pairs, Parts};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

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
        let similarity = paper.model.similarity(facts);
        let model = Self {
            image: encoders.image(device),
            text: encoders.text(device),
            similarity: similarity.init(device),
            loss: paper.loss.clone(),
        };
        initialise(model, seed, |info| similarity.global.draw(info))
    }

    /// With every hyperplane of the density estimator at the median of a batch's tokens: of regions and words together where they
    /// share the layer. They are encoded on a plain device, where nothing is dropped out.
    pub fn with_median_offsets(mut self, batch: PairBatch, device: &Device) -> Self {
        let still = self.clone().valid();
        let batch = Pairs::upload(batch, device);
        let onto = self.similarity.sim_eval_w.weight.val().device();
        let moved = |tokens: Tensor<3>| Tensor::from_data(tokens.into_data(), &onto);
        let regions = moved(still.image.forward(batch.features));
        let words = moved(still.text.forward(batch.ids, &batch.lengths));
        let global = self.similarity.global;
        self.similarity.global = global.with_median_offsets(regions, words, &batch.lengths);
        self
    }
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

    fn parts(&self) -> Parts<'_> {
        Parts {
            image: &self.image,
            text: &self.text,
            similarity: &self.similarity,
        }
    }

    fn logits(&self, images: &EncodedImages, captions: &EncodedCaptions) -> Tensor<2> {
        self.similarity.all(images, captions)
    }

    fn explain(&self, images: &EncodedImages, captions: &EncodedCaptions) -> crate::Result<Explanation> {
        self.similarity.explain(images, captions)
    }
}

impl Objective for Matcher {
    type Host = PairBatch;
    type Batch = Pairs;

    fn upload(&self, host: PairBatch, device: &Device) -> Pairs {
        Pairs::upload(host, device)
    }

    fn loss(&self, _phase: usize, batch: &Pairs, clock: &Clock) -> Losses {
        let images = self.images(batch.features.clone());
        let captions = Match::captions(self, batch.ids.clone(), batch.lengths.clone());
        let known = match self.loss.same_image {
            SameImage::Negatives => None,
            SameImage::Ignored => Some(batch.known.as_slice()),
        };
        let (hinge, divisor) = self.loss.hinge(clock.epoch, batch.images.len());
        let value = hard_pairs::loss(&self.similarity, &images, &captions, &hinge, known);
        Losses::sum(vec![("hinge", value / divisor)], &batch.features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::papers::PairPaper;
    use crate::papers::t_emde::settings::{Offsets, Pooling};
    use crate::random::stream;

    fn paper(text: &str) -> Matching {
        let model = format!(
            "module = \"sgr\"\npooling = \"t_emde\"\nt_emde = {{ partitions = 2, bits = 3 }}\ndim = 8\nsimilarity_dim = 4\nword_dim = 5\n{text}"
        );
        Matching {
            model: toml::from_str(&model).unwrap(),
            loss: toml::from_str("").unwrap(),
        }
    }

    const FACTS: PairFacts = PairFacts {
        words: 12,
        regions: 3,
        dim: 6,
    };

    fn batch() -> PairBatch {
        let mut stream = stream(3, "batch", &[]);
        PairBatch {
            features: (0..4 * 3 * 6).map(|_| stream.normal() as f32).collect(),
            shape: [4, 3, 6],
            ids: vec![1, 5, 6, 7, 2, 1, 8, 9, 2, 0, 1, 10, 2, 0, 0, 1, 11, 2, 0, 0],
            lengths: vec![5, 4, 3, 3],
            captions: vec![0, 1, 2, 3],
            images: vec![0, 1, 0, 2],
            known: (0..16).map(|at| at == 2 || at == 8).collect(),
        }
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec_as().unwrap()
    }

    fn loss(paper: &Matching, epoch: u64) -> f32 {
        let device = cpu().autodiff();
        let model = paper.model(&FACTS, 1, &device).unwrap();
        let batch = model.upload(batch(), &device);
        let clock = Clock {
            seed: 0,
            step: 0,
            epoch,
            micro: 0,
        };
        device.seed(7);
        model.loss(0, &batch, &clock).total.into_scalar()
    }

    #[test]
    fn hyperplanes_begin_at_the_median_of_the_first_batch() {
        let device = cpu();
        let mut matching = paper("");
        let settled = |paper: &Matching| {
            let model = paper.model(&FACTS, 1, &device.clone().autodiff()).unwrap();
            paper.settle(model, batch(), &device)
        };
        let model = settled(&matching);
        let sketch = model.similarity.global.sketch.clone().unwrap();
        assert!(sketch.offset.is_require_grad());
        let still = model.valid();
        let batch_of = Pairs::upload(batch(), &device);
        let regions = still.image.forward(batch_of.features).reshape([12, 8]);
        let words = still
            .text
            .forward(batch_of.ids, &batch_of.lengths)
            .reshape([20, 8]);
        let own = still.similarity.global.sketch.unwrap();
        let sides = |tokens: Tensor<2>| values(tokens.matmul(own.weight.val().transpose()));
        let (regions, words) = (sides(regions), sides(words));
        let offsets = values(own.offset.val());
        let real = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 15, 16, 17];
        for (plane, offset) in offsets.iter().enumerate() {
            // Of 12 regions and 15 words, an odd number, 13 lie above the middle one.
            let above = (0..12).filter(|row| regions[row * 6 + plane] > *offset).count()
                + real
                    .iter()
                    .filter(|row| words[*row * 6 + plane] > *offset)
                    .count();
            assert_eq!(above, 13, "hyperplane {plane}");
        }
        matching.model.t_emde.offsets = Offsets::Zeros;
        let zeros = settled(&matching).similarity.global.sketch.unwrap();
        assert_eq!(values(zeros.offset.val()), [0.0; 6]);
        matching.model.pooling = Pooling::Mean;
        assert!(settled(&matching).similarity.global.sketch.is_none());
    }

    #[test]
    fn warm_up_takes_the_mean_of_all_negatives_on_the_same_plateau() {
        let mut matching = paper("dropout = 0.0");
        let hardest = loss(&matching, 0);
        matching.loss.warmup_epochs = 2;
        let warm = loss(&matching, 1);
        // The hardest of three is never below their mean; at the beginning both stand near 2 · 0.2 · 4.
        assert!(warm < hardest && warm > 0.8 * hardest, "{warm} {hardest}");
        assert!((hardest - 1.6).abs() < 0.3, "{hardest}");
        assert_eq!(loss(&matching, 2), hardest);
        let (hinge, divisor) = matching.loss.hinge(1, 4);
        assert_eq!((hinge.hardest, divisor), (false, 3.0));
        // Said where both are seen, and only there.
        let said = matching.turn(3).unwrap();
        assert!(
            said.starts_with("the mean of all negatives for 2 epochs, then"),
            "{said}"
        );
        assert_eq!(matching.turn(2), None);
        matching.loss.hardest = false;
        assert_eq!(matching.turn(3), None);
    }

    #[test]
    fn captions_of_one_image_may_be_left_out_of_each_others_negatives() {
        let mut matching = paper("dropout = 0.0");
        matching.loss.hardest = false;
        let all = loss(&matching, 0);
        matching.loss.same_image = SameImage::Ignored;
        let fewer = loss(&matching, 0);
        // Rows 0 and 2 show one image: 20 of 24 hinges are left, each near the margin.
        assert!((fewer / all - 20.0 / 24.0).abs() < 0.05, "{fewer} of {all}");
    }
}
