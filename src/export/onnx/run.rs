//! An ONNX file in another runtime (tract), to hold its embeddings against the model's.

use super::OnnxError;
use std::path::Path;
use std::sync::Arc;
use tract_onnx::prelude::*;

/// A file that was loaded for execution, its batch left open.
pub struct Runner(Arc<TypedRunnableModel>);

impl Runner {
    /// Loads a file; errors call it `name`.
    pub fn open(file: &Path, name: &Path) -> Result<Self, OnnxError> {
        let load = || -> TractResult<_> {
            tract_onnx::onnx()
                .model_for_path(file)?
                .into_optimized()?
                .into_runnable()
        };
        load().map(Self).map_err(|error| failed(name, &error))
    }

    /// `[batch, 3, height, width]` → `[batch, dim]`, row by row.
    pub fn run(&self, name: &Path, images: &[f32], shape: [usize; 4]) -> Result<Vec<f32>, OnnxError> {
        let outputs = self.run_all(name, &[Input::Floats(images, &shape)])?;
        Ok(outputs.into_iter().next().unwrap_or_default())
    }

    /// All outputs, each row by row, of all inputs, in the file's order.
    pub fn run_all(&self, name: &Path, inputs: &[Input]) -> Result<Vec<Vec<f32>>, OnnxError> {
        let run = || -> TractResult<Vec<Vec<f32>>> {
            let inputs = inputs
                .iter()
                .map(|input| Ok(input.tensor()?.into()))
                .collect::<TractResult<_>>()?;
            let outputs = self.0.run(inputs)?;
            let rows = |output: &TValue| {
                let rows = output.to_plain_array_view::<f32>()?;
                Ok(rows.iter().copied().collect())
            };
            outputs.iter().map(rows).collect()
        };
        run().map_err(|error| failed(name, &error))
    }
}

/// What a file is given: values row by row, and their shape.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// f32.
    Floats(&'a [f32], &'a [usize]),
    /// i64.
    Numbers(&'a [i64], &'a [usize]),
}

impl Input<'_> {
    fn tensor(&self) -> TractResult<Tensor> {
        match self {
            Self::Floats(values, shape) => Tensor::from_shape(shape, values),
            Self::Numbers(values, shape) => Tensor::from_shape(shape, values),
        }
    }
}

fn failed(path: &Path, error: &TractError) -> OnnxError {
    OnnxError::Run {
        path: path.to_owned(),
        problem: format!("{error:#}").replace('\n', " "),
    }
}
