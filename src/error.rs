//! The crate's error: one variant per room, each with its own cause and remedy.

/// What any verb of tailor may fail with. Each room's error says what went wrong, where, and what to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::files::FileError),
    /// An image could not be decoded or resized.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] crate::data::image::ImageError),
    /// An image pipeline makes no sense.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Transform(#[from] crate::data::transform::TransformError),
    /// No batches can be drawn.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sampler(#[from] crate::data::sampler::SamplerError),
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
