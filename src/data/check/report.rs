//! What a check found: grouped by kind, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::data::table::{Summary, Table, counted};

/// Lines of one kind that people are shown.
const SHOWN: usize = 10;
/// Lines of one kind that are kept for `--json`.
const KEPT: usize = 1000;

/// Whether a run can be trusted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It would fail a run, or make its figures wrong.
    Error,
    /// Worth knowing.
    Note,
}

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The image's file is not there, or cannot be opened.
    Missing,
    /// The image has no bytes.
    Empty,
    /// The image cannot be decoded.
    Broken,
    /// The image is larger than is decoded.
    TooLarge,
    /// No pixel of the box is inside the image.
    BoxOutside,
    /// A class is trained on and tested on, and the data set is not said to be a closed set.
    ClassInTwoSplits,
    /// One image stands in two splits.
    ImageInTwoSplits,
    /// There are queries, and none has a positive in its gallery.
    NothingToFind,
    /// Images of two splits look alike.
    NearlyInTwoSplits,
    /// One file with different boxes in two splits.
    BoxesInTwoSplits,
    /// Some queries have no positive in the gallery.
    QueryWithoutPositive,
    /// A query's pixels are in the gallery again.
    QueryInGallery,
    /// The same pixels under two labels.
    TwoLabels,
    /// A class is trained on and tested on, as all held-out ones are, and nobody said whether that is meant.
    KnownClass,
    /// A class to train on has one image.
    SingleImageClass,
    /// The name says one format, the content another.
    WrongExtension,
    /// A part of the box is outside the image.
    BoxBeyondEdge,
    /// Too many images look alike to compare all pairs.
    NotAllCompared,
}

impl Kind {
    /// Errors make `tailor data check` fail.
    pub fn severity(self) -> Severity {
        use Kind::*;
        match self {
            Missing | Empty | Broken | TooLarge | BoxOutside | ClassInTwoSplits | ImageInTwoSplits
            | NothingToFind => Severity::Error,
            _ => Severity::Note,
        }
    }

    /// A heading for `count` of them.
    fn title(self, count: usize) -> String {
        let (one, many) = match self {
            Kind::Missing => ("image is missing", "images are missing"),
            Kind::Empty => ("image file is empty", "image files are empty"),
            Kind::Broken => ("image cannot be decoded", "images cannot be decoded"),
            Kind::TooLarge => ("image is too large", "images are too large"),
            Kind::BoxOutside => ("box lies outside its image", "boxes lie outside their images"),
            Kind::ClassInTwoSplits => (
                "class is in both the train and a held-out split",
                "classes are in both the train and a held-out split",
            ),
            Kind::ImageInTwoSplits => ("image stands in two splits", "images stand in two splits"),
            Kind::NothingToFind => (
                "split has no query with a positive",
                "splits have no query with a positive",
            ),
            Kind::NearlyInTwoSplits => (
                "pair of images of two splits is nearly the same",
                "pairs of images of two splits are nearly the same",
            ),
            Kind::BoxesInTwoSplits => ("image has boxes in two splits", "images have boxes in two splits"),
            Kind::QueryWithoutPositive => (
                "query has no positive in the gallery",
                "queries have no positive in the gallery",
            ),
            Kind::QueryInGallery => (
                "query is in the gallery again",
                "queries are in the gallery again",
            ),
            Kind::TwoLabels => ("image has two labels", "images have two labels"),
            Kind::KnownClass => (
                "class is trained on and tested on: taken as a category",
                "classes are trained on and tested on: taken as categories",
            ),
            Kind::SingleImageClass => (
                "train class has a single image",
                "train classes have a single image",
            ),
            Kind::WrongExtension => (
                "image is of another format than its name says",
                "images are of another format than their names say",
            ),
            Kind::BoxBeyondEdge => ("box reaches beyond its image", "boxes reach beyond their images"),
            Kind::NotAllCompared => ("comparison was cut short", "comparisons were cut short"),
        };
        counted(count, one, many)
    }

    /// What to do.
    fn remedy(self) -> &'static str {
        match self {
            Kind::Missing => "check the root that paths start from, restore the files, or remove the rows",
            Kind::Empty => "fetch the files again, or remove the rows",
            Kind::Broken => "fetch the files again, convert them to JPEG, PNG or WebP, or remove the rows",
            Kind::TooLarge => "scale the images down: training uses a few hundred pixels a side",
            Kind::BoxOutside => {
                "boxes are x1, y1, x2, y2 in pixels of the file as it is stored; were they made for another size?"
            }
            Kind::ClassInTwoSplits => {
                "retrieval of unseen products needs classes in one split only; where classes are categories, say so: --closed-set for \
                 this check, data.closed_set = true in a recipe (`tailor data init --categories` writes it)"
            }
            Kind::ImageInTwoSplits => "keep each image in one split: the figures would measure memory",
            Kind::NothingToFind => {
                "give queries gallery images of the same label (with cameras: from another camera)"
            }
            Kind::NearlyInTwoSplits => {
                "look at the pairs: copies at another size or quality belong in one split"
            }
            Kind::BoxesInTwoSplits => "fine where an image shows several products; else keep it in one split",
            Kind::QueryWithoutPositive => "the evaluation leaves these queries out and says how many",
            Kind::QueryInGallery => "remove the copy from the gallery: finding it proves nothing",
            Kind::TwoLabels => "decide on one label",
            Kind::KnownClass => {
                "right where new pictures are to find known ones of their category: a recipe says data.closed_set = true (`tailor \
                 data init` writes it), --closed-set here. Where classes are products, give each to one split"
            }
            Kind::SingleImageClass => {
                "a class needs two images for a positive pair: samplers repeat or skip it"
            }
            Kind::WrongExtension => "nothing needs to be done: images are read by their content",
            Kind::BoxBeyondEdge => "the part inside the image is used",
            Kind::NotAllCompared => {
                "very many images look alike (blank ones?); the pairs that were compared are listed"
            }
        }
    }
}

/// Findings as they come.
#[derive(Default)]
pub(super) struct Findings(BTreeMap<Kind, (usize, Vec<String>)>);

impl Findings {
    pub fn add(&mut self, kind: Kind, text: impl Into<String>) {
        let (count, texts) = self.0.entry(kind).or_default();
        *count += 1;
        if texts.len() < KEPT {
            texts.push(text.into());
        }
    }
}

/// Everything of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// How bad.
    pub severity: Severity,
    /// How many.
    pub count: usize,
    /// Which: the first 1,000.
    pub items: Vec<String>,
    /// What to do.
    pub remedy: &'static str,
}

/// The result of a check. Its `Display` is for people, its JSON for `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the table holds.
    pub data: Summary,
    /// Distinct images that were looked at.
    pub images: usize,
    /// Whether their pixels were decoded and compared.
    pub decoded: bool,
    /// Findings of the severity `error`, counted one by one.
    pub errors: usize,
    /// Findings of the severity `note`, counted one by one.
    pub notes: usize,
    /// By kind, errors first.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(table: &Table, images: usize, fast: bool, findings: Findings) -> Self {
        let findings = findings.0.into_iter().map(|(kind, (count, items))| Finding {
            kind,
            severity: kind.severity(),
            count,
            items,
            remedy: kind.remedy(),
        });
        let mut findings: Vec<Finding> = findings.collect();
        findings.sort_by_key(|finding| (finding.severity, finding.kind));
        let total = |severity| {
            findings
                .iter()
                .filter(|f| f.severity == severity)
                .map(|f| f.count)
                .sum()
        };
        Report {
            data: table.summary(),
            images,
            decoded: !fast,
            errors: total(Severity::Error),
            notes: total(Severity::Note),
            findings,
        }
    }

    /// The findings of a kind.
    pub fn of(&self, kind: Kind) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.kind == kind)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.data)?;
        for finding in &self.findings {
            let word = match finding.severity {
                Severity::Error => "error",
                Severity::Note => "note",
            };
            writeln!(f, "\n{word}: {}", finding.kind.title(finding.count))?;
            for item in finding.items.iter().take(SHOWN) {
                writeln!(f, "    {item}")?;
            }
            if finding.count > SHOWN {
                writeln!(f, "    … and {} more", finding.count - SHOWN)?;
            }
            writeln!(f, "  → {}", finding.remedy)?;
        }
        let how = if self.decoded {
            "decoded"
        } else {
            "looked at (headers only)"
        };
        let images = counted(self.images, "image", "images");
        let errors = counted(self.errors, "error", "errors");
        let notes = counted(self.notes, "note", "notes");
        write!(f, "\n{images} {how}: {errors}, {notes}")
    }
}
