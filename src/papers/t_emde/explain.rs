//! Why a pair scores as it does: what the scorer's own parts compute on the way.

use super::local::{self, Words};
use super::similarity::{EncodedCaptions, EncodedImages, Similarity};
use super::{Global, sgr};
use crate::nn::Lengths;
use crate::papers::{Explanation, Filtration, Map};
use crate::train::TrainError;
use burn::tensor::Tensor;

impl Similarity {
    /// Of the first image and the first caption: the attention of [`local::attention`], the weights of [`super::saf::Saf::weights`] or
    /// the edges of [`sgr::reason_with`], the sketches of [`crate::nn::TEmde::sketch_of`], and the logit of [`Self::all`].
    pub fn explain(&self, images: &EncodedImages, captions: &EncodedCaptions) -> crate::Result<Explanation> {
        let images = images.some(0..1);
        // What lies behind the caption's end says nothing.
        let length = captions.lengths.each()[0];
        let captions = EncodedCaptions {
            words: captions.words.clone().narrow(0, 0, 1).narrow(1, 0, length),
            whole: captions.whole.clone().narrow(0, 0, 1),
            lengths: Lengths::new(vec![length], length),
        };
        let words = Words::Shared(&captions.words, &captions.lengths);
        let mask = words.mask(&images.regions.device());
        let [_, regions, _] = images.regions.dims();
        let [_, global] = images.whole.dims();
        let local = local::similarity(&images.regions, words, &self.sim_tranloc_w);
        let difference = (images.whole.clone() - captions.whole.clone()).reshape([1, 1, global]);
        let whole = self.whole(difference);

        let mut edges = Vec::new();
        let filtration = match &self.saf {
            Some(saf) => {
                let weights = values(saf.weights(&whole, &local, &mask))?;
                Some(self.filtration(weights, whole, local)?)
            }
            None => {
                sgr::reason_with(&self.sgr, whole, local, mask, &mut |step| {
                    edges.push(step.clone())
                });
                None
            }
        };
        Ok(Explanation {
            logit: values(self.all(&images, &captions))?[0],
            attention: Map {
                shape: [length, regions],
                values: values(local::attention(&images.regions, words))?,
            },
            filtration,
            edges: edges
                .into_iter()
                .map(|step| {
                    let [_, rows, columns] = step.dims();
                    map([rows, columns], step)
                })
                .collect::<crate::Result<_>>()?,
            sketches: self.global.sketches(&images, &captions)?,
        })
    }

    /// β and what follows of it: the logit is `Σ_p β_p ⟨E_p, w_e⟩ / ‖Σ_p β_p E_p‖ + b_e`.
    fn filtration(&self, weights: Vec<f32>, whole: Tensor<3>, local: Tensor<4>) -> crate::Result<Filtration> {
        let [_, _, words, size] = local.dims();
        let parts = values(Tensor::cat(
            vec![whole.reshape([1, size]), local.reshape([words, size])],
            0,
        ))?;
        let score = values(self.sim_eval_w.weight.val())?;
        let mut sum = vec![0.0f64; size];
        for (weight, part) in weights.iter().zip(parts.chunks_exact(size)) {
            for (sum, value) in sum.iter_mut().zip(part) {
                *sum += f64::from(weight * value);
            }
        }
        let norm = sum
            .iter()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt()
            .max(1e-12);
        let shares = weights
            .iter()
            .zip(parts.chunks_exact(size))
            .map(|(weight, part)| {
                let along: f64 = part.iter().zip(&score).map(|(a, b)| f64::from(a * b)).sum();
                (f64::from(*weight) * along / norm) as f32
            });
        Ok(Filtration {
            shares: shares.collect(),
            weights,
            bias: match &self.sim_eval_w.bias {
                Some(bias) => values(bias.val())?[0],
                None => 0.0,
            },
        })
    }
}

impl Global {
    /// The sketches of an image and of a caption, where there is a density estimator.
    fn sketches(
        &self,
        images: &EncodedImages,
        captions: &EncodedCaptions,
    ) -> crate::Result<Option<[Map; 2]>> {
        let Some(own) = &self.sketch else {
            return Ok(None);
        };
        let [_, count, _] = images.regions.dims();
        let device = images.regions.device();
        let seen = own.sketch_of(images.regions.clone(), Tensor::ones([1, count], &device));
        let read = self.text_sketch.as_ref().unwrap_or(own);
        let read = read.sketch_of(captions.words.clone(), captions.lengths.mask(&device));
        let [_, partitions, width] = seen.dims();
        let shape = [partitions, width];
        Ok(Some([map(shape, seen)?, map(shape, read)?]))
    }
}

fn map<const D: usize>(shape: [usize; 2], tensor: Tensor<D>) -> crate::Result<Map> {
    Ok(Map {
        shape,
        values: values(tensor)?,
    })
}

fn values<const D: usize>(tensor: Tensor<D>) -> crate::Result<Vec<f32>> {
    let broken = |e: &dyn std::fmt::Debug| TrainError::Device(format!("{e:?}"));
    let data = tensor.try_into_data().map_err(|e| broken(&e))?;
    Ok(data.try_into_vec_as::<f32>().map_err(|e| broken(&e))?)
}
