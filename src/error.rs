//! The crate's error: one variant per room, each with its own cause and remedy.

/// What any verb of tailor may fail with. Each room's error says what went wrong, where, and what to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::files::FileError),
    /// A search could not be done.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Search(#[from] crate::search::SearchError),
    /// Figures could not be computed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Metrics(#[from] crate::metrics::MetricsError),
    /// Embeddings could not be exported.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Embeddings(#[from] crate::export::embeddings::EmbeddingsError),
    /// An evaluation report could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Report(#[from] crate::report::figures::ReportError),
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
