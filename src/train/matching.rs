//! Evaluation of a model that scores pairs: every image with every caption, ranked both ways.
//!
//! Each image and each caption is encoded once. Equal scores count against the model: the rank of what is sought is the number of
//! other items that score at least as much, so that a model which gives all pairs one score finds nothing.
//!
//! Where several answers are right (five captions of an image, all views of a product, every product that carries a name) the first of
//! them counts, and the other right answers are not in its way.

mod scores;
mod section;

pub use scores::{ScoreMatrix, score};
pub use section::PairEvalSection;

use crate::data::pairs::Truth;
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
    /// What the intervals resample: images, or what several of them show.
    pub identities: usize,
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
    /// What is drawn together: the groups of images and of captions.
    groups: [Vec<u32>; 2],
}

/// Ranks a part of the images among a part of the captions. Numbers in `truth` are within the part.
fn ways(
    matrix: &ScoreMatrix,
    truth: &Truth,
    images: Range<usize>,
    captions: Range<usize>,
) -> crate::Result<Ways> {
    let pairs = || (0..truth.pairs()).map(|pair| truth.pair(pair));
    let rank = |scorer: &mut scores::Part, relevance: &PairRelevance| {
        let options = Options {
            ties: Ties::Pessimistic,
            ..Options::default()
        };
        search::rank(scorer, relevance, &options)
    };
    let (rows, columns) = (truth.images(), truth.captions());
    let sentences = PairRelevance::new(rows, columns, pairs().map(|(i, c)| (i, c, 1.0)));
    let pictures = PairRelevance::new(columns, rows, pairs().map(|(i, c)| (c, i, 1.0)));
    Ok(Ways {
        i2t: rank(
            &mut matrix.part(images.clone(), captions.clone(), false),
            &sentences,
        )?
        .queries,
        t2i: rank(&mut matrix.part(images, captions, true), &pictures)?.queries,
        groups: [
            (0..rows).map(|image| truth.group_of_image(image)).collect(),
            (0..columns)
                .map(|caption| truth.group_of_caption(caption).unwrap_or(0))
                .collect(),
        ],
    })
}

/// Ranks and measures: the whole, and, where the section has folds, the mean over equal parts of the images, each searched among its
/// own captions alone. Nothing is resampled if `quick`.
pub fn measure(
    matrix: &ScoreMatrix,
    truth: &Truth,
    section: &PairEvalSection,
    seed: u64,
    quick: bool,
) -> crate::Result<Vec<Measured>> {
    let images = matrix.images();
    let resampling = Resampling {
        resamples: if quick { 0 } else { section.resamples },
        seed,
    };
    let whole = ways(matrix, truth, 0..images, 0..matrix.captions())?;
    let mut measured = figures("", vec![whole], &resampling)?;
    if section.folds > 1 && !quick {
        let Some(per_image) = truth.per_image() else {
            return Err(TrainError::Setting(format!(
                "eval.folds = {} asks for parts of the images with captions of their own, and here pictures share captions: remove it",
                section.folds
            ))
            .into());
        };
        if !images.is_multiple_of(section.folds) {
            return Err(TrainError::Setting(format!(
                "eval.folds = {} does not divide the {images} images of the split",
                section.folds
            ))
            .into());
        }
        let size = images / section.folds;
        let own = Truth::consecutive(size, per_image);
        let parts = (0..section.folds)
            .map(|fold| {
                let images = fold * size..(fold + 1) * size;
                let captions = images.start * per_image..images.end * per_image;
                ways(matrix, &own, images, captions)
            })
            .collect::<crate::Result<Vec<_>>>()?;
        let name = format!(", mean of {} folds", section.folds);
        measured.extend(figures(&name, parts, &resampling)?);
    }
    Ok(measured)
}

/// The figures of parts that count alike.
fn figures(name: &str, parts: Vec<Ways>, resampling: &Resampling) -> crate::Result<Vec<Measured>> {
    let [rows, columns] = [parts[0].i2t.len(), parts[0].t2i.len()];
    let folds = parts.len();
    let (mut i2t, mut t2i) = (Ranks::default(), Ranks::default());
    // Captions are resampled with their images.
    let (mut images, mut captions) = (Vec::new(), Vec::new());
    let (mut image_folds, mut caption_folds) = (Vec::new(), Vec::new());
    for (fold, part) in parts.into_iter().enumerate() {
        let [own_images, own_captions] = part.groups;
        let first = (fold * rows) as u32;
        images.extend(own_images.iter().map(|group| first + group));
        captions.extend(own_captions.iter().map(|group| first + group));
        image_folds.extend(own_images.iter().map(|_| Some(fold as u32)));
        caption_folds.extend(own_captions.iter().map(|_| Some(fold as u32)));
        i2t.queries.extend(part.i2t);
        t2i.queries.extend(part.t2i);
    }
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
    let identities = bootstrap::identities(&i2t, &images);
    Ok(vec![
        Measured {
            protocol: format!("{RSUM}{name}"),
            figures: Figures(vec![(RSUM.into(), sum)]),
            queries: (rows + columns) * folds,
            gallery: columns,
            identities,
            ranks: None,
        },
        Measured {
            protocol: format!("{I2T}{name}"),
            figures: sentences,
            queries: rows * folds,
            gallery: columns,
            identities,
            ranks: Some(i2t),
        },
        Measured {
            protocol: format!("{T2I}{name}"),
            figures: pictures,
            queries: columns * folds,
            gallery: rows,
            identities,
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
        let measured = measure(&matrix, &Truth::consecutive(4, 2), &section(1), 0, false).unwrap();
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
        let measured = measure(&matrix, &Truth::consecutive(20, 5), &section(1), 0, true).unwrap();
        assert_eq!(value(&measured, "rsum", "rsum"), 0.0);
        assert_eq!(value(&measured, "t2i", "median_rank"), 20.0);
        // Five captions of its own are not in each other's way.
        assert_eq!(value(&measured, "i2t", "mean_rank"), 96.0);
    }

    #[test]
    fn chance_is_what_counting_says() {
        // Flickr30K's test split: 0.1, 0.5 and 1 % each way, 3.2 % in all; a thousand images leave 0.3 % of noise each way.
        let mut random = crate::random::stream(1, "chance", &[]);
        let scores = (0..1000 * 5000).map(|_| random.normal() as f32).collect();
        let matrix = ScoreMatrix::new(scores, 1000);
        let measured = measure(&matrix, &Truth::consecutive(1000, 5), &section(1), 0, true).unwrap();
        let rsum = value(&measured, "rsum", "rsum");
        assert!((rsum - 0.032).abs() < 0.012, "{rsum}");
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
        let measured = measure(&matrix, &Truth::consecutive(4, 1), &section(2), 0, false).unwrap();
        assert_eq!(value(&measured, "i2t", "recall@1"), 0.0);
        assert_eq!(value(&measured, "i2t, mean of 2 folds", "recall@1"), 0.5);
        assert_eq!(value(&measured, "t2i, mean of 2 folds", "recall@1"), 0.5);
        assert_eq!(value(&measured, "i2t, mean of 2 folds", "median_rank"), 1.5);
        assert_eq!(value(&measured, "rsum, mean of 2 folds", "rsum"), 5.0);
        let folds = &measured[4];
        assert_eq!((folds.queries, folds.gallery), (4, 2));
        let error = measure(&matrix, &Truth::consecutive(4, 1), &section(3), 0, false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("eval.folds = 3"), "{error}");
    }
    #[test]
    fn any_right_answer_counts() {
        // Images 0 and 1 show one product (captions 0 and 1), image 2 another; caption 1 is said of both. Caption 2 is image 2's alone.
        let truth = Truth::listed(3, vec![vec![0, 1], vec![0, 1, 2], vec![2]]);
        let matrix = ScoreMatrix::new(
            vec![
                0.1, 0.9, 0.5, // image 0: caption 1 is right, and first
                0.2, 0.1, 0.8, // image 1: behind caption 2
                0.9, 0.3,
                0.4, // image 2: caption 2 is behind 0 alone; caption 1 is right as well and not in its way
            ],
            3,
        );
        let measured = measure(&matrix, &truth, &section(1), 0, false).unwrap();
        let facts: Vec<_> = measured
            .iter()
            .map(|m| (m.protocol.as_str(), m.queries, m.gallery))
            .collect();
        assert_eq!(facts, [("rsum", 6, 3), ("i2t", 3, 3), ("t2i", 3, 3)]);
        assert_eq!(value(&measured, "i2t", "recall@1"), 1.0 / 3.0);
        assert_eq!(value(&measured, "i2t", "mean_rank"), 5.0 / 3.0);
        // Caption 0 finds image 2 first, then image 1; caption 1 finds image 0 at once; caption 2 finds image 1 and 0 before 2.
        assert_eq!(value(&measured, "t2i", "recall@1"), 1.0 / 3.0);
        assert_eq!(value(&measured, "t2i", "mean_rank"), (2.0 + 1.0 + 3.0) / 3.0);
        let error = measure(&matrix, &truth, &section(3), 0, false).unwrap_err();
        assert!(error.to_string().contains("pictures share captions"), "{error}");
    }
}
