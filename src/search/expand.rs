//! Query expansion, and its counterpart for the gallery: a vector becomes the weighted mean of itself and its nearest.
//!
//! - Average query expansion (Chum et al., "Total Recall", 2007): all weights are 1.
//! - α query expansion (Radenović, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", 2018): a
//!   neighbour weighs its cosine to the power α; α = 0 is the average.
//! - Database-side augmentation (Turcot and Lowe 2009; Arandjelović and Zisserman 2012): the same for every gallery item,
//!   among the gallery, before any query is expanded.
//!
//! No label is looked at. Figures after expansion are figures of another search: they have rows and columns of their own.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::embeddings::{check, normalise};
use super::{Embeddings, Hit, PairRelevance, SearchError, Similarity, top_k};

/// How vectors are expanded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expansion {
    /// How many of a query's nearest gallery items it is averaged with; 0 leaves queries as they are.
    pub neighbours: usize,
    /// A neighbour weighs its cosine (0 where that is negative) to this power; 0 weighs all alike.
    #[schemars(range(min = 0.0))]
    pub alpha: f64,
    /// How many of its nearest each gallery item is averaged with; 0 leaves the gallery as it is.
    pub database: usize,
}

impl Default for Expansion {
    fn default() -> Self {
        Self {
            neighbours: 5,
            alpha: 3.0,
            database: 0,
        }
    }
}

impl Expansion {
    /// Queries stay as they are.
    pub const NONE: Self = Self {
        neighbours: 0,
        alpha: 3.0,
        database: 0,
    };

    fn weight(&self, score: f32) -> f64 {
        match self.alpha == 0.0 {
            true => 1.0,
            false => f64::from(score.max(0.0)).powf(self.alpha),
        }
    }
}

impl fmt::Display for Expansion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} neighbours, α {}", self.neighbours, self.alpha)?;
        match self.database {
            0 => Ok(()),
            database => write!(f, ", gallery with {database}"),
        }
    }
}

/// `5,3` or `5`: neighbours and α.
impl FromStr for Expansion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (neighbours, alpha) = text.split_once(',').unwrap_or((text, "3"));
        let neighbours = neighbours.trim().parse::<usize>();
        let alpha = alpha.trim().parse::<f64>();
        match (neighbours, alpha) {
            (Ok(neighbours), Ok(alpha)) if neighbours > 0 && alpha >= 0.0 && alpha.is_finite() => Ok(Self {
                neighbours,
                alpha,
                database: 0,
            }),
            _ => Err(
                "write N,ALPHA such as 5,3: a number of neighbours from 1 on, and a power from 0 on".into(),
            ),
        }
    }
}

/// Both sides after expansion, L2-normalised: queries `[queries, dimensions]` and gallery `[gallery, dimensions]`.
///
/// `own` is each query's own place in the gallery, where it stands there: it is no neighbour of itself.
///
/// # Errors
/// When an array does not hold whole rows or holds a value that is not finite, when α is negative, or when the device fails.
///
/// # Panics
/// If there are places for other than each query.
pub fn expand(
    queries: &[f32],
    gallery: &[f32],
    dimensions: usize,
    own: &[Option<u32>],
    expansion: &Expansion,
    device: &Device,
) -> Result<(Vec<f32>, Vec<f32>), SearchError> {
    check("query", queries, dimensions)?;
    check("gallery item", gallery, dimensions)?;
    if !(expansion.alpha >= 0.0 && expansion.alpha.is_finite()) {
        return Err(SearchError::Setting {
            setting: "query_expansion.alpha",
            problem: format!("is {}", expansion.alpha),
            remedy: "give a power from 0 (plain average) on, such as 3",
        });
    }
    let (mut queries, mut gallery) = (queries.to_vec(), gallery.to_vec());
    normalise(&mut queries, dimensions);
    normalise(&mut gallery, dimensions);
    let count = gallery.len() / dimensions;
    if expansion.database > 0 {
        let mut scorer = Embeddings::within(gallery.clone(), dimensions, Similarity::Cosine, device)?;
        let itself = PairRelevance::new(count, count, []).ignoring((0..count).map(|item| (item, item)));
        let every: Vec<usize> = (0..count).collect();
        let near = top_k(&mut scorer, Some(&itself), &every, expansion.database)?;
        gallery = mixed(&gallery, &gallery, dimensions, &near, expansion);
    }
    if expansion.neighbours > 0 {
        let rows = queries.len() / dimensions;
        assert_eq!(own.len(), rows, "one place for each query");
        let mut scorer = Embeddings::new(
            queries.clone(),
            gallery.clone(),
            dimensions,
            Similarity::Cosine,
            device,
        )?;
        let places = own
            .iter()
            .enumerate()
            .filter_map(|(query, own)| Some((query, (*own)? as usize)));
        let itself = PairRelevance::new(rows, count, []).ignoring(places);
        let every: Vec<usize> = (0..rows).collect();
        let near = top_k(&mut scorer, Some(&itself), &every, expansion.neighbours)?;
        queries = mixed(&queries, &gallery, dimensions, &near, expansion);
    }
    Ok((queries, gallery))
}

/// Each row of `rows` plus its neighbours from `others`, weighted, normalised.
fn mixed(
    rows: &[f32],
    others: &[f32],
    dimensions: usize,
    near: &[Vec<Hit>],
    expansion: &Expansion,
) -> Vec<f32> {
    let mut all = Vec::with_capacity(rows.len());
    for (row, near) in rows.chunks_exact(dimensions).zip(near) {
        let mut sum: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
        for hit in near {
            let weight = expansion.weight(hit.score);
            let other = &others[hit.item as usize * dimensions..][..dimensions];
            for (sum, value) in sum.iter_mut().zip(other) {
                *sum += weight * f64::from(*value);
            }
        }
        let norm = sum
            .iter()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt()
            .max(1e-12);
        all.extend(sum.into_iter().map(|value| (value / norm) as f32));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors of the plane at these angles in degrees, each times a length that must not matter.
    fn at(degrees: &[f64]) -> Vec<f32> {
        degrees
            .iter()
            .zip(1..)
            .flat_map(|(angle, length)| {
                let (sin, cos) = angle.to_radians().sin_cos();
                [cos, sin].map(|value| (value * f64::from(length)) as f32)
            })
            .collect()
    }

    fn angles(rows: &[f32]) -> Vec<f64> {
        let angle = |row: &[f32]| f64::from(row[1]).atan2(f64::from(row[0])).to_degrees();
        rows.chunks_exact(2).map(angle).collect()
    }

    #[track_caller]
    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-3, "{found:?} instead of {expected:?}");
        }
    }

    fn run(expansion: Expansion, own: &[Option<u32>]) -> (Vec<f64>, Vec<f64>) {
        let (queries, gallery) = (at(&[0.0]), at(&[60.0, -20.0, 180.0]));
        let device = crate::device::cpu();
        let (queries, gallery) = expand(&queries, &gallery, 2, own, &expansion, &device).unwrap();
        (angles(&queries), angles(&gallery))
    }

    #[test]
    fn average_and_alpha_by_hand() {
        let plain = |neighbours, alpha| Expansion {
            neighbours,
            alpha,
            database: 0,
        };
        // 0° and −20° alike: −10°.
        let (queries, gallery) = run(plain(1, 0.0), &[None]);
        near(&queries, &[-10.0]);
        near(&gallery, &[60.0, -20.0, 180.0]);
        // The query's own picture is no neighbour: 0° and 60° are 30°.
        near(&run(plain(1, 0.0), &[Some(1)]).0, &[30.0]);
        // α = 1: (1, 0) + cos 20° (cos 20°, −sin 20°) + cos 60° (cos 60°, sin 60°).
        let (c, s) = (20f64.to_radians().cos(), 20f64.to_radians().sin());
        let x = 1.0 + c * c + 0.25;
        let y = -c * s + 0.5 * 60f64.to_radians().sin();
        near(&run(plain(2, 1.0), &[None]).0, &[y.atan2(x).to_degrees()]);
        // What points away weighs nothing, unless all weigh alike: then the opposite cancels the query out.
        near(&run(plain(3, 1.0), &[None]).0, &[y.atan2(x).to_degrees()]);
        let opposite = (60f64.to_radians().sin() - s).atan2(0.5 + c).to_degrees();
        near(&run(plain(3, 0.0), &[None]).0, &[opposite]);
        // More neighbours than there are items.
        near(&run(plain(99, 0.0), &[None]).0, &[opposite]);
    }

    #[test]
    fn the_gallery_is_augmented_by_others_and_from_what_it_was() {
        let expansion = Expansion {
            neighbours: 0,
            alpha: 0.0,
            database: 1,
        };
        // 60° and −20° are each other's nearest: both become 20°. 180° has 60° nearest: 120°.
        let (queries, gallery) = run(expansion, &[None]);
        near(&gallery, &[20.0, 20.0, 120.0]);
        near(&queries, &[0.0]);
        // A query is expanded with what the gallery has become.
        let both = Expansion {
            neighbours: 1,
            ..expansion
        };
        near(&run(both, &[None]).0, &[10.0]);
    }

    #[test]
    fn settings_are_read_and_refused() {
        assert_eq!("5,3".parse(), Ok(Expansion::default()));
        let ten: Expansion = "10".parse().unwrap();
        assert_eq!((ten.neighbours, ten.alpha), (10, 3.0));
        for wrong in ["", "0", "0,3", "5,-1", "5,nan", "x", "5,3,1", "-5"] {
            assert!(wrong.parse::<Expansion>().is_err(), "{wrong}");
        }
        let bad = Expansion {
            alpha: f64::NAN,
            ..Expansion::default()
        };
        let device = crate::device::cpu();
        let error = expand(&[1.0], &[1.0], 1, &[None], &bad, &device).unwrap_err();
        assert!(error.to_string().contains("query_expansion.alpha"), "{error}");
        assert!(expand(&[1.0, 2.0], &[1.0; 3], 2, &[None], &Expansion::default(), &device).is_err());
        // An empty gallery changes nothing.
        let empty = expand(&[2.0], &[], 1, &[None], &Expansion::default(), &device).unwrap();
        assert_eq!(empty, (vec![1.0], vec![]));
    }
}
