//! What can be wrong with data, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// How many problems of one file are shown; the rest are counted.
pub const SHOWN: usize = 20;

/// Data that could not be read as what it was said to be.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DataError {
    /// A file or folder could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] crate::files::FileError),

    /// Rows or file names that say something impossible: as many as were found, at once.
    #[error("{}: {problems}", path.display())]
    #[diagnostic(help("{}", problems.remedies()))]
    Rows {
        /// The table, or the root of the layout.
        path: PathBuf,
        /// What is wrong, where.
        problems: Problems,
    },

    /// The columns a table must have are not there.
    #[error("{}: no column {} (found: {})", path.display(), quoted(missing), quoted(found))]
    #[diagnostic(help("{remedy}"))]
    Columns {
        /// The table.
        path: PathBuf,
        /// Required columns that are missing.
        missing: Vec<String>,
        /// The columns that are there.
        found: Vec<String>,
        /// Which column to rename, or how the file is really separated.
        remedy: String,
    },

    /// A file that is not a table of the format that its name says, or holds nothing.
    #[error("{}: {message}", path.display())]
    #[diagnostic(help("{remedy}"))]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },

    /// A folder that is not laid out as the data set was published.
    #[error(
        "{} is not laid out as {dataset}: expected {}, found {}",
        root.display(), expected, if found.is_empty() { "nothing".into() } else { found.join(", ") }
    )]
    #[diagnostic(help("{remedy}"))]
    Layout {
        /// The name of the data set.
        dataset: &'static str,
        /// The folder that was given.
        root: PathBuf,
        /// What should be in it.
        expected: String,
        /// What is in it: the first entries.
        found: Vec<String>,
        /// What to do.
        remedy: String,
    },

    /// A key of the recipe's `[data]` section that is missing, does not apply, or has a value that cannot be.
    #[error("data.{key}: {message}")]
    #[diagnostic(help("{remedy}"))]
    Setting {
        /// The key, without `data.`
        key: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },

    /// The images of this table are inside the binary, so a table file cannot name them.
    #[error("{}: the image {image:?} has no path: it is held in memory", path.display())]
    #[diagnostic(help(
        "write the images to files first, and name those in the table: `tailor data convert … --copy` does both"
    ))]
    NoPath {
        /// The table that was to be written.
        path: PathBuf,
        /// The image.
        image: String,
    },

    /// Something that would be overwritten.
    #[error("{} exists already", path.display())]
    #[diagnostic(help("name another file, or add --force to overwrite it"))]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },

    /// A picture that could not be decoded or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Picture {
        /// Which, and why.
        source: crate::data::image::ImageError,
    },

    /// A thread that could not be started, or stopped.
    #[error("{message}")]
    #[diagnostic(help(
        "try again with fewer threads; if it happens again, please report it with this message"
    ))]
    Worker {
        /// What happened.
        message: String,
    },

    /// `tailor data check` found errors; its report says which.
    #[error("the data has {errors} {}", if *errors == 1 { "error" } else { "errors" })]
    #[diagnostic(help("the report names each file and the remedy"))]
    CheckFailed {
        /// How many.
        errors: usize,
    },
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// One thing that is wrong with one row or file.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Where: `line 12`, `row 7`, a path below the root.
    pub place: String,
    /// The column, where one is to blame.
    pub column: Option<String>,
    /// The value as it was read, shortened.
    pub value: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": ")?;
        if let Some(value) = &self.value {
            write!(f, "{value:?} ")?;
        }
        write!(f, "{}", self.message)
    }
}

/// Problems in the order they were found: the first [`SHOWN`], and the count of the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems {
    /// The first ones.
    pub shown: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        if self.shown.len() < SHOWN {
            self.shown.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// How many there are in all.
    pub fn count(&self) -> usize {
        self.shown.len() + self.more
    }

    /// The different remedies, one a line, in the order of the problems.
    pub fn remedies(&self) -> String {
        let mut lines: Vec<&str> = Vec::new();
        for problem in &self.shown {
            if !problem.remedy.is_empty() && !lines.contains(&problem.remedy.as_str()) {
                lines.push(&problem.remedy);
            }
        }
        lines.join("\n")
    }

    /// `Ok` when nothing was found.
    pub fn into_result(self, path: impl Into<PathBuf>) -> Result<(), DataError> {
        if self.count() == 0 {
            return Ok(());
        }
        Err(DataError::Rows {
            path: path.into(),
            problems: self,
        })
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            1 => write!(f, "1 problem")?,
            n => write!(f, "{n} problems")?,
        }
        for problem in &self.shown {
            write!(f, "\n  {problem}")?;
        }
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

/// A value as an error shows it: at most 60 characters.
pub(crate) fn shorten(value: &str) -> String {
    match value.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::table::Table;

    /// Asserts that an error, or its remedy, has these parts.
    #[track_caller]
    pub(crate) fn says(result: Result<Table, DataError>, parts: &[&str]) {
        let error = result.unwrap_err();
        let help = miette::Diagnostic::help(&error)
            .map(|help| help.to_string())
            .unwrap_or_default();
        let text = format!("{error} | {help}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }

    #[test]
    fn twenty_are_shown_and_the_rest_counted() {
        let mut problems = Problems::default();
        for line in 1..=25 {
            problems.push(Problem {
                place: format!("line {line}"),
                column: Some("x1".into()),
                value: Some("a".into()),
                message: "is not a number".into(),
                remedy: "write a number".into(),
            });
        }
        let text = problems.to_string();
        assert!(
            text.starts_with("25 problems\n  line 1, column `x1`: \"a\" is not a number\n"),
            "{text}"
        );
        assert!(
            text.ends_with("line 20, column `x1`: \"a\" is not a number\n  and 5 more"),
            "{text}"
        );
        assert_eq!(problems.remedies(), "write a number");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(shorten(&"é".repeat(61)).chars().count(), 61);
        assert_eq!(shorten("short"), "short");
    }
}
