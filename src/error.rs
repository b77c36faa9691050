//! The crate's error: one variant per room, each with its own cause and remedy.

/// What any verb of tailor may fail with. Each room's error says what went wrong, where, and what to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::files::FileError),
    /// A batch that a loss cannot be computed for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Loss(#[from] crate::losses::LossError),
    /// Weights could not be read, fetched, or put into a model.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Weights(#[from] crate::backbones::WeightsError),
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
