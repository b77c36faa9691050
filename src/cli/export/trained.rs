//! The model that is exported, as its weights are and as they are stored, and pictures to compare forms of it on.

use super::super::eval;
use super::super::session::ImagePlan;
use super::say;
use crate::backbones::weights::Tensors;
use crate::data::image::decode;
use crate::data::{self, Split};
use crate::device::cpu;
use crate::export::compare::{Difference, levels, normalised, random_levels};
use crate::export::dtype::{self, Dtype};
use crate::papers::{Embed, ImagePaper};
use crate::random;
use crate::train::TrainError;
use burn::tensor::{Tensor, TensorData};
use std::path::Path;

/// A file of weights, and the same in the type in which they are stored.
pub struct Trained {
    /// As they are.
    pub exact: Tensors,
    /// As they are written.
    pub stored: Tensors,
    dtype: Dtype,
}

impl Trained {
    /// Reads a file.
    pub fn read<P: ImagePaper>(plan: &ImagePlan<P>, path: &Path, dtype: Dtype) -> crate::Result<Self> {
        let exact = eval::read(&plan.paper, path)?;
        let stored = dtype::stored(exact.clone(), dtype)?;
        Ok(Self { exact, stored, dtype })
    }

    /// The model with these weights, on the CPU in evaluation mode. The data need not be there.
    pub fn model<P: ImagePaper>(
        plan: &ImagePlan<P>,
        tensors: &Tensors,
        path: &Path,
    ) -> crate::Result<P::Model> {
        let facts = plan
            .paper
            .facts(tensors)
            .ok_or_else(|| eval::no_model(tensors, path, P::ROOM))?;
        let (model, _) = plan.paper.model(&facts, plan.common.train.seed, &cpu())?;
        eval::apply(model, tensors, path)
    }

    /// Says by how much the stored weights' embeddings differ from the exact ones', where they do.
    pub fn say_rounding<M: Embed>(
        &self,
        exact: &M,
        stored: &M,
        samples: &Samples,
    ) -> crate::Result<Option<Difference>> {
        if self.dtype == Dtype::F32 {
            return Ok(None);
        }
        let mut found = Difference::default();
        for batch in &samples.batches {
            let [ours, theirs] =
                [exact, stored].map(|model| embed(model, samples.normalised(batch), samples.shape(batch)));
            found = found.max(Difference::between(&ours?, &theirs?, exact.dim()));
        }
        say!(
            "rounding {} weights move embeddings by at most {:.1e} of the largest value; 1 - cosine {:.1e}",
            self.dtype.name(),
            found.relative,
            found.cosine
        );
        Ok(Some(found))
    }
}

/// Pictures as levels 0 to 255, in batches of one and of three: drawn at random, and from the data where it is at hand.
pub struct Samples {
    /// `[count, 3, height, width]`, row-major.
    pub batches: Vec<Vec<f32>>,
    size: [usize; 2],
    normalisation: ([f32; 3], [f32; 3]),
    real: usize,
}

/// The larger of the two batches.
const MANY: usize = 3;

impl Samples {
    /// For the evaluation pipeline of a plan.
    pub fn new<P: ImagePaper>(plan: &ImagePlan<P>) -> Self {
        let size = plan.eval_pipeline.output();
        let normalisation = plan.eval_pipeline.normalization();
        let random = |numbers: std::ops::Range<u64>| -> Vec<f32> {
            numbers.flat_map(|number| random_levels(number, size)).collect()
        };
        let mut batches = vec![random(0..1), random(1..1 + MANY as u64)];
        let mut real = 0;
        match pictures(plan) {
            Ok(values) if !values.is_empty() => {
                let values = levels(&values, size[0] * size[1], normalisation.0, normalisation.1);
                let one = 3 * size[0] * size[1];
                real = values.len() / one;
                batches.push(values[..one].to_vec());
                batches.push(values);
            }
            Ok(_) => {}
            Err(error) => say!("note     no pictures to compare on, only random ones: {error}"),
        }
        Self {
            batches,
            size,
            normalisation,
            real,
        }
    }

    /// A batch as the model takes it.
    pub fn normalised(&self, batch: &[f32]) -> Vec<f32> {
        let (mean, std) = self.normalisation;
        normalised(batch, self.size[0] * self.size[1], mean, std)
    }

    /// `[count, 3, height, width]`.
    pub fn shape(&self, batch: &[f32]) -> [usize; 4] {
        let [height, width] = self.size;
        [batch.len() / (3 * height * width), 3, height, width]
    }

    /// `4 random pictures and 3 of the data`.
    pub fn describe(&self) -> String {
        let random = 1 + MANY;
        match self.real {
            0 => format!("{random} random pictures"),
            real => format!("{random} random pictures and {real} of the data"),
        }
    }
}

/// A few evaluated pictures as the pipeline makes them.
fn pictures<P: ImagePaper>(plan: &ImagePlan<P>) -> crate::Result<Vec<f32>> {
    let table = data::open(&plan.data.dataset)?;
    let rows = table.queries_of(Split::from(plan.eval.split));
    let mut values = Vec::new();
    for &row in rows.iter().take(MANY) {
        let item = &table.items[row];
        let bytes = item.image.read()?;
        let picture = decode(&bytes, &item.image.name(), item.bbox, &plan.data.decode)?;
        // No operation of this pipeline draws.
        let mut stream = random::stream(0, "export pictures", &[]);
        values.extend(plan.eval_pipeline.apply_vec(&picture, &mut stream)?);
    }
    Ok(values)
}

/// A model's embeddings, row by row.
pub fn embed<M: Embed>(model: &M, pixels: Vec<f32>, shape: [usize; 4]) -> crate::Result<Vec<f32>> {
    let broken = |e: &dyn std::fmt::Debug| TrainError::Device(format!("{e:?}"));
    let rows = model.embed(Tensor::from_data(TensorData::new(pixels, shape), &cpu()));
    let data = rows.try_into_data().map_err(|e| broken(&e))?;
    Ok(data.try_into_vec_as::<f32>().map_err(|e| broken(&e))?)
}
