//! `sweep.json`: what a sweep is and how far it came.

use super::SweepError;
use crate::files;
use crate::report::figures::EvalReport;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// The file's name.
pub const FILE: &str = "sweep.json";
/// The resolved recipe without the grid.
pub const RECIPE: &str = "recipe.toml";
/// The table as it is printed.
pub const TABLE: &str = "table.txt";
/// Cells and figures, a line each.
pub const CELLS: &str = "cells.csv";

const FORMAT: u32 = 1;

/// A key with a value, both as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The recipe's key.
    pub key: String,
    /// The value, as `--set` takes it.
    pub value: String,
}

/// Where a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing was done yet.
    Pending,
    /// It is being trained, or the process died while it was.
    Running,
    /// Trained and evaluated.
    Finished,
    /// It was asked to stop.
    Interrupted,
    /// A loss or a weight was not finite: it would be again.
    Diverged,
    /// It stopped by another error.
    Failed,
}

impl Status {
    /// The word in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
        }
    }

    /// Whether there is nothing more to do.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Finished | Self::Diverged)
    }
}

/// One run of the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The run's name, a folder beside `sweep.json`.
    pub run: String,
    /// What sets it apart.
    pub set: Vec<Setting>,
    /// Its seed, where the sweep names seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where it stands.
    pub status: Status,
    /// Why it ended without figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<EvalReport>,
}

/// A sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this file's form.
    pub format: u32,
    /// The recipe's name.
    pub recipe: String,
    /// The hash of the resolved recipe without the grid.
    pub recipe_fingerprint: String,
    /// Where every cell stops, if not at its recipe's end.
    #[serde(default)]
    pub max_steps: Option<u64>,
    /// The metric that the best cell is chosen by.
    pub metric: String,
    /// The cells, in the order in which they are run.
    pub cells: Vec<Cell>,
}

impl Record {
    /// A sweep without cells.
    pub fn new(recipe: &str, recipe_fingerprint: String, max_steps: Option<u64>, metric: String) -> Self {
        Self {
            format: FORMAT,
            recipe: recipe.to_string(),
            recipe_fingerprint,
            max_steps,
            metric,
            cells: Vec::new(),
        }
    }

    /// Reads a sweep.
    pub fn read(folder: &Path) -> Result<Self, SweepError> {
        let path = folder.join(FILE);
        let damaged = |problem: String| SweepError::Damaged {
            path: path.clone(),
            problem,
        };
        let record: Self =
            serde_json::from_str(&files::read_text(&path)?).map_err(|e| damaged(e.to_string()))?;
        if record.format != FORMAT {
            return Err(damaged(format!(
                "its format is {}, this tailor reads format {FORMAT}",
                record.format
            )));
        }
        // Runs are folders of the sweep: a name that leads out of it is no run's.
        for cell in &record.cells {
            crate::train::run_folder::name::check(&cell.run).map_err(|e| damaged(e.to_string()))?;
        }
        Ok(record)
    }

    /// Writes it.
    pub fn write(&self, folder: &Path) -> Result<(), SweepError> {
        Ok(files::write_whole(&folder.join(FILE), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })?)
    }

    /// The place of the cell with these settings and this seed; a new one is added at the end.
    pub fn cell(&mut self, set: &[Setting], seed: Option<u64>) -> usize {
        if let Some(at) = self
            .cells
            .iter()
            .position(|cell| cell.set == set && cell.seed == seed)
        {
            return at;
        }
        self.cells.push(Cell {
            run: run_name(self.cells.len() + 1, set, seed),
            set: set.to_vec(),
            seed,
            status: Status::Pending,
            error: None,
            eval: None,
        });
        self.cells.len() - 1
    }
}

/// `003-lr=1e-4-margin=0.3-seed2`: a number, and as much of the settings as a folder's name holds.
fn run_name(number: usize, set: &[Setting], seed: Option<u64>) -> String {
    let mut name = format!("{number:03}");
    for Setting { key, value } in set {
        let key = key.rsplit('.').next().unwrap_or(key);
        let part = format!("-{key}={value}");
        name.extend(part.chars().filter_map(|c| match c {
            c if c.is_alphanumeric() || "_-+=".contains(c) => Some(c),
            '.' => Some('.'),
            _ => None,
        }));
    }
    // Two dots together look like a way out of a folder.
    while name.contains("..") {
        name = name.replace("..", ".");
    }
    let mut name: String = name.chars().take(70).collect();
    name.truncate(name.trim_end_matches('.').len());
    match seed {
        Some(seed) => format!("{name}-seed{seed}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::run_folder::name;

    fn setting(key: &str, value: &str) -> Setting {
        Setting {
            key: key.into(),
            value: value.into(),
        }
    }

    #[test]
    fn runs_have_names_that_folders_can_have() {
        let set = [
            setting("optimizer.lr", "1e-4"),
            setting("a.b", "[1, \"../x\"]"),
            setting("c", &"y".repeat(99)),
        ];
        let found = run_name(7, &set, Some(3));
        assert!(found.starts_with("007-lr=1e-4-b=1.x-c=yyy"), "{found}");
        assert!(found.ends_with("-seed3"), "{found}");
        name::check(&found).unwrap();
        name::check(&run_name(1, &[setting("c", "....")], None)).unwrap();
        assert_eq!(run_name(1, &[], None), "001");
    }

    #[test]
    fn a_grid_that_grows_keeps_its_cells() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::new("r", "f".into(), None, "recall@1".into());
        let [a, b] = ["1", "2"].map(|value| vec![setting("lr", value)]);
        assert_eq!(record.cell(&a, None), 0);
        record.cells[0].status = Status::Finished;
        record.write(folder.path()).unwrap();
        let mut again = Record::read(folder.path()).unwrap();
        assert_eq!(again, record);
        assert_eq!(
            (
                again.cell(&a, None),
                again.cell(&b, None),
                again.cell(&a, Some(1))
            ),
            (0, 1, 2)
        );
        assert_eq!(again.cells[0].status, Status::Finished);
        assert_eq!(again.cells[2].run, "003-lr=1-seed1");
        again.cells[1].run = "../../elsewhere".into();
        again.write(folder.path()).unwrap();
        let error = Record::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("path separator"), "{error}");
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(matches!(
            Record::read(folder.path()),
            Err(SweepError::Damaged { .. })
        ));
    }
}
