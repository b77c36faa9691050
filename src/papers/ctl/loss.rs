//! `[loss]` of the centroid triplet paper: a term that is absent is left out.

use crate::losses::{Anchors, BatchHardTriplet, CentroidTriplet, LabelSmoothing, Margin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[loss]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossSection {
    /// L_id: label-smoothed cross-entropy of the classifier.
    #[serde(default)]
    pub id: Option<IdSection>,
    /// L_tri: batch-hard triplet loss of the features.
    #[serde(default)]
    pub triplet: Option<TripletSection>,
    /// L_center: squared distance from the class centres.
    #[serde(default)]
    pub center: Option<CenterSection>,
    /// L_ctl: the centroid triplet loss.
    #[serde(default)]
    pub centroid: Option<CentroidSection>,
}

fn one() -> f64 {
    1.0
}

/// `[loss.id]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdSection {
    /// Weight in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// ε of label smoothing.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub epsilon: f32,
}

impl IdSection {
    /// The loss.
    pub fn build(&self) -> LabelSmoothing {
        LabelSmoothing {
            epsilon: self.epsilon,
        }
    }
}

/// `[loss.triplet]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TripletSection {
    /// Weight in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// α; absent, the soft margin.
    #[serde(default)]
    pub margin: Option<f32>,
    /// Compare squared distances.
    #[serde(default)]
    pub squared: bool,
    /// Let padding serve as positives and negatives, as the reference code does.
    #[serde(default)]
    pub legacy_padding: bool,
}

impl TripletSection {
    /// The loss.
    pub fn build(&self) -> BatchHardTriplet {
        BatchHardTriplet {
            squared: self.squared,
            legacy_padding: self.legacy_padding,
            ..BatchHardTriplet::new(margin(self.margin))
        }
    }
}

/// `[loss.center]`. The centres' own learning rate is that of `[[optimizer.groups]]` for `centers$`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CenterSection {
    /// Weight in the sum; it acts on the features only, since the centres' gradient is divided by it.
    #[schemars(range(min = 0.0))]
    pub weight: f64,
}

/// `[loss.centroid]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CentroidSection {
    /// Weight in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// α; absent, the soft margin.
    #[serde(default)]
    pub margin: Option<f32>,
    /// Which vectors of a fold are anchors.
    pub anchors: AnchorsSection,
    /// Compare squared distances.
    pub squared: bool,
}

/// Which vectors of a fold are anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnchorsSection {
    /// Queries and centroids, as the reference code.
    All,
    /// Queries only, against centroids only, as the paper's formula.
    Queries,
}

impl CentroidSection {
    /// The loss, for classes of `per_class` consecutive rows.
    pub fn build(&self, per_class: usize) -> CentroidTriplet {
        CentroidTriplet {
            anchors: match self.anchors {
                AnchorsSection::All => Anchors::All,
                AnchorsSection::Queries => Anchors::Queries,
            },
            squared: self.squared,
            ..CentroidTriplet::new(margin(self.margin), per_class)
        }
    }
}

fn margin(margin: Option<f32>) -> Margin {
    margin.map_or(Margin::Soft, Margin::Hard)
}
