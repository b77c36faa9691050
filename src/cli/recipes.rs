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
    /// Lists the built-in recipes; the same without a verb
    List {
        /// Print a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
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
}

/// Runs `tailor recipes …`.
///
/// # Errors
/// When a recipe is not found or not sound, or a file cannot be written.
pub fn run(args: RecipesArgs) -> crate::Result<()> {
    let mut text = match args.action {
        None => list(args.json)?,
        Some(Action::List { json }) => list(json)?,
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
    super::print(&text)
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
    Ok(rows
        .iter()
        .map(|(name, paper)| entry(name, paper.as_ref()))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// The widest line of the list, in characters.
const WIDTH: usize = 80;

/// A recipe in a few lines: its name, its paper, and what the paper does on which data with which result.
fn entry(name: &str, paper: Option<&PaperSection>) -> String {
    let mut text = format!("{name}\n");
    if let Some(paper) = paper {
        for line in [
            format!("{} ({})", paper.title, paper.year),
            format!("{} on {}; {}", paper.task, paper.dataset, paper.headline),
        ] {
            text.push_str(&wrapped(&line));
        }
    }
    text
}

/// Indented lines of at most [`WIDTH`] characters; a longer word stays whole.
fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), "  ".to_owned());
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = "    ".to_owned();
        }
        line.push_str(word);
        line.push(' ');
    }
    lines + line.trim_end() + "\n"
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
    fn long_lines_are_wrapped_between_words() {
        let text = wrapped(
            "On the Unreasonable Effectiveness of Centroids in Image Retrieval and in much else (2021)",
        );
        insta::assert_snapshot!(text, @r"
          On the Unreasonable Effectiveness of Centroids in Image Retrieval and in much
            else (2021)
        ");
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
        assert_eq!(differences, "loss.scale: (not set) → 1\n");
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
        for name in &names {
            assert!(
                listed.lines().any(|line| line == *name),
                "{name} is not in {listed}"
            );
        }
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
