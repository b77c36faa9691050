//! `tailor data vocabulary`: the words of captions, numbered.

use crate::cli::{CliError, say};
use crate::data::pairs::PairError;
use crate::data::text::Vocabulary;
use crate::files::read_text;
use clap::Args;
use std::path::PathBuf;

/// `tailor data vocabulary`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  tailor data vocabulary f30k/train_caps.txt f30k/dev_caps.txt --out f30k/vocab.json

Captions are lower-cased and split by the Penn Treebank's rules, as NLTK does. Words that are seen less often than --least are read
as <unk>. The published vocabularies were made from the captions of train and dev with --least 4.")]
pub struct VocabularyArgs {
    /// Files with one caption a line.
    #[arg(required = true)]
    captions: Vec<PathBuf>,
    /// The JSON file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How often a word must be seen.
    #[arg(long, default_value_t = 4, value_name = "N")]
    least: usize,
    /// Overwrite what is there.
    #[arg(long)]
    force: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &VocabularyArgs) -> crate::Result<()> {
    if args.out.exists() && !args.force {
        return Err(CliError::Exists(args.out.clone()).into());
    }
    let mut texts = Vec::new();
    for path in &args.captions {
        texts.push(read_text(path)?);
    }
    let lines = || texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let captions = lines().filter(|line| !line.is_empty()).count();
    let vocabulary = Vocabulary::build(lines(), args.least);
    let unknown: usize = lines()
        .map(|line| vocabulary.encode(line).iter().filter(|&&id| id == 3).count())
        .sum();
    let words: usize = lines().map(|line| vocabulary.encode(line).len() - 2).sum();
    vocabulary.write(&args.out).map_err(PairError::from)?;
    if args.json {
        let object = serde_json::json!({
            "out": args.out.display().to_string(), "captions": captions, "words": vocabulary.len(),
            "running_words": words, "unknown": unknown,
        });
        return crate::cli::print(&format!("{object}\n"));
    }
    say!(
        "vocabulary of {} words from {captions} captions; {:.2} % of their words are unknown to it",
        vocabulary.len(),
        100.0 * unknown as f64 / words.max(1) as f64
    );
    crate::cli::print(&format!("{}\n", args.out.display()))
}
