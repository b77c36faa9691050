//! Labels as numbers.

use std::collections::{BTreeSet, HashMap};

/// Labels as class indices: sorted by text, so that the same labels always get the same indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    labels: Vec<String>,
    index: HashMap<String, usize>,
}

impl Classes {
    /// The distinct labels of an iterator.
    pub fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let sorted: BTreeSet<&str> = labels.into_iter().collect();
        let labels: Vec<String> = sorted.into_iter().map(String::from).collect();
        let index = labels
            .iter()
            .enumerate()
            .map(|(i, label)| (label.clone(), i))
            .collect();
        Classes { labels, index }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The class index of a label.
    pub fn index(&self, label: &str) -> Option<usize> {
        self.index.get(label).copied()
    }

    /// The labels, by class index.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}
