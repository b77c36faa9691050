//! Preprocessing as data: a list of [`Op`]s, checked once, then applied to picture after picture in training, evaluation and serving.
//!
//! Decoded pixels go in, a normalised `[3, height, width]` buffer comes out. Each operation equals its torchvision namesake on PIL images
//! within one level of 255, given the same random parameters (the draws themselves come from [`crate::random`], not from torch).

mod apply;
mod check;
mod draw;
mod op;
mod part;
mod words;

use serde::{Deserialize, Serialize};

pub use apply::Scratch;
pub use draw::{colour_factors, erase_box, random_resized_crop_box};
pub use op::{EraseFill, NamedFill, Op};

use super::image::ImageError;

/// The mean of ImageNet's RGB values in 0..1.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Their standard deviation.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Operations whose order and shapes have been checked.
#[derive(Clone, Debug)]
pub struct Pipeline {
    ops: Vec<Op>,
    output: [usize; 2],
    /// What `normalize` makes of each level of each channel.
    table: Box<[[f32; 256]; 3]>,
    mean: [f32; 3],
    std: [f32; 3],
}

/// Why a pipeline cannot be, or cannot be applied.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TransformError {
    /// An operation's parameter makes no sense.
    #[error("operation {index} (`{op}`): `{field}` {problem}")]
    #[diagnostic(help("{remedy}"))]
    Parameter {
        /// Position in the list, from 0.
        index: usize,
        /// The operation.
        op: &'static str,
        /// The parameter.
        field: &'static str,
        /// What is wrong.
        problem: String,
        /// What to write instead.
        remedy: String,
    },
    /// An operation cannot stand where it stands.
    #[error("operation {index} (`{op}`) {problem}")]
    #[diagnostic(help("{remedy}"))]
    Order {
        /// Position in the list, from 0.
        index: usize,
        /// The operation.
        op: &'static str,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The list as a whole gives no batch.
    #[error("the image pipeline {problem}")]
    #[diagnostic(help("{remedy}"))]
    Whole {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A serving file that is not one.
    #[error("not a preprocessing description: {0}")]
    #[diagnostic(help("use the preprocessing.json that `tailor export` wrote with the weights"))]
    Json(String),
    /// A picture that an operation cannot take.
    #[error("operation {index} (`{op}`): {source}")]
    #[diagnostic(forward(source))]
    Picture {
        /// Position in the list, from 0.
        index: usize,
        /// The operation.
        op: &'static str,
        /// Why.
        source: ImageError,
    },
    /// An output buffer of the wrong length.
    #[error("the output buffer holds {found} values, the pipeline makes {wanted}")]
    #[diagnostic(help("pass a buffer of 3 · height · width values, as `Pipeline::output` says"))]
    Buffer {
        /// Its length.
        found: usize,
        /// 3 · height · width.
        wanted: usize,
    },
}

/// What a serving process needs to prepare an image: the exported JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Of this format: 1.
    pub version: u32,
    /// Channel order: `"rgb"`.
    pub color: String,
    /// Whether EXIF orientation is applied when decoding.
    pub exif: bool,
    /// channels, height, width.
    pub output: [usize; 3],
    /// In order; none is random.
    pub ops: Vec<Op>,
    /// The same in words, from the file on: orders, roundings, kernels. Nothing reads them back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

impl Pipeline {
    /// Checks parameters, order and shapes: all outputs have one size, `normalize` stands once, after it only `random_erase`.
    pub fn new(ops: Vec<Op>) -> Result<Self, TransformError> {
        let checked = check::check(&ops)?;
        let table = Box::new(std::array::from_fn(|c| {
            std::array::from_fn(|level| (level as f32 / 255.0 - checked.mean[c]) / checked.std[c])
        }));
        Ok(Self {
            ops,
            output: checked.output,
            table,
            mean: checked.mean,
            std: checked.std,
        })
    }

    /// Height and width of what comes out.
    pub fn output(&self) -> [usize; 2] {
        self.output
    }

    /// Mean and standard deviation of `normalize`, per channel.
    pub fn normalization(&self) -> ([f32; 3], [f32; 3]) {
        (self.mean, self.std)
    }

    /// The operations, in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Refuses random operations: evaluation and serving must give the same image the same numbers.
    pub fn check_deterministic(&self) -> Result<(), TransformError> {
        match self.ops.iter().enumerate().find(|(_, op)| op.is_random()) {
            None => Ok(()),
            Some((index, op)) => Err(TransformError::Order {
                index,
                op: op.name(),
                problem: "is random, but this pipeline evaluates or serves".to_owned(),
                remedy: "keep random operations in the training pipeline; resize, crop at the centre and normalise here".to_owned(),
            }),
        }
    }

    /// The description for serving; an error if an operation is random.
    pub fn preprocessing(&self, exif: bool) -> Result<Preprocessing, TransformError> {
        self.check_deterministic()?;
        Ok(Preprocessing {
            version: 1,
            color: "rgb".to_owned(),
            exif,
            output: [3, self.output[0], self.output[1]],
            ops: self.ops.clone(),
            steps: words::steps(&self.ops, exif),
        })
    }
}

impl Preprocessing {
    /// Without its words: what a hash is made of, which a better sentence must not change.
    pub fn bare(self) -> Self {
        Self {
            steps: Vec::new(),
            ..self
        }
    }

    /// As JSON, indented.
    pub fn to_json(&self) -> String {
        // The type holds nothing that JSON cannot.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads what [`to_json`](Self::to_json) wrote, and checks it.
    pub fn from_json(text: &str) -> Result<(Self, Pipeline), TransformError> {
        let this: Self = serde_json::from_str(text).map_err(|e| TransformError::Json(e.to_string()))?;
        if this.version != 1 || this.color != "rgb" {
            return Err(TransformError::Json(format!(
                "version {} with color `{}`; this program reads version 1 with color `rgb`",
                this.version, this.color
            )));
        }
        let pipeline = Pipeline::new(this.ops.clone())?;
        pipeline.check_deterministic()?;
        let [height, width] = pipeline.output();
        if this.output != [3, height, width] {
            return Err(TransformError::Json(format!(
                "`output` is {:?}, but its operations make [3, {height}, {width}]",
                this.output
            )));
        }
        Ok((this, pipeline))
    }
}

#[cfg(test)]
mod tests;
