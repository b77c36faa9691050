//! Words to numbers, in the JSON form of the published vocabularies.

use super::treebank;
use crate::files::{FileError, read_text, write_whole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The first four words, in this order.
pub const SPECIAL: [&str; 4] = ["<pad>", "<start>", "<end>", "<unk>"];

/// The number of words that are not known.
pub const UNKNOWN: u32 = 3;

/// Why a vocabulary could not be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum VocabularyError {
    /// The file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// The file is no vocabulary.
    #[error("{} is no vocabulary: {problem}", path.display())]
    #[diagnostic(help(
        "a vocabulary is a JSON object with `word2idx` (word → number), whose numbers count from 0 without a gap and whose first words \
         are <pad>, <start>, <end>, <unk>; `tailor data vocabulary` makes one from captions"
    ))]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Words and their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    word2idx: BTreeMap<String, u32>,
    #[serde(default)]
    idx2word: BTreeMap<String, String>,
    #[serde(default)]
    idx: Option<u32>,
}

impl Vocabulary {
    /// The special words, then those that occur at least `least` times in the captions, in alphabetical order.
    pub fn build<'a>(captions: impl IntoIterator<Item = &'a str>, least: usize) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for caption in captions {
            for word in treebank::words(&caption.to_lowercase()) {
                *counts.entry(word).or_default() += 1;
            }
        }
        let frequent = counts
            .into_iter()
            .filter(|(word, count)| *count >= least && !SPECIAL.contains(&word.as_str()))
            .map(|(word, _)| word);
        Self::of(
            SPECIAL
                .iter()
                .map(|word| (*word).to_string())
                .chain(frequent)
                .collect(),
        )
    }

    fn of(words: Vec<String>) -> Self {
        let numbers = words
            .iter()
            .enumerate()
            .map(|(number, word)| (word.clone(), number as u32))
            .collect();
        Self { words, numbers }
    }

    /// Reads the JSON form; only `word2idx` is believed.
    pub fn read(path: &Path) -> Result<Self, VocabularyError> {
        let refuse = |problem: String| VocabularyError::Form {
            path: path.to_owned(),
            problem,
        };
        let form: Form =
            serde_json::from_str(&read_text(path)?).map_err(|error| refuse(error.to_string()))?;
        let size = form.word2idx.len();
        let mut words = vec![None; size];
        for (word, number) in &form.word2idx {
            match words.get_mut(*number as usize) {
                Some(place @ None) => *place = Some(word.clone()),
                Some(Some(other)) => {
                    return Err(refuse(format!("`{other}` and `{word}` have the number {number}")));
                }
                None => {
                    return Err(refuse(format!(
                        "`{word}` has the number {number} of {size} words"
                    )));
                }
            }
        }
        let words: Vec<String> = words.into_iter().flatten().collect();
        for (number, special) in SPECIAL.iter().enumerate() {
            match words.get(number) {
                Some(word) if word == special => {}
                Some(word) => return Err(refuse(format!("word {number} is `{word}`, not `{special}`"))),
                None => return Err(refuse(format!("it has {size} words and lacks `{special}`"))),
            }
        }
        Ok(Self::of(words))
    }

    /// Writes the JSON form, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), VocabularyError> {
        let form = Form {
            word2idx: self.numbers.clone(),
            idx2word: self
                .words
                .iter()
                .enumerate()
                .map(|(number, word)| (number.to_string(), word.clone()))
                .collect(),
            idx: Some(self.words.len() as u32),
        };
        Ok(write_whole(path, |file| Ok(serde_json::to_writer(file, &form)?))?)
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Never: the special words are always there.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// A word by its number.
    pub fn word(&self, number: u32) -> Option<&str> {
        self.words.get(number as usize).map(String::as_str)
    }

    /// `<start>`, the caption's words in lower case (`<unk>` for those that are not known), `<end>`.
    pub fn encode(&self, caption: &str) -> Vec<u32> {
        let mut ids = vec![1];
        ids.extend(self.spell(caption).into_iter().map(|(_, number)| number));
        ids.push(2);
        ids
    }

    /// A caption's words in lower case with their numbers, 3 for those that are not known.
    pub fn spell(&self, caption: &str) -> Vec<(String, u32)> {
        treebank::words(&caption.to_lowercase())
            .into_iter()
            .map(|word| {
                let number = self.numbers.get(&word).copied().unwrap_or(UNKNOWN);
                (word, number)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_seen_often_enough_have_numbers() {
        let vocabulary = Vocabulary::build(["A dog runs.", "a dog sits", "<unk> runs"], 2);
        let words: Vec<_> = (0..vocabulary.len() as u32)
            .map(|n| vocabulary.word(n).unwrap())
            .collect();
        assert_eq!(words, ["<pad>", "<start>", "<end>", "<unk>", "a", "dog", "runs"]);
        assert_eq!(vocabulary.encode("A cat runs"), [1, 4, 3, 6, 2]);
        assert_eq!(vocabulary.encode(""), [1, 2]);
    }

    #[test]
    fn the_file_comes_back_and_a_broken_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocab.json");
        let vocabulary = Vocabulary::build(["red shoes"], 1);
        vocabulary.write(&path).unwrap();
        assert_eq!(Vocabulary::read(&path).unwrap(), vocabulary);
        for (text, expected) in [
            ("[]", "no vocabulary"),
            (
                r#"{"word2idx": {"<pad>": 0, "<start>": 1, "<end>": 2}}"#,
                "lacks `<unk>`",
            ),
            (r#"{"word2idx": {"<pad>": 0, "<start>": 0}}"#, "have the number 0"),
            (r#"{"word2idx": {"<pad>": 7}}"#, "number 7 of 1"),
            (r#"{"word2idx": {"a": 0, "b": 1}}"#, "not `<pad>`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Vocabulary::read(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
