//! `tailor data convert regions`: detectors' region features as the array that is trained on.

use crate::cli::{CliError, say};
use crate::data::pairs::stack;
use crate::files::{FileError, read_text, write_whole};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is stacked, and where.
pub struct Regions<'a> {
    /// A tab-separated file, or a folder of them.
    pub tsv: &'a Path,
    /// The array.
    pub out: &'a Path,
    /// The images' ids in the order of the array, one a line; without it, the order of the files, and the ids are written beside.
    pub ids: Option<&'a Path>,
    /// Overwrite what is there.
    pub force: bool,
    /// Print one JSON object.
    pub json: bool,
}

/// Writes the tab-separated files of region features as `<split>_ims.npy`.
pub fn run(args: &Regions) -> crate::Result<()> {
    let beside = ids_beside(args.out);
    for path in std::iter::once(args.out).chain(args.ids.is_none().then_some(&*beside)) {
        if path.exists() && !args.force {
            return Err(CliError::Exists(path.to_owned()).into());
        }
    }
    let files = listed(args.tsv)?;
    let ids: Option<Vec<String>> = match args.ids {
        Some(path) => Some(
            read_text(path)?
                .lines()
                .map(|line| line.trim().to_string())
                .filter(|line| !line.is_empty())
                .collect(),
        ),
        None => None,
    };
    let bar = crate::cli::bar("images", ids.as_ref().map_or(0, Vec::len));
    let (stacked, order) = stack(&files, ids.as_deref(), args.out, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if args.ids.is_none() {
        write_whole(&beside, |file| {
            order.iter().try_for_each(|id| writeln!(file, "{id}"))
        })?;
    }
    if args.json {
        return crate::cli::print(&format!("{}\n", serde_json::json!(stacked)));
    }
    let [images, regions, dim] = stacked.shape;
    say!("{images} images of {regions} × {dim}");
    if stacked.repeated > 0 {
        say!(
            "note     {} lines came again: the later ones count",
            stacked.repeated
        );
    }
    if stacked.unlisted > 0 {
        say!("note     {} images are not in the list", stacked.unlisted);
    }
    crate::cli::print(&format!("{}\n", args.out.display()))
}

/// `train_ims.npy` → `train_ids.txt`.
fn ids_beside(out: &Path) -> PathBuf {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let split = stem.strip_suffix("_ims").unwrap_or(&stem);
    out.with_file_name(format!("{split}_ids.txt"))
}

/// The files that a path means: itself, or those of a folder whose names hold `.tsv`, by name.
fn listed(path: &Path) -> crate::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let io = |e| FileError::new("read", path, e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if file.is_file() && name.contains(".tsv") {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => {
            Err(FileError::new("find files of .tsv in", path, std::io::ErrorKind::NotFound.into()).into())
        }
        false => Ok(files),
    }
}
