use std::path::PathBuf;

use crate::files::FileError;

/// A run folder that cannot be made, read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RunError {
    /// The file system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),

    /// A name that cannot be a folder's everywhere.
    #[error("`{name}` cannot be a run's name: {problem}")]
    #[diagnostic(help(
        "use letters, digits and . _ - + = @ , up to 100 of them, beginning with a letter or digit"
    ))]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The run is there already.
    #[error("the run `{name}` exists: {}", path.display())]
    #[diagnostic(help("add --resume to go on with it, or choose another name with --run NAME"))]
    Exists {
        /// Its name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },

    /// There is no run.
    #[error("{} is not the folder of a run: it has no run.json", path.display())]
    #[diagnostic(help(
        "`tailor runs DIR` lists the runs in a folder; without --resume, `tailor train` starts a new one"
    ))]
    Missing {
        /// The folder.
        path: PathBuf,
    },

    /// A file of the run does not hold what it should.
    #[error("{}: {problem}", path.display())]
    #[diagnostic(help("restore the file from a copy, or start a new run with the run's recipe.toml"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// Another process writes the run.
    #[error("{} is being written by process {pid} on {host}", path.display())]
    #[diagnostic(help(
        "wait for it or stop it, or start another run with --run NAME; if that machine is gone, delete the file `lock` in the folder"
    ))]
    Locked {
        /// The run's folder.
        path: PathBuf,
        /// The process.
        pid: u32,
        /// Its machine.
        host: String,
    },

    /// The run was opened for reading.
    #[error("{} was opened for reading only", path.display())]
    #[diagnostic(help("create or resume the run to write to it"))]
    ReadOnly {
        /// The run's folder.
        path: PathBuf,
    },

    /// A checkpoint that is not there, or is not whole.
    #[error("{} is not a complete checkpoint: {problem}", path.display())]
    #[diagnostic(help("choose another folder in the run's checkpoints/"))]
    Incomplete {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
}
