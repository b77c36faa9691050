//! The crate's error: one variant per room, each with its own cause and remedy.

/// What any verb of tailor may fail with. Each room's error says what went wrong, where, and what to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::files::FileError),
    /// A recipe could not be found, loaded or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipe(#[from] crate::recipe::RecipeError),
    /// `tailor recipes` could not do what it was asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipes(#[from] crate::cli::recipes::RecipesError),
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
