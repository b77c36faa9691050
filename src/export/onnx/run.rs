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
        let run = || -> TractResult<Vec<f32>> {
            let input = Tensor::from_shape(&shape, images)?;
            let outputs = self.0.run(tvec!(input.into()))?;
            let rows = outputs[0].to_plain_array_view::<f32>()?;
            Ok(rows.iter().copied().collect())
        };
        run().map_err(|error| failed(name, &error))
    }
}

fn failed(path: &Path, error: &TractError) -> OnnxError {
    OnnxError::Run {
        path: path.to_owned(),
        problem: format!("{error:#}").replace('\n', " "),
    }
}
