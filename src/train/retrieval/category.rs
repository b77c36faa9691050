//! Each query among the gallery of its own category: how street-to-shop sets were published, before galleries were merged.

use std::collections::BTreeMap;

use super::{Embedded, Measured, Task};
use crate::device::Device;
use crate::metrics::{Figures, Ranks, Resampling, bootstrap, retrieval_metrics};
use crate::search::{self, Embeddings, LabelRelevance, Options, Side, Similarity};

/// The protocol of [`Task::by_category`]'s ranks.
pub const WITHIN: &str = "instance within categories";

impl Task {
    /// Two protocols: `instance within categories` (the mean over queries) and `instance, mean of categories`, in which each category
    /// counts alike. Nothing where the data has no categories.
    pub(super) fn per_category(&self, embedded: &Embedded, device: &Device) -> crate::Result<Vec<Measured>> {
        let names = |rows: &[usize]| -> Vec<Option<&str>> {
            rows.iter()
                .map(|&row| self.table.items[row].category.as_deref())
                .collect()
        };
        let (of_queries, of_gallery) = (names(&self.queries), names(&self.gallery));
        let mut categories: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (place, name) in of_queries.iter().enumerate() {
            if let Some(name) = name {
                categories.entry(name).or_default().0.push(place);
            }
        }
        for (place, name) in of_gallery.iter().enumerate() {
            if let Some(name) = name {
                categories.entry(name).or_default().1.push(place);
            }
        }
        categories.retain(|_, (queries, gallery)| !queries.is_empty() && !gallery.is_empty());
        if categories.is_empty() {
            return Ok(Vec::new());
        }
        let mut ranks = Ranks {
            queries: vec![None; self.queries.len()],
            skipped: 0,
        };
        // The category of each query, by number.
        let mut strata: Vec<Option<u32>> = vec![None; self.queries.len()];
        let mut gallery_items = 0;
        for (number, (queries, gallery)) in categories.values().enumerate() {
            let own = self.ranks_within(queries, gallery, embedded, device)?;
            gallery_items += gallery.len();
            for (&query, found) in queries.iter().zip(own.queries) {
                ranks.queries[query] = found;
                strata[query] = Some(number as u32);
            }
        }
        ranks.skipped = ranks.queries.iter().filter(|found| found.is_none()).count();
        let identities = &self.query_side.labels;
        let metrics = retrieval_metrics();
        let resampling = Resampling {
            resamples: self.section.resamples,
            seed: self.seed,
        };
        let over_queries = bootstrap::figures(&ranks, identities, &metrics, &resampling)?;
        let over_categories =
            bootstrap::figures_of_strata(&ranks, identities, &strata, &metrics, &resampling)?;
        let measured = |protocol: &str, figures| Measured {
            settings: None,
            protocol: protocol.into(),
            figures,
            queries: self.queries.len(),
            skipped: ranks.skipped,
            gallery: gallery_items,
            identities: bootstrap::identities(&ranks, identities),
            ranks: ranks.clone(),
        };
        Ok(vec![
            measured(WITHIN, over_queries),
            measured("instance, mean of categories", over_categories),
        ])
    }

    /// The figures of each category alone, without intervals, by name.
    pub fn by_category(&self, ranks: &Ranks) -> crate::Result<Vec<(String, usize, Figures)>> {
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, &row) in self.queries.iter().enumerate() {
            if let (Some(name), Some(Some(_))) = (
                self.table.items[row].category.as_deref(),
                ranks.queries.get(place),
            ) {
                places.entry(name).or_default().push(place);
            }
        }
        let metrics = retrieval_metrics();
        let resampling = Resampling {
            resamples: 0,
            seed: self.seed,
        };
        let mut all = Vec::new();
        for (name, places) in places {
            let own = Ranks {
                queries: places.iter().map(|&place| ranks.queries[place].clone()).collect(),
                skipped: 0,
            };
            let identities: Vec<u32> = places
                .iter()
                .map(|&place| self.query_side.labels[place])
                .collect();
            let figures = bootstrap::figures(&own, &identities, &metrics, &resampling)?;
            all.push((name.to_string(), places.len(), figures));
        }
        Ok(all)
    }

    /// The ranks of some queries among some of the gallery.
    fn ranks_within(
        &self,
        queries: &[usize],
        gallery: &[usize],
        embedded: &Embedded,
        device: &Device,
    ) -> crate::Result<Ranks> {
        let rows = |of: &[f32], places: &[usize]| -> Vec<f32> {
            let dim = embedded.dim;
            places
                .iter()
                .flat_map(|&place| of[place * dim..(place + 1) * dim].iter().copied())
                .collect()
        };
        let side = |of: &Side, places: &[usize]| Side {
            labels: places.iter().map(|&place| of.labels[place]).collect(),
            cameras: of
                .cameras
                .as_ref()
                .map(|cameras| places.iter().map(|&place| cameras[place]).collect()),
        };
        let own = queries
            .iter()
            .map(|&query| {
                let own = self.own[query]? as usize;
                gallery.binary_search(&own).ok().map(|place| place as u32)
            })
            .collect();
        let relevance =
            LabelRelevance::new(side(&self.query_side, queries), side(&self.gallery_side, gallery))
                .with_own(own);
        let mut scorer = Embeddings::new(
            rows(&embedded.queries, queries),
            rows(&embedded.gallery, gallery),
            embedded.dim,
            Similarity::Cosine,
            device,
        )?;
        Ok(search::rank(&mut scorer, &relevance, &Options::default())?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::table::tests::item;
    use crate::data::{Split, Table};
    use crate::train::retrieval::EvalSection;

    /// (label, category, is_query, embedding on the unit circle in degrees)
    fn task(rows: &[(&str, &str, bool, f32)]) -> (Task, Embedded) {
        let items = rows
            .iter()
            .enumerate()
            .map(|(row, (label, category, is_query, _))| {
                let mut item = item(&row.to_string(), label, Split::Test);
                (item.is_query, item.is_gallery) = (*is_query, !is_query);
                item.category = (!category.is_empty()).then(|| category.to_string());
                item
            });
        let table = Table::new("t", None, items.collect());
        let section = EvalSection {
            per_category: true,
            resamples: 20,
            ..EvalSection::default()
        };
        let vectors = |queries: bool| {
            rows.iter()
                .filter(|row| row.2 == queries)
                .flat_map(|row| [row.3.to_radians().cos(), row.3.to_radians().sin()])
                .collect()
        };
        let embedded = Embedded {
            queries: vectors(true),
            gallery: vectors(false),
            dim: 2,
        };
        (Task::new(Arc::new(table), &section, 0).unwrap(), embedded)
    }

    #[test]
    fn other_categories_are_in_nobodys_way_and_categories_count_alike() {
        let (task, embedded) = task(&[
            // Bags: three queries, all found first among bags; a top is nearer to each.
            ("bags/1", "bags", true, 0.0),
            ("bags/1", "bags", true, 1.0),
            ("bags/1", "bags", true, 2.0),
            ("bags/1", "bags", false, 10.0),
            ("bags/2", "bags", false, 90.0),
            // Tops: one query, whose own stands second; the same number as a bag.
            ("tops/1", "tops", true, 100.0),
            ("tops/1", "tops", false, 130.0),
            ("tops/3", "tops", false, 3.0),
            ("tops/4", "tops", false, 101.0),
            // A query with nothing to find is in no figure.
            ("tops/9", "tops", true, 0.0),
        ]);
        let measured = task.measure(&embedded, &crate::device::cpu(), false).unwrap();
        let names: Vec<&str> = measured.iter().map(|m| m.protocol.as_str()).collect();
        assert_eq!(
            names,
            [
                "instance",
                "instance within categories",
                "instance, mean of categories"
            ]
        );
        let value = |at: usize, name: &str| measured[at].figures.get(name).unwrap().value;
        // Merged: tops/3 at 3° comes before the bag at 10° for each of the three.
        assert_eq!(value(0, "recall@1"), 0.0);
        assert_eq!(value(1, "recall@1"), 0.75);
        assert_eq!(value(2, "recall@1"), 0.5);
        // MRR 1 in bags, 1/2 in tops.
        assert_eq!(value(1, "MRR"), 0.875);
        assert_eq!(value(2, "MRR"), 0.75);
        for m in &measured {
            assert_eq!((m.queries, m.skipped), (5, 1), "{}", m.protocol);
            let figure = m.figures.get("MRR").unwrap();
            assert!(figure.low <= figure.value && figure.value <= figure.high);
        }
        assert_eq!(measured[1].gallery, 5);
        let each = task.by_category(&measured[1].ranks).unwrap();
        let each: Vec<_> = each
            .iter()
            .map(|(name, queries, figures)| (name.as_str(), *queries, figures.get("MRR").unwrap().value))
            .collect();
        assert_eq!(each, [("bags", 3, 1.0), ("tops", 1, 0.5)]);
        let quick = task.measure(&embedded, &crate::device::cpu(), true).unwrap();
        assert_eq!(quick.len(), 1);
    }

    #[test]
    fn without_categories_there_is_nothing_to_add() {
        let (task, embedded) = task(&[("1", "", true, 0.0), ("1", "", false, 1.0)]);
        assert_eq!(
            task.measure(&embedded, &crate::device::cpu(), false)
                .unwrap()
                .len(),
            1
        );
    }
}
