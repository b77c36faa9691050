//! Metrics by name, as recipes and reports write them.

use std::fmt;
use std::str::FromStr;

use super::ndcg::Gain;
use super::{
    MetricsError, QueryRanks, at_r, average_precision, inverse_penalty, ndcg, position, precision, recall,
    reciprocal_rank,
};

/// A retrieval metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `recall@k`: [`recall::at`].
    Recall(usize),
    /// `coverage@k`: [`recall::coverage_at`].
    Coverage(usize),
    /// `precision@k`: [`precision::at`].
    Precision(usize),
    /// `mAP`: [`average_precision::of`].
    AveragePrecision,
    /// `mAP@R`: [`at_r::of`].
    AveragePrecisionAtR,
    /// `mINP`: [`inverse_penalty::of`].
    InversePenalty,
    /// `MRR`: [`reciprocal_rank::of`].
    ReciprocalRank,
    /// `R-precision`: [`precision::at_r`].
    PrecisionAtR,
    /// `nDCG@k`: [`ndcg::at`] with exponential gains.
    Gain(usize),
    /// `nDCG`: the same over the whole ranking.
    FullGain,
    /// `nDCG_linear@k`: [`ndcg::at`] with grades as gains.
    LinearGain(usize),
    /// `mean_rank`: [`position::first`].
    MeanRank,
    /// `median_rank`: [`position::median`] of [`position::first`].
    MedianRank,
}

/// What instance retrieval reports unless its recipe says otherwise.
pub fn retrieval_metrics() -> Vec<Metric> {
    let mut metrics: Vec<Metric> = [1, 5, 10, 20, 50].map(Metric::Recall).to_vec();
    metrics.extend([
        Metric::AveragePrecision,
        Metric::AveragePrecisionAtR,
        Metric::InversePenalty,
        Metric::ReciprocalRank,
        Metric::Precision(1),
        Metric::MedianRank,
    ]);
    metrics
}

impl Metric {
    /// One query's value.
    pub fn of(self, query: &QueryRanks) -> f64 {
        match self {
            Self::Recall(k) => recall::at(query, k),
            Self::Coverage(k) => recall::coverage_at(query, k),
            Self::Precision(k) => precision::at(query, k),
            Self::AveragePrecision => average_precision::of(query),
            Self::AveragePrecisionAtR => at_r::of(query),
            Self::InversePenalty => inverse_penalty::of(query),
            Self::ReciprocalRank => reciprocal_rank::of(query),
            Self::PrecisionAtR => precision::at_r(query),
            Self::Gain(k) => ndcg::at(query, k, Gain::Exponential),
            Self::FullGain => ndcg::at(query, usize::MAX, Gain::Exponential),
            Self::LinearGain(k) => ndcg::at(query, k, Gain::Linear),
            Self::MeanRank | Self::MedianRank => position::first(query),
        }
    }

    /// Whether less is better: places in a ranking, not shares.
    pub fn is_place(self) -> bool {
        matches!(self, Self::MeanRank | Self::MedianRank)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recall(k) => write!(f, "recall@{k}"),
            Self::Coverage(k) => write!(f, "coverage@{k}"),
            Self::Precision(k) => write!(f, "precision@{k}"),
            Self::AveragePrecision => f.write_str("mAP"),
            Self::AveragePrecisionAtR => f.write_str("mAP@R"),
            Self::InversePenalty => f.write_str("mINP"),
            Self::ReciprocalRank => f.write_str("MRR"),
            Self::Gain(k) => write!(f, "nDCG@{k}"),
            Self::PrecisionAtR => f.write_str("R-precision"),
            Self::FullGain => f.write_str("nDCG"),
            Self::LinearGain(k) => write!(f, "nDCG_linear@{k}"),
            Self::MeanRank => f.write_str("mean_rank"),
            Self::MedianRank => f.write_str("median_rank"),
        }
    }
}

impl FromStr for Metric {
    type Err = MetricsError;

    fn from_str(name: &str) -> Result<Self, MetricsError> {
        let unknown = || MetricsError::Unknown(name.to_owned());
        let plain = match name {
            "mAP" => Some(Self::AveragePrecision),
            "mAP@R" => Some(Self::AveragePrecisionAtR),
            "mINP" => Some(Self::InversePenalty),
            "MRR" => Some(Self::ReciprocalRank),
            "R-precision" => Some(Self::PrecisionAtR),
            "nDCG" => Some(Self::FullGain),
            "mean_rank" => Some(Self::MeanRank),
            "median_rank" => Some(Self::MedianRank),
            _ => None,
        };
        if let Some(metric) = plain {
            return Ok(metric);
        }
        let (family, k) = name.split_once('@').ok_or_else(unknown)?;
        let k = k.parse().ok().filter(|&k: &usize| k > 0).ok_or_else(unknown)?;
        match family {
            "recall" => Ok(Self::Recall(k)),
            "coverage" => Ok(Self::Coverage(k)),
            "precision" => Ok(Self::Precision(k)),
            "nDCG" => Ok(Self::Gain(k)),
            "nDCG_linear" => Ok(Self::LinearGain(k)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let more = [
            Metric::Coverage(50),
            Metric::PrecisionAtR,
            Metric::LinearGain(5),
            Metric::Gain(10),
            Metric::FullGain,
            Metric::MeanRank,
        ];
        for metric in retrieval_metrics().into_iter().chain(more) {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
        }
        for wrong in ["recall", "recall@0", "recall@x", "map", "mAP@5", ""] {
            assert!(wrong.parse::<Metric>().is_err(), "{wrong}");
        }
    }
}
