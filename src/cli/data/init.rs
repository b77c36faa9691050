//! `tailor data init`: a first recipe for a folder or a table, and what it assumes.

pub(super) mod look;
mod recipe;

use std::path::{Component, Path, PathBuf};

use clap::Args;

use crate::cli::CliError;
use crate::data::DataError;
use crate::recipe::{Origin, Recipe};

/// `tailor data init`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tailor data init photos
  tailor data init photos --categories --base finetune-clothing
  tailor data init catalogue.csv --out shoes.toml")]
pub struct InitArgs {
    /// A folder of pictures, of tar shards or of a published data set, or a table (.csv, .jsonl, .parquet).
    dir: PathBuf,
    /// The recipe's file; otherwise named after what was looked at, in the current folder.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The recipe to build on: its model, losses and training, and, unless it is the quick start, how it prepares and draws pictures.
    #[arg(long, default_value = "quickstart", value_name = "NAME")]
    base: String,
    /// The classes are categories, and new pictures are to find known ones of their category; otherwise they are products, and other
    /// products than those trained on are tested with. As the base has it, where the option is absent.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    categories: Option<bool>,
    /// Overwrite the recipe's file.
    #[arg(long)]
    force: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &InitArgs) -> crate::Result<()> {
    let place = std::path::absolute(&args.dir)
        .map_err(|error| crate::files::FileError::new("read", &args.dir, error))?;
    // `photos/../photos` would stand in the recipe and in every gallery made with it.
    let place = match place.components().any(|part| part == Component::ParentDir) {
        true => place.canonicalize().unwrap_or(place),
        false => place,
    };
    let out = match &args.out {
        Some(out) => out.clone(),
        None => PathBuf::from(format!("{}.toml", name(&place))),
    };
    if out.exists() && place.exists() && !args.force {
        return Err(CliError::Exists(out).into());
    }
    // A base that does not exist is said before anything is looked at.
    let base = Recipe::load(&args.base, &[])?;
    let of_categories = matches!(base.toml("data.closed_set"), Some(toml::Value::Boolean(true)));
    let found = look::look(&place, args.categories.unwrap_or(of_categories))?;
    let folder = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let written = recipe::recipe(&found, &name(&place), &args.base, &base, &folder)?;
    // What is written must be readable: a recipe that its own program refuses helps nobody.
    let origin = Origin::File(folder.join(out.file_name().unwrap_or_default()));
    let recipe = Recipe::from_text("init", origin, written.text.clone(), &[])?;
    let mut reader = recipe.reader();
    let _: Option<crate::data::section::DataSection> = reader.section_required("data");
    reader.skip_rest();
    reader.finish()?;
    crate::files::write_whole(&out, |file| {
        std::io::Write::write_all(file, written.text.as_bytes())
    })?;
    if args.json {
        let report = serde_json::json!({
            "recipe": out,
            "dataset": found.section.name(),
            "data": found.table.summary(),
            "assumed": written.assumed,
        });
        return crate::cli::print(&format!("{report}\n"));
    }
    let mut text = format!("{}\n\nassumed:\n", found.table.summary());
    for line in &written.assumed {
        text.push_str(&format!("  - {line}\n"));
    }
    let out = out.display();
    text.push_str(&format!(
        "\nwritten to {out}\nnext:    tailor check {out}\n         tailor train {out}\n"
    ));
    crate::cli::print(&text)
}

/// What a folder or a table is called, as a file's name.
fn name(place: &Path) -> String {
    let stem = place.file_stem().unwrap_or_default().to_string_lossy();
    let plain: String = stem
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    match plain.trim_matches(|c| c == '-' || c == '.') {
        "" => "data".into(),
        name => name.into(),
    }
}

/// An error about what was looked at.
fn refuse(place: &Path, message: impl Into<String>, remedy: impl Into<String>) -> DataError {
    DataError::Format {
        path: place.into(),
        message: message.into(),
        remedy: remedy.into(),
    }
}
