//! Text: words, vocabularies.

pub mod treebank;
mod vocabulary;

pub use vocabulary::{SPECIAL, UNKNOWN, Vocabulary, VocabularyError};
