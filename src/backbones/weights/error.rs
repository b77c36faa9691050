//! What may go wrong with weights.

use super::LoadReport;
use crate::files::FileError;
use std::path::PathBuf;

/// Weights that could not be read, fetched, or put into a model.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WeightsError {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),

    /// The file is broken, or of another format.
    #[error("cannot read the weights in {}: {cause}", path.display())]
    #[diagnostic(help(
        "the file may be cut off or of another kind: compare its size with the source's and fetch it again; \
         PyTorch files (.pth, .pt, .bin) and safetensors are understood"
    ))]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },

    /// The file is larger than weights are.
    #[error("{} holds {size} bytes; weights of more than {limit} are not read", path.display())]
    #[diagnostic(help(
        "check that this is a weights file; store large models as several files or in half precision"
    ))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size, or that of the tensors it declares.
        size: u64,
        /// The limit.
        limit: u64,
    },

    /// A pattern is no regular expression.
    #[error("`{pattern}` in {field} is not a regular expression: {cause}")]
    #[diagnostic(help("patterns are regular expressions on tensor names, for example `^fc\\.`"))]
    Pattern {
        /// The setting that holds it.
        field: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        cause: String,
    },

    /// Two tensors of a file end up under one name.
    #[error("{from} and {other} of {source_name} both become {name}")]
    #[diagnostic(help("make `strip_prefix` and `rename` map each name to its own"))]
    Collision {
        /// Where the weights come from.
        source_name: String,
        /// The common name.
        name: String,
        /// The first original name.
        from: String,
        /// The second original name.
        other: String,
    },

    /// A tensor holds NaN or an infinity.
    #[error("{name} in {source_name} holds values that are not finite")]
    #[diagnostic(help("these weights come from a run that diverged: take an earlier checkpoint"))]
    NotFinite {
        /// Where the weights come from.
        source_name: String,
        /// The tensor.
        name: String,
    },

    /// A tensor's type is none that a weight may have.
    #[error("{name} has the type {dtype}, which weights cannot have here")]
    #[diagnostic(help("convert it to float (f32, f16, bf16 or f64) or an integer type first"))]
    Type {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },

    /// Names or shapes do not agree with the model's; nothing was loaded.
    #[error("{source_name} does not fit the model: {report}")]
    #[diagnostic(help("{remedy}"))]
    Mismatch {
        /// Where the weights come from.
        source_name: String,
        /// What fits and what does not.
        report: Box<LoadReport>,
        /// What to do.
        remedy: String,
    },

    /// A run's classifier has other classes.
    #[error("{source_name} was trained on {file} classes, and this data has {model}")]
    #[diagnostic(help(
        "its trunk and neck serve as well: `--set model.new_classifier=true` leaves its classifier (and centres) out, and they start \
         anew"
    ))]
    Classes {
        /// Where the weights come from.
        source_name: String,
        /// Classes of the file.
        file: usize,
        /// Classes of the data.
        model: usize,
    },

    /// The weights are of another network or flavour; nothing was loaded.
    #[error("{source_name} holds no weights for this {trunk}")]
    #[diagnostic(help("{remedy}"))]
    Other {
        /// Where the weights come from.
        source_name: String,
        /// The network that the recipe asks for.
        trunk: String,
        /// What it holds instead, and what to do.
        remedy: String,
    },

    /// No published weights have this name, and no file either.
    #[error("there are no weights called `{name}`")]
    #[diagnostic(help("{remedy}"))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Near names and the alternatives.
        remedy: String,
    },

    /// Published weights are not here and may not be fetched.
    #[error("{} is not there, and TAILOR_OFFLINE forbids to fetch it", path.display())]
    #[diagnostic(help(
        "download {url} elsewhere and put it at {}, or give the path of the file instead of its name", path.display()
    ))]
    Offline {
        /// Where the weights are published.
        url: String,
        /// Where they belong.
        path: PathBuf,
    },

    /// Published weights could not be fetched.
    #[error("cannot fetch {url}: {cause}")]
    #[diagnostic(help(
        "try again, or download it elsewhere and put it at {}, or give the path of the file instead of its name",
        path.display()
    ))]
    Fetch {
        /// Where the weights are published.
        url: String,
        /// Where they belong.
        path: PathBuf,
        /// What happened.
        cause: String,
    },

    /// The file is not the published one.
    #[error("{what} has the SHA-256 {found}, but the published one begins with {expected}")]
    #[diagnostic(help(
        "the file was changed or cut off: remove {} if it is there and fetch it again; \
         to use your own weights give the path of the file instead of a name", path.display()
    ))]
    Hash {
        /// The file or the address it was fetched from.
        what: String,
        /// Where the file belongs.
        path: PathBuf,
        /// The hash of what is there, as hexadecimal digits.
        found: String,
        /// How the published hash begins.
        expected: String,
    },
}
