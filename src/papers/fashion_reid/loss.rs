//! `[loss]` of the fashion re-identification baseline: a term that is absent is left out.

use crate::losses::{BatchHardTriplet, LabelSmoothing, Margin, Quadruplet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[loss]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossSection {
    /// L_id: ε of the label-smoothed cross-entropy.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub label_smoothing: Option<f32>,
    /// L_metric of the parent: α of the batch-hard triplet loss.
    #[serde(default)]
    pub triplet_margin: Option<f32>,
    /// L_metric of the paper: the batch-hard quadruplet loss.
    #[serde(default)]
    pub quadruplet: Option<QuadrupletSection>,
    /// Weight of L_center; it acts on the features only. The centres' own rate is that of `[[optimizer.groups]]` for `centers$`.
    #[serde(default)]
    pub center_weight: Option<f64>,
}

/// `[loss.quadruplet]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuadrupletSection {
    /// α₁: towards the anchor's negatives.
    pub margin: f32,
    /// α₂: towards pairs of two other classes.
    pub pair_margin: f32,
}

impl LossSection {
    pub(super) fn id(&self) -> Option<LabelSmoothing> {
        self.label_smoothing.map(|epsilon| LabelSmoothing { epsilon })
    }

    pub(super) fn triplet(&self) -> Option<BatchHardTriplet> {
        self.triplet_margin
            .map(|margin| BatchHardTriplet::new(Margin::Hard(margin)))
    }

    pub(super) fn quadruplet(&self) -> Option<Quadruplet> {
        self.quadruplet.as_ref().map(|q| Quadruplet {
            margin: q.margin,
            pair_margin: q.pair_margin,
            squared: false,
        })
    }
}
