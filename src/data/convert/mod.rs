//! A data set of any layout, written as the native table or as tar shards, with its pictures referred to, copied or prepared.
//!
//! Nothing is half there: a table is written last, shards are moved to their names when all of them are complete, and what was
//! done before an interruption is found again and not done twice.

mod images;
mod picture;
mod shards;

use std::path::{Path, PathBuf};

use crate::data::error::DataError;
use crate::data::image::Filter;
use crate::data::table::Table;

/// What becomes of the pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Pictures {
    /// The table names them where they are.
    #[default]
    Refer,
    /// Their files are copied as they are, boxes stay in the table.
    Copy,
    /// Each row's box is cut out, shrunk to fit, centred on white and written anew; there are no boxes then.
    Prepare(Prepare),
}

/// How pictures are prepared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prepare {
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// The kernel that shrinks them; they are never enlarged.
    pub filter: Filter,
    /// Of a JPEG, 1 to 100; without it, a PNG, which loses nothing.
    pub quality: Option<u8>,
}

/// How a data set is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// What becomes of the pictures. Shards always hold them.
    pub pictures: Pictures,
    /// A shard is closed before it grows past this many bytes.
    pub shard_bytes: u64,
    /// Draws the order of the rows in shards; without it they keep theirs.
    pub shuffle: Option<u64>,
    /// Overwrite what is there.
    pub force: bool,
    /// Threads that prepare pictures.
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pictures: Pictures::Refer,
            shard_bytes: 256 << 20,
            shuffle: None,
            force: false,
            workers: 1,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Converted {
    /// The table, or the shards.
    pub files: Vec<PathBuf>,
    /// Rows.
    pub rows: usize,
    /// Picture files beside the table, or pictures in the shards.
    pub pictures: usize,
    /// Of those, how many an earlier attempt had written.
    pub found: usize,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Writes a table as `out`: `.csv`, `.jsonl`, `.parquet`, or `.tar` for shards. `progress` hears how many pictures are done.
pub fn convert(
    table: &Table,
    out: &Path,
    options: &Options,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Converted, DataError> {
    let shards = out
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tar"));
    if let Pictures::Prepare(prepare) = &options.pictures {
        prepare.check()?;
    }
    match shards {
        true => shards::write(table, out, options, progress),
        false => images::write(table, out, options, progress),
    }
}

impl Prepare {
    fn check(&self) -> Result<(), DataError> {
        let limit = crate::data::image::resize::MAX_SIDE;
        let sides = [self.height, self.width];
        let fine = sides.iter().all(|side| (1..=limit).contains(side))
            && self.quality.is_none_or(|quality| (1..=100).contains(&quality));
        match fine {
            true => Ok(()),
            false => Err(DataError::Setting {
                key: "prepare",
                message: format!(
                    "{} × {} pixels with a quality of {} cannot be",
                    self.height,
                    self.width,
                    self.quality.unwrap_or(100)
                ),
                remedy: format!("sides are 1 to {limit} pixels, qualities 1 to 100"),
            }),
        }
    }

    fn describe(&self) -> String {
        let form = match self.quality {
            Some(quality) => format!("jpg {quality}"),
            None => "png".into(),
        };
        format!("{}x{} {:?} {form}", self.height, self.width, self.filter)
    }
}

impl Pictures {
    /// In words, to know an earlier attempt again.
    fn describe(&self) -> String {
        match self {
            Self::Refer => "refer".into(),
            Self::Copy => "copy".into(),
            Self::Prepare(prepare) => prepare.describe(),
        }
    }
}

#[cfg(test)]
mod tests;
