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
    for (label, splits) in &images {
        let train = splits.get(&Split::Train).copied().unwrap_or(0);
        if train > 0 && splits.len() > 1 && !options.closed_set {
            let counts: Vec<String> = splits
                .iter()
                .map(|(split, count)| format!("{count} {split}"))
                .collect();
            findings.add(
                Kind::ClassInTwoSplits,
                format!("{label}: {} images", counts.join(", ")),
            );
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
