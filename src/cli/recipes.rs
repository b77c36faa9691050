//! `tailor recipes`: which recipes there are, what they say, and how two differ.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use crate::recipe::{self, Origin, PaperSection, Recipe, RecipeError};

/// Lists the built-in recipes, or shows, copies and compares recipes.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  tailor recipes\n  tailor recipes show ctl --resolved\n\n\
                  A recipe is named by its built-in name (ctl) or by its path (my/ctl.toml)."
)]
pub struct RecipesArgs {
    /// What to do; without it, all built-in recipes are listed
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Print a JSON array instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The verbs below `tailor recipes`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Prints a recipe
    #[command(after_help = "Example:\n  tailor recipes show ctl --resolved --set loss.margin=0.5")]
    Show {
        /// A built-in recipe's name, or the path of a file
        name: String,
        /// Print what is left once base and --set are merged, instead of the file as it is written
        #[arg(long)]
        resolved: bool,
        /// Change a value, as in loss.margin=0.5; implies --resolved
        #[arg(long = "set", value_name = "KEY=VALUE")]
        sets: Vec<String>,
        /// Print the resolved recipe as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Copies a recipe into a file of your own
    #[command(after_help = "Example:\n  tailor recipes copy ctl my/shoes.toml\n  tailor train my/shoes.toml")]
    Copy {
        /// A built-in recipe's name, or the path of a file
        name: String,
        /// The file to write
        file: PathBuf,
        /// Overwrite FILE where it exists
        #[arg(long)]
        force: bool,
    },
    /// Prints every key that two recipes set differently
    #[command(after_help = "Example:\n  tailor recipes diff ctl my/shoes.toml")]
    Diff {
        /// The left recipe: a name or a path
        left: String,
        /// The right recipe: a name or a path
        right: String,
        /// Print a JSON array of {key, left, right}
        #[arg(long)]
        json: bool,
    },
    /// Prints the JSON Schema of a recipe file
    #[command(
        after_help = "Example:\n  tailor recipes schema > recipe.schema.json\n  tailor recipes schema --section paper"
    )]
    Schema {
        /// Only this section
        #[arg(long)]
        section: Option<String>,
    },
}

/// What only these verbs may fail with.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RecipesError {
    /// `copy` without `--force` onto a file that exists.
    #[error("{} exists already", .0.display())]
    #[diagnostic(help("name another file, or add --force to overwrite it"))]
    Exists(PathBuf),
    /// `schema --section` of a section that there is not.
    #[error("there is no section [{name}]")]
    NoSection {
        /// What was asked for.
        name: String,
        /// What there is.
        #[help]
        help: String,
    },
    /// Standard output takes no more.
    #[error("cannot write to standard output: {0}")]
    #[diagnostic(help("check where the output is sent to"))]
    Output(std::io::Error),
}

/// Runs `tailor recipes …`.
///
/// # Errors
/// When a recipe is not found or not sound, or a file cannot be written.
pub fn run(args: RecipesArgs) -> crate::Result<()> {
    let mut text = match args.action {
        None => list(args.json)?,
        Some(Action::Show {
            name,
            resolved,
            sets,
            json,
        }) => show(&name, resolved, &sets, json)?,
        Some(Action::Copy { name, file, force }) => copy(&name, &file, force)?,
        Some(Action::Diff { left, right, json }) => diff(&left, &right, json)?,
        Some(Action::Schema { section }) => schema(section.as_deref())?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        // `tailor recipes | head` is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(RecipesError::Output(error).into())
        }
        _ => Ok(()),
    }
}

fn load(name: &str, sets: &[String]) -> Result<Recipe, RecipeError> {
    let recipe = Recipe::load(name, sets)?;
    for note in &recipe.notes {
        eprintln!("note: {note}");
    }
    Ok(recipe)
}

fn list(json: bool) -> crate::Result<String> {
    let mut rows = Vec::new();
    for name in Recipe::built_in() {
        let recipe = Recipe::load(name, &[])?;
        let mut reader = recipe.reader();
        let paper: Option<PaperSection> = reader.section("paper");
        for section in recipe.table.entries.iter() {
            reader.skip(&section.key);
        }
        reader.finish().map_err(RecipeError::from)?;
        rows.push((recipe.name, paper));
    }
    if json {
        let rows = rows
            .iter()
            .map(|(name, paper)| json!({ "name": name, "paper": paper }))
            .collect();
        return Ok(pretty(&Json::Array(rows)));
    }
    let cells = rows.into_iter().map(|(name, paper)| match paper {
        Some(paper) => {
            let title = format!("{} ({})", paper.title, paper.year);
            [name, title, paper.task, paper.dataset, paper.headline]
        }
        None => [name, String::new(), String::new(), String::new(), String::new()],
    });
    Ok(table(
        ["recipe", "paper", "task", "data", "published"],
        &cells.collect::<Vec<_>>(),
        WIDTH,
    ))
}

/// The widest line of the list, in characters.
const WIDTH: usize = 100;

/// An aligned table of at most `width` characters a line. The widest columns give way first, and a cell that does not
/// fit ends in `…`; the first column, which people copy from, is never cut.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]], width: usize) -> String {
    let length = |text: &str| text.chars().count();
    let mut widths: [usize; N] = std::array::from_fn(|i| {
        rows.iter()
            .map(|row| length(&row[i]))
            .chain([length(head[i])])
            .max()
            .unwrap_or_default()
    });
    let gaps = 2 * N.saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let widest = (1..N)
            .max_by_key(|&i| widths[i])
            .filter(|&i| widths[i] > length(head[i]));
        let Some(i) = widest else { break };
        widths[i] -= 1;
    }
    let mut text = String::new();
    for row in std::iter::once(head.map(str::to_owned)).chain(rows.iter().cloned()) {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            let cell = cell.replace(['\n', '\r', '\t'], " ");
            let cut = length(&cell) > width;
            let mut shown: String = cell
                .chars()
                .take(if cut { width.saturating_sub(1) } else { width })
                .collect();
            if cut {
                shown.truncate(shown.trim_end().len());
                shown.push('…');
            }
            line.push_str(&format!("{shown:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn show(name: &str, resolved: bool, sets: &[String], json: bool) -> crate::Result<String> {
    let recipe = load(name, sets)?;
    Ok(match (json, resolved || !sets.is_empty()) {
        (true, _) => pretty(&recipe.to_json()),
        (false, true) => recipe.resolved(),
        (false, false) => recipe.text,
    })
}

fn copy(name: &str, file: &Path, force: bool) -> crate::Result<String> {
    let recipe = load(name, &[])?;
    if !force && file.symlink_metadata().is_ok() {
        return Err(RecipesError::Exists(file.to_owned()).into());
    }
    let mut text = recipe.text.clone();
    // A base that is a file is named by a path which begins in the folder of the original.
    if let Some((Origin::File(base), at)) = &recipe.base {
        let base = std::path::absolute(base).unwrap_or_else(|_| base.clone());
        let base = toml::Value::String(base.to_string_lossy().into_owned()).to_string();
        text.replace_range(at.span.clone(), &base);
    }
    crate::files::write_whole(file, |writer| writer.write_all(text.as_bytes()))?;
    let base = match &recipe.base {
        Some((base, _)) => format!(" (it extends {base})"),
        None => String::new(),
    };
    Ok(format!("copied {} to {}{base}", recipe.origin, file.display()))
}

fn diff(left: &str, right: &str, json: bool) -> crate::Result<String> {
    let differences = recipe::diff(&load(left, &[])?, &load(right, &[])?);
    if json {
        return Ok(pretty(&serde_json::to_value(&differences).unwrap_or_default()));
    }
    if differences.is_empty() {
        return Ok(format!("{left} and {right} say the same"));
    }
    Ok(differences
        .iter()
        .map(|difference| format!("{difference}\n"))
        .collect())
}

fn schema(section: Option<&str>) -> crate::Result<String> {
    let sections = super::session::schemas();
    let Some(name) = section else {
        return Ok(pretty(&recipe::schema::whole(&sections)));
    };
    match recipe::schema::section(&sections, name) {
        Some(schema) => Ok(pretty(&schema)),
        None => {
            let mut names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            let help = format!("the sections are {}", names.join(", "));
            Err(RecipesError::NoSection {
                name: name.to_owned(),
                help,
            }
            .into())
        }
    }
}

fn pretty(json: &Json) -> String {
    format!("{json:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_and_keeps_its_first_column() {
        let row = |name: &str, title: &str| {
            [name, title, "image retrieval", "Street2Shop", "mAP 59.1"].map(str::to_owned)
        };
        let rows = [
            row(
                "ctl",
                "On the Unreasonable Effectiveness of Centroids in Image Retrieval (2021)",
            ),
            row("a", "B (2019)"),
        ];
        let text = table(["recipe", "paper", "task", "data", "published"], &rows, 80);
        insta::assert_snapshot!(text, @r#"
        recipe  paper                            task             data         published
        ctl     On the Unreasonable Effectiven…  image retrieval  Street2Shop  mAP 59.1
        a       B (2019)                         image retrieval  Street2Shop  mAP 59.1
        "#);
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn a_copy_is_not_written_over_and_keeps_its_base() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("base.toml"), "[loss]\nmargin = 0.3\n").unwrap();
        std::fs::write(
            path("mine.toml"),
            "# mine\nextends = \"base.toml\" # see there\n[loss]\nscale = 1\n",
        )
        .unwrap();
        let mine = path("mine.toml");
        let mine = mine.to_str().unwrap();
        let copied = path("deep/copy.toml");
        copy(mine, &copied, false).unwrap();
        let error = copy(mine, &copied, false).unwrap_err().to_string();
        assert!(error.contains("copy.toml exists already"), "{error}");
        copy(mine, &copied, true).unwrap();
        let text = std::fs::read_to_string(&copied).unwrap();
        assert!(
            text.starts_with("# mine\nextends = ") && text.contains("# see there\n[loss]"),
            "{text}"
        );
        assert_eq!(diff(mine, copied.to_str().unwrap(), true).unwrap(), "[]");
        let differences = diff(path("base.toml").to_str().unwrap(), mine, false).unwrap();
        assert_eq!(differences, "loss.scale: only right → 1\n");
        let resolved = show(mine, false, &["loss.margin=0.5".to_owned()], false).unwrap();
        assert_eq!(resolved, "[loss]\nmargin = 0.5\nscale = 1\n");
        assert_eq!(
            show(mine, true, &[], true).unwrap().replace([' ', '\n'], ""),
            r#"{"loss":{"margin":0.3,"scale":1}}"#
        );
    }

    #[test]
    fn the_built_in_recipes_are_listed() {
        let names: Vec<&str> = Recipe::built_in().collect();
        let listed = list(false).unwrap();
        assert_eq!(listed.lines().count(), 1 + names.len());
        assert!(
            listed.lines().all(|line| line.chars().count() <= WIDTH),
            "{listed}"
        );
        let listed: Vec<Json> = serde_json::from_str(&list(true).unwrap()).unwrap();
        assert_eq!(listed.len(), names.len());
        for name in names {
            show(name, true, &[], false).unwrap();
        }
    }

    #[test]
    fn schemas_are_printed() {
        let whole: Json = serde_json::from_str(&schema(None).unwrap()).unwrap();
        assert!(whole["properties"]["paper"].is_object());
        assert!(schema(Some("paper")).unwrap().contains("title"));
        let error = schema(Some("papr")).unwrap_err().to_string();
        assert_eq!(error, "there is no section [papr]");
    }

    #[test]
    fn the_arguments_are_sound() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: RecipesArgs,
        }
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
