//! Options that do not exist, where a recipe has a key of that name: the tip is the `--set` that was meant.

use super::Cli;
use crate::recipe::tree::Value;
use crate::recipe::{Recipe, SECTIONS, alias};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;

/// Reads the command line; ends the program where it is wrong.
pub fn parse() -> Cli {
    let words: Vec<OsString> = std::env::args_os().collect();
    Cli::try_parse_from(&words).unwrap_or_else(|error| with_tip(error, &words).exit())
}

/// An unknown option's error, with the key that was probably meant.
fn with_tip(error: clap::Error, words: &[OsString]) -> clap::Error {
    let option = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(option))) => option.clone(),
        _ => return error,
    };
    if STEPS.contains(&option.as_str()) && takes(words, "max-steps") {
        let tip = "a run stops early with '--max-steps N'";
        return tipped(error, tip.into());
    }
    let Some(keys) = takes(words, "set")
        .then(|| keys(&option))
        .filter(|keys| !keys.is_empty())
    else {
        return error;
    };
    let sets: Vec<String> = keys.iter().map(|key| format!("'--set {key}=…'")).collect();
    let mut tip = format!("the recipe says that: use {}", sets.join(" or "));
    if option == "--epochs" {
        tip.push_str(", or '--max-steps N' to stop early");
    }
    tipped(error, tip)
}

/// What `--max-steps` is called elsewhere.
const STEPS: [&str; 7] = [
    "--step",
    "--steps",
    "--max-step",
    "--max_steps",
    "--iters",
    "--iterations",
    "--max-iters",
];

/// The error with this tip alone.
fn tipped(mut error: clap::Error, tip: String) -> clap::Error {
    error.remove(ContextKind::SuggestedArg);
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
    );
    error
}

/// Whether the verb takes an option of that name.
fn takes(words: &[OsString], option: &str) -> bool {
    let Some(verb) = words.get(1).and_then(|verb| verb.to_str()) else {
        return false;
    };
    let program = Cli::command();
    program
        .find_subcommand(verb)
        .is_some_and(|verb| verb.get_arguments().any(|arg| arg.get_long() == Some(option)))
}

/// `train.epochs` for `--epochs`: the sections' own keys in the built-in recipes that are called so.
fn keys(option: &str) -> Vec<String> {
    let name = option.trim_start_matches('-').replace('-', "_");
    let name = alias(&name).unwrap_or(&name);
    let recipes: Vec<Recipe> = Recipe::built_in()
        .filter_map(|recipe| Recipe::load(recipe, &[]).ok())
        .collect();
    let has = |section: &str| {
        recipes.iter().any(|recipe| {
            let section = recipe.table.get(section).map(|node| &node.value);
            matches!(section, Some(Value::Table(table)) if table.get(name).is_some())
        })
    };
    SECTIONS
        .into_iter()
        .filter(|section| *section != "paper" && has(section))
        .map(|section| format!("{section}.{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let error = Cli::try_parse_from(&words).unwrap_err();
        with_tip(error, &words).to_string()
    }

    #[test]
    fn an_option_that_a_recipe_has_a_key_for_leads_to_it() {
        let text = tip(&["tailor", "train", "quickstart", "--epochs", "3"]);
        assert!(
            text.contains("--set train.epochs=…")
                && text.contains("--max-steps")
                && !text.contains("-- --epochs"),
            "{text}"
        );
        let text = tip(&["tailor", "check", "quickstart", "--lr=0.1"]);
        assert!(text.contains("--set optimizer.lr=…"), "{text}");
        let text = tip(&["tailor", "train", "quickstart", "--learning-rate", "0.1"]);
        assert!(text.contains("--set optimizer.lr=…"), "{text}");
        for option in ["--step", "--max-step"] {
            let text = tip(&["tailor", "train", "quickstart", option, "30"]);
            assert!(
                text.contains("'--max-steps N'") && !text.contains("--set train"),
                "{text}"
            );
        }
        // What no recipe has, and verbs without settings, stay with clap's own words.
        for words in [
            &["tailor", "train", "quickstart", "--runn", "3"][..],
            &["tailor", "runs", "--epochs", "3"],
            &["tailor", "runs", "--steps", "3"],
        ] {
            let text = tip(words);
            assert!(!text.contains("--set"), "{text}");
        }
    }
}
