//! Why no ONNX file was written.

use crate::files::FileError;
use std::path::PathBuf;

/// Why no ONNX file was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OnnxError {
    /// The file could not be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// Protocol buffers end at 2 GiB.
    #[error("{} would have {bytes} bytes, and an ONNX file holds at most {}", path.display(), i32::MAX)]
    #[diagnostic(help("export with --dtype f16, or as safetensors"))]
    Size {
        /// The file.
        path: PathBuf,
        /// How many bytes it would have.
        bytes: usize,
    },
    /// The runtime does not take the file.
    #[error("{} was written but does not run ({problem}); it was removed", path.display())]
    #[diagnostic(help(
        "this is a fault of tailor: please report it with the recipe. `--format safetensors` works without ONNX"
    ))]
    Run {
        /// The file.
        path: PathBuf,
        /// What the runtime said.
        problem: String,
    },
    /// The runtime computes something else.
    #[error(
        "{} was written but what it gives differs from the model's by {difference:.2e} of the largest value, more than {limit:.0e}; \
         it was removed", path.display()
    )]
    #[diagnostic(help(
        "this is a fault of tailor: please report it with the recipe. `--format safetensors` works without ONNX"
    ))]
    Differs {
        /// The file.
        path: PathBuf,
        /// The largest difference, relative to the largest value.
        difference: f64,
        /// What is allowed.
        limit: f64,
    },
    /// Something else stands where a folder of graphs goes.
    #[error("{} is no folder of graphs that an export wrote, and is not replaced", .0.display())]
    #[diagnostic(help(
        "--force replaces a folder with an image.onnx, a text.onnx and a score.onnx only: name another, or remove it yourself"
    ))]
    Foreign(PathBuf),
    /// A name that is no folder's.
    #[error("{} cannot be a folder's name", .0.display())]
    #[diagnostic(help("name the folder to write, such as --out matcher"))]
    Name(PathBuf),
    /// A half-precision type that runtimes do not read.
    #[error("ONNX files are not written in bf16: few runtimes read its weights")]
    #[diagnostic(help("use --dtype f16, which halves the file just the same, or --format safetensors"))]
    Bf16,
}
