//! Evaluation of a model that scores pairs: every image with every caption, ranked both ways.
//!
//! Each image and each caption is encoded once. Equal scores count against the model: the rank of what is sought is the number of
//! other items that score at least as much, so that a model which gives all pairs one score finds nothing.

mod scores;
mod section;

pub use scores::{ScoreMatrix, score};
pub use section::PairEvalSection;

use crate::metrics::bootstrap::{self, Addend};
use crate::metrics::{Figure, Figures, Metric, QueryRanks, Ranks, Resampling};
use crate::search::{self, Options, PairRelevance, Ties};
use crate::train::TrainError;
use std::ops::Range;

/// Sentences for images.
pub const I2T: &str = "i2t";
/// Images for sentences.
pub const T2I: &str = "t2i";
/// The sum of recall@1, 5 and 10 both ways.
pub const RSUM: &str = "rsum";

/// The figures of one protocol.
#[derive(Clone, Debug)]
pub struct Measured {
    /// `rsum`, `i2t` or `t2i`, or one of them `, mean of 5 folds`.
    pub protocol: String,
    /// Figures with intervals.
    pub figures: Figures,
    /// Items that are searched with.
    pub queries: usize,
    /// Items that each of them is searched among.
    pub gallery: usize,
    /// The ranks behind the figures; none of a sum.
    pub ranks: Option<Ranks>,
}

/// The recalls that papers on cross-modal retrieval sum.
fn recalls() -> [Metric; 3] {
    [1, 5, 10].map(Metric::Recall)
}

/// Both ways of a part of the images, with their captions.
struct Ways {
    i2t: Vec<Option<QueryRanks>>,
    t2i: Vec<Option<QueryRanks>>,
}

fn ways(matrix: &ScoreMatrix, per_image: usize, images: Range<usize>) -> crate::Result<Ways> {
    let count = images.len();
    let captions = images.start * per_image..images.end * per_image;
    let pairs = || (0..count * per_image).map(move |caption| (caption / per_image, caption));
    let rank = |scorer: &mut scores::Part, relevance: &PairRelevance| {
        let options = Options {
            ties: Ties::Pessimistic,
            ..Options::default()
        };
        search::rank(scorer, relevance, &options)
    };
    let sentences = PairRelevance::new(count, count * per_image, pairs().map(|(i, c)| (i, c, 1.0)));
    let pictures = PairRelevance::new(count * per_image, count, pairs().map(|(i, c)| (c, i, 1.0)));
    Ok(Ways {
        i2t: rank(
            &mut matrix.part(images.clone(), captions.clone(), false),
            &sentences,
        )?
        .queries,
        t2i: rank(&mut matrix.part(images, captions, true), &pictures)?.queries,
    })
}

/// Ranks and measures: the whole, and, where the section has folds, the mean over equal parts of the images, each searched among its
/// own captions alone. Nothing is resampled if `quick`.
pub fn measure(
    matrix: &ScoreMatrix,
    per_image: usize,
    section: &PairEvalSection,
    seed: u64,
    quick: bool,
) -> crate::Result<Vec<Measured>> {
    let images = matrix.images();
    let resampling = Resampling {
        resamples: if quick { 0 } else { section.resamples },
        seed,
    };
    let mut measured = figures(
        "",
        vec![ways(matrix, per_image, 0..images)?],
        per_image,
        &resampling,
    )?;
    if section.folds > 1 && !quick {
        if !images.is_multiple_of(section.folds) {
            return Err(TrainError::Setting(format!(
                "eval.folds = {} does not divide the {images} images of the split",
                section.folds
            ))
            .into());
        }
        let size = images / section.folds;
        let parts = (0..section.folds)
            .map(|fold| ways(matrix, per_image, fold * size..(fold + 1) * size))
            .collect::<crate::Result<Vec<_>>>()?;
        let name = format!(", mean of {} folds", section.folds);
        measured.extend(figures(&name, parts, per_image, &resampling)?);
    }
    Ok(measured)
}

/// The figures of parts that count alike.
fn figures(
    name: &str,
    parts: Vec<Ways>,
    per_image: usize,
    resampling: &Resampling,
) -> crate::Result<Vec<Measured>> {
    let size = parts[0].i2t.len();
    let folds = parts.len();
    let (mut i2t, mut t2i) = (Ranks::default(), Ranks::default());
    for part in parts {
        i2t.queries.extend(part.i2t);
        t2i.queries.extend(part.t2i);
    }
    // Captions are resampled with their image.
    let images: Vec<u32> = (0..i2t.queries.len() as u32).collect();
    let captions: Vec<u32> = (0..t2i.queries.len()).map(|c| (c / per_image) as u32).collect();
    let fold =
        |of: &[u32]| -> Vec<Option<u32>> { of.iter().map(|&image| Some(image / size as u32)).collect() };
    let (image_folds, caption_folds) = (fold(&images), fold(&captions));
    let (images_of, captions_of) = (folds > 1).then_some((&image_folds, &caption_folds)).unzip();
    let addends = [
        Addend {
            ranks: &i2t,
            identities: &images,
            strata: images_of.map(Vec::as_slice),
            metrics: &recalls(),
        },
        Addend {
            ranks: &t2i,
            identities: &captions,
            strata: captions_of.map(Vec::as_slice),
            metrics: &recalls(),
        },
    ];
    let sum: Figure = bootstrap::sum(&addends, resampling)?;
    let mut metrics = recalls().to_vec();
    metrics.extend([Metric::MedianRank, Metric::MeanRank]);
    let of = |addend: &Addend| match addend.strata {
        Some(strata) => {
            bootstrap::figures_of_strata(addend.ranks, addend.identities, strata, &metrics, resampling)
        }
        None => bootstrap::figures(addend.ranks, addend.identities, &metrics, resampling),
    };
    let [sentences, pictures] = [of(&addends[0])?, of(&addends[1])?];
    let (queries, gallery) = (size * folds, size * per_image);
    Ok(vec![
        Measured {
            protocol: format!("{RSUM}{name}"),
            figures: Figures(vec![(RSUM.into(), sum)]),
            queries: queries * (1 + per_image),
            gallery,
            ranks: None,
        },
        Measured {
            protocol: format!("{I2T}{name}"),
            figures: sentences,
            queries,
            gallery,
            ranks: Some(i2t),
        },
        Measured {
            protocol: format!("{T2I}{name}"),
            figures: pictures,
            queries: queries * per_image,
            gallery: size,
            ranks: Some(t2i),
        },
    ])
}

/// The figures that the best checkpoint may be chosen by: of those that [`measure`] gives while training goes on, the ones that are
/// better the higher they are.
pub fn choices() -> Vec<String> {
    let ways = [I2T, T2I];
    let recalls = ways
        .iter()
        .flat_map(|way| recalls().map(|metric| format!("{way}/{metric}")));
    std::iter::once(RSUM.to_string()).chain(recalls).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(folds: usize) -> PairEvalSection {
        PairEvalSection {
            folds,
            resamples: 50,
            ..PairEvalSection::default()
        }
    }

    fn value(measured: &[Measured], protocol: &str, name: &str) -> f64 {
        let found = measured.iter().find(|m| m.protocol == protocol).unwrap();
        found.figures.get(name).unwrap().value
    }

    #[test]
    fn both_ways_by_hand() {
        // Four images of two captions. Rows: images, columns: captions 0 and 1 of image 0, and so on.
        let matrix = ScoreMatrix::new(
            vec![
                0.9, 0.1, 0.5, 0.2, 0.3, 0.0, 0.0, 0.0, // its first caption is first: rank 0
                0.8, 0.7, 0.6, 0.1, 0.0, 0.0, 0.0, 0.0, // third: rank 2
                0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, // third again: rank 2
                0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, // all the same: behind six others
            ],
            4,
        );
        let measured = measure(&matrix, 2, &section(1), 0, false).unwrap();
        assert_eq!(
            measured
                .iter()
                .map(|m| (m.protocol.as_str(), m.queries, m.gallery))
                .collect::<Vec<_>>(),
            [("rsum", 12, 8), ("i2t", 4, 8), ("t2i", 8, 4)]
        );
        assert_eq!(value(&measured, "i2t", "recall@1"), 0.25);
        assert_eq!(value(&measured, "i2t", "recall@5"), 0.75);
        assert_eq!(value(&measured, "i2t", "recall@10"), 1.0);
        // Places 1, 3, 3, 7.
        assert_eq!(value(&measured, "i2t", "median_rank"), 3.0);
        assert_eq!(value(&measured, "i2t", "mean_rank"), 3.5);
        // Columns: 0 is first; 1 is behind 0.7, 0.2 and 0.5; 2 first; 3 behind 0.2, 0.4 and 0.5; 4 ties with 0.5, which counts
        // against it; 5 first; 6 first is 0.7, which is another's, 0.5 is behind it; 7 likewise.
        let places = [1.0, 4.0, 1.0, 4.0, 2.0, 1.0, 2.0, 2.0];
        assert_eq!(value(&measured, "t2i", "recall@1"), 3.0 / 8.0);
        assert_eq!(
            value(&measured, "t2i", "mean_rank"),
            places.iter().sum::<f64>() / 8.0
        );
        assert_eq!(value(&measured, "t2i", "median_rank"), 2.0);
        let sum = 0.25 + 0.75 + 1.0 + 3.0 / 8.0 + 1.0 + 1.0;
        assert!((value(&measured, "rsum", "rsum") - sum).abs() < 1e-12);
    }

    #[test]
    fn scores_are_averaged_behind_the_sigmoid() {
        let of = |values: [f32; 2]| ScoreMatrix::new(values.to_vec(), 1).sigmoid();
        // Logits 0 and 4 average to 2 against 3 and 0.5 to 1.75; scores to 0.741 against 0.788.
        let mean = ScoreMatrix::mean(&[of([0.0, 3.0]), of([4.0, 0.5])]);
        let wanted = [(0.5 + 0.982_014) / 2.0, (0.952_574 + 0.622_459) / 2.0];
        for (found, wanted) in mean.values().iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-5, "{:?}", mean.values());
        }
    }

    #[test]
    fn a_collapsed_model_finds_nothing() {
        let matrix = ScoreMatrix::new(vec![0.5; 20 * 100], 20);
        let measured = measure(&matrix, 5, &section(1), 0, true).unwrap();
        assert_eq!(value(&measured, "rsum", "rsum"), 0.0);
        assert_eq!(value(&measured, "t2i", "median_rank"), 20.0);
        // Five captions of its own are not in each other's way.
        assert_eq!(value(&measured, "i2t", "mean_rank"), 96.0);
    }

    #[test]
    fn folds_are_searched_apart_and_count_alike() {
        // Two folds of two images with one caption: right within each fold, wrong across.
        let matrix = ScoreMatrix::new(
            vec![
                0.5, 0.1, 0.9, 0.9, //
                0.1, 0.5, 0.9, 0.9, //
                0.9, 0.9, 0.5, 0.6, //
                0.9, 0.9, 0.6, 0.5,
            ],
            4,
        );
        let measured = measure(&matrix, 1, &section(2), 0, false).unwrap();
        assert_eq!(value(&measured, "i2t", "recall@1"), 0.0);
        assert_eq!(value(&measured, "i2t, mean of 2 folds", "recall@1"), 0.5);
        assert_eq!(value(&measured, "t2i, mean of 2 folds", "recall@1"), 0.5);
        assert_eq!(value(&measured, "i2t, mean of 2 folds", "median_rank"), 1.5);
        assert_eq!(value(&measured, "rsum, mean of 2 folds", "rsum"), 5.0);
        let folds = &measured[4];
        assert_eq!((folds.queries, folds.gallery), (4, 2));
        let error = measure(&matrix, 1, &section(3), 0, false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("eval.folds = 3"), "{error}");
    }
}
