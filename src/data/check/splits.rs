//! Classes, splits and queries: what can be said without looking at pixels.

use std::collections::{BTreeMap, HashMap};

use super::CheckOptions;
use super::report::{Findings, Kind};
use crate::data::table::{Split, Table};

pub(super) fn check(table: &Table, options: &CheckOptions, findings: &mut Findings) {
    let mut images: BTreeMap<&str, BTreeMap<Split, usize>> = BTreeMap::new();
    for item in &table.items {
        *images
            .entry(&item.label)
            .or_default()
            .entry(item.split)
            .or_default() += 1;
    }
    let trained = |splits: &BTreeMap<Split, usize>| splits.get(&Split::Train).copied().unwrap_or(0);
    let held_out = |splits: &BTreeMap<Split, usize>| splits.keys().any(|&split| split != Split::Train);
    let mut tested = images.values().filter(|splits| held_out(splits)).peekable();
    let all_known = tested.peek().is_some() && tested.all(|splits| trained(splits) > 0);
    for (label, splits) in &images {
        let train = trained(splits);
        let kind = match options.closed_set {
            Some(true) => None,
            None if all_known => Some(Kind::KnownClass),
            _ => Some(Kind::ClassInTwoSplits),
        };
        if let Some(kind) = kind.filter(|_| train > 0 && held_out(splits)) {
            let counts: Vec<String> = splits
                .iter()
                .map(|(split, count)| format!("{count} {split}"))
                .collect();
            findings.add(kind, format!("{label}: {} images", counts.join(", ")));
        }
        if train == 1 && !options.captions {
            findings.add(Kind::SingleImageClass, *label);
        }
    }
    if options.captions {
        return;
    }
    for split in [Split::Valid, Split::Test] {
        queries(table, split, findings);
    }
}

/// A positive is a gallery row of the query's label, but not the query itself, nor one from its camera.
fn queries(table: &Table, split: Split, findings: &mut Findings) {
    let queries = table.queries_of(split);
    // (all, by camera) of each label in the gallery.
    let mut gallery: HashMap<&str, (usize, HashMap<i64, usize>)> = HashMap::new();
    for row in table.gallery_of(split) {
        let item = &table.items[row];
        let (all, cameras) = gallery.entry(&item.label).or_default();
        *all += 1;
        if let Some(camera) = item.camera {
            *cameras.entry(camera).or_default() += 1;
        }
    }
    let mut lonely = Vec::new();
    for &row in &queries {
        let item = &table.items[row];
        let positives = gallery
            .get(item.label.as_str())
            .map_or(0, |(all, cameras)| match item.camera {
                // Its own camera's images are left out, and with them the query itself.
                Some(camera) => all - cameras.get(&camera).copied().unwrap_or(0),
                None => all - usize::from(item.is_gallery),
            });
        if positives == 0 {
            lonely.push(format!("{} (label {})", item.id, item.label));
        }
    }
    if !queries.is_empty() && lonely.len() == queries.len() {
        findings.add(
            Kind::NothingToFind,
            format!("{split}: {} queries, e.g. {}", queries.len(), lonely[0]),
        );
        return;
    }
    for text in lonely {
        findings.add(Kind::QueryWithoutPositive, text);
    }
}
