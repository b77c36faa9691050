//! A gallery of class means (centroid retrieval; Wieczorek et al., "On the Unreasonable Effectiveness of Centroids in
//! Image Retrieval", 2021).
//!
//! Its figures use the gallery's labels at test time and rank fewer, easier targets than images: they never share a
//! column with instance figures.

use std::collections::{BTreeMap, BTreeSet};

use super::embeddings::check;
use super::{DISTRACTOR, JUNK, LabelRelevance, SearchError, Side};

/// Which means are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CentroidRule {
    /// One for each label (fashion: consumer photos against products). A query has then one relevant item at most, and
    /// mAP equals MRR.
    Labels,
    /// For each label and each camera that has a query of it: the mean of that label's images from other cameras, stored
    /// once for equal sets of cameras (person re-identification). A query ignores the centroids of its own label whose
    /// set contains its camera.
    Cameras {
        /// Whether labels without queries have a centroid too, over all their cameras, and non-identities
        /// ([`DISTRACTOR`]) stay in the gallery as single images. The reference implementation drops them, which makes
        /// the task easier; report both.
        unqueried: bool,
    },
}

/// Means of gallery embeddings, not normalised: score them with [`Similarity::Cosine`](super::Similarity), which does.
#[derive(Clone, Debug)]
pub struct CentroidGallery {
    /// `[centroids, dimensions]`, row-major.
    pub embeddings: Vec<f32>,
    /// Label of each centroid.
    pub labels: Vec<u32>,
    /// The cameras of each centroid's images, ascending; empty under [`CentroidRule::Labels`].
    pub cameras: Vec<Box<[i64]>>,
    /// The images of each centroid, ascending gallery rows.
    pub members: Vec<Vec<u32>>,
}

impl CentroidGallery {
    /// Builds the centroids of a gallery, `embeddings` being `[gallery, dimensions]` before any normalisation, for the
    /// given queries (of which only labels and cameras matter). Ordered by label, then by the first query's camera that
    /// asks for the set; single images last. [`JUNK`] is left out.
    ///
    /// # Errors
    /// When sizes differ, a value is not finite, or the camera rule lacks cameras.
    pub fn new(
        embeddings: &[f32],
        dimensions: usize,
        gallery: &Side,
        queries: &Side,
        rule: CentroidRule,
    ) -> Result<Self, SearchError> {
        check("gallery item", embeddings, dimensions)?;
        let rows = embeddings.len() / dimensions;
        same_length("labels of the gallery", rows, gallery.labels.len())?;
        let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (item, &label) in (0u32..).zip(&gallery.labels) {
            members.entry(label).or_default().push(item);
        }
        members.remove(&JUNK);
        let singles = members.remove(&DISTRACTOR).unwrap_or_default();
        let mut built = Self {
            embeddings: vec![],
            labels: vec![],
            cameras: vec![],
            members: vec![],
        };
        let keep_singles = match rule {
            CentroidRule::Labels => {
                for (&label, items) in &members {
                    built.push(embeddings, dimensions, label, items.clone(), Box::default());
                }
                true
            }
            CentroidRule::Cameras { unqueried } => {
                let seen = cameras("gallery", gallery)?;
                let asking = cameras("queries", queries)?;
                let mut asked: BTreeMap<u32, BTreeSet<i64>> = BTreeMap::new();
                for (&label, &camera) in queries.labels.iter().zip(asking) {
                    asked.entry(label).or_default().insert(camera);
                }
                for (&label, items) in &members {
                    let sets: Vec<Vec<u32>> = match asked.get(&label) {
                        Some(asking) => {
                            let others = |own: i64| {
                                items
                                    .iter()
                                    .copied()
                                    .filter(|&i| seen[i as usize] != own)
                                    .collect()
                            };
                            asking.iter().map(|&own| others(own)).collect()
                        }
                        None if unqueried => vec![items.clone()],
                        None => vec![],
                    };
                    let first = built.labels.len();
                    for items in sets {
                        let of: BTreeSet<i64> = items.iter().map(|&item| seen[item as usize]).collect();
                        let of: Box<[i64]> = of.into_iter().collect();
                        // Within a label, a set of cameras determines the images.
                        if !items.is_empty() && !built.cameras[first..].contains(&of) {
                            built.push(embeddings, dimensions, label, items, of);
                        }
                    }
                }
                unqueried
            }
        };
        if keep_singles {
            for item in singles {
                let camera = match rule {
                    CentroidRule::Labels => None,
                    CentroidRule::Cameras { .. } => gallery.cameras.as_ref().map(|all| all[item as usize]),
                };
                built.push(
                    embeddings,
                    dimensions,
                    DISTRACTOR,
                    vec![item],
                    camera.into_iter().collect(),
                );
            }
        }
        Ok(built)
    }

    /// The same queries judged against these centroids.
    pub fn relevance(&self, queries: Side) -> LabelRelevance {
        LabelRelevance::with_camera_sets(queries, self.labels.clone(), self.cameras.clone())
    }

    fn push(
        &mut self,
        embeddings: &[f32],
        dimensions: usize,
        label: u32,
        items: Vec<u32>,
        cameras: Box<[i64]>,
    ) {
        let mut sum = vec![0.0f64; dimensions];
        for &item in &items {
            for (sum, value) in sum.iter_mut().zip(&embeddings[item as usize * dimensions..]) {
                *sum += f64::from(*value);
            }
        }
        let count = items.len().max(1) as f64;
        self.embeddings
            .extend(sum.into_iter().map(|sum| (sum / count) as f32));
        self.labels.push(label);
        self.cameras.push(cameras);
        self.members.push(items);
    }
}

fn cameras<'a>(what: &str, side: &'a Side) -> Result<&'a [i64], SearchError> {
    let cameras = side.cameras.as_deref().unwrap_or_default();
    same_length(
        &format!("cameras of the {what}"),
        side.labels.len(),
        cameras.len(),
    )?;
    Ok(cameras)
}

fn same_length(what: &str, expected: usize, found: usize) -> Result<(), SearchError> {
    if found == expected {
        return Ok(());
    }
    Err(SearchError::Shape {
        what: what.to_owned(),
        expected: format!("{expected}"),
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Relevance;

    /// Embeddings that are one number.
    fn build(values: &[f32], gallery: &Side, queries: &Side, rule: CentroidRule) -> CentroidGallery {
        CentroidGallery::new(values, 1, gallery, queries, rule).unwrap()
    }

    #[test]
    fn the_card_s_camera_example() {
        // An identity seen by cameras 1, 2, 3, with queries from cameras 1 and 2.
        let gallery = Side::with_cameras(vec![0, 0, 0], vec![1, 2, 3]);
        let queries = Side::with_cameras(vec![0, 0], vec![1, 2]);
        let built = build(
            &[1.0, 2.0, 6.0],
            &gallery,
            &queries,
            CentroidRule::Cameras { unqueried: true },
        );
        assert_eq!(built.cameras, [Box::from([2, 3]), Box::from([1, 3])]);
        assert_eq!(built.embeddings, [4.0, 3.5]);
        assert_eq!(built.members, [vec![1, 2], vec![0, 2]]);
        let relevance = built.relevance(queries);
        assert_eq!(relevance.positives(0), [(0, 1.0)]);
        assert_eq!(relevance.positives(1), [(1, 1.0)]);
        assert!(relevance.ignore(0, 1) && relevance.ignore(1, 0));
    }

    #[test]
    fn equal_camera_sets_are_stored_once_and_empty_ones_not_at_all() {
        // Identity 0 stands in camera 3 alone: what queries 1 and 2 ask for is the same set. Identity 1 is seen only by
        // its query's camera.
        let gallery = Side::with_cameras(vec![0, 0, 1], vec![3, 3, 1]);
        let queries = Side::with_cameras(vec![0, 0, 1], vec![1, 2, 1]);
        let built = build(
            &[1.0, 3.0, 9.0],
            &gallery,
            &queries,
            CentroidRule::Cameras { unqueried: true },
        );
        assert_eq!(
            (built.labels.as_slice(), built.embeddings.as_slice()),
            (&[0][..], &[2.0][..])
        );
        let relevance = built.relevance(queries);
        assert_eq!(relevance.positives(1).len(), 1);
        assert_eq!(relevance.positives(2).len(), 0);
    }

    #[test]
    fn identities_without_queries_and_distractors_stay_on_demand() {
        let gallery = Side::with_cameras(
            vec![0, 5, 5, DISTRACTOR, DISTRACTOR, JUNK],
            vec![2, 1, 2, 1, 1, 1],
        );
        let queries = Side::with_cameras(vec![0], vec![1]);
        let values = [1.0, 2.0, 4.0, 7.0, 8.0, 9.0];
        let all = build(
            &values,
            &gallery,
            &queries,
            CentroidRule::Cameras { unqueried: true },
        );
        assert_eq!(all.labels, [0, 5, DISTRACTOR, DISTRACTOR]);
        assert_eq!(all.embeddings, [1.0, 3.0, 7.0, 8.0]);
        // The centroid of another identity stays though it contains the query's camera.
        assert_eq!(
            all.relevance(queries.clone()).field(0),
            crate::search::Field::Except(vec![])
        );
        let few = build(
            &values,
            &gallery,
            &queries,
            CentroidRule::Cameras { unqueried: false },
        );
        assert_eq!(few.labels, [0]);
    }

    #[test]
    fn one_centroid_for_each_product() {
        let gallery = Side::labels(vec![4, 2, 4, DISTRACTOR]);
        let built = build(
            &[1.0, 5.0, 2.0, 8.0],
            &gallery,
            &Side::labels(vec![4]),
            CentroidRule::Labels,
        );
        assert_eq!(built.labels, [2, 4, DISTRACTOR]);
        assert_eq!(built.embeddings, [5.0, 1.5, 8.0]);
        assert_eq!(built.relevance(Side::labels(vec![4])).positives(0), [(1, 1.0)]);
    }

    #[test]
    fn missing_cameras_are_an_error() {
        let side = Side::labels(vec![0]);
        let error = CentroidGallery::new(&[1.0], 1, &side, &side, CentroidRule::Cameras { unqueried: true });
        assert!(error.unwrap_err().to_string().contains("cameras of the gallery"));
    }
}
