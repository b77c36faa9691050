//! A look at every number and every caption before a run depends on them.

use super::{PairSection, Part};
use serde::Serialize;
use std::fmt;

/// How many rows are named; the rest are counted.
const SHOWN: usize = 20;

/// What was found in all splits.
#[derive(Clone, Debug, Serialize)]
pub struct PairReport {
    /// Words of the vocabulary.
    pub words: usize,
    /// What was found in each split.
    pub splits: Vec<SplitReport>,
    /// What makes the data useless: a split that cannot be opened, rows that are not finite.
    pub errors: Vec<String>,
}

/// What was found in a split.
#[derive(Clone, Debug, Serialize)]
pub struct SplitReport {
    /// Its name.
    pub split: String,
    /// Images, regions, length of a region's features.
    pub shape: [usize; 3],
    /// Captions.
    pub captions: usize,
    /// Words of the longest caption.
    pub longest: usize,
    /// The share of the captions' words that the vocabulary lacks.
    pub unknown: f64,
    /// Regions that are zero throughout; absent where the features were not read.
    pub zero_regions: Option<usize>,
}

/// Opens every split of a section and, unless `fast`, reads all of its features. Fails only where there is no vocabulary.
pub fn check(section: &PairSection, fast: bool) -> crate::Result<PairReport> {
    let vocabulary = section.vocabulary()?;
    let mut report = PairReport {
        words: vocabulary.len(),
        splits: Vec::new(),
        errors: Vec::new(),
    };
    for part in [Part::Train, Part::Valid, Part::Test] {
        let name = section.name(part).to_string();
        let split = match section.open(part, &vocabulary) {
            Ok(split) => split,
            Err(error) => {
                report.errors.push(error.to_string());
                continue;
            }
        };
        let [_, regions, dim] = split.features.shape();
        let (mut broken, mut zeros) = (Vec::new(), 0);
        if !fast {
            let mut row = vec![0.0; regions * dim];
            for image in 0..split.images() {
                match split.read(image, &mut row) {
                    Ok(()) => {
                        let empty = |region: &&[f32]| region.iter().all(|&value| value == 0.0);
                        zeros += row.chunks_exact(dim).filter(empty).count();
                    }
                    Err(error) => broken.push(error.to_string()),
                }
            }
        }
        let more = broken.len().saturating_sub(SHOWN);
        report.errors.extend(broken.into_iter().take(SHOWN));
        if more > 0 {
            report.errors.push(format!("{name}: and {more} more rows"));
        }
        report.splits.push(SplitReport {
            split: name,
            shape: [split.images(), regions, dim],
            captions: split.captions.len(),
            longest: split.longest() - 2,
            unknown: split.unknown(),
            zero_regions: (!fast).then_some(zeros),
        });
    }
    Ok(report)
}

impl fmt::Display for PairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vocabulary of {} words", self.words)?;
        for split in &self.splits {
            let [images, regions, dim] = split.shape;
            write!(
                f,
                "{}: {images} images of {regions} × {dim}, {} captions of up to {} words, {:.2} % of the words unknown",
                split.split,
                split.captions,
                split.longest,
                100.0 * split.unknown
            )?;
            match split.zero_regions {
                Some(0) | None => writeln!(f)?,
                Some(zeros) => writeln!(f, ", {zeros} regions are zero throughout")?,
            }
        }
        for error in &self.errors {
            writeln!(f, "error    {error}")?;
        }
        match self.errors.len() {
            1 => write!(f, "1 error"),
            errors => write!(f, "{errors} errors"),
        }
    }
}
