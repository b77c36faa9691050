//! A training step whose graph holds the hardest pairs alone.
//!
//! The loss of a batch of B pairs reads B² scores, but at most 3 · B of them receive a gradient: the true pairs, and the hardest
//! negative of every row and column. A graph-reasoning head scores each pair by itself, so the rest of the matrix needs no graph:
//! all pairs are scored without one, and those that count are scored again with one. Loss and gradients are those of the whole graph.
//! On the CPU each pair that counts is scored once; elsewhere always three for each row, so that nothing is read back and every step has
//! the same shapes.
//! An attention filtration couples all pairs by its batch norm, and pays for the whole graph; so does the sum over all negatives.

use super::similarity::{EncodedCaptions, EncodedImages, Similarity};
use crate::losses::HardestHinge;
use crate::nn::host;
use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use std::collections::BTreeMap;

/// The loss `[1]` of a batch whose i-th image and i-th caption belong together, by the shortest exact way. `known`: pairs that
/// belong together beside the diagonal, `[batch · batch]`.
pub fn loss(
    model: &Similarity,
    images: &EncodedImages,
    captions: &EncodedCaptions,
    hinge: &HardestHinge,
    known: Option<&[bool]>,
) -> Tensor<1> {
    let device = images.regions.device();
    if hinge.hardest && model.saf.is_none() && device.is_autodiff() {
        return match host::takes(&images.regions) {
            true => of_hardest(model, images, captions, hinge, known),
            false => on_device(model, images, captions, hinge, known),
        };
    }
    let known = mask(known, captions, &device);
    hinge.with_known(sigmoid(model.all(images, captions)), known)
}

fn mask(known: Option<&[bool]>, captions: &EncodedCaptions, device: &Device) -> Option<Tensor<2, Bool>> {
    let batch = captions.lengths.each().len();
    known.map(|known| Tensor::from_data(TensorData::new(known.to_vec(), [batch, batch]), device))
}

/// The true pairs, and the hardest negatives of all rows and columns, whether they violate the margin or not.
pub(super) fn on_device(
    model: &Similarity,
    images: &EncodedImages,
    captions: &EncodedCaptions,
    hinge: &HardestHinge,
    known: Option<&[bool]>,
) -> Tensor<1> {
    let batch = captions.lengths.each().len();
    let scores = sigmoid(model.valid().all(&images.plain(), &captions.plain()));
    let known = mask(known, captions, &scores.device());
    let [(caption, row_counts), (image, column_counts)] = hinge.hardest_pairs(scores, known);
    let own = Tensor::<1, Int>::arange(0..batch as i64, &images.regions.device());
    let (caption, image) = (Tensor::from_inner(caption), Tensor::from_inner(image));
    let found = sigmoid(model.chosen(
        images,
        captions,
        Tensor::cat(vec![own.clone(), own.clone(), image], 0),
        Tensor::cat(vec![own.clone(), caption, own], 0),
    ));
    let part = |at: usize| found.clone().narrow(0, at * batch, batch);
    let hinges = |negative: Tensor<1>, counts: Tensor<1>| {
        let by = (negative - part(0) + hinge.margin).clamp_min(0.0);
        (by * Tensor::from_inner(counts)).sum()
    };
    hinges(part(1), row_counts) + hinges(part(2), column_counts)
}

fn of_hardest(
    model: &Similarity,
    images: &EncodedImages,
    captions: &EncodedCaptions,
    hinge: &HardestHinge,
    known: Option<&[bool]>,
) -> Tensor<1> {
    let batch = captions.lengths.each().len();
    let scores: Vec<f32> = sigmoid(model.valid().all(&images.plain(), &captions.plain()))
        .into_data()
        .iter::<f32>()
        .collect();
    let known = |image: usize, caption: usize| known.is_some_and(|known| known[image * batch + caption]);
    let violations = hinge.violations(&scores, batch, known);
    // Each pair once, whatever its part in the loss. Without a violation one true pair keeps the graph whole.
    let mut places = BTreeMap::new();
    let mut pairs = Vec::new();
    let mut place = |pair: [usize; 2]| {
        *places.entry(pair).or_insert_with(|| {
            pairs.push(pair);
            pairs.len() as i32 - 1
        })
    };
    let negatives: Vec<i32> = violations.iter().map(|v| place(v.negative)).collect();
    let positives: Vec<i32> = violations.iter().map(|v| place([v.positive; 2])).collect();
    if violations.is_empty() {
        place([0, 0]);
    }
    let found = sigmoid(model.some(images, captions, &pairs));
    if violations.is_empty() {
        return found.sum() * 0.0;
    }
    let device = found.device();
    let of = |rows: Vec<i32>| {
        let count = rows.len();
        let index = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device);
        found.clone().select(0, index)
    };
    (of(negatives) - of(positives) + hinge.margin)
        .clamp_min(0.0)
        .sum()
}
