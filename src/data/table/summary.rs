//! What a table holds, in counts and in words.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::{Split, Table};

/// What a table holds, in counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The table's name.
    pub name: String,
    /// The table's fingerprint.
    pub fingerprint: String,
    /// Rows.
    pub items: usize,
    /// Distinct labels.
    pub classes: usize,
    /// Images a class.
    pub images_per_class: Spread,
    /// Each split that has rows.
    pub splits: Vec<SplitSummary>,
    /// Distinct cameras.
    pub cameras: usize,
    /// Distinct domains, sorted.
    pub domains: Vec<String>,
    /// Rows of each category.
    pub categories: BTreeMap<String, usize>,
    /// What the reader left out or decided.
    pub notes: Vec<String>,
}

/// The smallest, the middle and the largest of some counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub min: usize,
    /// The middle one; the mean of the two middle ones for an even number.
    pub median: f64,
    /// The largest.
    pub max: usize,
}

impl Spread {
    fn of(mut counts: Vec<usize>) -> Self {
        counts.sort_unstable();
        let (Some(&min), Some(&max)) = (counts.first(), counts.last()) else {
            return Self::default();
        };
        let half = counts.len() / 2;
        let median = match counts.len() % 2 {
            1 => counts[half] as f64,
            _ => (counts[half - 1] + counts[half]) as f64 / 2.0,
        };
        Spread { min, median, max }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            return write!(f, "{}", self.min);
        }
        write!(f, "{} to {}, median {}", self.min, self.max, self.median)
    }
}

/// Counts of one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitSummary {
    /// Which.
    pub split: Split,
    /// Rows.
    pub items: usize,
    /// Distinct labels.
    pub classes: usize,
    /// Images a class.
    pub images_per_class: Spread,
    /// Rows that are searched with.
    pub queries: usize,
    /// Rows that are searched in.
    pub gallery: usize,
}

impl Summary {
    pub(super) fn of(table: &Table) -> Self {
        let per_class = |rows: &[usize]| {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for &row in rows {
                *counts.entry(&table.items[row].label).or_default() += 1;
            }
            (counts.len(), Spread::of(counts.into_values().collect()))
        };
        let all: Vec<usize> = (0..table.items.len()).collect();
        let (classes, images_per_class) = per_class(&all);
        let mut splits = Vec::new();
        for split in [Split::Train, Split::Valid, Split::Test] {
            let rows = table.rows(split);
            if rows.is_empty() {
                continue;
            }
            let (classes, images_per_class) = per_class(&rows);
            splits.push(SplitSummary {
                split,
                items: rows.len(),
                classes,
                images_per_class,
                queries: table.queries_of(split).len(),
                gallery: table.gallery_of(split).len(),
            });
        }
        let mut categories = BTreeMap::new();
        for category in table.items.iter().filter_map(|item| item.category.clone()) {
            *categories.entry(category).or_default() += 1;
        }
        let domains: BTreeSet<&String> = table
            .items
            .iter()
            .filter_map(|item| item.domain.as_ref())
            .collect();
        let cameras: HashSet<i64> = table.items.iter().filter_map(|item| item.camera).collect();
        Summary {
            name: table.name.clone(),
            fingerprint: table.fingerprint.clone(),
            items: table.items.len(),
            classes,
            images_per_class,
            splits,
            cameras: cameras.len(),
            domains: domains.into_iter().cloned().collect(),
            categories,
            notes: table.notes.clone(),
        }
    }
}

/// `1 image`, `2 images`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} of {} ({} a class)",
            self.name,
            counted(self.items, "image", "images"),
            counted(self.classes, "class", "classes"),
            self.images_per_class
        )?;
        for split in &self.splits {
            write!(
                f,
                "  {:<5} {} of {} ({} a class)",
                split.split.name(),
                counted(split.items, "image", "images"),
                counted(split.classes, "class", "classes"),
                split.images_per_class
            )?;
            if split.queries + split.gallery > 0 {
                let queries = counted(split.queries, "query", "queries");
                write!(f, "; {queries}, {} in the gallery", split.gallery)?;
            }
            writeln!(f)?;
        }
        if self.cameras > 0 {
            writeln!(f, "  {}", counted(self.cameras, "camera", "cameras"))?;
        }
        if !self.domains.is_empty() {
            writeln!(f, "  domains: {}", self.domains.join(", "))?;
        }
        if !self.categories.is_empty() {
            let mut largest: Vec<_> = self.categories.iter().collect();
            largest.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let named: Vec<String> = largest
                .iter()
                .take(6)
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            let more = if largest.len() > 6 { ", …" } else { "" };
            let count = counted(largest.len(), "category", "categories");
            writeln!(f, "  {count}: {}{more}", named.join(", "))?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        write!(
            f,
            "  fingerprint {}",
            &self.fingerprint[..self.fingerprint.len().min(16)]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::table::tests::table;

    #[test]
    fn the_summary_counts() {
        let summary = table().summary();
        assert_eq!((summary.items, summary.classes, summary.cameras), (5, 3, 1));
        assert_eq!(
            summary.images_per_class,
            Spread {
                min: 1,
                median: 2.0,
                max: 2
            }
        );
        assert_eq!(summary.splits.len(), 2);
        assert_eq!((summary.splits[1].queries, summary.splits[1].gallery), (1, 1));
        assert_eq!(summary.splits[0].images_per_class.median, 1.5);
        let text = summary.to_string();
        assert!(
            text.contains("train 3 images of 2 classes (1 to 2, median 1.5 a class)"),
            "{text}"
        );
        assert!(
            text.contains("test  2 images of 1 class (2 a class); 1 query, 1 in the gallery"),
            "{text}"
        );
    }
}
