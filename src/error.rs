//! The crate's error: one variant per room, each with its own cause and remedy.

/// What any verb of tailor may fail with. Each room's error says what went wrong, where, and what to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A device could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Device(#[from] crate::device::DeviceError),

    /// Training could not begin or go on.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Train(#[from] crate::train::TrainError),

    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::files::FileError),

    /// A run folder could not be made, read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] crate::train::run_folder::RunError),

    /// A figure could not be recorded.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sink(#[from] crate::train::sinks::SinkError),
    /// Data that is not what it was said to be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Data(#[from] crate::data::DataError),
    /// Features and captions that cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pairs(#[from] crate::data::pairs::PairError),
    /// A recipe could not be found, loaded or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipe(#[from] crate::recipe::RecipeError),
    /// A search could not be done.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Search(#[from] crate::search::SearchError),
    /// Figures could not be computed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Metrics(#[from] crate::metrics::MetricsError),
    /// Vectors that cannot be hashed, or sets that cannot be sketched.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Emde(#[from] crate::papers::emde::EmdeError),
    /// A batch that a loss cannot be computed for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Loss(#[from] crate::losses::LossError),
    /// Weights could not be read, fetched, or put into a model.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Weights(#[from] crate::backbones::WeightsError),
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
    /// Embeddings could not be exported.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Embeddings(#[from] crate::export::embeddings::EmbeddingsError),
    /// Embeddings could not be written or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Gallery(#[from] crate::export::gallery::GalleryError),
    /// Codes could not be written or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Codes(#[from] crate::export::codes::CodesError),
    /// Sets of items that cannot be sketched.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sets(#[from] crate::cli::codes::SetsError),
    /// A search that makes no sense.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Query(#[from] crate::cli::search::QueryError),
    /// A pair that cannot be explained.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Explain(#[from] crate::cli::explain::ExplainError),
    /// Weights do not fit into half precision.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Range(#[from] crate::export::RangeError),
    /// No ONNX file could be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Onnx(#[from] crate::export::OnnxError),
    /// No folder for the hub could be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Hub(#[from] crate::export::HubError),
    /// An evaluation report could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Report(#[from] crate::report::figures::ReportError),
    /// `tailor recipes` could not do what it was asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipes(#[from] crate::cli::recipes::RecipesError),
    /// A sweep could not begin or go on.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sweep(#[from] crate::cli::sweep::SweepError),
    /// A verb could not do what it was asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cli(#[from] crate::cli::CliError),
    /// The user asked to stop; what was done so far is kept.
    #[error("stopped: {0}")]
    Interrupted(String),
    /// A library gave up.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Panicked(#[from] crate::cli::panics::Panicked),
    /// Standard output takes no more.
    #[error("cannot write to standard output: {0}")]
    #[diagnostic(help("check where the output is sent to"))]
    Output(std::io::Error),
}

impl From<crate::recipe::RecipeErrors> for Error {
    fn from(errors: crate::recipe::RecipeErrors) -> Self {
        Self::Recipe(errors.into())
    }
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
